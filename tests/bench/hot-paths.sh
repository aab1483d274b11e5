#!/bin/bash
# hot-paths: what the hot paths take, in instructions of our own code and in calls of others', as callgrind counts them:
# for a line of a mixed log in explain and in the daemon, every pattern asked; for relaylock's look-up; for a login, new
# and repeated, in a table of 10,000; for a request at the look-up socket. These are the same on a busy machine, and on
# another processor. None may be over a tenth more than hot-paths.figures says, which holds for one compiler.
# After a change that is meant to be one: HOT_PATHS_RECORD=yes meson test hot-paths, and commit the file.
. "$(dirname "$0")/../lib/tap.sh"
needs valgrind python3
HERE=$SOURCE/tests/bench
FIGURES=$HERE/hot-paths.figures
PROGRAM=${HOT_PATHS:-$BUILD/tests/bench/hot-paths}
PATHS=(explain-line tail-line relay-hit relay-miss grant-new grant-again socketmap)
COMPILER=$("$PROGRAM" compiler) || bail "not built: $PROGRAM"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/authrelay-hot-paths.XXXXXX")
at_exit "rm -rf '$WORK'"

count() { # PATH: prints "INSTRUCTIONS CALLS" of one pass
    local times sum
    (cd "$WORK" && exec valgrind --quiet --tool=callgrind --toggle-collect=measured --compress-strings=no --compress-pos=no \
        --callgrind-out-file="$1.callgrind" "$PROGRAM" "$1" "$SOURCE/patterns" mail.log) >"$WORK/$1.times" || return
    times=$(<"$WORK/$1.times")
    sum=$("$HERE/callgrind-sum" "$WORK/$1.callgrind" "$SOURCE") || return
    [ "$times" -ge 1000 ] && awk -v n="$times" '{ printf "%.1f %.2f\n", $1 / n, $2 / n }' <<<"$sum"
}

recorded() { awk -v path="$1" '$1 == path { print $2, $3 }' "$FIGURES"; } # PATH

# How much more the second is than the first, "INSTRUCTIONS CALLS" both: more, less (either of them by over a tenth), same.
compare() { # RECORDED COUNTED
    awk '{ more = $3 > 1.1 * $1 || $4 > 1.1 * $2; less = $3 < 0.9 * $1 || $4 < 0.9 * $2
           print more ? "more" : less ? "less" : "same" }' <<<"$1 $2"
}

no_figures() {
    # there they have to be
    [ "${CI:-}" != true ] || ! grep -q '^VERSION_CODENAME=bookworm$' /etc/os-release || bail "$1"
    echo "1..0 # SKIP $1"
    diag "SKIPPED: $1"
    exit 0
}

"$HERE/make-log" 5000 >"$WORK/mail.log" || bail "no log"
if [ "${HOT_PATHS_RECORD:-}" = yes ]; then
    {
        sed -n '/^#/p' "$FIGURES"
        echo "compiler $COMPILER"
        for path in "${PATHS[@]}"; do echo "$path $(count "$path")"; done
    } >"$WORK/figures"
    cp "$WORK/figures" "$FIGURES"
fi
[ "$(sed -n 's/^compiler //p' "$FIGURES")" = "$COMPILER" ] || no_figures "no figures are recorded for $COMPILER"

plan $((${#PATHS[@]} + 4))
for path in "${PATHS[@]}"; do
    was=$(recorded "$path") counted=$(count "$path")
    [[ $was =~ ^[0-9.]+\ [0-9.]+$ && $counted =~ ^[0-9.]+\ [0-9.]+$ ]] || bail "$path: recorded '$was', counted '$counted'"
    echo "# $path: $counted (instructions, calls), recorded $was"
    change=$(compare "$was" "$counted")
    result "$([ "$change" = more ] && echo 1 || echo 0)" "$path takes what is recorded" ||
        diag "$path: $counted instead of $was: find out why, or record it with HOT_PATHS_RECORD=yes meson test hot-paths"
    [ "$change" != less ] || diag "$path: $counted instead of $was; record that with HOT_PATHS_RECORD=yes meson test hot-paths"
done
is "more instructions are found" "$(compare "1000 10" "1101 10")" more
is "more calls are found" "$(compare "1000 10" "1000 11.1")" more
is "neither is a tenth" "$(compare "1000 10" "1099 10.9")" same
is "less is told" "$(compare "1000 10" "899 10")" less
