#!/bin/bash
# tcprules: Tcprules= writes what the real tcprules would write, and the real tcpserver -x goes by it, with what the template
# says kept; without a daemon, however it ended, nobody relays by it but Always=, and inbound mail goes on.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 53

RULES=/run/authrelay/tcp.smtp.cdb
TEMPLATE='127.:allow,RELAYCLIENT="@local"
203.0.113.66:deny
203.0.113.7-8:allow,QMAILQUEUE="/usr/local/bin/scan",WHO=/"them"/
203.0.113.:allow,QMAILQUEUE="/bin/q"
10.5.:allow,RBLSMTPD="",X="y"
10.6.6.6:deny
:allow'
# what Always=10.0.0.0/8 without Never=10.9.0.0/16 makes of it
STATIC='127.:allow,RELAYCLIENT="@local"
203.0.113.66:deny
203.0.113.7-8:allow,QMAILQUEUE="/usr/local/bin/scan",WHO=/"them"/
203.0.113.:allow,QMAILQUEUE="/bin/q"
10.5.:allow,RBLSMTPD="",X="y",RELAYCLIENT=""
10.6.6.6:deny
:allow
10.:allow,RELAYCLIENT=""
10.9.:allow'

# Is the file, byte for byte, what tcprules makes of these rules?
is_made_of() { # RULES
    in_box sh -c 'tcprules /tmp/wanted.cdb /tmp/wanted.tmp && cmp /tmp/wanted.cdb '"$RULES" <<<"$1"
}
# The last line of 203.0.113.7-8 is one for two addresses; a grant to one of them makes them two lines.
with_7='127.:allow,RELAYCLIENT="@local"
203.0.113.66:deny
203.0.113.7:allow,QMAILQUEUE="/usr/local/bin/scan",WHO=/"them"/,RELAYCLIENT=""
203.0.113.8:allow,QMAILQUEUE="/usr/local/bin/scan",WHO=/"them"/
203.0.113.:allow,QMAILQUEUE="/bin/q"
10.5.:allow,RBLSMTPD="",X="y",RELAYCLIENT=""
10.6.6.6:deny
:allow
10.:allow,RELAYCLIENT=""
10.9.:allow'

log_in() { # ADDRESS: a line of a log file, as Dovecot writes it
    printf '%s mx dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=%s, lip=203.0.113.1, mpid=4711, TLS, session=<%s/AAAB>\n' \
        "$(date '+%b %e %H:%M:%S')" "$1" "$RANDOM$RANDOM" >>"$BOX_FILES/var/log/mail.log"
}
offer() { # ADDRESS RECIPIENT [PORT]
    client python3 "$LIB/mail-client" smtp --from "$1" --to $SERVER4 --port "${3:-25}" "$2"
}
relays() { offer "$1" someone@foreign.example "${2:-25}"; }
receives() { offer "$1" someone@example.org "${2:-25}"; }
refuses() { local reply; reply=$(relays "$@"); [[ $reply = 553\ * ]] || { echo "$reply"; return 1; }; }
drops() { # ADDRESS: not even a greeting
    client python3 - "$1" "$(server_for "$1")" <<'PY'
import socket, sys
c = socket.create_connection((sys.argv[2], 25), 10, (sys.argv[1], 0))
sys.exit(c.recv(1) != b"")
PY
}
variables() { # ADDRESS: what tcpserver puts into the environment of a connection from there
    client python3 - "$1" $SERVER4 <<'PY'
import socket, sys
c = socket.create_connection((sys.argv[2], 2525), 10, (sys.argv[1], 0))
print(b"".join(iter(lambda: c.recv(65536), b"")).decode(), end="")
PY
}
variable() { variables "$1" | sed -n "s/^$2=/=/p"; }
daemon_is() { [ "$(in_box systemctl show -P ActiveState authrelay.service)" = "$1" ]; }
main_pid() { in_box systemctl show -P MainPID authrelay.service; }
trouble() { ctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin).get("tcprules_error", ""))'; }

smtp_unit() { # NAME ARGUMENTS-OF-TCPSERVER...
    mkdir -p "$SEED/etc/systemd/system/multi-user.target.wants"
    printf '%s\n' '[Unit]' 'Wants=authrelay.service' 'After=authrelay.service' \
        '[Service]' 'User=mail' 'AmbientCapabilities=CAP_NET_BIND_SERVICE' "ExecStart=tcpserver -RHl0 ${*:2}" >"$SEED/etc/systemd/system/$1.service"
    ln -sf "/etc/systemd/system/$1.service" "$SEED/etc/systemd/system/multi-user.target.wants/"
}

