/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Finds the address of a login whose line has a host name only (verdict MATCH_NAMED): asks systemd-resolved,
 * org.freedesktop.resolve1(5), on the system bus. The daemon has no network itself. */

#include <systemd/sd-event.h>

#include "model/login.h"

typedef struct NameResolver NameResolver;

/* Called from the event loop once for each login that name_resolver_ask() took: with MATCH_LOGIN and the
 * address, or with MATCH_REFUSED and the reason. Its text is borrowed for the call. */
typedef void (*NameResolverHandler)(void *userdata, const Login *login);

/* Makes one that has asked nothing yet; it connects when it has to. Takes no ownership of the event loop but
 * a reference. Returns 0 or -ENOMEM. */
int name_resolver_new(sd_event *event, NameResolverHandler handler, void *userdata, NameResolver **ret);

/* Forgets the questions that are open. Returns NULL. */
NameResolver *name_resolver_free(NameResolver *r);

DEFINE_CLEANUP(NameResolver *, name_resolver_free)

/* Looks for the address that the name stands for: the only one that it has in the DNS, and whose own name is
 * this one. The login is copied. Returns 0 and will call the handler, within ten seconds; or -EBUSY when too
 * many questions are open, -ENOMEM, or another -errno when there is nobody to ask. */
int name_resolver_ask(NameResolver *r, const Login *login);
