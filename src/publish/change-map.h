/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What has changed since the base's snapshot: the last record of each network. */

#include "basic/hash-index.h"
#include "model/relay-entry.h"

typedef struct ChangeMap {
        struct Change *items;
        uint32_t n, allocated;
        HashIndex index; /* network -> place in items */
        char **hows;     /* the few values of HOW, so that a change need not carry its text */
        uint32_t n_hows;
} ChangeMap;

#define CHANGE_MAP_INIT ((ChangeMap){.index = HASH_INDEX_INIT})

/* Notes a record in the place of an earlier one of this network; its user only with `users`. `stamp` is kept
 * with it. Returns 0 or -ENOMEM, which leaves all as it was. */
int change_map_put(ChangeMap *map, const RelayEntry *entry, bool users, uint32_t stamp);

/* Calls back with each record whose stamp is at least `since`; the entry is borrowed for the call. Returns 0
 * or the first negative number that the handler returned. */
int change_map_each(const ChangeMap *map, uint32_t since,
        int (*handler)(void *userdata, const RelayEntry *entry), void *userdata);

/* Drops each record for which `keep` says false. */
void change_map_filter(ChangeMap *map, bool (*keep)(void *userdata, const RelayEntry *entry, uint32_t stamp),
        void *userdata);

void change_map_done(ChangeMap *map);
