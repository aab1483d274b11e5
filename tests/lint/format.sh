#!/bin/bash
# format: text files end in a newline and hold no tabs, trailing blanks or overlong lines where .editorconfig forbids them;
# .clang-format's opinion is asked for by hand (git clang-format), since it cannot be told apart from taste.
. "$(dirname "$0")/../lib/tap.sh"
cd "$SOURCE" || bail "no $SOURCE"

sources() { find src tests tools -type f \( -name '*.[ch]' -o -name '*.sh' -o -name meson.build \) -not -path '*/corpus/*' -not -path '*/golden/*'; }
mapfile -t FILES < <(sources)
[ ${#FILES[@]} -gt 10 ] || bail "nothing to check"
plan 4
is "no tabs" "$(grep -nP '\t' "${FILES[@]}" | head)" ""
is "no trailing blanks" "$(grep -nE ' +$' "${FILES[@]}" | head)" ""
is "no line over 109 columns in C" "$(find src -name '*.[ch]' -exec grep -HnE '^.{110}' {} + | head)" ""
is "every file ends in a newline" "$(for f in "${FILES[@]}"; do [ -z "$(tail -c 1 "$f")" ] || echo "$f"; done)" ""
