#!/bin/bash
# journal: logins from before the first start, across rotation, vacuum, a restart of journald and a lost cursor are granted.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 21

is_granted() { ok "$1" wait_until 60 may_relay "$2"; }

mailhost_new dovecot
mailhost_boot
ok "a login before authrelay is ever started" login imap 203.0.113.7
start_authrelay
is_granted "is granted when it starts" 203.0.113.7

must in_box journalctl --rotate
ok "a login after a rotation" login imap 203.0.113.8
is_granted "is granted" 203.0.113.8

must in_box systemctl stop authrelay.service
ok "a login while it is stopped" login pop3 203.0.113.9
must in_box journalctl --rotate
must in_box systemctl start authrelay.service
is_granted "is granted although the journal was rotated since" 203.0.113.9

# The cursor's entry is gone: reading goes on from as early as matters, and nobody else's grant suffers.
must in_box systemctl stop authrelay.service
must in_box journalctl --rotate
must in_box journalctl --vacuum-time=1us
ok "a login after the journal was vacuumed" login imap 203.0.113.66
must in_box systemctl start authrelay.service
is_granted "is granted although the cursor is gone" 203.0.113.66
ok "the old grants are there" may_relay 203.0.113.7

must in_box systemctl restart systemd-journald.service
ok "a login after a restart of journald" login imap 2001:db8::7
is_granted "is granted" 2001:db8::7

must in_box systemctl stop authrelay.service
in_box sh -c 'for f in /var/lib/authrelay/*; do : >"$f"; done' # as after a power cut
ok "a login before it starts with an emptied state" login imap 2001:db8::8
must in_box systemctl start authrelay.service
is_granted "is granted" 2001:db8::8
ok "what was published is there, too" may_relay 203.0.113.66

is "all of them, and each once" "$(grants)" "2001:db8::7 2001:db8::8 203.0.113.66 203.0.113.7 203.0.113.8 203.0.113.9"
is "nothing was counted as untrusted" "$(status_number untrusted)" 0

# An entry in a file that its user's first message makes, between entries of another file, all of them read at once: in its
# sandbox the daemon must miss it no more than elsewhere (journal-files).
untrusted_is() { [ "$(status_number untrusted)" = "$1" ]; }
pid=$(in_box systemctl show -P MainPID authrelay.service)
line="imap-login: Login: user=<alice>, method=PLAIN, rip=203.0.113.1, lip=203.0.113.1, mpid=7, session=<x>"
for n in 1 2 3; do
    must in_box kill -STOP "$pid"
    must login imap 203.0.113.7
    must in_box setpriv --reuid $((2000 + n)) --regid $((2000 + n)) --clear-groups logger -t dovecot "$line"
    must in_box journalctl --sync
    must login imap 203.0.113.8
    must in_box kill -CONT "$pid"
    ok "an entry in the file of user $((2000 + n)), which is just made, is read" wait_until 60 untrusted_is $n
done
ok "it made a file" test -e "$(echo "$BOX_FILES"/var/log/journal/*/user-2003.journal)"
is "the daemon knows which boot this is" "$(in_box journalctl --no-pager -q -o cat -u authrelay.service | grep -c 'which boot')" 0
