#!/bin/bash
# oracle: a random schedule of logins, failures, rotations, revocations and crashes, and a model that says who may relay
# after it. Longer by hand: BIN=build/src SOURCE=. tests/oracle/oracle --seed 1000 --kills 100 --seconds 3600
. "$(dirname "$0")/../lib/tap.sh"
needs python3
SEEDS=4 KILLS=25
plan $SEEDS

for program in authrelayd authrelayctl relaylock; do
    [ -x "$BIN/$program" ] || bail "not built: $BIN/$program"
done
export SOURCE PYTHONDONTWRITEBYTECODE=1
for seed in $(seq $SEEDS); do
    rc=0
    said=$("$SOURCE/tests/oracle/oracle" --seed "$seed" --kills $KILLS 2>&1) || rc=$?
    result "$rc" "seed $seed, $KILLS kills: nothing is lost, nothing is invented" || true
    diag "$said"
done
