#!/bin/bash
# cppcheck: warnings, performance and portability findings in src/, with what is known to be wrong left out by name.
. "$(dirname "$0")/../lib/tap.sh"
needs cppcheck
cd "$SOURCE" || bail "no $SOURCE"

check() {
    cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -j "$(nproc)" --force \
        --enable=warning,performance,portability -Isrc -D_GNU_SOURCE -DVERSION='""' \
        --suppress=missingInclude --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=normalCheckLevelMaxBranches \
        --library=posix --library=gnu --template='{file}:{line}: {severity}: {message} [{id}]' src
}
plan 1
[ "$(find src -name '*.c' | wc -l)" -gt 10 ] || bail "no sources"
ok "src/" check
