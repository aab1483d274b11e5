/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A set of networks, asked for the longest that contains a given one. */

#include "basic/hash-index.h"
#include "model/ip-addr.h"

typedef struct NetworkSet {
        IpNetwork *items;
        uint32_t n;
        HashIndex index;
        bool v4[129], v6[129]; /* lengths, as in IpNetwork, that occur */
} NetworkSet;

/* Adds a network; one that is there already stays. Returns 0 or -ENOMEM. */
int network_set_add(NetworkSet *s, const IpNetwork *n);
void network_set_done(NetworkSet *s);

bool network_set_has(const NetworkSet *s, const IpNetwork *n);

/* The length (as in IpNetwork) of the longest member that contains `n` or equals it; -1: there is none. */
int network_set_longest(const NetworkSet *s, const IpNetwork *n);
