#!/bin/bash
# neighbours-courier: Courier's servers run as the mail user and hold the pipe of a logger that runs as root. A stranger gets
# nothing of that; the mail user can write any line, which status says; through relaylogin instead of the log he can't.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 22

declare -A FORGED=([pop3]=203.0.113.66 [imap]=203.0.113.67 [chain]=203.0.113.68)
as_alice() { in_box setpriv --reuid 1002 --regid 1002 --clear-groups env -C /tmp "$@"; }
forged_line() { echo "INFO: LOGIN, user=alice, ip=[::ffff:${FORGED[$1]}], port=[4711]$2"; }
server_of() { in_box pgrep -U alice -f "$1"; } # courierpop3d or imapd
logged() { in_box journalctl --no-pager -q -o cat | grep -F "LOGIN, user=alice, ip=[::ffff:${FORGED[$1]}]"; }
none_succeeds() { # CMD...: attempts that print what came of each
    local out
    out=$("$@" 2>&1)
    grep ': ' <<<"$out" >>"$WORK/attempts"
    [ -n "$out" ] && ! grep -vE ': (EACCES|EPERM)$' <<<"$out"
}
sorted() { tr ' ' '\n' <<<"$expected" | sort | paste -sd' '; }

mailhost_new courier
mkdir -p "$SEED/test"
cp "$NEIGHBOUR" "$SEED/test/neighbour"
cp "$LOGIN_ATTACK" "$SEED/test/login-attack"
chmod 755 "$SEED/test" "$SEED/test/"*
BOX_MASK="exim4.service courier-imap-ssl.service courier-pop-ssl.service" mailhost_boot
courier_user
must in_box useradd -M -d /home/alice -u 1002 -s /bin/bash alice
must in_box sh -c 'install -d -o alice -g alice /home/alice && setpriv --reuid 1002 --regid 1002 --clear-groups maildirmake /home/alice/Maildir
    userdb alice set uid=1002 gid=1002 home=/home/alice mail=/home/alice/Maildir && makeuserdb'
must in_box systemctl restart courier-authdaemon.service courier-imap.service courier-pop.service
for port in 110 143; do must wait_until 60 port_is_open $port; done
start_authrelay

expected=
for protocol in pop3 imap; do
    case $protocol in pop3) program=courierpop3d address=203.0.113.7 tail='' ;; *) program=/usr/bin/imapd address=203.0.113.8 tail=', protocol=IMAP' ;; esac
    open_session $protocol $protocol $address
    must wait_until 30 session_is $protocol connected
    go_on $protocol
    ok "$protocol: alice's session" wait_until 30 session_is $protocol in
    ok "$protocol: is granted" wait_until 30 may_relay $address
    expected="$expected${expected:+ }$address"
    pid=$(server_of $program | head -n 1)
    ok "$protocol: its server runs as the mail user" test -n "$pid"
    ok "$protocol: of which mallory gets nothing" none_succeeds as_mallory /test/neighbour process "$pid"
    ok "$protocol: nor as root of a user namespace of his" none_succeeds as_mallory /test/neighbour root /test/neighbour process "$pid"
    is "$protocol: nobody else is granted" "$(grants)" "$(sorted)"
    said=$(as_alice /test/neighbour take "$pid" 2 "$(forged_line $protocol "$tail")")
    if [[ $said = 'take 2: ok'* ]]; then
        ok "$protocol: alice takes its log's descriptor, and so lets anybody relay" wait_until 30 may_relay "${FORGED[$protocol]}"
        expected="$expected ${FORGED[$protocol]}"
    else # kernel.yama.ptrace_scope, or a server that is not dumpable
        is "$protocol: alice gets nothing of it either: $said" "$(grants)" "$(sorted)"
    fi
    diag "$protocol: $said"
    echo "$said" >>"$WORK/attempts"
    go_on $protocol
    end_session $protocol
done
like "the status warns of that" "$(ctl status)" 'courier-pop3 +users'
like "and of IMAP" "$(ctl status)" 'courier-imap +users'

# With relaylogin in the chain (docs/relaylogin.md) the log is not what grants.
must in_box systemctl stop authrelay.service
must in_box sh -c 'mkdir -p /etc/authrelay/authrelay.conf.d; printf "[Sources]\nJournal=no\nLogin=yes\n" >/etc/authrelay/authrelay.conf.d/50-test.conf'
must in_box systemctl enable --quiet authrelay-login.socket
must in_box sh -c 'cd /usr/local/lib && printf "#!/bin/sh\nexec /usr/bin/relaylogin %s \"\$@\"\n" "$(ls /usr/lib/courier/courierpop3d /usr/lib/courier/courier/courierpop3d 2>/dev/null | head -n 1)" >courierpop3d && chmod 755 courierpop3d'
must in_box systemd-run --quiet --unit=chain bash -c 'set -a; . /etc/courier/pop3d
    couriertcpd -address=0 -maxprocs=40 -nodnslookup -noidentlookup -stderrlogger=/usr/sbin/courierlogger -stderrloggername=pop3d 1110 \
        /usr/bin/relaylogin -s pop3 "$(ls /usr/lib/courier/courierpop3login /usr/lib/courier/courier/courierpop3login 2>/dev/null | head -n 1)" \
        /usr/local/lib/courierpop3d Maildir'
must wait_until 60 port_is_open 1110
must in_box systemctl start authrelay.service
must ctl revoke --all >/dev/null
open_session chain pop3 203.0.113.9 alice secret --port 1110
must wait_until 30 session_is chain connected
go_on chain
ok "relaylogin: alice's session" wait_until 30 session_is chain in
ok "relaylogin: is granted" wait_until 30 may_relay 203.0.113.9
pid=$(server_of courierpop3d | head -n 1)
said=$(as_alice /test/neighbour take "$pid" 2 "$(forged_line chain '')")
if [[ $said = 'take 2: ok'* ]]; then
    ok "relaylogin: alice writes to the log what she likes" wait_until 30 logged chain
else
    diag "$said"
    result 0 "relaylogin: alice writes nothing to the log"
fi
echo "$said" >>"$WORK/attempts"
go_on chain
end_session chain
ok "relaylogin: a login after that" login pop3 203.0.113.7 # by the other server, whose log nobody reads now
open_session last pop3 203.0.113.8 alice secret --port 1110
go_on last
ok "relaylogin: one in the chain" wait_until 30 may_relay 203.0.113.8
is "relaylogin: it grants nobody anything" "$(grants)" "203.0.113.8 203.0.113.9"
diag "$(wc -l <"$WORK/attempts") attempts"
