#!/bin/bash
# relaylock-servers: relaylock under every program that starts SMTP servers (tcpserver, tcpsvd, systemd's Accept=yes,
# couriertcpd, svscan with the run file of docs/qmail.md), before what obeys RELAYCLIENT, and with the real rblsmtpd.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

ZEN=zen.example.net # as in docs/qmail.md
# Where each listens with smtp-stand-in; mailfront is 100 further on.
declare -A PORT=([tcpserver]=2501 [tcpsvd]=2502 [tcpsvd-E]=2503 [systemd]=2504 [couriertcpd]=2505)
SERVERS=(stand-in)

log_in() { # ADDRESS [USER]
    printf '%s mx dovecot: imap-login: Login: user=<%s>, method=PLAIN, rip=%s, lip=203.0.113.1, mpid=4711, TLS, session=<%s/AAAB>\n' \
        "$(date '+%b %e %H:%M:%S')" "${2:-alice}" "$1" "$RANDOM$RANDOM" >>"$BOX_FILES/var/log/mail.log"
}
offer() { # ADDRESS PORT RECIPIENT
    client python3 "$LIB/mail-client" smtp --from "$1" --to "$(server_for "$1")" --port "$2" "$3"
}
relays() { offer "$1" "$2" someone@foreign.example; }
refuses() { local reply; reply=$(relays "$@"); [[ $reply = 55[03]\ * ]] || { echo "$reply"; return 1; }; }
receives() { offer "$1" "$2" someone@example.org; }
drops() { # ADDRESS PORT: not even a greeting
    client python3 - "$1" "$(server_for "$1")" "$2" <<'PY'
import socket, sys
c = socket.create_connection((sys.argv[2], int(sys.argv[3])), 10, (sys.argv[1], 0))
sys.exit(c.recv(1) != b"")
PY
}
variables() { # ADDRESS PORT: the environment of a server there
    client python3 - "$1" "$(server_for "$1")" "$2" <<'PY'
import socket, sys
c = socket.create_connection((sys.argv[2], int(sys.argv[3])), 10, (sys.argv[1], 0))
print(b"".join(iter(lambda: c.recv(65536), b"")).decode(), end="")
PY
}
variable() { variables "$1" "$2" | sed -n "s/^$3=/=/p"; }
said() { in_box journalctl --no-pager -o cat -u "$1" | grep '^relaylock: '; }

unit() { # NAME COMMAND...
    mkdir -p "$SEED/etc/systemd/system"
    printf '%s\n' '[Service]' User=mail AmbientCapabilities=CAP_NET_BIND_SERVICE Environment=DNSCACHEIP=127.0.0.1 \
        "ExecStart=${*:2}" >"$SEED/etc/systemd/system/$1.service"
    UNITS+=("$1.service")
}

# Each of them with `relaylock SERVER`.
front_ends() { # SERVER PLUS
    local server=$1 plus=$2
    unit "tcpserver-$server" tcpserver -RHl0 0 $((PORT[tcpserver] + plus)) relaylock "/$server"
    unit "tcpsvd-$server" tcpsvd -l0 0 $((PORT[tcpsvd] + plus)) relaylock "/$server"
    unit "tcpsvd-E-$server" tcpsvd -E -l0 0 $((PORT[tcpsvd-E] + plus)) relaylock "/$server"
    unit "couriertcpd-$server" couriertcpd -nodnslookup -maxperip=40 -stderrlogger=/usr/sbin/courierlogger \
        $((PORT[couriertcpd] + plus)) /usr/bin/relaylock "/$server" # it looks nothing up in PATH
    # the example units
    cp "$SEED"/usr/share/doc/authrelay/examples/qmail-smtpd.socket "$SEED/etc/systemd/system/smtp-$server.socket"
    cp "$SEED"/usr/share/doc/authrelay/examples/qmail-smtpd@.service "$SEED/etc/systemd/system/smtp-$server@.service"
    mkdir -p "$SEED/etc/systemd/system/smtp-$server.socket.d" "$SEED/etc/systemd/system/smtp-$server@.service.d"
    printf '[Socket]\nListenStream=\nListenStream=%s\n' $((PORT[systemd] + plus)) >"$SEED/etc/systemd/system/smtp-$server.socket.d/port.conf"
    printf '[Service]\nUser=mail\nGroup=mail\nExecStart=\nExecStart=-/usr/bin/relaylock /%s\n' "$server" \
        >"$SEED/etc/systemd/system/smtp-$server@.service.d/server.conf"
    UNITS+=("smtp-$server.socket")
}

