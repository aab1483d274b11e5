#!/bin/bash
# journal-files: whatever becomes of the journal's files - rotated, vacuumed, cut short, damaged, replaced, removed with their
# directory, thousands of them - each login that can still be read is granted, once, and what is lost is told.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/journal.sh"
in_journal_box persistent
plan 54

daemon_new JournalLatency=0 '[Grants]' TTL=1h
sender dovecot.service
active() { echo "$(files)system.journal"; }

# rotation, and journald restarted
logins 50
daemon_start
all_granted "rotation: logins from before it is ever started"
for n in $(seq 12); do
    logins 25
    ok "rotation: number $n" rotate
    logins 25
done
all_granted "rotation: each login between rotations is granted"
is "rotation: and none was read twice" "$(records)" "$WRITTEN"
for _ in 1 2 3; do
    logins 10
    must journald_restart
    logins 10
done
all_granted "restarts of journald: each login is granted"
is "restarts of journald: and none was read twice" "$(records)" "$WRITTEN"
echo "# 12 rotations, 3 restarts: $WRITTEN written, $(granted | wc -l) granted, $(records) read"

# Files that come: a user's first entry makes one. popa3d is the user when it logs the second half of a login.
popa3d_login() { # UID ADDRESS
    as-unit popa3d.service python3 -c 'import os, socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(uid, text):
    os.setresuid(uid, uid, 0)
    log.sendto(f"<22>popa3d[{os.getpid()}]: {text}".encode(), "/dev/log")
    os.setresuid(0, 0, 0)
    os.system("journalctl --sync") # journald looks at the process when it reads the message
say(0, "Session from " + sys.argv[2])
say(int(sys.argv[1]), "Authentication passed for user" + sys.argv[1])' "$@"
    ls "$(files)user-$1.journal" >/dev/null && echo "$2" >>"$WORK/written"
}
for n in 1 2 3 4 5; do
    kill -STOP "$DAEMON"
    logins 5
    must popa3d_login $((2000 + n)) 203.0.113.$n
    logins 5
    kill -CONT "$DAEMON"
    all_granted "new files: a login in user $((2000 + n))'s, which is just made, and those before and after it in the other"
done

# vacuumed with entries unread
is "vacuum: nothing is told to be missing yet" "$(said 'does not reach back')" 0
kill -STOP "$DAEMON"
logins 200
are_lost 200
must vacuum
logins 10
kill -CONT "$DAEMON"
all_granted "vacuum while it can't run: what is left is granted"
ok "vacuum while it can't run: it tells that logins may be missing" wait_until 30 has_said 'does not reach back'
daemon_stop
result $? "stops"
logins 100
are_lost 100
must vacuum
logins 10
daemon_start
all_granted "vacuum while it is stopped: what is left is granted"
ok "vacuum while it is stopped: it tells that logins may be missing" wait_until 30 test "$(said 'does not reach back')" -eq 2
is "vacuum while it is stopped: and nothing was read twice" "$(records)" 10
logins 10
all_granted "vacuum: and it goes on"
must vacuum
logins 10
all_granted "vacuum of what was read"
is "vacuum of what was read: is nothing to tell" "$(said 'does not reach back')" 2

# files cut short and damaged while they are open
damage_cut() { truncate -s 4096 "$(active)"; }
damage_flipped() { for kind in entry array data; do "$LIB/journal-damage" "$(active)" $kind 1 || return 1; done; }
damage_zeros() { "$LIB/journal-damage" "$(active)" zero 1; }
damage_replaced() { head -c 8388608 /dev/urandom >"$WORK/garbage" && mv "$WORK/garbage" "$(active)"; }
damage_removed() { rm "$(active)"; }
for what in cut flipped zeros replaced removed; do
    logins 500
    all_granted "$what: logins before"
    kill -STOP "$DAEMON"
    logins 300
    are_lost 300 # some of them may have been read
    kill -STOP "$(cat /run/journald.pid)"
    must damage_$what
    kill -CONT "$(cat /run/journald.pid)"
    kill -CONT "$DAEMON"
    rotate || must journald_start # that may be too much for it
    logins 20
    has_latest() { [ "$(comm -13 <(granted) <(tail -n 20 "$WORK/written" | sort) | wc -l)" = 0 ]; }
    ok "$what: later ones are granted" wait_until 60 has_latest
    ok "$what: the daemon lives" lives
    granted >"$WORK/written"
done
ok "and the source is well" wait_until 60 journal_is_ok

# a directory that vanishes and comes back as another one
rm -rf /var/log/journal
rotate
mkdir -p /var/log/journal
must journald_restart
logins 20
all_granted "a directory that vanishes and comes back"
daemon_stop
result $? "stops without a leak"

# thousands of files, of users who log something
limit=$(sed -n 's/^LimitNOFILE=//p' "$SOURCE/systemd/authrelay.service.in")
must rotate
archived=$(find "$(files)" -name 'system@*.journal' | head -n 1)
must python3 -c 'import os, sys
for n in range(10000, 15000):
    os.link(sys.argv[1], f"{sys.argv[2]}/user-{n}.journal")' "$archived" "$(files)"
ulimit -n "$limit"
daemon_start
logins 20
all_granted "5000 files: logins are read and published"
must tell dovecot.service open a
must tell dovecot.service line a nothing in particular
must tell dovecot.service line a "$(dovecot_line 203.0.113.7)"
echo 203.0.113.7 >>"$WORK/written"
all_granted "5000 files: one that makes it look back in a stream"
echo "# $(find "/proc/$DAEMON/fd" -mindepth 1 | wc -l) descriptors of $limit for $(find "$(files)" -type f | wc -l) files"
not_published() { has_said "can't be written"; }
ok "5000 files: and descriptors are left" not not_published
daemon_stop
result $? "stops"
echo "# $FIRST logins written in all, $LOST of them made away with"
