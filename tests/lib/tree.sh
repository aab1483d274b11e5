# shellcheck shell=bash
# tree.sh: the daemon straight from the build tree, as whoever runs the tests, in a directory of its own:
# for the e2e tests that need neither root nor systemd. Source tap.sh first; daemon_new; daemon_start; ...
WORK='' DAEMON='' LOG=''

daemon_new() { # [LINE-OF-CONFIGURATION...]
    local program
    for program in authrelayd authrelayctl relaylock; do
        [ -x "$BIN/$program" ] || bail "not built: $BIN/$program"
    done
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/authrelay-e2e.XXXXXX")
    at_exit "rm -rf '$WORK'"
    mkdir "$WORK/run" "$WORK/state"
    LOG=$WORK/mail.log
    : >"$LOG"
    configure "$@"
    export RUNTIME_DIRECTORY=$WORK/run STATE_DIRECTORY=$WORK/state
    diagnose_with daemon_diagnose
    at_exit 'kill -KILL $DAEMON'
}

configure() { printf '%s\n' '[Sources]' Journal=no "File=$LOG" "$@" >"$WORK/authrelay.conf"; }

# Started means: it has published its table and answers.
daemon_start() {
    "$BIN/authrelayd" --config="$WORK/authrelay.conf" --patterns="$SOURCE/patterns" >>"$WORK/daemon.log" 2>&1 &
    DAEMON=$!
    wait_until 60 ctl status || bail "the daemon does not answer"
}

# A leak or a crash at the end shows in the exit status.
daemon_stop() {
    local rc=0
    kill -TERM "$DAEMON"
    wait "$DAEMON" || rc=$?
    DAEMON=
    return $rc
}

daemon_kill() { # without the shell's remark that it was killed
    kill -KILL "$DAEMON"
    wait "$DAEMON" 2>/dev/null
    DAEMON=
}

ctl() { "$BIN/authrelayctl" "$@"; }
may_relay() { ctl check "$1" >/dev/null 2>&1; }
grants() { ctl list --json | python3 "$LIB/json-get" --column address | sort | paste -sd' '; }
status_number() { ctl status --json | python3 "$LIB/json-get" "$1"; }
relays() { [ "$(TCPREMOTEIP=$1 "$BIN/relaylock" -f "$WORK/run/relay.cdb" sh -c 'echo ${RELAYCLIENT+yes}')" = yes ]; }

log_line() { printf '%s mx %s\n' "$(date '+%b %e %H:%M:%S')" "$1" >>"$LOG"; }
dovecot_line() { # ADDRESS [USER]
    echo "imap-login: Login: user=<${2:-alice}>, method=PLAIN, rip=$1, lip=203.0.113.1, mpid=4711, TLS, session=<$RANDOM$RANDOM/AAAB>"
}
write_login() { log_line "dovecot: $(dovecot_line "$@")"; } # ADDRESS [USER]

daemon_diagnose() {
    echo "--- the daemon said"
    tail -n 40 "$WORK/daemon.log"
    echo "--- the log"
    tail -n 10 "$LOG"
    echo "--- status"
    timeout 5 "$BIN/authrelayctl" status
}
