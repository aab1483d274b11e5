#!/bin/bash
# import: what it makes of networks and logins without a daemon, and what it says of what it cannot take, byte for byte.
. "$(dirname "$0")/../lib/tap.sh"
CTL=$(realpath "$1")
WORK=$(mktemp -d "${TMPDIR:-/tmp}/authrelay-import.XXXXXX") || bail "no directory"
at_exit "rm -rf '$WORK'"
export RUNTIME_DIRECTORY=$WORK
cd "$WORK" || bail "no directory"

status_of() { "$CTL" import "$@" >/dev/null 2>&1; echo $?; }
# shellcheck disable=SC2069 # standard error only
said() { "$CTL" import "$@" 2>&1 >/dev/null; }

plan 45
is "no format" "$(status_of)" 2
is "no file" "$("$CTL" import tcprules 2>&1)" "authrelayctl: import needs two arguments"
is "another format" "$("$CTL" import sendmail x 2>&1)" "authrelayctl: unknown format sendmail; authrelayctl(1) has them"
is "and its status" "$(status_of sendmail x)" 2
is "a file that is not there" "$("$CTL" import tcprules x 2>&1)" \
    "authrelayctl: cannot read x: No such file or directory"
is "and its status" "$(status_of tcprules x)" 1
is "a directory that is not there" "$("$CTL" import relay-ctrl x 2>&1)" \
    "authrelayctl: cannot read x: No such file or directory"
is "a directory in place of a file" "$("$CTL" import tcprules . 2>&1)" "authrelayctl: cannot read .: Is a directory"
is "an option of another verb" "$("$CTL" import --all tcprules x 2>&1)" "authrelayctl: --all is not for import"

# ---- networks

cat >tcp.smtp <<'END'
# the office
192.0.2.7:deny
192.0.2.0-15:allow,RELAYCLIENT=""
10.0-1.:allow,RELAYCLIENT="",RBLSMTPD=""
10.1.2.:allow
127.:allow,RELAYCLIENT=""
203.0.113.:deny
198.51.100.7:allow,RELAYCLIENT="@gate"
=pc.example.org:allow,RELAYCLIENT=""
2001:db8:5::allow,RELAYCLIENT=""
10.1.:deny
12-14.:allow,RELAYCLIENT=""
:allow
END
OUTPUT='# From tcp.smtp (tcprules)
[Grants]
Always=192.0.2.6
Always=198.51.100.7
Always=2001:db8:5::/48
Always=12.0.0.0/8
Always=13.0.0.0/8
Always=14.0.0.0/8
Always=192.0.2.4/31
Always=10.0.0.0/15
Always=192.0.2.0/30
Always=192.0.2.8/29
Never=10.1.2.0/24'
is "rules become networks and exceptions" "$("$CTL" import tcprules tcp.smtp 2>/dev/null)" "$OUTPUT"
is "what is lost is told" "$(said tcprules tcp.smtp)" 'authrelayctl: tcp.smtp:3: 192.0.2.0-15: it has no effect: what stands before it decides
authrelayctl: tcp.smtp:6: 127.: it is never granted (loopback, link-local, multicast, an address of this host, or Never=); leave it where it is
authrelayctl: tcp.smtp:8: 198.51.100.7:allow,RELAYCLIENT="@gate": RELAYCLIENT has a text, which is not taken over
authrelayctl: tcp.smtp:9: =pc.example.org: a name, not an address: a network has to be named instead
authrelayctl: tcp.smtp:11: 10.1.: it has no effect: what stands before it decides'
is "and in the status" "$(status_of tcprules tcp.smtp)" 1
is "as JSON" "$("$CTL" import tcprules --json tcp.smtp 2>/dev/null)" \
    '{"always":["192.0.2.6","198.51.100.7","2001:db8:5::/48","12.0.0.0/8","13.0.0.0/8","14.0.0.0/8","192.0.2.4/31","10.0.0.0/15","192.0.2.0/30","192.0.2.8/29"],"never":["10.1.2.0/24"],"refused":2}'
is "--dry-run changes nothing of that" "$("$CTL" import --dry-run tcprules tcp.smtp 2>&1)" "$("$CTL" import tcprules tcp.smtp 2>&1)"
is "without what is refused all is well" "$(sed '/127/d; /=pc/d' tcp.smtp | "$CTL" import tcprules - >/dev/null 2>&1; echo $?)" 0
is "what lies around parts of a range keeps them apart" \
    "$(printf '10.:deny\n10.0-255.:allow,RELAYCLIENT=""\n11.0-255.:allow,RELAYCLIENT=""\n' | "$CTL" import tcprules - 2>&1)" \
    '# From standard input (tcprules)