mailhost_new ucspi
cp "$LIB/smtp-stand-in" "$SEED/"
smtp_unit smtp -x $RULES 0 25 /smtp-stand-in
smtp_unit smtp-open -X -x $RULES 0 2526 /smtp-stand-in
smtp_unit env -x $RULES 0 2525 env
mkdir -p "$SEED/etc/systemd/system/authrelay.service.d" "$SEED/var/log"
printf '[Service]\nWatchdogSec=3\nTimeoutAbortSec=2\nRestartSec=3600\n' >"$SEED/etc/systemd/system/authrelay.service.d/test.conf"
echo "$TEMPLATE" >"$SEED/etc/tcp.smtp"
: >"$SEED/var/log/mail.log"
mailhost_boot '[Sources]' Journal=no File=/var/log/mail.log '[Grants]' TTL=30min Always=10.0.0.0/8 Never=10.9.0.0/16 \
    '[Outputs]' Tcprules=$RULES TcprulesTemplate=/etc/tcp.smtp

# Started by the SMTP service that wants it; After= and Type=notify make tcpserver wait for the file.
ok "the daemon runs, as the SMTP service wants it" daemon_is active
ok "the file is there before tcpserver" in_box test -s $RULES
ok "and is what tcprules makes of the template and Always=" is_made_of "$STATIC"
is "anybody may read it" "$(in_box stat -c %a $RULES)" 644
ok "own mail is taken from anybody" receives 203.0.113.7
ok "foreign mail is not" refuses 203.0.113.7

log_in 203.0.113.7
ok "after a login it is" wait_until 60 relays 203.0.113.7
ok "another client's still is not" refuses 203.0.113.9
ok "the file is what tcprules makes of these rules" is_made_of "$with_7"
is "what the template sets is kept" "$(variable 203.0.113.7 QMAILQUEUE)$(variable 203.0.113.7 WHO)" '=/usr/local/bin/scan="them"'
is "with RELAYCLIENT" "$(variable 203.0.113.7 RELAYCLIENT)" =
is "and without, for others" "$(variable 203.0.113.9 QMAILQUEUE)$(variable 203.0.113.9 RELAYCLIENT)" =/bin/q
log_in 203.0.113.9
log_in 203.0.113.66
ok "a login without a rule of its own" wait_until 60 relays 203.0.113.9
is "gets that of its network" "$(variable 203.0.113.9 QMAILQUEUE)" =/bin/q
ok "what is denied stays denied" drops 203.0.113.66
ok "a grant by hand, of a network" ctl grant 198.51.100.0/23
ok "a revocation" ctl revoke 203.0.113.9
ok "is in the file when it is acknowledged" is_made_of "$with_7
198.51.100.:allow,RELAYCLIENT=\"\"
198.51.101.:allow,RELAYCLIENT=\"\""
ok "and counts" refuses 203.0.113.9
must ctl revoke --all >/dev/null
ok "revoking everybody leaves the static part" is_made_of "$STATIC"

must ctl grant 203.0.113.8 --ttl=3s >/dev/null
ok "a short grant" relays 203.0.113.8
sleep 3
ok "ends in time" wait_until 2 refuses 203.0.113.8
ok "by itself" is_made_of "$STATIC"

# However the daemon ends. RestartSec= is an hour here, so nobody else repairs what is left.
log_in 203.0.113.7
must wait_until 60 relays 203.0.113.7
ok "systemctl stop" in_box systemctl stop authrelay.service
ok "leaves the static part" is_made_of "$STATIC"
ok "by which nobody relays" refuses 203.0.113.7
ok "and everybody's mail is taken" receives 203.0.113.9
must in_box systemctl start authrelay.service
ok "started again, it has the grant" wait_until 60 is_made_of "$with_7"
must in_box kill -KILL "$(main_pid)"
ok "killed, it leaves the static part" wait_until 60 is_made_of "$STATIC"
ok "nothing restarted it meanwhile" not daemon_is active
must in_box systemctl restart authrelay.service
must wait_until 60 is_made_of "$with_7"
must in_box kill -STOP "$(main_pid)"
ok "hanging, it is killed by the watchdog and leaves the static part" wait_until 30 is_made_of "$STATIC"
must in_box systemctl restart authrelay.service
must wait_until 60 is_made_of "$with_7"

