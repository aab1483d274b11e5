# shellcheck shell=bash
# journal.sh: the daemon of the build tree beside a private journald, whose files a test may damage, remove and replace.
# Source tap.sh first; in_journal_box (which begins the script again in there); daemon_new; daemon_start; ...
. "$LIB/tree.sh"

in_journal_box() { # STORAGE [JOURNALD-SETTING...]
    [ -z "${JOURNAL_BOX:-}" ] || return 0
    needs_root
    needs unshare ip python3 journalctl
    grep -q ' cgroup2 ' /proc/self/mounts || skip_all "needs a mounted cgroup2 file system"
    [ -x /lib/systemd/systemd-journald ] || skip_all "needs systemd-journald"
    JOURNAL_BOX=1 JOURNAL_STORAGE=$1 JOURNAL_CONF="${*:2}" exec "$LIB/journal-box" bash "$(readlink -f "$0")"
}

configure() { printf '%s\n' '[Sources]' Journal=yes "$@" >"$WORK/authrelay.conf"; }

# A server of this unit, which writes what it is told to.
declare -A SENDER_INPUT=() SENDER_OUTPUT=()
sender() { # UNIT
    local input output n=${#SENDER_INPUT[@]}
    mkfifo "$WORK/sender-$n.in" "$WORK/sender-$n.out"
    as-unit "$1" "$LIB/journal-sender" <"$WORK/sender-$n.in" >"$WORK/sender-$n.out" &
    at_exit "kill $!"
    exec {input}>"$WORK/sender-$n.in" {output}<"$WORK/sender-$n.out"
    SENDER_INPUT[$1]=$input SENDER_OUTPUT[$1]=$output
}
tell() { # UNIT COMMAND...: done when journald has it in a file
    local answer
    echo "${*:2}" >&"${SENDER_INPUT[$1]}"
    read -r -t 60 answer <&"${SENDER_OUTPUT[$1]}" && [ "$answer" = "done" ] && journalctl --sync
}

# Logins of Dovecot, each of somebody else. WRITTEN counts them, LOST those that a test has made away with.
WRITTEN=0 FIRST=0 LOST=0
logins() { # COUNT
    must tell dovecot.service login "$FIRST" "$1"
    must "$LIB/journal-sender" --addresses "$FIRST" "$1" >>"$WORK/written"
    FIRST=$((FIRST + $1)) WRITTEN=$((WRITTEN + $1))
}
# The last COUNT of them are not to be waited for.
are_lost() { # COUNT
    head -n -"$1" "$WORK/written" >"$WORK/kept"
    mv "$WORK/kept" "$WORK/written"
    LOST=$((LOST + $1))
}
granted() { ctl list --json | python3 "$LIB/json-get" --column address | sort; }
# Each of them, and nobody else.
is_complete() { cmp -s <(granted) <(sort "$WORK/written"); }
all_granted() { # DESCRIPTION
    ok "$1" wait_until 60 is_complete || diag "$(diff <(granted) <(sort "$WORK/written") | head -n 20)"
}

# What the source has delivered since the daemon was started.
records() { ctl status --json | python3 "$LIB/json-get" --where name=journal records; }
said() { grep -cF "$1" "$WORK/daemon.log"; }
has_said() { grep -qF "$1" "$WORK/daemon.log"; }
journal_is_ok() { [ "$(ctl status --json | python3 -c 'import json, sys
print(*[s["state"] for s in json.load(sys.stdin)["sources"] if s["name"] == "journal"])')" = ok ]; }
lives() { kill -0 "$DAEMON" && ctl status; }

files() { echo "/var/log/journal/$(cat /etc/machine-id)/"; } # where they are
rotate() { journalctl --rotate >/dev/null 2>&1; }
vacuum() { rotate && journalctl --vacuum-files=1 >/dev/null 2>&1; } # all but what is written from now on
journald_start() {
    # it goes by RUNTIME_DIRECTORY, too
    env -i /lib/systemd/systemd-journald 2>>/run/journald.err &
    echo $! >/run/journald.pid
    wait_until 30 journalctl --sync
}
journald_restart() {
    local pid
    pid=$(cat /run/journald.pid)
    kill -TERM "$pid"
    wait_until 30 is_gone "$pid" && journald_start
}
is_gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.*Z' "/proc/$1/status"; } # its parent may be busy