[Grants]
Always=10.0.0.0/9
Always=10.128.0.0/9
Always=11.0.0.0/8'
is "an open relay stays out" "$(echo ':allow,RELAYCLIENT=""' | "$CTL" import tcprules - 2>&1)" \
    'authrelayctl: standard input:1: :allow,RELAYCLIENT="": everybody may relay: an open relay
# From standard input (tcprules)
[Grants]'
is "a deny before the same address wins" "$(printf '192.0.2.7:deny\n192.0.2.7:allow,RELAYCLIENT=""\n' | "$CTL" import tcprules - 2>&1)" \
    'authrelayctl: standard input:2: 192.0.2.7: it has no effect: what stands before it decides
# From standard input (tcprules)
[Grants]'
printf '\0\10\0\0' >tcp.smtp.cdb
is "the compiled file is not the one" "$("$CTL" import tcprules tcp.smtp.cdb 2>&1)" \
    "authrelayctl: tcp.smtp.cdb: not a text: import what tcprules makes its file of, not the file"

is "mynetworks" "$(printf 'mynetworks = 192.0.2.0/24 [2001:db8::]/32 !10.1.0.0/16\n    10.0.0.0/8 10.1.2.0/24\n' | "$CTL" import mynetworks - 2>&1)" \
    'authrelayctl: standard input:2: 10.1.2.0/24: it has no effect: what stands before it decides
# From standard input (mynetworks)
[Grants]
Always=192.0.2.0/24
Always=2001:db8::/32
Always=10.0.0.0/8
Never=10.1.0.0/16'
is "what Postfix looks up elsewhere" "$(echo 'mynetworks = /etc/postfix/net hash:/etc/postfix/net $x 0.0.0.0/0 192.0.2.7/24' | said mynetworks -)" \
    'authrelayctl: standard input:1: /etc/postfix/net: a file: import it by itself
authrelayctl: standard input:1: hash:/etc/postfix/net: a table: list its networks
authrelayctl: standard input:1: $x: not resolved: import the output of postconf -x mynetworks
authrelayctl: standard input:1: 0.0.0.0/0: a network wider than /8 (IPv6: /32) is never granted; leave it where it is
authrelayctl: standard input:1: 192.0.2.7/24: it has bits set behind its length'
is "static_allowed" "$(printf '192.0.2.0/255.255.255.0\n198.51.100.0 255.255.255.128 # x\n203.0.113.\n' | "$CTL" import smtp-poplock-static - 2>&1)" \
    '# From standard input (smtp-poplock-static)
[Grants]
Always=192.0.2.0/24
Always=198.51.100.0/25
Always=203.0.113.0/24'
seq 0 2 40000 | awk '{print "100." int($1 / 256) "." $1 % 256 ".:allow,RELAYCLIENT=\"\""}' >many
is "too many networks" "$("$CTL" import tcprules many 2>&1)" \
    "authrelayctl: many: more than 16384 networks; write them into a file, for Always=file:PATH"

# ---- logins, without a daemon

printf '192.0.2.7:allow,RELAYCLIENT="",RBLSMTPD=""\t1795222923\nnonsense\n' >open-smtp
is "--dry-run lists the logins" "$("$CTL" import --dry-run --json vpopmail open-smtp 2>&1)" \
    'authrelayctl: open-smtp:2: nonsense: no tab and no time of the login behind the rule
[{"address":"192.0.2.7","time":1795222923,"user":null}]'
is "and fails for what it cannot take" "$(status_of --dry-run vpopmail open-smtp)" 1
like "for people" "$("$CTL" import --dry-run vpopmail open-smtp 2>/dev/null | tail -n 1)" '^192\.0\.2\.7 +[0-9]+[a-z]'
is "no daemon" "$(said vpopmail open-smtp | tail -n 1)" \
    "authrelayctl: cannot connect to $WORK/control: No such file or directory; is authrelayd running?"
is "and its status" "$(status_of vpopmail open-smtp)" 1
is "terminals are safe" "$(printf '\033[31m\n' | said --dry-run vpopmail -)" \
    'authrelayctl: standard input:1: \x1b[31m: no tab and no time of the login behind the rule'
printf '192.0.2.7 ok\0' >binary
is "what is no text" "$("$CTL" import --dry-run vpopmail binary 2>&1)" "authrelayctl: binary: not a text"
is "nor a database" "$("$CTL" import --dry-run pop-before-smtp binary 2>&1)" "authrelayctl: binary: not a text"

