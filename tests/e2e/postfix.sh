#!/bin/bash
# postfix: Debian's Postfix, chrooted as Debian has it or had it, asks the look-up socket: who has logged in to a real Dovecot relays,
# by IPv4 and IPv6, until that is revoked; inbound mail comes in whatever the daemon does; restarts lose and put off nothing;
# a second instance, the other recipes of docs/postfix.md, and a local user who does his worst on the socket.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

SOCKET=/var/spool/postfix/private/authrelay
UNIT=authrelay-lookup@var-spool-postfix.socket
LOOKUP=socketmap:unix:private/authrelay:relay
RELAY="permit_mynetworks, permit_sasl_authenticated, permit_auth_destination, check_client_access $LOOKUP, reject_unauth_destination"

postfix_files() {
    mkdir -p "$SEED/etc/postfix"
    sed -E '/^(myhostname|mydestination) *=/d' "$(cat "$WORK/tree")/etc/postfix/main.cf" >"$SEED/etc/postfix/main.cf"
    cat >>"$SEED/etc/postfix/main.cf" <<'CONF'
myhostname = mx.example.org
mydestination = example.org
local_recipient_maps =
# what was taken is counted in the log
local_transport = discard:
default_transport = discard:
header_checks = regexp:{{/^X-Authrelay-User:/ WARN}}
smtpd_peername_lookup = no
CONF
}

offer() { # ADDRESS RECIPIENT [PORT]
    client timeout 15 python3 "$LIB/mail-client" smtp --from "$1" --to "$(server_for "$1")" --port "${3:-25}" "$2"
}
reply() { offer "$@" | cut -d' ' -f1; }
relays() { offer "$1" someone@foreign.example "${2:-25}"; }
takes_mail() { offer "$1" mallory@example.org "${2:-25}"; }
mails() { # ADDRESS RECIPIENT COUNT
    client timeout 60 python3 "$LIB/mail-client" mails --from "$1" --to "$(server_for "$1")" "$2" "$3"
}
configure_postfix() { # SETTING...
    must in_box postconf -e "$@"
    must in_box systemctl reload postfix
}
said_of() { in_box journalctl --no-pager -o cat -t postfix/"$1"; }
discarded() { said_of discard | grep -c 'status=sent'; }
is_active() { [ "$(in_box systemctl is-active "$1")" = active ]; }
main_pid() { in_box systemctl show -P MainPID authrelay.service; }

mailhost_new postfix
dovecot_files
sed -i 's/^protocols = .*/protocols = imap/' "$SEED/etc/dovecot/dovecot.conf"
postfix_files
mailhost_boot '[Grants]' TTL=30min
must wait_until 60 port_is_open 25
must wait_until 60 port_is_open 143
diag "Postfix $(in_box postconf -h mail_version)"
must in_box postconf -F smtp/inet/chroot=y # Debian 13 no longer has that

start_authrelay
ok "a socket can't be enabled under a service that runs, as systemd has it" not in_box systemctl enable --now "$UNIT"
ok "it can be enabled" in_box systemctl enable --quiet "$UNIT"
ok "and starts with the service" in_box systemctl restart authrelay
ok "then it listens" is_active "$UNIT"
is "as Postfix's own sockets" "$(in_box stat -c '%U:%G %a' $SOCKET)" "root:root 666"
is "which others do not reach" "$(as_mallory stat $SOCKET 2>&1 | grep -c 'Permission denied')" 1
is "'postfix check' has nothing to say" "$(in_box postfix check 2>&1)" ""
configure_postfix "smtpd_relay_restrictions=$RELAY"
ok "its own domain is accepted from anybody" wait_until 60 takes_mail 203.0.113.8
is "a foreign one is refused before the login" "$(reply 203.0.113.7 someone@foreign.example)" 554
ok "a login" login imap 203.0.113.7
ok "lets its address relay" wait_until 60 relays 203.0.113.7
is "and no other" "$(reply 203.0.113.8 someone@foreign.example)" 554
ok "a login over IPv6" login imap 2001:db8::7
ok "lets its address relay" wait_until 60 relays 2001:db8::7
is "and not its neighbour, who is in the host's own network" "$(reply 2001:db8::8 someone@foreign.example)" 554
is "smtpd runs in its chroot" \
    "$(in_box sh -c 'for p in $(pgrep -x smtpd); do readlink /proc/$p/root; done' | sort -u)" /var/spool/postfix
