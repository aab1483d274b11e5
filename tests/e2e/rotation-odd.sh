#!/bin/bash
# rotation-odd: logs that are compressed unread, restored, rsynced, edited in place, on a mount that goes and comes, of which
# the inode's number is another file's, or that can't be read for a while. No login is lost without a word about it, none counts
# for longer than its own time, and what an attacker placed is no login.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
needs losetup mkfs.ext4
plan 46

LOGS=/var/log/test
N=0         # each login has an address of its own
ROTATIONS=0 # and whatever else puts another file or other content in a log's place

next() { N=$((N + 1)); ADDRESS=198.51.100.$N; }
line() { # ADDRESS
    echo "$(date '+%b %e %H:%M:%S') box dovecot: imap-login: Login: user=<u$1>, method=PLAIN, rip=$1, lip=203.0.113.1, mpid=7, TLS"
}
append() { in_box sh -c 'cat >>"$1"' sh "$LOGS/$1"; } # FILE < text
write_login() { next; line "$ADDRESS" | append "$1"; } # FILE
granted() { local a; for a; do may_relay "$a" || return 1; done; }
is_granted() { ok "$1" wait_until 60 granted "${@:2}"; } # DESCRIPTION ADDRESS...
stop() { must in_box systemctl stop authrelay.service; }
start() { must in_box systemctl start authrelay.service; }
fresh() { must in_box install -m "${2:-640}" -g adm /dev/null "$LOGS/$1"; } # FILE [MODE]
rotated() { ROTATIONS=$((ROTATIONS + 1)); }
logrotate() { # FILE DIRECTIVE...
    local file=$1
    shift
    { echo "$LOGS/$file {"; printf '    %s\n' 'rotate 9' missingok "$@"; echo "}"; } | in_box tee /tmp/rotate.conf >/dev/null
    must in_box chmod 644 /tmp/rotate.conf
    must in_box logrotate --force --state /tmp/rotate.state /tmp/rotate.conf
    rotated
}
said() { in_box journalctl --no-pager -q -o cat -u authrelay | grep -c -- "$1"; } # TEXT: how often
has_said() { [ "$(said "$1")" -gt 0 ]; }
until_of() { # ADDRESS: when its grant ends
    ctl list --json | python3 -c 'import json, sys
print(*[g["until"] for g in json.load(sys.stdin) if g["address"] == sys.argv[1]])' "$1"
}
# The daemon has come to the end of a log: a login behind all else is granted.
caught_up() { write_login "$1"; must wait_until 60 granted "$ADDRESS"; }

mailhost_new rotation
mkdir -p "$SEED$LOGS/"{mount,multilog} "$SEED/etc/systemd/system/authrelay.service.d"
touch "$SEED$LOGS/"{compress,cut,delay,dates,rsync,inplace,sed,secret}
chown -R 0:4 "$SEED$LOGS" # root:adm, as Debian's logs
chmod 750 "$SEED$LOGS" "$SEED$LOGS/"{mount,multilog}
chmod 640 "$SEED$LOGS/"{compress,cut,delay,dates,rsync,inplace,sed,secret}
# what no event tells is looked for twice in that time
printf '%s\n' '[Service]' WatchdogSec=20 >"$SEED/etc/systemd/system/authrelay.service.d/50-test.conf"
mailhost_boot '[Sources]' Journal=no "File=$LOGS/compress" "File=$LOGS/cut" "File=$LOGS/delay" "File=$LOGS/dates" "File=$LOGS/rsync" \
    "File=$LOGS/inplace" "File=$LOGS/sed" "File=$LOGS/secret" "File=$LOGS/mount/log" "File=$LOGS/multilog/current dovecot"

# A small disk of its own.
truncate -s 8M "$WORK/disk"
must mkfs.ext4 -q -F "$WORK/disk"
LOOP=$(losetup --find --show "$WORK/disk") || skip_all "needs a loop device"
at_exit "losetup --detach $LOOP"
must in_box mknod /dev/disk b 7 "${LOOP#/dev/loop}"
mount_disk() { must in_box mount -t ext4 /dev/disk "$LOGS/mount"; }
mount_disk
must in_box chgrp adm "$LOGS/mount"
must in_box chmod 750 "$LOGS/mount"
fresh mount/log
start_authrelay

