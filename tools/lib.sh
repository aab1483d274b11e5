# shellcheck shell=bash
# lib.sh: what tools/try and tools/test share: talking, installing build dependencies, building.
# Only compilers, libraries and test programs are ever installed; never a server.
# shellcheck disable=SC2034 # its variables are used by those who source it

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkgconf libsystemd-dev libpcre2-dev libcdb-dev libcmocka-dev)

if [ "$(id -u)" = 0 ]; then
    CACHE=${AUTHRELAY_TEST_CACHE:-/var/cache/authrelay-test}
else
    CACHE=${AUTHRELAY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/authrelay-test}
fi
export AUTHRELAY_TEST_CACHE=$CACHE
# Another copy of the source must not find this one's build directories.
BUILDS=$CACHE/build-$(sha256sum <<<"$SOURCE" | cut -c1-8)

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD='' PLAIN=''; fi

say() { printf '%s\n' "$BOLD==> $*$PLAIN"; }
note() { printf '    %s\n' "$@"; }
die() { printf '%s\n' "${0##*/}: $*" >&2; exit 1; }

missing_packages() { # PACKAGE...
    local p
    for p; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
    done
}

# Succeeds when all are there; installs what is not when it may.
install_packages() { # PACKAGE...
    local missing log
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        note "missing: ${missing[*]}" "install them with: sudo apt-get install ${missing[*]}"
        return 1
    fi
    say "installing ${missing[*]}"
    log=$(mktemp)
    if ! { apt-get update -q &&
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Sets up (once) and compiles one build directory; quiet unless it fails.
build() { # NAME [MESON-OPTION...]
    local dir=$BUILDS/$1 log
    shift
    mkdir -p "$dir"
    log=$dir/build.log
    if [ ! -f "$dir/build.ninja" ]; then
        meson setup --prefix=/usr --sysconfdir=/etc --localstatedir=/var "$@" "$dir" "$SOURCE" >"$log" 2>&1 ||
            { tail -n 30 "$log" >&2; rm -f "$dir/build.ninja"; return 1; }
    fi
    meson compile -C "$dir" >"$log" 2>&1 || {
        # without the compiler's command lines, which hide what it said
        grep -vE '^(cc|gcc|clang) ' "$log" | grep -E 'error: |ERROR:|FAILED: |undefined reference' -A 5 | head -n 60 >&2
        return 1
    }
}

# In a plain chroot the root directory is no mount point, and neither private mounts nor pivot_root work there. Then the
# calling script runs again where it is one: in a mount namespace of its own, with the chroot's directory bound to itself.
# nsenter into our own namespace leaves the chroot, which is the only way to make its mounts private first.
need_own_root() { # CMD...: how the script was called
    if [ "$(id -u)" != 0 ] || mountpoint -q /; then return; fi
    exec unshare --mount --propagation unchanged \
        nsenter --mount=/proc/self/ns/mnt \
        sh -c 'root=$(readlink /proc/self/fd/9) && mount --make-rprivate / && mount --rbind "$root" "$root" &&
            cd "$root" && exec chroot . env -C "$0" "$@" 9<&-' "$PWD" "$@" 9</
}
