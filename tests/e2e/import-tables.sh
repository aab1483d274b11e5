#!/bin/bash
# import-tables: Berkeley DB files as Postfix, Perl and db_load make them, through db_dump and postmap; rules as the real
# tcprules reads them, for which the imported networks come to the same verdicts as tcpserver would.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/tree.sh"
needs_root
needs python3
SUITE=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
plan 20

inside() { "$LIB/root" run tables "$SUITE" sh -c "$1"; }
must "$LIB/root" path tables "$SUITE" >/dev/null
daemon_new '[Grants]' TTL=10min
cd "$WORK" || bail "no directory"

# ---- Berkeley DB
# as pop-before-smtp ties its table
must inside 'perl -MDB_File -e '\''tie my %db, "DB_File", "/tmp/p.db", O_CREAT|O_RDWR, 0666, $DB_HASH or die;
    $db{"198.51.100.1"} = "ok"; $db{"198.51.100.2"} = "ok"; $db{"2001:db8:1::1"} = "ok"; untie %db'\''; cat /tmp/p.db' >perl.db
must inside 'cd /tmp && printf "198.51.100.3 ok\n198.51.100.4 ok\n" >t && postmap -c /etc/postfix -o hash:t && cat t.db' >postfix.db
must inside 'cd /tmp && printf "198.51.100.5\n1795222923\n" | db_load -T -t btree b.db && cat b.db' >tree.db
for t in perl postfix tree; do
    ok "$t.db is a table" test -s $t.db
    like "and known for what it is" "$(ctl import pop-before-smtp $t.db 2>&1)" "$t\.db: a Berkeley DB (hash|btree) file, .* db_dump -p $t\.db"
done
converted() { # FILE COMMAND: what is printed of FILE in the root, where it is x.db
    base64 -w0 <"$1" >encoded
    inside "cd /tmp && echo $(<encoded) | base64 -d >x.db && $2"
}
addresses() { ctl import --dry-run --json "$1" - | python3 "$LIB/json-get" --column address | sort | paste -sd' '; }
is "db_dump -p of Perl's" "$(converted perl.db 'db_dump -p x.db' | addresses pop-before-smtp)" "198.51.100.1 198.51.100.2 2001:db8:1::1"
is "db_dump of it" "$(converted perl.db 'db_dump x.db' | addresses pop-before-smtp)" "198.51.100.1 198.51.100.2 2001:db8:1::1"
is "postmap -s of it" "$(converted perl.db 'postmap -c /etc/postfix -s hash:x' | addresses pop-before-smtp)" "198.51.100.1 198.51.100.2 2001:db8:1::1"
is "db_dump -p of Postfix's" "$(converted postfix.db 'db_dump -p x.db' | addresses pop-before-smtp)" "198.51.100.3 198.51.100.4"
is "postmap -s of it" "$(converted postfix.db 'postmap -c /etc/postfix -s hash:x' | addresses pop-before-smtp)" "198.51.100.3 198.51.100.4"
is "db_dump -p of a tree with times" "$(converted tree.db 'db_dump -p x.db' | ctl import --dry-run --json smtp-poplock -)" \
    '[{"address":"198.51.100.5","time":1795222923,"user":null}]'

# ---- mynetworks, as Postfix says them
must inside 'cd /etc/postfix && cp postfix-files /tmp/ 2>/dev/null; printf "compatibility_level = 3.6\nmynetworks = 192.0.2.0/24\n  [2001:db8::]/32, \$x\nx = 198.51.100.7\n" >main.cf
    postconf mynetworks; postconf -x mynetworks' >postconf
is "postconf -x mynetworks" "$(tail -n 1 postconf | ctl import mynetworks -)" "# From standard input (mynetworks)
[Grants]
Always=192.0.2.0/24
Always=2001:db8::/32
Always=198.51.100.7"
like "postconf mynetworks is not resolved" "$(head -n 1 postconf | ctl import mynetworks - 2>&1)" '\$x: not resolved: import the output of postconf -x'

# ---- tcprules: the verdicts of tcpserver, and ours
cat >tcp.smtp <<'END'
# all forms that the manual knows
198.18.2.:allow
198.18.0-3.:allow,RELAYCLIENT=""
198.18.2.70:deny
198.18.2.64-100:allow,RELAYCLIENT=''
198.18.2.64:deny
10.:allow,RELAYCLIENT="",RBLSMTPD=""
10.1-2.:deny
10.1.7.:allow,RELAYCLIENT=""
10.3-5.:allow,RELAYCLIENT=""
10.4.:deny
10.9.1-3.:allow,X=",RELAYCLIENT="
2001:db8:7::allow,RELAYCLIENT=""
2001:db8:7:2::deny
2001:db8:9::1:allow,RELAYCLIENT=""
203.0.113.1-1:allow,RELAYCLIENT=""
:allow
END
ASKED="198.18.0.1 198.18.1.255 198.18.2.1 198.18.2.63 198.18.2.64 198.18.2.70 198.18.2.100 198.18.2.101 198.18.3.0 198.18.4.0
    10.0.0.1 10.1.0.1 10.1.7.1 10.2.255.255 10.3.0.0 10.4.1.1 10.9.0.1 10.9.1.1 10.9.3.9 10.9.4.1 11.0.0.1 203.0.113.1 203.0.113.2
    2001:db8:7:1::1 2001:db8:7:2::1 2001:db8:7:3::1 2001:db8:8::1 2001:db8:9::1 2001:db8:9::2"
must inside "cd /tmp && echo $(base64 -w0 <tcp.smtp) | base64 -d >r && tcprules r.cdb r.tmp <r &&
    for a in ${ASKED//$'\n'/ }; do TCPREMOTEIP=\$a tcprulescheck r.cdb >v
        if grep -q '^allow' v && grep -q '^set environment variable RELAYCLIENT=' v; then echo \$a 1; else echo \$a 0; fi; done" >theirs
is "tcpserver has said something of each" "$(wc -l <theirs)" "$(wc -w <<<"$ASKED")"
is "and lets some of them relay" "$(grep -c ' 1$' theirs)" 15
mkdir authrelay.conf.d
ok "the rules are imported, all of them" eval "'$BIN/authrelayctl' import tcprules tcp.smtp >authrelay.conf.d/imported.conf"
daemon_start
for a in $ASKED; do
    if relays "$a"; then echo "$a 1"; else echo "$a 0"; fi
done >ours
is "relaylock lets the same relay" "$(diff theirs ours)" ""
daemon_stop
is "the daemon ends well" "$?" 0
ok "db_dump's form of a name is refused" not eval "converted perl.db 'printf \"a b\\nok\\n\" | db_load -T -t hash y.db; db_dump -p y.db' | ctl import --dry-run pop-before-smtp -"