ok "relaylock would say the same" may_relay 203.0.113.7
must ctl revoke 203.0.113.7 >/dev/null
is "a revocation holds at once" "$(reply 203.0.113.7 someone@foreign.example)" 554

# Restarts: systemd holds the socket, and smtpd asks again where its connection has ended.
must login imap 203.0.113.7
must wait_until 60 relays 203.0.113.7
before=$(discarded)
mails 203.0.113.7 someone@foreign.example 150 >"$WORK/put-off" &
for _ in 1 2 3 4 5; do sleep 0.3; must in_box systemctl restart authrelay; done
killed=$(main_pid)
must in_box systemctl kill --signal=KILL authrelay
wait $!
is "150 mails over five restarts and a crash are taken" "$?" 0
is "and none of them was put off" "$(cat "$WORK/put-off")" 0
all_are_delivered() { [ $(($(discarded) - before)) = 150 ]; }
ok "each is delivered, once" wait_until 60 all_are_delivered

# The daemon hangs. systemd may not have heard yet that it was killed; then it has no process for a moment, and "kill 0"
# would stop this test.
is_another() { pid=$(main_pid) && [ "$pid" -gt 0 ] && [ "$pid" != "$killed" ]; }
must wait_until 30 is_another
must wait_until 60 is_active authrelay
must in_box kill -STOP "$pid"
ok "when the daemon hangs, inbound mail comes in" takes_mail 203.0.113.8
client timeout 60 python3 "$LIB/mail-client" smtp --from 203.0.113.7 --to $SERVER4 someone@foreign.example >"$WORK/hung" &
sleep 3
ok "and meanwhile" takes_mail 203.0.113.9
is "a relaying client waits" "$(cat "$WORK/hung")" ""
must in_box kill -CONT "$pid"
wait $!
is "until the daemon goes on" "$(cut -d' ' -f1 "$WORK/hung")" 250

# The daemon is stopped, and then masked.
must in_box systemctl stop --quiet authrelay 2>/dev/null
ok "a stopped daemon is started by the next look-up" relays 203.0.113.7
must in_box systemctl mask --quiet --now authrelay
ok "when the daemon is masked, inbound mail comes in" takes_mail 203.0.113.8
is "relaying is put off, not refused" "$(reply 203.0.113.7 someone@foreign.example)" 451
ok "and inbound mail still comes in" takes_mail 203.0.113.7
must in_box systemctl unmask --quiet authrelay
must in_box systemctl start authrelay
ok "when it is there again, its socket is too" relays 203.0.113.7

# Postfix restarts: what is in private/ stays there.
must in_box systemctl restart postfix
must wait_until 60 port_is_open 25
ok "a restart of Postfix leaves the socket alone" relays 203.0.113.7

# A second instance, with a queue directory of its own.
must in_box postmulti -e init
must in_box postmulti -I postfix-two -e create
must in_box postmulti -i postfix-two -x postconf -e "smtpd_relay_restrictions=$RELAY" mydestination=two.example.org \
    local_recipient_maps= local_transport=discard: default_transport=discard: master_service_disable= inet_interfaces=all \
    multi_instance_enable=yes smtpd_peername_lookup=no
must in_box postmulti -i postfix-two -x postconf -M# smtp/inet
must in_box postmulti -i postfix-two -x postconf -M '2525/inet=2525 inet n - y - - smtpd'
two=$(in_box systemd-escape --path --template=authrelay-lookup@.socket /var/spool/postfix-two)
must in_box systemctl enable --quiet "$two"
must in_box systemctl restart authrelay
must in_box postmulti -i postfix-two -p start >/dev/null 2>&1
must wait_until 60 port_is_open 2525
ok "another instance has a socket of its own" in_box test -S /var/spool/postfix-two/private/authrelay
ok "by which the same clients relay" relays 203.0.113.7 2525
is "and no others" "$(reply 203.0.113.8 someone@foreign.example 2525)" 554
ok "its inbound mail comes in" offer 203.0.113.8 x@two.example.org 2525
ok "the first one still relays" relays 203.0.113.7
must in_box postmulti -i postfix-two -p stop >/dev/null 2>&1

