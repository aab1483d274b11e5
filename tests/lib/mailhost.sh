# shellcheck shell=bash
# mailhost.sh: a whole mail host in a box for the e2e tests: real systemd, a real Dovecot or Courier, authrelay
# installed the way `meson install` does it, and clients with addresses of their own in another network namespace.
# Source tap.sh first. mailhost_new; change files below $SEED; mailhost_boot; then in_box, ctl, client, ...
BOX=$(basename "$0" .sh)-$$
WORK=
SEED=
SERVER4=203.0.113.1 SERVER6=2001:db8::1

mailhost_new() { # GROUP
    needs_root
    needs mmdebstrap nsenter unshare ip python3
    [ -x "$BIN/authrelayd" ] || bail "not built: $BIN/authrelayd"
    grep -q ' cgroup2 ' /proc/self/mounts || skip_all "needs a mounted cgroup2 file system"
    GROUP=$1
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/authrelay-e2e.XXXXXX")
    at_exit "rm -rf '$WORK'"
    export BOX_DIR=$WORK/box BOX_SEED=$WORK/seed
    SEED=$BOX_SEED
    mkdir -p "$SEED"
    must "$LIB/root" path "$GROUP" ${AUTHRELAY_TEST_SUITE:+"$AUTHRELAY_TEST_SUITE"} >"$WORK/tree"
    DESTDIR=$SEED must meson install -C "$BUILD" --no-rebuild --quiet
    if [ -x "$(cat "$WORK/tree")/usr/sbin/dovecot" ]; then dovecot_files; fi
}

# Two users with a password, plain text allowed, syslog as Debian has it.
dovecot_files() {
    mkdir -p "$SEED/etc/dovecot" "$SEED/srv/mail"
    dovecot_conf >"$SEED/etc/dovecot/dovecot.conf"
    printf '%s\n' 'alice:{plain}secret' 'bob:{plain}secret' >"$SEED/etc/dovecot/users"
    chmod 644 "$SEED/etc/dovecot/users"
    chown -R 8:8 "$SEED/srv/mail" # Debian's mail:mail
}

dovecot_conf() {
    if grep -q '^Version: 1:2\.4' <(dpkg-query --admindir="$(cat "$WORK/tree")/var/lib/dpkg" -s dovecot-core); then
        dovecot_2_4
    else
        dovecot_2_3
    fi
}

dovecot_2_3() {
    cat <<'CONF'
protocols = imap pop3
listen = *, ::
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
mail_location = maildir:/srv/mail/%u
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = scheme=plain /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/srv/mail/%u
}
CONF
}

dovecot_2_4() {
    cat <<'CONF'
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = imap pop3
listen = *, ::
ssl = no
auth_allow_cleartext = yes
auth_failure_delay = 0
mail_driver = maildir
mail_path = /srv/mail/%{user}
first_valid_uid = 1
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
userdb static {
  fields {
    uid = mail
    gid = mail
    home = /srv/mail/%{user}
  }
}
CONF
}

mailhost_boot() { # [LINE-OF-CONFIGURATION...]
    if [ $# -gt 0 ]; then
        mkdir -p "$SEED/etc/authrelay/authrelay.conf.d"
        printf '%s\n' "$@" >"$SEED/etc/authrelay/authrelay.conf.d/50-test.conf"
    fi
    at_exit "'$LIB/box' stop '$BOX'"
    must "$LIB/box" start "$BOX" "$(cat "$WORK/tree")"
    diagnose_with mailhost_diagnose
    BOX_PID=$("$LIB/box" pid "$BOX")
    export BOX_FILES=/proc/$BOX_PID/root # the box's files, seen from here
    network
    must in_box systemd-sysusers
    must in_box systemd-tmpfiles --create
    must in_box useradd -M -u 1001 -s /bin/sh mallory
}

# The network: the box at one end of a veth pair, all clients at the other.
network() {
    local address
    unshare --net sleep infinity &
    CLIENT_PID=$!
    at_exit "kill $CLIENT_PID"
    wait_until 60 other_namespace "$CLIENT_PID" || bail "no network namespace for the clients"
    must client ip link add client0 type veth peer name server0 netns "$BOX_PID"
    for address in 7 8 9 66; do must client ip address add "203.0.113.$address/24" dev client0; done
    must client ip -6 address add 2001:db8::7/64 dev client0 nodad
    must client ip -6 address add 2001:db8::8/64 dev client0 nodad
    must client ip link set client0 up
    must client ip link set lo up
    must in_box ip address add $SERVER4/24 dev server0
    must in_box ip -6 address add $SERVER6/64 dev server0 nodad
    must in_box ip link set server0 up
}

other_namespace() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

in_box() { "$LIB/box" exec "$BOX" "$@"; }
as_unit() { "$LIB/box" run "$BOX" "$@"; }
as_mallory() { in_box setpriv --reuid 1001 --regid 1001 --clear-groups "$@"; }
client() { nsenter --target "$CLIENT_PID" --net -- "$@"; }
ctl() { in_box authrelayctl "$@"; }
may_relay() { ctl check "$1" >/dev/null 2>&1; }
# A line of syslog has no fractions of a second: a login in the second of a revocation may have been before it.
forget() { must ctl revoke --all >/dev/null; sleep 1; }

server_for() { case $1 in *:*) echo $SERVER6 ;; *) echo $SERVER4 ;; esac; }

