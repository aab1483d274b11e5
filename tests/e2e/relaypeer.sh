#!/bin/bash
# relaypeer: behind real stunnel, haproxy and hitch, with every form of the PROXY protocol's header that they write, Courier's
# POP3 server, the daemon and relaylock see the client and not the terminator; nobody else's header is believed.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

# Behind each of them there are POP3 at BASE and SMTP at BASE + 1, and before each a client of its own.
TERMINATORS="stunnel:3100:203.0.113.11 haproxy-v1:3200:203.0.113.12 haproxy-v2:3300:203.0.113.13
    haproxy-crc32c:3400:203.0.113.14 hitch-v1:3500:203.0.113.15 hitch-v2:3600:203.0.113.16"
SMTP='mailfront smtp echo relayclient qmail-validate'
PEM=/etc/ssl/private/mx.pem
plan 76

certificate() {
    local tree
    tree=$(cat "$WORK/tree")
    mkdir -p "$SEED/etc/ssl/private"
    cat "$tree/etc/ssl/private/ssl-cert-snakeoil.key" "$tree/etc/ssl/certs/ssl-cert-snakeoil.pem" >"$SEED$PEM"
}

# To tell apart what comes from whom, the SMTP servers' chains say what they find. The rules of tcpserver let 127.0.0.1
# relay, and so does the daemon: an administrator's mistakes, which must not become an open relay.
smtp_servers() {
    if [ ! -x "$(cat "$WORK/tree")/usr/sbin/mailfront" ]; then
        SMTP=/smtp-stand-in
        cp "$LIB/smtp-stand-in" "$SEED/"
    fi
    mkdir -p "$SEED/var/qmail/control" "$SEED/etc/systemd/system"
    echo example.org >"$SEED/var/qmail/control/rcpthosts"
    echo mx.example.org >"$SEED/var/qmail/control/me"
    echo '127.:allow,RELAYCLIENT=""' >"$SEED/etc/tcp.smtp"
    cat >"$SEED/etc/systemd/system/smtp.service" <<UNIT
[Service]
User=mail
RuntimeDirectory=smtp
Environment=QMAILHOME=/var/qmail
ExecStartPre=tcprules /run/smtp/rules.cdb /run/smtp/rules.tmp
StandardInput=file:/etc/tcp.smtp
ExecStart=tcpserver -vRHl0 -x /run/smtp/rules.cdb 0 2525 relaypeer -vw2 -t 127.0.0.1 -t ::1 relaylock -v $SMTP
UNIT
    printf '[Socket]\nListenStream=127.0.0.1:2526\nAccept=yes\n' >"$SEED/etc/systemd/system/smtp-accept.socket"
    cat >"$SEED/etc/systemd/system/smtp-accept@.service" <<UNIT
[Service]
User=mail
Environment=QMAILHOME=/var/qmail
ExecStart=-relaypeer -v -t 127.0.0.1 relaylock -v $SMTP
StandardInput=socket
StandardError=journal
UNIT
    printf '[Socket]\nListenStream=/run/smtp-haproxy.sock\nAccept=yes\nSocketUser=haproxy\nSocketMode=0600\n' \
        >"$SEED/etc/systemd/system/smtp-unix.socket"
    sed 's/-t 127.0.0.1/-t unix/' "$SEED/etc/systemd/system/smtp-accept@.service" >"$SEED/etc/systemd/system/smtp-unix@.service"
}

# pop3d's run script starts `couriertcpd … $PORT courierpop3login …`, so that what stands before the program goes there.
courier_port() {
    mkdir -p "$SEED/etc/courier"
    sed -e 's/^ADDRESS=.*/ADDRESS=127.0.0.1/' -e 's|^PORT=.*|PORT="1110 /usr/bin/relaypeer -t 127.0.0.1"|' \
        "$(cat "$WORK/tree")/etc/courier/pop3d" >"$SEED/etc/courier/pop3d"
}

stunnel_files() {
    mkdir -p "$SEED/etc/stunnel"
    cat >"$SEED/etc/stunnel/mail.conf" <<CONF
foreground = yes
syslog = no
cert = $PEM
protocol = proxy
[pop3s]
accept = :::3100
connect = 127.0.0.1:1110
[smtps]
accept = :::3101
connect = 127.0.0.1:2525
CONF
}

haproxy_pair() { # NAME BASE SMTP-SERVER OPTIONS
    cat <<CONF
listen $1-pop3
    bind :::$2 v4v6 ssl crt $PEM
    server pop3 127.0.0.1:1110 $4
listen $1-smtp
    bind :::$(($2 + 1)) v4v6 ssl crt $PEM
    server smtp $3 $4
CONF
}