mkdir allow
touch -d @1795222923 allow/192.0.2.7 allow/::ffff:192.0.2.8 allow/.1795222923.5:77 allow/name allow/10.
printf 'USER=alice\0DOMAIN=example.org\0' >allow/192.0.2.9
printf 'USER=bob@example.net\0DOMAIN=example.org\0RELAYCLIENT=x\0' >allow/192.0.2.10
printf 'DOMAIN=example.org\0USER=carol' >allow/192.0.2.11
touch -d @1795222923 allow/192.0.2.9 allow/192.0.2.10 allow/192.0.2.11
ln -s 192.0.2.7 allow/192.0.2.12
mkfifo allow/192.0.2.13
mkdir allow/192.0.2.14
is "relay-ctrl's directory" \
    "$("$CTL" import --dry-run --json relay-ctrl allow 2>/dev/null | python3 -c 'import json,sys
for l in sorted(json.load(sys.stdin), key=lambda l: l["address"]): print(l["address"], l["time"], l["user"])')" \
    '192.0.2.10 1795222923 bob@example.net
192.0.2.11 1795222923 None
192.0.2.7 1795222923 None
192.0.2.8 1795222923 None
192.0.2.9 1795222923 alice@example.org'
is "and what else is in it" "$(said --dry-run relay-ctrl allow | sort)" \
    'authrelayctl: allow/10.: its name is not an address
authrelayctl: allow/192.0.2.12: Too many levels of symbolic links
authrelayctl: allow/192.0.2.13: it is not a file
authrelayctl: allow/192.0.2.14: it is not a file
authrelayctl: allow/name: its name is not an address'
{ printf 'USER='; head -c 2000 /dev/zero | tr '\0' x; printf '\0'; } >allow/192.0.2.7
like "a name that is too long" "$(said --dry-run relay-ctrl allow)" "allow/192.0.2.7: its user's name is too long"
mkdir empty
is "an empty one" "$("$CTL" import --dry-run --json relay-ctrl empty)" '[]'

printf '192.0.2.7\tok\n' >pbs
touch -d @1795222923 pbs
is "a table without times is as old as its file" "$("$CTL" import --dry-run --json pop-before-smtp pbs)" \
    '[{"address":"192.0.2.7","time":1795222923,"user":null}]'
is "also on standard input" "$("$CTL" import --dry-run --json pop-before-smtp - <pbs)" \
    '[{"address":"192.0.2.7","time":1795222923,"user":null}]'
before=$(date +%s)
now=$(printf '192.0.2.7\tok\n' | "$CTL" import --dry-run --json pop-before-smtp - | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["time"])')
ok "from a pipe it is of now" test "$now" -ge "$before"
"$LIB/make-cdb" pbs.cdb '192.0.2.7=allow 0 x' '192.0.2.8=allow 0 x'
touch -d @1795222923 pbs.cdb
like "a constant database is read" "$("$CTL" import --dry-run --json pop-before-smtp pbs.cdb 2>/dev/null)" \
    '"address":"192.0.2.7","time":1795222923,"user":null\},\{"address":"192.0.2.8"'

database() { # MAGIC-AS-BYTES: a file that begins as one of Berkeley DB does
    printf '\0\0\0\0\1\0\0\0\0\0\0\0%b\11\0\0\0\0' "$1" >"$2"
}
database '\x61\x15\x06\0' pbs.db
is "a database that needs a library" "$("$CTL" import pop-before-smtp pbs.db 2>&1)" \
    'authrelayctl: pbs.db: a Berkeley DB hash file, which authrelayctl cannot read; try: db_dump -p pbs.db | authrelayctl import pop-before-smtp - (or Postfix'\''s: postmap -s hash:pbs | authrelayctl import pop-before-smtp -)'
database '\0\x05\x31\x62' tree
is "in the other byte order" "$("$CTL" import smtp-poplock tree 2>&1)" \
    'authrelayctl: tree: a Berkeley DB btree file, which authrelayctl cannot read; try: db_dump -p tree | authrelayctl import smtp-poplock - (or Postfix'\''s: postmap -s btree:tree | authrelayctl import smtp-poplock -)'
is "and its status" "$(status_of pop-before-smtp pbs.db)" 1
printf '\xce\x9a\x57\x13' >gdbm
is "another one" "$("$CTL" import pop-before-smtp gdbm 2>&1)" \
    'authrelayctl: gdbm: a GNU dbm file, which authrelayctl cannot read: give it lines of ADDRESS and VALUE'
truncate -s 65M huge
is "a file that is too large" "$("$CTL" import vpopmail huge 2>&1)" "authrelayctl: cannot read huge: File too large"
is "a list of dbfile without a time" "$(echo 192.0.2.7 | said --dry-run smtp-poplock -)" \
    'authrelayctl: standard input:1: 192.0.2.7: it has no time of the login in seconds'
