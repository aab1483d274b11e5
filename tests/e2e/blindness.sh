#!/bin/bash
# blindness: a daemon that sees no logins any more says so: a Dovecot whose log format the pattern does not know, a log whose
# stamps are of another time zone, and a journald that drops messages. Each is counted in the status and has one warning.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 28

said() { in_box journalctl --no-pager -q -o cat -p notice -u authrelay | grep -cF "$1"; }
has_said() { [ "$(said "$1")" -ge 1 ]; }
counts() { [ "$(status_number "$1")" -ge "$2" ]; }                       # NAME AT-LEAST
of_dovecot() { ctl status --json | python3 "$LIB/json-get" --where name=dovecot "$1"; }
counts_of_dovecot() { [ "$(of_dovecot "$1")" -ge "$2" ]; }
dovecot_answers() { client python3 -c "import socket; socket.create_connection(('$SERVER4', 143), 2)"; }
elements() { # LOGIN_LOG_FORMAT_ELEMENTS, or nothing for the default
    in_box sh -c 'sed -i /^login_log_format_elements/d /etc/dovecot/dovecot.conf
        test -z "$1" || echo "login_log_format_elements = $1" >>/etc/dovecot/dovecot.conf' sh "$1"
    must in_box systemctl restart dovecot.service
    must wait_until 60 dovecot_answers
}
line() { # STAMP ADDRESS
    echo "$1 box dovecot: imap-login: Login: user=<u$2>, method=PLAIN, rip=$2, lip=203.0.113.1, mpid=7, TLS, session=<s$2/AAAB>"
}
stamp() { TZ=$1 date '+%b %e %H:%M:%S'; } # ZONE

mailhost_new dovecot
mkdir -p "$SEED/var/log/test" "$SEED/etc/systemd/system/dovecot.service.d"
# The lines of now with the stamps of a place where it is five hours earlier, and the same with the zone told.
for n in 1 2 3; do line "$(stamp UTC+5)" 198.51.100.$n; done >"$SEED/var/log/test/unzoned"
for n in 4 5; do line "$(stamp UTC+5)" 198.51.100.$n; done >"$SEED/var/log/test/zoned"
# journald's own limit, so low that a handful of logins passes it
printf '[Service]\nLogRateLimitIntervalSec=4s\nLogRateLimitBurst=10\n' >"$SEED/etc/systemd/system/dovecot.service.d/limit.conf"
mailhost_boot '[Sources]' Journal=yes File=/var/log/test/unzoned TimeZone=UTC+5 File=/var/log/test/zoned
start_authrelay

# stamps of another time zone
ok "stale: lines whose stamps are hours old are counted" wait_until 60 counts stale 3
is "stale: and no more than these" "$(status_number stale)" 3
ok "stale: there is a line about it, which names the file" wait_until 60 has_said '/var/log/test/unzoned: a login of'
ok "stale: and the remedy" wait_until 60 has_said 'TimeZone='
is "stale: and not one for each" "$(said 'is older than TTL=')" 1
ok "stale: with TimeZone= the same stamps are of now" wait_until 60 may_relay 198.51.100.4
is "stale: and the others granted nothing" "$(grants)" "198.51.100.4 198.51.100.5"
like "stale: status shows it to people, too" "$(ctl status)" 'stale: 3'

# a format that the pattern does not know
ok "hints: a login" login imap 203.0.113.7
ok "hints: is granted" wait_until 60 may_relay 203.0.113.7
is "hints: and nothing is odd" "$(of_dovecot hints)" 0
if grep -q ^dovecot_config_version "$SEED/etc/dovecot/dovecot.conf"; then
    elements 'user=<%{user}> from=%{remote_ip}'
else
    elements 'user=<%u> from=%r'
fi
for n in 8 9; do ok "hints: a login in another format" login imap 203.0.113.$n; done
ok "hints: they are counted" wait_until 60 counts_of_dovecot hints 2
ok "hints: and not granted" not may_relay 203.0.113.8
ok "hints: there is a warning with a sample" wait_until 60 has_said 'user=<alice>, from=203.0.113.8'
is "hints: and not one for each" "$(said 'no regex of the pattern takes it')" 1
like "hints: status shows them to people, too" "$(ctl status)" 'dovecot +unit +6 +2 '
elements ''
ok "hints: with the old format again, a login" login imap 203.0.113.8
ok "hints: is granted" wait_until 60 may_relay 203.0.113.8

# messages that journald has dropped: it says so with the first message of that unit that it keeps again
dropped() { in_box journalctl --no-pager -q -o cat -t systemd-journald | grep -q 'Suppressed .* from dovecot.service'; }
flood() { client python3 -c "
import socket
for i in range(400):
    s = socket.create_connection(('$SERVER4', 143), 10)
    s.recv(200)
    s.sendall(b'a LOGOUT\r\n')
    s.recv(200)
    s.close()"; }
is "suppressed: nothing is yet" "$(status_number suppressed)" 0
ok "suppressed: many connections at a time" flood
drop_is_told() { login imap 203.0.113.7 && dropped; }
ok "suppressed: journald says that it has dropped some" wait_until 30 drop_is_told
ok "suppressed: they are counted" wait_until 60 counts suppressed 50
ok "suppressed: there is a warning, which names the unit" wait_until 60 has_said 'messages of dovecot.service were suppressed'
is "suppressed: and not one for each" "$(said 'were suppressed')" 1
# what another service drops is none of our business
before=$(status_number suppressed)
must in_box systemd-run -q --wait --unit=other -p LogRateLimitIntervalSec=1s -p LogRateLimitBurst=5 sh -c \
    'seq 1000; sleep 2; echo again; sleep 1'
ok "suppressed: another service's are dropped" wait_until 60 in_box sh -c \
    'journalctl --no-pager -q -o cat -t systemd-journald | grep -q "Suppressed .* from other.service"'
is "suppressed: and do not count" "$(status_number suppressed)" "$before"
