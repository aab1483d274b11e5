/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink(7), read only. getifaddrs(3) would open a socket of its own, which the daemon's sandbox forbids
 * and its private network would answer wrongly; systemd passes in one of the host's network instead. */

#include "daemon/host-addresses.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "basic/fd-util.h"
#include "basic/time-util.h"

/* Changes come in bursts, when an interface goes up for instance. */
#define SETTLE_USEC (100 * USEC_PER_MSEC)
/* After trouble. */
#define AGAIN_USEC (5 * USEC_PER_SEC)
/* A router's whole table is not read to its end: default routes are few and the rest is not ours. */
#define MESSAGES_MAX 200000

struct HostAddresses {
        int fd;
        sd_event_source *io, *settle;
        HostAddressesHandler handler;
        void *userdata;
        NetworkSet addresses, networks;
};

static bool attribute_address(const struct rtattr *a, int family, IpAddr *ret) {
        size_t size = family == AF_INET ? 4 : 16;

        if (RTA_PAYLOAD(a) < size)
                return false;
        *ret = (IpAddr){{[10] = 0xff, [11] = 0xff}};
        memcpy(family == AF_INET ? ret->bytes + 12 : ret->bytes, RTA_DATA(a), size);
        return true;
}

static bool is_loopback(const IpNetwork *n) {
        static const char *const loopback[] = {"127.0.0.0/8", "::1"};

        return ip_network_is_in_any(loopback, ELEMENTSOF(loopback), n);
}

static int add_address(NetworkSet *addresses, NetworkSet *networks, const struct nlmsghdr *message) {
        const struct ifaddrmsg *ifa = NLMSG_DATA(message);
        int left = (int) IFA_PAYLOAD(message), r = 0;

        if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*ifa)) ||
                (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
                return 0;
        for (const struct rtattr *a = IFA_RTA(ifa); RTA_OK(a, left) && r >= 0; a = RTA_NEXT(a, left)) {
                unsigned length = ifa->ifa_prefixlen + (ifa->ifa_family == AF_INET ? 96u : 0);
                IpAddr addr;
                IpNetwork n;

                if ((a->rta_type != IFA_LOCAL && a->rta_type != IFA_ADDRESS) || length > 128 ||
                        !attribute_address(a, ifa->ifa_family, &addr))
                        continue;
                n = ip_network_of(&addr, 128);
                /* loopback is never granted anyway, unless an Always= inside it says so */
                if (is_loopback(&n))
                        continue;
                r = network_set_add(addresses, &n);
                if (r < 0 || length == 128 || length < 8)
                        continue;
                n = ip_network_of(&addr, length);
                r = network_set_add(networks, &n);
        }
        return r;
}

static int add_gateway(NetworkSet *addresses, const struct nlmsghdr *message) {
        const struct rtmsg *route = NLMSG_DATA(message);
        int left = (int) RTM_PAYLOAD(message), r = 0;

        if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) || route->rtm_dst_len != 0 ||
                (route->rtm_family != AF_INET && route->rtm_family != AF_INET6))
                return 0;
        for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left) && r >= 0; a = RTA_NEXT(a, left)) {
                IpNetwork n;
                IpAddr addr;

                if (a->rta_type != RTA_GATEWAY || !attribute_address(a, route->rtm_family, &addr))
                        continue;
                n = ip_network_of(&addr, 128);
                r = network_set_add(addresses, &n);
        }
        return r;
}

static int send_request(int fd, uint16_t type) {
        struct {
                struct nlmsghdr head;
                struct rtgenmsg body;
        } request = {
                .head = {.nlmsg_len = sizeof(request),
                        .nlmsg_type = type,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                        .nlmsg_seq = type},
                .body = {.rtgen_family = AF_UNSPEC},
        };
        struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

        return sendto(fd, &request, sizeof(request), 0, (struct sockaddr *) &kernel, sizeof(kernel)) < 0
                       ? -errno
                       : 0;
}

/* One datagram from the kernel. Returns its size, 0 when it was somebody else's, or -errno. */
static ssize_t receive(int fd, void *buf, size_t size, int flags) {
        struct sockaddr_nl from = {0};
        socklen_t n = sizeof(from);
        ssize_t k = recvfrom(fd, buf, size, flags, (struct sockaddr *) &from, &n);

        if (k < 0)
                return -errno;
        /* any process may send to a netlink socket; only port 0 is the kernel */
        return from.nl_pid != 0 ? 0 : k;
}

static int dump(int fd, uint16_t type, NetworkSet *addresses, NetworkSet *networks) {
        _Alignas(struct nlmsghdr) char buf[32768];
        int r = send_request(fd, type);

        for (unsigned n = 0; r >= 0 && n < MESSAGES_MAX;) {
                ssize_t size = receive(fd, buf, sizeof(buf), 0);

                if (size == -EINTR || size == 0)
                        continue;
                if (size < 0)
                        return (int) size;
                for (const struct nlmsghdr *m = (void *) buf; NLMSG_OK(m, size) && r >= 0;
                        m = NLMSG_NEXT(m, size), n++) {
                        if (m->nlmsg_seq != type)
                                continue;
                        if (m->nlmsg_type == NLMSG_DONE)
                                return 0;
                        if (m->nlmsg_type == NLMSG_ERROR)
                                return m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))
                                               ? ((const struct nlmsgerr *) NLMSG_DATA(m))->error
                                               : -EBADMSG;
                        if (m->nlmsg_type == RTM_NEWADDR)
                                r = add_address(addresses, networks, m);
                        else if (m->nlmsg_type == RTM_NEWROUTE)
                                r = add_gateway(addresses, m);
                }
        }
        return r;
}

