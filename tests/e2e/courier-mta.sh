#!/bin/bash
# courier-mta: relaylock between couriertcpd and Courier's own SMTP server, started Debian's way: who has logged in to
# Courier's IMAP server relays, over IPv4 and IPv6, and no other; and mail comes in whatever is the matter with authrelay.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 29

# One setting in Courier's configuration, as docs/courier.md says. The other ones: no /etc/services, no DNS to ask.
courier_files() {
    local etc=$SEED/etc/courier tree
    tree=$(cat "$WORK/tree")
    mkdir -p "$etc/smtpaccess" "$etc/esmtpacceptmailfor.dir"
    sed -e 's|^PORT=smtp$|PORT="25 /usr/bin/relaylock -v"|' \
        -e 's/^BOFHCHECKDNS=.*/BOFHCHECKDNS=0/' -e 's|^\(TCPDOPTS=.*\)"$|\1 -stderrloggername=courieresmtpd -nodnslookup"|' \
        -e 's/^TARPIT=.*/TARPIT=0/' \
        "$tree/etc/courier/esmtpd" >"$etc/esmtpd"
    grep -q '^PORT="25 /usr/bin/relaylock -v"$' "$etc/esmtpd" || bail "Debian's esmtpd has another PORT="
    printf '%s\n' example.org localhost >"$etc/locals"
    printf '%s\n' example.org >"$etc/esmtpacceptmailfor.dir/default"
    echo mx.example.org >"$etc/me"
    printf '203.0.113.9\tallow,RELAYCLIENT\n' >"$etc/smtpaccess/local"
}

courier_start() {
    must in_box sh -c '
        install -d -o mail -g mail /srv/mail
        sed -i "s/^authmodulelist=.*/authmodulelist=\"authuserdb\"/" /etc/courier/authdaemonrc
        rm -rf /etc/courier/userdb /etc/courier/userdb.d
        : >/etc/courier/userdb && chmod 700 /etc/courier/userdb
        for user in alice alice@example.org; do
            userdb $user set uid=8 gid=8 home=/srv/mail mail=/srv/mail/Maildir
            echo secret | userdbpw -md5 | userdb $user set systempw
        done
        makeuserdb
        install -d -o courier -g courier -m 750 /run/courier/authdaemon
        setpriv --reuid 8 --regid 8 --clear-groups maildirmake /srv/mail/Maildir
        makesmtpaccess && makeacceptmailfor && makealiases'
    must in_box systemctl restart courier-authdaemon.service
    must in_box systemctl restart courier-imap.service courier.service courier-mta.service
    must wait_until 60 port_is_open 143
    must wait_until 60 port_is_open 25
}
offer() { # ADDRESS RECIPIENT
    client python3 "$LIB/mail-client" smtp --from "$1" --to "$(server_for "$1")" "$2"
}
relays() { offer "$1" someone@foreign.example; }
takes_mail() { offer "$1" alice@example.org; }
courier_says() { in_box journalctl --no-pager -q -o cat -t courieresmtpd -g "$1"; }

mailhost_new courier-mta
courier_files
BOX_MASK="courier-imap-ssl.service courier-mta-ssl.service courier-msa.service" mailhost_boot
courier_start

ok "before authrelay has ever run, mail comes in" takes_mail 203.0.113.7
ok "and nobody relays" not relays 203.0.113.7
ok "but who may by Courier's own rules" relays 203.0.113.9
start_authrelay
ok "the same with an empty table" takes_mail 203.0.113.7
ok "nobody relays" not relays 203.0.113.7
ok "but who may by Courier's own rules" relays 203.0.113.9
ok "a login by IMAP" login imap 203.0.113.7
ok "is granted" wait_until 60 may_relay 203.0.113.7
ok "and lets the client relay" relays 203.0.113.7
ok "and no other" not relays 203.0.113.8
ok "a login over IPv6" login imap 2001:db8::7
ok "is granted" wait_until 60 may_relay 2001:db8::7
ok "and lets the client relay" relays 2001:db8::7
ok "and no other" not relays 2001:db8::8
ok "a failed login" not login imap 203.0.113.66 alice wrong
ok "lets nobody relay" not relays 203.0.113.66
is "the list holds these two" "$(grants)" "2001:db8::7 203.0.113.7"
ok "a message from start to end is delivered" client python3 - "$SERVER4" <<'PY'
import smtplib, sys
with smtplib.SMTP(sys.argv[1], 25, local_hostname="client.example.net", source_address=("203.0.113.7", 0), timeout=20) as c:
    c.sendmail("someone@example.net", ["alice@example.org"], "Subject: t\r\n\r\nhello\r\n")
PY
ok "into the mailbox" wait_until 30 in_box sh -c 'grep -rq hello /srv/mail/Maildir/new'
ok "what relaylock says is in Courier's log" wait_until 60 courier_says 'relaylock: 203\.0\.113\.7: may relay'
ok "in the address's own form, also of IPv6" wait_until 60 courier_says 'relaylock: 2001:db8::7: may relay'

ok "a revocation" ctl revoke 203.0.113.7
ok "ends the right" not relays 203.0.113.7
ok "and no other's" relays 2001:db8::7
must in_box systemctl stop authrelay.service authrelay.socket
in_box sh -c 'rm -f /run/authrelay/*'
ok "without a table mail comes in" takes_mail 203.0.113.7
ok "also over IPv6" takes_mail 2001:db8::7
ok "nobody relays" not relays 2001:db8::7
ok "and the log says why" wait_until 60 courier_says 'no relaying'
ok "also where there is no directory" eval 'in_box rmdir /run/authrelay && takes_mail 203.0.113.7'
