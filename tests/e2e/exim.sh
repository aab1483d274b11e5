#!/bin/bash
# exim: Debian's Exim, configured Debian's way, reads relay.cdb itself: who has logged in to a real Dovecot relays until it
# ends, is revoked or the daemon is dead for long enough; what it makes of a table is what `authrelayctl check` makes of
# it, for good tables and for those that nobody should believe; and without any table mail still comes in.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

# As docs/exim.md says, in a split configuration; and an internet site for example.org.
exim_files() {
    local dir=$SEED/etc/exim4/conf.d/acl tree
    tree=$(cat "$WORK/tree")
    mkdir -p "$dir"
    sed -e "s/^dc_eximconfig_configtype=.*/dc_eximconfig_configtype='internet'/" \
        -e "s/^dc_other_hostnames=.*/dc_other_hostnames='example.org'/" \
        -e "s/^dc_local_interfaces=.*/dc_local_interfaces=''/" \
        -e "s/^dc_use_split_config=.*/dc_use_split_config='true'/" \
        "$tree/etc/exim4/update-exim4.conf.conf" >"$SEED/etc/exim4/update-exim4.conf.conf"
    echo '.include /usr/share/authrelay/exim/authrelay.conf' >"$dir/25_local_authrelay"
    awk '
        /^ *require *$/ { held = $0; next }
        held != "" {
            if (/message = relay not permitted/)
                print "  accept\n    domains = !+local_domains : !+relay_to_domains\n    acl = authrelay\n" \
                    "    control = submission/sender_retain\n    control = dkim_disable_verify\n"
            print held
            held = ""
        }
        { print }' "$tree/etc/exim4/conf.d/acl/30_exim4-config_check_rcpt" >"$dir/30_exim4-config_check_rcpt"
    grep -q 'acl = authrelay' "$dir/30_exim4-config_check_rcpt" || bail "Debian's ACL looks different"
    echo mx.example.org >"$SEED/etc/mailname"
}

offer() { # ADDRESS RECIPIENT
    client python3 "$LIB/mail-client" smtp --from "$1" --to "$(server_for "$1")" "$2"
}
relays() { offer "$1" someone@foreign.example; }
takes_mail() { offer "$1" mallory@example.org; }
reply() { offer "$@" | cut -d' ' -f1; }
RUN=/run/authrelay
generation() { status_number generation; }
# "ADDRESS:yes" or "no" for each; exim -bh goes through the ACLs as if a client of this address were there.
# shellcheck disable=SC2016
exim_says() {
    in_box sh -c 'for a; do
        reply=$(printf "HELO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@foreign.example>\r\nQUIT\r\n" |
            exim4 -bh "$a" 2>/dev/null | grep -E "^[0-9]{3} " | sed -n 4p)
        case $reply in 250*) echo "$a=yes" ;; 550*) echo "$a=no" ;; *) echo "$a=$reply" ;; esac
    done' sh "$@"
}

mailhost_new exim
dovecot_files
sed -i 's/^protocols = .*/protocols = imap/' "$SEED/etc/dovecot/dovecot.conf"
exim_files
mailhost_boot '[Grants]' TTL=30min IPv6Prefix=64 Always=198.51.100.0/24
must client ip address add 198.51.100.9/24 dev client0
must in_box ip route add 198.51.100.0/24 dev server0
for prefix in 2001:db8:1 2001:db8:2; do must client ip -6 address add $prefix::7/64 dev client0 nodad; done
must in_box ip -6 route add 2001:db8:1::/48 dev server0
must in_box ip -6 route add 2001:db8:2::/48 dev server0
must wait_until 60 port_is_open 25
must wait_until 60 port_is_open 143
BOX_RUN=$BOX_FILES$RUN
diag "$(in_box exim4 -bV | head -1)"

