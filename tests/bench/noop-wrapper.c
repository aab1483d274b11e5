/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a program in an exec chain can do. Without arguments it is also what stands at the end of one. */

#include <unistd.h>

int main(int argc, char **argv) {
        if (argc < 2)
                return 0;
        (void) execvp(argv[1], argv + 1);
        return 111;
}
