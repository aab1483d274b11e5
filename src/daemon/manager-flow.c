/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a datum through the daemon: a record comes in from a source, is matched, its login is judged
 * and granted, and what the grant room says of it goes to the publisher and to the event log. */

#include "daemon/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/log.h"

/* What makes us blind is worth one line, not one each. */
#define BLIND_WARN_USEC (10 * USEC_PER_MINUTE)

static Input *input_of(Manager *m, const Source *source) {
        for (size_t i = 0; i < m->n_inputs; i++)
                if (m->inputs[i].source == source)
                        return &m->inputs[i];
        return NULL;
}

/* True once in a while; `last` is when it was so. */
static bool is_worth_a_line(usec_t *last, usec_t now) {
        if (now - *last < BLIND_WARN_USEC && now >= *last)
                return false;
        *last = now;
        return true;
}

static void on_stale(Manager *m, const char *source, usec_t now, usec_t stamp) {
        char text[TIME_TEXT_BYTES];

        m->stale++;
        if (!is_worth_a_line(&m->stale_warned, now))
                return;
        log_notice("%s: a login of %s is older than TTL= and grants nothing; if that is now, TimeZone= or a "
                   "clock "
                   "is wrong (later ones are counted in the status)",
                source, time_stamp_format(text, stamp));
}

static void remember_login(Manager *m, const Login *login, usec_t now) {
        LastLogin *last = &m->last_login;

        last->at = now;
        last->address = login->address;
        last->user_size = MIN(login->user.size, sizeof(last->user));
        memcpy(last->user, strempty(login->user.data), last->user_size);
        (void) strncpy(last->pattern, login->pattern, sizeof(last->pattern) - 1);
        m->status_dirty = true;
}

const char *manager_last_login(const Manager *m, char buf[static LAST_LOGIN_BYTES]) {
        char address[IP_TEXT_BYTES], user[LOG_TEXT_BYTES];
        const LastLogin *last = &m->last_login;

        (void) snprintf(buf, LAST_LOGIN_BYTES, "%s %s %s", ip_addr_format(address, &last->address),
                last->user_size > 0 ? log_text(user, span_make(last->user, last->user_size)) : "-",
                last->pattern);
        return buf;
}

static void on_login(Manager *m, const char *source, const Login *login, usec_t now) {
        int r = grant_table_login(m->grants, login, now / USEC_PER_SEC);

        if (r == GRANT_STALE)
                on_stale(m, source, now, login->time);
        else if (r == GRANT_NEW || r == GRANT_EXTENDED)
                remember_login(m, login, now);
        else if (r < 0)
                log_errno(LOG_ERR, r, "a login could not be granted");
}

/* A login that names a host. */
static void on_named(Manager *m, Login *login, const Record *record) {
        int r = m->names ? name_resolver_ask(m->names, login) : 0;

        if (m->names && r >= 0)
                return;
        login->reason = !m->names     ? "it has a host name and no address, and ResolveNames= is off"
                        : r == -EBUSY ? "too many host names are being resolved"
                                      : "its host name can't be resolved: nobody answers on the system bus";
        event_log_doubt(m->event_log, login, record->message, record->read_time);
}

void manager_on_named(void *userdata, const Login *login) {
        Manager *m = userdata;
        usec_t now = time_now();

        if (login->verdict == MATCH_LOGIN)
                on_login(m, login->source, login, now);
        else
                event_log_doubt(m->event_log, login, login->host, now);
}

void manager_on_record(void *userdata, Source *source, const Record *record) {
        Manager *m = userdata;
        Input *input = input_of(m, source);
        Login login;

        m->state_dirty = true;
        pattern_set_match(m->patterns, m->streams, record, input ? &input->selection : NULL, &login);
        switch (login.verdict) {
        case MATCH_LOGIN:
                source_on_login(source);
                on_login(m, source->name, &login, record->read_time);
                break;
        case MATCH_NAMED:
                source_on_login(source);
                on_named(m, &login, record);
                break;
        case MATCH_LOGOUT:
                grant_table_logout(m->grants, &login, record->read_time / USEC_PER_SEC);
                break;
        case MATCH_RESTART:
                grant_table_restart(m->grants, &login, record->read_time / USEC_PER_SEC);
                break;
        case MATCH_UNTRUSTED:
        case MATCH_HINT:
        case MATCH_TORN:
        case MATCH_REFUSED:
                event_log_doubt(m->event_log, &login, record->message, record->read_time);
                break;
        default:
                break;
        }
}

static bool is_server_unit(const Manager *m, Span unit) {
        size_t n;
        Pattern *const *patterns = pattern_set_patterns(m->patterns, &n);

        for (size_t i = 0; i < n; i++)
                if (pattern_has_unit(patterns[i], unit))
                        return true;
        return false;
}

/* What was dropped of others does not concern us: anybody can have messages of his own dropped. */
static void on_dropped(Manager *m, const Source *source, const char *unit) {
        char text[LOG_TEXT_BYTES];

        if (unit[0] && !is_server_unit(m, span_from_string(unit)))
                return;
        stream_state_gap(m->streams, source->name);
        m->suppressed += source->dropped;
        if (is_worth_a_line(&m->suppressed_warned, time_now()))
                log_warning("%s: %" PRIu64
                            " messages of %s were suppressed, and logins may be among them: see "
                            "RateLimitBurst= in journald.conf(5) (later ones are counted in the status)",
                        source->name, source->dropped,
                        unit[0] ? log_text(text, span_from_string(unit)) : "a service");
}