ok "before authrelay has ever run, mail comes in" takes_mail 203.0.113.7
is "and relaying is refused for good, not put off" "$(reply 203.0.113.7 someone@foreign.example)" 550
start_authrelay
ok "a client of Always= relays" wait_until 60 relays 198.51.100.9
ok "a client that has not logged in does not" not relays 203.0.113.7
ok "its mail for this host comes in" takes_mail 203.0.113.7
ok "a login" login imap 203.0.113.7
ok "lets the client relay" wait_until 60 relays 203.0.113.7
ok "and no other" not relays 203.0.113.8
ok "a login over IPv6" login imap 2001:db8::7
ok "lets the client relay" wait_until 60 relays 2001:db8::7
ok "and not its neighbour in the host's own network" not relays 2001:db8::8
ok "a login from another IPv6 network" client python3 "$LIB/mail-client" imap --from 2001:db8:1::7 --to $SERVER6 alice secret
ok "lets the client relay" wait_until 60 relays 2001:db8:1::7
must client ip -6 address add 2001:db8:1::ffff:8/64 dev client0 nodad
ok "and its whole network" relays 2001:db8:1::ffff:8
ok "and no other network" not relays 2001:db8:2::7
ok "a failed login" not login imap 203.0.113.66 alice wrong
ok "lets nobody relay" not relays 203.0.113.66

ok "a revocation" ctl revoke 203.0.113.7
ok "is a record of the delta" grep -aq 'revoked' "$BOX_RUN/relay-delta.cdb"
ok "ends the right" not relays 203.0.113.7
ok "a bar inside of Always=" ctl revoke 198.51.100.9
ok "ends that of one address in it" not relays 198.51.100.9
must client ip address add 198.51.100.10/24 dev client0
ok "and no other's" relays 198.51.100.10

# Files that are replaced all the time are read all the same.
ok "a grant by hand" ctl grant 203.0.113.8
first=$(generation)
# shellcheck disable=SC2016
in_box sh -c 'for i in $(seq 1 2000); do authrelayctl grant 10.1.$((i / 250)).$((i % 250 + 1)) || exit; done' >/dev/null 2>&1 &
flood=$!
asked=0 granted=0
while kill -0 $flood 2>/dev/null && [ $asked -lt 200 ]; do
    asked=$((asked + 1))
    [ "$(exim_says 203.0.113.8)" != 203.0.113.8=yes ] || granted=$((granted + 1))
done
is "of $asked questions while 2,000 grants are made, all find the one before" $granted $asked
diag "generations: $first to $(generation)"
ok "and bases were made meanwhile" test "$(generation)" -gt $((first + 5))
kill $flood 2>/dev/null

# TTL + TTL/16 = 8 s at most
printf '[Grants]\nTTL=8s\nMaxSession=0\nAlways=198.51.100.0/24\n' >"$BOX_FILES/etc/authrelay/authrelay.conf.d/60-short.conf"
must in_box systemctl reload authrelay.service
ok "a login for seconds" login imap 203.0.113.9
ok "lets the client relay" wait_until 60 relays 203.0.113.9
must in_box systemctl mask --runtime --quiet authrelay.service authrelay.socket
must in_box systemctl kill -s KILL --kill-whom=main authrelay.service
ok "and not for longer, though the daemon has been killed" wait_until 20 not relays 203.0.113.9
ok "the table is still there" test -s "$BOX_RUN/relay.cdb" -a -s "$BOX_RUN/relay-delta.cdb"
ok "with what never ends" relays 198.51.100.10
must in_box systemctl stop authrelay.service authrelay.socket

# ---- tables made by hand: what Exim says, what check says, and what is right, must be the same ----

must in_box mkdir -p $RUN
table() { # BASE-ARGUMENT... -- DELTA-ARGUMENT...
    local base=()
    while [ "$1" != -- ]; do
        base+=("$1")
        shift
    done
    shift
    "$LIB/make-cdb" "$BOX_RUN/relay.cdb" "${base[@]}"
    "$LIB/make-cdb" "$BOX_RUN/relay-delta.cdb" "$@"
}
# shellcheck disable=SC2016
check_says() {
    in_box sh -c 'for a; do authrelayctl check "$a" >/dev/null 2>&1 && echo "$a=yes" || echo "$a=no"; done' sh "$@"
}
agree() { # DESCRIPTION ADDRESS=ANSWER...
    local what=$1 wanted addresses=() a
    shift
    wanted=$(printf '%s\n' "$@")
    for a; do addresses+=("${a%=*}"); done
    is "$what: check" "$(check_says "${addresses[@]}")" "$wanted"
    is "$what: Exim" "$(exim_says "${addresses[@]}")" "$wanted"
}
refused() { agree "$1" 192.0.2.7=no; }
GRANT='192.0.2.7=allow SOON dovecot'
NOW=$(date +%s)