ok "root does not do by mistake what the daemon's user could make of it" not in_box authrelayd --static
ok "nothing has changed" is_made_of "$with_7"
ok "OpenRC's script, which root runs" in_box sh -c '. /usr/share/authrelay/openrc/authrelay; stop_post'
ok "leaves the static part" is_made_of "$STATIC"
must in_box systemctl restart authrelay.service
must wait_until 60 is_made_of "$with_7"
must in_box rm $RULES
ok "a file that somebody has removed is written again" wait_until 60 receives 203.0.113.9

# A file that cannot be written.
must in_box mkdir /run/authrelay/.tcp.smtp.cdb.tmp
ok "a grant that cannot be written everywhere is not acknowledged" not ctl grant 192.0.2.1
ok "the static part is in place, rather than one that lets too many" is_made_of "$STATIC"
like "and the status says so" "$(trouble)" '[a-z]'
must in_box rmdir /run/authrelay/.tcp.smtp.cdb.tmp
ok "it is tried again" wait_until 40 relays 203.0.113.7
is "and the status is good again" "$(trouble)" ""

# Changes of the configuration.
echo '10.0.0.1 deny' >>"$BOX_FILES/etc/tcp.smtp"
like "a template with a mistake is refused, with its line" "$(in_box systemctl reload authrelay.service 2>&1; in_box journalctl -o cat -u authrelay)" '/etc/tcp.smtp:8: it is not ADDRESS:allow'
ok "and what was there holds" relays 203.0.113.7
echo "$TEMPLATE" >"$BOX_FILES/etc/tcp.smtp"
for path in /etc/tcp.smtp.cdb /var/run/authrelay/x.cdb /run/../etc/x.cdb /run/authrelay/relay.cdb; do
    in_box sh -c "printf '[Outputs]\nTcprules=%s\n' $path >/etc/authrelay/authrelay.conf.d/60-test.conf"
    not in_box systemctl reload authrelay.service 2>/dev/null || break
    path=
done
is "a path that is not below /run, or taken, is refused" "$path" ""
in_box sh -c "printf '[Outputs]\nTcprules=/run/authrelay/other.cdb\n' >/etc/authrelay/authrelay.conf.d/60-test.conf"
ok "another path" in_box systemctl reload authrelay.service
ok "leaves the static part at the old one" is_made_of "$STATIC"
must in_box rm /etc/authrelay/authrelay.conf.d/60-test.conf
must in_box systemctl reload authrelay.service
must wait_until 60 relays 203.0.113.7

# Without the file. This is why it must be there before tcpserver is.
must in_box systemctl stop authrelay.service >/dev/null 2>&1
must in_box rm $RULES
ok "tcpserver -x without its file takes no mail at all" drops 203.0.113.7
ok "tcpserver -X takes it" receives 203.0.113.7 2526
ok "authrelayd --static makes the file, without a daemon" in_box setpriv --reuid authrelay --regid authrelay --clear-groups authrelayd --static
ok "the static part" is_made_of "$STATIC"
must in_box systemctl start authrelay.service
must wait_until 60 relays 203.0.113.7

# A boot at which the daemon does not start: what is below /run is gone, what is saved is there.
rm -rf "$SEED/var/lib/authrelay"
mkdir -p "$SEED/var/lib"
must in_box systemctl stop authrelay.service >/dev/null 2>&1
must cp -a "$BOX_FILES/var/lib/authrelay" "$SEED/var/lib/"
ln -s /dev/null "$SEED/etc/systemd/system/authrelay.service"
must "$LIB/box" stop "$BOX"
mailhost_boot
must wait_until 60 receives 203.0.113.7 2526
ok "after a boot without a daemon nobody relays" refuses 203.0.113.7 2526
ok "and nobody is served by -x" drops 203.0.113.7
must in_box rm /etc/systemd/system/authrelay.service
must in_box systemctl daemon-reload
must in_box systemctl start authrelay.service
ok "when it is there the client is granted that was before the boot" wait_until 60 relays 203.0.113.7