# Logged-in clients are spared what stands behind the look-up, be it a blocklist or greylisting.
configure_postfix "smtpd_recipient_restrictions=check_client_access $LOOKUP, check_client_access cidr:{{203.0.113.0/24 450 4.7.1 greylisted}}"
ok "a client that is not logged in is greylisted" wait_until 60 not takes_mail 203.0.113.8
like "which is what it hears" "$(offer 203.0.113.8 x@example.org)" '^450.*greylisted'
ok "one that is logged in is not" takes_mail 203.0.113.7
ok "nor when it relays" relays 203.0.113.7
must in_box systemctl mask --quiet --now authrelay
is "but this look-up is for every mail: without the daemon all of it is put off, and none refused" "$(reply 203.0.113.7 x@example.org)" 451
must in_box systemctl unmask --quiet authrelay
must in_box systemctl start authrelay
configure_postfix smtpd_recipient_restrictions=

# Who it was, in a header of what is relayed.
in_box sh -c 'echo "/^(.+)$/ PREPEND X-Authrelay-User: \$1" >/etc/postfix/authrelay-user'
configure_postfix "smtpd_relay_restrictions=${RELAY/check_client/check_client_access pipemap:{socketmap:unix:private\/authrelay:relay-user,regexp:\/etc\/postfix\/authrelay-user\}, check_client}"
must login imap 203.0.113.9 bob
must wait_until 60 may_relay 203.0.113.9
must mails 203.0.113.9 someone@foreign.example 1 >/dev/null
is "without PublishUsers= there is no user's name in a mail" "$(said_of cleanup | grep -c 'X-Authrelay-User')" 0
printf '[Grants]\nPublishUsers=yes\n' >"$BOX_FILES/etc/authrelay/authrelay.conf.d/60-users.conf"
must in_box systemctl reload authrelay
must mails 203.0.113.9 someone@foreign.example 1 >/dev/null
like "with it there is" "$(said_of cleanup)" 'header X-Authrelay-User: bob from unknown\[203\.0\.113\.9\]'
configure_postfix "smtpd_relay_restrictions=$RELAY"

# A local user who could connect after all: he is served, and keeps nobody else from being served.
must in_box chmod 711 /var/spool/postfix/private
must in_box chmod 666 $SOCKET
mallory() { LOOKUP_UID=1001 prlimit --nofile=8192 python3 "$LIB/lookup-client" "$BOX_FILES$SOCKET" "$@"; }
hold() { # WHAT N: in the background, until its input ends
    coproc HOLD { mallory "$@"; }
    read -r -t 60 -u "${HOLD[0]}"
}
let_go() { eval "exec ${HOLD[1]}>&-"; wait "$HOLD_PID"; }
warnings() { in_box journalctl --no-pager -o cat -u authrelay | grep -c "look-up socket: uid 1001 $1"; }
flood() { while [ ! -e "$WORK/enough" ]; do mallory --send "$1" 200; done; }

is "who may connect may ask" "$(mallory relay 203.0.113.7 203.0.113.8)" $'OK OK\nNOTFOUND '
hold --idle 2500
ok "beside 2500 idle connections of his Postfix is answered" relays 203.0.113.7
let_go
hold --half 1900
ok "and beside 1900 with half a request" relays 203.0.113.7
let_go
flood '999999999:' &
floods=($!)
flood $'\377\376 not a netstring' &
floods+=($!)
before=$SECONDS
is "and while he sends nonsense as fast as he can" "$(mails 203.0.113.7 someone@foreign.example 50)" 0
ok "without much delay: $((SECONDS - before)) s" test $((SECONDS - before)) -le 20
touch "$WORK/enough"
wait "${floods[@]}"
is "of all his connections one line tells" "$(warnings 'has too many connections')" 1
is "of all his nonsense too" "$(warnings 'sent what is no request')" 1
is "and of nobody else" "$(in_box journalctl --no-pager -o cat -u authrelay | grep 'look-up socket: uid' | grep -vc 'uid 1001')" 0
plan "$TAP_RUN"
