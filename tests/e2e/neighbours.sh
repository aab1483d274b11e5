#!/bin/bash
# neighbours: a whole mail host, and on it mallory, who has an account, and alice, who has a mailbox and a session as well. Both
# try all that they can reach: files, sockets, processes, descriptors, the journal, PID 1, what runs programs for users. After
# each attempt nobody is granted who has not logged in, bob's login is, and the daemon is the same and has not grown.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

ATTEMPTS=0
STRANGER=203.0.113.66 # where nobody logs in from
mallory() { as_mallory env -C /tmp "$@"; }
alice() { in_box setpriv --reuid 1002 --regid 1002 --clear-groups env -C /tmp HOME=/home/alice USER=alice "$@"; }
root_of() { "$1" /test/neighbour root "${@:2}"; } # USER CMD...: as root of a user namespace of his

# ---- the mail host ----

# Debian's users, as they are on a host where they have a shell, too.
system_users() {
    local conf=$SEED/etc/dovecot/dovecot.conf userdb='userdb {\n  driver = passwd\n}\n'
    sed -i '/^userdb/,$d' "$conf"
    ! grep -q dovecot_config_version "$conf" || userdb='userdb passwd {\n}\n'
    # shellcheck disable=SC2059 # it has no others
    printf "$userdb" >>"$conf"
}

# Post-login scripts: contrib's for POP3, and for IMAP one that runs as the user, which contrib warns of.
post_login() {
    cat "$SEED/usr/share/authrelay/dovecot/authrelay-postlogin.conf"
    cat <<'CONF'
service imap {
  executable = imap imap-postlogin-user
}
service imap-postlogin-user {
  executable = script-login -d /test/post-login
  unix_listener imap-postlogin-user {
  }
}
CONF
}

# What a user can run there: it forges, or waits to be taken apart.
post_login_script() {
    cat <<'SCRIPT'
#!/bin/sh
[ ! -e /run/asked/forge ] || /test/forgeries imap
[ ! -e /run/asked/wait ] || { echo $$ >/run/asked/pid; while [ -e /run/asked/wait ]; do sleep 0.1; done; }
exec "$@"
SCRIPT
}

# Forged logins by every way into the journal; $1 says from where they were sent.
forgeries() {
    cat <<SCRIPT
#!/bin/bash
line="$(dovecot_line "\$1")"
/test/forge syslog dovecot "\${line/FORGED/syslog.}" &
/test/forge native "MESSAGE=\${line/FORGED/native}" SYSLOG_IDENTIFIER=dovecot PRIORITY=6 _SYSTEMD_UNIT=dovecot.service _UID=0 UNIT=dovecot.service &
{ echo "\${line/FORGED/stream}"; sleep 0.5; } | systemd-cat -t dovecot -p info &
/test/forge syslog postfix/smtpd "4D1F2A3B4C: client=unknown[$STRANGER], sasl_method=PLAIN, sasl_username=\$1" &
wait
SCRIPT
}
dovecot_line() { echo "imap-login: Login: user=<alice>, method=PLAIN, rip=$STRANGER, lip=203.0.113.1, mpid=999, secured, session=<FORGED/$1>"; }

chain() { # NAME COMMAND...
    mkdir -p "$SEED/etc/systemd/system"
    printf '%s\n' '[Service]' "ExecStart=${*:2}" Environment=PASSWORDS=/test/passwords >"$SEED/etc/systemd/system/$1.service"
}

mail_host() {
    mkdir -p "$SEED/test" "$SEED/home/alice/Maildir"/{new,cur,tmp} "$SEED/home/bob/Maildir"/{new,cur,tmp}
    cp "$NEIGHBOUR" "$SEED/test/neighbour"
    cp "$POP3_CHAIN" "$SEED/test/pop3-chain"
    cp "$LOGIN_ATTACK" "$SEED/test/login-attack"
    cp "$FORGE" "$SEED/test/forge"
    forgeries >"$SEED/test/forgeries"
    cp "$LIB/smtp-stand-in" "$SEED/test/smtp"
    post_login_script >"$SEED/test/post-login"
    chmod 755 "$SEED/test" "$SEED/test/"*
    chown -R 1002:1002 "$SEED/home/alice"
    chown -R 1003:1003 "$SEED/home/bob"
    printf '%s\n' alice:secret:1002:1002 bob:secret:1003:1003 >"$SEED/test/passwords"
    chmod 600 "$SEED/test/passwords"
    system_users
    sed -i 's/^protocols = .*/protocols = imap pop3/' "$SEED/etc/dovecot/dovecot.conf"
    sed -i 's|^mail_location = .*|mail_location = maildir:~/Maildir|; s|^mail_path = .*|mail_path = ~/Maildir|' "$SEED/etc/dovecot/dovecot.conf"
    chain pop3 tcpserver -R -H -l 0 0 1110 relaylogin -s pop3 /test/pop3-chain popup pop.example.org \
        /test/pop3-chain checkpassword relaylogin /test/pop3-chain pop3d
    chain smtp tcpserver -R -H -l 0 -u 8 -g 8 0 2525 relaylock /test/smtp
}