void manager_on_settle(void *userdata) {
        Manager *m = userdata;

        /* a full disk is tried again by the publisher, in its own time */
        if (m->report.error >= 0)
                (void) publisher_flush(m->publisher);
}

void manager_on_note(void *userdata, Source *source, SourceNote note, const char *text) {
        Manager *m = userdata;

        m->status_dirty = true;
        switch (note) {
        case SOURCE_NOTE_GAP:
                stream_state_gap(m->streams, source->name);
                if (text[0])
                        log_warning("%s", text);
                break;
        case SOURCE_NOTE_DROPPED:
                on_dropped(m, source, text);
                break;
        case SOURCE_NOTE_WARNING:
        case SOURCE_NOTE_TROUBLE:
                log_warning("%s", text);
                break;
        case SOURCE_NOTE_WELL:
                log_info("%s", text);
                break;
        }
}

void manager_on_claim(void *userdata, const LoginClaim *claim) {
        Manager *m = userdata;
        char who[LOG_TEXT_BYTES], user[LOG_TEXT_BYTES];
        usec_t now = time_now();
        Login login = {
                .verdict = claim->reason ? MATCH_REFUSED : MATCH_LOGIN,
                .address = claim->address,
                .has_address = !claim->reason,
                .user = claim->user,
                .service = span_from_string(claim->service),
                .time = claim->reason ? now : claim->time,
                .since = claim->announced,
                .pattern = RELAYLOGIN,
                .source = "login",
                .reason = claim->reason,
        };

        if (!claim->reason) {
                on_login(m, login.source, &login, now);
                return;
        }
        if (claim->uid == (uid_t) -1)
                (void) snprintf(who, sizeof(who), "nobody in particular");
        else
                (void) snprintf(who, sizeof(who), "uid %u, user '%.180s'", (unsigned) claim->uid,
                        log_text(user, claim->user));
        event_log_doubt(m->event_log, &login, span_from_string(who), now);
}

static void publish_event(Manager *m, const GrantEvent *event) {
        RelayEntry entry;
        int r;

        if (!grant_table_record_of(m->grants, event, &entry))
                return;
        r = publisher_put(m->publisher, &entry);
        if (r < 0)
                log_errno(LOG_ERR, r, "a change could not be noted for publication");
}

void manager_on_grant_event(void *userdata, const GrantEvent *event) {
        Manager *m = userdata;

        m->status_dirty = true;
        m->state_dirty = true;
        publish_event(m, event);
        if (grant_table_has_left_records(event))
                publisher_set_options(m->publisher, m->config.policy.ttl, m->config.publish_users);
        switch (event->type) {
        case GRANT_EVENT_REVOKED:
                m->revocations_dirty = true;
                m->refusal = event->reason;
                /* one inside Always= lasts beyond the daemon */
                tcprules_output_touch(m->tcprules, true);
                break;
        case GRANT_EVENT_GRANTED:
                tcprules_output_touch(m->tcprules, false);
                break;
        case GRANT_EVENT_EXPIRED:
                m->expired++;
                tcprules_output_touch(m->tcprules, false);
                break;
        case GRANT_EVENT_REFUSED:
                m->refused++;
                m->refusal = event->reason;
                break;
        default:
                break;
        }
        event_log_grant(m->event_log, event, time_now());
}

typedef struct Snapshot {
        Manager *m;
        int (*each)(void *userdata, const RelayEntry *entry);
        void *userdata;
} Snapshot;

static int add_static(void *userdata, const IpNetwork *network, bool always) {
        Snapshot *s = userdata;
        RelayEntry entry = {
                .network = *network,
                .verdict = always ? RELAY_ALLOW : RELAY_NEVER,
                .how = always ? SPAN_LITERAL("always") : SPAN_LITERAL("never"),
        };

        return s->each(s->userdata, &entry);
}

static bool is_covered_by_grant(void *userdata, const IpNetwork *network) {
        Snapshot *s = userdata;

        return grant_table_is_covered(s->m->grants, network);
}

static int add_record(void *userdata, const RelayEntry *entry) {
        Snapshot *s = userdata;

        if (policy_is_static(&s->m->config.policy, &entry->network))
                return 0;
        return s->each(s->userdata, entry);
}

int manager_each_record(
        void *userdata, int (*each)(void *userdata, const RelayEntry *entry), void *each_userdata) {
        Snapshot s = {userdata, each, each_userdata};
        int r = policy_each_static(&s.m->config.policy, is_covered_by_grant, add_static, &s);

        return r < 0 ? r : grant_table_each_record(s.m->grants, time_now() / USEC_PER_SEC, add_record, &s);
}

static int add_to_sink(void *userdata, const RelayEntry *entry) {
        return publisher_sink_add(userdata, entry);
}

int manager_on_snapshot(void *userdata, PublisherSink *sink) {
        return manager_each_record(userdata, add_to_sink, sink);
}
