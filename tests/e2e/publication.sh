#!/bin/bash
# publication: nobody ever gets an answer that was not true at some moment of the look-up, however fast base and delta are
# replaced, and whatever cannot be written; and a reader or a writer that leaves out a rule is found.
. "$(dirname "$0")/../lib/tap.sh"
needs_own_mounts
plan 11

LOOKUPS=350000
[ -z "${AUTHRELAY_LONG:-}" ] || LOOKUPS=20000000
[ -x "$BIN/relaylock" ] || bail "not built: $BIN/relaylock"
WORK=$(mktemp -d)
at_exit "umount -l '$WORK'; rmdir '$WORK'"

# In a directory in memory, as /run is, of so many bytes.
publication() { # SIZE OPTION...
    local rc=0
    must mount -t tmpfs -o "size=$1" none "$WORK"
    shift
    "$PUBLICATION" "$@" --relaylock="$BIN/relaylock" --probe="$STATIC_PROBE" "$WORK" >"$WORK.said" 2>&1 || rc=$?
    must umount "$WORK"
    SAID=$(<"$WORK.said")
    rm -f "$WORK.said"
    diag "$* $SAID"
    return $rc
}
counted() { # WHAT: how many of them
    sed -n "s/.*[^0-9]\([0-9]*\) $1.*/\1/p" <<<" $SAID"
}

publication 64m --lookups=$LOOKUPS
is "small tables: no answer that was not true" "$?" 0
ok "answers did change" test "$(counted "times another answer")" -gt 1000
ok "by relaylock, too" test "$(counted "runs of relaylock")" -gt 100
publication 64m --lookups=$LOOKUPS --filler=2500
is "large ones, whose bases a child builds: no answer that was not true" "$?" 0
ok "with bases" test "$(counted bases)" -gt 20
# Two files and their successors just fit: what does not is now the one, now the other.
publication 256k --lookups=$LOOKUPS --filler=300 --full
is "a disk that is full at random, directories that cannot be synced: no answer that was not true" "$?" 0
ok "it was full" test "$(counted "times no room")" -gt 20

for mutant in order reopen lost in-place; do
    publication 64m --lookups=20000000 --break=$mutant
    is "broken ($mutant): it is found" "$?" 1
done
