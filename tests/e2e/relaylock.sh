#!/bin/bash
# relaylock: lets the granted client relay and no other, whatever is in its environment and whatever is in the files; the
# SMTP server runs all the same, with one line on stderr; under qmail's memory limit with a million grants.
. "$(dirname "$0")/../lib/tap.sh"
needs prlimit python3

[ -x "$BIN/relaylock" ] || bail "not built: $BIN/relaylock"
WORK=$(mktemp -d)
at_exit "rm -rf '$WORK'"
BASE=$WORK/relay.cdb DELTA=$WORK/relay-delta.cdb

make() { "$LIB/make-cdb" "$@"; }
good_files() {
    make "$BASE" '192.0.2.7=allow SOON dovecot' '192.0.2.9=never 0 host'
    make "$DELTA"
}

# "yes" or "no" for may relay; the child must have run. What relaylock says goes to $WORK/said.
run() { # ADDRESS: with TCPREMOTEIP set to it
    TCPREMOTEIP=$1 "$BIN/relaylock" -f "$BASE" sh -c 'test "${RELAYCLIENT+set}" && echo yes || echo no' 2>"$WORK/said" </dev/null
}
said_lines() { wc -l <"$WORK/said"; }
refused_with_a_line() { # ADDRESS
    [ "$(run "$1")" = no ] && [ "$(said_lines)" = 1 ]
}

good_files
is "a granted client" "$(run 192.0.2.7)" yes
is "and nothing is said" "$(said_lines)" 0
is "the same, mapped into IPv6" "$(run ::ffff:192.0.2.7)" yes
is "another client" "$(run 192.0.2.8)" no
is "and nothing is said" "$(said_lines)" 0
is "a barred client" "$(run 192.0.2.9)" no
is "REMOTE_ADDR is what systemd says" \
    "$(REMOTE_ADDR=192.0.2.7 "$BIN/relaylock" -f "$BASE" sh -c 'echo ${RELAYCLIENT+yes}' </dev/null)" yes
is "but TCPREMOTEIP comes first, even if it cannot be read" \
    "$(REMOTE_ADDR=192.0.2.7 TCPREMOTEIP=x "$BIN/relaylock" -f "$BASE" sh -c 'echo ${RELAYCLIENT+yes}' </dev/null 2>/dev/null)" ""
is "a RELAYCLIENT that is there is kept" \
    "$(RELAYCLIENT=@fixme TCPREMOTEIP=192.0.2.7 "$BIN/relaylock" -f "$BASE" sh -c 'echo $RELAYCLIENT')" @fixme
is "an AUTHRELAY_USER that is there is not" \
    "$(AUTHRELAY_USER=root TCPREMOTEIP=192.0.2.7 "$BIN/relaylock" -f "$BASE" sh -c 'echo ${AUTHRELAY_USER-none}')" none

# A predecessor looked these up as file names, and opened the relay for ".".
touch "$WORK/x" "$WORK/."
LONG=$(printf '%4096s' '' | tr ' ' 1)
VALUES=(. .. ../x / /etc/passwd 999999.1..2 '' ' ' "$LONG" 192.0.2 192.0.2.7.1 192.0.2.07 '192.0.2.7 ' ' 192.0.2.7' 192.0.2.7/32
    0xc0.0.2.7 3221225991 192.0.2.7%eth0 ::ffff:192.0.2.7%1 '192.0.2.*' @authrelay $'192.0.2.7\n' localhost)
for v in "${VALUES[@]}"; do
    short=${v:0:30}
    ok "TCPREMOTEIP=${short@Q} is refused, with one line" refused_with_a_line "$v"
done

