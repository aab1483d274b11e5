#!/bin/bash
# links: what the Markdown pages link to within the project is there.
. "$(dirname "$0")/../lib/tap.sh"
cd "$SOURCE" || bail "no $SOURCE"

links() { # FILE: its relative links, without what stands behind '#'
    grep -oE '\]\([^)# ]+' "$1" | sed 's/^](//' | grep -vE '^[a-z]+:'
}
dead() { # FILE
    local link
    links "$1" | while read -r link; do [ -e "$(dirname "$1")/$link" ] || echo "$link"; done
}

mapfile -t FILES < <(find . -name .git -prune -o -name 'build*' -prune -o -name '*.md' -print | sort)
plan $((${#FILES[@]} + 1))
ok "there is something to check" test "$(links ./README.md | wc -l)" -gt 5
for f in "${FILES[@]}"; do is "$f" "$(dead "$f")" ""; done
