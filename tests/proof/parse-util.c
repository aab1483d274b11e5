/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers: every text of TEXT_MIN to TEXT_MAX bytes, with every limit. */

#include "basic/parse-util.h"

#include "any.h"

int main(void) {
        //@ loop unroll TEXT_MAX + 1;
        for (size_t size = TEXT_MIN; size <= TEXT_MAX; size++) {
                char *text = malloc(size);
                uint64_t number;

                any_bytes(text, size);
                if (parse_u64(span_make(text, size), any_number(0, UINT64_MAX), &number) >= 0)
                        read_bytes(&number, sizeof(number));
                if (parse_u64(span_make(text, size), UINT16_MAX, &number) >= 0) {
                        //@ check number <= UINT16_MAX;
                }
                free(text);
        }
        return 0;
}
