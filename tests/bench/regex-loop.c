/* SPDX-License-Identifier: Apache-2.0 */
/* The least that reading logins can take: a file, its lines, and our own machine code of one pattern's first
 * regex on what stands behind the head of each, which has the same length in all of them. Prints how many it
 * took.
 *
 *   regex-loop PATTERN-FILE HEAD-BYTES LOG */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "match/pattern-file.h"
#include "source/line-splitter.h"

int main(int argc, char **argv) {
        _cleanup_(line_splitter_done) LineSplitter s = {0};
        _cleanup_(pattern_freep) Pattern *p = NULL;
        size_t head = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, logins = 0;
        int fd = argc == 4 ? open(argv[3], O_RDONLY | O_CLOEXEC) : -1;
        IniError error;
        ssize_t n;

        if (fd < 0 || line_splitter_init(&s, (size_t) 1024 * 1024) < 0 ||
                pattern_load("pattern", argv[1], (char *[]){NULL}, true, &p, &error) < 0)
                return 1;
        do {
                RegexMatch match;
                size_t room;
                char *space = line_splitter_space(&s, &room);
                Span line;
                bool cut;

                n = read(fd, space, room);
                line_splitter_fill(&s, (size_t) (n > 0 ? n : 0));
                while (line_splitter_next(&s, &line, &cut))
                        if (line.size >= head)
                                logins += regex_match(p->rules[0].regex, span_skip(line, head), &match) > 0;
        } while (n > 0);
        (void) close(fd);
        return printf("%zu\n", logins) < 0 || n < 0;
}