table "$GRANT" '192.0.2.9=never 0 host' '192.0.2.10=allow 1000 dovecot' '192.0.2.11=allow SOON dovecot al%20ice' '192.0.2.12=allow 0 always' --
agree "records" 192.0.2.7=yes 192.0.2.8=no 192.0.2.9=no 192.0.2.10=no 192.0.2.11=yes 192.0.2.12=yes 2001:db8::1=no ::7=no

V4=()
for ((i = 0; i <= 32; i++)); do V4+=("4/$i"); done
table --lengths="$(IFS=,; echo "${V4[*]}")" '10.0.0.0/8=allow 0 always' '10.1.0.0/16=never 0 never' '10.1.2.0/24=allow SOON manual' '10.1.2.3=never SOON host' \
    '172.16.0.0/12=allow 0 always' '192.0.2.8/29=allow SOON a' '203.0.113.254/31=allow 0 always' '10.1.2.128/25=allow 1000 over' -- --lengths=4/20,4/32 \
    '172.16.16.0/20=never 0 never' '10.1.2.4=revoked 0 manual' '192.0.2.8=allow 1000 over'
agree "IPv4 networks" 10.9.9.9=yes 10.1.9.9=no 10.1.2.9=yes 10.1.2.3=no 10.1.2.4=yes 10.1.2.200=yes 11.0.0.1=no 172.31.255.255=yes \
    172.32.0.0=no 172.16.31.1=no 172.16.32.1=yes 192.0.2.7=no 192.0.2.8=yes 192.0.2.15=yes 192.0.2.16=no 203.0.113.255=yes 203.0.113.253=no

V6=()
for ((i = 32; i <= 128; i++)); do V6+=("6/$i"); done
table --lengths="4/32,$(IFS=,; echo "${V6[*]}")" '2001:db8::/32=allow 0 always' '2001:db8:1:2::/64=never 0 never' '2001:db8:1:2:3:4:5:0/112=allow SOON a' \
    '2001:db8:1:2:3:4:5:7=never 0 host' '2001:dba:0:1:1:1:1:1=allow SOON a' '2001:dba:1:0:1:1:1:1=allow SOON a' '2001:dba:0:0:1::1=allow 1000 a' \
    '2001:dba::1:0:0:1=allow SOON a' '2001:dba:1:1:1:1:1:0=allow SOON a' '2001:dba:2::/48=allow SOON a' '2001:dba:2:3:4:5:6:8/125=never SOON a' \
    '0:2:3:4:5:6:7:8=allow SOON a' '2001:dba:3:4:5::/80=allow SOON a' '2001:dba:4:4:0:5::/96=allow SOON a' -- --lengths=6/128 '2001:db8:1:2:3:4:5:9=revoked 0 manual' \
    '2001:dba::1:0:0:1=revoked 0 manual'
agree "IPv6 networks" 2001:db8:ffff::1=yes 2001:db9::=no 2001:db8:1:2::1=no 2001:db8:1:2:3:4:5:6=yes 2001:db8:1:2:3:4:5:7=no 2001:db8:1:2:3:4:5:9=yes \
    2001:dba:0:1:1:1:1:1=yes 2001:dba:1:0:1:1:1:1=yes 2001:dba:0:0:1::1=no 2001:dba::1:0:0:1=no 2001:dba:1:1:1:1:1:0=yes 2001:dba:2:ffff::=yes \
    2001:dba:2:3:4:5:6:9=no 2001:dba:2:3:4:5:6:7=yes 0:2:3:4:5:6:7:8=yes 2001:dba:3:4:5:ffff::1=yes 2001:dba:3:4:6::=no 2001:dba:4:4:0:5:1:1=yes \
    2001:dba:4:4:1:5:1:1=no 192.0.2.7=no

table "$GRANT" --lengths=6/64 -- --lengths=-
refused "a length that the header does not name"
table '192.0.2.0/24=allow 0 always' --lengths=4/32 -- '192.0.2.1=allow SOON a' --lengths=4/24,4/32
agree "nor one that only the other's header names" 192.0.2.7=no 192.0.2.1=yes
table "$GRANT" '192.0.2.8=allow SOON dovecot' -- '192.0.2.7=revoked 0 manual' '192.0.2.9=allow SOON dovecot'
agree "the delta wins" 192.0.2.7=no 192.0.2.8=yes 192.0.2.9=yes
table '192.0.2.7=revoked 0 manual' '192.0.2.0/24=allow 0 always' --lengths=4/24,4/32 --
refused "revoked in a base"

