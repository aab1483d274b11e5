#!/bin/bash
# attacks-courier: as attacks.sh, in sessions of Courier's IMAP and POP3 servers, whose logger tears long messages.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
# shellcheck source=/dev/null
. "$LIB/attacks.sh"

mailhost_new courier
attacks_files
BOX_SYSLOG=yes BOX_MASK="exim4.service courier-imap-ssl.service courier-pop-ssl.service" \
    mailhost_boot '[Grants]' "ManyUsers=$STRANGER"
courier_user
must in_box systemctl restart courier-authdaemon.service courier-imap.service courier-pop.service
for port in 143 110; do must wait_until 30 port_is_open $port; done
attacks_start

for field in login plain id tag; do attack "Courier IMAP" courier-imap imap $field 143 --threads 120; done
for field in mailbox append; do attack "Courier IMAP" courier-imap imap $field 143 --password secret; done
still_sees "Courier IMAP" courier-imap imap 143
for field in user plain command; do attack "Courier POP3" courier-pop3 pop3 $field 110 --threads 120; done
still_sees "Courier POP3" courier-pop3 pop3 110
attacks_done
plan "$TAP_RUN"
