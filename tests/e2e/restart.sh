#!/bin/bash
# restart: systemctl stop and start lose no grant and no socket; while it is stopped, what was granted holds;
# a login made meanwhile is granted afterwards.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 15

relays() { in_box env TCPREMOTEIP="$1" relaylock sh -c 'test "${RELAYCLIENT+yes}" = yes'; }
# A connection to the control socket is what a client would notice.
control_answers() { ctl status; }

mailhost_new dovecot
mailhost_boot
start_authrelay
ok "a login is granted" login imap 203.0.113.7
ok "and published" wait_until 60 relays 203.0.113.7
until_of() { ctl list --json | python3 -c 'import json, sys
print([g["until"] for g in json.load(sys.stdin) if g["address"] == sys.argv[1]][0])' "$1"; }
before=$(until_of 203.0.113.7)
like "with an expiry" "$before" '^[0-9]+$'

ok "systemctl stop" in_box systemctl stop authrelay.service
ok "relay.cdb is still there" in_box test -s /run/authrelay/relay.cdb
ok "relaylock still lets the client" relays 203.0.113.7
ok "check still says yes, without the daemon" may_relay 203.0.113.7
ok "a login while it is stopped" login pop3 203.0.113.8

ok "systemctl start" in_box systemctl start authrelay.service
ok "the control socket answers" wait_until 60 control_answers
ok "every socket of the unit is reachable" in_box sh -c '
    for s in $(systemctl show -P Listen authrelay.socket | grep -oE "/run/[^ ]+"); do test -S $s || { echo "$s is gone"; exit 1; }; done'
ok "the grant is there" may_relay 203.0.113.7
is "unchanged" "$(until_of 203.0.113.7)" "$before"
ok "the login made meanwhile is granted" wait_until 60 relays 203.0.113.8

in_box systemctl restart authrelay.service authrelay.socket
ok "a restart of both units answers, too" wait_until 60 control_answers
