/* SPDX-License-Identifier: Apache-2.0 */
/* Policy: who may be granted. The never-list beats every grant; an Always= network beats a never-network
 * only if it is strictly longer, so that an exception can be made and a slip can't. */

#include "grant/policy.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>

#include "model/relay-entry.h"

/* A grant by hand may not be wider: it would be an open relay for a part of the Internet. */
#define WIDEST_V4 (96 + 8)
#define WIDEST_V6 32

static const char *const builtin_never[] = {
        "0.0.0.0/8",      /* this network, RFC 1122 3.2.1.3 */
        "127.0.0.0/8",    /* loopback: every local user, and whatever is proxied */
        "169.254.0.0/16", /* link-local, RFC 3927 */
        "224.0.0.0/4",    /* multicast, RFC 5771 */
        "240.0.0.0/4",    /* reserved, RFC 1112, and broadcast */
        "::/128", "::1/128", "fe80::/10", "ff00::/8", /* RFC 4291 */
};

/* RFC 1918, 6598, 4193: behind a gateway or a container's bridge everybody may have the same one. */
static const char *const builtin_private[] = {
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
};

/* IPv6 addresses that stand for IPv4 ones, where a prefix is shared by strangers: IPv4-compatible (RFC
 * 4291), NAT64 and its local-use prefix (RFC 6052, RFC 8215), Teredo (RFC 4380). */
static const char *const translated_networks[] = {"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32"};

