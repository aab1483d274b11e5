#!/bin/bash
# tcprules-ipv6: Tcprules= with IPv6, by tcprules and tcpserver of Debian's ucspi-tcp-ipv6: hosts and networks as it writes
# and compares them, no address let in that was not granted; and relaylock under that tcpserver, -6 included.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 38

RULES=/run/authrelay/tcp.smtp.cdb
TEMPLATE='2001:db8::8:deny
2001:db8::allow,QMAILQUEUE="/bin/six"
203.0.113.:allow,QMAILQUEUE="/bin/four"
:allow,A="b"'

is_made_of() { # RULES
    in_box sh -c 'tcprules /tmp/wanted.cdb /tmp/wanted.tmp && cmp /tmp/wanted.cdb '"$RULES" <<<"$1"
}
log_in() { # ADDRESS
    printf '%s mx dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=%s, lip=203.0.113.1, mpid=4711, TLS, session=<%s/AAAB>\n' \
        "$(date '+%b %e %H:%M:%S')" "$1" "$RANDOM$RANDOM" >>"$BOX_FILES/var/log/mail.log"
}
offer() { # ADDRESS RECIPIENT [PORT]
    client python3 "$LIB/mail-client" smtp --from "$1" --to "$(server_for "$1")" --port "${3:-25}" "$2"
}
relays() { offer "$1" someone@foreign.example "${2:-25}"; }
receives() { offer "$1" someone@example.org "${2:-25}"; }
refuses() { local reply; reply=$(relays "$@"); [[ $reply = 553\ * ]] || { echo "$reply"; return 1; }; }
drops() { # ADDRESS: not even a greeting
    client python3 - "$1" "$(server_for "$1")" <<'PY'
import socket, sys
c = socket.create_connection((sys.argv[2], 25), 10, (sys.argv[1], 0))
sys.exit(c.recv(1) != b"")
PY
}
variables() { # ADDRESS PORT: the environment of a connection from there
    client python3 - "$1" "$(server_for "$1")" "$2" <<'PY'
import socket, sys
c = socket.create_connection((sys.argv[2], int(sys.argv[3])), 10, (sys.argv[1], 0))
print(b"".join(iter(lambda: c.recv(65536), b"")).decode(), end="")
PY
}
variable() { variables "$1" "${3:-2525}" | sed -n "s/^$2=/=/p"; }

unit() { # NAME ARGUMENTS-OF-TCPSERVER...
    mkdir -p "$SEED/etc/systemd/system/multi-user.target.wants"
    printf '%s\n' '[Unit]' 'Wants=authrelay.service' 'After=authrelay.service' \
        '[Service]' 'User=mail' 'AmbientCapabilities=CAP_NET_BIND_SERVICE' "ExecStart=tcpserver -RHl0 ${*:2}" >"$SEED/etc/systemd/system/$1.service"
    ln -sf "/etc/systemd/system/$1.service" "$SEED/etc/systemd/system/multi-user.target.wants/"
}

mailhost_new ucspi6
cp "$LIB/smtp-stand-in" "$SEED/"
unit smtp -x $RULES 0 25 /smtp-stand-in
unit env -x $RULES 0 2525 env
unit lock 0 2526 relaylock /smtp-stand-in
unit lock-mapped -6 0 2527 relaylock /smtp-stand-in
unit env-mapped -6 0 2528 relaylock -b -e GOOD=yes env
mkdir -p "$SEED/var/log"
echo "$TEMPLATE" >"$SEED/etc/tcp.smtp"
: >"$SEED/var/log/mail.log"
mailhost_boot '[Sources]' Journal=no File=/var/log/mail.log '[Grants]' Always=2001:db8:aaaa::/48 Never=2001:db8:aaaa:5::/64 \
    '[Outputs]' Tcprules=$RULES TcprulesTemplate=/etc/tcp.smtp
# clients from elsewhere, in networks that tcpserver writes in several ways
ELSEWHERE=(2001:db8:1::99 2001:db8:1::1:2:3:4 2001:db8:1:2::99 2001:db8:0:5:1:2:3:4 2001:db8:0:5::99 2001:db8::5:6 2001:db8:aaaa:5::1 2001:db8:aaaa:6:1::)
for a in "${ELSEWHERE[@]}"; do must client ip -6 address add "$a/128" dev client0 nodad; done
must in_box ip -6 route add 2001:db8::/32 dev server0
must wait_until 60 receives 2001:db8::7

