#!/bin/bash
# attacks: what `authrelayctl patterns --attack` writes into the fields of a pattern's examples, written into the sessions of
# real servers: Dovecot (IMAP, submission), Postfix, perdition, imapproxy, nginx and solid-pop3d. With wrong passwords nobody is
# granted anything, with right ones under hostile names their own address only; and genuine logins go on being seen.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
# shellcheck source=/dev/null # it takes minutes
. "$LIB/servers.sh"
# shellcheck source=/dev/null
. "$LIB/attacks.sh"

ENABLE='dovecot perdition imapproxy nginx-mail postfix-sasl solid-pop3d'
mailhost_new servers
dovecot_more
dovecot_open
postfix_files
printf '%s\n' smtpd_error_sleep_time=0 smtpd_client_connection_count_limit=0 smtpd_hard_error_limit=100 >>"$SEED/etc/postfix/main.cf"
proxy_files
echo RUN_MODE=daemon >"$SEED/etc/default/solid-pop3d"
attacks_files
BOX_SYSLOG=yes mailhost_boot '[Patterns]' "Enable=$ENABLE" '[Grants]' "ManyUsers=$STRANGER"
must in_box sh -c 'useradd -m alice; echo alice:secret | chpasswd'
must in_box systemctl restart dovecot postfix perdition imapproxy nginx solid-pop3d
for port in 1143 587 25 143 2143 3143 110; do must wait_until 30 port_is_open $port; done
attacks_start

dovecot() {
    for field in login plain id; do attack Dovecot dovecot imap $field 1143 --threads 120; done
    attack Dovecot dovecot imap tag 1143 --hurry
    for field in logged-in-id mailbox append; do attack Dovecot dovecot imap $field 1143 --password secret; done
    for field in login plain; do attack Dovecot dovecot imap $field 1143 --password open; done
    still_sees Dovecot dovecot imap 1143
}
submission() {
    for field in plain helo from mechanism; do attack "Dovecot's submission" dovecot smtp $field 587; done
    attack "Dovecot's submission" dovecot smtp plain 587 --password open
    still_sees "Dovecot's submission" dovecot submit 587
}
postfix() {
    for field in plain login helo from sender rcpt mechanism command; do attack Postfix postfix-sasl smtp $field 25; done
    attack Postfix postfix-sasl smtp plain 25 --password open
    still_sees Postfix postfix-sasl submit 25 --recipient alice@box.example.org
}
perdition() {
    attack perdition perdition imap login 143 --threads 120
    attack perdition perdition imap login 143 --threads 120 --password open
    still_sees perdition perdition imap 143
}
imapproxy() {
    attack imapproxy imapproxy imap login 2143
    attack imapproxy imapproxy imap login 2143 --password open
    still_sees imapproxy imapproxy imap 2143
}
nginx() {
    for field in login plain tag; do attack nginx nginx-mail imap $field 3143; done
    attack nginx nginx-mail imap login 3143 --password open
    still_sees nginx nginx-mail imap 3143
}
solid_pop3d() {
    for field in user apop command; do attack solid-pop3d solid-pop3d pop3 $field 110 --threads 120 --limit 100; done
    still_sees solid-pop3d solid-pop3d pop3 110
}
for server in ${ATTACK_ONLY:-dovecot submission postfix perdition imapproxy nginx solid_pop3d}; do $server; done
attacks_done
plan "$TAP_RUN"