# ---- what is seen ----

daemon() { in_box systemctl show -P MainPID authrelay.service; }
descriptors() { in_box sh -c "ls -l /proc/$(daemon)/fd | grep -vc '\.journal$'"; } # of journal files there are as many as journald keeps
memory() { in_box awk '/^RssAnon/ { print $2 }' "/proc/$(daemon)/status"; }
untrusted() { status_number untrusted; }
untrusted_is_at_least() { [ "$(untrusted)" -ge "$1" ]; }
in_journal() { in_box journalctl --no-pager -q -o cat -t "$1" | grep -qF "$2"; }
listens() { in_box ss -Hltn "sport = :$1" | grep -q .; }
relays() { # ADDRESS: at relaylock's server
    [[ $(client python3 "$LIB/mail-client" smtp --from "$1" --to "$SERVER4" --port 2525 x@foreign.example) = 250* ]]
}

# A login of bob's from an address of its own is granted, nobody else is, and the daemon has not even been restarted.
GRANTED=()
unharmed() { # WHAT
    local address=203.0.113.$((100 + ${#GRANTED[@]}))
    GRANTED+=("$address")
    must client ip address add "$address/24" dev client0
    login imap "$address" bob >/dev/null
    ok "$1: bob's login is granted" wait_until 60 may_relay "$address"
    is "$1: nobody else's is" "$(grants)" "$(granted_list)"
    is "$1: the daemon goes on" "$(in_box cat "/proc/$DAEMON/comm")" authrelayd # PID 1 may have too much to do to be asked
}
granted_list() { printf '%s\n' "${GRANTED[@]}" | sort | paste -sd' '; }

# Attempts that print what came of each. None may succeed but those that match ALLOWED (so that it is harmless), and there must be some.
try() { # WHAT ALLOWED CMD...
    local what=$1 allowed=$2 out n
    shift 2
    out=$("$@" 2>&1)
    n=$(grep -cE ': [a-zA-Z0-9]+$' <<<"$out")
    ATTEMPTS=$((ATTEMPTS + n))
    is "$what: $n attempts" "$(grep -vE ': (EACCES|EPERM)$' <<<"$out" | grep -vE "^($allowed): ok\$")$([ "$n" -gt 0 ] || echo none)" ""
}

mailhost_new neighbours
mail_host
mailhost_boot '[Sources]' Journal=yes Login=yes Syslog=yes Fifo=/run/authrelay/fifo '[Grants]' MaxAddressesPerUser=1000 \
    '[Patterns]' 'Enable=dovecot postfix-sasl'
for user in alice:1002 bob:1003; do must in_box useradd -M -d "/home/${user%:*}" -u "${user#*:}" -s /bin/bash "${user%:*}"; done
must in_box mkdir -m 1777 /run/asked
post_login >>"$BOX_FILES/etc/dovecot/dovecot.conf"
must in_box systemctl restart dovecot.service
must in_box cp /usr/share/authrelay/dovecot/authrelay.conf /etc/authrelay/authrelay.conf.d/dovecot.conf
must in_box systemctl daemon-reload
must in_box systemctl start pop3.service smtp.service
LOOKUP=/var/spool/postfix/private/authrelay
LOOKUP_UNIT=authrelay-lookup@var-spool-postfix.socket
SOCKETS=(authrelay-login.socket authrelay-syslog.socket authrelay-fifo.socket "$LOOKUP_UNIT")
must in_box systemctl enable --quiet "${SOCKETS[@]}"
must in_box systemctl start "${SOCKETS[@]}" authrelay.service
must in_box systemctl enable --quiet authrelay.service
for port in 1110 2525 143; do must wait_until 60 listens $port; done
DAEMON=$(daemon)

# ---- it works, and the forged line is one that would ----
unharmed "before anything"
ok "relaylock's server relays for bob" relays "${GRANTED[0]}"
ok "and not for others" not relays $STRANGER
like "the forged line is one that would be taken from Dovecot" "$(echo "Nov 21 01:02:03 mx dovecot: $(dovecot_line x)" | ctl explain)" "$STRANGER"
like "and Postfix's from Postfix" \
    "$(echo "Nov 21 01:02:03 mx postfix/smtpd[7]: 4D1F2A3B4C: client=unknown[$STRANGER], sasl_method=PLAIN, sasl_username=alice" | ctl explain)" "$STRANGER"

# ---- files, sockets ----
FILES=("/run/authrelay relay.cdb" "/run/authrelay relay-delta.cdb" "/var/lib/authrelay state" "/etc/authrelay authrelay.conf"
    "/usr/share/authrelay/patterns dovecot.pattern" "/var/spool/postfix/private authrelay")
READ='open for reading /(run|etc|usr)/.*' # everybody may look up an address
for user in mallory alice; do
    for file in "${FILES[@]}"; do
        # shellcheck disable=SC2086 # a directory and a file
        try "$user: ${file/ //}" "$READ" $user /test/neighbour files $file
        # shellcheck disable=SC2086
        try "$user as root of his own: ${file/ //}" "$READ|(mount|chroot) .*" root_of $user /test/neighbour files $file
    done
    try "$user: sockets and FIFOs" "-" $user /test/neighbour sockets /run/authrelay/{control,login,syslog,fifo} "$LOOKUP"
    try "$user as root of his own: sockets and FIFOs" "-" root_of $user /test/neighbour sockets /run/authrelay/{control,login,syslog,fifo} "$LOOKUP"
done
unharmed "files and sockets"

# ---- processes ----
# A client between relaylogin and the password, one at relaylock's server, alice's own session, and her script.
hold() { # ADDRESS PORT
    nsenter --target "$CLIENT_PID" --net -- python3 -c "import socket, sys, time
s = socket.create_connection(('$SERVER4', $2), 10, ('$1', 0)); s.recv(1); time.sleep(600)" &
    at_exit "kill $!"
}
hold 203.0.113.9 1110
hold 203.0.113.9 2525
hold 203.0.113.9 143
open_session alice imap 203.0.113.9 alice
must wait_until 60 session_is alice connected
go_on alice
must wait_until 60 session_is alice in
GRANTED+=(203.0.113.9)
pids() { in_box pgrep "$@"; }
for user in mallory alice; do
    for what in "-x authrelayd" "-x dovecot" "-x log -U root" "-x imap-login" "-f pop3-chain.popup" "-x tcpserver" "-f /test/smtp -U mail" "-x master"; do
        # shellcheck disable=SC2046,SC2086
        try "$user: pgrep $what" - $user /test/neighbour process $(pids $what)
    done
done
# shellcheck disable=SC2046
try "alice as root of her own: the daemon" - root_of alice /test/neighbour process $(pids -x authrelayd)
# shellcheck disable=SC2046
try "alice: her own IMAP session, which has the descriptor of Dovecot's log" - \
    alice /test/neighbour own $(pids -x imap -U alice)
unharmed "processes"

# ---- relaylogin's descriptor, between the password and the claim ----
refused() { status_number claims_refused; }
refused_is() { [ "$(refused)" = "$1" ]; }
claims() { # WHAT COMMAND...: by alice, with $fd
    local before
    before=$(refused)
    in_box env TCPREMOTEIP=$STRANGER relaylogin setpriv --reuid 1002 --regid 1002 --clear-groups sh -c "fd=\$RELAYLOGIN_FD; $2" >/dev/null 2>&1
    ok "alice: $1: is refused" wait_until 30 refused_is $((before + 1))
    ATTEMPTS=$((ATTEMPTS + 1))
}
claims "claims as root, which she is in a user namespace of hers" '/test/neighbour root /test/login-attack claim $fd root'
claims "claims as bob there" '/test/neighbour root /test/login-attack claim $fd bob'
claims "sends descriptors with her claim" '/test/neighbour pass $fd C1alice'
unharmed "relaylogin's descriptor"

# ---- PID 1, the kernel ----
asked_of_systemd() {
    local verb
    for verb in stop restart reload "kill --signal=KILL" "set-property --runtime CPUQuota=1%" freeze disable mask "edit --stdin" "clean --what=state" \
        "service-log-level authrelay.service debug" "bind authrelay.service /tmp /run/authrelay" "set-environment LD_PRELOAD=/tmp/x"; do
        # shellcheck disable=SC2086 # a verb and its arguments
        if alice timeout 20 systemctl --no-ask-password $verb authrelay.service </dev/null >/dev/null 2>&1; then echo "$verb: ok"; else echo "$verb: EPERM"; fi
    done
}
of_unit() { in_box systemctl show -P ActiveState -P SubState -P MainPID -P NRestarts -P NFileDescriptorStore -P StatusErrno authrelay.service; }
before=$(of_unit)
is "alice can talk to systemd" "$(alice systemctl is-active authrelay.service)" active
try "and change nothing" - asked_of_systemd
try "nor by what services tell it" "notify .*" alice /test/neighbour notify "$DAEMON"
is "the unit is as it was" "$(of_unit)" "$before"
is "and what it says is not alice's" "$(in_box systemctl show -P StatusText authrelay.service | grep -c mallory)" 0
port=$(in_box awk '$2 == 0 && $4 == "00000550" { print $3 }' /proc/net/netlink)
try "alice: the daemon's netlink socket" - alice /test/neighbour netlink "$port"
try "alice as root of her own: the daemon's netlink socket" - root_of alice /test/neighbour netlink "$port"
unharmed "PID 1 and the kernel"

# ---- relaylock by her own hand, logins from the host itself ----
is "mallory runs relaylock: what he gets is his own" \
    "$(mallory env TCPREMOTEIP="${GRANTED[0]}" LD_PRELOAD=/tmp/x relaylock sh -c 'echo "${RELAYCLIENT-none}:$(id -u)"' 2>/dev/null)" ":1001"
for address in 127.0.0.1 $SERVER4; do
    ok "alice logs in from the host itself, at $address" \
        nsenter --target "$BOX_PID" --net -- python3 "$LIB/mail-client" imap --from "$address" --to "$address" alice secret
done
unharmed "relaylock and logins from the host"

# ---- the journal, from wherever a user's programs run ----
forge_by_cron() {
    printf '@reboot /test/forgeries cron\n' | in_box crontab -u alice -
    in_box sh -c 'rm -f /run/crond.reboot; systemctl restart cron.service'
}
forge_by_session() {
    in_box systemctl start user@1002.service
    alice env XDG_RUNTIME_DIR=/run/user/1002 systemd-run --user --quiet --unit=dovecot.service /test/forgeries user-unit
    alice env XDG_RUNTIME_DIR=/run/user/1002 systemd-run --user --quiet /test/neighbour sit dovecot.service /test/forgeries cgroup
}
WAYS=(shell su unit instance inetd container user-unit cgroup cron at forward imap)
alice sh -c 'echo "\"|/test/forgeries forward\"" >/home/alice/.forward'
must in_box postconf -e myhostname=box.localdomain myorigin=localhost mydestination=localhost alias_maps= mailbox_command=
must in_box systemctl reload postfix.service
before=$(untrusted)
alice /test/forgeries shell &
in_box su - alice -c '/test/forgeries su' &
in_box systemd-run --quiet --uid=1002 --unit=dovecot-webmail /test/forgeries unit
in_box systemd-run --quiet --uid=1002 --unit=dovecot@webmail /test/forgeries instance
in_box systemd-run --quiet --unit=cgi tcpserver -RHl0 -u 1002 -g 1002 127.0.0.1 8080 /test/forgeries inetd
must wait_until 60 listens 8080
in_box bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080; cat <&3' &
root_of alice /test/forgeries container &
forge_by_session
forge_by_cron
in_box su - alice -c 'echo "/test/forgeries at" | at now' >/dev/null 2>&1
echo hello | in_box sendmail -i alice
must in_box sh -c ': >/run/asked/forge'
login imap 203.0.113.9 alice
must in_box rm /run/asked/forge
for way in "${WAYS[@]}"; do
    for kind in syslog. native stream; do
        ok "forged by $way, $kind: the journal has it" wait_until 60 in_journal dovecot "session=<$kind/$way>"
    done
    ok "forged by $way for Postfix: the journal has it" wait_until 60 in_journal postfix/smtpd "sasl_username=$way"
done
ATTEMPTS=$((ATTEMPTS + 4 * ${#WAYS[@]}))
ok "each is counted as untrusted" wait_until 60 untrusted_is_at_least $((before + 4 * ${#WAYS[@]})) ||
    diag "untrusted: $(untrusted), before: $before"
unharmed "forged journal entries"

# ---- what journald and the kernel have only so much of ----
flood() { # SECONDS: forged logins as fast as three processes can
    alice timeout "$1" bash -c 'for i in 1 2 3; do
        while :; do echo "$1"; done | systemd-cat -t dovecot -p info &
    done; wait' sh "$(dovecot_line flood)"
}
# Held until something is written to the FIFO.
held() { # COMMAND...: by alice, until it has said what it has
    mkfifo "$WORK/held" 2>/dev/null
    in_box setpriv --reuid 1002 --regid 1002 --clear-groups "$@" <"$WORK/held" >"$WORK/has" &
    exec {HELD}>"$WORK/held"
    must wait_until 60 test -s "$WORK/has"
    diag "$(cat "$WORK/has")"
}
let_go() { exec {HELD}>&-; wait $!; : >"$WORK/has"; }

lines() { in_box journalctl --no-pager -q -o cat -u authrelay | grep -c 'FORGED\|flood'; }
before_descriptors=$(descriptors) before_memory=$(memory)
held /test/neighbour streams 4200
ok "alice has all of journald's streams" wait_until 60 in_journal systemd-journald "Too many stdout streams"
unharmed "no stream is left"
let_go
held /test/neighbour inotify
like "alice has used up her inotify instances" "$(cat "$WORK/has")" '^instances [1-9]'
must in_box systemctl reload authrelay.service
unharmed "no inotify is left to alice"
let_go
before=$(untrusted)
try "a message of 20 MB, by memfd" "native memfd" alice /test/neighbour native 20000000 SYSLOG_IDENTIFIER=dovecot PRIORITY=6 "MESSAGE=$(dovecot_line memfd)"
unharmed "a message of 20 MB"
flood 5 &
flooding=$!
ok "a flood of forged logins is counted" wait_until 60 untrusted_is_at_least $((before + 1000))
unharmed "while alice floods the journal with forged logins"
wait $flooding
flooded=$(untrusted)
diag "$((flooded - before)) forged logins in the flood"
ok "which has not a line each: $(lines)" test "$(lines)" -lt 30
unharmed "after the flood"
ATTEMPTS=$((ATTEMPTS + 4))
is "the service was never restarted: $(daemon)" "$(daemon) $(in_box systemctl show -P NRestarts authrelay.service)" "$DAEMON 0"
ok "no descriptor stays with the daemon: $(descriptors), before $before_descriptors" test "$(descriptors)" -le $((before_descriptors + 2))
ok "nor memory: $(memory) kB, before $before_memory" test "$(memory)" -le $((before_memory + 8192))

# ---- when the service starts ----
restarted() { DAEMON=$(daemon); }
racing() { # USER, until /run/asked/stop is there: what succeeded
    # shellcheck disable=SC2016 # for the box
    $1 bash -c 'while [ ! -e /run/asked/stop ]; do
        /test/neighbour files /run/authrelay relay.cdb
        /test/neighbour files /var/lib/authrelay state
        /test/neighbour sockets /run/authrelay/{control,login,syslog,fifo}
    done' >"$WORK/race.$1"
}
racing mallory &
races=($!)
racing alice &
races+=($!)
for _ in 1 2 3 4 5; do must in_box systemctl restart authrelay.service; done
for _ in 1 2 3; do # as after a boot
    must in_box systemctl stop "${SOCKETS[@]}" authrelay.socket authrelay.service
    must in_box rm -rf /run/authrelay
    must in_box systemctl start "${SOCKETS[@]}" authrelay.service
done
must in_box systemd-tmpfiles --create
in_box touch /run/asked/stop
wait "${races[@]}"
in_box rm /run/asked/stop
for user in mallory alice; do
    ok "$user raced with the start: $(grep -c : "$WORK/race.$user") attempts" test "$(grep -c : "$WORK/race.$user")" -gt 200
    is "and won nothing" "$(grep ': ok$' "$WORK/race.$user" | grep -vE "^($READ)" | sort -u)" ""
    ATTEMPTS=$((ATTEMPTS + $(grep -c : "$WORK/race.$user")))
done
restarted
unharmed "races at the start"

# ---- a taken-over process of Postfix, in whose directory systemd makes a socket ----
must in_box sh -c 'echo secret >/etc/secret; chmod 640 /etc/secret'
in_box setpriv --reuid postfix --regid postfix --clear-groups /test/neighbour swap "$LOOKUP" /etc/secret >"$WORK/swaps" &
swapping=$!
must wait_until 60 grep -q ready "$WORK/swaps"
swaps() { grep -c authrelay "$WORK/swaps"; }
has_swapped() { [ "$(swaps)" -ge "$1" ]; }
for i in 1 2 3 4 5; do
    must in_box systemctl stop authrelay.service "$LOOKUP_UNIT" 2>/dev/null
    in_box systemctl reset-failed "$LOOKUP_UNIT"
    in_box systemctl start "$LOOKUP_UNIT" 2>/dev/null
    must wait_until 30 has_swapped "$i"
done
is "a link in the look-up socket's place, $(swaps) times: what it leads to is still root's alone" "$(in_box stat -c '%U:%G %a' /etc/secret)" "root:root 640"
ATTEMPTS=$((ATTEMPTS + $(swaps)))
must in_box pkill -U postfix -x neighbour
wait $swapping
must in_box sh -c "rm -f $LOOKUP $LOOKUP.swap"
in_box systemctl stop authrelay.service "$LOOKUP_UNIT" 2>/dev/null
must in_box systemctl start "$LOOKUP_UNIT" authrelay.service
restarted
unharmed "races in Postfix's directory"

# ---- what nothing stops: a program that the mail server runs as the user and gives its log (docs/threat-model.md) ----
# Dovecot's log process believes each of its writers, and lets it choose a prefix.
must in_box sh -c ': >/run/asked/wait; rm -f /run/asked/pid'
login imap 203.0.113.9 alice &
logging_in=$!
must wait_until 60 in_box test -s /run/asked/pid
script=$(in_box cat /run/asked/pid)
perfect=$'\001\010999 prefix=imap-login: \n\001\002999 '"$(dovecot_line take)"
perfect=${perfect/imap-login: Login/Login}
try "mallory takes the log's descriptor from alice's post-login script" - mallory /test/neighbour take "$script" 2 "$perfect"
said=$(alice /test/neighbour take "$script" 2 "$perfect")
if [[ $said = 'take 2: EPERM'* ]]; then # kernel.yama.ptrace_scope
    is "nor does alice" "$(grants)" "$(granted_list)"
else
    ok "alice does, and so lets anybody relay" wait_until 60 may_relay $STRANGER
fi
must in_box rm /run/asked/wait
wait $logging_in
must ctl revoke $STRANGER >/dev/null
unharmed "a post-login script that runs as the user"

# ---- the journal is pushed out while the daemon is stopped ----
printf '[Journal]\nSystemMaxUse=16M\nSystemMaxFileSize=2M\n' >"$BOX_FILES/etc/systemd/journald.conf.d/small.conf"
must in_box systemctl restart systemd-journald.service
must in_box systemctl stop "${SOCKETS[@]}" authrelay.socket authrelay.service
lost=203.0.113.8
must login imap $lost bob
must wait_until 30 in_journal dovecot "rip=$lost"
alice bash -c 'head -c 60000000 /dev/urandom | base64 -w 2000 | systemd-cat -t mallory'
is_lost() { not in_journal dovecot "rip=$lost"; }
ok "alice has pushed a login of bob's out of the journal" wait_until 60 is_lost
must in_box systemctl start "${SOCKETS[@]}" authrelay.service
restarted
unharmed "a journal that was pushed out"
told() { in_box journalctl --no-pager -q -o cat -p warning -u authrelay | grep -q 'does not reach back.*logins may be missing'; }
ok "that something is lost is told" wait_until 30 told
ATTEMPTS=$((ATTEMPTS + 1))

diag "$ATTEMPTS attempts"
plan "$TAP_RUN"
