#!/bin/bash
# control: grant, check, list, revoke and status through the control socket, by hand.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/tree.sh"
plan 32

check_status() { ctl check "$1" >/dev/null 2>&1; echo $?; }
column() { ctl list --json | python3 "$LIB/json-get" --column "$1"; }

daemon_new
daemon_start
is "an empty table" "$(ctl list --json)" "[]"
is "check says no, by exit status 1" "$(check_status 198.51.100.1)" 1

ok "grant an address" ctl grant 198.51.100.1
is "check says yes" "$(check_status 198.51.100.1)" 0
ok "relaylock lets it" relays 198.51.100.1
ok "and its neighbour not" not relays 198.51.100.2
ok "grant with a life and a user" ctl grant 198.51.100.9 --ttl=1h --user=bob
like "list has the user" "$(ctl list --json)" '"user": ?"bob"'
like "and an expiry an hour ahead" "$(($(ctl list --json | python3 -c 'import json,sys,time
print(int([g["until"] for g in json.load(sys.stdin) if g["address"] == "198.51.100.9"][0] - time.time()))') / 60))" '^(59|60)$'
ok "grant a network" ctl grant 203.0.113.0/28
ok "an address in it may relay" relays 203.0.113.14
ok "one beside it may not" not relays 203.0.113.16
ok "grant an IPv6 address" ctl grant 2001:db8:1::1
ok "which may relay" relays 2001:db8:1::1
is "all are listed" "$(grants)" "198.51.100.1 198.51.100.9 2001:db8:1::/64 203.0.113.0/28"
like "the table for people has them, too" "$(ctl list)" '198\.51\.100\.9'

ok "revoke an address" ctl revoke 198.51.100.1
is "check says no" "$(check_status 198.51.100.1)" 1
ok "relaylock refuses it" not relays 198.51.100.1
ok "revoke inside a granted network" ctl revoke 203.0.113.3
ok "refuses that address" not relays 203.0.113.3
ok "and no other of the network" relays 203.0.113.4
ok "revoke by user" ctl revoke --user=bob
ok "refuses his address" not relays 198.51.100.9
ok "revoke everything" ctl revoke --all
is "leaves nothing" "$(grants)" ""
ok "and relaylock agrees" not relays 203.0.113.4

ok "a nonsense address is refused" not ctl grant 999.1.2.3
ok "a network wider than /8 is refused" not ctl grant 0.0.0.0/1
ok "loopback is never granted" not ctl grant 127.0.0.1
like "status is JSON when asked" "$(ctl status --json | python3 -c 'import json,sys; print(type(json.load(sys.stdin)).__name__)')" dict
daemon_stop
is "the daemon ends well" "$?" 0