static int add_builtin(NetworkSet *s, const char *const *networks, size_t n) {
        for (size_t i = 0; i < n; i++) {
                IpNetwork network;
                int r = ip_network_parse(span_from_string(networks[i]), &network);

                assert(r >= 0);
                if (network_set_add(s, &network) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int policy_init(Policy *p) {
        _cleanup_(policy_done) Policy made = {
                .ttl = 30 * 60,
                .max_session = 3 * 24 * 3600,
                .max_grants = 1000000,
                .max_addresses_per_user = 16,
                .max_users_per_address = 500,
                .ipv6_prefix = 64,
        };

        if (add_builtin(&made.never, builtin_never, ELEMENTSOF(builtin_never)) < 0 ||
                add_builtin(&made.private_ranges, builtin_private, ELEMENTSOF(builtin_private)) < 0)
                return -ENOMEM;
        *p = made;
        made = (Policy){0};
        return 0;
}

void policy_done(Policy *p) {
        network_set_done(&p->private_networks);
        network_set_done(&p->never);
        network_set_done(&p->always);
        network_set_done(&p->many_users);
        network_set_done(&p->host);
        network_set_done(&p->host_networks);
        network_set_done(&p->private_ranges);
        string_list_done(&p->shared_users);
        string_list_done(&p->users);
        string_list_done(&p->deny_users);
        *p = (Policy){0};
}

IpNetwork policy_network_of(const Policy *p, const IpAddr *address) {
        IpNetwork host = ip_network_of(address, 128);

        /* in a network of our own, neighbours share the prefix without sharing a user */
        if (ip_network_is_v4(&host) || network_set_longest(&p->host_networks, &host) >= 0 ||
                ip_network_is_in_any(translated_networks, ELEMENTSOF(translated_networks), &host))
                return host;
        return ip_network_of(address, p->ipv6_prefix);
}

static bool is_never(const Policy *p, const IpNetwork *n) {
        int never = MAX(network_set_longest(&p->never, n), network_set_longest(&p->host, n));

        return never >= 0 && network_set_longest(&p->always, n) <= never;
}

static bool private_is_allowed(const Policy *p, const IpNetwork *n) {
        switch (p->private_mode) {
        case POLICY_PRIVATE_YES:
                return true;
        case POLICY_PRIVATE_NETWORKS:
                return network_set_longest(&p->private_networks, n) >= 0;
        case POLICY_PRIVATE_NO:
                break;
        }
        return false;
}

/* Globs as in glob(7), case folded: mail servers take names in any case. */
static bool matches_any(const StringList *globs, Span user) {
        char name[RELAY_USER_MAX_BYTES + 1];

        if (globs->n == 0)
                return false;
        (void) snprintf(
                name, sizeof(name), "%.*s", (int) MIN(user.size, sizeof(name) - 1), strempty(user.data));
        for (size_t i = 0; i < globs->n; i++)
                if (fnmatch(globs->items[i], name, FNM_CASEFOLD | FNM_NOESCAPE) == 0)
                        return true;
        return false;
}

/* The IPv4 address inside a NAT64 one, which the rules for IPv4 are for as well. */
static bool is_nat64(const IpAddr *address, IpAddr *ret) {
        static const uint8_t prefix[12] = {0x00, 0x64, 0xff, 0x9b};

        if (memcmp(address->bytes, prefix, sizeof(prefix)) != 0)
                return false;
        *ret = (IpAddr){{[10] = 0xff, [11] = 0xff}};
        memcpy(ret->bytes + 12, address->bytes + 12, 4);
        return true;
}

const char *policy_refuses_address(const Policy *p, const IpAddr *address) {
        IpNetwork host = ip_network_of(address, 128);
        IpAddr inner;

        if (is_never(p, &host))
                return network_set_longest(&p->host, &host) >= 0
                               ? "it is an address of this host or its gateway"
                               : "it is an address that is never granted (loopback, link-local, multicast "
                                 "or Never=)";
        if (network_set_longest(&p->private_ranges, &host) >= 0 && !private_is_allowed(p, &host) &&
                network_set_longest(&p->always, &host) < 0)
                return "it is a private address; if each client has its own, set Private= to their networks";
        if (is_nat64(address, &inner))
                return policy_refuses_address(p, &inner);
        return NULL;
}

const char *policy_refuses(const Policy *p, const IpAddr *address, Span user) {
        const char *reason = policy_refuses_address(p, address);

        if (reason)
                return reason;
        if (p->users.n > 0 && !matches_any(&p->users, user))
                return "its user is not in Users=";
        if (matches_any(&p->deny_users, user))
                return "its user is in DenyUsers=";
        return NULL;
}

bool policy_is_by_user(const Policy *p) {
        return p->users.n > 0 || p->deny_users.n > 0;
}

const char *policy_refuses_manual(const Policy *p, const IpNetwork *network) {
        if (network->length < (ip_network_is_v4(network) ? WIDEST_V4 : WIDEST_V6))
                return "a network wider than /8 (IPv6: /32) is never granted";
        if (is_never(p, network))
                return "it is never granted (loopback, link-local, multicast, an address of this host, or "
                       "Never=)";
        return NULL;
}

bool policy_is_shared_user(const Policy *p, Span user) {
        return matches_any(&p->shared_users, user);
}

bool policy_is_many_users(const Policy *p, const IpNetwork *network) {
        return network_set_longest(&p->many_users, network) >= 0;
}

bool policy_is_inside_always(const Policy *p, const IpNetwork *network) {
        IpNetwork wider;

        if (network->length == 0)
                return false;
        wider = ip_network_of(&network->addr, network->length - 1u);
        return network_set_longest(&p->always, &wider) >= 0;
}

/* A never-network needs a record only where something wider may be allowed. */
static bool never_needs_record(const Policy *p, const IpNetwork *n) {
        return policy_is_inside_always(p, n) || (!ip_network_is_v4(n) && n->length > p->ipv6_prefix);
}

int policy_each_static(const Policy *p, bool (*is_covered)(void *userdata, const IpNetwork *network),
        int (*each)(void *userdata, const IpNetwork *network, bool always), void *userdata) {
        const NetworkSet *nevers[] = {&p->never, &p->host};
        int r;

        for (uint32_t i = 0; i < p->always.n; i++) {
                const IpNetwork *n = &p->always.items[i];

                if (network_set_has(&p->never, n) || network_set_has(&p->host, n))
                        continue;
                r = each(userdata, n, true);
                if (r < 0)
                        return r;
        }
        for (size_t k = 0; k < ELEMENTSOF(nevers); k++)
                for (uint32_t i = 0; i < nevers[k]->n; i++) {
                        const IpNetwork *n = &nevers[k]->items[i];

                        if (k == 1 && network_set_has(&p->never, n))
                                continue;
                        if (!never_needs_record(p, n) && !(is_covered && is_covered(userdata, n)))
                                continue;
                        r = each(userdata, n, false);
                        if (r < 0)
                                return r;
                }
        return 0;
}

bool policy_is_static(const Policy *p, const IpNetwork *network) {
        return network_set_has(&p->always, network) || network_set_has(&p->never, network) ||
               network_set_has(&p->host, network);
}