always="2001:db8:aaaa::allow,QMAILQUEUE=\"/bin/six\",RELAYCLIENT=\"\"
2001:db8:aaaa:5::allow,QMAILQUEUE=\"/bin/six\""
STATIC="$TEMPLATE
$always"
ok "the file is what this tcprules makes of the template and Always=" is_made_of "$STATIC"
ok "nobody relays yet" refuses 2001:db8::7
ok "Always= does" relays 2001:db8:aaaa:6:1::
ok "but Never= inside it" refuses 2001:db8:aaaa:5::1

log_in 2001:db8::7 # in the host's own network: a host
log_in 2001:db8::8
log_in 203.0.113.7
log_in 2001:db8:1:2::99 # elsewhere: a network of 64 bits
ok "a host relays" wait_until 60 relays 2001:db8::7
ok "by IPv4, too" wait_until 60 relays 203.0.113.7
ok "and a network" wait_until 60 relays 2001:db8:1:2::99
ok "another host does not" refuses 2001:db8::5:6
ok "nor by IPv4" refuses 203.0.113.8
ok "what is denied stays denied" drops 2001:db8::8
ok "the file is what this tcprules makes of these rules" is_made_of "$TEMPLATE
203.0.113.7:allow,QMAILQUEUE=\"/bin/four\",RELAYCLIENT=\"\"
2001:db8::7:allow,QMAILQUEUE=\"/bin/six\",RELAYCLIENT=\"\"
2001:db8:1:2::allow,QMAILQUEUE=\"/bin/six\",RELAYCLIENT=\"\"
$always"
is "with what the template sets" "$(variable 2001:db8::7 QMAILQUEUE)$(variable 203.0.113.7 QMAILQUEUE)" =/bin/six=/bin/four

log_in 2001:db8:1::99 # its last group is zero, and written as one or as "::"
ok "a network that is written in two ways: one" wait_until 60 relays 2001:db8:1::99
ok "and the other" relays 2001:db8:1::1:2:3:4
is "it is of an address with a zero group" "$(variable 2001:db8:1::1:2:3:4 TCPREMOTEIP)" =2001:db8:1::1:2:3:4
log_in 2001:db8:0:5::99 # "2001:db8::5:" is the beginning of others
ok "one that cannot be told from others by all of its addresses: those that can" wait_until 60 relays 2001:db8:0:5::99
ok "those that cannot are left out" refuses 2001:db8:0:5:1:2:3:4
is "for they begin like this one" "$(variable 2001:db8:0:5:1:2:3:4 TCPREMOTEIP)$(variable 2001:db8::5:6 TCPREMOTEIP)" =2001:db8::5:1:2:3:4=2001:db8::5:6
ok "which does not relay" refuses 2001:db8::5:6
is "and it is counted" "$(status_number tcprules_left_out)" 1
like "and said" "$(in_box journalctl -o cat -u authrelay)" "tcp.smtp.cdb leaves out grants"
must ctl revoke --all >/dev/null
ok "after all are revoked the static part is left" is_made_of "$STATIC"

sleep 1.1 # a line has no fractions of a second, and must be later than the revocation

# relaylock in the same place
for a in 2001:db8::7 203.0.113.7; do
    ok "relaylock: $a does not relay" refuses $a 2526
    log_in $a
    ok "logged in, it does" wait_until 60 relays $a 2526
    ok "under tcpserver -6, too" relays $a 2527
done
is "which says ::ffff: before an IPv4 address" "$(variable 203.0.113.7 TCPREMOTEIP 2528)" =::ffff:203.0.113.7
is "and TCP6" "$(variable 203.0.113.7 PROTO 2528)" =TCP6
is "-b and -e hold there" "$(variable 203.0.113.7 RBLSMTPD 2528)$(variable 203.0.113.7 GOOD 2528)$(variable 203.0.113.7 RELAYCLIENT 2528)" ==yes=
is "and set nothing for another client" "$(variable 203.0.113.8 RBLSMTPD 2528)$(variable 203.0.113.8 GOOD 2528)$(variable 203.0.113.8 RELAYCLIENT 2528)" ""
ok "the relay right of one IPv6 host is not its neighbour's" refuses 2001:db8::5:6 2526
is "an address of tcpserver that is not in the shortest form of RFC 5952 is the same client" \
    "$(in_box env TCPREMOTEIP=2001:db8:0:0:0::7 relaylock sh -c 'echo ${RELAYCLIENT+yes}')" yes
must in_box systemctl stop authrelay.service >/dev/null 2>&1
ok "after a stop nobody relays by the file" refuses 2001:db8::7
ok "but Always=" relays 2001:db8:aaaa:6:1::
ok "and everybody's mail is taken" receives 2001:db8::7
ok "which is what this tcprules makes of the static part" is_made_of "$STATIC"
