/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, in an array that is linked by numbers. When one ends is decided by the server's log, or by its
 * grant's end (MaxSession=); what that means for a grant is the grant table's business. */

#include "grant/session-table.h"

#include <errno.h>
#include <sys/random.h>

#include "basic/hash-chain.h"
#include "basic/hash-index.h"

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
        uint8_t name[8]; /* bytes, so that nothing is left empty for the sake of 8 that are aligned */
        uint32_t link;   /* of the hash */
        uint32_t grant;
        uint32_t next, previous; /* of a free one: next is the next free one */
        uint32_t opened;
        SessionScope scope;
} Session;

static_assert(sizeof(Session) == 36, "a million of them must stay small");

struct SessionTable {
        ChunkArray sessions;
        uint32_t n, used, free;
        HashChain by_name;
        End ends[ENDS_MAX]; /* a ring */
        unsigned next_end;
        uint64_t seed[2];
};

static Session *session_at(const SessionTable *t, uint32_t i) {
        return chunk_array_at(&t->sessions, i);
}

static Span on_key(const void *items, uint32_t number, _unused_ char buf[static HASH_CHAIN_KEY_BYTES]) {
        return span_make((const char *) session_at(items, number)->name, sizeof(uint64_t));
}

static bool on_equal(const void *items, uint32_t number, Span key) {
        return memcmp(session_at(items, number)->name, key.data, sizeof(uint64_t)) == 0;
}

static uint32_t *on_link(const void *items, uint32_t number) {
        return &session_at(items, number)->link;
}

static const HashChainOps by_name_ops = {on_key, on_equal, on_link, 2};

int session_table_new(SessionTable **ret) {
        SessionTable *t = calloc(1, sizeof(SessionTable));

        if (!t)
                return -ENOMEM;
        t->sessions = CHUNK_ARRAY_INIT(Session);
        t->by_name = HASH_CHAIN_INIT(&by_name_ops);
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
        chunk_array_done(&t->sessions);
        hash_chain_done(&t->by_name);
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

static uint32_t find(const SessionTable *t, uint64_t name) {
        return hash_chain_find(&t->by_name, t, span_make((const char *) &name, sizeof(name)));
}

uint32_t session_table_find(const SessionTable *t, uint64_t name) {
        uint32_t i = find(t, name);

        return i == HASH_CHAIN_NONE ? NONE : session_at(t, i)->grant;
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
        if (chunk_array_reserve(&t->sessions, t->n + 1) < 0)
                return -ENOMEM;
        *ret = t->n;
        return 0;
}

int session_table_open(SessionTable *t, uint64_t name, SessionScope scope, uint32_t grant, SessionList *list,
        uint32_t time) {
        uint32_t i = find(t, name), next_free;
        Session *s;
        int r;

        if (i != HASH_CHAIN_NONE) {
                /* a line read again; a name that has moved to another grant stays where it is until it ends
                 */
                if (session_at(t, i)->grant == grant)
                        session_at(t, i)->opened = MAX(session_at(t, i)->opened, time);
                return 0;
        }
        if (has_ended(t, name, time))
                return -ESTALE;
        r = take_room(t, &i);
        if (r < 0)
                return r;
        s = session_at(t, i);
        next_free = s->next;
        *s = (Session){
                .grant = grant,
                .next = list->first,
                .previous = NONE,
                .opened = time,
                .scope = scope,
        };
        memcpy(s->name, &name, sizeof(name));
        r = hash_chain_add(&t->by_name, t, i);
        if (r < 0) {
                s->next = next_free;
                return r;
        }
        if (i == t->n)
                t->n++;
        else
                t->free = next_free;
        if (list->first != NONE)
                session_at(t, list->first)->previous = i;
        list->first = i;
        t->used++;
        return 0;
}

static void close_at(SessionTable *t, SessionList *list, uint32_t i) {
        Session *s = session_at(t, i);

        hash_chain_remove(&t->by_name, t, i);
        if (s->previous != NONE)
                session_at(t, s->previous)->next = s->next;
        else
                list->first = s->next;
        if (s->next != NONE)
                session_at(t, s->next)->previous = s->previous;
        t->used--;
        s->next = t->free;
        t->free = i;
}

bool session_table_close(SessionTable *t, SessionList *list, uint64_t name) {
        uint32_t i = find(t, name);

        if (i == HASH_CHAIN_NONE)
                return false;
        close_at(t, list, i);
        return true;
}

bool session_table_close_scope(SessionTable *t, SessionList *list, SessionScope scope, uint64_t time) {
        bool any = false;

        for (uint32_t i = list->first, next; i != NONE; i = next) {
                const Session *s = session_at(t, i);

                next = s->next;
                if (s->scope.pattern != scope.pattern || s->scope.source != scope.source ||
                        s->scope.machine != scope.machine || s->opened > time)
                        continue;
                close_at(t, list, i);
                any = true;
        }
        return any;
}

void session_table_close_all(SessionTable *t, SessionList *list) {
        while (list->first != NONE)
                close_at(t, list, list->first);
}

uint32_t session_table_count_list(const SessionTable *t, const SessionList *list) {
        uint32_t n = 0;

        for (uint32_t i = list->first; i != NONE; i = session_at(t, i)->next)
                n++;
        return n;
}

uint32_t session_table_youngest(const SessionTable *t, const SessionList *list) {
        uint32_t youngest = 0;

        for (uint32_t i = list->first; i != NONE; i = session_at(t, i)->next)
                youngest = MAX(youngest, session_at(t, i)->opened);
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
        byte_writer_u32(w, session_table_count_list(t, list));
        for (uint32_t i = list->first; i != NONE; i = session_at(t, i)->next) {
                const Session *s = session_at(t, i);
                uint64_t name;

                memcpy(&name, s->name, sizeof(name));
                byte_writer_u64(w, name);
                byte_writer_u32(w, s->scope.pattern);
                byte_writer_u32(w, s->scope.source);
                byte_writer_u32(w, s->scope.machine);
                byte_writer_u32(w, s->opened);
        }
}