# The last server is looked after by health checks that speak SMTP: it is only used once one has been greeted.
haproxy_files() {
    mkdir -p "$SEED/etc/haproxy"
    {
        cat <<CONF
global
    user haproxy
    group haproxy
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
CONF
        haproxy_pair v1 3200 127.0.0.1:2525 send-proxy
        haproxy_pair v2 3300 127.0.0.1:2525 send-proxy-v2
        haproxy_pair crc32c 3400 127.0.0.1:2525 'send-proxy-v2 proxy-v2-options crc32c,ssl,cert-cn,authority,unique-id'
        haproxy_pair accept 3700 127.0.0.1:2526 send-proxy-v2
        haproxy_pair unix 3900 unix@/run/smtp-haproxy.sock send-proxy-v2
        printf '%s\n' 'listen checked' "    bind :::3801 v4v6 ssl crt $PEM" '    option smtpchk EHLO check.example.org' \
            '    server smtp 127.0.0.1:2525 send-proxy-v2 check check-send-proxy inter 500ms rise 1 fall 1'
    } >"$SEED/etc/haproxy/haproxy.cfg"
}

# A hitch has one backend and one version.
hitch_files() {
    local version service from to
    mkdir -p "$SEED/etc/hitch"
    for version in 1 2; do
        for service in pop3 smtp; do
            case $version$service in
                1pop3) from=3500 to=1110 ;;
                1smtp) from=3501 to=2525 ;;
                2pop3) from=3600 to=1110 ;;
                2smtp) from=3601 to=2525 ;;
            esac
            printf '%s\n' "frontend = \"[*]:$from\"" "backend = \"[127.0.0.1]:$to\"" "pem-file = \"$PEM\"" \
                "write-proxy-v$version = on" 'user = "_hitch"' 'group = "_hitch"' >"$SEED/etc/hitch/$service-v$version.conf"
        done
    done
    printf '[Service]\nExecStart=/usr/sbin/hitch --config=/etc/hitch/%%i.conf\n' >"$SEED/etc/systemd/system/hitch-of@.service"
}

offer() { # ADDRESS PORT RECIPIENT
    client python3 "$LIB/mail-client" smtp --tls --from "$1" --to "$(server_for "$1")" --port "$2" "$3"
}
log_in() { # ADDRESS PORT
    client python3 "$LIB/mail-client" pop3 --tls --from "$1" --to "$(server_for "$1")" --port "$2" alice secret
}
relays() { offer "$1" "$2" user@elsewhere.example; }
takes_mail() { offer "$1" "$2" user@example.org; }

# Sends bytes (with \r \n \x00) at once and prints all that comes until the other side closes.
TALK='import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
s.sendall(sys.argv[3].encode().decode("unicode_escape").encode("latin-1"))
try:
    while data := s.recv(4096):
        sys.stdout.write(data.decode("latin-1"))
except ConnectionResetError:
    pass'
talk() { client timeout 30 python3 -c "$TALK" "$SERVER4" "$@"; }                                         # PORT BYTES
talk_inside() { nsenter --target "$BOX_PID" --net -- timeout 30 python3 -c "$TALK" 127.0.0.1 "$@"; } # as a terminator

in_journal() { in_box journalctl --no-pager -q -o cat | grep -qF "$1"; }
has_said() { wait_until 60 in_journal "$1"; } # TEXT
ports_are_open() { # PORT...
    local port
    for port; do client python3 -c "import socket; socket.create_connection(('$SERVER4', $port), 2)" || return 1; done
}

mailhost_new proxies
certificate
smtp_servers
courier_port
stunnel_files
haproxy_files
hitch_files
BOX_MASK="exim4.service courier-pop-ssl.service hitch.service stunnel.target haproxy.service" mailhost_boot '[Grants]' Always=127.0.0.1
for i in 11 12 13 14 15 16 17 18; do must client ip address add "203.0.113.$i/24" dev client0; done
courier_user
must in_box systemctl restart courier-authdaemon.service courier-pop.service
must in_box systemctl start smtp.service smtp-accept.socket smtp-unix.socket
must in_box systemctl start stunnel@mail.service hitch-of@{pop3,smtp}-v{1,2}.service
must in_box rm /etc/systemd/system/haproxy.service # the mask
must in_box systemctl daemon-reload
must in_box systemctl start haproxy.service
start_authrelay
# shellcheck disable=SC2046
must wait_until 60 ports_are_open 2525 3100 3101 3200 3201 3500 3501 3600 3601

