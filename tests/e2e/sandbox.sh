#!/bin/bash
# sandbox: the units as installed please systemd-analyze verify, the service exposes no more than is pinned here, and whoever
# has taken the daemon over can do nothing with it: a probe that runs in its place, in the very unit, tries.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"

# docs/HACKING.md says what each remaining point is for.
declare -A MOST=([authrelay.service]=0.4)

figure() { in_box systemd-analyze security --no-pager "$1" | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p'; }
probed() { # FILE GROUP: what succeeded of that group
    in_box sed -n "s/^$2 \(.*\): ok$/\1/p" "$1" | paste -sd,
}
tried() { in_box grep -c "^$2 " "$1"; } # FILE GROUP
PROBE=/var/lib/authrelay/probe LOOSE=/tmp/loose/probe
GROUPS_OF_PROBE="write read network program memory mount namespace clock kernel privilege other"

mailhost_new dovecot
mkdir -p "$SEED/test" "$SEED/home/alice/Maildir/cur" "$SEED/var/mail" "$SEED/srv"
cp "$SANDBOX_PROBE" "$SEED/test/sandbox-probe"
chmod 755 "$SEED/test" "$SEED/test/sandbox-probe"
# Only the sandbox keeps the daemon's user out of these.
for file in home/alice/Maildir/cur/secret var/mail/alice; do echo secret >"$SEED/$file"; done
echo secret >"$SEED/srv/passwords"
chmod 600 "$SEED/srv/passwords"
mkdir -p "$SEED/var/log"
echo >"$SEED/var/log/mail.log"
chown 0:4 "$SEED/var/log/mail.log" # Debian's adm
chmod 640 "$SEED/var/log/mail.log"
mailhost_boot
start_authrelay
is "systemd-analyze verify has nothing to say" \
    "$(in_box systemd-analyze verify --man=no authrelay.service authrelay.socket 2>&1 | grep -F authrelay)" ""
for unit in "${!MOST[@]}"; do
    figure=$(figure "$unit")
    ok "systemd-analyze security: $unit: $figure of at most ${MOST[$unit]}" awk -v f="$figure" -v most="${MOST[$unit]}" 'BEGIN { exit !(f != "" && f <= most) }'
done
is "no service of ours has no figure" \
    "$(in_box sh -c 'ls /lib/systemd/system /usr/lib/systemd/system | grep "^authrelay.*\.service$" | sort -u' | paste -sd' ')" "${!MOST[*]}"

pid=$(in_box systemctl show -P MainPID authrelay.service)
status=/proc/$pid/status
is "it runs as its own user" "$(in_box stat -c %U "/proc/$pid")" authrelay
is "without any capability" "$(in_box sed -n 's/^Cap\(Eff\|Prm\|Inh\|Amb\|Bnd\):\t//p' "$status" | sort -u)" 0000000000000000
is "and cannot get one" "$(in_box sed -n 's/^NoNewPrivs:\t//p' "$status")" 1
is "under a system call filter" "$(in_box sed -n 's/^Seccomp:\t//p' "$status")" 2
is "in a network of its own" "$(in_box readlink "/proc/$pid/ns/net" | grep -cxF "$(in_box readlink /proc/1/ns/net)")" 0

# ---- from inside ----
others="1 $(in_box systemctl show -P MainPID dovecot.service)"
must in_box systemctl stop authrelay.socket authrelay.service
must in_box mkdir -p /etc/systemd/system/authrelay.service.d
# The probe lies where the daemon is, so that not even ExecStart= has to be another one.
# It stays active: a route that changes would start it again while its answers are read.
printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nRestart=no\nBindReadOnlyPaths=/test/sandbox-probe:/usr/sbin/authrelayd\nEnvironment="PROBE_PIDS=%s"\n' "$others" \
    >"$BOX_FILES/etc/systemd/system/authrelay.service.d/probe.conf"
must in_box systemctl daemon-reload
ok "a probe runs in the daemon's place" in_box systemctl start authrelay.service
is "and sees what the daemon needs" "$(in_box sed -n '/^needed .*: ok$/!{/^needed/p}' $PROBE)" ""
is "to its end" "$(in_box grep -c '^needed the end: ok$' $PROBE)" 1
must in_box install -d -o authrelay -g authrelay /tmp/loose /tmp/loose/run
in_box setpriv --reuid authrelay --regid authrelay --init-groups env -i STATE_DIRECTORY=/tmp/loose RUNTIME_DIRECTORY=/tmp/loose/run \
    "PROBE_PIDS=$others" /test/sandbox-probe >/dev/null 2>&1
total=0 saved=0
for group in $GROUPS_OF_PROBE; do
    n=$(tried $PROBE "$group") could=$(probed $LOOSE "$group" | tr , '\n' | grep -c .)
    ok "$group: there is something to try" test "$n" -gt 0
    is "$group: all $n are forbidden, $could of which the user could do outside" "$(probed $PROBE "$group")" ""
    total=$((total + n)) saved=$((saved + could))
done
diag "$total forbidden, $saved of which only the unit forbids"
ok "outside it could do $saved of them" test "$saved" -gt 20
is "it has left nobody dead" "$(in_box systemctl is-active dovecot.service)" active

must in_box systemctl stop authrelay.service
must in_box rm /etc/systemd/system/authrelay.service.d/probe.conf
must in_box systemctl daemon-reload
must in_box systemctl start authrelay.socket authrelay.service
must in_box systemctl reload authrelay.service
ok "the daemon runs again where the probe was" login imap 203.0.113.7
ok "and grants" wait_until 30 may_relay 203.0.113.7
plan "$TAP_RUN"