# The run file, word for word, in the place where daemontools look; qmail-smtpd is relaylock, and qmail-smtpd.noauth the server.
qmail_layout() {
    mkdir -p "$SEED/var/qmail/bin" "$SEED/var/qmail/control" "$SEED/service/smtp" "$SEED/etc/systemd/system"
    echo example.org >"$SEED/var/qmail/control/rcpthosts"
    echo mx.example.org >"$SEED/var/qmail/control/me"
    sed -n '/^    #!\/bin\/sh$/,/^$/s/^    //p' "$SOURCE/docs/qmail.md" | sed '/qmail-smtpd$/q' >"$SEED/service/smtp/run"
    chmod 755 "$SEED/service/smtp/run"
    cp "$SEED/${SERVERS[-1]}" "$SEED/var/qmail/bin/qmail-smtpd"
    mkdir -p "$SEED/var/instead/bin"
    ln -s /usr/bin/relaylock "$SEED/var/instead/bin/qmail-smtpd"
    cp "$SEED/${SERVERS[-1]}" "$SEED/var/instead/bin/qmail-smtpd.noauth"
    unit svscan svscan /service
    sed -i '/^User=/d' "$SEED/etc/systemd/system/svscan.service"
    unit instead tcpserver -RHl0 0 2901 /var/instead/bin/qmail-smtpd
    unit instead-path env PATH=/var/instead/bin:/usr/sbin:/usr/bin:/bin tcpserver -RHl0 0 2902 qmail-smtpd
    echo '203.0.113.66:deny' >"$SEED/etc/tcp.smtp"
    echo '203.0.113.:allow,RBLSMTPD="-dial-up lines send through their provider"' >"$SEED/etc/tcp.dialup"
}

# A DNS server that lists 203.0.113.7 and .8.
dns() {
    nsenter --target "$BOX_PID" --net -- python3 - "$ZEN" <<'PY' &
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
listed = {f"{n}.113.0.203.{sys.argv[1]}" for n in (7, 8)}
while True:
    query, peer = s.recvfrom(512)
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    question, kind = query[12:at + 5], query[at + 1:at + 3]
    found = ".".join(labels) in listed and kind == b"\0\x10"
    text = b"listed"
    answer = b"\xc0\x0c\0\x10\0\1" + struct.pack(">IHB", 60, len(text) + 1, len(text)) + text if found else b""
    s.sendto(query[:2] + (b"\x85\x80" if found else b"\x85\x83") + struct.pack(">HHHH", 1, found, 0, 0) + question + answer, peer)
PY
    DNS_PID=$!
    at_exit "kill $DNS_PID"
}

mailhost_new ucspi
UNITS=()
cp "$LIB/smtp-stand-in" "$SEED/stand-in"
if [ -x "$(cat "$WORK/tree")/usr/sbin/mailfront" ]; then
    SERVERS+=(mailfront) # not in Debian 13
    # it wants tcpserver's names for what others call otherwise, or do not say
    printf '%s\n' '#!/bin/sh' 'export PROTO=TCP QMAILHOME=/var/qmail TCPREMOTEIP="${TCPREMOTEIP:-${REMOTE_ADDR:-unknown}}"' \
        'exec mailfront smtp echo relayclient qmail-validate' >"$SEED/mailfront"
    chmod 755 "$SEED/mailfront"
fi
plus=0
for server in "${SERVERS[@]}"; do
    front_ends "$server" $plus
    plus=$((plus + 100))
done
qmail_layout
unit rbl tcpserver -RHl0 0 2801 relaylock -b rblsmtpd -r $ZEN /stand-in
unit rbl-without-b tcpserver -RHl0 0 2811 relaylock rblsmtpd -r $ZEN /stand-in
unit dialup tcpserver -RHl0 -x /etc/tcp.dialup.cdb 0 2821 relaylock -b rblsmtpd /stand-in
unit options tcpserver -RHl0 0 2831 relaylock -v -e GREYLIST= -e QUOTA=a=b -e PLAIN env
unit options-f tcpserver -RHl0 0 2841 relaylock -f /tmp/other.cdb -v env
for front in tcpserver:2851:"tcpserver -RHl0 0" tcpsvd:2861:"tcpsvd -l0 0" couriertcpd:2871:"couriertcpd -nodnslookup"; do
    IFS=: read -r name port command <<<"$front"
    unit "env-$name" "$command $port /usr/bin/relaylock /usr/bin/env"
done
mkdir -p "$SEED/var/log"
: >"$SEED/var/log/mail.log"
mailhost_boot '[Sources]' Journal=no File=/var/log/mail.log '[Grants]' PublishUsers=yes
must in_box useradd -M -u 1002 qmaild
for rules in smtp dialup; do must in_box sh -c "tcprules /etc/tcp.$rules.cdb /etc/tcp.$rules.tmp </etc/tcp.$rules"; done
printf 'nameserver 127.0.0.1\n' >"$BOX_FILES/etc/resolv.conf"
dns
start_authrelay
must in_box systemctl start "${UNITS[@]}"

