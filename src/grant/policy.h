/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* May this address, this user, be granted relaying? Pure: what the administrator and the host's addresses
 * say, and nothing that changes by itself. */

#include "basic/string-list.h"
#include "basic/time-util.h"
#include "model/network-set.h"

typedef enum PolicyPrivate {
        POLICY_PRIVATE_NO,       /* no private address is granted */
        POLICY_PRIVATE_YES,      /* all are */
        POLICY_PRIVATE_NETWORKS, /* those in private_networks */
} PolicyPrivate;

typedef struct Policy {
        uint32_t ttl;         /* seconds */
        uint32_t max_session; /* seconds that an open session keeps its grant; 0: sessions are not looked at
                               */
        uint32_t max_grants;
        uint32_t max_addresses_per_user;
        uint32_t max_users_per_address;
        uint8_t ipv6_prefix;
        PolicyPrivate private_mode;
        NetworkSet private_networks;
        NetworkSet never; /* Never=, and what nobody may have: policy_add_builtin() */
        NetworkSet always;
        NetworkSet many_users;
        StringList shared_users, users, deny_users; /* globs */
        NetworkSet host;                            /* the host's own addresses and gateways: never */
        NetworkSet host_networks;                   /* the networks that these are in */
        NetworkSet private_ranges;                  /* that RFCs say are private; policy_init() */
} Policy;

/* Defaults of authrelay.conf(5), and the addresses that are never granted. Returns 0 or -ENOMEM. */
int policy_init(Policy *p);
void policy_done(Policy *p);

/* The network that a grant for this client is for: the host itself, or an IPv6 prefix. */
IpNetwork policy_network_of(const Policy *p, const IpAddr *address);

/* Judges a login's address, or its address and user (empty: none). Returns NULL if it may be granted, else
 * why not. */
const char *policy_refuses_address(const Policy *p, const IpAddr *address);
const char *policy_refuses(const Policy *p, const IpAddr *address, Span user);

/* The same for a grant made by hand: whoever makes it knows about private addresses and users. */
const char *policy_refuses_manual(const Policy *p, const IpNetwork *network);

/* True if it depends on the user who is granted: Users= or DenyUsers= is set. */
bool policy_is_by_user(const Policy *p);

/* True if logins of this user may come from any number of addresses, or to this address from any of users.
 */
bool policy_is_shared_user(const Policy *p, Span user);
bool policy_is_many_users(const Policy *p, const IpNetwork *network);

/* True if `network` lies in an Always= network that is wider. */
bool policy_is_inside_always(const Policy *p, const IpNetwork *network);

/* Calls `each` for every record that is published as long as this policy is: the Always= networks, and those
 * never-networks that lie in one of them or could lie in a grant. `is_covered` (may be NULL) says whether a
 * network lies in some other published one. Ends early and returns what `each` returned when that is
 * negative. */
int policy_each_static(const Policy *p, bool (*is_covered)(void *userdata, const IpNetwork *network),
        int (*each)(void *userdata, const IpNetwork *network, bool always), void *userdata);

/* True if policy_each_static() could publish a record of this very network. */
bool policy_is_static(const Policy *p, const IpNetwork *network);
