/* SPDX-License-Identifier: Apache-2.0 */
/* What published files say: values of records, users and headers, every text of up to the longest, in a
 * buffer of the longest's size and, of SIZE_MIN to SIZE_MAX_EACH bytes, in one of just its own. And that
 * what is taken for HOW lies in the text, wherever that begins. */

#include "model/relay-entry.c"

#include "any.h"

static void parse_header(size_t size, size_t room) {
        char *text = malloc(room);
        RelayHeader header;

        any_bytes(text, room);
        if (relay_header_parse(span_make(text, size), &header) >= 0) {
                read_bytes(&header.lengths, sizeof(header.lengths));
                //@ check header.generation <= RELAY_GENERATION_MAX && header.ttl <= RELAY_TTL_MAX;
                //@ check header.written <= RELAY_WRITTEN_MAX;
        }
        free(text);
}

static void parse_value(size_t size, size_t room) {
        char *text = malloc(room);
        RelayEntry entry = {.how = SPAN_NONE};

        any_bytes(text, room);
        if (relay_value_parse(span_make(text, size), &entry) >= 0) {
                //@ check 0 <= entry.verdict < _RELAY_VERDICT_MAX;
                //@ check 1 <= entry.how.size <= RELAY_HOW_MAX_BYTES;
        }
        free(text);
}

static void decode_user(size_t size, size_t room) {
        char user[RELAY_USER_MAX_BYTES], *text = malloc(room);
        int n;

        any_bytes(text, room);
        n = relay_user_decode(span_make(text, size), user);
        //@ check n <= RELAY_USER_MAX_BYTES;
        free(text);
}

/* From the earliest position on at which it can begin to the latest. */
static void parse_how(void) {
        char text[RELAY_VALUE_BYTES];

        any_bytes(text, sizeof(text));
        //@ loop unroll 32;
        for (size_t start = 0; start < 32; start++) {
                Reading r = {{text, any_number(start, sizeof(text))}, start};
                Span how;

                if (take_how(&r, &how))
                        read_bytes(how.data, how.size);
        }
}

int main(void) {
        parse_header(any_number(0, RELAY_HEADER_BYTES), RELAY_HEADER_BYTES);
        parse_value(any_number(0, RELAY_VALUE_BYTES), RELAY_VALUE_BYTES);
        decode_user(any_number(0, RELAY_USER_ENCODED_BYTES), RELAY_USER_ENCODED_BYTES);
        parse_how();
        //@ loop unroll SIZE_MAX_EACH + 1;
        for (size_t size = SIZE_MIN; size <= SIZE_MAX_EACH; size++) {
                parse_header(size, size);
                parse_value(size, size);
                decode_user(size, size);
        }
        return 0;
}
