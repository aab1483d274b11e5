#!/bin/bash
# explain: what it says of explain.in, in each of its forms, byte for byte. With UPDATE=1 the references are written anew:
# read what git diff says of them.
. "$(dirname "$0")/../lib/tap.sh"
CTL=$(realpath "$1")
cd "$(dirname "$0")" || bail "no tests/golden"
unset NO_COLOR

explain() { "$CTL" explain --patterns="$SOURCE/patterns" "$@"; }
golden() { # NAME OPTION...
    local name=$1
    shift
    if [ "${UPDATE:-}" = 1 ]; then explain "$@" explain.in >"explain.$name.ref"; fi
    ok "$name" diff -u "explain.$name.ref" <(explain "$@" explain.in)
}

plan 9
golden table
golden all --all
golden json --json
# only the patterns that have something to say: there will be more of them
is "summary" "$(explain --summary explain.in | grep -E '(^| )[1-9]' | tr -s ' ')" "$(<explain.summary.ref)"
is "standard input is the same" "$(explain --json - <explain.in)" "$(explain --json explain.in)"
is "and the default" "$(explain --json <explain.in)" "$(explain --json explain.in)"
is "whatever the pieces in which it comes" \
    "$(while IFS= read -r -n 7 -d '' piece || [ -n "$piece" ]; do printf %s "$piece"; done < <(tr -d '\000' <explain.in) | explain --json)" \
    "$(explain --json explain.in)"
is "an empty log" "$(explain --json /dev/null; explain /dev/null; explain --summary /dev/null | tail -n 1)" \
    $'0 logins in 0 lines.\n0'
is "no log" "$(explain /no/such/log 2>/dev/null; echo $?)" 1
