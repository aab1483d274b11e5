#!/bin/bash
# import: logins that another program has seen become grants that end when they would have ended, judged as logins are;
# networks become a drop-in that the daemon takes.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/tree.sh"
needs python3
plan 47

column() { ctl list --json | python3 "$LIB/json-get" --column "$1"; }
of_grant() { # ADDRESS MEMBER
    ctl list --json | python3 -c 'import json,sys
print(*[g[sys.argv[2]] for g in json.load(sys.stdin) if g["address"] == sys.argv[1]])' "$1" "$2"
}
age() { # ADDRESS: of the login that its grant goes back to, of a TTL= of ten minutes
    echo $((600 - $(of_grant "$1" until) + $(date +%s)))
}
about() { [ "$1" -ge $(($2 - 1)) ] && [ "$1" -le $(($2 + 15)) ]; } # a slow machine
ago() { echo $(($(date +%s) - $1)); }
# shellcheck disable=SC2069 # standard error only
said() { ctl import "$@" 2>&1 >/dev/null; }
open_smtp() { # ADDRESS SECONDS-AGO: a line as vpopmail writes it
    printf '%s:allow,RELAYCLIENT="",RBLSMTPD=""\t%s\n' "$1" "$(ago "$2")"
}

daemon_new '[Grants]' TTL=10min
daemon_start
cd "$WORK" || bail "no directory"

# ---- vpopmail
{ open_smtp 198.51.100.1 60; open_smtp 198.51.100.2 3600; open_smtp 2001:db8:1::1 120; } >open-smtp
is "logins of vpopmail" "$(ctl import vpopmail open-smtp)" "2 may relay now; 1 logged in longer ago than TTL=; 0 refused."
is "are granted" "$(grants)" "198.51.100.1 2001:db8:1::/64"
ok "until ten minutes after they were" about "$(age 198.51.100.1)" 60
ok "each" about "$(age 2001:db8:1::/64)" 120
is "as an import" "$(of_grant 198.51.100.1 pattern)" import
is "of that program" "$(of_grant 198.51.100.1 source)" vpopmail
ok "relaylock lets one" relays 198.51.100.1
ok "and not the one of an hour ago" not relays 198.51.100.2
like "the log says who it was" "$(cat daemon.log)" "uid $(id -u) imported 2 of 3 logins from vpopmail"
until=$(of_grant 198.51.100.1 until)
ok "a second time changes nothing" ctl import vpopmail open-smtp
is "not its end" "$(of_grant 198.51.100.1 until)" "$until"

{ open_smtp 127.0.0.1 60; open_smtp 10.1.2.3 60; open_smtp 198.51.100.4 -300; open_smtp 198.51.100.3 60; } >refused
is "what may not be granted is told" "$(said vpopmail refused)" \
    "authrelayctl: refused:1: 127.0.0.1: it is an address that is never granted (loopback, link-local, multicast or Never=)
authrelayctl: refused:2: 10.1.2.3: it is a private address; if each client has its own, set Private= to their networks
authrelayctl: refused:3: 198.51.100.4: its time is in the future"
is "and the rest goes on" "$(ctl import vpopmail refused 2>/dev/null)" \
    "1 may relay now; 0 logged in longer ago than TTL=; 3 refused."
ok "with a status that says so" not ctl import vpopmail refused
is "as JSON" "$(ctl import --json vpopmail refused 2>/dev/null)" '{"granted":1,"stale":0,"refused":3}'
ok "no other has got in" not relays 10.1.2.3

# ---- beside what the daemon sees itself
write_login 198.51.100.5 dave
wait_until 60 may_relay 198.51.100.5
until=$(of_grant 198.51.100.5 until)
open_smtp 198.51.100.5 300 >older
ok "an older login of one who has logged in since" ctl import vpopmail older
is "does not shorten his grant" "$(of_grant 198.51.100.5 until)" "$until"
is "nor take his name" "$(of_grant 198.51.100.5 user)" dave
ok "revoke an imported one" ctl revoke 198.51.100.1
like "importing again does not bring it back" "$(said vpopmail open-smtp)" \
    'open-smtp:1: 198.51.100.1: the address was revoked after this login'
ok "relaylock agrees" not relays 198.51.100.1

# ---- relay-ctrl, as relay-ctrl-allow writes it
mkdir allow
printf 'USER=alice\0DOMAIN=example.org\0' >allow/198.51.100.20
: >allow/198.51.100.21
: >allow/198.51.100.22
touch -d "@$(ago 200)" allow/198.51.100.20
touch -d "@$(ago 700)" allow/198.51.100.22
is "logins of relay-ctrl" "$(ctl import relay-ctrl allow)" "2 may relay now; 1 logged in longer ago than TTL=; 0 refused."
is "with their user" "$(of_grant 198.51.100.20 user)" alice@example.org
ok "and their time" about "$(age 198.51.100.20)" 200
ok "a user can be revoked" ctl revoke --user=alice@example.org
ok "with what was imported" not relays 198.51.100.20

# ---- tables
printf '198.51.100.30\tok\n' >pbs
touch -d "@$(ago 400)" pbs
like "a table of pop-before-smtp" "$(said pop-before-smtp pbs)" 'pbs: its logins have no time; they are taken for as old as the file'
ok "is as old as its file" about "$(age 198.51.100.30)" 400
ok "one from a pipe" eval "echo 198.51.100.31 ok | '$BIN/authrelayctl' import pop-before-smtp -"
ok "is of now" about "$(age 198.51.100.31)" 0
ok "a table of smtp-poplock" eval "echo 198.51.100.32 $(ago 100) | '$BIN/authrelayctl' import smtp-poplock -"
ok "has its times" about "$(age 198.51.100.32)" 100

# ---- many, and their end
python3 - "$(ago 60)" >many <<'END'
import sys
for i in range(2000):
    print(f'198.19.{i // 250}.{i % 250}:allow,RELAYCLIENT=""', sys.argv[1], sep='\t')
END
is "two thousand" "$(ctl import --json vpopmail many)" '{"granted":2000,"stale":0,"refused":0}'
ok "the last may relay" relays 198.19.7.249
open_smtp 198.51.100.40 595 >soon
ok "a login that is nearly over" ctl import vpopmail soon
ok "lets relay" relays 198.51.100.40
ok "and is over in time" wait_until 15 not relays 198.51.100.40
daemon_kill
daemon_start
ok "what was imported survives a crash" relays 198.19.7.249

# ---- networks
cat >tcp.smtp <<'END'
198.18.2.:allow
198.18.0-3.:allow,RELAYCLIENT=""
10.:allow,RELAYCLIENT=""
127.:allow,RELAYCLIENT=""
END
mkdir authrelay.conf.d
ok "rules with one that is refused" not eval "'$BIN/authrelayctl' import tcprules tcp.smtp >authrelay.conf.d/imported.conf 2>said"
ok "the daemon takes the others" ctl reload
ok "a network may relay" relays 198.18.1.7
ok "its exception not" not relays 198.18.2.7
ok "a private one may, by name" relays 10.1.2.3

daemon_stop
is "the daemon ends well" "$?" 0
like "without it logins cannot be imported" "$(said vpopmail open-smtp)" 'is authrelayd running\?$'
ok "and networks can" ctl import tcprules <(head -n 3 tcp.smtp)
