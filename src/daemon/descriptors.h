/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The descriptors that systemd passes to the daemon at its start (sd_listen_fds(3)): sockets and FIFOs that
 * it holds open while the daemon is down, and what the daemon has put into its descriptor store. */

#include <stddef.h>

#include "basic/macro.h"

typedef enum DescriptorKind {
        DESCRIPTOR_CONTROL, /* a listening stream socket */
        DESCRIPTOR_LOOKUP,  /* the same, of a socket unit with FileDescriptorName=lookup */
        DESCRIPTOR_NETLINK,
        DESCRIPTOR_LOGIN,            /* a listening SOCK_SEQPACKET socket */
        DESCRIPTOR_LOGIN_CONNECTION, /* a connected one, from the descriptor store */
        DESCRIPTOR_SYSLOG,           /* a datagram socket */
        DESCRIPTOR_FIFO,
        _DESCRIPTOR_KIND_MAX,
        _DESCRIPTOR_KIND_INVALID = -22,
} DescriptorKind;

typedef struct Descriptor {
        int fd; /* -1: taken */
        DescriptorKind kind;
} Descriptor;

typedef struct Descriptors {
        Descriptor *items;
        size_t n;
} Descriptors;

/* Takes what the environment says was passed, and removes that from the environment. What is of no kind that
 * is known here is closed with a warning. Returns 0 or -errno, logged. */
int descriptors_receive(Descriptors *ret);

/* Gives away the first one left of a kind. Returns the descriptor, or -1. */
int descriptors_take(Descriptors *d, DescriptorKind kind);

/* The same for the FIFO at this path. */
int descriptors_take_fifo(Descriptors *d, const char *path);

/* Closes what nobody has taken. */
void descriptors_done(Descriptors *d);
