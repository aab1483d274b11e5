#!/bin/bash
# journal-entries: whatever entries there are in the journal - compressed, huge, of many fields, without some or with some
# twice, of bytes - and whatever journald drops at its rate limit: genuine logins are granted, each lost one is told, and what
# follows a half that was dropped is nobody's login.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/journal.sh"
in_journal_box persistent Compress=64 RateLimitIntervalSec=5s RateLimitBurst=40
plan 24

daemon_new JournalLatency=0 '[Grants]' TTL=1h
sender dovecot.service
sender neighbour.service
sender courier-pop.service
raw_from() { # UNIT FIELD...
    local fields
    printf -v fields '%s\t' "${@:2}"
    must tell "$1" raw "${fields%$'\t'}"
}
raw() { raw_from dovecot.service "$@"; }
from() { "$LIB/journal-sender" --addresses "$1" 1; }
kept() { journalctl -o cat --no-pager | grep -cF "$1"; }
daemon_start

# odd entries, and a genuine login behind them
forged() { dovecot_line 198.51.100.66 mallory; }
raw SYSLOG_IDENTIFIER=dovecot PRIORITY=6
raw SYSLOG_IDENTIFIER=dovecot "MESSAGE=$(forged)\\x00" PRIORITY=6
raw SYSLOG_IDENTIFIER=dovecot "MESSAGE=x\\x0a$(forged)" PRIORITY=6
raw SYSLOG_IDENTIFIER=dovecot "MESSAGE=\\xff\\xfe\\x00\\x01" PRIORITY=6
raw SYSLOG_IDENTIFIER=dovecot MESSAGE=@1000000 PRIORITY=6
raw SYSLOG_IDENTIFIER=dovecot MESSAGE=nothing "MESSAGE=$(forged)" PRIORITY=6
raw "MESSAGE=$(forged)" PRIORITY=6
must tell neighbour.service as dovecot
raw_from neighbour.service SYSLOG_IDENTIFIER=dovecot "MESSAGE=$(forged)" _SYSTEMD_UNIT=dovecot.service _UID=0
mapfile -t many < <(for n in $(seq 900); do echo "FIELD_$n=$n"; done)
raw SYSLOG_IDENTIFIER=dovecot "MESSAGE=$(dovecot_line 203.0.113.7)" PRIORITY=6 BIG=@1000000 "${many[@]}"
echo 203.0.113.7 >>"$WORK/written"
logins 20
all_granted "odd entries: the genuine logins are granted, of 900 fields and compressed, and nobody else"
is "odd entries: the neighbour's is untrusted" "$(status_number untrusted)" 1
ok "odd entries: messages are compressed" test "$(journalctl --header | grep -c COMPRESSED)" -ge 1
is "nothing was suppressed yet" "$(status_number suppressed)" 0

# a line that journald broke, whose beginning went with the oldest files while nobody read: what is left looks like the first
must tell dovecot.service open c
must tell dovecot.service line c "$(dovecot_line 203.0.113.10)"
echo 203.0.113.10 >>"$WORK/written"
all_granted "stream: its first line is granted"
must tell dovecot.service open d
must tell dovecot.service part d 49152
daemon_stop
result $? "vacuumed: stops"
vacuum
must tell dovecot.service line d "$(forged)"
daemon_start
logins 1
all_granted "vacuumed: the next login is granted, and nobody else"
is "vacuumed: the first half is gone, the second is not" "$(kept xxxxxxxxxx).$(journalctl -o cat _TRANSPORT=stdout --no-pager | grep -c 'user=<mallory>')" 0.1
must tell dovecot.service line d "$(dovecot_line 203.0.113.11)"
echo 203.0.113.11 >>"$WORK/written"
all_granted "vacuumed: the stream's next line is granted"

# the neighbour's flood
must tell neighbour.service texts 4000 "$(forged)"
logins 50
all_granted "a neighbour's flood: the server's logins are granted"
is "a neighbour's flood: and none is told to be suppressed" "$(status_number suppressed)" 0
echo "# of the neighbour's 4000, $(kept 'user=<mallory>') were kept"

# the server's own
sleep 6 # journald's interval
must tell dovecot.service login 10000 4000
sleep 6
must tell dovecot.service login 30000 1
is_there() { may_relay "$1"; }
ok "the server's flood: the first login after it is granted" wait_until 60 is_there "$(from 30000)"
suppressed=$(status_number suppressed)
ok "the server's flood: some were suppressed" test "$suppressed" -gt 0
is "the server's flood: each is granted or told to be lost" "$(($(granted | wc -l) + suppressed))" "$(($(wc -l <"$WORK/written") + 4001))"
ok "the server's flood: there is a warning" has_said 'messages of dovecot.service were suppressed'
echo "# the server's flood: 4001 written, $(($(granted | wc -l) - $(wc -l <"$WORK/written"))) granted, $suppressed suppressed"

# the first half of a torn message is dropped, and the second one is kept
genuine="LOGIN, user=carol, ip=[203.0.113.8], port=[1], protocol=POP3"
must tell courier-pop.service as pop3d
must tell courier-pop.service text "$genuine" # every stream begins as one that may be torn
must tell courier-pop.service text "$genuine"
ok "Courier: a login" wait_until 60 may_relay 203.0.113.8
must tell courier-pop.service texts 2000 "LOGOUT, ip=[203.0.113.8]"
must tell courier-pop.service text "LOGIN FAILED, user=$(printf '%490s' '' | tr ' ' P)"
sleep 6
must tell courier-pop.service text "LOGIN, user=eve, ip=[198.51.100.66]"
must tell courier-pop.service text "LOGIN, user=dave, ip=[203.0.113.9], port=[1], protocol=POP3"
is "Courier: the first half was dropped" "$(kept PPPPPPPP)" 0
is "Courier: the second was not" "$(kept 'user=eve')" 1
ok "Courier: the next login is granted" wait_until 60 may_relay 203.0.113.9
ok "a half whose beginning journald dropped is nobody's login" not may_relay 198.51.100.66

# the same with a line that journald itself breaks
must tell dovecot.service open a
must tell dovecot.service open b
must tell dovecot.service line a hello
must tell dovecot.service line b hello
must tell dovecot.service texts 2000 'nothing in particular'
must tell dovecot.service part b 49152
sleep 6
must tell dovecot.service line a again
must tell dovecot.service line b "$(forged)"
must tell dovecot.service login 30001 1
ok "stream: the next login is granted" wait_until 60 is_there "$(from 30001)"
ok "stream: the first half was dropped, the second was not" test "$(kept xxxxxxxxxx).$(journalctl -o cat _TRANSPORT=stdout --no-pager | grep -c 'user=<mallory>')" = 0.2 # one was there before
ok "a line that journald broke, whose beginning it dropped, is nobody's login" not may_relay 198.51.100.66
daemon_stop
result $? "stops"
