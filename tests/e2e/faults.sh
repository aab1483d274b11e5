#!/bin/bash
# faults: disks that are full, read-only or slow, logs that cannot be read, no descriptors, storms of SIGHUP, SIGTERM at any
# moment of the start. The last good files stay in place, it is told once, and the daemon recovers by itself.
. "$(dirname "$0")/../lib/tap.sh"
needs_own_mounts
. "$LIB/tree.sh"
needs strace prlimit python3

FAULTS=0
fault() { FAULTS=$((FAULTS + ${1:-1})); }
said() { grep -c -- "$1" "$WORK/daemon.log"; }
is_said() { [ "$(said "$1")" -gt "${2:-0}" ]; }
descriptors() { find "/proc/$DAEMON/fd" -type l | wc -l; }
relay_all() { local a; for a; do relays "$a" || return 1; done; }
has_read() { grants | grep -qw "$1"; }
fill() { head -c 1M /dev/zero >"$1/filler" 2>/dev/null || :; fault; }
free() { rm -f "$1/filler"; }

# strace puts a fault into system calls of the running daemon, until it is ended.
STRACE=
inject() { # STRACE-OPTION...
    local traced="TracerPid:[[:space:]]*[1-9]"
    strace -f -qq -o /dev/null -p "$DAEMON" "$@" &
    STRACE=$!
    must wait_until 30 grep -q "$traced" "/proc/$DAEMON/status"
    fault
}
no_more() { kill -INT $STRACE; wait $STRACE 2>/dev/null; }

daemon_new '[Grants]' TTL=1h
mount -t tmpfs -o size=128k none "$WORK/run"
mount -t tmpfs -o size=128k none "$WORK/state"
at_exit "umount -l '$WORK/run' '$WORK/state'"
daemon_start
first=$DAEMON
write_login 198.51.100.1
must wait_until 30 relays 198.51.100.1

# ---- the runtime directory ----
n=10
for what in full read-only; do
    n=$((n + 10))
    before=$(said "relay.cdb can't be written") again=$(said "relay.cdb can be written again")
    if [ $what = full ]; then fill "$WORK/run"; else must mount -o remount,ro "$WORK/run"; fault; fi
    write_login 198.51.100.$n
    ok "runtime directory $what: it is told" wait_until 30 is_said "relay.cdb can't be written" "$before"
    for i in 1 2 3; do write_login 198.51.100.$((n + i)); done
    ok "what was published stays" relays 198.51.100.1
    ok "and nothing is granted half" not relays 198.51.100.$n
    ok "a revocation is not acknowledged" not ctl revoke 198.51.100.$((n + 1))
    # so another try has failed
    must wait_until 30 has_read 198.51.100.$((n + 3))
    if [ $what = full ]; then free "$WORK/run"; else must mount -o remount,rw "$WORK/run"; fi
    ok "with room again all of it is published" wait_until 60 relay_all 198.51.100.$n 198.51.100.$((n + 2)) 198.51.100.$((n + 3))
    ok "the revocation, too" not relays 198.51.100.$((n + 1))
    is "it was told once" "$(said "relay.cdb can't be written")" $((before + 1))
    ok "and that it is over" wait_until 30 is_said "relay.cdb can be written again" "$again"
done

# ---- the state directory ----
for what in full read-only; do
    n=$((n + 10))
    before=$(said "revocations can't be written")
    write_login 198.51.100.$n
    must wait_until 30 relays 198.51.100.$n
    if [ $what = full ]; then fill "$WORK/state"; else must mount -o remount,ro "$WORK/state"; fault; fi
    ok "state directory $what: a revocation is not acknowledged" not ctl revoke 198.51.100.$n
    ok "though it is published" not relays 198.51.100.$n
    ok "nor another one" not ctl revoke 198.51.100.$n
    is "it is told once" "$(said "revocations can't be written")" $((before + 1))
    write_login 198.51.100.$((n + 1))
    ok "logins are granted as ever" wait_until 30 relays 198.51.100.$((n + 1))
    if [ $what = full ]; then free "$WORK/state"; else must mount -o remount,rw "$WORK/state"; fi
    ok "with room again it is" ctl revoke 198.51.100.$n
done
is "no fault of a disk ended the daemon" "$DAEMON $(kill -0 "$DAEMON" && echo runs)" "$first runs"

# ---- a log that cannot be read ----
before=$(said "mail.log can't be read")
inject -P "$LOG" -e trace=read,pread64 -e inject=read,pread64:error=EIO
write_login 198.51.100.60
ok "EIO on the log: it is told" wait_until 30 is_said "mail.log can't be read" "$before"
write_login 198.51.100.61
ok "what was published stays" relays 198.51.100.1
no_more
write_login 198.51.100.62
ok "when it can be read again no login is lost" wait_until 30 relay_all 198.51.100.60 198.51.100.61 198.51.100.62
is "it was told once" "$(said "mail.log can't be read")" $((before + 1))

