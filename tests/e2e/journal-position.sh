#!/bin/bash
# journal-position: where reading goes on is found again when a journal in memory is moved to the disk, over several boots, on
# another machine, with a position that is none; and a clock that was wrong makes no login younger than it is.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/journal.sh"
in_journal_box auto
plan 38

# a position as the daemon saves it: CURSOR [TIME [BOOT [MONOTONIC]]]
position() {
    python3 -c 'import struct, sys
cursor, read_to, boot, monotonic = sys.argv[1:] + ["0", "0" * 32, "0"][len(sys.argv) - 2:]
cursor = cursor.encode().replace(b"@NUL", b"\0") * (200000 if cursor.startswith("long") else 1)
sys.stdout.buffer.write(struct.pack("<I", len(cursor)) + cursor + struct.pack("<Q", int(read_to)) + bytes.fromhex(boot) +
                        struct.pack("<Q", int(monotonic)))' "$@"
}
damaged() { said 'section "source:journal" is damaged'; }
another_boot() {
    must systemd-id128 new >"$WORK/boot" # 32 digits
    sed -i -E 's/(.{8})(.{4})(.{4})(.{4})(.{12})/\1-\2-\3-\4-\5/' "$WORK/boot"
    umount /proc/sys/kernel/random/boot_id 2>/dev/null
    must mount --bind "$WORK/boot" /proc/sys/kernel/random/boot_id
    must journald_restart
}

daemon_new JournalLatency=0 '[Grants]' TTL=1h
sender dovecot.service

# from memory to the disk
logins 40
daemon_start
logins 40
all_granted "memory: logins"
must mkdir -p /var/log/journal
must journalctl --flush
ok "memory: the files are on the disk now" test "$(echo /run/log/journal/*/*)$(ls /var/log/journal)" = "/run/log/journal/*/*$(cat /etc/machine-id)"
logins 40
all_granted "a journal in memory that is moved to the disk: logins are seen"
is "a journal in memory that is moved to the disk: and none was read twice" "$(records)" "$WRITTEN"
ok "nothing is told to be missing" not has_said 'logins may be missing'
daemon_stop
result $? "stops"

# several boots
for n in 1 2 3; do
    logins 20
    another_boot
    logins 20
    daemon_start
    logins 20
    all_granted "boot $n: logins before and after it"
    is "boot $n: none was read twice" "$(records)" 60
    daemon_stop
    result $? "boot $n: stops"
done
echo "# 4 boots: $WRITTEN written"

# a position of another machine
tr -d - </proc/sys/kernel/random/uuid >/run/machine-id # bound to /etc/machine-id
must journald_restart
logins 20
daemon_start
all_granted "another machine's position: logins are seen"
is "another machine's position: and none was read twice" "$(records)" 20
daemon_stop
result $? "stops"

# the position is that of the last entry, which is in a file of another number now: what comes next is not taken for it
last_of() { journalctl -n 1 -o json --no-pager | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
must tell dovecot.service text nothing in particular
position "s=$(tr -d - </proc/sys/kernel/random/uuid);i=1;$(last_of __CURSOR | cut -d';' -f3-)" 0 "$(last_of _BOOT_ID)" \
    "$(last_of __MONOTONIC_TIMESTAMP)" | must "$LIB/state-edit" "$WORK/state/state" source:journal
daemon_start
for n in 1 2 3; do
    logins 1
    all_granted "the last entry under another number: login $n behind it is seen"
done
is "the last entry under another number: and none was read twice" "$(records)" 3
daemon_stop
result $? "stops"

# positions that are none
edit() { # CURSOR [TIME BOOT MONOTONIC]
    logins 10
    position "$@" | must "$LIB/state-edit" "$WORK/state/state" source:journal
    daemon_start
    all_granted "position \"${1:0:20}\": logins are seen"
    daemon_stop
}
edit ''
edit 'x'
edit 's=0;i=ffffffffffffffffffffff;b=;m=-1;t=;x=' 18446744073709551615
edit "s=$(cat /etc/machine-id);i=1;b=$(tr -d - </proc/sys/kernel/random/boot_id);m=1;t=1;x=1" 1
# of this boot, and of the future
edit "s=$(cat /etc/machine-id);i=1;b=1;m=1;t=1;x=1" 1 00000000000000000000000000000000 18446744073709551615
is "these are positions" "$(damaged)" 0
edit $'s=1;\n%s%n;i=@NUL'
edit 'long enough to be no position'
is "and these are damage, which is told" "$(damaged)" 2

# wall clocks that were wrong when the logins were logged
ttl() { configure JournalLatency=0 "JournalDirectory=$WORK/stamped" '[Grants]' TTL="$1"; }
stamped() { # SECONDS: a copy of the journal, with a login from 203.0.113.7, by a clock that was off by so much
    must tell dovecot.service text "$(dovecot_line 203.0.113.7)"
    must rotate
    rm -rf "$WORK/stamped" "$WORK/state" "$WORK/run"
    mkdir "$WORK/stamped" "$WORK/state" "$WORK/run"
    cp "$(files)"*.journal "$WORK/stamped" # it may hold archived ones of earlier boots
    for f in "$WORK/stamped/"*; do must "$LIB/journal-damage" "$f" stamp "$1"; done
}
marker() { # a login that is read behind them
    must tell dovecot.service text "$(dovecot_line 203.0.113.99 bob)"
    cp "$(files)system.journal" "$WORK/stamped/marker.journal"
    wait_until 60 may_relay 203.0.113.99
}
stamped 3600
ttl 5min
daemon_start
ok "a clock that was ahead: a login of now is granted" wait_until 60 may_relay 203.0.113.7
must ctl revoke 203.0.113.7
ok "a clock that was ahead: and can be revoked" not may_relay 203.0.113.7
daemon_stop
rm "$WORK/state/state"
daemon_start
ok "a clock that was ahead: the log is read again" marker
ok "a clock that was ahead: and a login read again is not younger than its revocation" not may_relay 203.0.113.7
daemon_stop
another_boot
stamped 3600
must another_boot
ttl 1min
daemon_start
ok "a clock that was ahead before the last boot: the log is read" marker
ok "a clock that was ahead before the last boot: the login is from before that boot" not may_relay 203.0.113.7
daemon_stop
