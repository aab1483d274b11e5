/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing and backward-shift deletion: no tombstones, no decay. A slot keeps 32
 * bits of the hash, so that growing never touches the items and a look-up compares one key as a rule. */

#include "basic/hash-index.h"

#include <endian.h>
#include <errno.h>
#include <sys/random.h>

typedef struct HashSlot {
        uint32_t hash;
        uint32_t index; /* HASH_INDEX_NONE: free */
} HashSlot;

#define ROTATE(v, n) ((v) << (n) | (v) >> (64 - (n)))

static inline void sip_round(uint64_t v[static 4]) {
        v[0] += v[1];
        v[1] = ROTATE(v[1], 13) ^ v[0];
        v[0] = ROTATE(v[0], 32);
        v[2] += v[3];
        v[3] = ROTATE(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = ROTATE(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = ROTATE(v[1], 17) ^ v[2];
        v[2] = ROTATE(v[2], 32);
}

/* With so many rounds for each word, and at the end. */
static inline uint64_t siphash(
        const void *data, size_t size, const uint64_t key[static 2], int rounds, int last_rounds) {
        uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
        const uint8_t *p = data;
        uint64_t word;

        for (size_t left = size;; left -= 8, p += 8) {
                bool last = left < 8;

                word = 0;
                if (left > 0)
                        memcpy(&word, p, last ? left : 8);
                word = le64toh(word);
                if (last)
                        word |= (uint64_t) size << 56;
                v[3] ^= word;
                for (int i = 0; i < rounds; i++)
                        sip_round(v);
                v[0] ^= word;
                if (last)
                        break;
        }
        v[2] ^= 0xff;
        for (int i = 0; i < last_rounds; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash24(const void *data, size_t size, const uint64_t key[static 2]) {
        return siphash(data, size, key, 2, 4);
}

uint64_t siphash13(const void *data, size_t size, const uint64_t key[static 2]) {
        return siphash(data, size, key, 1, 3);
}

uint32_t hash_index_hash(Span key) {
        static uint64_t seed[2];
        static bool seeded;
        static char last[32];
        static size_t last_size = SIZE_MAX;
        static uint32_t last_hash;

        if (!seeded) {
                /* before the kernel's pool is ready this may fail; a weak seed is still better than none */
                if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
                        seed[0] = (uint64_t) (uintptr_t) &seed;
                seeded = true;
        }
        /* what was looked up and is not there is added next */
        if (key.size == 0 || key.size > sizeof(last))
                return (uint32_t) siphash13(key.data, key.size, seed);
        if (key.size != last_size || memcmp(key.data, last, key.size) != 0) {
                last_hash = (uint32_t) siphash13(key.data, key.size, seed);
                last_size = key.size;
                memcpy(last, key.data, key.size);
        }
        return last_hash;
}

uint32_t hash_index_find(const HashIndex *h, Span key, HashIndexEqual equal, const void *items) {
        uint32_t hash;

        if (h->used == 0)
                return HASH_INDEX_NONE;
        hash = hash_index_hash(key);
        for (uint32_t i = hash & h->mask; h->slots[i].index != HASH_INDEX_NONE; i = (i + 1) & h->mask)
                if (h->slots[i].hash == hash && equal(items, h->slots[i].index, key))
                        return h->slots[i].index;
        return HASH_INDEX_NONE;
}

static void place(HashSlot *slots, uint32_t mask, HashSlot slot) {
        uint32_t i = slot.hash & mask;

        while (slots[i].index != HASH_INDEX_NONE)
                i = (i + 1) & mask;
        slots[i] = slot;
}

static int grow(HashIndex *h) {
        uint64_t n = h->slots ? ((uint64_t) h->mask + 1) * 2 : 16;
        HashSlot *slots;

        if (n > UINT32_MAX)
                return -ENOMEM;
        slots = malloc(n * sizeof(HashSlot));
        if (!slots)
                return -ENOMEM;
        memset(slots, 0xff, n * sizeof(HashSlot));
        for (uint32_t i = 0; h->slots && i <= h->mask; i++)
                if (h->slots[i].index != HASH_INDEX_NONE)
                        place(slots, (uint32_t) n - 1, h->slots[i]);
        free(h->slots);
        h->slots = slots;
        h->mask = (uint32_t) n - 1;
        return 0;
}

int hash_index_add(HashIndex *h, Span key, uint32_t index) {
        /* at most three quarters full: linear probing stays short */
        if (!h->slots || h->used >= h->mask / 4 * 3) {
                int r = grow(h);

                if (r < 0)
                        return r;
        }
        place(h->slots, h->mask, (HashSlot){hash_index_hash(key), index});
        h->used++;
        return 0;
}

void hash_index_remove(HashIndex *h, Span key, uint32_t index) {
        uint32_t i, hole;

        for (i = hash_index_hash(key) & h->mask; h->slots[i].index != index; i = (i + 1) & h->mask)
                assert(h->slots[i].index != HASH_INDEX_NONE);
        hole = i;
        for (i = (i + 1) & h->mask; h->slots[i].index != HASH_INDEX_NONE; i = (i + 1) & h->mask)
                /* an entry may move back into the hole if that is not before its home */
                if (((i - (h->slots[i].hash & h->mask)) & h->mask) >= ((i - hole) & h->mask)) {
                        h->slots[hole] = h->slots[i];
                        hole = i;
                }
        h->slots[hole].index = HASH_INDEX_NONE;
        h->used--;
}

void hash_index_done(HashIndex *h) {
        free(h->slots);
        *h = HASH_INDEX_INIT;
}
