#!/bin/bash
# oracle: random schedules of logins, failures, rotations, revocations, policies and crashes, and a model that says who may
# relay after them. By hand: BIN=build/src SOURCE=. tests/oracle/oracle --variant journal --seed 1000 --kills 100 --seconds 3600
. "$(dirname "$0")/../lib/tap.sh"
needs python3 unshare setpriv
SEEDS=1 KILLS=60
# sanitizers and their crashes take three times as long
if grep -q __asan_init "$BIN/authrelayd"; then
    KILLS=25
    # who has another /proc than its own can't look for leaks; other tests do
    export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
fi
[ -z "${AUTHRELAY_LONG:-}" ] || SEEDS=10
VARIANTS=(log logs crowd)
export SOURCE PYTHONDONTWRITEBYTECODE=1

oracle() { "$SOURCE/tests/oracle/oracle" "$@" 2>&1; }

for program in authrelayd authrelayctl relaylock relaylogin; do
    [ -x "$BIN/$program" ] || bail "not built: $BIN/$program"
done
oracle --can-mount || skip_all "small disks of its own that can be full: root, or a user namespace"
if [ "$(id -u)" = 0 ]; then
    VARIANTS+=(journal mixed)
    needs journalctl
elif [ "${CI:-}" = true ]; then
    bail "needed under CI: root, for a private journald"
else
    diag "SKIPPED: needs root for a private journald: the variants journal and mixed"
fi
plan 3

options=()
for variant in "${VARIANTS[@]}"; do options+=(--variant "$variant"); done
rc=0
said=$(oracle "${options[@]}" --seeds $SEEDS --kills $KILLS --jobs 6) || rc=$?
result "$rc" "nothing is lost, nothing is invented: ${VARIANTS[*]}, $SEEDS seeds of $KILLS kills each" || true
# what is wrong first: the whole of it is long
[ $rc = 0 ] || diag "$(grep -A 1 '^--- .*: ' <<<"$said" | cut -c 1-1000)"
diag "$said"
again=$(oracle --variant log --seed 7 --kills 3 | grep ^schedules)
like "a seed is a schedule" "$again" '^schedules: log 7 [0-9a-f]{8}$'
is "and again the same" "$(oracle --variant log --seed 7 --kills 3 | grep ^schedules)" "$again"
