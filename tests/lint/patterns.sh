#!/bin/bash
# patterns: no shipped regex has text of any length before the address, nor one that costs more than in proportion to
# its length, whatever the client makes the server write.
. "$(dirname "$0")/../lib/tap.sh"
mapfile -t PATTERNS < <(cd "$SOURCE/patterns" && printf '%s\n' *.pattern | sed 's/\.pattern$//')
plan $((${#PATTERNS[@]} + 1))
[ ${#PATTERNS[@]} -gt 15 ] || bail "only ${#PATTERNS[@]} patterns in $SOURCE/patterns"

said=$("$BIN/authrelayctl" patterns --lint --patterns="$SOURCE/patterns" 2>&1)
rc=$?
for name in "${PATTERNS[@]}"; do
    row=$(awk -v name="$name" '$1 == name && $2 > 1000 && $NF == 0' <<<"$said")
    [ -n "$row" ]
    result $? "$name"
    diag "$row"
done
[ $rc = 0 ]
result $? "no fault" || diag "$said"
