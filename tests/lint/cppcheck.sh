#!/bin/bash
# cppcheck: warnings, performance and portability findings in src/. Leaks are left to the sanitizers and valgrind, because
# cppcheck does not know the cleanup attribute; the programs have one thread, so the plain libc functions are right.
# accept4(fd, NULL, NULL) is right as well, whatever its library file says.
. "$(dirname "$0")/../lib/tap.sh"
needs cppcheck
cd "$SOURCE" || bail "no $SOURCE"

check() {
    cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -j "$(nproc)" --force \
        --enable=warning,performance,portability -Isrc -D_GNU_SOURCE -DVERSION='""' \
        --suppress=missingInclude --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=memleak --suppress=resourceLeak \
        --suppress=nullPointer:src/loop/acceptor.c --suppress=getpwnamCalled --suppress=getpwuidCalled --suppress=getgrnamCalled --suppress=readdirCalled --suppress=localtimeCalled --suppress=normalCheckLevelMaxBranches \
        --library=posix --library=gnu --template='{file}:{line}: {severity}: {message} [{id}]' src
}
plan 1
[ "$(find src -name '*.c' | wc -l)" -gt 10 ] || bail "no sources"
ok "src/" check
