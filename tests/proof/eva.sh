#!/bin/bash
# eva: text that becomes numbers, addresses and networks, and PROXY headers of version 2, by Frama-C's Eva: whatever the
# bytes are, no access outside of an object or to what was never written, no overflow of a signed number, no invalid shift,
# and no function of the C library called as it must not be. And that Eva does raise an alarm when a bound is left out.
# Not gone through yet: the line of version 1, and the reader of the published files.
. "$(dirname "$0")/../lib/tap.sh"
needs frama-c
PROOF=$(realpath "$(dirname "$0")")
WORK=$(mktemp -d "${TMPDIR:-/tmp}/authrelay-eva.XXXXXX")
at_exit "rm -rf '$WORK'"
cp -r "$SOURCE/src" "$WORK/src" && cd "$WORK" || bail "no $WORK"

# What a harness consists of beside itself, and how finely the analyser is to look: by how many states at one place, and
# for which functions each result (or one against all others) is a state of its own.
declare -A FILES=(
    [ip-addr]="$PROOF/parse-u64.c $PROOF/libc.c src/model/ip-addr.c"
    [parse-util]="src/basic/parse-util.c"
    [proxy-header]="$PROOF/parse-u64.c $PROOF/libc.c"
)
declare -A OPTIONS=(
    [ip-addr]="-eva-slevel-function ip_network_of:0 -eva-split-return-function split_memchr:full,inet_ntop:full,ip_addr_format:full,inet_pton:1,parse_u64:0,ip_addr_parse:0,parse_netmask:0,parse_octets:0,ip_network_parse:0"
    [parse-util]="-eva-split-return-function parse_u64:0"
    [proxy-header]="-eva-slevel-function crc32c_add:0,parse:0,parse_each_family:0
        -eva-split-return-function take_tlv:0,parse_tlvs:0,parse_block:0,parse_v2:0"
)

analyse() { # HARNESS [MACRO...]: leaves a log; fails if the analysis did not end
    local harness=$1 macros
    shift
    macros=$(printf ' -D%s' "$@")
    # shellcheck disable=SC2086 # lists of words
    frama-c -machdep gcc_x86_64 -cpp-extra-args="-Isrc -I$PROOF -D_GNU_SOURCE -include $PROOF/before.h$macros" \
        -eva -eva-slevel 500 -eva-auto-loop-unroll 16 -eva-no-alloc-returns-null -eva-alloc-builtin fresh \
        -eva-msg-key=-final-states,-initial-state \
        -kernel-warn-key typing:implicit-function-declaration=abort,annot:missing-spec=abort ${OPTIONS[$harness]} \
        "$PROOF/$harness.c" ${FILES[$harness]} >log 2>&1 && grep -q 'ANALYSIS SUMMARY' log
}
alarms() { grep -c '^\[eva:alarm\]' log; }
reached() { sed -n 's/.*statements reached (out of [0-9]*): \([0-9]*\)% coverage.*/\1/p' log; }

proven() { # DESCRIPTION PERCENT HARNESS [MACRO...]: no alarm, and not because nothing was reached
    local what=$1 percent=$2 start=$SECONDS
    shift 2
    analyse "$@" || { result 1 "$what: $(tail -n 5 log)"; return; }
    is "$what: no alarm" "$(grep -A 3 '^\[eva:alarm\]' log)" ""
    ok "$what: $(reached) % of the statements reached, $((SECONDS - start)) s" [ "$(reached)" -ge "$percent" ]
}

found() { # DESCRIPTION FILE SED-EXPRESSION HARNESS [MACRO...]: with one bound left out
    local what=$1 file=$2 expression=$3
    shift 3
    sed -i.whole "$expression" "$file"
    cmp -s "$file" "$file.whole" && bail "nothing is left out of $file by $expression"
    analyse "$@" || bail "no analysis: $(tail -n 5 log)"
    ok "$what: found" [ "$(alarms)" -gt 0 ]
    mv "$file.whole" "$file"
}

plan 11
proven "numbers of up to 40 bytes" 99 parse-util TEXT_MIN=0 TEXT_MAX=40
found "a number read one byte too far" src/basic/parse-util.c 's/i < s\.size; i++/i <= s.size; i++/' \
    parse-util TEXT_MIN=3 TEXT_MAX=3
# An address has 45 bytes at most; a network may be longer, but of no more parts.
proven "addresses and networks of up to 47 bytes" 95 ip-addr TEXT_MIN=0 TEXT_MAX=47
found "an address without room for its NUL" src/model/ip-addr.c 's/s\.size >= sizeof(text)/s.size > sizeof(text)/' \
    ip-addr TEXT_MIN=46 TEXT_MAX=46
found "a network one bit too long" src/model/ip-addr.c 's/v4 ? 32 : 128, &length/v4 ? 33 : 129, \&length/' \
    ip-addr TEXT_MIN=8 TEXT_MAX=8
proven "PROXY headers of version 2 of up to 65551 bytes" 100 proxy-header SIZE_MIN=0 SIZE_MAX_EACH=250
found "a field that ends behind the header" src/chain/proxy-header.c 's/if (behind > end)/if (behind > end + 1)/' \
    proxy-header SIZE_MIN=40 SIZE_MAX_EACH=40
found "addresses that are cut off" src/chain/proxy-header.c 's/if (block\.size < all)/if (block.size + 1 < all)/' \
    proxy-header SIZE_MIN=27 SIZE_MAX_EACH=27
