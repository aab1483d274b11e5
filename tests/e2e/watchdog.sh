#!/bin/bash
# watchdog: a daemon that hangs (SIGSTOP) is restarted by systemd, and a login made meanwhile is granted.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 9

pid() { in_box systemctl show -P MainPID authrelay.service; }
is_new() { local p; p=$(pid); [ "$p" != "$1" ] && [ "$p" != 0 ] && [ "$(in_box systemctl is-active authrelay.service)" = active ]; }

mailhost_new dovecot
mkdir -p "$SEED/etc/systemd/system/authrelay.service.d"
# The unit's own WatchdogSec= is for real life; TimeoutAbortSec= because a stopped process cannot even die of SIGABRT at once.
printf '[Service]\nWatchdogSec=3\nTimeoutAbortSec=2\n' >"$SEED/etc/systemd/system/authrelay.service.d/soon.conf"
mailhost_boot
like "the unit itself asks for a watchdog" "$(grep -h ^WatchdogSec= "$SEED"/usr/*/systemd/system/authrelay.service "$SEED"/lib/systemd/system/authrelay.service 2>/dev/null)" '=[1-9]'
start_authrelay
ok "a login is granted" login imap 203.0.113.7
ok "in a moment" wait_until 60 may_relay 203.0.113.7
old=$(pid)
sleep 7
is "the watchdog leaves a healthy daemon alone" "$(pid)" "$old"

in_box kill -STOP "$old"
ok "a login while it hangs" login imap 203.0.113.8
ok "systemd replaces it" wait_until 40 is_new "$old"
ok "the login is granted" wait_until 60 may_relay 203.0.113.8
ok "the old grant is still there" may_relay 203.0.113.7
is "it was the watchdog" "$(in_box journalctl --no-pager -o cat -u authrelay | grep -c 'Watchdog timeout')" 1
