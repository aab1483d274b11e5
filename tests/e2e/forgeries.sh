#!/bin/bash
# forgeries: perfect Dovecot login lines by those who are not Dovecot grant nothing, and each is counted as untrusted:
# logger, forged pids, the native protocol with invented fields, other units, processes in Dovecot's own cgroup, its own binary.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

LINE='imap-login: Login: user=<alice>, method=PLAIN, rip=203.0.113.66, lip=203.0.113.1, mpid=999, secured, session=<FORGED'
DOVECOT=/sys/fs/cgroup/system.slice/dovecot.service

line() { echo "$LINE$1>"; }
in_dovecot() { in_box sh -c "echo \$\$ >$DOVECOT/cgroup.procs; exec setpriv --reuid 1001 --regid 1001 --clear-groups \"\$@\"" sh "$@"; }

# Each is a function that sends one message; $1 makes the message unique.
by_logger() { as_mallory logger -t dovecot -p mail.info "$(line "$1")"; }
by_logger_with_a_pid() { as_mallory logger --id=1 -t dovecot -p mail.info "$(line "$1")"; }
by_a_long_lived_process() { as_mallory /forge/forge syslog dovecot "$(line "$1")"; }
with_dovecots_pid() { as_mallory /forge/forge syslog dovecot "$(line "$1")" "$(in_box systemctl show -P MainPID dovecot.service)"; }
by_root_without_a_unit() { in_box /forge/forge syslog dovecot "$(line "$1")"; }
by_root_in_another_unit() { as_unit /forge/forge syslog dovecot "$(line "$1")"; }
by_a_unit_with_a_like_name() { in_box systemd-run -q --wait --collect --uid=1001 --unit=dovecot-evil /forge/forge syslog dovecot "$(line "$1")"; }
by_a_template_instance_of_a_user() { in_box systemd-run -q --wait --collect --uid=1001 --unit=dovecot@evil /forge/forge syslog dovecot "$(line "$1")"; }
by_the_native_protocol() {
    as_mallory /forge/forge native "MESSAGE=$(line "$1")" SYSLOG_IDENTIFIER=dovecot PRIORITY=6 UNIT=dovecot.service \
        _SYSTEMD_UNIT=dovecot.service _UID=0 _COMM=log _EXE=/usr/lib/dovecot/log _TRANSPORT=syslog OBJECT_SYSTEMD_UNIT=dovecot.service
}
by_a_stream() { as_mallory sh -c 'echo "$1" | systemd-cat -t dovecot -p info; sleep 0.3' sh "$(line "$1")"; }
from_dovecots_cgroup() { in_dovecot /forge/forge syslog dovecot "$(line "$1")"; }
from_dovecots_cgroup_natively() {
    in_dovecot /forge/forge native "MESSAGE=$(line "$1")" SYSLOG_IDENTIFIER=dovecot PRIORITY=6 _UID=0
}
by_dovecots_binary() { as_mallory env LD_PRELOAD=/forge/libforge.so FORGE_MESSAGE="$(line "$1")" /usr/lib/dovecot/log; }
by_dovecots_binary_in_its_cgroup() { in_dovecot env LD_PRELOAD=/forge/libforge.so FORGE_MESSAGE="$(line "$1")" /usr/lib/dovecot/log; }

WAYS="by_logger by_logger_with_a_pid by_a_long_lived_process with_dovecots_pid by_root_without_a_unit by_root_in_another_unit
    by_a_unit_with_a_like_name by_a_template_instance_of_a_user by_the_native_protocol by_a_stream
    from_dovecots_cgroup from_dovecots_cgroup_natively by_dovecots_binary by_dovecots_binary_in_its_cgroup"
read -ra WAYS <<<"${WAYS//$'\n'/ }"

untrusted() { status_number untrusted; }
untrusted_is() { [ "$(untrusted)" = "$1" ]; }
in_the_journal() { in_box journalctl --no-pager -q -o cat -t dovecot | grep -qF "$(line "$1")"; }

mailhost_new dovecot
mkdir "$SEED/forge"
cp "$FORGE" "$SEED/forge/forge"
cp "$FORGE_LIBRARY" "$SEED/forge/libforge.so"
chmod 755 "$SEED/forge" "$SEED/forge/"*
mailhost_boot
start_authrelay
plan $((3 * ${#WAYS[@]} + 6))

ok "a real login" login imap 203.0.113.7
ok "is granted" wait_until 60 may_relay 203.0.113.7
is "nothing is untrusted yet" "$(untrusted)" 0

count=0
for way in "${WAYS[@]}"; do
    count=$((count + 1))
    $way "$count" >/dev/null 2>&1
    # If it never reached the journal, nothing was tested.
    ok "forged ${way//_/ }: the journal has it" wait_until 60 in_the_journal "$count"
    ok "it is counted" wait_until 60 untrusted_is $count
    is "it grants nothing" "$(grants)" 203.0.113.7
    count=$(untrusted)
done

ok "a real login after all that" login pop3 203.0.113.8
ok "is granted" wait_until 60 may_relay 203.0.113.8
like "there is a warning, and not one for each" \
    "$(in_box journalctl --no-pager -o cat -p warning -u authrelay | grep -c FORGED)" '^[1-3]$'
