#!/bin/bash
# journal-namespace: a mail server with LogNamespace=, and JournalNamespace= to read it: made after the daemon has started,
# rotated, vacuumed, its journald restarted; and the journal of all others is not read.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 14

is_granted() { ok "$1" wait_until 60 may_relay "$2"; }
directory() { in_box sh -c 'ls -d /var/log/journal/*.mail 2>/dev/null'; }

mailhost_new dovecot
mkdir -p "$SEED/etc/systemd/system/dovecot.service.d"
printf '%s\n' '[Service]' LogNamespace=mail >"$SEED/etc/systemd/system/dovecot.service.d/namespace.conf"
BOX_MASK=dovecot.service mailhost_boot '[Sources]' JournalNamespace=mail
start_authrelay
is "there is no such journal yet" "$(directory)" ""
must in_box sh -c 'rm /etc/systemd/system/dovecot.service; systemctl daemon-reload'
must in_box systemctl start dovecot.service
must wait_until 60 port_is_open 143
ok "a login" login imap 203.0.113.7
ok "is in the journal of the namespace" wait_until 60 directory
is_granted "is granted" 203.0.113.7
is "and in no other" "$(in_box journalctl --no-pager -q -o cat -t dovecot)" ""

as_mallory logger -p mail.info -t dovecot "imap-login: Login: user=<mallory>, method=PLAIN, rip=203.0.113.66, lip=203.0.113.1"
must in_box journalctl --sync
must in_box journalctl --namespace=mail --rotate
ok "a login after a rotation" login imap 203.0.113.8
is_granted "is granted" 203.0.113.8
is "what others log is not read, nor counted" "$(status_number untrusted)" 0

must in_box systemctl restart systemd-journald@mail.service
ok "a login after a restart of its journald" login imap 2001:db8::7
is_granted "is granted" 2001:db8::7

must in_box systemctl stop authrelay.service
must in_box journalctl --namespace=mail --rotate
must in_box journalctl --namespace=mail --vacuum-time=1us
ok "a login after it was vacuumed while the daemon was stopped" login imap 203.0.113.9
must in_box systemctl start authrelay.service
is_granted "is granted" 203.0.113.9
is "all of them, and nobody else" "$(grants)" "2001:db8::7 203.0.113.7 203.0.113.8 203.0.113.9"
ok "the log is well" not eval 'in_box journalctl --no-pager -q -o cat -u authrelay | grep "can.t be"'
