#!/bin/bash
# reload: a good configuration takes effect at once; a bad one changes nothing and is reported with its place.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/tree.sh"
plan 14

daemon_new '[Grants]' TTL=1h
daemon_start
write_login 198.51.100.7
ok "a login is granted" wait_until 60 may_relay 198.51.100.7

configure '[Grants]' TTL=1h Never=198.51.100.8 Always=203.0.113.1
ok "reload" ctl reload
ok "a new Always= holds" wait_until 60 relays 203.0.113.1
ok "the old grant stays" relays 198.51.100.7
write_login 198.51.100.8
write_login 198.51.100.9
ok "sources go on being read" wait_until 60 may_relay 198.51.100.9
ok "a new Never= holds" not relays 198.51.100.8

configure '[Grants]' TTL=tomorrow
out=$(ctl reload 2>&1)
is "a bad configuration is refused" "$?" 1
like "with its file, its line and a reason" "$out$(cat "$WORK/daemon.log")" "authrelay\.conf:5: "
ok "the grants stay" relays 198.51.100.7
ok "Always= stays" relays 203.0.113.1
write_login 198.51.100.10
ok "and logins are granted as before" wait_until 60 may_relay 198.51.100.10

configure '[Grants]' TTL=1h Never=198.51.100.7
kill -HUP "$DAEMON"
ok "SIGHUP reloads as well, and judges every grant again" wait_until 60 not relays 198.51.100.7
ok "an Always= that is gone is withdrawn" wait_until 60 not relays 203.0.113.1
daemon_stop
is "the daemon ends well" "$?" 0
