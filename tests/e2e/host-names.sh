#!/bin/bash
# host-names: a server that logs a name instead of an address. With ResolveNames= the name counts if the DNS leads from it
# to one address and back: a real systemd-resolved asks a real dnsmasq.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 21

mailhost_new resolve
mkdir -p "$SEED/etc/authrelay/patterns" "$SEED/etc/systemd/system" "$SEED/etc/systemd/resolved.conf.d"
cat >"$SEED/etc/authrelay/patterns/exampled.pattern" <<'PATTERN'
[Pattern]
Description=A server that logs host names
Identifier=exampled
Unit=exampled.service
UID=root
Trust=unit
Hint=login ok:

[Login]
Regex=\Alogin ok: (?<user>[a-z0-9+]{1,32}) from (?:(?<ip>[0-9.]{7,15})|(?<host>[^ ]{1,255}))\z
Service=pop3

[Example]
Line=Nov 21 01:02:03 mx exampled[12]: login ok: alice from pc.example.net
Host=pc.example.net
User=alice

[Example]
Line=Nov 21 01:02:03 mx exampled[12]: login ok: alice from 192.0.2.7
Address=192.0.2.7

[Example]
Line=Nov 21 01:02:03 mx exampled[12]: login failed: alice from pc.example.net
Verdict=none
PATTERN
# what is written to its FIFO it logs: a unit of its own and root are what the pattern asks for
cat >"$SEED/etc/systemd/system/exampled.service" <<'UNIT'
[Service]
ExecStartPre=/usr/bin/mkfifo /run/exampled
ExecStart=/bin/sh -c 'exec cat <>/run/exampled'
SyslogIdentifier=exampled
UNIT
# A name with an address that leads back; one that leads elsewhere; one with no way back; several addresses; IPv6
cat >"$SEED/etc/systemd/system/zone.service" <<'UNIT'
[Service]
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --user=root --port=5353 --listen-address=127.0.0.1 --bind-interfaces \
    --no-hosts --no-resolv --log-queries --log-facility=- --auth-ttl=1 \
    --host-record=pc.example.net,203.0.113.7 --host-record=six.example.net,2001:db8::7 \
    --address=/stolen.example.net/203.0.113.8 --ptr-record=8.113.0.203.in-addr.arpa,owner.example.net \
    --address=/alone.example.net/203.0.113.9 --host-record=bobs.example.org,203.0.113.60 --host-record=carls.example.org,203.0.113.61 \
    --address=/two.example.net/203.0.113.66 --address=/two.example.net/203.0.113.67 \
    --ptr-record=66.113.0.203.in-addr.arpa,two.example.net --ptr-record=67.113.0.203.in-addr.arpa,two.example.net \
    --host-record=self.example.net,203.0.113.1 --local=/example.net/ --local=/example.org/ --local=/in-addr.arpa/ --local=/ip6.arpa/
UNIT
printf '%s\n' '[Resolve]' DNS=127.0.0.1:5353 'Domains=~.' DNSSEC=no LLMNR=no MulticastDNS=no FallbackDNS= Cache=no \
    >"$SEED/etc/systemd/resolved.conf.d/test.conf"
mailhost_boot
must in_box systemctl unmask --quiet systemd-resolved
must in_box systemctl start zone exampled systemd-resolved
start_authrelay

says() { in_box sh -c 'printf "%s\n" "$1" >/run/exampled' sh "$1"; }
warned() { in_box journalctl --no-pager -o cat -u authrelay | grep -F -- "$1"; }
setting() { # VALUE
    in_box sh -c 'mkdir -p /etc/authrelay/authrelay.conf.d && printf "[Sources]\nResolveNames=%s\n" "$1" >/etc/authrelay/authrelay.conf.d/names.conf' sh "$1" &&
        in_box systemctl reload authrelay
}
# Coalesced for ten minutes by cause: each cause is looked for once.
refused() { # HOST REASON
    must says "login ok: alice from $1"
    ok "$1: $2" wait_until 15 warned "$2"
}

ok "the pattern does what its examples say" ctl patterns --test exampled
must says "login ok: alice from pc.example.net"
ok "without ResolveNames= a name grants nothing, and the log says so" wait_until 10 warned "ResolveNames= is off"
is "no grant" "$(grants)" ""
must says "login ok: bob from 203.0.113.50"
ok "an address needs none" wait_until 10 may_relay 203.0.113.50

ok "it can be set by a reload" setting yes
must says "login ok: alice from pc.example.net"
ok "the name's address is granted" wait_until 15 may_relay 203.0.113.7
like "with the user" "$(ctl list)" '203\.0\.113\.7 .*alice'
must says "login ok: alice from SIX.example.net"
ok "an IPv6 address, whatever the case of the name" wait_until 15 may_relay 2001:db8::7
refused stolen.example.net "the host name's address has another name itself"
refused alone.example.net "the host name's address has no name that can be found"
refused two.example.net "the host name has several addresses"
refused nowhere.example.net "the host name can't be resolved"
must says "login ok: alice from self.example.net"
ok "the address is judged like any other: here the host's own" wait_until 15 \
    eval '[ -n "$(in_box journalctl --no-pager -o cat AUTHRELAY_ADDRESS=203.0.113.1)" ]'
is "and nobody else has got a grant" "$(grants)" "2001:db8::7 203.0.113.50 203.0.113.7"

# Whoever has a name server of his own can have it answer late: to many names of one account, and of many.
slow() { # USERS LOGIN
    must in_box systemctl kill --signal=STOP zone
    for i in {1..70}; do echo "login ok: ${1/N/$i} from h$i.example.net"; done | in_box sh -c 'cat >/run/exampled'
    must says "login ok: $2"
}
slow mallory+N "bob from bobs.example.org"
ok "a user of many names that are slow has only a few of them looked for" wait_until 5 warned "too many host names are being resolved"
must in_box systemctl kill --signal=CONT zone
ok "and keeps nobody else from being granted" wait_until 15 may_relay 203.0.113.60
slow malloryN "carl from carls.example.org"
must in_box systemctl kill --signal=CONT zone
ok "nor does one with many accounts" wait_until 15 may_relay 203.0.113.61

must in_box systemctl stop systemd-resolved
must in_box systemctl mask --quiet --runtime systemd-resolved
must says "login ok: dave from pc.example.net"
must says "login ok: bob from 203.0.113.51"
ok "with no resolver, other logins do not wait" wait_until 5 may_relay 203.0.113.51
ok "the log says it" wait_until 15 warned "systemd-resolved does not answer"

must in_box systemctl unmask --quiet --runtime systemd-resolved
must in_box systemctl restart dbus
must in_box systemctl start systemd-resolved
must ctl revoke 203.0.113.7
must says "login ok: alice from pc.example.net"
ok "it goes on when the bus and the resolver are back" wait_until 15 may_relay 203.0.113.7
ok "and the daemon was never restarted" test "$(in_box systemctl show -P NRestarts authrelay)" = 0
