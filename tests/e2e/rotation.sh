#!/bin/bash
# rotation: every way in which a log file is replaced, done by the real logrotate and the real multilog to a running
# or a stopped daemon: no login is lost, none is read twice as new, and no line that an attacker cut is believed.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 37

LOGS=/var/log/test
N=0 # each login has an address of its own

next() { N=$((N + 1)); ADDRESS=198.51.100.$N; }
line() { # ADDRESS
    echo "$(date '+%b %e %H:%M:%S') box dovecot: imap-login: Login: user=<u$1>, method=PLAIN, rip=$1, lip=203.0.113.1, mpid=7, TLS, session=<s$1/AAAB>"
}
append() { in_box sh -c 'cat >>"$1"' sh "$LOGS/$1"; }             # FILE < text
write_login() { next; line "$ADDRESS" | append "$1"; }              # FILE
granted() { local a; for a; do may_relay "$a" || return 1; done; }
is_granted() { ok "$1" wait_until 60 granted "${@:2}"; }            # DESCRIPTION ADDRESS...
stop() { must in_box systemctl stop authrelay.service; }
start() { must in_box systemctl start authrelay.service; }
hang() { must in_box systemctl kill -s STOP --kill-whom=main authrelay.service; }
resume() { must in_box systemctl kill -s CONT --kill-whom=main authrelay.service; }
logrotate() { # FILE DIRECTIVE...
    local file=$1
    shift
    { echo "$LOGS/$file {"; printf '    %s\n' 'rotate 9' missingok "$@"; echo "}"; } | in_box tee /tmp/rotate.conf >/dev/null
    must in_box chmod 644 /tmp/rotate.conf
    must in_box logrotate --force --state /tmp/rotate.state /tmp/rotate.conf
}
size() { in_box stat -c %s "$LOGS/$1"; }

mailhost_new dovecot
mkdir -p "$SEED$LOGS/multilog"
touch "$SEED$LOGS/"{create,copytruncate,refill,hung,delete,several,target1}
ln -s target1 "$SEED$LOGS/symlink"
chown -R 0:4 "$SEED$LOGS" # root:adm, as Debian's logs
chmod 750 "$SEED$LOGS" "$SEED$LOGS/multilog"
chmod 640 "$SEED$LOGS/"{create,copytruncate,refill,hung,delete,several,target1}
mailhost_boot '[Sources]' Journal=no "File=$LOGS/create" "File=$LOGS/copytruncate" "File=$LOGS/refill" "File=$LOGS/hung" "File=$LOGS/delete" \
    "File=$LOGS/several" "File=$LOGS/symlink" "File=$LOGS/late" "File=$LOGS/multilog/current dovecot"
start_authrelay

# rename + create: the writer goes on in the renamed file until it is told
write_login create; a=$ADDRESS
is_granted "before any rotation" "$a"
must in_box sh -c "exec 5>>$LOGS/create; sleep 3; cat /tmp/late-line >&5" &
writer=$!
next; b=$ADDRESS
line "$b" | in_box tee /tmp/late-line >/dev/null
sleep 0.3
logrotate create 'create 640 root adm'
ok "create: logrotate made a new file" in_box test -f "$LOGS/create.1"
write_login create; c=$ADDRESS
wait $writer
write_login create
is_granted "create: a line in the new file" "$c" "$ADDRESS"
is_granted "create: a line that a slow writer added to the renamed one" "$b"
logrotate create 'create 640 root adm'
write_login create
is_granted "create: and once more" "$ADDRESS"

# copytruncate
write_login copytruncate
is_granted "copytruncate: before" "$ADDRESS"
logrotate copytruncate copytruncate
is "copytruncate: the file is empty" "$(size copytruncate)" 0
write_login copytruncate
is_granted "copytruncate: after" "$ADDRESS"
logrotate copytruncate copytruncate
write_login copytruncate; a=$ADDRESS
write_login copytruncate
is_granted "copytruncate: and once more" "$a" "$ADDRESS"