hostile() { # DESCRIPTION: the files are as some test left them
    ok "$1: refused, with one line, and the server runs" refused_with_a_line 192.0.2.7
    good_files
}
rm "$BASE"; hostile "no base"
rm "$DELTA"; hostile "no delta"
: >"$BASE"; hostile "an empty base"
: >"$DELTA"; hostile "an empty delta"
truncate -s 2047 "$BASE"; hostile "a base cut in its head"
truncate -s -1 "$BASE"; hostile "a base cut at its end"
truncate -s 2060 "$BASE"; hostile "a base cut in its records"
rm "$BASE"; mkdir "$BASE"; ok "a directory" refused_with_a_line 192.0.2.7; rmdir "$BASE"; good_files
rm "$BASE"; mkfifo "$BASE"; ok "a FIFO does not hold it up" timeout 5 bash -c '[ "$(TCPREMOTEIP=192.0.2.7 "$0" -f "$1" sh -c "echo \${RELAYCLIENT-no}" 2>/dev/null)" = no ]' "$BIN/relaylock" "$BASE"
rm "$BASE"; good_files
rm "$BASE"; truncate -s 5G "$BASE"; hostile "a huge file with nothing in it"
rm "$BASE"; head -c 100000 /dev/urandom >"$BASE"; hostile "noise"
head -c 2048 /dev/urandom | dd of="$BASE" conv=notrunc status=none; hostile "noise for a head"
dd if=/dev/zero bs=1 count=2048 status=none | tr '\0' '\377' | dd of="$BASE" conv=notrunc status=none; hostile "positions beyond the end"
make "$BASE" --generation=2 '192.0.2.7=allow SOON dovecot'
is "half replaced: a new base with the old delta is what every replacement goes through" "$(run 192.0.2.7)" yes
good_files
make "$DELTA" --generation=2; hostile "half replaced: the delta is newer than the base"
make "$BASE" '192.0.2.7=allow dovecot'; hostile "a value without a time"
make "$BASE" '192.0.2.7=allow SOON dovecot user more'; hostile "a value with too much"
make "$BASE" '192.0.2.7=ALLOW SOON dovecot'; hostile "a value in other words"
make "$BASE" '192.0.2.7=allow -1 dovecot'; hostile "a time below zero"
make "$BASE" '192.0.2.7=allow 99999999999999999999999 dovecot'; hostile "a time beyond all"
make "$BASE" --lengths=4/33,6/64 '192.0.2.7=allow SOON dovecot'; hostile "prefix lengths that there are not"
make "$BASE" --written=$(($(date +%s) + 60)) '192.0.2.7=allow SOON dovecot'; hostile "written in the future"

make "$BASE" --ttl=60 '192.0.2.7=allow SOON dovecot'
make "$DELTA" --ttl=60
is "more life than a TTL can give is not believed" "$(run 192.0.2.7)" no
make "$BASE" '192.0.2.7=allow 1000 dovecot'
make "$DELTA"
is "a grant that is over" "$(run 192.0.2.7)" no
good_files
make "$DELTA" '192.0.2.7=revoked 0 manual'
is "revoked in the delta" "$(run 192.0.2.7)" no
make "$DELTA" '192.0.2.8=allow SOON dovecot'
is "granted in the delta" "$(run 192.0.2.8)" yes

# In the journal, too, where a line stands under the name of whatever was started first.
: >"$WORK/journal"
stream=$(stat -c %d:%i "$WORK/journal")
JOURNAL_STREAM=$stream TCPREMOTEIP=x "$BIN/relaylock" -f "$BASE" true 2>"$WORK/journal" </dev/null
like "a line has the program's name, whatever stderr is" "$(<"$WORK/journal")" '^<4>relaylock: no relaying: '

# Wrong use and a program that is not there are told as daemontools' programs tell it.
code() { "$BIN/relaylock" "$@" >/dev/null 2>&1 </dev/null; echo $?; }
is "no program: 100" "$(code)" 100
is "an unknown option: 100" "$(code -Z true)" 100
is "a program that is not there: 111" "$(TCPREMOTEIP=192.0.2.7 code -f "$BASE" /nonexistent/program)" 111
is "the server's own exit status is passed on" "$(TCPREMOTEIP=192.0.2.7 code -f "$BASE" sh -c 'exit 42')" 42

# softlimit -m 2000000 sets these; a mapping of the file would not fit.
make "$BASE" --million '192.0.2.7=allow SOON dovecot'
make "$DELTA"
ok "the file is large" test "$(stat -c %s "$BASE")" -gt 40000000
limited() { TCPREMOTEIP=$1 bash -c 'ulimit -d 1953 -s 1953; exec "$0" -f "$1" env' "$BIN/relaylock" "$BASE" 2>&1; }
like "under softlimit -m 2000000 a million grants are no trouble" "$(limited 10.5.6.7)" 'RELAYCLIENT='
is "nor for who has none" "$(limited 172.16.0.1 | grep -cE '^(RELAYCLIENT=|relaylock:|<)')" 0

plan "$TAP_RUN"
