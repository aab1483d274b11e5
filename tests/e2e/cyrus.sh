#!/bin/bash
# cyrus: Cyrus IMAP (IMAP and POP3, through the journal) and Exim with SMTP AUTH (its mainlog, as Debian's package keeps it):
# a genuine login is granted with the right address and user; a wrong password, and mail without a login, are not.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
. "$LIB/servers.sh"
plan 17

without_login() { # ADDRESS
    client python3 - "$1" <<'PYTHON'
import smtplib, sys
with smtplib.SMTP("203.0.113.1", 587, source_address=(sys.argv[1], 0), timeout=20) as c:
    # what a careless reader of the mainlog would take for a login
    c.ehlo("x")
    c.sendmail("a@evil.example.net", ["alice@box.example.org"],
               "Subject: x H=(q) [198.51.100.66] P=esmtpa A=plain_server:alice S=1\r\n\r\ntest\r\n")
PYTHON
}
mainlog_has() { in_box grep -qF "$1" /var/log/exim4/mainlog; }

mailhost_new cyrus
exim_files
cyrus_files
mailhost_boot '[Sources]' Journal=yes 'File=/var/log/exim4/mainlog exim' '[Patterns]' 'Enable=cyrus exim'
cyrus_user
must in_box systemctl restart cyrus-imapd exim4
start_authrelay

tries "Cyrus IMAP" cyrus imap 143
tries "Cyrus POP3" cyrus pop3 110
tries Exim exim submit 587 --recipient bob@elsewhere.example

ok "Exim: mail without a login is accepted for its own domain" without_login 203.0.113.66
ok "Exim: and logged" wait_until 60 mainlog_has '[203.0.113.66] P=esmtp '
is "these are granted, and nothing else" "$(grants)" "$(printf '%s\n' "${GRANTED[@]}" | sort | paste -sd' ')"
is "nothing was untrusted" "$(status_number untrusted)" 0
is "no login was not understood" "$(status_number hints)" 0
