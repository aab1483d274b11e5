#!/bin/bash
# fifo: a writer that waits when its FIFO is full, and dies when nobody has it open, writes logins through two FIFOs, one of
# ListenFIFO= and one that the daemon made, while that is restarted, reloaded, killed, made to crash again and again, and
# not there at all. It never waits for long, never dies, and no login is lost.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 49

HELD=/run/authrelay/fifo OWN=/run/authrelay/own
N=0 # logins written so far, each of an address of its own
declare -A WRITER

# In the background: a number of logins through a FIFO.
write_logins() { # NAME PATH COUNT INTERVAL-MS
    python3 "$LIB/fifo-writer" --progress="$WORK/$1.bytes" "$BOX_FILES$2" "$N" "$3" "$4" >"$WORK/$1" 2>&1 &
    WRITER[$1]=$!
    N=$((N + $3))
}
finish() { # NAME COUNT MILLISECONDS
    local rc=0 count longest
    wait "${WRITER[$1]}" || rc=$?
    read -r count longest <"$WORK/$1"
    is "$1: the writer was never sent a SIGPIPE and wrote all" "$rc ${count:-0}" "0 $2"
    ok "$1: no write took longer than $3 ms (${longest:-?})" test "${longest:-999999}" -le "$3"
}
written() { local n=0; [ ! -s "$WORK/$1.bytes" ] || read -r n <"$WORK/$1.bytes"; echo "$n"; } # NAME
grants_are() { [ "$(status_number grants)" = "$1" ]; }
all_granted() { ok "$1" wait_until 60 grants_are "$N" || diag "$(status_number grants) of $N"; }
crash() { in_box systemctl kill -s KILL --kill-whom=main authrelay.service; }
is_running() { in_box systemctl is-active --quiet authrelay.service; }
put() { cat >"$BOX_FILES$1"; } # FIFO < text
login_line() { # ADDRESS
    echo "$(date '+%b %e %H:%M:%S') box dovecot: imap-login: Login: user=<u$1>, method=PLAIN, rip=$1, lip=203.0.113.1, mpid=7, TLS, session=<s$1/AAAB>"
}
units() { # what an administrator puts into the service's drop-in
    mkdir -p "$BOX_FILES/etc/systemd/system/authrelay.service.d"
    cat >"$BOX_FILES/etc/systemd/system/authrelay.service.d/test.conf"
    must in_box systemctl daemon-reload
}

mailhost_new syslogd
mailhost_boot '[Sources]' "Fifo=$HELD" "Fifo=$OWN"
start_authrelay
is "without its unit the daemon makes both by itself" "$(in_box stat -c '%F %a %U' $HELD $OWN | uniq)" "fifo 600 authrelay"
must in_box systemctl stop authrelay.service
must in_box systemctl enable --quiet --now authrelay-fifo.socket
must in_box systemctl start authrelay.service
is "the FIFO of the unit is root's alone" "$(in_box stat -c '%F %a %U' $HELD)" "fifo 600 root"
is "the one that the daemon made is its own alone" "$(in_box stat -c '%F %a %U' $OWN)" "fifo 600 authrelay"
ok "mallory can't write to the one" not as_mallory sh -c "echo x >$HELD"
ok "nor to the other" not as_mallory sh -c "echo x >$OWN"
is "both are read, and said to be forgeable" "$(ctl status | grep -c 'fifo .*forgeable\|own .*forgeable')" 2

# Restarts, reloads and crashes while both are written to.
write_logins held $HELD 2000 3
write_logins own $OWN 2000 3
for i in 1 2; do
    sleep 0.5
    in_box systemctl restart authrelay.service
    sleep 0.5
    in_box systemctl reload authrelay.service
    sleep 0.5
    crash
done
finish held 2000 1000
finish own 2000 1000
must wait_until 60 is_running
all_granted "and each login was granted, over restarts, reloads and crashes"

# It crashes as soon as it is there, for a while, and more often than any unit may start again by default.
units <<<$'[Service]\nRestartSec=100ms'
write_logins crashing $HELD 600 10
write_logins crashing-own $OWN 600 10
for i in $(seq 20); do
    crash
    sleep 0.2
done
must wait_until 60 is_running
finish crashing 600 1000
finish crashing-own 600 1000
all_granted "nor was one lost while it crashed again and again"
crashes=$(in_box journalctl --no-pager -q -o cat -u authrelay | grep -c 'status=9/KILL')
ok "it has crashed $crashes times" test "$crashes" -ge 10
is "the FIFO's unit has not given up" "$(in_box systemctl is-active authrelay-fifo.socket)" active

# As fast as it can.
write_logins flood $HELD 20000 0
write_logins flood-own $OWN 20000 0
ok "a flood does not keep it from answering" timeout 5 "$LIB/box" exec "$BOX" authrelayctl status
finish flood 20000 1000
finish flood-own 20000 1000
all_granted "and each of its logins was granted"

# A daemon that does not start at all: the writer waits when 64 KiB are in the FIFO, and goes on afterwards.
units <<<$'[Service]\nExecStart=\nExecStart=/bin/false'
in_box systemctl stop authrelay.service authrelay.socket 2>/dev/null
write_logins down $HELD 1000 0
filled() { [ "$(written down)" -gt 55000 ]; }
ok "down: the writer gets rid of some 64 KiB" wait_until 60 filled
sleep 2
ok "down: and no more ($(written down))" test "$(written down)" -le 65536
ok "down: it waits" kill -0 "${WRITER[down]}"
is "down: the FIFO's unit has not given up" "$(in_box systemctl is-active authrelay-fifo.socket)" active
ok "down: what was granted holds" in_box env TCPREMOTEIP=198.18.0.1 relaylock sh -c 'test "${RELAYCLIENT+yes}"'
units <<<''
must wait_until 60 in_box systemctl start authrelay.socket authrelay.service # not the last try of the broken one
finish down 1000 60000
all_granted "down: the logins of that time were granted afterwards"

