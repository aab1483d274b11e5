#!/bin/bash
# sessions: who has logged in to a real Dovecot once and stays may relay for as long as the session is open, and TTL= longer:
# through a restart of authrelay, until the logout, a lost connection, a crash of Dovecot, or MaxSession=.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 34

TTL=8 MAX_SESSION=50
PAST=$((TTL + TTL / 16 + 2)) # when the grant of a login without a session is surely over

relays() { in_box env TCPREMOTEIP="$1" relaylock sh -c 'test "${RELAYCLIENT+yes}" = yes'; }
wait_since() { while [ $((SECONDS - $1)) -lt "$2" ]; do sleep 0.2; done; } # TIME SECONDS
lasted() { # DESCRIPTION ADDRESS SINCE: it ends, but not before TTL
    ok "$1" wait_until 40 not relays "$2"
    ok "which is TTL= later" test $((SECONDS - $3)) -ge $((TTL - 1))
}
log_in() { # NAME ADDRESS
    open_session "$1" imap "$2"
    must wait_until 60 session_is "$1" connected
    go_on "$1"
    ok "$1 logs in" wait_until 60 session_is "$1" in
    ok "and is granted" wait_until 60 relays "$2"
}
# Dovecot's processes log by way of one, which takes their messages in any order: some of these end before they begin.
QUICK=200
quick_sessions() {
    client python3 -c "
import socket, threading
def sessions():
    for i in range($QUICK // 4):
        s = socket.create_connection(('$SERVER4', 143), 20, ('203.0.113.66', 0))
        s.sendall(b'a LOGIN alice secret\r\nb LOGOUT\r\n')
        while s.recv(1000):
            pass
        s.close()
for t in [threading.Thread(target=sessions) for n in range(4)]:
    t.start()"
}
no_session() { [ "$(status_number sessions)" = 0 ]; }
has_read() { [ "$(ctl status --json | python3 "$LIB/json-get" --where name=dovecot logins)" -ge "$1" ]; } # LOGINS
dovecot_answers() { client python3 -c "import socket; socket.create_connection(('$SERVER4', 143), 2)"; }

mailhost_new dovecot
mailhost_boot '[Grants]' "TTL=${TTL}s" "MaxSession=${MAX_SESSION}s"
start_authrelay
must wait_until 60 dovecot_answers

began=$SECONDS
log_in stayer 203.0.113.7
log_in leaver 203.0.113.8
log_in loser 203.0.113.9
ok "one who logs in and out" login imap 203.0.113.66
ok "is granted" wait_until 60 relays 203.0.113.66
wait_since $SECONDS $PAST
ok "longer than TTL= later it may not relay any more" not relays 203.0.113.66
for address in 203.0.113.7 203.0.113.8 203.0.113.9; do ok "but $address, whose session is open, may" relays $address; done
is "the status counts them" "$(status_number sessions)" 3

# logout, a connection that is lost, and a restart of authrelay, all while sessions are open
go_on leaver
end_session leaver
kill_session loser
left=$SECONDS
must in_box systemctl restart authrelay.service
for address in 203.0.113.7 203.0.113.8 203.0.113.9; do ok "after a restart of authrelay $address may relay" relays $address; done
log_in late 2001:db8::7
lasted "the grant of who logged out ends" 203.0.113.8 $left
lasted "and that of the lost connection" 203.0.113.9 $left
wait_since $left $PAST
ok "the session that outlasted the restart still has its grant" relays 203.0.113.7
ok "and so has the one that began after it" relays 2001:db8::7

# MaxSession=
ok "an open session ends at last" wait_until 60 not relays 203.0.113.7
ok "which is MaxSession= after its login" test $((SECONDS - began)) -ge $((MAX_SESSION - 1))
ok "though the client is still there" session_is stayer in
ok "and not that of a younger session" relays 2001:db8::7

# Dovecot dies without a word: what it says when it starts again ends all sessions
must in_box systemctl kill -s KILL dovecot.service
wait_until 60 not dovecot_answers
crashed=$SECONDS
must in_box systemctl restart dovecot.service
must wait_until 60 dovecot_answers
lasted "a restart of Dovecot ends all sessions" 2001:db8::7 $crashed
is "no grant is left" "$(grants)" ""

ok "many sessions that end at once" quick_sessions
ok "are read" wait_until 60 has_read $((1 + QUICK))
ok "and none of them is taken to be open still" wait_until 60 no_session
