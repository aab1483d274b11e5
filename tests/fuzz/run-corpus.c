/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzzer's corpus as an ordinary test, TAP: every file of the directory is an input that once was of
 * interest, and so is the empty one. A crash ends it, and the plan with it. */

#include <dirent.h>
#include <stdio.h>

#include "basic/fd-util.h"
#include "fuzz.h"

static int is_input(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

int main(int argc, char *argv[]) {
        struct dirent **entries;
        int n = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;

        if (n <= 0) {
                (void) printf("Bail out! no corpus\n");
                return 1;
        }
        (void) printf("1..%d\n", n + 1);
        (void) LLVMFuzzerTestOneInput((const uint8_t *) "", 0);
        (void) printf("ok 1 - nothing\n");
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *data = NULL, *path = NULL;
                uint8_t *exact;
                size_t size;

                (void) fflush(stdout);
                if (asprintf(&path, "%s/%s", argv[1], entries[i]->d_name) < 0 ||
                        read_file(path, 1 << 20, &data, &size) < 0) {
                        (void) printf("not ok %d - %s can't be read\n", i + 2, entries[i]->d_name);
                        continue;
                }
                /* no longer than it is, so that a read behind it is found */
                exact = malloc(size > 0 ? size : 1);
                MUST(exact);
                memcpy(exact, data, size);
                (void) LLVMFuzzerTestOneInput(exact, size);
                free(exact);
                (void) printf("ok %d - %s\n", i + 2, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return 0;
}