# Compressed before it was read: told, with a command that shows what is missing, and only that.
check_compressed() { # FILE DIRECTIVE...
    local file=$1 read unread told
    write_login "$file"; read=$ADDRESS
    is_granted "$*: before" "$read"
    stop
    write_login "$file"; unread=$ADDRESS
    logrotate "$@" compress
    start
    caught_up "$file"
    ok "$*: the login is not known" not may_relay "$unread"
    told=$(in_box journalctl --no-pager -q -o cat -u authrelay | grep "$LOGS/$file.*was compressed before it was read")
    is "$*: it is told, once" "$(wc -l <<<"$told")" 1
    like "$*: from when to when" "$told" 'not known, from [-0-9T:+]+ to [-0-9T:+]+: zcat'
    like "$*: the command that is told shows it" "$(in_box sh -c "${told#*[0-9]: }")" "$unread"
    ok "$*: and not what was read before" not grep -q "$read" <<<"$(in_box sh -c "${told#*[0-9]: }")"
}
check_compressed compress 'create 640 root adm'
check_compressed cut copytruncate dateext
# All of it had been read: nothing to tell, whether it runs or not.
logrotate compress 'create 640 root adm' compress
caught_up compress
stop
logrotate compress 'create 640 root adm' compress
start
caught_up compress
is "compressed after it was read: nothing is told" "$(said "$LOGS/compress.*was compressed before")" 1
stop
write_login delay; a=$ADDRESS
logrotate delay 'create 640 root adm' compress delaycompress
write_login delay; b=$ADDRESS
start
is_granted "delaycompress while stopped: nothing is lost" "$a" "$b"

# Five rotations while nobody looks, and then it is killed.
must in_box systemctl kill -s STOP --kill-whom=main authrelay.service
all=()
for i in 1 2 3 4 5; do
    write_login dates; all+=("$ADDRESS")
    logrotate dates 'create 640 root adm' dateext "dateformat -%Y%m%d-$i"
done
write_login dates; all+=("$ADDRESS")
ok "five rotations: logrotate made them" in_box sh -c "test \$(ls $LOGS | grep -c ^dates-) = 5"
must in_box systemctl kill -s KILL --kill-whom=main authrelay.service
is_granted "five rotations by date, then SIGKILL: nothing is lost" "${all[@]}"

# Older content comes back: no login counts for longer than its own time, and what comes after is read.
check_restored() { # FILE WHAT COMMAND...
    local file=$1 what=$2 before
    shift 2
    write_login "$file"; a=$ADDRESS
    must wait_until 60 granted "$a"
    must in_box cp -p "$LOGS/$file" /tmp/backup
    write_login "$file"; b=$ADDRESS
    must wait_until 60 granted "$b"
    before=$(until_of "$a")
    sleep 2 # a renewed one would last longer by that
    must in_box "$@"
    rotated
    caught_up "$file"
    is "$what: the old login ends when it did" "$(until_of "$a")" "$before"
    ok "$what: the later one holds" may_relay "$b"
    stop
    must in_box "$@"
    rotated
    write_login "$file"; b=$ADDRESS
    start
    is_granted "$what while stopped: what comes after" "$b"
    is "$what while stopped: the old login ends when it did" "$(until_of "$a")" "$before"
}
check_restored rsync rsync rsync -a --ignore-times /tmp/backup "$LOGS/rsync"
check_restored inplace "rsync --inplace" rsync -a --ignore-times --inplace /tmp/backup "$LOGS/inplace"
check_restored sed "sed -i" sed -i 's/lip=203/lip=203/' "$LOGS/sed"

# The inode's number goes to another file, in which an attacker's line stands where the old one ended.
for i in 1 2 3; do write_login mount/log; done
is_granted "inode: before" "$ADDRESS"
stop
inode=$(in_box stat -c %i "$LOGS/mount/log") size=$(in_box stat -c %s "$LOGS/mount/log")
must in_box rm "$LOGS/mount/log"
fresh mount/log
is "inode: its number is used again" "$(in_box stat -c %i "$LOGS/mount/log")" "$inode"
head="$(date '+%b %e %H:%M:%S') box app: failed: "
{ printf '%s%*s' "$head" $((size - ${#head})) '' | tr ' ' x | sed "s/^.\{${#head}\}/$head/"; line 203.0.113.66; } | append mount/log
rotated
write_login mount/log
start
is_granted "inode: the new file is read" "$ADDRESS"
ok "inode: the attacker's line is not one" not may_relay 203.0.113.66

# The file system goes away below the daemon, and comes back.
must in_box umount --lazy "$LOGS/mount"
ok "mount: the log is gone" not in_box test -e "$LOGS/mount/log"
mount_disk
rotated
write_login mount/log
is_granted "mount: it goes on when it is back" "$ADDRESS"
logrotate mount/log 'create 640 root adm'
write_login mount/log
is_granted "mount: and a rotation there is seen" "$ADDRESS"
stop
must in_box umount "$LOGS/mount"
mount_disk
write_login mount/log; a=$ADDRESS
start
is_granted "mount: unmounted and mounted while stopped" "$a"

# It can't be read for a while: the file's mode, then the directory's; the daemon is an ordinary user.
write_login secret
is_granted "mode: before" "$ADDRESS"
must in_box mv "$LOGS/secret" "$LOGS/secret.1"
fresh secret 600
rotated
write_login secret
ok "mode: it is told" wait_until 60 has_said "$LOGS/secret can't be opened: Permission denied"
ok "mode: nothing is read meanwhile" not may_relay "$ADDRESS"
must in_box chmod 640 "$LOGS/secret"
is_granted "mode: it is read when it may be" "$ADDRESS"
must in_box chmod 700 "$LOGS"
must in_box mv "$LOGS/secret" "$LOGS/secret.2"
fresh secret
rotated
write_login secret
must in_box chmod 750 "$LOGS"
is_granted "mode: the directory's" "$ADDRESS"
stop
must in_box chmod 600 "$LOGS/secret"
write_login secret
start
must in_box chmod 640 "$LOGS/secret"
is_granted "mode: changed while stopped" "$ADDRESS"

# multilog is killed while it rotates: what it was about to rename is called "previous", and the next one does it.
must in_box mkfifo /tmp/to-multilog
exec 7<>"$BOX_FILES/tmp/to-multilog"
at_exit 'exec 7>&-'
start_multilog() { in_box sh -c "exec multilog t s4096 n5 $1 $LOGS/multilog </tmp/to-multilog 2>/dev/null" & }
multilog_login() { next; echo "imap-login: Info: Login: user=<m$N>, method=PLAIN, rip=$ADDRESS, lip=203.0.113.1, mpid=7, TLS" >&7; }
in_current() { in_box grep -q "$1" "$LOGS/multilog/current"; }
start_multilog "'!sleep 600'"
must wait_until 30 in_box test -e "$LOGS/multilog/current"
must in_box chgrp -R adm "$LOGS/multilog"
multilog_login
is_granted "multilog: before" "$ADDRESS"
stop
multilog_login; a=$ADDRESS
must wait_until 30 in_current "rip=$a,"
must in_box pkill -ALRM -x multilog
must wait_until 30 in_box test -e "$LOGS/multilog/previous"
must in_box pkill -KILL -x multilog
rotated
must in_box chgrp -R adm "$LOGS/multilog"
start
is_granted "multilog: killed in mid-rotation" "$a"
start_multilog ''
multilog_login
must wait_until 30 in_box sh -c "test ! -e $LOGS/multilog/previous"
must in_box chgrp -R adm "$LOGS/multilog"
is_granted "multilog: and another one does the rest of it" "$ADDRESS"

is "the attacker never was" "$(grants | grep -c '203\.0\.113\.66')" 0
diag "$ROTATIONS rotations and replacements, $N logins"
