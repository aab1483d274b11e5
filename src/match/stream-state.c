/* SPDX-License-Identifier: Apache-2.0 */
/* Torn streams and half logins. Only what matters is kept: a stream that is not in the table is whole,
 * unless its source has had a gap since, and then it is torn until the table says otherwise. */

#include "match/stream-state.h"

#include <errno.h>

#include "basic/hash-index.h"

#define SOURCES_MAX 64
/* In the saved state, beside their number. */
#define ALL_GAPPED (UINT32_C(1) << 31)

typedef struct Entry {
        char *key; /* NULL: free */
        uint32_t key_size;
        bool torn;    /* of a stream; a whole one is kept only during a gap */
        bool connect; /* a half login: address and time count */
        IpAddr address;
        usec_t time;
} Entry;

struct StreamState {
        Entry *entries;
        uint32_t n, next_free; /* next_free: where the search for room goes on */
        HashIndex streams, connects;
        char *gapped[SOURCES_MAX]; /* sources that have a gap and have not caught up */
        size_t n_gapped;
        bool all_gapped; /* there was no room for another name: until the state is made anew */
};

int stream_state_new(StreamState **ret) {
        StreamState *s = calloc(1, sizeof(StreamState));

        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

static void clear(StreamState *s) {
        for (uint32_t i = 0; i < s->n; i++)
                free(s->entries[i].key);
        free(s->entries);
        hash_index_done(&s->streams);
        hash_index_done(&s->connects);
        for (size_t i = 0; i < s->n_gapped; i++)
                free(s->gapped[i]);
        *s = (StreamState){0};
}

StreamState *stream_state_free(StreamState *s) {
        if (!s)
                return NULL;
        clear(s);
        free(s);
        return NULL;
}

static Span key_of(const Entry *e) {
        return span_make(e->key, e->key_size);
}

static bool entry_equal(const void *items, uint32_t index, Span key) {
        return span_equal(key_of((const Entry *) items + index), key);
}

static void remove_entry(StreamState *s, uint32_t i) {
        Entry *e = &s->entries[i];

        hash_index_remove(e->connect ? &s->connects : &s->streams, key_of(e), i);
        e->key = (free(e->key), NULL);
}

/* Room for one more: a free entry, a new one, or the next half login in turn (an attacker who opens many
 * connections can make others log in again, not get in). Torn streams are never given up. */
static uint32_t find_room(StreamState *s) {
        for (uint32_t k = 0; k < s->n; k++) {
                uint32_t i = (s->next_free + k) % s->n;

                if (!s->entries[i].key || (s->n == STREAM_STATE_MAX_ENTRIES && !s->entries[i].torn)) {
                        if (s->entries[i].key)
                                remove_entry(s, i);
                        s->next_free = i + 1;
                        return i;
                }
                if (s->n < STREAM_STATE_MAX_ENTRIES && k > 64)
                        break;
        }
        if (s->n < STREAM_STATE_MAX_ENTRIES) {
                uint32_t n = MIN(MAX(s->n * 2, UINT32_C(64)), (uint32_t) STREAM_STATE_MAX_ENTRIES);
                Entry *more = realloc(s->entries, n * sizeof(Entry));

                if (!more)
                        return HASH_INDEX_NONE;
                memset(more + s->n, 0, (n - s->n) * sizeof(Entry));
                s->entries = more;
                s->next_free = s->n + 1;
                s->n = n;
                return s->next_free - 1;
        }
        return HASH_INDEX_NONE;
}

static Entry *add_entry(StreamState *s, HashIndex *index, Span key) {
        uint32_t i = find_room(s);
        Entry *e;

        if (i == HASH_INDEX_NONE)
                return NULL;
        e = &s->entries[i];
        *e = (Entry){.key = malloc(key.size + 1),
                .key_size = (uint32_t) key.size,
                .connect = index == &s->connects};
        if (!e->key)
                return NULL;
        memcpy(e->key, key.data, key.size);
        if (hash_index_add(index, key, i) < 0) {
                e->key = (free(e->key), NULL);
                return NULL;
        }
        return e;
}

static bool is_gapped(const StreamState *s, const char *source) {
        if (s->all_gapped)
                return true;
        for (size_t i = 0; i < s->n_gapped; i++)
                if (streq(s->gapped[i], source))
                        return true;
        return false;
}

bool stream_state_is_torn(StreamState *s, const char *source, Span key, size_t raw_size, size_t tears_at) {
        uint32_t i = hash_index_find(&s->streams, key, entry_equal, s->entries);
        bool gapped = is_gapped(s, source), torn = i != HASH_INDEX_NONE ? s->entries[i].torn : gapped;
        Entry *e = i != HASH_INDEX_NONE ? &s->entries[i] : NULL;

        if (raw_size >= tears_at) {
                if (!e)
                        e = add_entry(s, &s->streams, key);
                if (e)
                        e->torn = true;
                else
                        /* nowhere to remember it: nothing of this source is known to be whole any more */
                        stream_state_gap(s, source);
                return true;
        }
        if (!torn)
                return false;
        if (gapped) {
                if (!e)
                        e = add_entry(s, &s->streams, key);
                if (e)
                        e->torn = false;
        } else if (e)
                remove_entry(s, i);
        return true;
}

static bool is_of_source(const Entry *e, const char *source) {
        return e->key && e->key_size > strlen(source) && memcmp(e->key, source, strlen(source) + 1) == 0;
}

void stream_state_gap(StreamState *s, const char *source) {
        char *copy;

        for (uint32_t i = 0; i < s->n; i++)
                if (!is_of_source(&s->entries[i], source))
                        continue;
                else if (s->entries[i].connect)
                        /* the Connect of a later process with the same pid may be what is missing */
                        remove_entry(s, i);
                else
                        s->entries[i].torn = true;
        if (is_gapped(s, source))
                return;
        copy = s->n_gapped < SOURCES_MAX ? strdup(source) : NULL;
        if (copy)
                s->gapped[s->n_gapped++] = copy;
        else
                s->all_gapped = true;
}

void stream_state_connect(StreamState *s, Span key, const IpAddr *address, usec_t time) {
        uint32_t i = hash_index_find(&s->connects, key, entry_equal, s->entries);
        Entry *e = i != HASH_INDEX_NONE ? &s->entries[i] : add_entry(s, &s->connects, key);

        if (!e)
                return;
        e->address = *address;
        e->time = time;
}

bool stream_state_connected(StreamState *s, Span key, usec_t now, IpAddr *ret) {
        uint32_t i = hash_index_find(&s->connects, key, entry_equal, s->entries);

        if (i == HASH_INDEX_NONE)
                return false;
        /* as far in the future it is of a clock that was wrong, and would wait until then */
        if (now > s->entries[i].time + STREAM_STATE_CONNECT_USEC ||
                s->entries[i].time > now + STREAM_STATE_CONNECT_USEC) {
                remove_entry(s, i);
                return false;
        }
        *ret = s->entries[i].address;
        return true;
}

void stream_state_encode(const StreamState *s, ByteWriter *w) {
        byte_writer_u32(w, (uint32_t) s->n_gapped | (s->all_gapped ? ALL_GAPPED : 0));
        for (size_t i = 0; i < s->n_gapped; i++)
                byte_writer_text(w, span_from_string(s->gapped[i]));
        for (uint32_t i = 0; i < s->n; i++) {
                const Entry *e = &s->entries[i];

                if (!e->key)
                        continue;
                byte_writer_text(w, key_of(e));
                byte_writer_u32(w, (uint32_t) (e->torn | e->connect << 1));
                byte_writer_raw(w, e->address.bytes, sizeof(e->address.bytes));
                byte_writer_u64(w, e->time);
        }
}

static bool decode(StreamState *s, ByteReader *r) {
        uint32_t n = byte_reader_u32(r);

        s->all_gapped = n & ALL_GAPPED;
        n &= ~ALL_GAPPED;
        for (uint32_t i = 0; i < n && !r->failed && i < SOURCES_MAX; i++) {
                Span name = byte_reader_text(r);

                s->gapped[s->n_gapped] = strndup(strempty(name.data), name.size);
                if (!s->gapped[s->n_gapped])
                        return false;
                s->n_gapped++;
        }
        while (!r->failed && r->rest.size > 0) {
                Span key = byte_reader_text(r);
                uint32_t flags = byte_reader_u32(r);
                IpAddr address;
                usec_t time;
                Entry *e;

                byte_reader_raw(r, address.bytes, sizeof(address.bytes));
                time = byte_reader_u64(r);
                if (r->failed || flags > 2 || n > SOURCES_MAX)
                        return false;
                e = add_entry(s, flags & 2 ? &s->connects : &s->streams, key);
                if (!e)
                        return false;
                e->torn = flags & 1;
                e->address = address;
                e->time = time;
        }
        return byte_reader_complete(r);
}

bool stream_state_decode(StreamState *s, Span bytes) {
        ByteReader r = BYTE_READER(bytes);

        if (decode(s, &r))
                return true;
        clear(s);
        return false;
}
