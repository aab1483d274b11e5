/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be imported: whatever a file holds, in whatever format it is said to be, what comes out of it
 * is an address or a network with nothing behind its length, and nothing is read behind the file's end. */

#include "ctl/import-parse.h"
#include "fuzz.h"

static int on_entry(void *userdata, const ImportEntry *e) {
        size_t *left = userdata;
        IpNetwork cut;

        MUST(e->kind == IMPORT_REFUSED || e->kind == IMPORT_NOTE ? e->reason != NULL : e->reason == NULL);
        MUST(e->line > 0);
        if (e->kind < IMPORT_NOTE) {
                cut = ip_network_of(&e->network.addr, e->network.length);
                MUST(e->network.length <= 128 && ip_network_equal(&cut, &e->network));
                MUST(e->kind != IMPORT_LOGIN || e->network.length == 128);
        }
        return --*left == 0 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Span text = span_make((const char *) data, size);

        (void) import_database_kind(text);
        for (ImportFormat f = 0; f < _IMPORT_FORMAT_MAX; f++) {
                /* a line of a few bytes is a word or a rule of a few, a range of at most 256 */
                size_t left = 256 * (size + 1);

                if (f == IMPORT_RELAY_CTRL)
                        continue;
                MUST(import_parse(f, text, on_entry, &left) == 0);
        }
        return 0;
}
