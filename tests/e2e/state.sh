#!/bin/bash
# state: whatever becomes of the state directory, the daemon starts, says what is wrong, and lets nobody in who was revoked.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/tree.sh"
plan 26

mkdir_fifo() { rm -f "$1" && mkfifo "$1"; }
mkdir_instead() { rm -f "$1" && mkdir "$1"; }
cut_in_half() { truncate -s $(($(stat -c %s "$1") / 2)) "$1"; }
flip() { # a bit in the middle
    python3 -c 'import sys
p = sys.argv[1]
b = bytearray(open(p, "rb").read())
b[len(b) // 2] ^= 1
open(p, "wb").write(b)' "$1"
}
newer() { sed -i '1s/authrelay state .*/authrelay state 99/' "$1"; }
give_away() { chown 65534 "$1"; }
let_write() { chmod 0666 "$1"; }

# The log as it was is read again each time, and must not revive anybody; what is published lies there, too.
set_up() {
    rm -rf "$WORK/state" "$WORK/run"
    cp -a "$WORK/state.saved" "$WORK/state"
    cp -a "$WORK/run.saved" "$WORK/run"
    cp -a "$WORK/mail.log.saved" "$LOG"
    : >"$WORK/daemon.log"
}
# A stop and a start later all is well again: nothing is said, and who was revoked is not in.
start_again() {
    must daemon_stop
    : >"$WORK/daemon.log"
    daemon_start
}
is_well() {
    not grep -E "damaged|can't be|is used|revoked is not known" "$WORK/daemon.log" &&
        not relays 198.51.100.66 && not relays 198.51.100.67
}

daemon_new
daemon_start
write_login 198.51.100.1
write_login 198.51.100.66 eve
write_login 198.51.100.67 bob
must wait_until 30 may_relay 198.51.100.67
must ctl grant 203.0.113.0/28 --ttl=2h >/dev/null
must ctl revoke 198.51.100.66 >/dev/null
must ctl revoke --user bob --block >/dev/null
must daemon_stop
for what in state run mail.log; do must cp -a "$WORK/$what" "$WORK/$what.saved"; done

is_told() { grep -qE "state/state(: section|.* can't be used: )" "$WORK/daemon.log"; }

# Damage of the state alone: what was published is taken back, the log is read again.
for how in cut_in_half flip newer mkdir_fifo mkdir_instead let_write; do
    set_up
    must "$how" "$WORK/state/state"
    daemon_start
    ok "state, $how: it is told, who was in is in, who was revoked is not" \
        eval 'is_told && wait_until 30 relays 198.51.100.1 && relays 203.0.113.5 &&
            not relays 198.51.100.66 && not relays 198.51.100.67'
    start_again
    ok "state, $how: the next save is whole" is_well
    daemon_kill
done

# Of the revocations there is a copy.
for how in cut_in_half mkdir_instead; do
    set_up
    must "$how" "$WORK/state/revocations"
    daemon_start
    write_login 198.51.100.67 bob
    write_login 198.51.100.2
    ok "revocations, $how: the copy is used" eval 'grep -q "its copy .* is used" "$WORK/daemon.log" &&
        wait_until 30 relays 198.51.100.2 && relays 198.51.100.1 && relays 203.0.113.5 &&
        not relays 198.51.100.66 && not relays 198.51.100.67'
    start_again
    ok "revocations, $how: the next save is whole" is_well
    daemon_kill
done

# Without either nobody knows who must not come back: nobody does.
set_up
must flip "$WORK/state/revocations"
must flip "$WORK/state/revocations-copy"
daemon_start
ok "without revocations it is told" grep -q 'what was revoked is not known any more' "$WORK/daemon.log"
ok "and nobody is let in by what was published, saved or logged before" eval 'not relays 198.51.100.1 &&
    not relays 203.0.113.5 && not relays 198.51.100.66 && not relays 198.51.100.67'
later_login() { write_login 198.51.100.3 && sleep 0.3 && relays 198.51.100.3; }
ok "but by a login that is later" wait_until 30 later_login
daemon_kill
daemon_start
ok "a crash later it is still so" eval 'relays 198.51.100.3 && not relays 198.51.100.1 && not relays 203.0.113.5 &&
    not relays 198.51.100.66'
daemon_kill

if [ "$(id -u)" = 0 ]; then
    set_up
    must give_away "$WORK/state/state"
    daemon_start
    ok "another user's state is not read" grep -q 'it belongs to another user' "$WORK/daemon.log"
    start_again
    ok "and the next save is whole" is_well
    daemon_kill
else
    result 0 "another user's state is not read # SKIP needs root"
    result 0 "and the next save is whole # SKIP needs root"
fi

# A grant by hand is saved before it is acknowledged, for all its time.
set_up
daemon_start
must ctl grant 203.0.113.64/28 --ttl=30d >/dev/null
daemon_kill
daemon_start
left() { ctl list --json | python3 -c 'import json, sys, time
print([g["until"] - time.time() for g in json.load(sys.stdin) if g["address"] == "203.0.113.64/28"])'; }
like "a grant by hand outlives a crash by more than TTL" "$(left)" '^\[259[0-9]{4}\.'
daemon_kill

# What came out of a FIFO is not read again, and is published without its user.
set_up
configure "Fifo=$WORK/fifo dovecot"
must mkfifo "$WORK/fifo"
daemon_start
printf '%s mx dovecot: %s\n' "$(date '+%b %e %H:%M:%S')" "$(dovecot_line 198.51.100.80 mallory)" >"$WORK/fifo"
must wait_until 30 relays 198.51.100.80
daemon_kill
daemon_start
must relays 198.51.100.80
must ctl revoke --user mallory >/dev/null
ok "revoke --user after a crash ends grants whose user is not known any more" not relays 198.51.100.80
ok "and leaves those whose user is" relays 198.51.100.1
daemon_stop
is "the daemon ends well" "$?" 0
