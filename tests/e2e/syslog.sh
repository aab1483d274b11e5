#!/bin/bash
# syslog: the real Dovecot logs to the real rsyslogd, which sends to authrelay's socket (omuxsock), in both of its forms;
# two hosts send through the same rsyslogd and are kept apart. Nobody else gets anything into the socket, a restart of the
# daemon loses nothing, and with an action queue rsyslogd goes on when there is no daemon at all.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
. "$LIB/syslog-cases.sh"
plan $((2 * (TWO_HOSTS + 2) + NEW_FORM + 25))

SOCKET=/run/authrelay/syslog
rsyslog() { # TEMPLATE
    cat >"$BOX_FILES/etc/rsyslog.d/50-authrelay.conf" <<CONF
module(load="imudp")
input(type="imudp" port="514")
module(load="imtcp")
input(type="imtcp" port="514")

module(load="omuxsock")
\$OMUxSockSocket $SOCKET
# A queue of its own, so that other logs are written when nobody reads the socket.
\$ActionQueueType LinkedList
\$ActionQueueSize 20000
\$ActionQueueTimeoutEnqueue 0
\$ActionResumeRetryCount -1
mail.info :omuxsock:;$1
CONF
    must in_box systemctl restart rsyslog.service
    must wait_until 60 port_is_open 514
}
by() { in_box setpriv --reuid "$1" --regid 1001 --clear-groups logger --socket $SOCKET --rfc3164 -p mail.info -t dovecot "$2"; }
dropped() { status_number dropped_messages || echo 0; }
dropped_is() { [ "$(dropped)" = "$1" ]; }
warned() { in_box journalctl --no-pager -q -o cat -p warning -u authrelay | grep -F "$1"; }
units() {
    mkdir -p "$BOX_FILES/etc/systemd/system/authrelay.service.d"
    cat >"$BOX_FILES/etc/systemd/system/authrelay.service.d/test.conf"
    must in_box systemctl daemon-reload
}

BOX_SYSLOG=yes
export BOX_SYSLOG
mailhost_new syslog
sed -i 's/^protocols = .*/protocols = imap/' "$SEED/etc/dovecot/dovecot.conf"
courier_by_syslog
mailhost_boot '[Sources]' Syslog=yes
start_authrelay
is "without its unit the daemon makes the socket by itself" "$(in_box stat -c '%F %a %U' $SOCKET)" "socket 600 authrelay"
must in_box systemctl stop authrelay.service
must in_box systemctl enable --quiet --now authrelay-syslog.socket
must in_box systemctl start authrelay.service
is "the socket is root's alone" "$(in_box stat -c '%F %a %U' $SOCKET)" "socket 600 root"
like "it is read, and said to be forgeable" "$(ctl status)" 'syslog +[0-9]+ +ok, forgeable'
ok "the journal is not read then" not grep -q '^journal ' <(ctl status)

for form in RSYSLOG_TraditionalForwardFormat RSYSLOG_SyslogProtocol23Format; do
    rsyslog $form
    forget
    ok "$form: a login at Dovecot" login imap 203.0.113.7
    ok "$form: is granted" wait_until 60 may_relay 203.0.113.7
    two_hosts $form
done
new_form "$form"
# rsyslogd itself makes a tag without a colon of those for the old form
rsyslog RSYSLOG_TraditionalForwardFormat
rfc5424 mx2 dovecot "$(dovecot_login 192.0.2.8)" 7 | send udp 203.0.113.9
ok "what has no head that is known is counted" wait_until 60 dropped_is 1
like "and told, with a sample" "$(warned 'a message has no head that is known')" ' mx2 dovecot\[7\] imap-login: Login'
must in_box systemctl restart authrelay.service

# Restarts in the middle of a stream of logins; the syslog daemon's own stop in between is not ours.
crowd 0 600 >"$WORK/crowd"
client python3 "$LIB/syslog-sender" tcp $SERVER4 5 <"$WORK/crowd" &
sender=$!
for i in 1 2 3; do
    sleep 0.5
    in_box systemctl restart authrelay.service
    sleep 0.3
    in_box systemctl reload authrelay.service
done
wait $sender
ok "three restarts and reloads lose none of 600 logins" wait_until 60 crowd_is 600

# A reload takes it away and back.
configure() {
    printf '[Sources]\n%s\n' "$1" >"$BOX_FILES/etc/authrelay/authrelay.conf.d/50-test.conf"
    must in_box systemctl reload authrelay.service
}
configure Journal=yes
must in_box logger --socket $SOCKET --rfc3164 -p mail.info -t dovecot "$(dovecot_login 192.0.2.23)"
ok "Syslog=no is nobody who reads it" not may_relay 192.0.2.23
configure Syslog=yes
ok "and what was sent meanwhile is read when there is somebody again" wait_until 60 may_relay 192.0.2.23

# Nobody but root gets anything in: by the mode, and when that is open, by the uid.
is "nothing was dropped so far" "$(dropped)" 0
ok "mallory may not send" not by 1001 "$(dovecot_login 6.6.6.6)"
must in_box chmod 666 $SOCKET
ok "when the mode is open he can" by 1001 "$(dovecot_login 6.6.6.6)"
ok "and is refused" wait_until 60 dropped_is 1
by 1001 "$(dovecot_login 6.6.6.6)"
ok "each time" wait_until 60 dropped_is 2
is "with one warning" "$(warned "uid 1001 sent a message; only root and the owner of $SOCKET may" | wc -l)" 1
ok "root can" by 0 "$(dovecot_login 192.0.2.20)"
ok "and is believed" wait_until 60 may_relay 192.0.2.20
must in_box chown 1001 $SOCKET
in_box systemctl reload authrelay.service
ok "the owner of the socket can" by 1001 "$(dovecot_login 192.0.2.21)"
ok "and is believed" wait_until 60 may_relay 192.0.2.21
must in_box chown root $SOCKET
must in_box chmod 600 $SOCKET
in_box systemctl reload authrelay.service
is "mallory was granted nothing" "$(grants | tr ' ' '\n' | grep -cx 6.6.6.6)" 0
in_box logger --socket $SOCKET --rfc5424=notime,nohost -p mail.info -t dovecot "$(dovecot_login 192.0.2.22)"
ok "what logger has of RFC 5424 without time and host" wait_until 60 may_relay 192.0.2.22

# No daemon: rsyslogd keeps its messages and goes on with everything else.
units <<<$'[Service]\nExecStart=\nExecStart=/bin/false'
in_box systemctl stop authrelay.service 2>/dev/null
crowd 1000 1500 | send tcp 203.0.113.8
logged() { [ "$(grep -c 'rip=198\.18\.' "$BOX_FILES/var/log/mail.log")" = "$1" ]; }
ok "down: all is in the other log" wait_until 60 logged 2100
ok "down: rsyslogd still takes messages" in_box sh -c 'logger still-there; for i in 1 2 3 4 5 6 7 8 9 10; do grep -q still-there /var/log/syslog && exit 0; sleep 0.5; done; exit 1'
ok "down: the socket's unit has not given up" test "$(in_box systemctl is-active authrelay-syslog.socket)" = active
units <<<''
must wait_until 60 in_box systemctl start authrelay.service # not the last try of the broken one
ok "and afterwards authrelay has every login of that time" wait_until 30 crowd_is 2100
