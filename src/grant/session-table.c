/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, in an array that is linked by numbers. When one ends is decided by the server's log, or by its
 * grant's end (MaxSession=); what that means for a grant is the grant table's business. */

#include "grant/session-table.h"

#include <errno.h>
#include <sys/random.h>

#define NONE UINT32_MAX

/* Ends that came before their beginnings. Most are of logins that were refused, such as a webmail program's;
 * a thousand of them pass in no less than a second. */
#define ENDS_MAX 1024
/* How long such an end is good for: a server may use a name again, but hardly so soon. */
#define END_SECONDS 10

typedef struct End {
        uint64_t name;
        uint32_t time; /* 0: none */
} End;

typedef struct Session {
        uint64_t name;
        uint32_t grant; /* NONE: free, and then next is the next free one */
        uint32_t next, previous;
        uint32_t opened;
        SessionScope scope;
} Session;

struct SessionTable {
        Session *sessions;
        uint32_t n, used, free, room;
        HashIndex by_name;
        End ends[ENDS_MAX]; /* a ring */
        unsigned next_end;
        uint64_t seed[2];
};

int session_table_new(SessionTable **ret) {
        SessionTable *t = calloc(1, sizeof(SessionTable));

        if (!t)
                return -ENOMEM;
        t->free = NONE;
        /* without randomness so early the address space's will do: it is a name, not a secret */
        if (getrandom(t->seed, sizeof(t->seed), GRND_NONBLOCK) != sizeof(t->seed))
                t->seed[0] = (uint64_t) (uintptr_t) t;
        *ret = t;
        return 0;
}

SessionTable *session_table_free(SessionTable *t) {
        if (!t)
                return NULL;
        free(t->sessions);
        hash_index_done(&t->by_name);
        free(t);
        return NULL;
}

uint64_t session_table_hash(
        const SessionTable *t, const char *pattern, const char *source, Span machine, Span key) {
        uint64_t where[2] = {
                siphash24(pattern, strlen(pattern), t->seed), siphash24(source, strlen(source), t->seed)};

        where[0] ^= siphash24(machine.data, machine.size, where);
        return siphash24(key.data, key.size, where);
}

uint32_t session_table_machine(const SessionTable *t, Span machine) {
        return (uint32_t) siphash24(machine.data, machine.size, t->seed);
}

static Span key_of(const uint64_t *name) {
        return span_make((const char *) name, sizeof(*name));
}

static bool session_equal(const void *items, uint32_t index, Span key) {
        return memcmp(&((const Session *) items)[index].name, key.data, sizeof(uint64_t)) == 0;
}

static uint32_t find(const SessionTable *t, uint64_t name) {
        return hash_index_find(&t->by_name, key_of(&name), session_equal, t->sessions);
}

uint32_t session_table_find(const SessionTable *t, uint64_t name) {
        uint32_t i = find(t, name);

        return i == HASH_INDEX_NONE ? NONE : t->sessions[i].grant;
}

void session_table_note_end(SessionTable *t, uint64_t name, uint32_t time) {
        t->ends[t->next_end] = (End){name, time};
        t->next_end = (t->next_end + 1) % ENDS_MAX;
}

void session_table_note_closed(SessionTable *t, uint64_t name, uint32_t time) {
        session_table_note_end(t, name, time > END_SECONDS ? time - END_SECONDS : 0);
}

static bool has_ended(const SessionTable *t, uint64_t name, uint32_t time) {
        for (unsigned i = 0; i < ENDS_MAX; i++)
                if (t->ends[i].name == name && t->ends[i].time > 0 &&
                        time <= (uint64_t) t->ends[i].time + END_SECONDS)
                        return true;
        return false;
}

static int take_room(SessionTable *t, uint32_t *ret) {
        if (t->used == SESSION_TABLE_MAX)
                return -ENOSPC;
        if (t->free != NONE) {
                *ret = t->free;
                return 0;
        }
        if (t->n == t->room) {
                uint32_t room = t->room == 0 ? 64 : t->room * 2;
                Session *more = realloc(t->sessions, room * sizeof(Session));

                if (!more)
                        return -ENOMEM;
                t->sessions = more;
                t->room = room;
        }
        *ret = t->n;
        return 0;
}

