#!/bin/bash
# two-line: real servers that tell of a login in two messages, through a real journald: popa3d (joined by process id) and
# OpenSMTPD (joined by session id). Two clients at a time, clients that never log in, and a restart between the two halves.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
# shellcheck source=/dev/null
. "$LIB/servers.sh"
plan 30

is_granted() { ok "$1" wait_until 60 may_relay "$2"; }
submit() { # ADDRESS USER PASSWORD
    client python3 "$LIB/mail-client" submit --starttls --from "$1" --to "$(server_for "$1")" "$2" "$3"
}
said() { in_box journalctl --no-pager -q -o cat -t "$1" | grep -c "$2"; } # IDENTIFIER TEXT
connects() { [ "$(said popa3d 'Session from')" -ge "$1" ]; }

two_line_new
mailhost_boot '[Patterns]' 'Enable=popa3d opensmtpd'
two_line_start
start_authrelay

# popa3d
ok "popa3d: a login" login pop3 203.0.113.7
ok "popa3d: which the journal has in two messages" wait_until 60 connects 1
is_granted "popa3d: is granted" 203.0.113.7
is "popa3d: to the user of the second one" "$(grant_of 203.0.113.7)" "popa3d alice"
ok "popa3d: a wrong password is refused" not login pop3 203.0.113.66 alice wrong

open_session first pop3 203.0.113.8 alice
open_session silent pop3 203.0.113.66
open_session second pop3 203.0.113.9 bob
for name in first silent second; do ok "popa3d: $name has connected" wait_until 60 session_is $name connected; done
ok "popa3d: the journal has all their connects" wait_until 60 connects 5
go_on second
is_granted "popa3d: the second one logs in first" 203.0.113.9
is "popa3d: as itself" "$(grant_of 203.0.113.9)" "popa3d bob"
ok "popa3d: the other is not granted by that" not may_relay 203.0.113.8
# a restart keeps the first half of a login whose second half is yet to come
must in_box systemctl restart authrelay.service
go_on first
is_granted "popa3d: the first one logs in after authrelay was restarted" 203.0.113.8
is "popa3d: as itself" "$(grant_of 203.0.113.8)" "popa3d alice"
kill_session silent
for name in first second; do go_on $name; end_session $name; done
is "popa3d: who only connected is not granted" "$(grants)" "203.0.113.7 203.0.113.8 203.0.113.9"
forget

# OpenSMTPD
ok "OpenSMTPD: a login" submit 203.0.113.7 alice secret
is_granted "OpenSMTPD: is granted" 203.0.113.7
is "OpenSMTPD: to its user" "$(grant_of 203.0.113.7)" "opensmtpd alice"
ok "OpenSMTPD: a wrong password is refused" not submit 203.0.113.66 alice wrong
ok "OpenSMTPD: a login over IPv6" submit 2001:db8::7 bob secret
is_granted "OpenSMTPD: is granted" 2001:db8::7

open_session one submit 203.0.113.8 alice secret --starttls
open_session none submit 203.0.113.66 alice secret --starttls
open_session two submit 203.0.113.9 bob secret --starttls
for name in one none two; do ok "OpenSMTPD: $name has connected" wait_until 60 session_is $name connected; done
go_on two
is_granted "OpenSMTPD: the second one logs in first" 203.0.113.9
is "OpenSMTPD: as itself" "$(grant_of 203.0.113.9)" "opensmtpd bob"
ok "OpenSMTPD: the other is not granted by that" not may_relay 203.0.113.8
go_on one
is_granted "OpenSMTPD: then the first one" 203.0.113.8
kill_session none
for name in one two; do go_on $name; end_session $name; done
is "OpenSMTPD: who only connected, or failed, is not granted" "$(grants)" "2001:db8::7 203.0.113.7 203.0.113.8 203.0.113.9"
is "nothing was untrusted" "$(status_number untrusted)" 0
