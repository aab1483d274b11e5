#!/bin/bash
# Runs shellcheck on every shell script of the tree, found by its first line, and the files that they source.
. "$(dirname "$0")/../lib/tap.sh"
needs shellcheck
cd "$SOURCE" || bail "no $SOURCE"

scripts() {
    find . -name .git -prune -o -name 'build*' -prune -o -type f -print |
        while read -r f; do
            read -r line <"$f" 2>/dev/null
            case $line in '#!'*/sh* | '#!'*/bash* | '#!'*'env bash'* | '# shellcheck shell='*) echo "$f" ;; esac
        done 2>/dev/null | sort
}

mapfile -t FILES < <(scripts)
plan ${#FILES[@]}
for f in "${FILES[@]}"; do ok "$f" shellcheck "$f"; done