login() { # PROTOCOL ADDRESS [USER [PASSWORD]]
    client python3 "$LIB/mail-client" "$1" --from "$2" --to "$(server_for "$2")" "${3:-alice}" "${4:-secret}"
}

# A session that stands still at each step until it is told to go on: "connected" before the login, "in" after it.
declare -A SESSION_PID SESSION_INPUT
open_session() { # NAME PROTOCOL ADDRESS [USER [PASSWORD [MAIL-CLIENT-OPTION...]]]
    local name=$1 input
    mkfifo "$WORK/$name.step"
    # not client(): the pid has to be that of the program
    nsenter --target "$CLIENT_PID" --net -- python3 "$LIB/mail-client" "$2" --steps --from "$3" --to "$(server_for "$3")" \
        "${@:6}" "${4:-alice}" "${5:-secret}" <"$WORK/$name.step" >"$WORK/$name.state" 2>&1 &
    SESSION_PID[$name]=$!
    exec {input}>"$WORK/$name.step"
    SESSION_INPUT[$name]=$input
    at_exit "kill ${SESSION_PID[$name]}"
}
session_is() { [ "$(tail -n 1 "$WORK/$1.state")" = "$2" ]; } # NAME STEP
go_on() { echo >&"${SESSION_INPUT[$1]}"; }                    # NAME
end_session() { wait "${SESSION_PID[$1]}"; }                 # NAME: its exit status
kill_session() {                                             # NAME: the connection is closed without a word
    kill -KILL "${SESSION_PID[$1]}"
    end_session "$1" 2>/dev/null
}

# In a booted box with Courier: the user alice, a Maildir for her, and as many sessions at a time as a test wants.
courier_user() {
    must in_box sh -c '
        install -d -o mail -g mail /srv/mail
        sed -i "s/^authmodulelist=.*/authmodulelist=\"authuserdb\"/" /etc/courier/authdaemonrc
        rm -rf /etc/courier/userdb /etc/courier/userdb.d
        : >/etc/courier/userdb && chmod 700 /etc/courier/userdb
        userdb alice set uid=8 gid=8 home=/srv/mail mail=/srv/mail/Maildir
        echo secret | userdbpw -md5 | userdb alice set systempw
        makeuserdb
        for f in /etc/courier/imapd /etc/courier/pop3d; do
            [ ! -e $f ] || sed -i "s/^MAXPERIP=.*/MAXPERIP=1000/; s/^MAXDAEMONS=.*/MAXDAEMONS=1000/" $f
        done
        install -d -o courier -g courier -m 750 /run/courier/authdaemon
        setpriv --reuid 8 --regid 8 --clear-groups maildirmake /srv/mail/Maildir'
}

# A login from an address of its own, and a wrong password from another one. GRANTED is where the genuine ones came from.
GRANTED=()
tries() { # WHAT PATTERN PROTOCOL PORT [MAIL-CLIENT-OPTION...]
    local n=$((${#GRANTED[@]} + 1)) good bad address try
    good=203.0.113.$((100 + n)) bad=203.0.113.$((200 + n))
    for address in "$good" "$bad"; do must client ip address add "$address/24" dev client0; done
    must wait_until 30 port_is_open "$4"
    try=(client python3 "$LIB/mail-client" "$3" --to "$SERVER4" --port "$4" "${@:5}")
    ok "$1: a login" "${try[@]}" --from "$good" alice secret
    ok "$1: is granted" wait_until 60 may_relay "$good"
    is "$1: by the right pattern, to the right user" "$(grant_of "$good")" "$2 alice"
    ok "$1: a wrong password is refused" not "${try[@]}" --from "$bad" alice wrong
    GRANTED+=("$good")
}
port_is_open() { client python3 -c "import socket; socket.create_connection(('$SERVER4', $1), 2)"; }
grant_of() { # ADDRESS: "PATTERN USER"
    ctl list --json | python3 -c 'import json, sys
print(*[g["pattern"] + " " + str(g["user"]) for g in json.load(sys.stdin) if g["address"] == sys.argv[1]])' "$1"
}

start_authrelay() { must in_box systemctl enable --quiet --now authrelay; }

# One number of `authrelayctl status --json`, wherever it stands: the tests ask by name only.
status_number() { # NAME
    ctl status --json | python3 "$LIB/json-get" "$1"
}

grants() { ctl list --json | python3 "$LIB/json-get" --column address | sort | paste -sd' '; }

mailhost_diagnose() {
    echo "--- $BOX: units"
    in_box systemctl --no-pager --plain --no-legend --failed
    echo "--- authrelay"
    in_box journalctl --no-pager -o short-precise -n 60 -u authrelay
    echo "--- the mail servers"
    in_box journalctl --no-pager -o short-precise -n 20 -t dovecot -t pop3d -t imapd
    echo "--- status"
    ctl status
}