# ---- a slow disk ----
inject -e trace=fsync -e inject=fsync:delay_enter=2000000
write_login 198.51.100.63
ok "fsync takes 2 s: who may relay is known all the while" relays 198.51.100.1
ok "a login is granted" wait_until 120 relays 198.51.100.63
ok "a revocation is made durable" ctl revoke 198.51.100.63
ok "and is published" not relays 198.51.100.63
no_more

# ---- storms of SIGHUP ----
put_configuration() { # LINE: at once
    printf '%s\n' '[Sources]' Journal=no "File=$LOG" '[Grants]' "$1" >"$WORK/authrelay.conf.new"
    mv "$WORK/authrelay.conf.new" "$WORK/authrelay.conf"
}
put_configuration TTL=1h
must ctl reload >/dev/null
before=$(descriptors)
for i in $(seq 1000); do
    kill -HUP "$DAEMON"
    case $((i % 40)) in
        0) put_configuration TTL=1h ;;
        20) put_configuration TTL=tomorrow ;;
        *) [ $((i % 10)) != 5 ] || write_login "198.51.101.$((i / 10))" "user$i" ;;
    esac
done
fault 1000
put_configuration "TTL=1h
Always=203.0.113.1"
kill -HUP "$DAEMON"
ok "1,000 SIGHUPs: the last configuration holds" wait_until 60 relays 203.0.113.1
# shellcheck disable=SC2046
ok "and none of 100 logins is lost" wait_until 60 relay_all $(seq -f 198.51.101.%g 0 99)
ok "bad ones were refused" is_said 'the configuration stays as it was: .*authrelay\.conf:5: '
must wait_until 60 eval "[ \"\$(descriptors)\" = $before ]"
is "no descriptor is left over" "$(descriptors)" "$before"
is "it is the same daemon" "$DAEMON $(kill -0 "$DAEMON" && echo runs)" "$first runs"
daemon_stop
is "it ends well" "$?" 0

# ---- at the start ----
run_daemon() { exec "$@" "$BIN/authrelayd" --config="$WORK/authrelay.conf" --patterns="$SOURCE/patterns"; }
must wait_until 30 relays 198.51.101.7

# With that many descriptors it runs or says why it does not.
wrong=
for limit in $(seq 4 26); do
    fault
    : >"$WORK/limited.log"
    run_daemon prlimit --nofile="$limit:$limit" >"$WORK/limited.log" 2>&1 &
    DAEMON=$!
    wait_until 30 eval '! kill -0 $DAEMON || grep -q "sources\$" "$WORK/limited.log"' || wrong="$wrong $limit:hangs"
    kill -TERM "$DAEMON" 2>/dev/null
    rc=0
    wait "$DAEMON" || rc=$?
    cat "$WORK/limited.log" >>"$WORK/daemon.log"
    [ $rc = 0 ] || { [ $rc = 1 ] && [ -s "$WORK/limited.log" ]; } || wrong="$wrong $limit:$rc"
    relays 198.51.101.7 || wrong="$wrong $limit:lost"
    ! relays 198.51.100.63 || wrong="$wrong $limit:revoked"
done
is "RLIMIT_NOFILE from 4 to 26: it runs, or says why not; nobody is lost, nobody let in" "$wrong" ""

# SIGTERM at the first, second, fourth … of the system calls of each kind, as far as the start has so many.
CALLS=(openat read pread64 close fstat mmap lseek getdents64 write fsync rename unlink socket bind listen epoll_ctl fcntl
    timerfd_create signalfd4 inotify_add_watch rt_sigprocmask)
wrong='' terms=0
for call in "${CALLS[@]}"; do
    for ((i = 1; i < 4096; i *= 2)); do
        run_daemon strace -qq -o /dev/null -e "inject=$call:signal=TERM:when=$i" >>"$WORK/daemon.log" 2>&1 &
        DAEMON=$!
        wait_until 30 eval "! kill -0 $DAEMON || ctl status" || wrong="$wrong $call:$i:hangs"
        # there are not so many
        if kill -0 "$DAEMON" 2>/dev/null && ctl status >/dev/null 2>&1; then
            kill -TERM "$(pgrep -P "$DAEMON")"
            i=4096
        fi
        rc=0
        wait "$DAEMON" 2>/dev/null || rc=$?
        [ $rc = 0 ] || [ $rc = 143 ] || wrong="$wrong $call:$i:$rc"
        relays 198.51.101.7 || wrong="$wrong $call:$i:lost"
        ! relays 198.51.100.63 || wrong="$wrong $call:$i:revoked"
        terms=$((terms + 1))
    done
done
fault $terms
ok "SIGTERM came at more than 50 moments of the start" test $terms -gt 50
is "it ended, nobody is lost, nobody let in" "$wrong" ""

# Where it cannot write at its start.
must mount -o remount,ro "$WORK/state"
fill "$WORK/run"
daemon_start
ok "a start with no room and a read-only state: who was granted is" relays 198.51.101.7
ok "who was revoked is not" not relays 198.51.100.63
write_login 198.51.100.70
must mount -o remount,rw "$WORK/state"
free "$WORK/run"
ok "with room all is well" wait_until 60 relays 198.51.100.70
daemon_stop
is "it ends well in the end" "$?" 0
diag "$FAULTS faults"
plan $TAP_RUN
