/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator asks of the daemon. A change is published and durable when its handler returns; who made
 * it is logged. */

#include "daemon/manager.h"

#include <errno.h>
#include <stdio.h>

#include "basic/log.h"

static int on_status(void *userdata, ControlStatus *ret) {
        Manager *m = userdata;
        char last[LAST_LOGIN_BYTES];
        Pattern *const *patterns;
        const char *problem = NULL;
        uint64_t discarded = 0;
        size_t n;

        control_status_text(ret, "version", span_from_string(VERSION));
        control_status_number(ret, "started", m->started / USEC_PER_SEC);
        control_status_number(ret, "grants", grant_table_count(m->grants));
        control_status_number(ret, "max_grants", m->config.policy.max_grants);
        control_status_number(ret, "revocations", grant_table_count_revocations(m->grants));
        control_status_number(ret, "sessions", grant_table_count_sessions(m->grants));
        control_status_number(ret, "ttl", m->config.policy.ttl);
        control_status_number(ret, "generation", m->report.generation);
        control_status_number(ret, "written", m->report.written);
        control_status_number(ret, "base_records", m->report.base_records);
        control_status_number(ret, "delta_records", m->report.delta_records);
        control_status_number(ret, "stale", m->stale);
        control_status_number(ret, "suppressed", m->suppressed);
        control_status_number(ret, "expired", m->expired);
        control_status_number(ret, "refused_by_policy", m->refused);
        if (m->lookup && lookup_server_listeners(m->lookup) > 0) {
                control_status_number(ret, "lookups", lookup_server_requests(m->lookup));
                control_status_number(ret, "lookup_connections", lookup_server_connections(m->lookup));
        }
        for (size_t i = 0; i < m->n_inputs; i++) {
                const Source *s = m->inputs[i].source;
                ControlSource row = {
                        .name = s->name,
                        .records = s->records,
                        .forgeable = s->forgeable,
                        .in_trouble = s->in_trouble || !m->inputs[i].attached,
                };

                row.state = row.in_trouble ? "in trouble" : "ok";
                if (row.in_trouble)
                        problem = "a source is in trouble";
                discarded += s->discarded;
                control_status_source(ret, &row);
        }
        if (discarded > 0)
                control_status_number(ret, "dropped_messages", discarded);
        if (m->logins) {
                LoginServerCounts counts = login_server_counts(m->logins);

                control_status_source(ret,
                        &(ControlSource){
                                .name = "login", .state = "ok", .records = counts.logins + counts.refused});
                control_status_number(ret, "login_connections", counts.connections);
                control_status_number(ret, "claims_refused", counts.refused);
        }
        patterns = pattern_set_patterns(m->patterns, &n);
        for (size_t i = 0; i < n; i++) {
                const Pattern *p = patterns[i];

                control_status_pattern(ret, &(ControlPattern){
                                                    .name = p->name,
                                                    .trust = p->trusts_users ? "users" : "unit",
                                                    .logins = p->counters.logins,
                                                    .hints = p->counters.hints,
                                                    .torn = p->counters.torn,
                                                    .untrusted = p->counters.untrusted,
                                                    .refused = p->counters.refused,
                                            });
        }
        if (m->save_failed || m->state_failed)
                problem = "the state can't be saved";
        if (m->report.error < 0)
                control_status_text(ret, "publish_error", span_from_string(strerror(-m->report.error)));
        if (problem)
                control_status_text(ret, "problem", span_from_string(problem));
        if (m->config.tcprules) {
                if (m->tcprules_report.error == 0)
                        control_status_number(ret, "tcprules", m->tcprules_report.rules);
                if (m->tcprules_report.left_out > 0)
                        control_status_number(ret, "tcprules_left_out", m->tcprules_report.left_out);
                if (m->tcprules_report.error < 0)
                        control_status_text(ret, "tcprules_error",
                                span_from_string(strerror(-m->tcprules_report.error)));
        }
        control_status_text(ret, "state",
                problem || m->report.error < 0 || m->tcprules_report.error < 0 ? SPAN_LITERAL("degraded")
                                                                               : SPAN_LITERAL("ok"));
        if (m->last_login.at > 0) {
                control_status_text(ret, "last_login", span_from_string(manager_last_login(m, last)));
                control_status_number(ret, "last_login_at", m->last_login.at / USEC_PER_SEC);
        }
        return 0;
}

