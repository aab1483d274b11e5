/* SPDX-License-Identifier: Apache-2.0 */
/* Turning what is published into rules of tcpserver, and keeping them on a path. tcpserver follows the most
 * specific rule alone, so a rule that lets a client relay must do all that the rule of the template does
 * which would have been followed for it; that one may deny, and then the new one denies, too.
 *
 * Invariant: before a file with grants is put in place, its static part lies beside it as `.NAME.static`,
 * and the link `tcprules` in the runtime directory says where. A process that was killed can be cleaned up
 * after by two system calls. */

#include "publish/tcprules-output.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/atomic-file.h"
#include "basic/time-util.h"
#include "cdb/cdb-file.h"
#include "model/network-set.h"

#define LINK_NAME "tcprules"

/* A person does not get from one program to the next in less. */
#define INTERVAL_USEC (200 * USEC_PER_MSEC)
/* The whole file is written each time; a large one is written more rarely. */
#define PAUSE 16

#define RETRY_MIN_USEC (1 * USEC_PER_SEC)
#define RETRY_MAX_USEC (30 * USEC_PER_SEC)

/* Never-networks that can't be told from what they lie in; there are none but by strange settings. */
#define UNTOLD_MAX 64

static const char relays[] = "+RELAYCLIENT=";

/* What is to be said, while a file is made. */
typedef struct Build {
        const TcprulesTemplate *template;
        bool is_static;
        struct Item {
                IpNetwork network;
                bool allows;
        } * items;
        uint32_t n, allocated;
        NetworkSet allowed, never;
        IpNetwork untold[UNTOLD_MAX];
        uint32_t n_untold;
        CdbWriter *cdb;
        struct Item *item; /* whose rules are being written */
        uint32_t left_out, rules;
} Build;

struct TcprulesOutput {
        TcprulesConfig config;
        char *runtime_directory;
        char *path;                       /* NULL: off */
        const TcprulesTemplate *template; /* borrowed */
        bool dirty, is_static_dirty;
        usec_t next, retry_delay; /* monotonic clock */
        TcprulesReport report;
        sd_event *event;
        sd_event_source *timer;
};

/* ---- what is in a file ---- */

static void build_done(Build *b) {
        free(b->items);
        network_set_done(&b->allowed);
        network_set_done(&b->never);
        b->cdb = cdb_writer_free(b->cdb);
}

static int collect(void *userdata, const RelayEntry *entry) {
        Build *b = userdata;

        if (entry->verdict == RELAY_REVOKED ||
                (entry->verdict == RELAY_ALLOW && b->is_static && entry->until != 0))
                return 0;
        if (b->n == b->allocated) {
                uint32_t room = MAX(2 * b->allocated, UINT32_C(64));
                struct Item *more = realloc(b->items, room * sizeof(struct Item));

                if (!more)
                        return -ENOMEM;
                b->items = more;
                b->allocated = room;
        }
        b->items[b->n++] = (struct Item){entry->network, entry->verdict == RELAY_ALLOW};
        return 0;
}

static int compare(const void *a, const void *b) {
        const struct Item *x = a, *y = b;
        int r = memcmp(&x->network.addr, &y->network.addr, sizeof(IpAddr));

        return r != 0 ? r : (int) x->network.length - (int) y->network.length;
}

static bool has_untold(const Build *b, const IpNetwork *network) {
        for (uint32_t i = 0; i < b->n_untold; i++)
                if (ip_network_contains(network, &b->untold[i]))
                        return true;
        return false;
}

/* Decides which networks are allowed as far as rules go: never one with a network in it that must not be and
 * that can't be told from it. */
