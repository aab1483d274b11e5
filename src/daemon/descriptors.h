/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The descriptors that systemd passes to the daemon at its start (sd_listen_fds(3)): sockets and FIFOs that
 * it holds open while the daemon is down, and what the daemon has put into its descriptor store. */

#include <stddef.h>

#include "basic/macro.h"

typedef enum DescriptorKind {
        DESCRIPTOR_CONTROL, /* a listening stream socket, of authrelay.socket or FileDescriptorName=control
                             */
        DESCRIPTOR_LOOKUP,  /* the same, of a socket unit with FileDescriptorName=lookup */
        DESCRIPTOR_NETLINK,
        DESCRIPTOR_LOGIN,            /* a listening SOCK_SEQPACKET socket */
        DESCRIPTOR_LOGIN_CONNECTION, /* a connected one, from the descriptor store */
        DESCRIPTOR_SYSLOG,           /* a datagram socket */
        DESCRIPTOR_FIFO,
        _DESCRIPTOR_KIND_MAX,
        _DESCRIPTOR_KIND_INVALID = -22,
} DescriptorKind;

/* The name of FIFOs in the descriptor store. */
#define DESCRIPTOR_STORED_FIFO "fifo"

typedef struct Descriptor {
        int fd; /* -1: taken */
        DescriptorKind kind;
        bool stored; /* a FIFO from the descriptor store: nobody else holds it */
        bool lent;   /* a copy of it was given away */
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

/* A copy of the first one of a kind, of the FIFO at this path: a source that a reload removes can come back
 * by another. The FIFO's says whether it is from the descriptor store; that one is given away. Return the
 * descriptor, or -1. */
int descriptors_lend(Descriptors *d, DescriptorKind kind);
int descriptors_lend_fifo(Descriptors *d, const char *path, bool *ret_stored);

/* Whether there is one of a kind that nobody has taken or had a copy of. */
bool descriptors_has_idle(const Descriptors *d, DescriptorKind kind);
/* Closes what is left of those from the store: nobody else would read them. Returns whether there was one.
 */
bool descriptors_close_stored(Descriptors *d);

/* Closes what nobody has taken. */
void descriptors_done(Descriptors *d);
