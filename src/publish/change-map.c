/* SPDX-License-Identifier: Apache-2.0 */
/* The pending changes, about 60 bytes each. It does not know when they may go; publisher.c does. Invariant:
 * each network stands in `items` once, and the index finds it. */

#include "publish/change-map.h"

#include <errno.h>

/* HOW is a pattern's name or one of a few words; more than this many are not from a sane configuration. */
#define HOWS_MAX 4096

typedef struct Change {
        IpNetwork network;
        uint8_t verdict;
        uint16_t how; /* place in `hows` */
        uint32_t stamp;
        uint64_t until;
        char *user; /* NULL: none; ends in NUL, any other byte may be in it */
} Change;

static_assert(sizeof(IpNetwork) == 17, "its bytes are hashed, so it must have no padding");

static Span network_key(const IpNetwork *network) {
        return span_make((const char *) network, sizeof(*network));
}

static bool change_equal(const void *items, uint32_t index, Span key) {
        return span_equal(network_key(&((const Change *) items)[index].network), key);
}

static RelayEntry change_entry(const ChangeMap *map, const Change *change) {
        return (RelayEntry){
                .network = change->network,
                .verdict = (RelayVerdict) change->verdict,
                .until = change->until,
                .how = span_from_string(map->hows[change->how]),
                .user = span_from_string(change->user),
        };
}

static int how_number(ChangeMap *map, Span how, uint16_t *ret) {
        char **more, *copy;

        how.size = MIN(how.size, (size_t) RELAY_HOW_MAX_BYTES);
        for (uint32_t i = 0; i < map->n_hows; i++)
                if (span_equal_string(how, map->hows[i])) {
                        *ret = (uint16_t) i;
                        return 0;
                }
        if (map->n_hows == HOWS_MAX)
                return -ENOMEM;
        copy = how.size > 0 ? strndup(how.data, how.size) : strdup("");
        if (!copy)
                return -ENOMEM;
        more = reallocarray(map->hows, map->n_hows + 1, sizeof(char *));
        if (!more) {
                free(copy);
                return -ENOMEM;
        }
        map->hows = more;
        map->hows[map->n_hows] = copy;
        *ret = (uint16_t) map->n_hows++;
        return 0;
}

static int append(ChangeMap *map, const IpNetwork *network, uint32_t *ret_index) {
        int r;

        if (map->n == map->allocated) {
                uint32_t room = MAX(64u, map->allocated + map->allocated / 2);
                Change *more =
                        room < HASH_INDEX_NONE ? reallocarray(map->items, room, sizeof(Change)) : NULL;

                if (!more)
                        return -ENOMEM;
                map->items = more;
                map->allocated = room;
        }
        r = hash_index_add(&map->index, network_key(network), map->n);
        if (r < 0)
                return r;
        map->items[map->n] = (Change){.network = *network};
        *ret_index = map->n++;
        return 0;
}

int change_map_put(ChangeMap *map, const RelayEntry *entry, bool users, uint32_t stamp) {
        _cleanup_free_ char *user = NULL;
        uint32_t index;
        uint16_t how;
        Change *change;
        int r;

        if (users && entry->user.size > 0) {
                user = strndup(entry->user.data, MIN(entry->user.size, (size_t) RELAY_USER_MAX_BYTES));
                if (!user)
                        return -ENOMEM;
        }
        r = how_number(map, entry->how, &how);
        if (r < 0)
                return r;
        index = hash_index_find(&map->index, network_key(&entry->network), change_equal, map->items);
        if (index == HASH_INDEX_NONE) {
                r = append(map, &entry->network, &index);
                if (r < 0)
                        return r;
        }
        change = &map->items[index];
        free(change->user);
        change->user = TAKE_PTR(user);
        change->verdict = (uint8_t) entry->verdict;
        change->how = how;
        change->stamp = stamp;
        change->until = entry->until;
        return 0;
}

int change_map_each(const ChangeMap *map, uint32_t since,
        int (*handler)(void *userdata, const RelayEntry *entry), void *userdata) {
        for (uint32_t i = 0; i < map->n; i++) {
                RelayEntry entry;
                int r;

                if (map->items[i].stamp < since)
                        continue;
                entry = change_entry(map, &map->items[i]);
                r = handler(userdata, &entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* After a burst the memory goes back. */
static void shrink(ChangeMap *map) {
        HashIndex index = HASH_INDEX_INIT;
        Change *fewer;

        for (uint32_t i = 0; i < map->n; i++)
                if (hash_index_add(&index, network_key(&map->items[i].network), i) < 0) {
                        /* then another time */
                        hash_index_done(&index);
                        return;
                }
        hash_index_done(&map->index);
        map->index = index;
        if (map->n == 0) {
                map->items = (free(map->items), NULL);
                map->allocated = 0;
                return;
        }
        fewer = reallocarray(map->items, map->n, sizeof(Change));
        if (fewer) {
                map->items = fewer;
                map->allocated = map->n;
        }
}

void change_map_filter(ChangeMap *map, bool (*keep)(void *userdata, const RelayEntry *entry, uint32_t stamp),
        void *userdata) {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < map->n; i++) {
                Change *change = &map->items[i];
                RelayEntry entry = change_entry(map, change);
                bool stays = keep(userdata, &entry, change->stamp);

                if (stays && kept == i) {
                        kept++;
                        continue;
                }
                hash_index_remove(&map->index, network_key(&change->network), i);
                if (!stays) {
                        free(change->user);
                        continue;
                }
                /* there is room in the index, as one has just gone out of it */
                (void) hash_index_add(&map->index, network_key(&change->network), kept);
                map->items[kept++] = *change;
        }
        map->n = kept;
        if (kept < map->allocated / 4)
                shrink(map);
}

void change_map_done(ChangeMap *map) {
        for (uint32_t i = 0; i < map->n; i++)
                free(map->items[i].user);
        for (uint32_t i = 0; i < map->n_hows; i++)
                free(map->hows[i]);
        free(map->items);
        free(map->hows);
        hash_index_done(&map->index);
        *map = CHANGE_MAP_INIT;
}