static int on_list(void *userdata, uint64_t cursor, ControlPage *page, uint64_t *ret_next) {
        Manager *m = userdata;
        GrantView view;

        *ret_next = 0;
        if (cursor > UINT32_MAX)
                return 0;
        for (uint32_t i = grant_table_next(m->grants, (uint32_t) cursor, &view); i != UINT32_MAX;
                i = grant_table_next(m->grants, i + 1, &view)) {
                ControlGrant row = {
                        .network = view.network,
                        .until = view.until,
                        .since = view.since,
                        .last = view.last,
                        .user = view.user,
                        .service = view.service,
                        .pattern = view.pattern,
                        .source = view.source,
                        .sessions = view.sessions,
                };

                if (!control_page_add(page, &row)) {
                        *ret_next = (uint64_t) i + 1;
                        return 0;
                }
        }
        return 0;
}

/* The change is made; it counts when it is published. */
static int settle(Manager *m, char reterr[static CONTROL_ERROR_BYTES]) {
        int r = manager_settle(m);

        if (r < 0)
                (void) snprintf(reterr, CONTROL_ERROR_BYTES,
                        "it is done, but can't be written yet (it will be tried again): %s", strerror(-r));
        return r;
}

static int on_grant(void *userdata, uid_t uid, const IpNetwork *network, usec_t ttl, Span user,
        char reterr[static CONTROL_ERROR_BYTES]) {
        Manager *m = userdata;
        IpNetwork target =
                network->length == 128 ? policy_network_of(&m->config.policy, &network->addr) : *network;
        char text[IP_TEXT_BYTES];
        const char *reason = NULL;
        uint64_t until;
        int r;

        r = grant_table_add(m->grants, &target, ttl == 0 ? 0 : MAX(ttl / USEC_PER_SEC, (usec_t) 1), user,
                time_now(), &until, &reason);
        if (r < 0) {
                if (reason)
                        (void) snprintf(reterr, CONTROL_ERROR_BYTES, "%s", reason);
                return r;
        }
        log_notice("uid %u granted %s by hand", (unsigned) uid, ip_network_format(text, &target));
        m->revocations_dirty = true;
        /* a grant for a network can need never-records of what lies in it */
        if (target.length < 128) {
                r = publisher_rewrite(m->publisher);
                if (r < 0)
                        return r;
        }
        return settle(m, reterr);
}

/* Somebody else's clock may be a little ahead. */
#define AHEAD_SECONDS 5

/* The login as if it had been read of: what the policy, the revocations and the counts say holds for it. */
static ControlImportResult import_one(
        Manager *m, const char *from, const ControlImport *import, uint64_t now) {
        Login login = {
                .verdict = MATCH_LOGIN,
                .address = import->address,
                .has_address = true,
                .user = import->user,
                .pattern = IMPORT,
                .source = from,
        };
        IpNetwork network = policy_network_of(&m->config.policy, &import->address);
        GrantView view;
        int r;

        if (import->time > now + AHEAD_SECONDS)
                return (ControlImportResult){CONTROL_IMPORT_REFUSED, "its time is in the future"};
        /* what the daemon has seen itself is as new, and it knows more of it */
        if (grant_table_find(m->grants, &network, &view) && view.last >= import->time && view.until > now)
                return (ControlImportResult){.verdict = CONTROL_IMPORT_GRANTED};
        login.time = MIN(import->time, now) * USEC_PER_SEC;
        m->refusal = NULL;
        r = grant_table_login(m->grants, &login, now);
        if (r == GRANT_STALE)
                return (ControlImportResult){.verdict = CONTROL_IMPORT_STALE};
        if (r == GRANT_NEW || r == GRANT_EXTENDED)
                return (ControlImportResult){.verdict = CONTROL_IMPORT_GRANTED};
        return (ControlImportResult){
                CONTROL_IMPORT_REFUSED, m->refusal ? m->refusal : "it could not be granted"};
}

