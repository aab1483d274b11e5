#!/bin/bash
# addresses: the host's own addresses (as they come and go), its gateway, loopback and private networks are not granted,
# and the reason is said; an IPv6 client of another network is granted with its /64.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 22

login_to() { # ADDRESS SERVER: from the clients' side
    client python3 "$LIB/mail-client" imap --from "$1" --to "$2" alice secret
}
login_here() { # ADDRESS: from the host itself
    nsenter --target "$BOX_PID" --net -- python3 "$LIB/mail-client" imap --from "$1" --to "$1" alice secret
}
# That something did not happen can be said once what came after it has.
LATER=100
settled() { login_to "203.0.113.$LATER" $SERVER4 && wait_until 60 may_relay "203.0.113.$LATER"; }
is_refused() { # DESCRIPTION ADDRESS
    LATER=$((LATER + 1))
    ok "$1: a later login is granted" settled
    ok "$1 is not granted" not may_relay "$2"
}

mailhost_new dovecot
mailhost_boot
for i in 1 2 3 4 5 6 7; do must client ip address add "203.0.113.$((100 + i))/24" dev client0; done
must client ip address add 10.0.0.7/24 dev client0
must in_box ip address add 10.0.0.1/24 dev server0
must client ip -6 address add 2001:db8:1::7/64 dev client0 nodad
must in_box ip -6 route add 2001:db8:1::/64 dev server0
must client ip -6 route add $SERVER6/128 dev client0 src 2001:db8:1::7
start_authrelay

ok "a login from the host's own address" login_here $SERVER4
is_refused "the host's own address" $SERVER4
ok "a login from loopback" login_here 127.0.0.1
is_refused "loopback" 127.0.0.1
ok "a login from the host's own IPv6 address" login_here $SERVER6
is_refused "the host's own IPv6 address" $SERVER6

must in_box ip address add 203.0.113.50/24 dev server0
ok "a login from an address that the host has got since" login_here 203.0.113.50
is_refused "an address that the host has got since" 203.0.113.50

ok "a login from a client" login_to 203.0.113.8 $SERVER4
ok "is granted" wait_until 60 may_relay 203.0.113.8
must in_box ip route add default via 203.0.113.8
ok "until it becomes the host's gateway" wait_until 60 not may_relay 203.0.113.8
must in_box ip route del default

ok "a login from a private network" login_to 10.0.0.7 10.0.0.1
is_refused "a private network" 10.0.0.7
like "the log says why, and what to set" \
    "$(in_box journalctl --no-pager -o cat -u authrelay; in_box journalctl --no-pager -o cat AUTHRELAY_ADDRESS=10.0.0.7)" 'Private='

must in_box sh -c 'mkdir -p /etc/authrelay/authrelay.conf.d; printf "[Grants]\nPrivate=10.0.0.0/24\n" >/etc/authrelay/authrelay.conf.d/private.conf'
must in_box systemctl reload authrelay.service
ok "with Private= it is" eval "login_to 10.0.0.7 10.0.0.1 && wait_until 60 may_relay 10.0.0.7"

ok "a login from another IPv6 network" login_to 2001:db8:1::7 $SERVER6
ok "is granted with its network" eval 'wait_until 60 may_relay 2001:db8:1::7 && [[ $(grants) = *2001:db8:1::/64* ]]'
