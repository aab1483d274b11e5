/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The syslog source: messages that a syslog daemon of this host sends to a socket of ours. */

#include "source/source.h"

/* Makes a source, named "syslog", that receives datagrams of RFC 3164 and RFC 5424 from root and from the
 * owner of the socket; all others are dropped, counted and warned of. `fd` is a bound AF_UNIX datagram
 * socket, owned by the source from now on, as systemd passes it; with -1 source_attach() binds one to
 * `path`, mode 0600.
 *
 * A record's time is the earlier of its reading and its stamp, which is in `zone` (NULL: the host's) if it
 * does not say so itself. There is no position. Returns 0 or -ENOMEM; then fd is closed, too. */
int source_syslog_new(const char *path, int fd, const char *zone, const SourceSink *sink, Source **ret);
