/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the programs of an exec chain share: their exit codes, a word on stderr that does no harm, who the
 * client is, and the last step. */

#include "basic/log.h"
#include "model/ip-addr.h"

#define EXIT_WRONG_USE 100
#define EXIT_TROUBLE 111

/* Set by relaypeer if the address that there is belongs to a proxy and not to a client. */
#define CHAIN_NO_CLIENT "RELAYPEER"

/* Like log_line(), but writes nothing where stderr is the connection itself, and neither waits for a pipe
 * that is full nor dies of one that is closed. */
void chain_say(int priority, const char *format, ...) _printf_(2, 3);

/* The peer of the connection on descriptor 0, as the kernel knows it. Returns 0, -EAFNOSUPPORT when it is
 * neither IPv4 nor IPv6, or -errno (-ENOTSOCK, -ENOTCONN, -EBADF). */
int chain_peer(IpAddr *ret);

/* Who the client is. The first of TCPREMOTEIP and REMOTE_ADDR that is set decides, even if it is not an
 * address: to go on to the next would let whoever can spoil one choose the other. If none is, the peer of
 * descriptor 0 does. Returns 0; -ENXIO: CHAIN_NO_CLIENT is set, nobody knows; -EINVAL: the variable
 * *ret_variable is not an address; -ENOTUNIQ: it is there more than once, with different values; or what
 * chain_peer() returned. */
int chain_find_client(IpAddr *ret, const char **ret_variable);

/* Becomes the program. If it returns, it has said why, and the result is the exit code. */
int chain_exec(char **argv);
