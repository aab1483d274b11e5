#!/bin/bash
# login-to-relay: who has logged in to a real Dovecot may relay through a real SMTP server, from there and no other place:
# IMAP and POP3, IPv4 and IPv6, tcpserver and systemd's socket activation; a wrong password grants nothing.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 25

# mailfront stands in for qmail-smtpd: it obeys control/rcpthosts and RELAYCLIENT in the same way. Debian 13 has none.
SMTP='mailfront smtp echo relayclient qmail-validate'

smtp_servers() {
    if [ ! -x "$(cat "$WORK/tree")/usr/sbin/mailfront" ]; then
        SMTP=/smtp-stand-in
        cp "$LIB/smtp-stand-in" "$SEED/"
    fi
    mkdir -p "$SEED/var/qmail/control" "$SEED/etc/systemd/system/qmail-smtpd@.service.d"
    echo example.org >"$SEED/var/qmail/control/rcpthosts"
    echo mx.example.org >"$SEED/var/qmail/control/me"
    cat >"$SEED/etc/systemd/system/smtp.service" <<UNIT
[Service]
User=mail
AmbientCapabilities=CAP_NET_BIND_SERVICE
Environment=QMAILHOME=/var/qmail
ExecStart=tcpserver -RHl0 0 25 relaylock $SMTP
UNIT
    # The example units, with mailfront for qmail-smtpd; it wants tcpserver's names for what systemd calls otherwise.
    cat >"$SEED/etc/systemd/system/qmail-smtpd@.service.d/mailfront.conf" <<UNIT
[Service]
User=mail
Group=mail
Environment=QMAILHOME=/var/qmail PROTO=TCP
ExecStart=
ExecStart=relaylock sh -c 'TCPREMOTEIP="\$\$REMOTE_ADDR" exec $SMTP'
UNIT
    mkdir -p "$SEED/etc/systemd/system/qmail-smtpd.socket.d"
    printf '[Socket]\nListenStream=\nListenStream=[::]:2525\n' >"$SEED/etc/systemd/system/qmail-smtpd.socket.d/port.conf"
}

offer() { # ADDRESS RECIPIENT [PORT]
    client python3 "$LIB/mail-client" smtp --from "$1" --to "$(server_for "$1")" --port "${3:-25}" "$2"
}

mailhost_new dovecot
smtp_servers
mailhost_boot
must in_box systemctl start smtp.service
example=$(in_box sh -c 'ls /usr/lib/systemd/system/qmail-smtpd.socket /usr/share/doc/authrelay/examples/qmail-smtpd.socket /usr/share/authrelay/examples/qmail-smtpd.socket /usr/lib/systemd/system/../../../share/*/*/qmail-smtpd* 2>/dev/null' | head -1)
ok "the example units are installed" test -n "$example"
in_box sh -c "cp $(dirname "$example")/qmail-smtpd* /etc/systemd/system/ && systemctl daemon-reload"
ok "the example socket starts" in_box systemctl start qmail-smtpd.socket
must wait_until 60 port_is_open 25

ok "systemctl enable --now authrelay is all that is needed" in_box systemctl enable --now authrelay
ok "its own domain is accepted from anybody" offer 203.0.113.7 someone@example.org
ok "a foreign domain is refused before the login" not offer 203.0.113.7 someone@foreign.example

ok "a login by IMAP" login imap 203.0.113.7
ok "grants its address" wait_until 60 may_relay 203.0.113.7
ok "which may relay now" offer 203.0.113.7 someone@foreign.example
ok "and another may not" not offer 203.0.113.8 someone@foreign.example
ok "nor may it by way of the socket" not offer 203.0.113.8 someone@foreign.example 2525
ok "where the first one may" offer 203.0.113.7 someone@foreign.example 2525

ok "a login by IMAP over IPv6" login imap 2001:db8::7
ok "grants its address alone, for the host is in the same network" wait_until 60 may_relay 2001:db8::7
ok "which may relay" offer 2001:db8::7 someone@foreign.example 2525
ok "and its neighbour may not" not offer 2001:db8::8 someone@foreign.example 2525
ok "a login by POP3 over IPv6" login pop3 2001:db8::8
ok "lets the neighbour, too" wait_until 60 offer 2001:db8::8 someone@foreign.example 2525

ok "a wrong password by IMAP is refused" not login imap 203.0.113.66 alice wrong
ok "a wrong password by POP3 is refused" not login pop3 203.0.113.66 alice wrong
ok "a login by POP3 after it" login pop3 203.0.113.9 bob
ok "is granted" wait_until 60 may_relay 203.0.113.9
ok "and the wrong passwords were not" not may_relay 203.0.113.66

is "the list holds these and no others" "$(grants)" "2001:db8::7 2001:db8::8 203.0.113.7 203.0.113.9"
like "with who it was" "$(ctl list --json)" '"user": ?"bob"'
like "and the journal has each grant as an entry of its own" \
    "$(in_box journalctl --no-pager -o json AUTHRELAY_ADDRESS=203.0.113.9)" '"AUTHRELAY_USER":"bob"'