# ---- each front end with each server ----
each() { # FUNCTION: calls it with a description and a port
    local server front plus=0
    for server in "${SERVERS[@]}"; do
        for front in tcpserver tcpsvd tcpsvd-E systemd couriertcpd; do "$1" "$front, $server" $((PORT[$front] + plus)); done
        plus=$((plus + 100))
    done
}
before() {
    ok "$1: own mail is taken" wait_until 60 receives 203.0.113.7 "$2"
    ok "$1: foreign mail is not" refuses 203.0.113.7 "$2"
}
after() {
    ok "$1: whoever has logged in relays" relays 203.0.113.7 "$2"
    ok "$1: another does not" refuses 203.0.113.8 "$2"
}
by_ipv6() {
    case $1 in systemd* | couriertcpd*) ;; *) return ;; esac
    ok "$1: by IPv6, too" relays 2001:db8::7 "$2"
    ok "$1: and no other" refuses 2001:db8::8 "$2"
}
each before
log_in 203.0.113.7 alice
log_in 2001:db8::7 bob
must wait_until 60 may_relay 203.0.113.7
must wait_until 60 may_relay 2001:db8::7
each after
each by_ipv6

# ---- what the server is told ----
is "tcpserver: the user" "$(variable 203.0.113.7 2851 AUTHRELAY_USER)$(variable 203.0.113.8 2851 AUTHRELAY_USER)" =alice
is "tcpsvd: the user" "$(variable 203.0.113.7 2861 AUTHRELAY_USER)$(variable 203.0.113.8 2861 AUTHRELAY_USER)" =alice
is "couriertcpd: the user" "$(variable 203.0.113.7 2871 AUTHRELAY_USER)$(variable 203.0.113.8 2871 AUTHRELAY_USER)" =alice
is "couriertcpd: by IPv6" "$(variable 2001:db8::7 2871 AUTHRELAY_USER)" =bob
diag "couriertcpd says $(variable 203.0.113.7 2871 TCPREMOTEIP) $(variable 2001:db8::7 2871 TCPREMOTEIP)"
is "-e sets what it is told to" "$(variable 203.0.113.7 2831 GREYLIST)$(variable 203.0.113.7 2831 QUOTA)$(variable 203.0.113.7 2831 PLAIN)" ==a=b=
is "for nobody else" "$(variable 203.0.113.8 2831 GREYLIST)$(variable 203.0.113.8 2831 QUOTA)$(variable 203.0.113.8 2831 PLAIN)" ""
like "-v says so" "$(said options.service)" '203\.0\.113\.7: may relay: granted by 203\.0\.113\.7 \(dovecot\) until '
like "and why not" "$(said options.service)" '203\.0\.113\.8: no relaying: absent'
is "-f FILE: nobody relays by a file that is not there" "$(variable 203.0.113.7 2841 RELAYCLIENT)" ""
like "and it is said" "$(said options-f.service)" '203\.0\.113\.7: no relaying: /tmp/other\.cdb: the delta cannot be opened: '
must in_box cp /run/authrelay/relay.cdb /tmp/other.cdb
must in_box cp /run/authrelay/relay-delta.cdb /tmp/other-delta.cdb
is "but by one that is" "$(variable 203.0.113.7 2841 RELAYCLIENT)" =
is "nothing is said of ordinary clients" "$(said tcpserver-stand-in.service)" ""

# ---- rblsmtpd ----
like "without -b a listed client is refused, even if it has logged in" "$(receives 203.0.113.7 2811)" '^451 listed'
ok "with -b it is not" receives 203.0.113.7 2801
ok "and relays" relays 203.0.113.7 2801
like "another listed one is refused" "$(receives 203.0.113.8 2801)" '^451 listed'
ok "one that is not listed is not" receives 203.0.113.9 2801
ok "and does not relay" refuses 203.0.113.9 2801
like "tcpserver's rules bar a whole network" "$(receives 203.0.113.8 2821)" '^553 dial-up lines send through their provider'
ok "but not who has logged in from there" relays 203.0.113.7 2821

# ---- qmail ----
ok "the run file of docs/qmail.md has the whole chain" grep -q 'qmail-smtpd$' "$SEED/service/smtp/run"
ok "svscan runs it" wait_until 60 receives 203.0.113.9 25
ok "whoever has logged in relays, though listed" relays 203.0.113.7 25
like "another is refused, being listed" "$(receives 203.0.113.8 25)" '^451 listed'
ok "one that is not listed does not relay" refuses 203.0.113.9 25
ok "whom tcpserver's rules deny gets nothing" drops 203.0.113.66 25
for port in 2901 2902; do
    [ $port = 2901 ] && what="in the place of qmail-smtpd" || what="the same, found by PATH"
    ok "$what: whoever has logged in relays" relays 203.0.113.7 $port
    ok "$what: another does not" refuses 203.0.113.8 $port
    ok "$what: whose mail is taken" receives 203.0.113.8 $port
done

# ---- without a daemon, without its files ----
must in_box systemctl stop authrelay.service >/dev/null 2>&1
after_stop() { ok "$1: after a stop it still relays, until its time is over" relays 203.0.113.7 "$2"; }
SERVERS=(stand-in)
each after_stop
must in_box rm /run/authrelay/relay.cdb
without_files() {
    ok "$1: without the files nobody relays" refuses 203.0.113.7 "$2"
    ok "$1: and everybody's mail is taken" receives 203.0.113.7 "$2"
}
each without_files
plan "$TAP_RUN"
