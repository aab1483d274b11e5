# shellcheck shell=bash
# tap.sh: the few words in which the shell tests say what they found (TAP 12, as `meson test` reads it).
# A test that has nothing to work with is skipped loudly; under CI=true that is a failure, because
# then nobody reads the skips. Source it first: it sets the traps that clean up.
set -u

TAP_RUN=0 TAP_FAILED=0 TAP_PLANNED=-1 TAP_CLEANUPS=() TAP_DIAGNOSE=:
LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=${AUTHRELAY_SOURCE:-$(cd "$LIB/../.." && pwd)}
export BUILD=${AUTHRELAY_BUILD:-$SOURCE/build}
BIN=$BUILD # where the programs are built
[ -x "$BIN/relaylock" ] || BIN=$BUILD/src
export BIN LC_ALL=C.UTF-8

plan() { TAP_PLANNED=$1; echo "1..$1"; }
diag() { local text="$*"; printf '# %s\n' "${text//$'\n'/$'\n# '}" >&2; }

bail() { echo "Bail out! $*"; exit 99; }

# For set-up steps, which are not what the test is about: the test ends if one fails.
must() { "$@" || bail "set-up failed: $*"; }

skip_all() {
    [ "${CI:-}" = true ] && bail "needed under CI: $*"
    echo "1..0 # SKIP $*"
    diag "SKIPPED: $*"
    exit 0
}

needs_root() { [ "$(id -u)" = 0 ] || skip_all "needs root: $(basename "$0")"; }
needs() { local c; for c; do command -v "$c" >/dev/null || skip_all "needs the program $c"; done; }

# Runs the whole test again where it can mount what it likes and nobody else sees it.
needs_own_mounts() {
    local words=(unshare --mount --propagation private)
    [ -z "${TAP_OWN_MOUNTS:-}" ] || return 0
    needs unshare
    [ "$(id -u)" = 0 ] || words+=(--user --map-root-user)
    "${words[@]}" mount -t tmpfs none /mnt 2>/dev/null || skip_all "needs a mount namespace of its own"
    trap - EXIT
    TAP_OWN_MOUNTS=yes exec "${words[@]}" bash "$0"
}

result() { # STATUS DESCRIPTION
    TAP_RUN=$((TAP_RUN + 1))
    if [ "$1" = 0 ]; then
        echo "ok $TAP_RUN - $2"
    else
        echo "not ok $TAP_RUN - $2"
        TAP_FAILED=$((TAP_FAILED + 1))
    fi
    return "$1"
}

ok() { # DESCRIPTION CMD...
    local what=$1 out rc=0
    shift
    out=$("$@" 2>&1) || rc=$?
    result "$((rc != 0))" "$what" || { diag "failed ($rc): $*"$'\n'"$out" && return 1; }
}

not() { ! "$@"; }

is() { # DESCRIPTION GOT WANTED
    if [ "$2" = "$3" ]; then result 0 "$1"; else result 1 "$1" || diag "got:    $2"$'\n'"wanted: $3"; fi
}

like() { # DESCRIPTION GOT REGEX
    if [[ $2 =~ $3 ]]; then result 0 "$1"; else result 1 "$1" || diag "got:     $2"$'\n'"to match: $3"; fi
}

# Runs CMD until it succeeds; fails when SECONDS have passed. The bound is what a slow machine needs, not a guess at speed.
wait_until() { # SECONDS CMD...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

at_exit() { TAP_CLEANUPS+=("$*"); }       # last said, first done
diagnose_with() { TAP_DIAGNOSE=$1; }      # what to show when something failed

on_exit() {
    local rc=$? i
    trap - EXIT
    if [ $rc = 0 ] && [ "$TAP_PLANNED" -ge 0 ] && [ $TAP_RUN != "$TAP_PLANNED" ]; then
        diag "planned $TAP_PLANNED, ran $TAP_RUN"
        rc=98
    fi
    if [ $rc != 0 ] || [ $TAP_FAILED != 0 ]; then diag "$($TAP_DIAGNOSE 2>&1)"; fi
    for ((i = ${#TAP_CLEANUPS[@]} - 1; i >= 0; i--)); do eval "${TAP_CLEANUPS[i]}" >/dev/null 2>&1; done
    [ $rc != 0 ] || rc=$((TAP_FAILED != 0))
    exit $rc
}
trap on_exit EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 141' PIPE # else nothing is cleaned up when somebody reads only the first lines
