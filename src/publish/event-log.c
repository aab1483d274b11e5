/* SPDX-License-Identifier: Apache-2.0 */
/* Events to the journal. Whoever can cause an event can cause many, and must not be able to push everything
 * else out of the journal: refusals and doubts are said once for each cause, then counted, and no more than
 * SAID_MAX of them are said in any ten minutes. */

#include "publish/event-log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>

#include <systemd/sd-journal.h>

#include "basic/hash-index.h"
#include "basic/log.h"

#define QUIET_USEC (10 * USEC_PER_MINUTE)
#define SAID_MAX 256
#define FIELDS_MAX 16

/* Listed in systemd/authrelay.catalog. */
static const char *const message_ids[_GRANT_EVENT_TYPE_MAX] = {
        [GRANT_EVENT_GRANTED] = "6c4d5be86d0c4f0a9d2f4c5b9b1a7e01",
        [GRANT_EVENT_EXTENDED] = "6c4d5be86d0c4f0a9d2f4c5b9b1a7e02",
        [GRANT_EVENT_EXPIRED] = "6c4d5be86d0c4f0a9d2f4c5b9b1a7e03",
        [GRANT_EVENT_REVOKED] = "6c4d5be86d0c4f0a9d2f4c5b9b1a7e04",
        [GRANT_EVENT_REFUSED] = "6c4d5be86d0c4f0a9d2f4c5b9b1a7e05",
        [GRANT_EVENT_CROWDED] = "6c4d5be86d0c4f0a9d2f4c5b9b1a7e06",
};
#define MESSAGE_ID_UNTRUSTED "6c4d5be86d0c4f0a9d2f4c5b9b1a7e07"
#define MESSAGE_ID_HINT "6c4d5be86d0c4f0a9d2f4c5b9b1a7e08"
#define MESSAGE_ID_TORN "6c4d5be86d0c4f0a9d2f4c5b9b1a7e09"

/* A cause that was said lately. */
typedef struct Said {
        uint64_t cause; /* keyed hash of what is the same about it */
        usec_t since;
        uint64_t silenced;
} Said;

struct EventLog {
        bool journal;
        uint64_t seed[2];
        Said said[SAID_MAX];
        size_t n_said;
        usec_t overflow_since;
};

/* One entry: fields for sendv, each in room of its own. */
typedef struct Entry {
        char text[FIELDS_MAX][640];
        struct iovec fields[FIELDS_MAX];
        int n;
} Entry;

int event_log_new(bool journal, EventLog **ret) {
        EventLog *l = calloc(1, sizeof(EventLog));

        if (!l)
                return -ENOMEM;
        l->journal = journal;
        /* an address is enough for a seed: a collision would hide one line of a log */
        l->seed[0] = (uint64_t) (uintptr_t) l;
        *ret = l;
        return 0;
}

EventLog *event_log_free(EventLog *l) {
        free(l);
        return NULL;
}

static void add_field(Entry *e, const char *name, const char *format, ...) _printf_(3, 4);

static void add_field(Entry *e, const char *name, const char *format, ...) {
        size_t room = sizeof(e->text[0]);
        int used, n;
        va_list ap;

        if (e->n == FIELDS_MAX)
                return;
        used = snprintf(e->text[e->n], room, "%s=", name);
        va_start(ap, format);
        n = vsnprintf(e->text[e->n] + used, room - (size_t) used, format, ap);
        va_end(ap);
        n = MIN(used + MAX(n, 0), (int) room - 1);
        e->fields[e->n] = (struct iovec){e->text[e->n], (size_t) n};
        e->n++;
}

static void send_entry(EventLog *l, Entry *e, int priority, const char *message_id, const char *message) {
        if (priority > log_max_level())
                return;
        if (!l->journal)
                return log_line(priority, "%s", message);
        add_field(e, "MESSAGE", "%s", message);
        add_field(e, "PRIORITY", "%d", priority);
        add_field(e, "MESSAGE_ID", "%s", message_id);
        add_field(e, "SYSLOG_IDENTIFIER", "authrelayd");
        (void) sd_journal_sendv(e->fields, e->n);
}

/* Says whether a cause is to be said now, and how often it was not since the last time. */
static bool is_due(EventLog *l, uint64_t cause, usec_t now, uint64_t *ret_silenced) {
        *ret_silenced = 0;
        for (size_t i = l->n_said; i-- > 0;) {
                Said *s = &l->said[i];
                bool over = now - s->since >= QUIET_USEC || now < s->since;

                if (s->cause == cause && !over) {
                        s->silenced++;
                        return false;
                }
                if (s->cause == cause)
                        *ret_silenced = s->silenced;
                if (over && (s->cause == cause || s->silenced == 0 || now - s->since >= 2 * QUIET_USEC))
                        *s = l->said[--l->n_said];
        }
        if (l->n_said == SAID_MAX) {
                if (now - l->overflow_since >= QUIET_USEC) {
                        l->overflow_since = now;
                        log_warning("too many different refusals and doubts; some are counted only");
                }
                return false;
        }
        l->said[l->n_said++] = (Said){cause, now, 0};
        return true;
}

