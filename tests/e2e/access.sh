#!/bin/bash
# access: where Debian's group adm does not help. A log that is root's alone, as a real rsyslogd writes it, is read by an
# ACL, from the moment that it is set and through a real logrotate; another by a group. The AppArmor snippets fit into
# Debian's profiles, the SELinux module into Debian's policy, and says what it should. Neither is enforced here.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 54
LOG=/var/log/maillog
CLOSED=/var/log/closed

# As distributions of Red Hat's kind have it.
rsyslog_files() {
    cat >"$SEED/etc/rsyslog.conf" <<CONF
module(load="imuxsock")
mail.* action(type="omfile" file="$LOG" fileOwner="root" fileGroup="root" fileCreateMode="0600")
local5.* action(type="omfile" file="$CLOSED/log" fileOwner="root" fileGroup="root" fileCreateMode="0600" dirCreateMode="0700")
CONF
}

log_login() { # ADDRESS [FACILITY FILE]
    must in_box logger -p "${2:-mail}.info" -t dovecot \
        "imap-login: Login: user=<u$1>, method=PLAIN, rip=$1, lip=203.0.113.1, mpid=7, TLS, session=<s$1/AAAB>"
    must wait_until 60 in_box grep -q "rip=$1," "${3:-$LOG}"
}
is_granted() { ok "$1" wait_until 60 may_relay "$2"; } # DESCRIPTION ADDRESS
# the last that the daemon says of it
is_unreadable() { wait_until 60 eval 'in_box journalctl --no-pager -q -o cat -u authrelay | grep maillog | tail -n 1 | grep -q "Permission denied"'; }
rotate() { # FILE DIRECTIVE... (-- LINE-OF-POSTROTATE...)
    {
        printf '%s {\n' "$1"
        shift
        while [ $# -gt 0 ] && [ "$1" != -- ]; do
            printf '    %s\n' "$1"
            shift
        done
        printf '    %s\n' 'rotate 9' postrotate 'systemctl kill -s HUP rsyslog.service' "${@:2}" endscript
        echo '}'
    } | in_box tee /etc/logrotate.d/maillog >/dev/null
    must in_box chmod 644 /etc/logrotate.d/maillog
    must in_box logrotate --force --state /tmp/rotate.state /etc/logrotate.d/maillog
}
acl() { in_box getfacl --absolute-names --omit-header "$LOG" | paste -sd' '; }

mailhost_new access
mkdir -p "$SEED/etc"
rsyslog_files
BOX_SYSLOG=yes mailhost_boot '[Sources]' Journal=no "File=$LOG" "File=$CLOSED/log"
for facility in mail local5; do must in_box logger -p $facility.info -t test hello; done
must wait_until 60 in_box grep -q hello $LOG $CLOSED/log
is "the log is root's alone" "$(in_box stat -c '%a %U %G' $LOG)" "600 root root"
start_authrelay

log_login 198.51.100.1
ok "it cannot be read, and the daemon says so" is_unreadable
ok "nobody is granted" not may_relay 198.51.100.1
must in_box setfacl -m u:authrelay:r $LOG
is_granted "with an ACL, and no restart, it is" 198.51.100.1
ok "others may not read it" not as_mallory cat $LOG
rotate $LOG create
like "logrotate's create without a mode keeps the ACL" "$(acl)" 'user:authrelay:r--'
log_login 198.51.100.2
is_granted "and logins are found" 198.51.100.2
rotate $LOG copytruncate
log_login 198.51.100.3
is_granted "with copytruncate, too" 198.51.100.3
rotate $LOG 'create 0600 root root'
log_login 198.51.100.4
is "create with a mode makes a file without it" "$(acl)" "user::rw- group::--- other::--- "
ok "the daemon says so" is_unreadable
ok "nobody is granted meanwhile" not may_relay 198.51.100.4
must in_box setfacl -m u:authrelay:r $LOG
is_granted "and found as soon as the ACL is set again" 198.51.100.4
rotate $LOG 'create 0600 root root' -- "setfacl -m u:authrelay:r $LOG"
log_login 198.51.100.5
is_granted "set in postrotate, all logins are found" 198.51.100.5
rotate $LOG 'create 0600 root root' -- "setfacl -m u:authrelay:r $LOG"
log_login 198.51.100.6
is_granted "each time" 198.51.100.6

is "a directory that is root's alone" "$(in_box stat -c '%a %U %G' $CLOSED)" "700 root root"
log_login 198.51.100.20 local5 $CLOSED/log
must in_box setfacl -m u:authrelay:r $CLOSED/log
ok "an ACL on the file is not enough" not may_relay 198.51.100.20
must in_box setfacl -m u:authrelay:rx $CLOSED
is_granted "with one on the directory it is, and no restart" 198.51.100.20
rotate $CLOSED/log create
log_login 198.51.100.21 local5 $CLOSED/log
is_granted "a rotation in it is noticed" 198.51.100.21

must in_box groupadd --system maillog
rotate $LOG 'create 0640 root maillog'
log_login 198.51.100.7
ok "a log for a group that the daemon is not in" is_unreadable
must in_box mkdir -p /etc/systemd/system/authrelay.service.d
printf '[Service]\nSupplementaryGroups=maillog\n' | in_box tee /etc/systemd/system/authrelay.service.d/log.conf >/dev/null
must in_box systemctl daemon-reload
must in_box systemctl restart authrelay.service
is_granted "is read with SupplementaryGroups=" 198.51.100.7

# ---- AppArmor: the parser compiles what docs/access.md says, without a kernel to load it into ----
SHARE=/usr/share/authrelay
parses() { in_box apparmor_parser --skip-kernel-load --skip-cache "$1"; }
includes() { in_box apparmor_parser --preprocess --skip-cache "$1" | grep -q "$2"; }
include() { echo "include \"$SHARE/apparmor/$1\"" | in_box tee "$2" >/dev/null; } # SNIPPET FILE
in_box mkdir -p /etc/apparmor.d/rsyslog.d
include authrelay-syslogd /etc/apparmor.d/rsyslog.d/authrelay
include authrelay-syslogd /etc/apparmor.d/local/sbin.syslog-ng
# Ubuntu's profile of rsyslogd takes in this directory; Debian has none.
printf '%s\n' 'include <tunables/global>' 'profile rsyslogd /usr/sbin/rsyslogd {' '  include <abstractions/base>' '  include <rsyslog.d>' '}' |
    in_box tee /etc/apparmor.d/usr.sbin.rsyslogd >/dev/null
for profile in usr.sbin.rsyslogd sbin.syslog-ng; do
    ok "AppArmor: $profile compiles" parses /etc/apparmor.d/$profile
    ok "AppArmor: $profile lets it write to the socket" includes /etc/apparmor.d/$profile 'run/authrelay/syslog rw,'
    ok "AppArmor: $profile lets it write to the FIFO" includes /etc/apparmor.d/$profile 'run/authrelay/fifo rw,'
done
in_box sh -c "sed 's|^}|  include \"$SHARE/apparmor/authrelay-mail\"\n}|' /usr/share/apparmor/extra-profiles/postfix-smtpd >/etc/apparmor.d/postfix-smtpd
    cp -n /usr/share/apparmor/extra-profiles/abstractions/* /etc/apparmor.d/abstractions/ 2>/dev/null"
ok "AppArmor: Postfix's smtpd compiles" parses /etc/apparmor.d/postfix-smtpd
ok "AppArmor: and reaches the look-up socket" includes /etc/apparmor.d/postfix-smtpd 'private/authrelay rw,'
in_box sh -c "echo '/run/x' >>/etc/apparmor.d/rsyslog.d/authrelay"
ok "AppArmor: a rule without a right would have been noticed" not parses /etc/apparmor.d/usr.sbin.rsyslogd

# ---- SELinux: the module is linked with Debian's policy, whose assertions are checked ----
must in_box mkdir /tmp/module
ok "SELinux: the module compiles" in_box checkmodule -M -m -o /tmp/module/authrelay.mod $SHARE/selinux/authrelay.te
ok "SELinux: a package" in_box semodule_package -o /tmp/module/authrelay.pp -m /tmp/module/authrelay.mod -f $SHARE/selinux/authrelay.fc
must in_box sed -i 's/^expand-check=.*/expand-check=1/' /etc/selinux/semanage.conf
ok "SELinux: it fits into the policy" in_box semodule -n -s default -i /tmp/module/authrelay.pp
label() { in_box matchpathcon -n -f /etc/selinux/default/contexts/files/file_contexts "$1"; }
R=authrelay_runtime_t
is "SELinux: what is in /run/authrelay has a type of its own" "$(label /run/authrelay/relay.cdb)" system_u:object_r:$R:s0
is "SELinux: and the sockets" "$(label /run/authrelay/syslog)" system_u:object_r:$R:s0

# Each line: what it shows, whether it is allowed, source, target, class, permission. The policy is loaded once.
rules() {
    cat <<RULES
systemd makes the sockets|yes|init_t $R sock_file create
also in Postfix's queue|yes|init_t postfix_private_t sock_file create
rsyslogd writes to the socket|yes|syslogd_t $R sock_file write
where authrelayd reads|yes|syslogd_t initrc_t unix_dgram_socket sendto
and to the FIFO|yes|syslogd_t $R fifo_file write
Exim reads the tables|yes|exim_t $R file read
and maps them|yes|exim_t $R file map
Courier's SMTP server reads them|yes|courier_tcpd_t $R file read
qmail's does|yes|qmail_smtpd_t $R file read
Postfix's asks|yes|postfix_smtpd_t initrc_t unix_stream_socket connectto
sendmail asks|yes|sendmail_t $R sock_file write
Dovecot's post-login script tells|yes|dovecot_t $R sock_file write
Exim does not write the tables|no|exim_t $R file write
nor Postfix|no|postfix_smtpd_t $R file write
nor a syslog daemon|no|syslogd_t $R file write
Dovecot does not write to the FIFO|no|dovecot_t $R fifo_file write
nor Exim|no|exim_t $R fifo_file write
users do not|no|user_t $R fifo_file write
nor to sockets|no|user_t $R sock_file write
nor web servers|no|httpd_t $R sock_file write
RULES
}
answers() {
    rules | in_box python3 -c '
import glob, setools, sys
policy = setools.SELinuxPolicy(glob.glob("/etc/selinux/default/policy/policy.*")[0])
for line in sys.stdin:
    source, target, tclass, perm = line.rstrip("\n").split("|")[2].split()
    found = setools.TERuleQuery(policy, ruletype=["allow"], source=source, target=target, tclass=[tclass], perms=[perm]).results()
    print("yes" if any(found) else "no")'
}
while IFS='|' read -r what wanted _ <&4 && read -r got <&5; do
    is "SELinux: $what" "$got" "$wanted"
done 4< <(rules) 5< <(answers)
