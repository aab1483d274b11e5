#!/bin/bash
# rotation-fast: a log is rotated a thousand times a minute with logins all the while: none is lost, and nothing is said.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/tree.sh"
needs python3
plan 10
ROTATIONS=200
[ -z "${AUTHRELAY_LONG:-}" ] || ROTATIONS=5000

daemon_new '[Grants]' TTL=1d
daemon_start
write_login 198.51.100.1
must wait_until 30 may_relay 198.51.100.1

logins=0 first=1
for kind in rename copytruncate; do
    rc=0
    said=$("$LIB/log-rotator" $kind "$LOG" $ROTATIONS $first "$BIN/authrelayctl" check 2>"$WORK/rotator.log") || rc=$?
    is "$kind: the last login of each eight rotations was granted" "$(cat "$WORK/rotator.log")" ""
    ok "$kind: all rotations were made" test "$rc:${said%% *}" = "0:$ROTATIONS"
    diag "$kind: rotations, logins, seconds: $said"
    logins=$((logins + 3 * ROTATIONS)) first=$((logins + 1))
    is "$kind: every login was granted" "$(grants | tr ' ' '\n' | grep -c '^198\.1[89]\.')" $logins
done
is "nobody else was" "$(grants | tr ' ' '\n' | grep -vc '^198\.1[89]\.')" 1
is "nothing was said of lost files" "$(grep -cE 'rotated away|compressed|is gone' "$WORK/daemon.log")" 0
ok "the log is well" not grep -q "can't be" "$WORK/daemon.log"
daemon_stop
is "the daemon ends well" "$?" 0