static int sort_out(Build *b) {
        uint32_t budget = TCPRULES_RULES_MAX;
        int r = 0;

        for (uint32_t i = 0; i < b->n && r >= 0; i++) {
                const IpNetwork *n = &b->items[i].network;

                if (b->items[i].allows)
                        continue;
                r = network_set_add(&b->never, n);
                if (tcprules_keys_count(n) > budget)
                        return -E2BIG;
                budget -= tcprules_keys_count(n);
                if (tcprules_keys(n, NULL, NULL) == TCPRULES_COVERS_ALL)
                        continue;
                if (b->n_untold == UNTOLD_MAX)
                        return -E2BIG;
                b->untold[b->n_untold++] = *n;
        }
        for (uint32_t i = 0; i < b->n && r >= 0; i++) {
                const IpNetwork *n = &b->items[i].network;
                uint32_t keys = tcprules_keys_count(n);

                if (!b->items[i].allows)
                        continue;
                if (keys == 0 || keys > budget || has_untold(b, n)) {
                        b->left_out++;
                        continue;
                }
                budget -= keys;
                r = network_set_add(&b->allowed, n);
        }
        return r;
}

static int write_rule(Build *b, Span key, const TcprulesInstructions *in, bool may_relay) {
        char value[CDB_VALUE_MAX_BYTES];
        size_t size = in ? in->size : 0;

        if (size + sizeof(relays) > sizeof(value))
                return -EFBIG; /* no line of a template is as long */
        if (size > 0)
                memcpy(value, in->data, size);
        if (may_relay && !(in && (in->denies || in->relays))) {
                memcpy(value + size, relays, sizeof(relays)); /* with its NUL */
                size += sizeof(relays);
        }
        b->rules++;
        return cdb_writer_add(b->cdb, key, span_make(value, size));
}

static bool may_relay(const Build *b, const IpNetwork *network) {
        return network_set_longest(&b->allowed, network) > network_set_longest(&b->never, network);
}

static int write_key(void *userdata, Span key) {
        Build *b = userdata;
        const TcprulesRule *rule;
        IpNetwork network;
        int allowed, never;

        /* the template's rules have been written */
        if (!tcprules_key_network(key, &network) || tcprules_template_has(b->template, key))
                return 0;
        allowed = network_set_longest(&b->allowed, &network);
        never = network_set_longest(&b->never, &network);
        /* a rule says what holds at its place, and is written for the longest network that it is of; what
         * lies in nothing allowed needs none */
        if (MAX(allowed, never) != b->item->network.length || allowed < 0)
                return 0;
        rule = tcprules_template_match(b->template, key);
        return write_rule(
                b, key, rule ? &b->template->instructions[rule->instructions] : NULL, allowed > never);
}

/* The template's rules in their order, then those of networks in the order of their addresses. */
static int write_rules(Build *b) {
        for (uint32_t i = 0; b->template && i < b->template->n_rules; i++) {
                const TcprulesRule *rule = &b->template->rules[i];
                int r = write_rule(b, span_from_string(rule->key),
                        &b->template->instructions[rule->instructions],
                        rule->has_network && may_relay(b, &rule->network));

                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < b->n; i++) {
                int r;

                b->item = &b->items[i];
                if (b->item->allows && !network_set_has(&b->allowed, &b->item->network))
                        continue;
                r = tcprules_keys(&b->item->network, write_key, b);
                if (r < 0)
                        return r;
                b->left_out += b->item->allows && r != TCPRULES_COVERS_ALL;
        }
        return 0;
}

static int write_file(const char *path, const TcprulesTemplate *template, bool is_static,
        TcprulesSnapshot snapshot, void *userdata, TcprulesReport *ret) {
        _cleanup_(build_done) Build b = {.template = template, .is_static = is_static};
        _cleanup_(atomic_file_done) AtomicFile file = ATOMIC_FILE_INIT;
        int r = snapshot(userdata, collect, &b);

        if (r < 0)
                return r;
        if (b.n > 0)
                qsort(b.items, b.n, sizeof(struct Item), compare);
        r = sort_out(&b);
        if (r < 0)
                return r;
        /* tcpserver may read it as any user */
        r = atomic_file_open(&file, path, 0644);
        if (r >= 0)
                r = cdb_writer_new(file.fd, &b.cdb);
        if (r >= 0)
                r = write_rules(&b);
        if (r >= 0)
                r = cdb_writer_finish(b.cdb);
        if (r >= 0)
                r = atomic_file_commit(&file);
        if (r < 0)
                return r;
        *ret = (TcprulesReport){.rules = b.rules, .left_out = b.left_out};
        return 0;
}

