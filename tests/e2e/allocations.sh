#!/bin/bash
# allocations: memory that is not there, once for each call stack of an allocation: the daemon refuses with a message or
# goes on, nobody is granted who must not be, and all works afterwards.
. "$(dirname "$0")/../lib/tap.sh"
needs python3
plan 3

for program in authrelayd authrelayctl relaylock; do
    [ -x "$BIN/$program" ] || bail "not built: $BIN/$program"
done
export SOURCE PYTHONDONTWRITEBYTECODE=1
WORK=$(mktemp -d)
at_exit "rm -rf '$WORK'"

# each in a directory of its own, so side by side
declare -A TRIAL
for when in start reload run; do
    "$SOURCE/tests/e2e/allocations" "$when" >"$WORK/$when" 2>&1 &
    TRIAL[$when]=$!
done
for when in start reload run; do
    rc=0
    wait "${TRIAL[$when]}" || rc=$?
    result "$rc" "$when: no allocation that fails does harm" || true
    diag "$when: $(<"$WORK/$when")"
done
