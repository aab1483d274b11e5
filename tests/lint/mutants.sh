#!/bin/bash
# The oracle's mutants are made of texts of the source: each must still be there, once.
set -eu

echo 1..2
if said=$("$AUTHRELAY_SOURCE/tests/oracle/mutants" "$AUTHRELAY_SOURCE" 2>&1); then
    echo "ok 1 - each mutant's text is in the source"
else
    printf '# %s\n' "$said"
    echo "not ok 1 - each mutant's text is in the source"
fi

# one of the texts is changed
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cp -r "$AUTHRELAY_SOURCE/src" "$tree"
sed -i 's/return GRANT_STALE;/return GRANT_STALE + 0;/' "$tree/src/grant/grant-table.c"
if "$AUTHRELAY_SOURCE/tests/oracle/mutants" "$tree" 2>/dev/null; then
    echo "not ok 2 - one that is not is told"
else
    echo "ok 2 - one that is not is told"
fi
