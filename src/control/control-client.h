/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The other end of the control socket: one call after the other, each waiting for its answer. */

#include "basic/time-util.h"
#include "control/control-grant.h"
#include "control/control-status.h"

#define CONTROL_CLIENT_ERROR_BYTES 512

/* Each call returns 0, or -errno with a text for people in `reterr`: what the daemon said, or what stands in
 * the way of asking it. */
typedef struct ControlClient ControlClient;

/* Connects to the socket at `path`. */
int control_client_open(
        const char *path, ControlClient **ret, char reterr[static CONTROL_CLIENT_ERROR_BYTES]);
ControlClient *control_client_close(ControlClient *c);

DEFINE_CLEANUP(ControlClient *, control_client_close)

int control_client_status(
        ControlClient *c, ControlStatus *ret, char reterr[static CONTROL_CLIENT_ERROR_BYTES]);

/* Called for each row; it is borrowed for the call. Returns 0 to go on, or -errno, which ends the list. */
typedef int (*ControlClientRow)(void *userdata, const ControlGrant *grant);

/* Fetches all pages. */
int control_client_list(ControlClient *c, ControlClientRow row, void *userdata,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]);

/* `network` is text, and is read by the daemon; ttl as in ControlHandlers. */
int control_client_grant(ControlClient *c, const char *network, usec_t ttl, const char *user,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]);

/* Called for each login that was sent, in their order; the reason is borrowed for the call. */
typedef void (*ControlClientResult)(void *userdata, size_t index, const ControlImportResult *result);

/* Hands over at most CONTROL_IMPORT_MAX_LOGINS logins that the program `from` has seen. */
int control_client_import(ControlClient *c, const char *from, const ControlImport *logins, size_t n,
        ControlClientResult result, void *userdata, char reterr[static CONTROL_CLIENT_ERROR_BYTES]);

int control_client_revoke(ControlClient *c, const char *network, uint32_t *ret_count,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]);
int control_client_revoke_user(ControlClient *c, const char *user, bool block, uint32_t *ret_count,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]);
int control_client_revoke_all(
        ControlClient *c, uint32_t *ret_count, char reterr[static CONTROL_CLIENT_ERROR_BYTES]);
int control_client_unblock(
        ControlClient *c, const char *user, char reterr[static CONTROL_CLIENT_ERROR_BYTES]);
int control_client_reload(ControlClient *c, char reterr[static CONTROL_CLIENT_ERROR_BYTES]);
