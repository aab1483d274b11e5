/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: starting, stopping, reloading, its timers, and telling how things are. The way of a record is
 * in manager-flow.c. */

#include "daemon/manager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "basic/unix-socket.h"
#include "cdb/relay-lookup.h"

#define SAVE_USEC USEC_PER_MINUTE
#define TICK_USEC USEC_PER_MINUTE
/* systemctl status is looked at by people; telling PID 1 of each login would wake it for nothing. */
#define STATUS_USEC (5 * USEC_PER_SEC)
/* NTP slews; a larger change than this between two ticks was a step. */
#define CLOCK_STEP_USEC (2 * USEC_PER_SEC)

/* ---- publishing ---- */

static void on_published(void *userdata, const PublisherReport *report) {
        Manager *m = userdata;

        m->report = *report;
        if (report->error == m->told_error)
                return;
        m->told_error = report->error;
        m->status_dirty = true;
        if (report->error < 0)
                log_errno(LOG_ERR, report->error,
                        "%s can't be written; the last one stays, and it is tried again", m->relay_path);
        else
                log_notice("%s can be written again", m->relay_path);
}

/* What is not durable yet; it is tried again each minute. */
static int save_revocations(Manager *m) {
        int r = m->revocations_dirty ? manager_save_revocations(m) : 0;

        if (r < 0 && !m->save_failed)
                log_errno(LOG_ERR, r, "%s can't be written; it is tried again each minute",
                        m->revocations_path);
        m->save_failed = r < 0;
        return r;
}

int manager_settle(Manager *m) {
        int r = save_revocations(m), k = publisher_flush(m->publisher),
            j = tcprules_output_flush(m->tcprules);

        for (size_t i = 0; r >= 0 && k >= 0 && i < m->n_inputs; i++)
                source_settled(m->inputs[i].source);
        if (k < 0)
                j = k;
        return r < 0 ? r : j;
}

/* ---- the clock ---- */

static int64_t clock_offset(void) {
        return (int64_t) time_now() - (int64_t) time_boot();
}

void manager_notice_clock(Manager *m) {
        int64_t offset = clock_offset(), step = offset - m->clock_offset;

        m->clock_offset = offset;
        if (step > -(int64_t) CLOCK_STEP_USEC && step < (int64_t) CLOCK_STEP_USEC)
                return;
        log_notice("the clock was set %s by %" PRId64 " s", step > 0 ? "forward" : "back",
                (step > 0 ? step : -step) / (int64_t) USEC_PER_SEC);
        m->revocations_dirty |= grant_table_clock_set(m->grants, time_now() / USEC_PER_SEC, true);
        m->clock_stepped = true;
}

/* The policy, or the clock that it goes by, is another than before: judges and publishes everything anew. */
static void judge_again(Manager *m) {
        manager_notice_clock(m);
        m->clock_stepped = false;
        grant_table_set_policy(m->grants, &m->config.policy, time_now() / USEC_PER_SEC);
        (void) publisher_rewrite(m->publisher);
        tcprules_output_touch(m->tcprules, true);
        m->due = 0;
}

static void check_clock(Manager *m) {
        manager_notice_clock(m);
        if (m->clock_stepped)
                judge_again(m);
}

/* ---- timers ---- */

static int on_expire(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        (void) source;
        (void) usec;
        check_clock(m);
        m->due = UINT64_MAX;
        grant_table_expire(m->grants, time_now() / USEC_PER_SEC);
        return 0;
}

/* All that is not on the disk yet, now. */
static void save_all(Manager *m) {
        if (save_revocations(m) >= 0 && m->state_dirty)
                (void) manager_save_state(m);
}

static int on_save(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        (void) source;
        (void) usec;
        if (save_revocations(m) >= 0 && m->state_dirty)
                manager_begin_saving_state(m);
        return 0;
}