# copytruncate and a refill past the old position, in which an attacker's text stands just where the old position was:
# read from there it is a perfect login line, read from the start it is the end of somebody's failure.
refill() { # POSITION
    local head
    head="$(date '+%b %e %H:%M:%S') box app: failed: "
    printf '%s' "$head"
    printf '%*s' $(($1 - ${#head})) '' | tr ' ' x
    line 203.0.113.66
}
for i in 1 2 3; do write_login refill; done
is_granted "refill: before" "$ADDRESS"
stop
at=$(size refill)
logrotate refill copytruncate
refill "$at" | append refill
write_login refill; a=$ADDRESS
ok "refill: the file has grown past the old position" test "$(size refill)" -gt "$at"
start
is_granted "refill while stopped: the new lines are read" "$a"
ok "refill while stopped: the attacker's line is not one" not may_relay 203.0.113.66

for i in 1 2 3; do write_login hung; done
is_granted "refill while it hangs: before" "$ADDRESS"
at=$(size hung)
hang
logrotate hung copytruncate
refill "$at" | append hung
write_login hung; a=$ADDRESS
resume
is_granted "refill while it hangs: the new lines are read" "$a"
ok "refill while it hangs: the attacker's line is not one" not may_relay 203.0.113.66

# delete and create anew
write_login delete
is_granted "delete: before" "$ADDRESS"
must in_box rm "$LOGS/delete"
must in_box install -m 640 -g adm /dev/null "$LOGS/delete"
write_login delete
is_granted "delete: the new file" "$ADDRESS"
stop
must in_box rm "$LOGS/delete"
write_login delete
must in_box chgrp adm "$LOGS/delete"
start
is_granted "delete: made anew while stopped" "$ADDRESS"

# a symlink that is pointed elsewhere
write_login target1
is_granted "symlink: before" "$ADDRESS"
must in_box install -m 640 -g adm /dev/null "$LOGS/target2"
write_login target1; a=$ADDRESS
must in_box ln -sfn target2 "$LOGS/symlink"
write_login target2
is_granted "symlink: the last line of the old target" "$a"
is_granted "symlink: the new target" "$ADDRESS"

# a file that appears later
ok "late: is not there" not in_box test -e "$LOGS/late"
must in_box install -m 640 -g adm /dev/null "$LOGS/late"
write_login late
is_granted "late: is read when it appears" "$ADDRESS"

# several rotations while stopped
write_login several
is_granted "several: before" "$ADDRESS"
stop
all=()
for i in 1 2 3; do
    write_login several; all+=("$ADDRESS")
    logrotate several 'create 640 root adm'
    must in_box chgrp adm "$LOGS/several.1"
done
write_login several; all+=("$ADDRESS")
ok "several: logrotate made them" in_box test -f "$LOGS/several.3"
start
is_granted "several: the current file" "${all[3]}"
is_granted "several: the one before" "${all[2]}"
is_granted "several: the one before that" "${all[1]}"
is_granted "several: the rest of the one that was being read" "${all[0]}"

# multilog: TAI64N stamps, `current`, and @... files beside it
must in_box mkfifo /tmp/to-multilog
in_box sh -c "exec multilog t s4096 n5 $LOGS/multilog </tmp/to-multilog" &
exec 7>"$BOX_FILES/tmp/to-multilog"
at_exit 'exec 7>&-'
multilog_login() { next; echo "imap-login: Info: Login: user=<m$N>, method=PLAIN, rip=$ADDRESS, lip=203.0.113.1, mpid=7, TLS, session=<m$N/AAAB>" >&7; }
multilog_files() { in_box sh -c "ls $LOGS/multilog | grep -c '^@'"; }
wait_until 60 in_box test -e "$LOGS/multilog/current"
must in_box chgrp -R adm "$LOGS/multilog"
multilog_login
like "multilog: its file has TAI64N stamps" "$(sleep 0.3; in_box cat "$LOGS/multilog/current")" '^@4[0-9a-f]{23} '
is_granted "multilog: before" "$ADDRESS"
must in_box pkill -ALRM -x multilog
wait_until 60 [ "$(multilog_files)" = 1 ]
multilog_login
is_granted "multilog: after a rotation" "$ADDRESS"
all=()
for i in $(seq 60); do multilog_login; all+=("$ADDRESS"); done
is_granted "multilog: through several rotations by size" "${all[@]}"
ok "multilog: it has rotated by size" test "$(multilog_files)" -ge 2

# Nothing was taken for a login that was none, and nothing was lost on the way.
is "each login was granted, and nothing else" "$(grants | tr ' ' '\n' | wc -l)" "$N"
is "no source is in trouble" "$(in_box journalctl --no-pager -q -o cat -p err -u authrelay)" ""
