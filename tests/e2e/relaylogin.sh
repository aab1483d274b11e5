#!/bin/bash
# relaylogin: a POP3 server that logs nothing, under tcpserver, daemontools and softlimit, and under systemd: whoever logs in
# may relay and nobody else, the daemon being restarted in the middle too; a local user with all that he can lay his hands on
# gains nothing; whatever the daemon is doing, mail is read without delay.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

as_alice() { in_box setpriv --reuid 1002 --regid 1002 --clear-groups "$@"; }
as_member() { in_box setpriv --reuid 1001 --regid 1001 --groups "$(in_box getent group authrelay-login | cut -d: -f3)" "$@"; } # mallory, in the group
as_vmail() { in_box setpriv --reuid 1004 --regid 1004 --groups "$(in_box getent group authrelay-login | cut -d: -f3)" "$@"; } # trusted
attack() { in_box /test/login-attack "$@"; }
user_of() { ctl list --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
rows = d if isinstance(d, list) else d["grants"]
print(" ".join("/".join([r["user"] or "", r["service"] or "", r["pattern"]]) for r in rows if r["address"] == sys.argv[1]))' "$1"; }
granted() { ok "$1" wait_until 60 may_relay "$2"; }
refused() { status_number claims_refused; }
is_refused_more_than() { [ "$(refused)" -gt "$1" ]; }
# First half as root for ADDRESS, then CMD as the user of UID with the descriptor's number in $fd.
between() { in_box env TCPREMOTEIP="$1" relaylogin setpriv --reuid "$2" --regid "$2" --clear-groups sh -c "fd=\$RELAYLOGIN_FD; $3"; }

pop3_files() {
    mkdir -p "$SEED/test" "$SEED/etc/sv/pop3" "$SEED/etc/systemd/system" "$SEED/home/alice/Maildir"/{new,cur,tmp}
    cp "$POP3_CHAIN" "$SEED/test/pop3-chain"
    cp "$LOGIN_ATTACK" "$SEED/test/login-attack"
    chmod 755 "$SEED/test" "$SEED/test/"*
    chown -R 1002:1002 "$SEED/home/alice"
    # carol's name is not that of her uid; those of uid 1004 are in a mail system of their own
    printf '%s\n' alice:secret:1002:1002 bob:secret:1003:1003 carol:secret:1002:1002 \
        dave@example.org:secret:1004:1004 >"$SEED/test/passwords"
    chmod 600 "$SEED/test/passwords"
    cat >"$SEED/etc/sv/pop3/run" <<'RUN'
#!/bin/sh
exec 2>&1
exec env PASSWORDS=/test/passwords softlimit -m 3000000 \
    tcpserver -v -R -H -l 0 -c 100 0 110 \
    relaylogin -s pop3 /test/pop3-chain popup pop.example.org \
    /test/pop3-chain checkpassword relaylogin /test/pop3-chain pop3d
RUN
    chmod 755 "$SEED/etc/sv/pop3/run"
    sed 's|^ExecStart=.*|ExecStart=-/usr/bin/relaylogin -s pop3 /test/pop3-chain popup pop.example.org \\\n    /test/pop3-chain checkpassword relaylogin /test/pop3-chain pop3d\nEnvironment=PASSWORDS=/test/passwords|; s|^ListenStream=.*|ListenStream=1110|' \
        "$SEED/usr/share/doc/authrelay/examples/qmail-pop3d@.service" >"$SEED/etc/systemd/system/qmail-pop3d@.service"
    sed 's|^ListenStream=.*|ListenStream=1110|' \
        "$SEED/usr/share/doc/authrelay/examples/qmail-pop3d.socket" >"$SEED/etc/systemd/system/qmail-pop3d.socket"
}

listens() { in_box ss -Hltn "sport = :$1" | grep -q .; }
on_port() { # PORT ADDRESS [USER [PASSWORD]]
    client python3 "$LIB/mail-client" pop3 --from "$2" --to "$(server_for "$2")" --port "$1" "${3:-alice}" "${4:-secret}"
}

warned() { in_box journalctl --no-pager -q -o cat -p warning -u authrelay | grep -q 'there is no login socket'; }

# Milliseconds that relaylogin takes before the next program runs.
exec_time() { in_box bash -c 't=${EPOCHREALTIME/./}; TCPREMOTEIP=203.0.113.9 relaylogin true 2>/dev/null; echo $(((${EPOCHREALTIME/./} - t) / 1000))'; }
is_quick() { # DESCRIPTION MOST-MILLISECONDS
    local took
    took=$(exec_time)
    ok "$1: the server runs after $took ms, at most $2" test "$took" -le "$2"
}

mailhost_new pop3
pop3_files
mailhost_boot '[Sources]' Journal=no Login=yes 'VirtualUsers=1004 no-such-user'
for user in alice:1002 bob:1003 vmail:1004; do must in_box useradd -M -d "/home/${user%:*}" -u "${user#*:}" -s /bin/sh "${user%:*}"; done
must in_box sh -c 'echo alice:secret | chpasswd'
must in_box systemd-run -q --unit=pop3 supervise /etc/sv/pop3
must wait_until 60 listens 110

# ---- off, then on ----
start_authrelay
ok "there is no login socket unless it is asked for" not in_box test -e /run/authrelay/login
ok "and mail is read without it" login pop3 203.0.113.7
ok "and a warning, as Login= wants one" wait_until 60 warned
must in_box systemctl enable --quiet authrelay-login.socket
must in_box systemctl restart authrelay.service
is "then there is, for root and its group" "$(in_box stat -c '%a %U %G' /run/authrelay/login)" "660 root authrelay-login"

# ---- logins ----
ok "a wrong password" not login pop3 203.0.113.7 alice wrong
ok "a client that only connects" client bash -c "exec 3<>/dev/tcp/$SERVER4/110; read -r -u 3 line; [[ \$line = +OK* ]]"
ok "a login under tcpserver, daemontools and softlimit" login pop3 203.0.113.8
granted "is granted" 203.0.113.8
is "to the user whose it is" "$(user_of 203.0.113.8)" alice/pop3/relaylogin
is "and nobody else is" "$(grants)" 203.0.113.8
ok "a user of a mail system of its own" login pop3 203.0.113.7 dave@example.org
granted "is granted" 203.0.113.7
is "by the name that VirtualUsers= may say" "$(user_of 203.0.113.7)" dave@example.org/pop3/relaylogin
before=$(refused)
ok "a name that is not that of the uid can read its mail" login pop3 203.0.113.66 carol
ok "and its claim is refused" wait_until 60 is_refused_more_than "$before"
is "it may not relay" "$(may_relay 203.0.113.66 && echo yes)" ""

# while nothing was revoked in the meantime
as_vmail /test/login-attack announce /run/authrelay/login 203.0.113.66 alice 1501 >"$WORK/said"
as_vmail /test/login-attack announce /run/authrelay/login 203.0.113.9 bob 1400 >"$WORK/said"
granted "a claim 23 minutes after the connection" 203.0.113.9
ok "but not one after 25 minutes" not may_relay 203.0.113.66

# ---- revoked between connection and login ----
refusals() { status_number refused_by_policy; }
has_refused_more_than() { [ "$(refusals)" -gt "$1" ]; }
open_session held pop3 203.0.113.9
ok "a client that connects" wait_until 30 session_is held connected
must ctl revoke 203.0.113.9
before=$(refusals)
go_on held
ok "and logs in after its address was revoked" wait_until 30 session_is held in
ok "is refused" wait_until 30 has_refused_more_than "$before"
ok "and may not relay" not may_relay 203.0.113.9
go_on held
end_session held
result $? "but has read its mail"
ok "a connection that began later" login pop3 203.0.113.9
granted "is granted" 203.0.113.9

must in_box systemctl daemon-reload
must in_box systemctl start qmail-pop3d.socket
ok "a login over IPv6 under a socket unit of systemd" on_port 1110 2001:db8::7
granted "is granted" 2001:db8::7

if in_box sh -c 'command -v pop3front-auth' >/dev/null; then
    must in_box systemd-run -q --unit=front tcpserver -R -H -l 0 0 2110 \
        relaylogin pop3front-auth cvm-unix relaylogin pop3front-maildir Maildir
    must wait_until 60 listens 2110
    forget
    ok "a login at mailfront's POP3 server" on_port 2110 203.0.113.9
    granted "is granted" 203.0.113.9
    is "to the user whose it is" "$(user_of 203.0.113.9)" alice//relaylogin
else
    for what in login granted name; do result 0 "mailfront: $what # SKIP not in this Debian"; done
fi

is "a session has neither the descriptor" \
    "$(between 203.0.113.9 1002 'exec relaylogin sh -c "ls -l /proc/self/fd | grep -c socket"')" 0
is "nor its number" "$(between 203.0.113.9 1002 'exec relaylogin sh -c "echo \${RELAYLOGIN_FD-none}"')" none

# ---- attacks ----
forget
like "mallory cannot connect" "$(as_mallory /test/login-attack announce /run/authrelay/login 203.0.113.66 mallory)" 'connect: EACCES'
before=$(refused)
as_member /test/login-attack announce /run/authrelay/login 203.0.113.66 mallory >"$WORK/said"
ok "nor can he announce an address when he is in the group" wait_until 60 is_refused_more_than "$before"
is "which grants nothing" "$(grants)" ""
for forged in bob root '' mallory Alice 'alice '; do
    before=$(refused)
    between 203.0.113.66 1002 "exec /test/login-attack claim \$fd '$forged'" >"$WORK/said"
    # without a name the daemon looks for whose uid it is
    if [ -z "$forged" ]; then
        granted "alice without a name is alice" 203.0.113.66
        is "whatever she says" "$(user_of 203.0.113.66)" alice//relaylogin
        forget
    else
        ok "alice cannot claim a login for '$forged'" wait_until 60 is_refused_more_than "$before"
        is "which grants nothing" "$(grants)" ""
    fi
done
like "she can claim once" "$(between 203.0.113.7 1002 'exec /test/login-attack claim $fd alice alice')" $'^claim: ok\nclaim: EPIPE$'
granted "for the address that was announced" 203.0.113.7
before=$(refused)
between 203.0.113.66 0 'USER=alice exec relaylogin true'
ok "a chain in the wrong order, with relaylogin before the password, is found out" wait_until 60 is_refused_more_than "$before"
between 203.0.113.66 1002 'exec /test/login-attack garbage $fd' >"$WORK/said"
ok "garbage ends her connection" wait_until 60 is_refused_more_than "$((before + 1))"

# hold NAME ADDRESS UID: a process between the two halves, for others to take its descriptor; its pid and number in $held
hold() {
    between "$2" "$3" "echo \$\$ \$fd >/tmp/held-$1; exec sleep 100" &
    must wait_until 60 in_box test -s "/tmp/held-$1"
    read -r -a held <<<"$(in_box cat "/tmp/held-$1")"
}
forget
in_box chmod 1777 /tmp
hold first 203.0.113.66 1002
like "mallory cannot take alice's descriptor" "$(as_mallory /test/login-attack steal "${held[@]}" mallory)" 'steal: EPERM'
before=$(refused)
like "alice can, with a session of hers" "$(as_alice /test/login-attack steal "${held[@]}" bob)" $'^steal: ok\nclaim: ok'
ok "and not claim for bob with it" wait_until 60 is_refused_more_than "$before"
like "nor claim again" "$(as_alice /test/login-attack steal "${held[@]}" alice)" $'^steal: ok\nclaim: EPIPE'
is "which grants nothing" "$(grants)" ""
hold second 203.0.113.66 0
like "nobody takes the one of a server that still runs as root" "$(as_alice /test/login-attack steal "${held[@]}" alice)" 'steal: EPERM'

forget
is "mallory opens 2,000 connections: none" "$(as_mallory /test/login-attack flood /run/authrelay/login 2000 0)" "opened 0"
as_member /test/login-attack flood /run/authrelay/login 2000 30 >"$WORK/flood" &
ok "in the group he opens 2,000" wait_until 60 grep -q 'opened 2000' "$WORK/flood"
ok "bob logs in" login pop3 203.0.113.8 bob
granted "and is granted" 203.0.113.8
ok "the daemon has given mallory's up" test "$(status_number login_connections)" -lt 100
attack flood /run/authrelay/login 2000 30 >"$WORK/flood" & # as tcpserver would for somebody who opens as many
ok "2,000 clients connect and wait" wait_until 60 grep -q 'opened 2000' "$WORK/flood"
ok "bob logs in" login pop3 203.0.113.7 bob
granted "and is granted" 203.0.113.7
ok "at most 1,000 are kept" test "$(status_number login_connections)" -le 1000
ok "there is a warning, and not one for each" \
    test "$(in_box journalctl --no-pager -o cat -p warning -u authrelay | grep -c 'login: not taken')" -le 6

# ---- restarts ----
forget
between 203.0.113.7 1002 'while [ ! -e /tmp/go ]; do sleep 0.1; done; USER=alice exec relaylogin true' &
waiting=$!
ok "a client is about to log in" wait_until 60 test "$(status_number login_connections)" -ge 1
must in_box systemctl restart authrelay.service
ok "it is after a restart" test "$(status_number login_connections)" -ge 1
must in_box touch /tmp/go
wait $waiting
granted "its login is granted" 203.0.113.7
is "nothing stays in systemd's store" "$(in_box systemctl show -P NFileDescriptorStore authrelay.service)" 0
daemon() { in_box systemctl show -P MainPID authrelay.service; }
must in_box kill -STOP "$(daemon)"
ok "a login while the daemon hangs" login pop3 203.0.113.8 bob
must in_box kill -KILL "$(daemon)"
granted "is granted by the next one" 203.0.113.8

# ---- nobody waits ----
is_quick "the daemon is well" 1000
must in_box kill -STOP "$(daemon)"
is_quick "it hangs" 1000
attack fill /run/authrelay/login >"$WORK/fill" &
ok "the queue is full" wait_until 60 grep -q 'full: EAGAIN' "$WORK/fill"
is_quick "the queue is full" 1000
ok "mail is read" login pop3 203.0.113.66
must in_box kill -CONT "$(daemon)"
must in_box sh -c 'kill $(pidof login-attack)'
must wait_until 60 ctl status
ok "a login after that" login pop3 203.0.113.9 bob
granted "is granted" 203.0.113.9
must in_box systemctl stop authrelay-login.socket authrelay.service
is_quick "there is no daemon" 1000
ok "mail is read" login pop3 203.0.113.66
must in_box rm -f /run/authrelay/login
is_quick "there is no socket" 1000
is "descriptors are short: the server runs" \
    "$(in_box prlimit --nofile=10 env TCPREMOTEIP=203.0.113.9 relaylogin sh -c 'echo "runs, ${RELAYLOGIN_FD:-none}"' 2>/dev/null)" "runs, none"
is "a number that is no connection: it is left alone" \
    "$(in_box bash -c 'RELAYLOGIN_FD=12 relaylogin bash -c "echo still \${RELAYLOGIN_FD-none} >&12" 12>&1 2>/dev/null')" "still none"
plan "$TAP_RUN"