static void tell_status(Manager *m, usec_t now) {
        char last[LAST_LOGIN_BYTES];
        size_t troubled = 0;

        for (size_t i = 0; i < m->n_inputs; i++)
                troubled += m->inputs[i].source->in_trouble || !m->inputs[i].attached;
        m->status_told = now;
        m->status_dirty = false;
        (void) sd_notifyf(false, "STATUS=%u grants; last login: %s; %zu of %zu sources ok%s",
                grant_table_count(m->grants),
                m->last_login.at > 0 ? manager_last_login(m, last) : "none yet", m->n_inputs - troubled,
                m->n_inputs, m->report.error < 0 ? "; can't publish" : "");
}

/* What can't be read again has nothing from before the start but what waits in its queue. */
static bool is_all_read(const Manager *m) {
        for (size_t i = 0; i < m->n_inputs; i++)
                if (m->inputs[i].source->ops->encode && !m->inputs[i].source->is_read)
                        return false;
        return true;
}

/* After whatever the loop did: set the timers to what has changed. */
static int on_post(sd_event_source *source, void *userdata) {
        Manager *m = userdata;
        uint64_t due;
        usec_t now;
        int enabled;

        (void) source;
        if (m->behind && is_all_read(m)) {
                m->behind = false;
                grant_table_note_read(m->grants, time_now() / USEC_PER_SEC);
        }
        due = grant_table_next_due(m->grants);
        if (due != m->due) {
                m->due = due;
                if (due != UINT64_MAX)
                        (void) sd_event_source_set_time(m->expire, due * USEC_PER_SEC);
                (void) sd_event_source_set_enabled(
                        m->expire, due == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
        }
        if ((m->state_dirty || m->revocations_dirty) &&
                sd_event_source_get_enabled(m->save, &enabled) >= 0 && enabled == SD_EVENT_OFF) {
                (void) sd_event_source_set_time_relative(m->save, SAVE_USEC);
                (void) sd_event_source_set_enabled(m->save, SD_EVENT_ONESHOT);
        }
        now = time_now();
        if (m->status_dirty && (now - m->status_told >= STATUS_USEC || now < m->status_told))
                tell_status(m, now);
        return 0;
}

/* Whether readers believe what is published. */
static bool is_believed(Manager *m) {
        IpAddr documentation = {{[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1}};
        RelayAnswer answer;

        return relay_lookup(m->relay_path, &documentation, time_now() / USEC_PER_SEC, &answer) !=
               RELAY_RESULT_DOUBT;
}

/* Readers doubt a file that somebody damaged or removed, or that a clock set back made one of the future. A
 * fault of the disk is no reason to be restarted; files that stay wrong after they were written are. */
static bool is_healthy(Manager *m) {
        if (m->report.error < 0 || is_believed(m))
                return true;
        log_warning("%s is not what was published; it is written anew", m->relay_path);
        return publisher_rewrite(m->publisher) < 0 || is_believed(m);
}

static int attach(Manager *m, Input *input) {
        int r = source_attach(input->source, m->event);

        input->attached = r >= 0;
        if (r < 0)
                source_note(input->source, SOURCE_NOTE_TROUBLE, "%s can't be read: %s", input->source->name,
                        strerror(-r));
        return r;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        for (size_t i = 0; i < m->n_inputs; i++)
                if (m->inputs[i].attached)
                        source_check(m->inputs[i].source);
                else if (attach(m, &m->inputs[i]) >= 0)
                        source_note(m->inputs[i].source, SOURCE_NOTE_WELL, "%s can be read",
                                m->inputs[i].source->name);
        manager_keep_fifos(m);
        check_clock(m);
        tcprules_output_check(m->tcprules);
        if (is_healthy(m) && m->watchdog)
                (void) sd_notify(false, "WATCHDOG=1");
        if (m->status_dirty)
                tell_status(m, time_now());
        (void) sd_event_source_set_time(source, usec + m->tick_usec);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- configuration ---- */

static int load_patterns(const Manager *m, const Config *config, PatternSet **ret, IniError *reterr) {
        char *only[] = {(char *) (uintptr_t) m->options.patterns_directory, NULL};
        char *usual[] = {(char *) (uintptr_t) PATTERNS_OVERRIDE_DIRECTORY,
                (char *) (uintptr_t) PATTERNS_DIRECTORY, NULL};
        PatternSetSettings settings = {.enable = config->has_enable ? config->enable.items : NULL};

        if (m->options.patterns_directory)
                settings.directories = only;
        else if (config->pattern_directories.n > 0)
                settings.directories = config->pattern_directories.items;
        else
                settings.directories = usual;
        return pattern_set_load(&settings, ret, reterr);
}

static void warn_of(const Config *config) {
        for (size_t i = 0; i < config->warnings.n; i++)
                log_warning("%s", config->warnings.items[i]);
        if (config_reads_journal(config) && config_reads_forgeable(config))
                log_notice("both the journal and other logs are read: a line in those can be forged by any "
                           "local user who may log, and the journal's proof of origin does not help there");
}

/* Made and thrown away with the setting. */
static void set_names(Manager *m) {
        if (!m->config.resolve_names)
                m->names = name_resolver_free(m->names);
        else if (!m->names && name_resolver_new(m->event, manager_on_named, m, &m->names) < 0)
                log_error("host names can't be resolved: out of memory");
}

int manager_reload(Manager *m, IniError *reterr) {
        _cleanup_(config_done) Config config = {0};
        _cleanup_(pattern_set_freep) PatternSet *patterns = NULL;
        Input *inputs = NULL, *old_inputs = m->inputs;
        size_t n_inputs = 0, n_old = m->n_inputs;
        Config old_config;
        PatternSet *old_patterns = m->patterns;
        int r;

        r = config_load(m->options.config_path, m->options.config_optional, &config, reterr);
        if (r >= 0)
                r = load_patterns(m, &config, &patterns, reterr);
        if (r >= 0 && m->host &&
                host_addresses_copy(m->host, &config.policy.host, &config.policy.host_networks) < 0)
                r = ini_error_set(reterr, &(IniPlace){m->options.config_path, 0}, -ENOMEM, "out of memory");
        if (r >= 0)
                r = manager_make_inputs(m, &config, patterns, &inputs, &n_inputs, reterr);
        if (r < 0)
                return r;
        /* nothing can fail from here on */
        manager_hand_over_positions(m, inputs, n_inputs);
        old_config = m->config;
        m->config = config;
        config = old_config;
        m->patterns = TAKE_PTR(patterns);
        m->inputs = inputs;
        m->n_inputs = n_inputs;
        manager_free_inputs(old_inputs, n_old);
        /* the published files will not tell any more when a login was, once another TTL= stands in them */
        if (m->config.policy.ttl != config.policy.ttl) {
                m->state_dirty = true;
                save_all(m);
        }
        pattern_set_free(old_patterns);
        manager_configure_outputs(m);
        publisher_set_options(m->publisher, m->config.policy.ttl, m->config.publish_users);
        judge_again(m);
        set_names(m);
        if (m->logins &&
                login_server_trust(m->logins, m->config.virtual_users, m->config.n_virtual_users) < 0)
                log_error("VirtualUsers= stays as it was: out of memory");
        for (size_t i = 0; i < m->n_inputs; i++)
                (void) attach(m, &m->inputs[i]);
        manager_keep_fifos(m);
        warn_of(&m->config);
        m->status_dirty = true;
        return 0;
}

static void reload_by_signal(Manager *m) {
        struct timespec ts;
        IniError error = {""};

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000);
        if (manager_reload(m, &error) < 0)
                log_error("the configuration stays as it was: %s", error.text);
        else
                log_info("the configuration was read again");
        (void) sd_notify(false, "READY=1");
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Manager *m = userdata;

        (void) source;
        if (info->ssi_signo == SIGHUP)
                reload_by_signal(m);
        else
                (void) sd_event_exit(m->event, 0);
        return 0;
}

static void on_host_changed(void *userdata) {
        Manager *m = userdata;

        if (host_addresses_copy(m->host, &m->config.policy.host, &m->config.policy.host_networks) >= 0)
                judge_again(m);
}

/* ---- starting and stopping ---- */

static int make_timers(Manager *m) {
        static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
        uint64_t watchdog = 0;
        sigset_t set;
        int r;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&set, signals[i]);
        (void) sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                r = sd_event_add_signal(m->event, &m->signals[i], signals[i], on_signal, m);
                if (r < 0)
                        return r;
        }
        m->watchdog = sd_watchdog_enabled(false, &watchdog) > 0;
        m->tick_usec = m->watchdog ? MAX(watchdog / 2, (uint64_t) 1) : TICK_USEC;
        r = sd_event_add_time(m->event, &m->expire, CLOCK_REALTIME, 0, 100 * USEC_PER_MSEC, on_expire, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->expire, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(m->event, &m->save, CLOCK_MONOTONIC, 0, USEC_PER_SEC, on_save, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->save, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(
                        m->event, &m->tick, CLOCK_MONOTONIC, m->tick_usec, 0, on_tick, m);
        if (r >= 0)
                r = sd_event_add_post(m->event, &m->post, on_post, m);
        return r;
}

static int make_paths(Manager *m) {
        if (asprintf(&m->relay_path, "%s/relay.cdb", m->options.runtime_directory) < 0)
                m->relay_path = NULL;
        if (asprintf(&m->state_path, "%s/state", m->options.state_directory) < 0)
                m->state_path = NULL;
        if (asprintf(&m->revocations_path, "%s/revocations", m->options.state_directory) < 0)
                m->revocations_path = NULL;
        if (asprintf(&m->revocations_copy_path, "%s/revocations-copy", m->options.state_directory) < 0)
                m->revocations_copy_path = NULL;
        return m->relay_path && m->state_path && m->revocations_path && m->revocations_copy_path ? 0
                                                                                                 : -ENOMEM;
}

static void open_host_addresses(Manager *m) {
        int fd = descriptors_take(m->options.descriptors, DESCRIPTOR_NETLINK), r;

        r = host_addresses_new(m->event, fd, on_host_changed, m, &m->host);
        if (r >= 0)
                r = host_addresses_copy(m->host, &m->config.policy.host, &m->config.policy.host_networks);
        if (r < 0)
                log_errno(LOG_WARNING, r, "the host's own addresses are not known and could be granted");
}

static int open_sockets(Manager *m) {
        _cleanup_free_ char *path = NULL;
        int fd = descriptors_take(m->options.descriptors, DESCRIPTOR_CONTROL), r;

        r = control_server_new(m->event, &manager_control_handlers, m, &m->control);
        if (r >= 0 && fd < 0) {
                if (asprintf(&path, "%s/control", m->options.runtime_directory) < 0) {
                        path = NULL;
                        r = -ENOMEM;
                } else
                        /* its group may be one that reads logs, which is no reason to obey it */
                        fd = r = unix_socket_open(path, SOCK_STREAM, 0600);
        }
        if (r >= 0)
                r = control_server_listen(m->control, fd);
        if (r < 0)
                return log_errno(LOG_ERR, r, "the control socket can't be opened");
        manager_open_lookup(m, path != NULL);
        return 0;
}

static int open_publisher(Manager *m) {
        PublisherConfig config = {
                .path = m->relay_path,
                .ttl = m->config.policy.ttl,
                .publish_users = m->config.publish_users,
                .snapshot = manager_on_snapshot,
                .on_published = on_published,
                .userdata = m,
        };
        int r = publisher_new(&config, &m->publisher);

        if (r >= 0)
                r = publisher_attach(m->publisher, m->event);
        return r < 0 ? log_errno(LOG_ERR, r, "the publisher can't be set up") : 0;
}

static int configure(Manager *m) {
        IniError error = {""};
        int r = config_load(m->options.config_path, m->options.config_optional, &m->config, &error);

        if (r >= 0)
                r = load_patterns(m, &m->config, &m->patterns, &error);
        if (r >= 0)
                r = manager_make_inputs(m, &m->config, m->patterns, &m->inputs, &m->n_inputs, &error);
        if (r < 0)
                log_error("%s", error.text[0] ? error.text : strerror(-r));
        else
                warn_of(&m->config);
        return r;
}

static int set_up(Manager *m) {
        int r = configure(m);

        if (r < 0)
                return r;
        r = sd_event_new(&m->event);
        if (r >= 0)
                r = make_paths(m);
        if (r >= 0)
                r = make_timers(m);
        if (r >= 0)
                r = event_log_new(m->options.journal, &m->event_log);
        if (r >= 0)
                r = stream_state_new(&m->streams);
        if (r >= 0)
                r = grant_table_new(&m->config.policy, manager_on_grant_event, m, &m->grants);
        if (r < 0)
                return log_errno(LOG_ERR, r, "the daemon can't be set up");
        open_host_addresses(m);
        set_names(m);
        manager_open_logins(m);
        r = manager_open_outputs(m);
        if (r >= 0)
                r = open_publisher(m);
        if (r < 0)
                return r;
        m->behind = true;
        grant_table_expect_more(m->grants);
        r = manager_load_state(m);
        if (r >= 0)
                r = manager_merge_published(m);
        if (r < 0)
                return r;
        /* first of all, what readers go by; a disk that is full now is retried later */
        (void) publisher_flush(m->publisher);
        (void) tcprules_output_flush(m->tcprules);
        return open_sockets(m);
}

int manager_new(const ManagerOptions *options, Manager **ret) {
        _cleanup_(manager_freep) Manager *m = calloc(1, sizeof(Manager));
        int r;

        if (!m)
                return log_errno(LOG_ERR, -ENOMEM, "the daemon can't be set up");
        m->saver = FORKED_WRITER_INIT;
        m->options = *options;
        m->started = time_now();
        m->clock_offset = clock_offset();
        r = set_up(m);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->n_inputs; i++)
                (void) attach(m, &m->inputs[i]);
        manager_find_kept_fifos(m);
        manager_keep_fifos(m);
        manager_warn_of_idle(m);
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        sd_event_source *sources[] = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};

        if (!m)
                return NULL;
        control_server_free(m->control);
        lookup_server_free(m->lookup);
        login_server_free(m->logins);
        forked_writer_stop(&m->saver);
        manager_free_inputs(m->inputs, m->inputs ? m->n_inputs : 0);
        publisher_free(m->publisher);
        tcprules_output_free(m->tcprules);
        grant_table_free(m->grants);
        stream_state_free(m->streams);
        event_log_free(m->event_log);
        host_addresses_free(m->host);
        name_resolver_free(m->names);
        pattern_set_free(m->patterns);
        config_done(&m->config);
        memcpy(sources,
                (sd_event_source *[]){
                        m->expire, m->save, m->tick, m->post, m->signals[0], m->signals[1], m->signals[2]},
                sizeof(sources));
        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                (void) sd_event_source_disable_unref(sources[i]);
        sd_event_unref(m->event);
        free(m->relay_path);
        free(m->state_path);
        free(m->revocations_path);
        free(m->revocations_copy_path);
        free(m);
        return NULL;
}

int manager_run(Manager *m) {
        int r;

        tell_status(m, time_now());
        (void) sd_notify(false, "READY=1");
        log_info(
                "authrelayd %s: %u grants, %zu sources", VERSION, grant_table_count(m->grants), m->n_inputs);
        /* else a log that is rotated before the first save would be unknown after a crash */
        if (access(m->state_path, F_OK) < 0) {
                m->state_dirty = true;
                save_all(m);
        }
        r = sd_event_loop(m->event);
        (void) sd_notify(false, "STOPPING=1");
        manager_keep_logins(m);
        m->state_dirty = true;
        (void) manager_settle(m);
        save_all(m);
        return r < 0 ? log_errno(LOG_ERR, r, "the event loop failed") : 0;
}
