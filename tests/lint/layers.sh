#!/bin/bash
# layers: the rooms of src/ include only what lies below them, and each library's header is named in one place.
# Leaf rooms (basic model cdb state) are for all; a room never includes a sibling; programs include rooms.
. "$(dirname "$0")/../lib/tap.sh"
cd "$SOURCE/src" || bail "no src/"

LEAVES="basic model cdb state"
LOOP=loop # what runs on the event loop and belongs to no room: for those that have sockets or children
ROOMS="source match grant publish control"
PROGRAMS="daemon ctl chain"

# "FILE INCLUDED-ROOM" for each include of a project header
includes() { grep -rnoE '^ *# *include +"[^"]+/' --include='*.[ch]' "$@" | sed -E 's|:[0-9]+: *# *include +"([^/]*)/|  \1|'; }

others() { # what files of ROOM include beyond the ROOMS named
    local room=$1 allowed=" $1 $2 "
    [ -d "$room" ] || return 0
    includes "$room" | awk -v allowed="$allowed" 'index(allowed, " " $2 " ") == 0'
}

# Who may name a library's header: HEADER FILE...
confined() {
    local header=$1
    shift
    grep -rlE "^ *# *include +<$header>" --include='*.[ch]' . | sed 's|^\./||' | grep -vxF "$(printf '%s\n' "$@")"
}

# exit() and abort(), outside comments and programs; _exit() is how a forked child ends
endings() {
    find . -name '*.c' | grep -vE "^\./(${PROGRAMS// /|})/" |
        xargs grep -nE '\b(exit|abort) *\(' | grep -vE '^[^:]*:[0-9]+: *(/?\*|//)'
}

# Inside programs everything but another program may be used.
plan 22
is "the rooms are the known ones" "$(find . -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | paste -sd' ')" \
    "$(tr ' ' '\n' <<<"$LEAVES $LOOP $ROOMS $PROGRAMS" | sort | paste -sd' ')"
is "there is something to check" "$(($(includes . | wc -l) > 20))" 1
is "basic includes nothing" "$(others basic '')" ""
for room in model cdb state; do is "$room includes leaf rooms only" "$(others $room "$LEAVES")" ""; done
is "loop includes basic only" "$(others loop basic)" ""
for room in match grant; do is "$room includes leaf rooms only" "$(others $room "$LEAVES")" ""; done
for room in source control publish; do is "$room includes leaf rooms and loop only" "$(others $room "$LEAVES $LOOP")" ""; done
for room in $PROGRAMS; do is "$room includes no other program" "$(others "$room" "$LEAVES $LOOP $ROOMS")" ""; done
is "chain includes little, as it is run at each connection" "$(others chain "basic model cdb")" ""
is "no header is reached by ../" "$(grep -rn 'include *"\.\./' --include='*.[ch]' .)" ""
is "pcre2.h stands in one file" "$(confined 'pcre2\.h' match/regex.c)" ""
is "cdb.h stands in one file" "$(confined 'cdb\.h' cdb/cdb-file.c)" ""
is "sd-journal.h stands in two files" "$(confined 'systemd/sd-journal\.h' source/journal-reader.h publish/event-log.c)" ""
is "relaylock and its like need neither systemd nor PCRE2" \
    "$(grep -rnE 'include +<(systemd/|pcre2)' --include='*.[ch]' basic model cdb chain)" ""
is "only programs end the process" "$(endings)" ""
