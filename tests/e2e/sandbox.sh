#!/bin/bash
# sandbox: the units as installed please systemd-analyze verify, and the service exposes at most 1.0.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 7

mailhost_new dovecot
mailhost_boot
start_authrelay
is "systemd-analyze verify has nothing to say" \
    "$(in_box systemd-analyze verify --man=no authrelay.service authrelay.socket 2>&1 | grep -F authrelay)" ""
figure=$(in_box systemd-analyze security --no-pager authrelay.service | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
ok "systemd-analyze security: $figure of at most 1.0" awk -v f="$figure" 'BEGIN { exit !(f != "" && f <= 1.0) }'

pid=$(in_box systemctl show -P MainPID authrelay.service)
status=/proc/$pid/status
is "it runs as its own user" "$(in_box stat -c %U "/proc/$pid")" authrelay
is "without any capability" "$(in_box sed -n 's/^Cap\(Eff\|Prm\|Inh\|Amb\|Bnd\):\t//p' "$status" | sort -u)" 0000000000000000
is "and cannot get one" "$(in_box sed -n 's/^NoNewPrivs:\t//p' "$status")" 1
is "under a system call filter" "$(in_box sed -n 's/^Seccomp:\t//p' "$status")" 2
is "in a network of its own" "$(in_box readlink "/proc/$pid/ns/net" | grep -cxF "$(in_box readlink /proc/1/ns/net)")" 0
