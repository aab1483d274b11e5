#!/bin/bash
# sendmail: Debian's sendmail asks the look-up socket by its DRAC feature: who has logged in to a real Dovecot relays, by IPv4 and
# IPv6; inbound mail comes in whatever the daemon does. Then by its access map, with the entries that are there already.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

offer() { # ADDRESS RECIPIENT
    client timeout 15 python3 "$LIB/mail-client" smtp --from "$1" --to "$(server_for "$1")" "$2"
}
reply() { offer "$@" | cut -d' ' -f1; }
relays() { offer "$1" someone@foreign.example; }
takes_mail() { offer "$1" root@example.org; }
lookups() { status_number lookups; }

# Debian's sendmail.mc, for all interfaces, without DNS, without its limits for one client; and LINEs before MAILER_DEFINITIONS.
sendmail_mc() { # SED-SCRIPT
    sed -e '/^DAEMON_OPTIONS/d' -e '/conncontrol\|ratecontrol\|greet_pause\|RATE_THROTTLE\|RATE_WINDOW\|BAD_RCPT/d' \
        -e "s/^FEATURE(\`use_cw_file')dnl/&\nDAEMON_OPTIONS(\`Family=inet6, Name=MTA, Port=smtp')dnl\nFEATURE(\`accept_unresolvable_domains')dnl/" \
        -e "$1" "$(cat "$WORK/tree")/etc/mail/sendmail.mc" >"$BOX_FILES/etc/mail/sendmail.mc"
    in_box sh -c 'cd /etc/mail && m4 sendmail.mc >/tmp/sendmail.cf && cp /tmp/sendmail.cf . && timeout 60 systemctl restart sendmail'
}

# sendmail would wait for a name server to tell it its own name.
export BOX_MASK=sendmail.service
mailhost_new sendmail
dovecot_files
sed -i 's/^protocols = .*/protocols = imap/' "$SEED/etc/dovecot/dovecot.conf"
mailhost_boot '[Grants]' TTL=30min
printf '%s\n' '127.0.0.1 localhost' "$SERVER4 mx.example.org mx" '203.0.113.7 client7.example.net' '203.0.113.8 client8.example.net' \
    '2001:db8::7 client6.example.net' >"$BOX_FILES/etc/hosts"
in_box sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
echo example.org >>"$BOX_FILES/etc/mail/local-host-names"
must in_box rm /etc/systemd/system/sendmail.service
must in_box systemctl daemon-reload

start_authrelay
ok "the socket is enabled" in_box systemctl enable --quiet authrelay-lookup.socket
ok "and starts with the service" in_box systemctl restart authrelay
is "for root alone" "$(in_box stat -c '%U:%G %a' /run/authrelay/lookup)" "root:root 660"
ok "one line in sendmail.mc" sendmail_mc "s,^MAILER_DEFINITIONS,FEATURE(\`drac'\, \`socket local:/run/authrelay/lookup')dnl\n&,"
must wait_until 60 port_is_open 25
must wait_until 60 port_is_open 143
diag "sendmail $(in_box sh -c '/usr/sbin/sendmail -d0.1 -bt </dev/null' | sed -n 's/^Version //p')"

ok "its own domain is accepted from anybody" takes_mail 203.0.113.8
is "without a look-up" "$(lookups)" 0
is "a foreign one is refused before the login" "$(reply 203.0.113.7 someone@foreign.example)" 550
ok "a login" login imap 203.0.113.7
ok "lets its address relay" wait_until 60 relays 203.0.113.7
is "and no other" "$(reply 203.0.113.8 someone@foreign.example)" 550
ok "a login over IPv6" login imap 2001:db8::7
ok "lets its address relay" wait_until 60 relays 2001:db8::7
is "and not its neighbour" "$(reply 2001:db8::8 someone@foreign.example)" 550
like "which sendmail tells when it is asked" "$(in_box sh -c 'echo "/map drac 203.0.113.7" | /usr/sbin/sendmail -bt')" 'returns OK'
must ctl revoke 203.0.113.7 >/dev/null
is "a revocation holds at once" "$(reply 203.0.113.7 someone@foreign.example)" 550
must login imap 203.0.113.7
must wait_until 60 relays 203.0.113.7
must in_box systemctl restart authrelay
ok "after a restart all is as it was" relays 203.0.113.7
must in_box systemctl stop authrelay 2>/dev/null
ok "a stopped daemon is started by the next look-up" relays 203.0.113.7

must in_box kill -STOP "$(in_box systemctl show -P MainPID authrelay)"
ok "when the daemon hangs, inbound mail comes in" takes_mail 203.0.113.8
must in_box systemctl kill --signal=CONT authrelay
must in_box systemctl mask --quiet --now authrelay
ok "when it is masked, inbound mail comes in" takes_mail 203.0.113.8
ok "and nobody relays, logged in or not" not relays 203.0.113.7
ok "neither at the first try nor later" not relays 203.0.113.7
is "a client that is not logged in is refused" "$(reply 203.0.113.8 someone@foreign.example)" 550
ok "and still inbound mail comes in" takes_mail 203.0.113.7
must in_box systemctl unmask --quiet authrelay
must in_box systemctl start authrelay
ok "when it is there again, so is its socket" relays 203.0.113.7

# The access map, which is asked for much more than clients' addresses.
printf '%s\n' $'Connect:203.0.113.9\tRELAY' $'To:nobody@example.org\tERROR:"550 not here"' >>"$BOX_FILES/etc/mail/access"
must in_box sh -c 'makemap hash /etc/mail/access </etc/mail/access'
ok "the access map, in a sequence with the one that is there" sendmail_mc "s,^FEATURE(.access_db.*,LOCAL_CONFIG\nKaccessfile hash -T<TMPF> /etc/mail/access\nKrelay_access socket local:/run/authrelay/lookup\ndivert(-1)dnl\nFEATURE(\`access_db'\, \`sequence accessfile relay_access'\, \`skip')dnl,"
must wait_until 60 port_is_open 25
ok "lets a logged-in client relay" relays 203.0.113.7
ok "over IPv6, too" relays 2001:db8::7
is "and no other" "$(reply 203.0.113.8 someone@foreign.example)" 550
is "nor a neighbour over IPv6" "$(reply 2001:db8::8 someone@foreign.example)" 550
ok "what is in the file still holds" relays 203.0.113.9
ok "inbound mail comes in" takes_mail 203.0.113.8
is "nothing that it asked for was unheard of" "$(in_box journalctl --no-pager -o cat -u authrelay | grep -c 'look-up socket')" 0
plan "$TAP_RUN"
