# shellcheck shell=bash
# servers.sh: configuration of the servers of the roots `servers`, `cyrus` and `two-line` for the tests that boot them: a
# Dovecot as the back end of perdition, imapproxy and nginx and as Postfix's password checker; Cyrus IMAP and Exim; popa3d and
# OpenSMTPD. Source mailhost.sh first.

# Dovecot, as a back end too: IMAP behind the proxies, submission, and Postfix's password checker.
dovecot_more() {
    sed -i 's/^protocols.*/protocols = imap submission/' "$SEED/etc/dovecot/dovecot.conf"
    cat >>"$SEED/etc/dovecot/dovecot.conf" <<'CONF'
submission_relay_host = 127.0.0.1
service imap-login {
  inet_listener imap {
    port = 1143
  }
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
CONF
}

# Any name may log in with the password "open"; all share one mailbox.
dovecot_open() {
    sed -i 's|^mail_location.*|mail_location = maildir:/srv/mail/all|' "$SEED/etc/dovecot/dovecot.conf"
    cat >>"$SEED/etc/dovecot/dovecot.conf" <<'CONF'
auth_username_chars =
auth_username_format =
imap_id_log = *
mail_max_userip_connections = 1000
passdb {
  driver = static
  args = password=open
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
mail_plugins = notify mail_log
plugin {
  mail_log_events = mailbox_create save copy
  mail_log_fields = uid box msgid size from subject
}
CONF
}

postfix_files() {
    mkdir -p "$SEED/etc/postfix"
    cat >"$SEED/etc/postfix/main.cf" <<'CONF'
compatibility_level = 3.6
myhostname = box.example.org
mydestination = box.example.org
local_recipient_maps =
inet_interfaces = all
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
CONF
}

# perdition at 143, imapproxy at 2143, nginx at 3143; the Dovecot behind them checks the passwords.
proxy_files() {
    mkdir -p "$SEED/etc/default" "$SEED/etc/nginx"
    cat >"$SEED/etc/default/perdition" <<'CONF'
RUN_PERDITION=yes
POP3=no POP3S=no IMAP4S=no MANAGESIEVE=no
IMAP4_FLAGS="--no_lookup --map_library= --outgoing_server=127.0.0.1 --outgoing_port=1143"
CONF
    sed 's/^server_hostname.*/server_hostname 127.0.0.1/; s/^server_port.*/server_port 1143/; s/^listen_port.*/listen_port 2143/' \
        "$(cat "$WORK/tree")/etc/imapproxy.conf" >"$SEED/etc/imapproxy.conf"
    cat >"$SEED/etc/nginx/nginx.conf" <<'CONF'
user www-data;
pid /run/nginx.pid;
error_log syslog:server=unix:/dev/log,facility=mail,nohostname info;
include /etc/nginx/modules-enabled/*.conf;
events { }
http {
    server {
        listen 127.0.0.1:8080;
        location = /auth {
            add_header Auth-Status OK;
            add_header Auth-Server 127.0.0.1;
            add_header Auth-Port 1143;
            return 204;
        }
    }
}
mail {
    auth_http 127.0.0.1:8080/auth;
    server {
        listen 0.0.0.0:3143;
        protocol imap;
    }
}
CONF
}

# Exim at 587, with SMTP AUTH for alice; whoever else has the password "open" is let in by its name.
exim_files() {
    mkdir -p "$SEED/etc/exim4"
    cat >"$SEED/etc/exim4/exim4.conf" <<'CONF'
daemon_smtp_ports = 587
primary_hostname = box.example.org
domainlist local_domains = box.example.org
log_file_path = /var/log/exim4/%slog
acl_smtp_rcpt = check
keep_environment =
begin acl
check:
  accept domains = +local_domains
  accept authenticated = *
  deny
begin routers
discard:
  driver = redirect
  allow_fail
  data = :blackhole:
begin transports
begin authenticators
plain_server:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if or{{and{{eq{$auth2}{alice}}{eq{$auth3}{secret}}}}{eq{$auth3}{open}}}}
  server_set_id = $auth2
CONF
    chmod 644 "$SEED/etc/exim4/exim4.conf"
}

cyrus_files() {
    # the package's own, without the services that other packages bring
    sed -E 's/^(\s*)(nntp|http|sieve)\s/\1#&/' "$(cat "$WORK/tree")/etc/cyrus.conf" >"$SEED/etc/cyrus.conf"
}
# Cyrus takes no option twice.
cyrus_user() { # ["OPTION: VALUE" of imapd.conf...]
    local option
    for option in 'sasl_mech_list: PLAIN ANONYMOUS' "$@"; do
        must in_box sed -i "/^${option%%:*}:/d; \$ a $option" /etc/imapd.conf
    done
    must in_box sh -c 'echo secret | saslpasswd2 -p -c alice; chown cyrus /etc/sasldb2'
}

# popa3d at 110 and OpenSMTPD at 587, both for alice and bob. Debian 12's OpenSMTPD cannot do TLS, and without TLS it lets
# nobody log in; it does not start without a certificate.
two_line_new() {
    export AUTHRELAY_TEST_SUITE=${AUTHRELAY_TEST_SUITE:-trixie} BOX_MASK=opensmtpd.service
    mailhost_new two-line
    mkdir -p "$SEED/etc/default"
    echo RUN_STANDALONE=yes >"$SEED/etc/default/popa3d"
    rm -f "$SEED/etc/smtpd.conf"
    cat >"$SEED/etc/smtpd.conf" <<'CONF'
pki box cert "/etc/ssl/box.crt"
pki box key "/etc/ssl/box.key"
listen on 0.0.0.0 port 587 tls pki box auth-optional
listen on :: port 587 tls pki box auth-optional
action "local" maildir
match auth from any for any action "local"
CONF
}
two_line_start() {
    must in_box openssl req -quiet -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=box -keyout /etc/ssl/box.key -out /etc/ssl/box.crt
    must in_box sh -c 'chmod 600 /etc/ssl/box.key
        cp /etc/ssl/box.crt /etc/ssl/certs/ca-certificates.crt # smtpd does not start without one
        for u in alice bob; do useradd -m $u; echo $u:secret; done | chpasswd
        rm /etc/systemd/system/opensmtpd.service; systemctl daemon-reload
        systemctl restart popa3d.service opensmtpd.service'
    must wait_until 60 port_is_open 110
    must wait_until 60 port_is_open 587
}
