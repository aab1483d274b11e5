#!/bin/bash
# publication: every interleaving of the publisher's steps, its death and its failures with those of a reader, by spin;
# and that spin does find an error when one rule of the protocol is left out.
. "$(dirname "$0")/../lib/tap.sh"
needs spin cc
MODEL=$(realpath "$(dirname "$0")/publication.pml")
WORK=$(mktemp -d "${TMPDIR:-/tmp}/authrelay-proof.XXXXXX")
at_exit "rm -rf '$WORK'"
cd "$WORK" || bail "no $WORK"

errors() { # CHANGES GENERATIONS [RULE]: prints "errors: N", and how many states there were if that is all of them
    spin ${3:+-DBREAK_"$3"} -DCHANGES="$1" -DGENERATIONS="$2" -a "$MODEL" &&
        cc -O2 -DSAFETY -DMEMLIM=4096 -o pan pan.c &&
        ./pan -m3000000 -w25 >log && sed -n 's/^State-vector.*\(errors: [0-9]*\)/\1/p' log
}
is_complete() { ! grep -qE 'max search depth too small|out of memory|Warning: Search not completed' log; }

plan 7
is "two changes, four generations: no answer that was never true" "$(errors 2 4)" "errors: 0"
ok "every state was seen: $(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' log)" is_complete
is "three changes, three generations: none either" "$(errors 3 3)" "errors: 0"
ok "every state was seen: $(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' log)" is_complete
is "a snapshot of changes that the delta in place lacks: found" "$(errors 3 3 SNAPSHOT)" "errors: 1"
is "a delta that is not opened again after a newer base: found" "$(errors 3 3 REOPEN)" "errors: 1"
is "the base before the delta where nothing is known: found" "$(errors 3 3 ORDER)" "errors: 1"