int session_table_open(SessionTable *t, uint64_t name, SessionScope scope, uint32_t grant, SessionList *list,
        uint32_t time) {
        uint32_t i = find(t, name);
        int r;

        if (i != HASH_INDEX_NONE) {
                /* a line read again; a name that has moved to another grant stays where it is until it ends
                 */
                if (t->sessions[i].grant == grant)
                        t->sessions[i].opened = MAX(t->sessions[i].opened, time);
                return 0;
        }
        if (has_ended(t, name, time))
                return -ESTALE;
        r = take_room(t, &i);
        if (r >= 0)
                r = hash_index_add(&t->by_name, key_of(&name), i);
        if (r < 0)
                return r;
        if (i == t->n)
                t->n++;
        else
                t->free = t->sessions[i].next;
        t->sessions[i] = (Session){
                .name = name,
                .grant = grant,
                .next = list->first,
                .previous = NONE,
                .opened = time,
                .scope = scope,
        };
        if (list->first != NONE)
                t->sessions[list->first].previous = i;
        list->first = i;
        list->n++;
        t->used++;
        return 0;
}

static void close_at(SessionTable *t, SessionList *list, uint32_t i) {
        Session *s = &t->sessions[i];

        hash_index_remove(&t->by_name, key_of(&s->name), i);
        if (s->previous != NONE)
                t->sessions[s->previous].next = s->next;
        else
                list->first = s->next;
        if (s->next != NONE)
                t->sessions[s->next].previous = s->previous;
        list->n--;
        t->used--;
        s->grant = NONE;
        s->next = t->free;
        t->free = i;
}

bool session_table_close(SessionTable *t, SessionList *list, uint64_t name) {
        uint32_t i = find(t, name);

        if (i == HASH_INDEX_NONE)
                return false;
        close_at(t, list, i);
        return true;
}

void session_table_close_scope(SessionTable *t, SessionList *list, SessionScope scope, uint64_t time) {
        for (uint32_t i = list->first, next; i != NONE; i = next) {
                next = t->sessions[i].next;
                if (t->sessions[i].scope.pattern == scope.pattern &&
                        t->sessions[i].scope.source == scope.source &&
                        t->sessions[i].scope.machine == scope.machine && t->sessions[i].opened <= time)
                        close_at(t, list, i);
        }
}

void session_table_close_all(SessionTable *t, SessionList *list) {
        while (list->first != NONE)
                close_at(t, list, list->first);
}

uint32_t session_table_youngest(const SessionTable *t, const SessionList *list) {
        uint32_t youngest = 0;

        for (uint32_t i = list->first; i != NONE; i = t->sessions[i].next)
                youngest = MAX(youngest, t->sessions[i].opened);
        return youngest;
}

uint32_t session_table_count(const SessionTable *t) {
        return t->used;
}

void session_table_encode_seed(const SessionTable *t, ByteWriter *w) {
        byte_writer_u64(w, t->seed[0]);
        byte_writer_u64(w, t->seed[1]);
}

void session_table_set_seed(SessionTable *t, const uint64_t seed[static 2]) {
        memcpy(t->seed, seed, sizeof(t->seed));
}

void session_table_encode_list(const SessionTable *t, const SessionList *list, ByteWriter *w) {
        byte_writer_u32(w, list->n);
        for (uint32_t i = list->first; i != NONE; i = t->sessions[i].next) {
                byte_writer_u64(w, t->sessions[i].name);
                byte_writer_u32(w, t->sessions[i].scope.pattern);
                byte_writer_u32(w, t->sessions[i].scope.source);
                byte_writer_u32(w, t->sessions[i].scope.machine);
                byte_writer_u32(w, t->sessions[i].opened);
        }
}
