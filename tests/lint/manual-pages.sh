#!/bin/bash
# manual-pages: mandoc finds nothing to warn of, and every program and file format has its page.
. "$(dirname "$0")/../lib/tap.sh"
needs mandoc
cd "$SOURCE/man" || bail "no man/"

PAGES="authrelayd.8 authrelayctl.1 relaylock.1 authrelay.cdb.5 authrelay.conf.5 authrelay.pattern.5"
mapfile -t FILES < <(find . -name '*.[1-9]' -printf '%f\n' | sort)
plan $((${#FILES[@]} + 1))
is "the expected pages are there" "$(for p in $PAGES; do [ -f "$p" ] || echo "$p"; done)" ""
# mandoc cannot know pages of this project that are not installed
lint() { mandoc -Tlint -W warning "$1" | grep -vE 'WARNING: .*cross reference|referenced manual not found' | diff /dev/null -; }
for f in "${FILES[@]}"; do ok "$f" lint "$f"; done
