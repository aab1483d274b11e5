/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where log messages come from. A source attaches itself to the event loop, delivers records to its sink,
 * and can say and take back its position. It owns nothing of what happens to a record. */

#include <systemd/sd-event.h>

#include "model/record.h"
#include "state/bytes.h"

typedef struct Source Source;

/* What a source reports beside records. */
typedef enum SourceNote {
        SOURCE_NOTE_GAP,     /* messages may be missing before the next one */
        SOURCE_NOTE_DROPPED, /* the log says that it has not kept `dropped` of them; the text is whose */
        SOURCE_NOTE_WARNING, /* something that an administrator should know, and that does not last */
        SOURCE_NOTE_TROUBLE, /* something that an administrator should know; the source goes on */
        SOURCE_NOTE_WELL,    /* what the last trouble was about has mended itself */
} SourceNote;

/* Who hears of it. All are called from the event loop only. */
typedef struct SourceSink {
        void (*record)(void *userdata, Source *source, const Record *record);
        void (*note)(void *userdata, Source *source, SourceNote note, const char *text);
        void *userdata;
        /* Makes sure that the logins delivered so far would survive a crash; a source that can't be read
         * again asks for it before it lets go of them. May be NULL. */
        void (*settle)(void *userdata);
} SourceSink;

/* All but attach and free may be NULL. */
typedef struct SourceOps {
        int (*attach)(Source *s, sd_event *event);
        void (*take_over)(Source *s, Source *old);
        void (*settled)(Source *s);
        void (*encode)(Source *s, ByteWriter *w);
        bool (*decode)(Source *s, Span bytes);
        void (*check)(Source *s);
        void (*on_login)(Source *s);
        Source *(*free)(Source *s);
} SourceOps;

struct Source {
        const SourceOps *ops;
        char *name; /* unique among the sources: "journal", or the path of the log */
        SourceSink sink;
        uint64_t records;
        uint64_t dropped;   /* what the last SOURCE_NOTE_DROPPED was about */
        uint64_t discarded; /* messages that were not delivered: from strangers, not understood, or torn */
        bool is_read;       /* it has been at the end of what there is to read, since it was attached */
        bool in_trouble;
        bool forgeable; /* any local user who can write a log line can forge one here */
};

/* Starts to deliver: from the position that source_decode() set, else from where the source's manual page
 * says. The event loop is referenced until source_free(). Returns 0, or -errno, and then it may be tried
 * again; a log that is not there yet is no error. */
static inline int source_attach(Source *s, sd_event *event) {
        return s->ops->attach(s, event);
}

/* Before source_attach(): has `s` go on with the descriptor of `old`, a source of the same kind and name,
 * which delivers nothing any more and is to be freed. */
static inline void source_take_over(Source *s, Source *old) {
        if (s->ops->take_over && s->ops == old->ops)
                s->ops->take_over(s, old);
}

/* Says that the logins delivered so far would survive a crash. */
static inline void source_settled(Source *s) {
        if (s->ops->settled)
                s->ops->settled(s);
}

/* Appends the position behind the last record delivered; nothing if the source can't be read again. */
static inline void source_encode(Source *s, ByteWriter *w) {
        if (s->ops->encode)
                s->ops->encode(s, w);
}

/* Takes a position back, before source_attach(). Returns false when it makes no sense, and starts afresh. */
static inline bool source_decode(Source *s, Span bytes) {
        return s->ops->decode ? s->ops->decode(s, bytes) : bytes.size == 0;
}

/* Called about once a minute, with whatever else wakes the daemon: looks at what no event may have told. */
static inline void source_check(Source *s) {
        if (s->ops->check)
                s->ops->check(s);
}

/* Tells the source that one of its records was a login, so that it may look out for the next one. */
static inline void source_on_login(Source *s) {
        if (s->ops->on_login)
                s->ops->on_login(s);
}

static inline Source *source_free(Source *s) {
        return s ? s->ops->free(s) : NULL;
}

DEFINE_CLEANUP(Source *, source_free)

/* For the sources themselves: hands a record or a note to the sink. A trouble is told once until the source
 * is well again, and being well only after trouble. A NULL format is an empty text: nothing an administrator
 * needs. */
void source_deliver(Source *s, const Record *record);
void source_note(Source *s, SourceNote note, const char *format, ...) _printf_(3, 4);
