#!/bin/bash
# servers: a genuine login at each of these is granted with the right address and user, a wrong password is not: Dovecot's
# submission, its own log file, its stderr under multilog, Postfix with SASL, and perdition, imapproxy and nginx in front of
# a Dovecot, and solid-pop3d, alone and from inetd. Each as its package comes, all through one authrelay.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
# shellcheck source=/dev/null # it takes minutes
. "$LIB/servers.sh"
plan 43

LOGS=/var/log/test

# One more Dovecot with a log of its own.
dovecot_beside() { # NAME PORT LOG-PATH COMMAND
    { dovecot_conf | sed 's/^protocols.*/protocols = imap/'; cat <<CONF
base_dir = /run/dovecot-$1
log_path = $3
service imap-login {
  inet_listener imap {
    port = $2
  }
}
CONF
    } >"$SEED/etc/dovecot/$1.conf"
    printf '[Service]\nExecStart=%s\n' "$4" >"$SEED/etc/systemd/system/dovecot-$1.service"
}

# solid-pop3d as from inetd, in a unit that only a drop-in knows
inetd_files() {
    mkdir -p "$SEED/etc/authrelay/patterns/solid-pop3d.pattern.d"
    printf '[Pattern]\nUnit=pop3@*.service\n' >"$SEED/etc/authrelay/patterns/solid-pop3d.pattern.d/inetd.conf"
    printf '[Socket]\nListenStream=5110\nAccept=yes\n' >"$SEED/etc/systemd/system/pop3.socket"
    printf '[Service]\nExecStart=-/usr/sbin/solid-pop3d\nStandardInput=socket\nStandardError=journal\n' \
        >"$SEED/etc/systemd/system/pop3@.service"
}

mailhost_new servers
mkdir -p "$SEED/etc/systemd/system" "$SEED$LOGS/multilog"
dovecot_more
dovecot_beside own 4143 $LOGS/dovecot.log '/usr/sbin/dovecot -F -c /etc/dovecot/own.conf'
dovecot_beside stderr 5143 /dev/stderr \
    "/bin/sh -c '/usr/sbin/dovecot -F -c /etc/dovecot/stderr.conf 2>&1 | multilog t $LOGS/multilog'"
postfix_files
proxy_files
inetd_files
echo RUN_MODE=daemon >"$SEED/etc/default/solid-pop3d"
touch "$SEED$LOGS/dovecot.log" # which Dovecot would make for root alone
chown 0:4 "$SEED$LOGS/dovecot.log"
chmod 640 "$SEED$LOGS/dovecot.log"
mailhost_boot '[Sources]' Journal=yes "File=$LOGS/dovecot.log dovecot" "File=$LOGS/multilog/current dovecot" \
    '[Patterns]' 'Enable=dovecot perdition imapproxy nginx-mail postfix-sasl solid-pop3d'
must in_box sh -c 'useradd -m alice; echo alice:secret | chpasswd'
must in_box systemctl restart dovecot dovecot-own dovecot-stderr postfix perdition imapproxy nginx solid-pop3d pop3.socket
start_authrelay

tries Dovecot dovecot imap 1143
tries "Dovecot's submission" dovecot submit 587
tries "Dovecot's own log file" dovecot imap 4143
tries "Dovecot's stderr under multilog" dovecot imap 5143
tries Postfix postfix-sasl submit 25 --recipient alice@box.example.org
tries perdition perdition imap 143
tries imapproxy imapproxy imap 2143
tries nginx nginx-mail imap 3143
tries solid-pop3d solid-pop3d pop3 110
tries "solid-pop3d from inetd" solid-pop3d pop3 5110

is "these are granted, and nothing else" "$(grants)" "$(printf '%s\n' "${GRANTED[@]}" | sort | paste -sd' ')"
is "nothing was untrusted" "$(status_number untrusted)" 0
is "no login was not understood" "$(status_number hints)" 0
