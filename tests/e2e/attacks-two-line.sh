#!/bin/bash
# attacks-two-line: as attacks.sh, in sessions of popa3d and OpenSMTPD, which tell of a login in two messages.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
# shellcheck source=/dev/null
. "$LIB/servers.sh"
# shellcheck source=/dev/null
. "$LIB/attacks.sh"

ENABLE='popa3d opensmtpd'
two_line_new
attacks_files
BOX_SYSLOG=yes mailhost_boot '[Patterns]' "Enable=$ENABLE"
# else OpenSMTPD would take two seconds for each wrong password, one after another
must in_box sed -i '/pam_unix.so/s/$/ nodelay/' /etc/pam.d/common-auth
two_line_start
attacks_start

for field in user command; do attack popa3d popa3d pop3 $field 110; done
still_sees popa3d popa3d pop3 110
for field in plain login helo from rcpt mechanism command before-tls; do
    attack OpenSMTPD opensmtpd smtp $field 587 --starttls
done
still_sees OpenSMTPD opensmtpd submit 587 --starttls
attacks_done
plan "$TAP_RUN"
