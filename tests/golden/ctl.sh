#!/bin/bash
# ctl: how authrelayctl is used wrongly, and what it says without a daemon.
. "$(dirname "$0")/../lib/tap.sh"
CTL=$(realpath "$1")
WORK=$(mktemp -d "${TMPDIR:-/tmp}/authrelay-ctl.XXXXXX") || bail "no directory"
at_exit "rm -rf '$WORK'"
export RUNTIME_DIRECTORY=$WORK

status_of() { "$CTL" "$@" >/dev/null 2>&1; echo $?; }
# shellcheck disable=SC2069 # standard error only
said() { "$CTL" "$@" 2>&1 >/dev/null; }

plan 27
is "--help" "$(status_of --help)" 0
is "--version" "$("$CTL" --version | grep -c '^authrelayctl [0-9]')" 1
is "an unknown verb" "$(status_of frobnicate)" 2
is "an unknown option" "$(status_of --frobnicate)" 2
is "check without an address" "$(status_of check)" 2
is "check with two" "$(status_of check 192.0.2.1 192.0.2.2)" 2
for a in . ../x 999999.1..2 '' 192.0.2.7/32 192.0.2.07 fe80::1%eth0; do
    is "check of \"$a\"" "$(status_of check "$a")" 2
done
is "an option of another verb" "$(said list --block)" "authrelayctl: --block is not for list"
is "a life that is none" "$(status_of grant 192.0.2.7 --ttl=soon)" 2
is "revoke of nobody" "$(status_of revoke)" 2
is "revoke of everybody and somebody" "$(status_of revoke --all 192.0.2.7)" 2
is "--block alone" "$(status_of revoke --block 192.0.2.7)" 2
is "--summary and --all" "$(status_of explain --summary --all)" 2
is "no daemon" "$(said status)" \
    "authrelayctl: cannot connect to $WORK/control: No such file or directory; is authrelayd running?"
is "and its exit status" "$(status_of list)" 1
is "nothing published" "$("$CTL" check 192.0.2.7)" \
    "192.0.2.7 may not relay: the delta cannot be opened: No such file or directory."
is "as JSON" "$("$CTL" --json check ::ffff:192.0.2.7)" \
    '{"address":"192.0.2.7","relay":false,"result":"doubt","network":null,"until":null,"how":null,"user":null,"reason":"the delta cannot be opened"}'
is "nothing to dump" "$(status_of dump)" 1
echo nonsense >"$WORK/relay.cdb"
is "nonsense to dump" "$(status_of dump)" 1
is "no patterns" "$(status_of patterns --patterns="$WORK")" 1
is "no such pattern" "$("$CTL" patterns --patterns="$SOURCE/patterns" nosuch 2>&1)" "authrelayctl: no pattern nosuch"