int tcprules_output_write_static(
        const char *path, const TcprulesTemplate *template, TcprulesSnapshot snapshot, void *userdata) {
        TcprulesReport report;

        return write_file(path, template, true, snapshot, userdata, &report);
}

/* ---- the static part ---- */

/* Writes the path of a file's static part. Returns 0 or -ENAMETOOLONG. */
static int static_path(char buf[static PATH_MAX], const char *path) {
        const char *slash = strrchr(path, '/');
        int directory = slash ? (int) (slash - path + 1) : 0;

        return snprintf(buf, PATH_MAX, "%.*s.%s.static", directory, path, path + directory) < PATH_MAX
                       ? 0
                       : -ENAMETOOLONG;
}

static int link_path(char buf[static PATH_MAX], const char *runtime_directory) {
        return snprintf(buf, PATH_MAX, "%s/" LINK_NAME, runtime_directory) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int no_snapshot(
        _unused_ void *userdata, _unused_ TcprulesEntryHandler each, _unused_ void *each_userdata) {
        return 0;
}

/* Without its static part a file still must not go on letting those in who were granted relaying: it becomes
 * one without a rule, by which everybody may send mail to this host and nobody through it. Returns 0, also
 * if there is no file, or -errno: then it is as it was. */
static int remove_grants(const char *path) {
        if (access(path, F_OK) < 0 && errno == ENOENT)
                return 0;
        if (tcprules_output_write_static(path, NULL, no_snapshot, NULL) >= 0)
                return 0;
        /* tcpserver -x takes no mail then, which the sender tries again */
        return unlink(path) < 0 ? -errno : 0;
}

int tcprules_output_restore(const char *runtime_directory) {
        char link[PATH_MAX], path[PATH_MAX], beside[PATH_MAX];
        struct stat st;
        ssize_t n;
        int r = link_path(link, runtime_directory);

        if (r < 0)
                return r;
        if (lstat(link, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        /* whoever owns it decides what is put where */
        if (st.st_uid != geteuid())
                return -EPERM;
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return -errno;
        path[n] = 0;
        r = static_path(beside, path);
        if (r < 0)
                return r;
        if (rename(beside, path) < 0) {
                r = remove_grants(path);
                if (r < 0)
                        return r;
                (void) unlink(link);
                return -ENODATA;
        }
        return unlink(link) < 0 ? -errno : 1;
}

/* Has the link say where the file is. */
static int note_path(const TcprulesOutput *o) {
        char link_to[PATH_MAX], temporary[PATH_MAX], now[PATH_MAX];
        ssize_t n;
        int r = link_path(link_to, o->runtime_directory);

        if (r < 0)
                return r;
        n = readlink(link_to, now, sizeof(now));
        if (n >= 0 && span_equal_string(span_make(now, (size_t) n), o->path))
                return 0;
        if (snprintf(temporary, sizeof(temporary), "%s/." LINK_NAME ".tmp", o->runtime_directory) >=
                (int) sizeof(temporary))
                return -ENAMETOOLONG;
        if (unlink(temporary) < 0 && errno != ENOENT)
                return -errno;
        if (symlink(o->path, temporary) < 0 || rename(temporary, link_to) < 0)
                return -errno;
        return 0;
}

static int prepare_static(TcprulesOutput *o) {
        char beside[PATH_MAX];
        int r = static_path(beside, o->path);

        if (r < 0)
                return r;
        if (o->is_static_dirty || access(beside, F_OK) < 0) {
                r = tcprules_output_write_static(
                        beside, o->template, o->config.snapshot, o->config.userdata);
                if (r < 0)
                        return r;
                o->is_static_dirty = false;
        }
        return note_path(o);
}

/* ---- when it is written ---- */

static void schedule(TcprulesOutput *o) {
        bool is_due = o->path && o->dirty;

        if (!o->timer)
                return;
        if (is_due)
                (void) sd_event_source_set_time(o->timer, o->next);
        (void) sd_event_source_set_enabled(o->timer, is_due ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* What is in place may let somebody relay whose time is over: fewer rights are better than too many. */
static void fail(TcprulesOutput *o, int error) {
        o->report = (TcprulesReport){.error = error};
        o->dirty = true;
        (void) tcprules_output_restore(o->runtime_directory);
        o->retry_delay = MIN(MAX(2 * o->retry_delay, RETRY_MIN_USEC), RETRY_MAX_USEC);
        o->next = time_monotonic() + o->retry_delay;
}

static int work(TcprulesOutput *o) {
        usec_t begin = time_monotonic(), cost;
        int r;

        if (!o->path || !o->dirty)
                return 0;
        /* before the snapshot, which may find that something has ended */
        o->dirty = false;
        r = prepare_static(o);
        if (r >= 0)
                r = write_file(
                        o->path, o->template, false, o->config.snapshot, o->config.userdata, &o->report);
        if (r < 0)
                fail(o, r);
        else {
                cost = time_monotonic() - begin;
                o->next = begin + cost + MAX(INTERVAL_USEC, PAUSE * cost);
                o->retry_delay = 0;
        }
        if (o->config.on_written)
                o->config.on_written(o->config.userdata, &o->report);
        schedule(o);
        return r;
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        (void) work(userdata);
        return 0;
}

int tcprules_output_new(const TcprulesConfig *config, TcprulesOutput **ret) {
        _cleanup_(tcprules_output_freep) TcprulesOutput *o = calloc(1, sizeof(TcprulesOutput));

        if (!o)
                return -ENOMEM;
        o->config = *config;
        o->runtime_directory = strdup(config->runtime_directory);
        if (!o->runtime_directory)
                return -ENOMEM;
        *ret = TAKE_PTR(o);
        return 0;
}

TcprulesOutput *tcprules_output_free(TcprulesOutput *o) {
        if (!o)
                return NULL;
        if (o->path)
                (void) tcprules_output_restore(o->runtime_directory);
        (void) sd_event_source_disable_unref(o->timer);
        (void) sd_event_unref(o->event);
        free(o->runtime_directory);
        free(o->path);
        free(o);
        return NULL;
}

int tcprules_output_attach(TcprulesOutput *o, sd_event *event) {
        int r;

        assert(!o->event);
        r = sd_event_add_time(event, &o->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_timer, o);
        if (r >= 0)
                r = sd_event_source_set_enabled(o->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        o->event = sd_event_ref(event);
        schedule(o);
        return 0;
}

int tcprules_output_configure(TcprulesOutput *o, const char *path, const TcprulesTemplate *template) {
        char *copy = path ? strdup(path) : NULL;
        bool is_other = !path || !o->path || !streq(path, o->path);

        /* also what another process has left behind */
        if (is_other)
                (void) tcprules_output_restore(o->runtime_directory);
        free(o->path);
        o->path = copy;
        o->template = template;
        o->report = (TcprulesReport){0};
        o->retry_delay = 0;
        o->next = 0;
        tcprules_output_touch(o, true);
        return path && !copy ? -ENOMEM : 0;
}

void tcprules_output_touch(TcprulesOutput *o, bool is_static) {
        o->dirty = true;
        o->is_static_dirty |= is_static;
        schedule(o);
}

void tcprules_output_check(TcprulesOutput *o) {
        if (o->path && !o->dirty && access(o->path, F_OK) < 0)
                tcprules_output_touch(o, false);
}

int tcprules_output_flush(TcprulesOutput *o) {
        return work(o);
}
