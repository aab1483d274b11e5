# shellcheck shell=bash
# syslog-cases.sh: what tests/e2e/syslog.sh and syslog-ng.sh have in common: messages of several hosts that reach authrelay
# through one syslog daemon. Source tap.sh and mailhost.sh first.

# Courier's patterns are for the journal only, as long as nobody knows that no message is left out on the way.
courier_by_syslog() {
    mkdir -p "$SEED/etc/authrelay/patterns/courier-pop3.pattern.d"
    printf '[Pattern]\nJournalOnly=no\n' >"$SEED/etc/authrelay/patterns/courier-pop3.pattern.d/test.conf"
}
stamp() { date '+%b %e %H:%M:%S'; }
dovecot_login() { # ADDRESS
    echo "imap-login: Login: user=<u$1>, method=PLAIN, rip=$1, lip=203.0.113.1, mpid=7, TLS, session=<s$1/AAAB>"
}
# As the host would write it to the network: 3164 or 5424.
rfc3164() { echo "<22>$(stamp) $1 $2: $3"; }                                                    # HOST TAG MESSAGE
rfc5424() { echo "<22>1 $(date -u +%Y-%m-%dT%H:%M:%SZ) $1 $2 ${4:--} - [x@1 k=\"a\\]b\"] $3"; } # HOST IDENTIFIER MESSAGE [PID]
send() { client python3 "$LIB/syslog-sender" "$1" "$SERVER4" 0 --from="$2"; }                   # PROTOCOL ADDRESS < messages
crowd() { # FIRST COUNT: logins of so many addresses
    local i
    for ((i = $1; i < $1 + $2; i++)); do rfc3164 mx1 dovecot "$(dovecot_login "198.18.$((i / 250)).$((i % 250 + 1))")"; done
}
crowd_is() { [ "$(grants | tr ' ' '\n' | grep -c '^198\.18\.')" = "$1" ]; }

# Two hosts whose pids and streams are the same numbers.
two_hosts() { # FORM
    local form=$1
    { rfc3164 mx1 'popa3d[100]' 'Session from 192.0.2.1'; rfc3164 mx2 'popa3d[100]' 'Session from 192.0.2.2'
        rfc3164 mx1 'popa3d[100]' 'Authentication passed for alice'; } | send tcp 203.0.113.8
    ok "$form: a login of two lines is granted, another host's line between them or not" wait_until 60 may_relay 192.0.2.1
    ok "$form: with the first line of its own host" not may_relay 192.0.2.2
    rfc3164 mx2 'popa3d[100]' 'Authentication passed for bob' | send udp 203.0.113.9
    ok "$form: and so is the other host's" wait_until 60 may_relay 192.0.2.2
    # Courier's logger on mx1 tears a message: its next one may be the rest of it. The gap at the start has to be over first.
    { rfc3164 mx1 pop3d 'Connection, ip=[::ffff:192.0.2.9]'; rfc3164 mx2 pop3d 'Connection, ip=[::ffff:192.0.2.9]'
        rfc3164 mx1 pop3d "LOGIN FAILED, user=$(printf '%0490d' 7)"
        rfc3164 mx2 pop3d 'LOGIN, user=carol, ip=[::ffff:192.0.2.3], port=[4711]'
        rfc3164 mx1 pop3d 'LOGIN, user=mallory, ip=[::ffff:192.0.2.66], port=[4711]'
        rfc3164 mx1 pop3d 'LOGIN, user=dave, ip=[::ffff:192.0.2.4], port=[4711]'; } | send tcp 203.0.113.8
    ok "$form: a torn message of one host does not touch another's login" wait_until 60 may_relay 192.0.2.3
    ok "$form: nor does that mend it: the torn rest is no login" not may_relay 192.0.2.66
    ok "$form: after it the stream is whole" wait_until 60 may_relay 192.0.2.4
    { rfc3164 mx2 dovecot "x$(printf '%09000d' 7)$(dovecot_login 192.0.2.67)"
        rfc3164 mx2 dovecot "x"$'\x01'"$(dovecot_login 192.0.2.68)"
        rfc3164 mx2 dovecot "$(dovecot_login 192.0.2.7)"; } | send tcp 203.0.113.8
    ok "$form: a login after an over-long message and a control byte" wait_until 60 may_relay 192.0.2.7
    is "$form: which were none" "$(grants | tr ' ' '\n' | grep -c '^192\.0\.2\.6[678]$')" 0
}
new_form() { # FORM
    rfc5424 mx2 dovecot "$(dovecot_login 192.0.2.5)" 7 | send udp 203.0.113.9
    ok "$1: a host that sends RFC 5424 with structured data" wait_until 60 may_relay 192.0.2.5
    rfc5424 mx2 dovecot $'\xef\xbb\xbf'"$(dovecot_login 192.0.2.6)" | send udp 203.0.113.9
    ok "$1: and with a byte order mark" wait_until 60 may_relay 192.0.2.6
}
# shellcheck disable=SC2034 # for the plans
TWO_HOSTS=8 NEW_FORM=2 # that many tests
