#!/bin/bash
# manual-pages: mandoc finds nothing to warn of, and every program and file format has its page.
. "$(dirname "$0")/../lib/tap.sh"
needs mandoc
cd "$SOURCE/man" || bail "no man/"

PAGES="authrelayd.8 authrelayctl.1 relaylock.1 relaylogin.1 relaypeer.1 authrelay.cdb.5 authrelay.conf.5 authrelay.pattern.5"
mapfile -t FILES < <(find . -name '*.[1-9]' -printf '%f\n' | sort)
plan $((${#FILES[@]} + 1))
is "the expected pages are there" "$(for p in $PAGES; do [ -f "$p" ] || echo "$p"; done)" ""
for f in "${FILES[@]}"; do ok "$f" mandoc -Tlint -W warning "$f"; done
