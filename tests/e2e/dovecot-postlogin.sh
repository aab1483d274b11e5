#!/bin/bash
# dovecot-postlogin: contrib/dovecot in a real Dovecot: a login is granted through the login socket alone, takes no
# noticeable time longer, and succeeds whatever the daemon is doing; nothing of it runs as the mail user.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

granted() { ok "$1" wait_until 60 may_relay "$2"; }
as_mail() { in_box setpriv --reuid mail --regid mail --clear-groups "$@"; }
row() { ctl list --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
rows = d if isinstance(d, list) else d["grants"]
print(" ".join("/".join([r["user"] or "", r["service"] or "", r["pattern"]]) for r in rows if r["address"] == sys.argv[1]))' "$1"; }
daemon() { in_box systemctl show -P MainPID authrelay.service; }

# The median of the milliseconds from LOGIN to its OK; fails if one of them fails.
login_time() { # NUMBER
    client python3 -c '
import socket, statistics, sys, time
took = []
for i in range(int(sys.argv[2])):
    with socket.create_connection((sys.argv[1], 143), 30, ("203.0.113.9", 0)) as s:
        f = s.makefile("rwb")
        f.readline()
        start = time.monotonic()
        f.write(b"a LOGIN alice secret\r\n")
        f.flush()
        line = f.readline()
        while line.startswith(b"*"):
            line = f.readline()
        took.append((time.monotonic() - start) * 1000)
        if not line.startswith(b"a OK"):
            sys.exit(1)
print(round(statistics.median(took), 1))' "$SERVER4" "$1"
}
is_quick() { # DESCRIPTION
    local took
    took=$(login_time 10)
    ok "$1: a login takes ${took:-failed} ms, without it $without ms" awk -v t="${took:-9999}" -v w="$without" 'BEGIN { exit !(t < w + 500) }'
}

mailhost_new dovecot
mkdir -p "$SEED/test" "$SEED/etc/authrelay/authrelay.conf.d"
cp "$LOGIN_ATTACK" "$SEED/test/login-attack"
# the script while it runs, for whoever wants to lay his hands on it
printf '#!/bin/sh\n[ ! -e /run/linger ] || { echo $$ >/run/lingers/pid; sleep 5; }\nexec "$@"\n' >"$SEED/test/linger"
chmod 755 "$SEED/test" "$SEED/test/"*
mailhost_boot '[Patterns]' 'Enable=courier-imap' # Dovecot's own lines are not to be what grants
must wait_until 60 login imap 203.0.113.7
without=$(login_time 20)
ok "logins before anything is changed" test -n "$without"

must in_box cp /usr/share/authrelay/dovecot/authrelay.conf /etc/authrelay/authrelay.conf.d/dovecot.conf
must in_box sh -c 'cat /usr/share/authrelay/dovecot/authrelay-postlogin.conf >>/etc/dovecot/dovecot.conf'
must in_box sed -i 's|script-login /usr/bin/relaylogin -d -s pop3|script-login /test/linger /usr/bin/relaylogin -d -s pop3|' /etc/dovecot/dovecot.conf
must in_box systemctl enable --quiet authrelay-login.socket
start_authrelay
must in_box systemctl restart dovecot.service
must wait_until 60 login imap 203.0.113.7
granted "an IMAP login is granted" 203.0.113.7
is "to the user, through the login socket" "$(row 203.0.113.7)" alice/imap/relaylogin
ok "a POP3 login" login pop3 2001:db8::7 bob
granted "is granted" 2001:db8::7
is "to the user, through the login socket" "$(row 2001:db8::7)" bob/pop3/relaylogin
ok "a wrong password" not login imap 203.0.113.66 alice wrong
is_quick "with the daemon"
is "and nobody else is granted" "$(grants)" "2001:db8::7 203.0.113.7 203.0.113.9"

must in_box mkdir -m 1777 /run/lingers
must in_box touch /run/linger
login pop3 203.0.113.8 bob &
must wait_until 60 in_box test -s /run/lingers/pid
pid=$(in_box cat /run/lingers/pid)
is "the script runs as a user of its own" "$(in_box stat -c %U "/proc/$pid")" authrelay-login
like "from which the mail user takes nothing" "$(as_mail /test/login-attack steal "$pid" 3 alice)" 'steal: EPERM'
like "nor can he connect himself" "$(as_mail /test/login-attack announce /run/authrelay/login 203.0.113.66 alice)" 'connect: EACCES'
wait $!
in_box rm /run/linger
granted "the slow one is granted" 203.0.113.8
is "nothing was refused" "$(status_number claims_refused)" 0

must in_box kill -STOP "$(daemon)"
is_quick "the daemon hangs"
in_box /test/login-attack fill /run/authrelay/login >"$WORK/fill" 2>&1 &
ok "the queue is full" wait_until 60 grep -q 'full: EAGAIN' "$WORK/fill"
is_quick "the queue is full"
must in_box kill -CONT "$(daemon)"
must in_box sh -c 'kill $(pidof login-attack)'
must in_box systemctl stop authrelay-login.socket authrelay.service
is_quick "there is no daemon"
must in_box rm -f /run/authrelay/login
is_quick "there is no socket"
ok "POP3" login pop3 203.0.113.66
plan "$TAP_RUN"
