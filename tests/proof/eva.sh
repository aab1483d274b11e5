#!/bin/bash
# eva: text that becomes numbers, addresses and networks, PROXY headers, and the look-up in published files, by
# Frama-C's Eva: whatever the bytes are, no access outside of an object or to what was never written, no overflow of a
# signed number, no invalid shift, and no function of the C library called as it must not be. And that Eva does raise an
# alarm when a bound is left out. cdb_file_each() is not gone through: none but authrelayctl and the sandboxed daemon
# call it, and its buffer's two ends are related by a sum, which Eva does not follow.
. "$(dirname "$0")/../lib/tap.sh"
needs frama-c
PROOF=$(realpath "$(dirname "$0")")
WORK=$(mktemp -d "${TMPDIR:-/tmp}/authrelay-eva.XXXXXX")
at_exit "rm -rf '$WORK'"
cp -r "$SOURCE/src" "$WORK/src" && cd "$WORK" || bail "no $WORK"

# What a harness consists of beside itself, and how finely the analyser is to look: by how many states at one place, and
# for which functions each result (or one against all others) is a state of its own.
declare -A FILES=(
    [cdb-file]=""
    [ip-addr]="$PROOF/parse-u64.c $PROOF/libc.c src/model/ip-addr.c"
    [parse-util]="src/basic/parse-util.c"
    [proxy-header]="$PROOF/parse-u64.c $PROOF/libc.c"
    [relay-entry]="$PROOF/libc.c"
    [relay-lookup]=""
)
declare -A OPTIONS=(
    [cdb-file]="-eva-auto-loop-unroll 0 -eva-slevel-function cdb_file_find:0,check_tables:0
        -eva-split-return-function read_at:0,any_stat:0,any_result:full,any_read:full,cdb_file_open:0,read_record:1"
    [ip-addr]="-eva-slevel-function ip_network_of:0 -eva-split-return-function split_memchr:full,inet_ntop:full,ip_addr_format:full,inet_pton:1,parse_u64:0,ip_addr_parse:0,parse_netmask:0,parse_octets:0,ip_network_parse:0"
    [parse-util]="-eva-split-return-function parse_u64:0"
    [proxy-header]="-eva-slevel-function crc32c_add:0,parse:0,split_words:40,find_byte:150
        -eva-split-return-function take_tlv:0,parse_tlvs:0,parse_block:0,parse_v2:0,parse_v1:0,ip_addr_parse:0,parse_u64:0"
    [relay-entry]="-eva-slevel-function take:10,take_number:0,take_length:50,take_lengths:0,take_user:0,take_how:300,parse_how:200,relay_value_parse:50,relay_header_parse:50
        -eva-split-return-function take:0,take_text:0,take_number:0,take_lengths:0,take_how:0,take_verdict:0,relay_value_parse:0,relay_header_parse:0"
    [relay-lookup]="-eva-auto-loop-unroll 0 -eva-slevel-function relay_lookup:0
        -eva-split-return-function open_one:full,open_pair:full,judge:full,read_entry:0:1,relay_header_parse:full,cdb_file_find:1,relay_value_parse:0,relay_user_decode:-74"
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

plan 24
proven "numbers of up to 40 bytes" 99 parse-util TEXT_MIN=0 TEXT_MAX=40
found "a number read one byte too far" src/basic/parse-util.c 's/i < s\.size; i++/i <= s.size; i++/' \
    parse-util TEXT_MIN=3 TEXT_MAX=3
proven "addresses and networks of up to 64 bytes" 95 ip-addr TEXT_MIN=0 TEXT_MAX=64
found "an address without room for its NUL" src/model/ip-addr.c 's/s\.size >= sizeof(text)/s.size > sizeof(text)/' \
    ip-addr TEXT_MIN=46 TEXT_MAX=46
found "a network one bit too long" src/model/ip-addr.c 's/v4 ? 32 : 128, &length/v4 ? 33 : 129, \&length/' \
    ip-addr TEXT_MIN=8 TEXT_MAX=8
proven "PROXY headers of up to 65551 bytes" 99 proxy-header SIZE_MIN=0 SIZE_MAX_EACH=108
found "a field that ends behind the header" src/chain/proxy-header.c 's/if (behind > end)/if (behind > end + 1)/' \
    proxy-header SIZE_MIN=40 SIZE_MAX_EACH=40
found "a line whose end is missing" src/chain/proxy-header.c 's/if (end + 1 >= size)/if (end >= size)/' \
    proxy-header SIZE_MIN=20 SIZE_MAX_EACH=20
found "a word without room" src/chain/proxy-header.c 's/if (size < V1_MAX_BYTES)/if (size <= V1_MAX_BYTES)/' \
    proxy-header SIZE_MIN=110 SIZE_MAX_EACH=110
found "addresses that are cut off" src/chain/proxy-header.c 's/if (block\.size < all)/if (block.size + 1 < all)/' \
    proxy-header SIZE_MIN=27 SIZE_MAX_EACH=27
proven "records of up to 869 bytes and headers of up to 1280" 99 relay-entry SIZE_MIN=0 SIZE_MAX_EACH=30
found "a value read one byte too far" src/model/relay-entry.c 's/r->at >= r->text\.size || r->text/r->at > r->text.size || r->text/' \
    relay-entry SIZE_MIN=5 SIZE_MAX_EACH=5
found "a user without room" src/model/relay-entry.c 's/n == RELAY_USER_MAX_BYTES/n > RELAY_USER_MAX_BYTES/' \
    relay-entry SIZE_MIN=5 SIZE_MAX_EACH=5
proven "a look-up in a constant database of any bytes" 95 cdb-file KEY_MAX_EACH=12 ROOM=20
found "a value without room" src/cdb/cdb-file.c 's/value_size > value_max)/value_size > value_max + 1)/' \
    cdb-file KEY_MAX_EACH=1 ROOM=20
found "one slot too many" src/cdb/cdb-file.c 's/n = MIN(n, (uint32_t) PROBES_AT_ONCE)/n = MIN(n, (uint32_t) PROBES_AT_ONCE + 1)/' \
    cdb-file KEY_MAX_EACH=1 ROOM=20
proven "a look-up in a base and a delta that say anything" 95 relay-lookup EACH
found "a prefix longer than an address" src/cdb/relay-lookup.c 's/int length = 128;/int length = 129;/' relay-lookup EACH
