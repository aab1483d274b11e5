#!/bin/bash
# attacks-cyrus: as attacks.sh, in sessions of Cyrus IMAP (IMAP and POP3) and of Exim.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
. "$LIB/servers.sh"
# shellcheck source=/dev/null
. "$LIB/attacks.sh"

ENABLE='cyrus exim'
MAINLOG='/var/log/exim4/mainlog exim'
mailhost_new cyrus
exim_files
sed -i '1i log_selector = +subject +tls_sni +received_recipients +smtp_syntax_error\nsmtp_accept_max = 0\nsmtp_max_synprot_errors = 100' "$SEED/etc/exim4/exim4.conf"
cyrus_files
attacks_files "$MAINLOG"
BOX_SYSLOG=yes mailhost_boot '[Sources]' Journal=yes "File=$MAINLOG" '[Patterns]' "Enable=$ENABLE" '[Grants]' "ManyUsers=$STRANGER"
cyrus_user 'allowanonymouslogin: yes' 'popminpoll: 0'
must in_box systemctl restart cyrus-imapd exim4
for port in 143 110 587; do must wait_until 30 port_is_open $port; done
attacks_start

cyrus() {
    for field in login plain id tag anonymous; do attack "Cyrus IMAP" cyrus imap $field 143 --threads 90; done
    still_sees "Cyrus IMAP" cyrus imap 143
    for field in user plain apop command; do attack "Cyrus POP3" cyrus pop3 $field 110 --threads 90; done
    still_sees "Cyrus POP3" cyrus pop3 110
}
exim() {
    for field in plain helo from sender rcpt subject mechanism command; do attack Exim exim smtp $field 587; done
    attack Exim exim smtp plain 587 --password open
    still_sees Exim exim submit 587 --recipient bob@elsewhere.example
}
for server in ${ATTACK_ONLY:-cyrus exim}; do $server; done
attacks_done
plan "$TAP_RUN"
