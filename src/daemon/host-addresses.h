/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The host's own addresses, their networks and its default gateways, from rtnetlink(7). */

#include <systemd/sd-event.h>

#include "model/network-set.h"

/* Groups to subscribe to: addresses and routes of both families, as ListenNetlink=route has them. */
#define HOST_ADDRESSES_GROUPS 0x550

typedef struct HostAddresses HostAddresses;

typedef void (*HostAddressesHandler)(void *userdata);

/* Reads them, and calls `handler` from the event loop when they have changed. `fd` is a bound NETLINK_ROUTE
 * socket, which systemd opened in the host's network; -1 opens one here. Takes the descriptor, also on
 * failure. Returns 0 or -errno. */
int host_addresses_new(
        sd_event *event, int fd, HostAddressesHandler handler, void *userdata, HostAddresses **ret);
HostAddresses *host_addresses_free(HostAddresses *h);

DEFINE_CLEANUP(HostAddresses *, host_addresses_free)

/* Puts copies of the two sets in place of *addresses and *networks. Returns 0 or -ENOMEM, then they are as
 * before. */
int host_addresses_copy(const HostAddresses *h, NetworkSet *addresses, NetworkSet *networks);
