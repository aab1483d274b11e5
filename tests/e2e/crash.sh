#!/bin/bash
# crash: after SIGKILL at any moment every published grant and revocation is there, no line is skipped, none counts twice.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/tree.sh"
plan 13

daemon_new
daemon_start
write_login 198.51.100.1
write_login 198.51.100.2 bob
must wait_until 60 may_relay 198.51.100.2
must ctl grant 203.0.113.0/28 >/dev/null
must ctl revoke 198.51.100.1 >/dev/null
daemon_kill
ok "published grants hold while no daemon runs" relays 198.51.100.2
ok "and check agrees" may_relay 198.51.100.2
write_login 198.51.100.3
daemon_start
ok "a login written meanwhile is granted" wait_until 60 may_relay 198.51.100.3
ok "the grant is there" relays 198.51.100.2
ok "the network is there" relays 203.0.113.5
ok "the revocation is there: the log was read again, and that revived nothing" not relays 198.51.100.1
like "the user is not forgotten, or the line was read again" "$(ctl list --json)" '198\.51\.100\.2'

# Kills while it writes: a stream of logins, and a kill at a moment that nobody chose.
for round in 1 2 3 4 5 6; do
    for i in $(seq 40); do write_login "198.51.100.$((10 * round + i % 10))" "user$round$i"; done &
    sleep "0.0$((RANDOM % 90 + 10))"
    daemon_kill
    wait $!
    daemon_start
done
all=$(for round in 1 2 3 4 5 6; do for i in 0 1 2 3 4 5 6 7 8 9; do echo "198.51.100.$((10 * round + i))"; done; done)
granted() { for a in $all; do relays "$a" || return 1; done; }
ok "no login of six crashes is lost" wait_until 60 granted
ok "the revocation has survived them" not relays 198.51.100.1
is "each address stands once" "$(ctl list --json | python3 "$LIB/json-get" --column address | sort | uniq -d)" ""
is "no temporary file is left" "$(find "$WORK/run" "$WORK/state" -type f | grep -vE '/(relay|relay-delta)\.cdb$|/state[^/]*$|/[a-z-]+$|/[a-z-]+\.[a-z]+$')" ""

second=0
"$BIN/authrelayd" --config="$WORK/authrelay.conf" --patterns="$SOURCE/patterns" >"$WORK/second.log" 2>&1 &
SECOND=$!
at_exit "kill -KILL $SECOND"
wait_until 60 not kill -0 $SECOND && { wait $SECOND || second=$?; }
ok "a second daemon on the same directories refuses to start" test "$second" -gt 0
daemon_stop
is "the daemon ends well" "$?" 0
