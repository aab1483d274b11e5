/* SPDX-License-Identifier: Apache-2.0 */
/* What all sources share: delivering and telling of trouble once. */

#include "source/source.h"

#include <stdarg.h>
#include <stdio.h>

void source_deliver(Source *s, const Record *record) {
        s->records++;
        s->sink.record(s->sink.userdata, s, record);
}

void source_note(Source *s, SourceNote note, const char *format, ...) {
        char text[512] = "";
        va_list ap;

        if (note == SOURCE_NOTE_WELL && !s->in_trouble)
                return;
        if (note == SOURCE_NOTE_TROUBLE && s->in_trouble)
                return;
        if (note == SOURCE_NOTE_TROUBLE || note == SOURCE_NOTE_WELL)
                s->in_trouble = note == SOURCE_NOTE_TROUBLE;
        if (format) {
                va_start(ap, format);
                (void) vsnprintf(text, sizeof(text), format, ap);
                va_end(ap);
        }
        s->sink.note(s->sink.userdata, s, note, text);
}
