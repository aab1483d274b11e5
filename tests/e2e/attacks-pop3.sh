#!/bin/bash
# attacks-pop3: as attacks.sh, in sessions of Dovecot's POP3 server, and as its anonymous user.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
# shellcheck source=/dev/null
. "$LIB/servers.sh"
# shellcheck source=/dev/null
. "$LIB/attacks.sh"

mailhost_new neighbours
dovecot_open
echo 'auth_mechanisms = plain login anonymous' >>"$SEED/etc/dovecot/dovecot.conf"
attacks_files
BOX_SYSLOG=yes BOX_MASK=postfix.service mailhost_boot '[Grants]' "ManyUsers=$STRANGER"
for port in 143 110; do must wait_until 30 port_is_open $port; done
attacks_start

for field in user plain apop command; do attack "Dovecot's POP3" dovecot pop3 $field 110 --threads 120; done
attack "Dovecot's POP3" dovecot pop3 plain 110 --password open
still_sees "Dovecot's POP3" dovecot pop3 110
attack "Dovecot, anonymous" dovecot imap anonymous 143 --threads 120
still_sees "Dovecot, anonymous" dovecot imap 143
attacks_done
plan "$TAP_RUN"