static int on_import(void *userdata, uid_t uid, const char *from, const ControlImport *logins, size_t n,
        ControlImportResult *ret_results, char reterr[static CONTROL_ERROR_BYTES]) {
        uint64_t now = time_now() / USEC_PER_SEC;
        Manager *m = userdata;
        size_t granted = 0;

        for (size_t i = 0; i < n; i++) {
                ret_results[i] = import_one(m, from, &logins[i], now);
                granted += ret_results[i].verdict == CONTROL_IMPORT_GRANTED;
        }
        log_notice("uid %u imported %zu of %zu logins from %s", (unsigned) uid, granted, n, from);
        return settle(m, reterr);
}

/* The grants have ended, but not every revocation could be noted. What was saved and published must not know
 * of the grants any more either. */
static int settle_unnoted(Manager *m, int error, char reterr[static CONTROL_ERROR_BYTES]) {
        int r = settle(m, reterr);

        if (r >= 0)
                r = manager_save_state(m);
        (void) snprintf(reterr, CONTROL_ERROR_BYTES,
                "the grants have ended, but a login from before could bring one back: %s",
                r < 0              ? "the state can't be written"
                : error == -ENOSPC ? "there are too many revocations"
                                   : strerror(-error));
        return error;
}

static int on_revoke(void *userdata, uid_t uid, const ControlRevoke *what, uint32_t *ret_count,
        char reterr[static CONTROL_ERROR_BYTES]) {
        Manager *m = userdata;
        char text[IP_TEXT_BYTES], user[LOG_TEXT_BYTES];
        usec_t now = time_now();
        int r = -EINVAL;

        switch (what->kind) {
        case CONTROL_REVOKE_NETWORK:
                r = grant_table_revoke(m->grants, &what->network, now);
                log_notice("uid %u revoked %s", (unsigned) uid, ip_network_format(text, &what->network));
                break;
        case CONTROL_REVOKE_USER:
                r = grant_table_revoke_user(m->grants, what->user, what->block, now);
                log_notice("uid %u revoked%s user %s", (unsigned) uid, what->block ? " and blocked" : "",
                        log_text(user, what->user));
                break;
        case CONTROL_REVOKE_ALL:
                r = grant_table_revoke_all(m->grants, now);
                log_notice("uid %u revoked all grants", (unsigned) uid);
                break;
        default:
                break;
        }
        if (r == -EINVAL)
                return r;
        m->revocations_dirty = true;
        if (r < 0)
                return settle_unnoted(m, r, reterr);
        *ret_count = (uint32_t) r;
        return settle(m, reterr);
}

static int on_unblock(void *userdata, uid_t uid, Span user, char reterr[static CONTROL_ERROR_BYTES]) {
        Manager *m = userdata;
        char text[LOG_TEXT_BYTES];

        if (!grant_table_unblock(m->grants, user))
                return -ENOENT;
        log_notice("uid %u unblocked user %s", (unsigned) uid, log_text(text, user));
        m->revocations_dirty = true;
        return settle(m, reterr);
}

static int on_reload(void *userdata, uid_t uid, char reterr[static CONTROL_ERROR_BYTES]) {
        IniError error = {""};
        int r = manager_reload(userdata, &error);

        if (r < 0)
                (void) snprintf(reterr, CONTROL_ERROR_BYTES, "%s", error.text);
        else
                log_info("uid %u had the configuration read again", (unsigned) uid);
        return r;
}

const ControlHandlers manager_control_handlers = {
        .status = on_status,
        .list = on_list,
        .grant = on_grant,
        .import = on_import,
        .revoke = on_revoke,
        .unblock = on_unblock,
        .reload = on_reload,
};
