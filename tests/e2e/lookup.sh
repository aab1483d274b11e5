#!/bin/bash
# lookup: the look-up socket says of every address what the published files say of it, at once; only a complete address is ever OK;
# nobody who may connect can keep others from being answered, and his misbehaviour is logged once.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/tree.sh"

ask() { timeout 30 python3 "$LIB/lookup-client" "$WORK/run/lookup" "$@"; }
# The same addresses to the socket and to `check`, in one line each: both say yes, or both say no.
compare() { # ADDRESS...
    local address wanted=()
    for address; do
        if may_relay "$address"; then wanted+=("OK OK"); else wanted+=("NOTFOUND "); fi
    done
    diff <(printf '%s\n' "${wanted[@]}") <(ask relay "$@")
}
said() { grep -c "look-up socket: uid $(id -u) $1" "$WORK/daemon.log"; }

ADDRESSES=(127.0.0.1 ::1 10.0.0.1 192.0.2.1 203.0.114.1)
for i in 1 2 3 4 8 15 16 31 32 63 64 128 254; do
    ADDRESSES+=("198.51.100.$i" "203.0.113.$i" "2001:db8:1::$i" "2001:db8:1:1::$i" "2001:db8:$i::7" "2001:db8:1:$i::1")
done

daemon_new '[Grants]' TTL=1h Always=203.0.113.0/26 Never=203.0.113.8/29 Always=203.0.113.15 Always=2001:db8:8::/48 Never=2001:db8:1:1::4
daemon_start
ok "started by hand, the daemon has a look-up socket of its own" test -S "$WORK/run/lookup"
is "which is for its group" "$(stat -c %a "$WORK/run/lookup")" 660
is "nobody is granted" "$(ask relay 198.51.100.1)" "NOTFOUND "
is "a network that may always relay" "$(ask relay 203.0.113.1 203.0.113.64)" $'OK OK\nNOTFOUND '
ok "the files say the same" compare "${ADDRESSES[@]}"

write_login 198.51.100.1
ok "a login" wait_until 60 may_relay 198.51.100.1
is "is found" "$(ask relay 198.51.100.1)" "OK OK"
is "under no other spelling, and no part of it" \
    "$(ask relay ::ffff:198.51.100.1 198.51.100 198.51 198 198.51.100.1. 198.51.100.01 198.51.100.1/32 client.example.net '' | sort -u)" "NOTFOUND "
write_login 2001:db8:1:1::2 'al ice'
ok "a login over IPv6" wait_until 60 may_relay 2001:db8:1:1::2
is "is found, and so is its network" "$(ask relay 2001:db8:1:1::2 2001:db8:1:1::3 2001:db8:1:2::2)" $'OK OK\nOK OK\nNOTFOUND '
is "but not what may never relay" "$(ask relay 2001:db8:1:1::4)" "NOTFOUND "
is "as sendmail asks" "$(ask relay_access Connect:198.51.100.1 Connect:IPv6:2001:db8:1:1:0:0:0:2 198.51.100.1 Connect:198.51.100)" \
    $'OK RELAY\nOK RELAY\nNOTFOUND \nNOTFOUND '
is "a part of an address that looks like another one is none" "$(ask relay-access Connect:IPv6:2001:db8:1:1::2)" "NOTFOUND "
is "as sendmail asks in place of a DRAC" "$(ask drac 198.51.100.1 IPv6:2001:db8:1:1:0:0:0:2)" $'OK OK\nOK OK'
is "users are not told" "$(ask relay-user 198.51.100.1)" "NOTFOUND "
is "an unknown map is an error" "$(ask other 198.51.100.1)" "PERM there is no such map"

must ctl grant 198.51.100.0/27 >/dev/null
must ctl revoke 198.51.100.3 >/dev/null
must ctl grant 2001:db8:2::/48 >/dev/null
must ctl revoke 2001:db8:2::7 >/dev/null
ok "grants by hand, and revocations inside them: the files say the same" compare "${ADDRESSES[@]}"
is "a revocation holds inside a wider grant" "$(ask relay 198.51.100.3 198.51.100.4)" $'NOTFOUND \nOK OK'
must ctl revoke 198.51.100.1 >/dev/null
is "when revoke returns, the answer is no" "$(ask relay 198.51.100.1)" "NOTFOUND "
must ctl grant 203.0.113.128/25 --ttl=1s >/dev/null
sleep 1
is "a grant that is over is over at once" "$(ask relay 203.0.113.200)" "NOTFOUND "
ok "and the files say the same" compare "${ADDRESSES[@]}"

configure '[Grants]' TTL=1h PublishUsers=yes Never=198.51.100.4
must ctl reload >/dev/null
ok "after a reload: the files say the same" compare "${ADDRESSES[@]}"
is "users are told where they are published" "$(ask relay-user 2001:db8:1:1::2 198.51.100.4)" $'OK al%20ice\nNOTFOUND '

# Whoever may connect can harm nobody else; what he does is logged once.
hold() { # WHAT N: in the background, until its input ends
    coproc HOLD { timeout 100 python3 "$LIB/lookup-client" "$WORK/run/lookup" "$@"; }
    read -r -t 60 -u "${HOLD[0]}"
}
let_go() { eval "exec ${HOLD[1]}>&-"; wait "$HOLD_PID"; }
has_few_connections() { [ "$(status_number lookup_connections)" -lt 5 ]; }
memory() { awk '/^RssAnon/ { print $2 }' "/proc/$DAEMON/status"; }

ulimit -n 4096 # the daemon has what it was started with
before=$(memory)
is "a bad request is cut off" "$(ask --send 'GET / HTTP/1.1' 30; echo $?)" 0
is "and so is one without an end" "$(ask --send '99999999999999999999:relay' 30; echo $?)" 0
is "this is said once" "$(said 'sent what is no request')" 1
hold --idle 1500
is "beside 1500 idle connections others are answered" "$(ask relay 198.51.100.8 198.51.100.9)" $'OK OK\nOK OK'
let_go
hold --half 1200
is "and beside 1200 with half a request" "$(ask relay 198.51.100.8)" "OK OK"
ok "which are cut off" wait_until 60 has_few_connections
let_go
hold --flood 10
write_login 198.51.100.50
ok "beside ten that ask without end a login is granted" wait_until 30 may_relay 198.51.100.50
is "and others are answered" "$(ask relay 198.51.100.50)" "OK OK"
let_go
is "this too is said once" "$(said 'sent half a request')" 1
is "running out of descriptors is said once as well, if it came to that" "$(($(said 'has too many') <= 1))" 1
most=4096
if grep -q __asan_init "$BIN/authrelayd"; then most=65536; fi # the sanitizer keeps for a while what was freed
ok "none of it takes much memory: $(($(memory) - before)) kB" test $(($(memory) - before)) -lt $most
big() { python3 -c 'print("198.51.100.8 " * 20000, end="")'; }
is "20000 requests at once are answered in their order" \
    "$(big | xargs -n 20000 timeout 60 python3 "$LIB/lookup-client" "$WORK/run/lookup" relay | sort | uniq -c | awk '{ print $1, $2, $3 }')" "20000 OK OK"

daemon_kill
is "a daemon that is gone answers nothing" "$(ask relay 198.51.100.8 2>/dev/null; echo $?)" 1
daemon_start
is "one that is there again says what it said" "$(ask relay 198.51.100.8 198.51.100.3)" $'OK OK\nNOTFOUND '
ok "and so do the files" compare "${ADDRESSES[@]}"
daemon_stop
is "the daemon ends well" "$?" 0
plan "$TAP_RUN"
