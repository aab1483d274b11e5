#!/bin/bash
# units: what `meson install` puts there is a set of units that systemd reads without a word.
# (systemd-analyze security is judged in a booted box: tests/e2e/sandbox.sh.)
. "$(dirname "$0")/../lib/tap.sh"
needs systemd-analyze meson
[ "$(systemctl --version | awk 'NR == 1 { print $2 }')" -ge 252 ] || skip_all "needs systemd >= 252"

ROOT=$(mktemp -d)
at_exit "rm -rf '$ROOT'"
DESTDIR=$ROOT must meson install -C "$BUILD" --no-rebuild --quiet
mapfile -t UNITS < <(find "$ROOT" -path '*/systemd/system/*' \( -name 'authrelay*.service' -o -name 'authrelay*.socket' \) | sort)
plan $((${#UNITS[@]} + 1))
is "there are a service and a socket" "$(($(printf '%s\n' "${UNITS[@]}" | grep -cE '/authrelay\.(service|socket)$') == 2))" 1

# The programs are not at their place on this machine, so ExecStart= is pointed at the build.
verify() { # UNIT
    local copy=$ROOT/verify unit out
    mkdir -p "$copy"
    for unit in "${UNITS[@]}"; do
        sed -E "s#=([-+!]*)/[^ ]*/(authrelayd|authrelayctl|relaylock)#=\1$BIN/\2#" "$unit" >"$copy/${unit##*/}"
    done
    out=$(SYSTEMD_UNIT_PATH="$copy:" systemd-analyze verify --man=no "$copy/${1##*/}" 2>&1 | grep -F authrelay)
    [ -z "$out" ] || { echo "$out"; return 1; }
}
for u in "${UNITS[@]}"; do ok "${u##*/}" verify "$u"; done
