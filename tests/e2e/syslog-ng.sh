#!/bin/bash
# syslog-ng: the real Dovecot logs to the real syslog-ng, which sends to authrelay's socket (unix-dgram), in RFC 3164 and in
# RFC 5424; two hosts send through the same syslog-ng and are kept apart; a restart of the daemon loses nothing.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
. "$LIB/syslog-cases.sh"
plan $((2 * (TWO_HOSTS + NEW_FORM + 2) + 2))

syslog_ng() { # FLAGS
    cat >"$BOX_FILES/etc/syslog-ng/conf.d/authrelay.conf" <<CONF
source s_hosts { network(transport("udp") port(514) flags(syslog-protocol)); network(transport("tcp") port(514) flags(syslog-protocol)); };
filter f_authrelay { facility(mail); };
destination d_authrelay { unix-dgram("/run/authrelay/syslog"$1); };
log { source(s_src); source(s_hosts); filter(f_authrelay); destination(d_authrelay); };
CONF
    must in_box systemctl restart syslog-ng.service
    must wait_until 60 port_is_open 514
}

mailhost_new syslog-ng
sed -i 's/^protocols = .*/protocols = imap/' "$SEED/etc/dovecot/dovecot.conf"
courier_by_syslog
mailhost_boot '[Sources]' Syslog=yes
# the hosts' own names, as they say them
must in_box sed -i 's/keep_hostname(no)/keep_hostname(yes)/; s/chain_hostnames(off)/chain_hostnames(off); keep_hostname(yes)/' /etc/syslog-ng/syslog-ng.conf
must in_box systemctl enable --quiet --now authrelay-syslog.socket
start_authrelay
for flags in '' ' flags(syslog-protocol)'; do
    syslog_ng "$flags"
    form=${flags:-RFC 3164}
    forget
    ok "$form: a login at Dovecot" login imap 203.0.113.7
    ok "$form: is granted" wait_until 60 may_relay 203.0.113.7
    two_hosts "$form"
    new_form "$form"
done

crowd 0 600 >"$WORK/crowd"
client python3 "$LIB/syslog-sender" tcp $SERVER4 5 <"$WORK/crowd" &
sender=$!
for i in 1 2 3; do
    sleep 0.5
    in_box systemctl restart authrelay.service
done
wait $sender
ok "three restarts lose none of 600 logins" wait_until 60 crowd_is 600
is "every message was understood" "$(ctl status | grep -c dropped)" 0
