/* SPDX-License-Identifier: Apache-2.0 */
/* The outputs beside relay.cdb: [Outputs] of the configuration, and what is to be left of them when there is
 * no daemon. */

#include "daemon/manager.h"

#include <errno.h>
#include <unistd.h>

#include "basic/log.h"

/* Grants that ended in this very second and were not told yet are ended first. */
static int on_snapshot(void *userdata, TcprulesEntryHandler each, void *each_userdata) {
        Manager *m = userdata;

        manager_notice_clock(m);
        grant_table_expire(m->grants, time_now() / USEC_PER_SEC);
        return manager_each_record(m, each, each_userdata);
}

static void on_written(void *userdata, const TcprulesReport *report) {
        Manager *m = userdata;
        TcprulesReport told = m->tcprules_report;

        m->tcprules_report = *report;
        if (report->error != told.error) {
                m->status_dirty = true;
                if (report->error < 0)
                        log_errno(LOG_ERR, report->error,
                                "%s can't be written; nobody is granted relaying there, and it is tried "
                                "again",
                                m->config.tcprules);
                else
                        log_notice("%s can be written again", m->config.tcprules);
        }
        if (report->left_out > 0 && told.left_out == 0)
                log_warning("%s leaves out grants that rules of tcpserver can't express (see the status)",
                        m->config.tcprules);
}

void manager_configure_outputs(Manager *m) {
        m->tcprules_report = (TcprulesReport){0};
        if (tcprules_output_configure(m->tcprules, m->config.tcprules, m->config.tcprules_template) < 0)
                log_errno(LOG_ERR, -ENOMEM, "%s is not written", m->config.tcprules);
}

int manager_open_outputs(Manager *m) {
        TcprulesConfig config = {
                .runtime_directory = m->options.runtime_directory,
                .snapshot = on_snapshot,
                .on_written = on_written,
                .userdata = m,
        };
        int r = tcprules_output_new(&config, &m->tcprules);

        if (r >= 0)
                r = tcprules_output_attach(m->tcprules, m->event);
        if (r < 0)
                return log_errno(LOG_ERR, r, "the outputs can't be set up");
        manager_configure_outputs(m);
        return 0;
}

typedef struct Static {
        const Policy *policy; /* NULL: nothing but the template */
        TcprulesEntryHandler each;
        void *userdata;
} Static;

static int add_static(void *userdata, const IpNetwork *network, bool always) {
        const Static *s = userdata;
        RelayEntry entry = {.network = *network, .verdict = always ? RELAY_ALLOW : RELAY_NEVER};

        return s->each(s->userdata, &entry);
}

static int static_snapshot(void *userdata, TcprulesEntryHandler each, void *each_userdata) {
        Static s = {userdata, each, each_userdata};

        return s.policy ? policy_each_static(s.policy, NULL, add_static, &s) : 0;
}

static void on_host_changed(_unused_ void *userdata) {
}

/* The host's own addresses and its gateway may lie in Always=, and must not be let in with it. */
static int find_host(Policy *policy) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(host_addresses_freep) HostAddresses *host = NULL;
        int r = sd_event_new(&event);

        if (r >= 0)
                r = host_addresses_new(event, -1, on_host_changed, NULL, &host);
        return r < 0 ? r : host_addresses_copy(host, &policy->host, &policy->host_networks);
}

static int write_static_anew(Config *config) {
        Policy *policy = &config->policy;
        int r = find_host(policy);

        if (r < 0 && policy->always.n > 0)
                log_errno(LOG_NOTICE, r,
                        "%s is written without Always=: the host's own addresses are not known",
                        config->tcprules);
        r = tcprules_output_write_static(
                config->tcprules, config->tcprules_template, static_snapshot, r < 0 ? NULL : policy);
        return r < 0 ? log_errno(LOG_ERR, r, "%s can't be written", config->tcprules) : 0;
}

int manager_write_static(const ManagerOptions *options) {
        _cleanup_(config_done) Config config = {0};
        IniError error = {""};
        int restored = tcprules_output_restore(options->runtime_directory), r;

        if (restored < 0 && restored != -ENODATA)
                return log_errno(LOG_ERR, restored, "%s: what is granted there can't be taken back",
                        options->runtime_directory);
        if (restored > 0)
                return 0;
        r = config_load(options->config_path, options->config_optional, &config, &error);
        if (r < 0) {
                log_error("%s", error.text[0] ? error.text : strerror(-r));
                return r;
        }
        if (!config.tcprules || (restored == 0 && access(config.tcprules, F_OK) == 0))
                return 0;
        return write_static_anew(&config);
}
