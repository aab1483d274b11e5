# shellcheck shell=bash
# namespace.sh: what the two boxes share: a cgroup below our own for the box to be rooted in, and a small /dev.
# Sourced by tests/lib/box and tests/lib/journal-box.

# Where cgroup version 2 is mounted: the whole tree, or beside version 1.
cgroup2_mount() { awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts; }

# The directory that becomes the root of the box's cgroup namespace: below our own, so that limits put on us hold.
cgroup_dir() { # NAME
    local top own
    top=$(cgroup2_mount)
    own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    [ -d "$top$own" ] && [[ $own != *..* ]] || own=/
    echo "${top}${own%/}/authrelay-$1"
}

make_devices() { # DEV
    local d=$1 node
    mount -t tmpfs -o nosuid,mode=755,size=16m dev "$d"
    while read -r node; do
        # shellcheck disable=SC2086 # "null 1 3" is three words
        set -- $node
        mknod -m 666 "$d/$1" c "$2" "$3"
    done <<<$'null 1 3\nzero 1 5\nfull 1 7\nrandom 1 8\nurandom 1 9\ntty 5 0'
    mkdir "$d/pts" "$d/shm"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$d/pts"
    mount -t tmpfs -o nosuid,nodev,mode=1777 shm "$d/shm"
    ln -s pts/ptmx "$d/ptmx"
    ln -s /proc/self/fd "$d/fd"
    for node in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${node%:*}" "$d/${node#*:}"; done
}

remove_cgroups() { find "$1" -depth -type d -exec rmdir {} + || :; [ ! -d "$1" ]; }