for row in $TERMINATORS; do
    IFS=: read -r name base address <<<"$row"
    ok "$name: mail for us comes in" takes_mail "$address" $((base + 1))
    ok "$name: no relaying before the login" not relays "$address" $((base + 1))
    ok "$name: a login" log_in "$address" "$base"
    ok "$name: the client's address is granted" wait_until 60 may_relay "$address"
    ok "$name: Courier has logged it" has_said "LOGIN, user=alice, ip=[$address]"
    ok "$name: the client relays" relays "$address" $((base + 1))
done
is "these are granted and nobody else" "$(grants)" "$(printf '203.0.113.%s\n' 11 12 13 14 15 16 | paste -sd' ')"
ok "the terminator's own address may relay, for the daemon has been told so" may_relay 127.0.0.1
ok "and a client that has not logged in may not, though it comes from there" not relays 203.0.113.18 3101
ok "relaylock has seen the client" has_said "203.0.113.18: no relaying: absent"

# IPv6 in front, IPv4 behind: what counts is in the header. A login that shares its second with two revocations may
# count as one before them.
for base in 3100 3200 3300 3600; do
    ok "IPv6, port $base: a login" log_in 2001:db8::7 $base
    ok "IPv6, port $base: granted, and it relays" wait_until 60 relays 2001:db8::7 $((base + 1))
    must ctl revoke 2001:db8::/64
    ok "IPv6, port $base: revoked, and it does not" not relays 2001:db8::7 $((base + 1))
    sleep 1
done

# systemd's Accept=yes instead of tcpserver
ok "Accept=yes: mail for us comes in" takes_mail 203.0.113.17 3701
ok "Accept=yes: no relaying before the login" not relays 203.0.113.17 3701
ok "Accept=yes: a login" log_in 203.0.113.17 3700
ok "Accept=yes: the client relays" wait_until 60 relays 203.0.113.17 3701

# A UNIX socket that only haproxy may connect to
must ctl revoke 203.0.113.17
ok "UNIX socket: mail for us comes in" takes_mail 203.0.113.17 3901
ok "UNIX socket: no relaying before the login" not relays 203.0.113.17 3901
ok "UNIX socket: a login" log_in 203.0.113.17 3900
ok "UNIX socket: the client relays" wait_until 60 relays 203.0.113.17 3901
ok "UNIX socket: it is known for one" has_said "203.0.113.17 by way of unix"

# The terminator's own connections
ok "a health check of haproxy's is known for one" has_said "127.0.0.1 speaks for itself"
ok "and may not relay" has_said "no relaying: a proxy's own connection"
ok "haproxy finds the server well, and uses it" takes_mail 203.0.113.18 3801
ok "the clients that come by it are clients" not relays 203.0.113.18 3801
MAIL='EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<user@elsewhere.example>\r\nRCPT TO:<user@example.org>\r\nQUIT\r\n'
SIGNATURE='\r\n\r\n\x00\r\nQUIT\n'
reply=$(talk_inside 2525 "PROXY UNKNOWN\r\n$MAIL")
like "UNKNOWN: the server runs" "$reply" '220 .*250 .*221 '
like "and relays nothing" "$reply" '(553|550|571) '

# Not one byte too many: header and mail in one segment
reply=$(talk_inside 2525 "PROXY TCP4 203.0.113.11 203.0.113.1 1 1\r\n$MAIL")
is "version 1: all that follows the header reaches the server" "$(grep -cE '^(220|250|221) ' <<<"$reply")" 6
reply=$(talk_inside 2525 "$SIGNATURE\\x21\\x11\\x00\\x0c\\xcb\\x00\\x71\\x0b\\xcb\\x00\\x71\\x01\\x00\\x01\\x00\\x01$MAIL")
is "version 2: the same" "$(grep -cE '^(220|250|221) ' <<<"$reply")" 6

# Nobody else
is "a direct client with a header gets nothing" "$(talk 2525 "PROXY TCP4 203.0.113.11 203.0.113.1 1 1\r\n$MAIL")" ""
ok "and is named" has_said "no header is taken from 203.0.113.7"
is "nor does one without" "$(talk 2525 "$MAIL")" ""
is "nor the terminator without a header" "$(talk_inside 2525 "$MAIL")" ""
start=$SECONDS
is "a header that does not come is not waited for" "$(talk_inside 2525 'PROXY TC')" ""
ok "not for long" test $((SECONDS - start)) -lt 15
ok "it is said" has_said "no header from 127.0.0.1: it did not come in time"