static int read_all(HostAddresses *h) {
        NetworkSet addresses = {0}, networks = {0};
        int r = dump(h->fd, RTM_GETADDR, &addresses, &networks);

        if (r >= 0)
                r = dump(h->fd, RTM_GETROUTE, &addresses, &networks);
        if (r < 0) {
                network_set_done(&addresses);
                network_set_done(&networks);
                return r;
        }
        network_set_done(&h->addresses);
        network_set_done(&h->networks);
        h->addresses = addresses;
        h->networks = networks;
        return 0;
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata) {
        HostAddresses *h = userdata;

        (void) source;
        (void) usec;
        if (read_all(h) >= 0) {
                h->handler(h->userdata);
                return 0;
        }
        /* they changed while they were told, or the kernel has no time for us */
        (void) sd_event_source_set_time_relative(h->settle, AGAIN_USEC);
        return sd_event_source_set_enabled(h->settle, SD_EVENT_ONESHOT);
}

/* A router's routes change all the time; only addresses and default routes are our business. */
static bool matters(const char *buf, ssize_t size) {
        for (const struct nlmsghdr *m = (const void *) buf; NLMSG_OK(m, size); m = NLMSG_NEXT(m, size)) {
                const struct rtmsg *route = NLMSG_DATA(m);

                if ((m->nlmsg_type != RTM_NEWROUTE && m->nlmsg_type != RTM_DELROUTE) ||
                        m->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) || route->rtm_dst_len == 0)
                        return true;
        }
        return false;
}

static int on_netlink(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        HostAddresses *h = userdata;
        _Alignas(struct nlmsghdr) char buf[32768];
        bool changed = false;
        ssize_t size;

        (void) source;
        (void) revents;
        while ((size = receive(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0 || size == -ENOBUFS)
                /* with a message lost nobody knows what changed */
                changed |= size < 0 || matters(buf, size);
        if (!changed)
                return 0;
        (void) sd_event_source_set_time_relative(h->settle, SETTLE_USEC);
        return sd_event_source_set_enabled(h->settle, SD_EVENT_ONESHOT);
}

static int open_socket(void) {
        struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = HOST_ADDRESSES_GROUPS};
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        int taken;

        if (fd < 0 || bind(fd, (struct sockaddr *) &self, sizeof(self)) < 0)
                return -errno;
        taken = fd;
        fd = -1;
        return taken;
}

int host_addresses_new(
        sd_event *event, int fd, HostAddressesHandler handler, void *userdata, HostAddresses **ret) {
        _cleanup_(host_addresses_freep) HostAddresses *h = calloc(1, sizeof(HostAddresses));
        struct timeval patience = {.tv_sec = 2};
        int r, size = 1024 * 1024;

        if (!h) {
                (void) close_fd(fd);
                return -ENOMEM;
        }
        h->handler = handler;
        h->userdata = userdata;
        h->fd = fd >= 0 ? fd : open_socket();
        if (h->fd < 0)
                return h->fd;
        (void) setsockopt(h->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        /* systemd's socket has the buffer of its unit, which we could but make smaller */
        if (fd < 0)
                (void) setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        r = read_all(h);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &h->io, h->fd, EPOLLIN, on_netlink, h);
        if (r >= 0)
                r = sd_event_add_time(event, &h->settle, CLOCK_MONOTONIC, 0, 0, on_settled, h);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(h->settle, SD_EVENT_OFF);
        *ret = TAKE_PTR(h);
        return 0;
}

HostAddresses *host_addresses_free(HostAddresses *h) {
        if (!h)
                return NULL;
        (void) sd_event_source_disable_unref(h->io);
        (void) sd_event_source_disable_unref(h->settle);
        h->fd = close_fd(h->fd);
        network_set_done(&h->addresses);
        network_set_done(&h->networks);
        free(h);
        return NULL;
}

static int copy(const NetworkSet *from, NetworkSet *ret) {
        NetworkSet made = {0};

        for (uint32_t i = 0; i < from->n; i++)
                if (network_set_add(&made, &from->items[i]) < 0) {
                        network_set_done(&made);
                        return -ENOMEM;
                }
        *ret = made;
        return 0;
}

int host_addresses_copy(const HostAddresses *h, NetworkSet *addresses, NetworkSet *networks) {
        NetworkSet a, n;

        if (copy(&h->addresses, &a) < 0)
                return -ENOMEM;
        if (copy(&h->networks, &n) < 0) {
                network_set_done(&a);
                return -ENOMEM;
        }
        network_set_done(addresses);
        network_set_done(networks);
        *addresses = a;
        *networks = n;
        return 0;
}
