#!/bin/bash
# courier-torn: Courier's logger cuts at 511 bytes, so that anybody, without a password, can have it write a perfect login
# line: with first halves of 505 and 504 bytes, in the journal and in a file. Nothing is granted; real logins are.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 35

# `P` so often that with what Courier writes before the name the first 511 bytes end where the forged line begins.
filler() { printf '%*s' $((511 - ${#1})) '' | tr ' ' P; }
LEAD='INFO: LOGIN FAILED, user='

start_courier() {
    courier_user
    must in_box systemctl restart courier-authdaemon.service courier-imap.service courier-pop.service
    must wait_until 60 port_is_open 110
    must wait_until 60 port_is_open 143
}

# The name may be quoted for IMAP, whose server takes no atom as long as that.
attack() { # PROTOCOL ADDRESS NAME
    login "$1" "$2" "$3" wrong
}

in_journal() { in_box journalctl --no-pager -q -o json --output-fields=MESSAGE -t "$1" | python3 -c '
import json, sys
want = sys.argv[1]
for line in sys.stdin:
    message = json.loads(line).get("MESSAGE")
    if isinstance(message, list):
        message = bytes(message).decode("latin-1")
    if message and message.startswith("LOGIN, user=" + want):
        sys.exit(0)
sys.exit(1)' "$2"; }
in_file() { in_box grep -q "$1: LOGIN, user=$2" /var/log/mail.log; }

# The same attacks on either kind of source; SEEN says how to see that the forged line is there.
attacks() { # KIND SEEN
    local kind=$1 seen=$2
    ok "$kind: a real login by POP3" login pop3 203.0.113.7
    ok "$kind: is granted" wait_until 60 may_relay 203.0.113.7

    attack pop3 203.0.113.66 "$(filler "$LEAD")LOGIN, user=mallory505"
    ok "$kind: 505 bytes: Courier has written a login line that was none" wait_until 60 "$seen" pop3d mallory505
    attack imap 203.0.113.66 "\"$(filler "$LEAD")LOGIN, user=mallory505imap\""
    ok "$kind: 505 bytes by IMAP: the same" wait_until 60 "$seen" imapd mallory505imap

    # Blanks at the end of the first half are cut off by whoever writes it down, so that it looks short.
    local blank
    blank=$(filler "$LEAD")
    attack imap 203.0.113.66 "\"${blank:0:480}      LOGIN, user=mallory504\""
    ok "$kind: blanks at the end: the same" wait_until 60 "$seen" imapd mallory504
    # Courier's other prefixes leave 504 of 511: its own logger is asked for one, in its own unit. (It writes what it has
    # when more comes, and must live until journald has looked at it.)
    { printf 'DEBUG: LOGIN FAILED, user=%sLOGIN, user=malloryDEBUG, ip=[::ffff:203.0.113.66], port=[4711]\n' \
        "$(filler 'DEBUG: LOGIN FAILED, user=')"; sleep 0.3
        echo 'INFO: Disconnected'; sleep 1; } | in_courier courierlogger -facility=mail -name=pop3d
    ok "$kind: 504 bytes: Courier has written a login line that was none" wait_until 60 "$seen" pop3d malloryDEBUG

    # "ERR: " is taken off the rest, too, which then is of another priority and perhaps of another place.
    attack pop3 203.0.113.66 "$(filler "$LEAD")ERR: LOGIN, user=malloryERR"
    ok "$kind: ERR in the second half: the same" wait_until 60 "$seen" pop3d malloryERR

    # The forged half is itself the short message after which a stream is believed again.
    ok "$kind: a real login by IMAP after that" login imap 203.0.113.8
    ok "$kind: a real login by POP3 after that" login pop3 203.0.113.9
    ok "$kind: they are granted" wait_until 60 eval 'may_relay 203.0.113.8 && may_relay 203.0.113.9'
    is "$kind: and nothing else is" "$(grants)" "203.0.113.7 203.0.113.8 203.0.113.9"
    ok "$kind: the torn lines are counted" test "$(status_number torn || echo 0)" -ge 2
}
in_courier() { in_box sh -c 'echo $$ >/sys/fs/cgroup/system.slice/courier-pop.service/cgroup.procs; exec "$@"' sh "$@"; }


# A message by hand, with COMMAND run between its two halves.
torn_around() { # NAME COMMAND...
    local go=$WORK/go.$1
    {
        printf 'DEBUG: LOGIN FAILED, user=%sLOGIN, user=%s, ip=[::ffff:203.0.113.66], port=[4711]' \
            "$(filler 'DEBUG: LOGIN FAILED, user=')" "$1"
        sleep 0.3
        echo lost # now it writes the first half, and leaves this one out
        wait_until 30 test -e "$go"
        echo
        sleep 1
    } | in_courier courierlogger -facility=mail -name=pop3d &
    wait_until 60 first_halves_are "$((HALVES += 1))" && "${@:2}"
    : >"$go"
    wait $!
}
first_halves() { in_box journalctl --no-pager -q -o cat -t pop3d | grep -c '^LOGIN FAILED, user=P*$'; }
first_halves_are() { [ "$(first_halves)" -ge "$1" ]; }
another_writer() { { echo 'INFO: Disconnected'; sleep 1; } | in_courier courierlogger -facility=mail -name=pop3d; }
login_is_granted() { # ADDRESS
    login pop3 "$1"
    wait_until 1 may_relay "$1"
}

mailhost_new courier
BOX_SYSLOG=yes BOX_MASK="exim4.service courier-imap-ssl.service courier-pop-ssl.service" mailhost_boot
start_courier
start_authrelay
attacks journal in_journal

HALVES=$(first_halves)
torn_around malloryRESTART in_box systemctl restart authrelay.service
ok "a restart of authrelay between the halves: Courier has written the line" wait_until 60 in_journal pop3d malloryRESTART
torn_around malloryTWO another_writer
ok "another writer under the same name between the halves: the same" wait_until 60 in_journal pop3d malloryTWO
must ctl revoke 203.0.113.7 >/dev/null
# not by `client`: what is killed must be itself
nsenter --target "$CLIENT_PID" --net -- "$LIB/mail-attacker" pop3 user --from 203.0.113.66 --to "$SERVER4" --port 110 --threads 30 >/dev/null \
    < <(for ((i = 0; i < 3000; i++)); do filler "$LEAD" | base64 -w0; echo; done) &
at_exit "kill $!"
must wait_until 60 first_halves_are $((HALVES + 20))
ok "while somebody has lines torn without end, a login is granted all the same" wait_until 60 login_is_granted 203.0.113.7
kill $!
is "and nothing else is" "$(grants)" "203.0.113.7 203.0.113.8 203.0.113.9"

must in_box systemctl stop authrelay.service
in_box sh -c 'rm -rf /run/authrelay/*.cdb /var/lib/authrelay/*; : >/var/log/mail.log'
in_box sh -c 'mkdir -p /etc/authrelay/authrelay.conf.d; printf "[Sources]\nJournal=no\nFile=/var/log/mail.log\n" >/etc/authrelay/authrelay.conf.d/60-file.conf'
must in_box systemctl start authrelay.service
must wait_until 60 eval 'in_box logger -p mail.info -t test hello; in_box grep -q hello /var/log/mail.log'
ok "from a file, a login by IMAP" login imap 203.0.113.8
ok "is granted" wait_until 60 may_relay 203.0.113.8
ok "from a file, a login by POP3" login pop3 203.0.113.7
ok "is in it" wait_until 60 in_file pop3d alice
is "and is not granted, for nothing tells that the file is complete" "$(grants)" "203.0.113.8"

# whoever knows that it is says so
must in_box systemctl stop authrelay.service
in_box sh -c 'rm -rf /run/authrelay/*.cdb /var/lib/authrelay/*; : >/var/log/mail.log
    mkdir -p /etc/authrelay/patterns/courier-pop3.pattern.d
    printf "[Pattern]\nJournalOnly=no\n" >/etc/authrelay/patterns/courier-pop3.pattern.d/file.conf'
must in_box systemctl start authrelay.service
is "the file's table begins empty" "$(grants)" ""
ok "rsyslog writes the file" wait_until 60 eval 'in_box logger -p mail.info -t test hello; in_box grep -q hello /var/log/mail.log'
attacks file in_file