table "$GRANT" --generation=2 -- --generation=1
agree "a base one ahead" 192.0.2.7=yes
table "$GRANT" --generation=3 -- --generation=1
refused "a base two ahead"
table "$GRANT" --generation=1 -- --generation=2
refused "a delta ahead"
table "$GRANT" --written=$((NOW + 60)) --
refused "a base of the future"
table "$GRANT" -- --written=$((NOW + 60))
refused "a delta of the future"
table "$GRANT" --written=$((NOW + 2)) -- --written=$((NOW + 2))
agree "a clock that is a little ahead" 192.0.2.7=yes
table "$GRANT" --ttl=60 --
refused "more life than a TTL can give"
table "$GRANT" --ttl=1600 -- --ttl=60
agree "each file has its own" 192.0.2.7=yes
table -- "$GRANT" --ttl=60
refused "the delta too"
table "192.0.2.7=never $((NOW + 9999999)) never" '192.0.2.0/24=allow 0 always' --lengths=4/24,4/32 --
refused "a bar may be longer"

for value in '' 'allow' 'allow SOON' 'allow SOON ' 'ALLOW SOON a' 'allow  SOON a' ' allow SOON a' 'allow -1 a' 'allow 0SOON a' 'allow SOON a ' 'allow SOON A' \
    'allow SOON a b c' 'allow SOON a %61' 'allow SOON a %zz' 'allow SOON a %0a' 'allow SOON a é' 'allow 99999999999999999999999 a' 'allow 0x7fffffff a' \
    'allow SOON a${run{/bin/true}}' $'allow SOON a\n' "allow SOON $(printf '%065d' 0)" 'granted' 'none' 'base allow SOON a'; do
    table "192.0.2.7=$value" '192.0.2.0/24=allow 0 always' --lengths=4/24,4/32 --
    refused "the value ${value@Q}"
    table '192.0.2.0/24=allow 0 always' --lengths=4/24,4/32 -- "192.0.2.7=$value"
    refused "the value ${value@Q} in the delta"
done
for lengths in '' 4/33 4/032 4/ 5/32 6/129,4/32 '4/32,' ',4/32' 4/32,,6/64 '4/32 6/64' 4/32,x '4/32;6/64' -,4/32; do
    table "$GRANT" "--lengths=$lengths" --
    refused "the lengths ${lengths@Q}"
done
for field in generation written ttl; do
    for value in '' x -1 01 1e3 99999999999999999999; do
        table "$GRANT" "--$field=$value" --
        refused "$field ${value@Q}"
    done
done
table "$GRANT" --; rm "$BOX_RUN/relay.cdb"; refused "no base"
table "$GRANT" --; rm "$BOX_RUN/relay-delta.cdb"; refused "no delta"
table "$GRANT" --; : >"$BOX_RUN/relay.cdb"; refused "an empty base"
table "$GRANT" --; truncate -s 2047 "$BOX_RUN/relay-delta.cdb"; refused "a delta cut in its head"
table "$GRANT" --; truncate -s 2060 "$BOX_RUN/relay.cdb"; refused "a base cut in its records"
table "$GRANT" --; rm "$BOX_RUN/relay.cdb"; mkdir "$BOX_RUN/relay.cdb"; refused "a directory"; rmdir "$BOX_RUN/relay.cdb"

# Exim does not check every position inside a file: what noise makes of a session is open, but it lets nobody relay.
noise() { head -c 100000 /dev/urandom >"$BOX_RUN/relay.cdb"; head -c 100000 /dev/urandom >"$BOX_RUN/relay-delta.cdb"; }
for i in 1 2 3; do
    noise
    ok "noise for a table $i: nobody relays" not relays 203.0.113.7
    ok "noise for a table $i: mail comes in" takes_mail 203.0.113.7
done
in_box sh -c "rm -rf $RUN/*"
ok "no table: mail comes in" takes_mail 203.0.113.7
ok "also over IPv6" takes_mail 2001:db8::7
is "relaying is refused for good, not put off" "$(reply 203.0.113.7 someone@foreign.example)" 550
like "and the log says why, in a line" "$(in_box tail -n 5 /var/log/exim4/mainlog)" 'authrelay: no relaying for \[203\.0\.113\.7\]'
must in_box rmdir $RUN
ok "no directory: mail comes in" takes_mail 203.0.113.7
ok "and nothing has upset Exim" not in_box test -s /var/log/exim4/paniclog

plan "$TAP_RUN"
