#!/bin/bash
# journal-wake: a login after which nothing is logged for a while is granted at once, whenever the journal was looked at last:
# journald counts an entry before it can be found by its fields, one after another, and says nothing when it can.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/journal.sh"
in_journal_box persistent RateLimitIntervalSec=0
plan 4
LOGINS=300

# without the sync of `tell`, which would wake the daemon
write_entry() { # FIELD...
    local fields
    printf -v fields '%s\t' "$@" "${many[@]}"
    echo "raw ${fields%$'\t'}" >&"${SENDER_INPUT[dovecot.service]}"
    read -r -t 60 _ <&"${SENDER_OUTPUT[dovecot.service]}"
}

daemon_new JournalLatency=1ms '[Grants]' TTL=1h
sender dovecot.service
# fields that journald knew first are entered first
mapfile -t many < <(for n in $(seq 200); do echo "FIELD_$n=$n"; done)
write_entry SYSLOG_IDENTIFIER=other MESSAGE=other PRIORITY=6
must journalctl --sync
daemon_start
logins 1
all_granted "the first login is granted"

late=0
for ((n = 1; n <= LOGINS; n++)); do
    address=198.19.$((n / 256)).$((n % 256))
    write_entry SYSLOG_IDENTIFIER=dovecot "MESSAGE=$(dovecot_line "$address" "v$n")" PRIORITY=6
    wait_until 5 may_relay "$address" || late=$((late + 1))
done
is "$LOGINS logins, one by one: none had to wait for the next one" $late 0
is "all are granted" "$(granted | wc -l)" $((LOGINS + 1))
daemon_stop
is "the daemon ends well" "$?" 0