# The FIFO that the daemon holds by itself is closed when it is stopped: there the guarantee ends.
is "systemctl stop closes the daemon's own FIFO" \
    "$(in_box systemctl stop authrelay.service; python3 -c "
import os, sys
try:
    os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
except OSError as e:
    print(e.strerror)" "$BOX_FILES$OWN")" "No such device or address"
must in_box systemctl start authrelay.service

# What a writer can do wrong.
before=$(status_number grants)
granted_more() { grants_are $((before + $1)); }
{ login_line 192.0.2.1 | head -c 70; } | put $HELD
sleep 0.3
in_box systemctl reload authrelay.service
in_box systemctl restart authrelay.service
{ login_line 192.0.2.1 | tail -c +71; } | put $HELD
ok "the half of a line waits for the other half, over a reload and a restart" wait_until 60 may_relay 192.0.2.1
{ login_line 192.0.2.2 | head -c 70; login_line 192.0.2.3; login_line 192.0.2.4; } | put $HELD
ok "the half of a line that has none spoils the next" wait_until 60 may_relay 192.0.2.4
is "and grants nothing else" "$(grants | tr ' ' '\n' | grep -c '^192\.0\.2\.[23]$')" 0
{ printf '%0200000d' 7; login_line 192.0.2.5; login_line 192.0.2.6; } | put $HELD
ok "an over-long line is dropped whole" wait_until 60 may_relay 192.0.2.6
ok "with the login at its end" not may_relay 192.0.2.5
ok "three logins in all" granted_more 3

# A syslog daemon that is not root.
mkdir -p "$BOX_FILES/etc/systemd/system/authrelay-fifo.socket.d"
printf '[Socket]\nSocketUser=mallory\n' >"$BOX_FILES/etc/systemd/system/authrelay-fifo.socket.d/owner.conf"
must in_box systemctl daemon-reload
again() {
    in_box systemctl stop authrelay.service authrelay-fifo.socket 2>/dev/null
    must in_box systemctl start authrelay-fifo.socket authrelay.service
}
again
again
is "SocketUser= has the FIFO" "$(in_box stat -c '%F %a %U' $HELD)" "fifo 600 mallory"
login_line 192.0.2.10 | as_mallory sh -c "cat >$HELD"
ok "and may write to it" wait_until 60 may_relay 192.0.2.10
must in_box rm /etc/systemd/system/authrelay-fifo.socket.d/owner.conf
must in_box systemctl daemon-reload
again
is "and not any more without it" "$(in_box stat -c '%F %a %U' $HELD)" "fifo 600 root"

# Syslog daemons that know only files and FIFOs.
message() { echo "imap-login: Login: user=<u$1>, method=PLAIN, rip=$1, lip=203.0.113.1, mpid=7, TLS, session=<s$1/AAAB>"; }
printf 'mail.info\t|%s\n' $HELD >"$BOX_FILES/etc/test-syslog.conf"
must in_box systemd-run --quiet syslogd --no-detach --no-klog -f /etc/test-syslog.conf -p /run/inetutils.sock
must wait_until 60 in_box test -S /run/inetutils.sock
in_box logger --socket /run/inetutils.sock -p mail.info -t dovecot "$(message 192.0.2.8)"
ok "inetutils' syslogd writes to a FIFO" wait_until 60 may_relay 192.0.2.8
must in_box mkdir /run/busybox # busybox's socket is always /dev/log, and Debian 13's would read inetutils' configuration
must in_box sh -c ': >/etc/syslog.conf'
must in_box systemd-run --quiet -p PrivateMounts=yes sh -c "cd /run/busybox && touch null && mount --bind /dev/null null &&
    mount --rbind . /dev && exec busybox syslogd -n -O $HELD"
must wait_until 60 in_box test -S /run/busybox/log
in_box logger --socket /run/busybox/log -p mail.info -t dovecot "$(message 192.0.2.9)"
ok "and so does busybox's, in a form of its own" wait_until 60 may_relay 192.0.2.9

# What it must not open.
complaint() { in_box journalctl --no-pager -q -o cat -p warning -u authrelay | grep -F "Fifo=$OWN: $1"; }
replace() { must in_box sh -c "cd /run/authrelay; rm -f new; $1; chown ${2:-authrelay} new; mv new $OWN"; } # COMMAND [USER]
replace ': >new'
ok "a file in the FIFO's place is not read, and that is said" wait_until 60 complaint "it is there and is not a FIFO"
like "with the place in the configuration" "$(complaint "it is there")" '^/etc/authrelay/authrelay.conf.d/50-test.conf:3: '
replace 'mkfifo -m 600 new' mallory
in_box systemctl reload authrelay.service
ok "nor is somebody else's FIFO" wait_until 60 complaint "it belongs to neither root nor the daemon's user"
replace 'mkfifo new; chmod 622 new'
in_box systemctl reload authrelay.service
ok "nor is one that is open to everybody" wait_until 60 complaint "everybody may write to it"
must in_box rm $OWN
must wait_until 60 in_box test -p $OWN
login_line 192.0.2.7 | put $OWN
ok "when it is gone a new one is made and read" wait_until 60 may_relay 192.0.2.7