static uint64_t cause_of(const EventLog *l, const char *kind, const char *a, Span b) {
        char text[512];
        int n = snprintf(text, sizeof(text), "%s|%s|%.*s", kind, a, (int) MIN(b.size, (size_t) 255),
                strempty(b.data));

        return siphash24(text, MIN((size_t) MAX(n, 0), sizeof(text) - 1), l->seed);
}

static void add_grant_fields(Entry *e, const GrantEvent *event, const char *address, const char *user) {
        add_field(e, "AUTHRELAY_ADDRESS", "%s", address);
        if (user[0])
                add_field(e, "AUTHRELAY_USER", "%s", user);
        if (event->pattern[0])
                add_field(e, "AUTHRELAY_PATTERN", "%s", event->pattern);
        if (event->service[0])
                add_field(e, "AUTHRELAY_SERVICE", "%s", event->service);
        if (event->until > 0)
                add_field(e, "AUTHRELAY_UNTIL", "%" PRIu64, event->until);
        if (event->reason)
                add_field(e, "AUTHRELAY_REASON", "%s", event->reason);
}

void event_log_grant(EventLog *l, const GrantEvent *event, usec_t now) {
        static const int priorities[_GRANT_EVENT_TYPE_MAX] = {
                [GRANT_EVENT_GRANTED] = LOG_INFO,
                [GRANT_EVENT_EXTENDED] = LOG_DEBUG,
                [GRANT_EVENT_EXPIRED] = LOG_INFO,
                [GRANT_EVENT_REVOKED] = LOG_NOTICE,
                [GRANT_EVENT_REFUSED] = LOG_NOTICE,
                [GRANT_EVENT_CROWDED] = LOG_WARNING,
        };
        char address[IP_TEXT_BYTES], user[LOG_TEXT_BYTES], until[TIME_TEXT_BYTES], message[768],
                again[64] = "";
        bool has_user = event->user.size > 0;
        uint64_t silenced;
        Entry e = {.n = 0};

        if (priorities[event->type] > log_max_level())
                return;
        (void) ip_network_format(address, &event->network);
        (void) log_text(user, event->user);
        if (event->type == GRANT_EVENT_REFUSED) {
                if (!is_due(l, cause_of(l, strempty(event->reason), address, event->user), now, &silenced))
                        return;
                if (silenced > 0)
                        (void) snprintf(again, sizeof(again), " (and %" PRIu64 " times more)", silenced);
        }
        (void) time_stamp_format(until, event->until * USEC_PER_SEC);
        switch (event->type) {
        case GRANT_EVENT_GRANTED:
        case GRANT_EVENT_EXTENDED:
                (void) snprintf(message, sizeof(message), "%s may relay until %s%s%s (%s)", address, until,
                        has_user ? ", user " : "", user, event->pattern);
                break;
        case GRANT_EVENT_EXPIRED:
                (void) snprintf(message, sizeof(message), "%s may no longer relay%s%s", address,
                        has_user ? ", user " : "", user);
                break;
        case GRANT_EVENT_REVOKED:
                (void) snprintf(message, sizeof(message), "%s revoked%s%s: %s", address,
                        has_user ? ", user " : "", user, strempty(event->reason));
                break;
        default:
                (void) snprintf(message, sizeof(message), "%s %s%s%s: %s%s", address,
                        event->type == GRANT_EVENT_REFUSED ? "refused" : "is crowded",
                        has_user ? ", user " : "", user, strempty(event->reason), again);
                break;
        }
        add_grant_fields(&e, event, address, user);
        send_entry(l, &e, priorities[event->type], message_ids[event->type], message);
}

void event_log_doubt(EventLog *l, const Login *login, Span message, usec_t now) {
        const char *id = login->verdict == MATCH_UNTRUSTED ? MESSAGE_ID_UNTRUSTED
                         : login->verdict == MATCH_TORN    ? MESSAGE_ID_TORN
                                                           : MESSAGE_ID_HINT;
        /* of these there are few reasons, and each wants something else to be done */
        Span reason = login->verdict == MATCH_REFUSED || login->verdict == MATCH_NAMED
                              ? span_from_string(strempty(login->reason))
                              : SPAN_NONE;
        char sample[LOG_TEXT_BYTES], text[1200], again[64] = "";
        uint64_t silenced;
        Entry e = {.n = 0};

        if (!is_due(l, cause_of(l, id, strempty(login->pattern), reason), now, &silenced))
                return;
        if (silenced > 0)
                (void) snprintf(again, sizeof(again), " (and %" PRIu64 " others before)", silenced);
        (void) snprintf(text, sizeof(text), "%s: not taken for a login, %s%s: %s", strempty(login->source),
                strempty(login->reason), again, log_text(sample, message));
        add_field(&e, "AUTHRELAY_PATTERN", "%s", strempty(login->pattern));
        add_field(&e, "AUTHRELAY_REASON", "%s", strempty(login->reason));
        send_entry(l, &e, LOG_WARNING, id, text);
}
