/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* AF_UNIX sockets for a daemon that was started by hand, without systemd to open them. */

#include <sys/types.h>

/* Binds a socket of `type` (SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM) to `path` with this mode, in place of
 * one that nobody has open any more, and listens where the type does. Non-blocking, closed on exec; packets
 * come with their sender's credentials, SCM_CREDENTIALS of unix(7). Returns the descriptor; -EADDRINUSE when
 * somebody uses it or when something else is there; -ENAMETOOLONG; or -errno. */
int unix_socket_open(const char *path, int type, mode_t mode);
