#!/bin/bash
# threat-model: each test that docs/threat-model.md names is there, and says what it is said to say; each row of its tables
# names one, or says "none".
. "$(dirname "$0")/../lib/tap.sh"
cd "$SOURCE" || bail "no $SOURCE"
PAGE=docs/threat-model.md

# FILE TAB WHAT-IT-SAYS for each test that is named
named() { grep -oE '\]\(\.\./tests/[^)]+\) "[^"]+"' "$PAGE" | sed -E 's|^\]\(\.\./([^)]+)\) "(.*)"$|\1\t\2|'; }
# Links to tests that are not followed by what they say.
wordless() { grep -oE '\]\(\.\./tests/[^)]+\)( "[^"]+")?' "$PAGE" | grep -v '"$'; }
# Rows whose last cell has no test.
unproven() { grep -E '^\|' "$PAGE" | grep -vE '^\|( who tries what | what )?[-| ]*(\||what (stops|becomes))' | grep -vE '\| (none|.*\]\(\.\./tests/[^|]*) \|$'; }
# Those that nothing stops, and that no test can show.
without() { grep -cE '\| none \|$' "$PAGE"; }

mapfile -t TESTS < <(named | sort -u)
plan $((${#TESTS[@]} + 4))
ok "there are enough to check: ${#TESTS[@]}" test "${#TESTS[@]}" -gt 30
is "each test is named with what it says" "$(wordless)" ""
is "each row has a test" "$(unproven)" ""
ok "few rows have none" test "$(without)" -le 3
for t in "${TESTS[@]}"; do ok "$t" grep -qF -- "${t#*$'\t'}" "${t%%$'\t'*}"; done
