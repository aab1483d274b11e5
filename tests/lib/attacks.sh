# shellcheck shell=bash
# attacks.sh: hostile text against real servers in a booted box, with one authrelayd that reads the journal and one that reads
# the files which rsyslog and the servers write. Source mailhost.sh first; attacks_files before the boot, attacks_start after it.
# What is claimed in the texts is 6.6.6.6, they come from 203.0.113.66, genuine logins under hostile names from 203.0.113.9.
# SEED and SERVER4 are mailhost.sh's; addresses have no blanks
# shellcheck disable=SC2153,SC2086,SC2206
EVIL=6.6.6.6 ATTACKER=203.0.113.66 STRANGER=203.0.113.9
COUNT=${AUTHRELAY_LONG:+2000} # texts for each field of each server
COUNT=${COUNT:-120}
FILED_RUN=/run/authrelay-file
declare -A TRIED
JOURNAL_ONLY='imapproxy nginx-mail courier-pop3' # patterns
SEEN=()  # addresses that the daemon on the journal must have granted
FILED=() # and the one on the files

attacks_files() { # FILE-LINE... ("/path pattern")
    mkdir -p "$SEED/etc/authrelay" "$SEED/etc/rsyslog.d"
    { echo '[Sources]'; echo Journal=no; printf 'File=%s\n' /var/log/syslog "$@"
        echo '[Patterns]'; echo "Enable=${ENABLE:-}"; echo '[Grants]'; echo "ManyUsers=$STRANGER"; } >"$SEED/etc/authrelay/file.conf"
}
attacks_start() {
    must wait_until 60 eval 'in_box logger -p mail.info -t test hello; in_box grep -q hello /var/log/syslog'
    start_authrelay
    must in_box systemd-run -q --unit=authrelay-file --uid=authrelay -p SupplementaryGroups=adm -p RuntimeDirectory=authrelay-file \
        -p StateDirectory=authrelay-file -p LimitNOFILE=1024 /usr/bin/env -u NOTIFY_SOCKET authrelayd --config=/etc/authrelay/file.conf
    must wait_until 60 in_box test -s $FILED_RUN/relay.cdb
}
file_ctl() { in_box env RUNTIME_DIRECTORY=$FILED_RUN authrelayctl "$@"; }
file_may_relay() { file_ctl check "$1" >/dev/null 2>&1; }
granted_in() { "$@" list --json | python3 "$LIB/json-get" --column address | sort | paste -sd' '; } # CTL
sorted() { printf '%s\n' "$@" | sort -u | paste -sd' '; }

is_journal_only() { case " $JOURNAL_ONLY " in *" $1 "*) return 0 ;; esac; return 1; }

texts() { # PATTERN
    [ -s "$WORK/texts.$1" ] || "$ATTACK_TEXTS" "$SOURCE/patterns" "$1" "$COUNT" >"$WORK/texts.$1" || return
    cat "$WORK/texts.$1"
}

# Writes all texts into one field, with a wrong password, or with a right one for whatever name.
attack() { # WHAT PATTERN PROTOCOL FIELD PORT [MAIL-ATTACKER-OPTION...]
    local sent accepted total from=$ATTACKER
    must texts "$2" >"$WORK/texts"
    case " $* " in *' --password '*) from=$STRANGER ;; esac
    read -r total sent accepted < <(client "$LIB/mail-attacker" "$3" "$4" --from $from --to $SERVER4 --port "$5" "${@:6}" <"$WORK/texts")
    is "$1: $4: all texts are sent" "$sent" "$total"
    if [ "$4" = anonymous ]; then
        ok "$1: $4: some are let in, whom nobody knows" test "$accepted" -ge 10
    elif [ $from = $ATTACKER ]; then
        is "$1: $4: none is a login" "$accepted" 0
    else
        ok "$1: $4: some are logins" test "$accepted" -ge 10
        SEEN+=($STRANGER)
        is_journal_only "$2" || FILED+=($STRANGER)
    fi
    TRIED[$1]=$((${TRIED[$1]:-0} + sent))
    diag "$1: $4: $sent tried, $accepted accepted, after $SECONDS s"
}

# After all that a genuine login is seen by both, and nothing else has been.
still_sees() { # WHAT PATTERN PROTOCOL PORT [MAIL-CLIENT-OPTION...]
    local good=203.0.113.$((100 + ${#TRIED[@]}))
    must client ip address add "$good/24" dev client0
    ok "$1: a genuine login after all that" client python3 "$LIB/mail-client" "$3" --to $SERVER4 --port "$4" --from $good "${@:5}" alice secret
    ok "$1: is granted" wait_until 60 may_relay $good
    is "$1: by the right pattern, to the right user" "$(grant_of $good)" "$2 alice"
    SEEN+=("$good")
    is "$1: from the journal nothing else is granted" "$(granted_in ctl)" "$(sorted "${SEEN[@]}")"
    if ! is_journal_only "$2"; then
        FILED+=("$good")
        ok "$1: out of the files it is granted, too" wait_until 60 file_may_relay $good
    fi
    is "$1: from the files nothing else is granted" "$(granted_in file_ctl)" "$(sorted "${FILED[@]}")"
    diag "$1: ${TRIED[$1]} attacks"
}

attacks_done() {
    local what sum=0
    for what in "${!TRIED[@]}"; do
        echo "# $what: ${TRIED[$what]} attacks"
        sum=$((sum + TRIED[$what]))
    done
    echo "# $sum attacks, each read from the journal and out of files"
    ok "the address that they claim has no relay right" not may_relay $EVIL
    ok "nor has where they came from" not may_relay $ATTACKER
    # a process may have ended before journald has looked at whose it was
    is "nothing was untrusted but where nobody knows the server" \
        "$(in_box journalctl --no-pager -q -o cat -u authrelay | grep 'not from the server' | grep -vF '_SYSTEMD_UNIT=(none)')" ""
}
