/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration. An unknown key is a warning, so that a newer file starts an older daemon; a
 * value that can't be understood is an error, because guessing at it could open the relay. */

#include "daemon/config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/parse-util.h"
#include "basic/user-util.h"

#define TTL_MAX_USEC (7 * USEC_PER_DAY)
#define SESSION_MAX_USEC (30 * USEC_PER_DAY)
/* Each has a section in the saved state, and the journal and the rooms have theirs
 * (STATE_FILE_SECTIONS_MAX). */
#define FILES_MAX 60
/* Room for a name beside it. */
#define TCPRULES_PATH_MAX_BYTES 512
/* Programs, not people. */
#define VIRTUAL_USERS_MAX 256
#define LIST_FILE_MAX_BYTES ((size_t) 16 * 1024 * 1024)

/* What a key's value is read with. Returns 0, or -errno after it has said why in `reason`. */
typedef struct Reason {
        char text[256];
} Reason;

typedef struct Reading {
        Config *config;
        char *zone; /* TimeZone= of the section so far */
} Reading;

static int because(Reason *reason, int r, const char *format, ...) _printf_(3, 4);

static int because(Reason *reason, int r, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(reason->text, sizeof(reason->text), format, ap);
        va_end(ap);
        return r;
}

/* ---- kinds of values ---- */

static int read_string(char **s, const char *value) {
        char *copy = value[0] ? strdup(value) : NULL;

        if (value[0] && !copy)
                return -ENOMEM;
        free(*s);
        *s = copy;
        return 0;
}

static int read_words(StringList *l, const char *value) {
        Span rest = span_from_string(value), word;

        if (rest.size == 0)
                string_list_done(l);
        while (parse_word(&rest, &word))
                if (string_list_add(l, word) < 0)
                        return -ENOMEM;
        return 0;
}

static int read_number(uint32_t *n, const char *value, uint64_t min, uint64_t max, Reason *reason) {
        uint64_t v;

        if (parse_u64(span_from_string(value), max, &v) < 0 || v < min)
                return because(
                        reason, -EINVAL, "it must be a number from %" PRIu64 " to %" PRIu64, min, max);
        *n = (uint32_t) v;
        return 0;
}

static int read_span(usec_t *t, const char *value, usec_t min, usec_t max, Reason *reason) {
        char low[TIME_TEXT_BYTES], high[TIME_TEXT_BYTES];

        if (time_span_parse(value, t) < 0 || *t < min || *t > max)
                return because(reason, -EINVAL, "it must be a time span from %s to %s",
                        time_span_format(low, min), time_span_format(high, max));
        return 0;
}

static int read_network(NetworkSet *set, Span word, Reason *reason) {
        char text[128];
        IpNetwork n;
        int r = ip_network_parse(word, &n);

        (void) snprintf(text, sizeof(text), "%.*s", (int) MIN(word.size, (size_t) 100), word.data);
        if (r == -EDOM)
                return because(reason, r, "%s has bits set behind its length", text);
        if (r < 0)
                return because(reason, r, "%s is neither an address nor a network", text);
        return network_set_add(set, &n);
}

/* One network a line; what follows a '#' is a comment. */
static int read_network_file(NetworkSet *set, const char *path, Reason *reason) {
        _cleanup_free_ char *data = NULL;
        unsigned line = 0;
        size_t size;
        int r = read_file(path, LIST_FILE_MAX_BYTES, &data, &size);

        if (r < 0)
                return because(reason, r, "%s: cannot be read: %s", path, strerror(-r));
        for (char *next, *p = data; p < data + size; p = next + 1) {
                Span rest, word;
                Reason inner = {""};

                line++;
                next = memchr(p, '\n', (size_t) (data + size - p));
                if (!next)
                        next = data + size;
                rest = span_make(p, (size_t) (next - p));
                if (rest.size > 0 && memchr(rest.data, '#', rest.size))
                        rest.size = (size_t) ((char *) memchr(rest.data, '#', rest.size) - rest.data);
                if (rest.size > 0 && rest.data[rest.size - 1] == '\r')
                        rest.size--;
                while (parse_word(&rest, &word)) {
                        r = read_network(set, word, &inner);
                        if (r < 0)
                                return because(reason, r, "%s:%u: %.150s", path, line, inner.text);
                }
        }
        return 0;
}

static int read_networks(NetworkSet *set, const char *value, Reason *reason) {
        Span rest = span_from_string(value), word;

        while (parse_word(&rest, &word)) {
                int r;

                if (span_starts_with(word, SPAN_LITERAL("file:"))) {
                        _cleanup_free_ char *path = strndup(word.data + 5, word.size - 5);

                        r = path ? read_network_file(set, path, reason) : -ENOMEM;
                } else
                        r = read_network(set, word, reason);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* An IANA name that this host has a file for, or a POSIX TZ ("CET-1CEST"). tzset(3) takes anything, as UTC.
 */
static int read_zone(char **zone, const char *value, Reason *reason) {
        char path[256];

        if (value[0] && !strpbrk(value, "0123456789")) {
                int n = snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", value);

                if (n >= (int) sizeof(path) || strstr(value, "..") || access(path, R_OK) < 0)
                        return because(reason, -EINVAL, "this host knows no such time zone");
        }
        return read_string(zone, value);
}

/* ---- [Sources] ---- */

static int read_journal(Config *c, const char *value, Reason *reason) {
        bool yes;

        if (streq(value, "auto")) {
                c->journal = CONFIG_JOURNAL_AUTO;
                return 0;
        }
        if (parse_boolean(value, &yes) < 0)
                return because(reason, -EINVAL, "it must be yes, no or auto");
        c->journal = yes ? CONFIG_JOURNAL_YES : CONFIG_JOURNAL_NO;
        return 0;
}

static void config_file_done(ConfigFile *f) {
        free(f->path);
        free(f->zone);
        free(f->place);
        string_list_done(&f->patterns);
}

static void forget_files(ConfigFile **files, size_t *n) {
        for (size_t i = 0; i < *n; i++)
                config_file_done(&(*files)[i]);
        *files = (free(*files), NULL);
        *n = 0;
}

static bool has_path(const ConfigFile *files, size_t n, const char *path) {
        for (size_t i = 0; i < n; i++)
                if (streq(files[i].path, path))
                        return true;
        return false;
}

/* To one of the two lists of the configuration. */
static int add_file(Reading *reading, const IniPlace *place, const char *value, ConfigFile **files,
        size_t *n, Reason *reason) {
        Config *c = reading->config;
        Span rest = span_from_string(value), path;
        _cleanup_(config_file_done) ConfigFile f = {.line = place->line};
        ConfigFile *more;

        if (!parse_word(&rest, &path)) {
                forget_files(files, n);
                return 0;
        }
        if (path.data[0] != '/')
                return because(reason, -EINVAL, "it must be an absolute path");
        f.path = strndup(path.data, path.size);
        f.place = strdup(place->path);
        f.zone = reading->zone ? strdup(reading->zone) : NULL;
        while (parse_word(&rest, &path))
                if (string_list_add(&f.patterns, path) < 0)
                        return -ENOMEM;
        if (f.path && (has_path(c->files, c->n_files, f.path) || has_path(c->fifos, c->n_fifos, f.path)))
                return because(reason, -EEXIST, "the file is named twice");
        if (*n == FILES_MAX)
                return because(reason, -E2BIG, "there are more than %d files", FILES_MAX);
        more = realloc(*files, (*n + 1) * sizeof(ConfigFile));
        if (!f.path || !f.place || (reading->zone && !f.zone) || !more) {
                *files = more ? more : *files;
                return -ENOMEM;
        }
        *files = more;
        (*files)[(*n)++] = f;
        f = (ConfigFile){0};
        return 0;
}

static int read_syslog(Reading *reading, const char *value) {
        Config *c = reading->config;
        int r = parse_boolean(value, &c->syslog);

        if (r < 0)
                return r;
        c->syslog_zone = (free(c->syslog_zone), NULL);
        return reading->zone ? read_string(&c->syslog_zone, reading->zone) : 0;
}

static void forget_virtual_users(Config *c) {
        c->virtual_users = (free(c->virtual_users), NULL);
        c->n_virtual_users = 0;
}

/* A number, or a name; one that this host does not know is trusted with nothing. Returns 1 if there is none.
 */
static int find_uid(Span word, uid_t *ret) {
        _cleanup_free_ char *name = strndup(word.data, word.size);
        uint64_t number;
        int r;

        if (!name)
                return -ENOMEM;
        if (parse_u64(word, UINT32_MAX - 1, &number) >= 0) {
                *ret = (uid_t) number;
                return 0;
        }
        r = user_find(name, ret);
        return r == -ENOENT ? 1 : r;
}

static int add_virtual_users(Config *c, const IniPlace *place, const char *value, Reason *reason) {
        Span rest = span_from_string(value), word;
        IniError warning;

        if (rest.size == 0)
                forget_virtual_users(c);
        while (parse_word(&rest, &word)) {
                uid_t uid, *more;
                int r = find_uid(word, &uid);

                if (r < 0)
                        return r;
                if (r > 0) {
                        (void) ini_error_set(&warning, place, 0, "VirtualUsers=%.*s: no such user, ignored",
                                (int) MIN(word.size, (size_t) 100), word.data);
                        if (string_list_add(&c->warnings, span_from_string(warning.text)) < 0)
                                return -ENOMEM;
                        continue;
                }
                if (c->n_virtual_users == VIRTUAL_USERS_MAX)
                        return because(reason, -E2BIG, "there are more than %d users", VIRTUAL_USERS_MAX);
                more = reallocarray(c->virtual_users, c->n_virtual_users + 1, sizeof(uid_t));
                if (!more)
                        return -ENOMEM;
                c->virtual_users = more;
                c->virtual_users[c->n_virtual_users++] = uid;
        }
        return 0;
}

/* 1 when the key is not known. */
static int assign_source(
        Reading *reading, const IniPlace *place, const char *key, const char *value, Reason *reason) {
        Config *c = reading->config;

        if (streq(key, "Journal"))
                return read_journal(c, value, reason);
        if (streq(key, "JournalDirectory"))
                return read_string(&c->journal_directory, value);
        if (streq(key, "JournalNamespace"))
                return read_string(&c->journal_namespace, value);
        if (streq(key, "JournalTrusted"))
                return parse_boolean(value, &c->journal_trusted);
        if (streq(key, "JournalLatency"))
                return read_span(&c->journal_latency, value, 0, USEC_PER_SEC, reason);
        if (streq(key, "File"))
                return add_file(reading, place, value, &c->files, &c->n_files, reason);
        if (streq(key, "Fifo"))
                return add_file(reading, place, value, &c->fifos, &c->n_fifos, reason);
        if (streq(key, "Syslog"))
                return read_syslog(reading, value);
        if (streq(key, "ResolveNames"))
                return parse_boolean(value, &c->resolve_names);
        if (streq(key, "Login"))
                return parse_boolean(value, &c->login);
        if (streq(key, "VirtualUsers"))
                return add_virtual_users(c, place, value, reason);
        if (streq(key, "TimeZone"))
                return read_zone(&reading->zone, value, reason);
        return 1;
}

/* ---- [Grants] ---- */

static int read_private(Policy *p, const char *value, Reason *reason) {
        bool yes;

        network_set_done(&p->private_networks);
        if (parse_boolean(value, &yes) >= 0) {
                p->private_mode = yes ? POLICY_PRIVATE_YES : POLICY_PRIVATE_NO;
                return 0;
        }
        p->private_mode = POLICY_PRIVATE_NETWORKS;
        return read_networks(&p->private_networks, value, reason);
}

static int read_never(Policy *p, const char *value, Reason *reason) {
        Policy fresh;

        if (value[0])
                return read_networks(&p->never, value, reason);
        /* empty: back to what nobody may have in any case */
        if (policy_init(&fresh) < 0)
                return -ENOMEM;
        network_set_done(&p->never);
        p->never = fresh.never;
        fresh.never = (NetworkSet){0};
        policy_done(&fresh);
        return 0;
}

static int read_or_reset(NetworkSet *set, const char *value, Reason *reason) {
        if (!value[0])
                network_set_done(set);
        return read_networks(set, value, reason);
}

static int assign_grant(Config *c, const char *key, const char *value, Reason *reason) {
        Policy *p = &c->policy;
        uint32_t prefix;
        usec_t ttl, session;
        int r;

        if (streq(key, "TTL")) {
                r = read_span(&ttl, value, USEC_PER_SEC, TTL_MAX_USEC, reason);
                if (r >= 0)
                        p->ttl = (uint32_t) (ttl / USEC_PER_SEC);
                return r;
        }
        if (streq(key, "MaxSession")) {
                r = read_span(&session, value, 0, SESSION_MAX_USEC, reason);
                if (r >= 0)
                        p->max_session = (uint32_t) (session / USEC_PER_SEC);
                return r;
        }
        if (streq(key, "IPv6Prefix")) {
                r = read_number(&prefix, value, 32, 128, reason);
                if (r >= 0)
                        p->ipv6_prefix = (uint8_t) prefix;
                return r;
        }
        if (streq(key, "MaxGrants"))
                return read_number(&p->max_grants, value, 1, 10000000, reason);
        if (streq(key, "MaxAddressesPerUser"))
                return read_number(&p->max_addresses_per_user, value, 1, 10000000, reason);
        if (streq(key, "MaxUsersPerAddress"))
                return read_number(&p->max_users_per_address, value, 2, 10000000, reason);
        if (streq(key, "SharedUsers"))
                return read_words(&p->shared_users, value);
        if (streq(key, "ManyUsers"))
                return read_or_reset(&p->many_users, value, reason);
        if (streq(key, "Private"))
                return read_private(p, value, reason);
        if (streq(key, "Never"))
                return read_never(p, value, reason);
        if (streq(key, "Always"))
                return read_or_reset(&p->always, value, reason);
        if (streq(key, "Users"))
                return read_words(&p->users, value);
        if (streq(key, "DenyUsers"))
                return read_words(&p->deny_users, value);
        if (streq(key, "PublishUsers"))
                return parse_boolean(value, &c->publish_users);
        return 1;
}

/* ---- [Outputs] ---- */

/* What is granted there ends only because somebody takes it out of the file; a reboot must be one who does.
 */
static int read_tcprules(char **path, const char *value, Reason *reason) {
        static const char *const own[] = {
                "relay.cdb", "relay-delta.cdb", "control", "lookup", "login", "syslog", "fifo"};
        char directory[PATH_MAX], real[PATH_MAX];
        const char *name = strrchr(value, '/');

        if (!value[0])
                return read_string(path, value);
        if (strncmp(value, "/run/", 5) != 0 || !name[1] || strlen(value) > TCPRULES_PATH_MAX_BYTES ||
                strstr(value, "/../") || strstr(value, "/./") || strstr(value, "//") || streq(name, "/..") ||
                streq(name, "/."))
                return because(reason, -EINVAL,
                        "it must be a file below /run: it carries no expiry, and must be gone after a "
                        "reboot");
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                if (streq(name + 1, own[i]))
                        return because(reason, -EINVAL, "that name is taken");
        (void) snprintf(directory, sizeof(directory), "%.*s", (int) (name - value), value);
        /* a link out of /run would be found wherever it leads; a directory that is not there yet is not one
         */
        if (realpath(directory, real) && strncmp(real, "/run/", 5) != 0 && !streq(real, "/run"))
                return because(reason, -EINVAL, "it must be a file below /run, and %.100s is %.100s",
                        directory, real);
        return read_string(path, value);
}

static int assign_output(Config *c, const char *key, const char *value, Reason *reason) {
        if (streq(key, "Tcprules"))
                return read_tcprules(&c->tcprules, value, reason);
        if (streq(key, "TcprulesTemplate")) {
                if (value[0] && value[0] != '/')
                        return because(reason, -EINVAL, "it must be an absolute path");
                return read_string(&c->template_path, value);
        }
        return 1;
}

/* ---- [Patterns] ---- */

static int assign_patterns(Config *c, const char *key, const char *value) {
        if (streq(key, "Directory")) {
                if (value[0] && value[0] != '/')
                        return -EINVAL;
                return value[0] ? string_list_add(&c->pattern_directories, span_from_string(value))
                                : (string_list_done(&c->pattern_directories), 0);
        }
        if (streq(key, "Enable")) {
                c->has_enable = value[0];
                return read_words(&c->enable, value);
        }
        return 1;
}

static int warn_unknown(Config *c, const IniPlace *place, const char *section, const char *key) {
        IniError text;

        if (key)
                (void) ini_error_set(&text, place, 0, "unknown key %s= in [%s], ignored", key, section);
        else
                (void) ini_error_set(&text, place, 0, "unknown section [%s], ignored", section);
        return string_list_add(&c->warnings, span_from_string(text.text));
}

static int on_assignment(void *userdata, const IniPlace *place, const char *section, const char *key,
        const char *value, IniError *error) {
        Reading *reading = userdata;
        Config *c = reading->config;
        Reason reason = {""};
        int r = 1;

        if (!key) {
                reading->zone = (free(reading->zone), NULL);
                if (streq(section, "Sources") || streq(section, "Grants") || streq(section, "Outputs") ||
                        streq(section, "Patterns"))
                        return 0;
                return warn_unknown(c, place, section, NULL);
        }
        if (streq(section, "Sources"))
                r = assign_source(reading, place, key, value, &reason);
        else if (streq(section, "Grants"))
                r = assign_grant(c, key, value, &reason);
        else if (streq(section, "Outputs"))
                r = assign_output(c, key, value, &reason);
        else if (streq(section, "Patterns"))
                r = assign_patterns(c, key, value);
        else
                return 0;
        if (r > 0)
                r = warn_unknown(c, place, section, key);
        if (r < 0)
                return ini_error_set(error, place, r, "%s=%.100s: %s", key, value,
                        reason.text[0] ? reason.text : strerror(-r));
        return 0;
}

/* What can only be said once all is read. */
static int check(Config *c, const char *path, IniError *reterr) {
        IniPlace place = {path, 0};

        if (c->journal_directory && c->journal_namespace)
                return ini_error_set(reterr, &place, -EINVAL,
                        "JournalDirectory= and JournalNamespace= exclude each other");
        if (!config_reads_journal(c) && !config_reads_forgeable(c) && !c->login)
                return ini_error_set(reterr, &place, -EINVAL,
                        "Journal=no and no File=, Fifo=, Syslog=yes or Login=yes: there is nothing to read");
        if (c->template_path && !c->tcprules &&
                string_list_add(
                        &c->warnings, SPAN_LITERAL("TcprulesTemplate= has no effect without Tcprules=")) < 0)
                return ini_error_set(reterr, &place, -ENOMEM, "out of memory");
        for (uint32_t i = 0; i < c->policy.always.n; i++) {
                const IpNetwork *n = &c->policy.always.items[i];
                char text[IP_TEXT_BYTES];
                IniError warning;

                if (n->length < (ip_network_is_v4(n) ? 96 + 8 : 32))
                        return ini_error_set(reterr, &place, -EINVAL,
                                "Always=%s: a network wider than /8 (IPv6: /32) is refused",
                                ip_network_format(text, n));
                if (!network_set_has(&c->policy.never, n))
                        continue;
                (void) ini_error_set(&warning, &place, 0,
                        "Always=%s has no effect: it is never granted as a whole; name what is inside it",
                        ip_network_format(text, n));
                if (string_list_add(&c->warnings, span_from_string(warning.text)) < 0)
                        return ini_error_set(reterr, &place, -ENOMEM, "out of memory");
        }
        return 0;
}

int config_load(const char *path, bool optional, Config *ret, IniError *reterr) {
        _cleanup_(config_done) Config c = {.journal_latency = 10 * USEC_PER_MSEC};
        Reading reading = {.config = &c};
        _cleanup_free_ char *directory = NULL;
        IniPlace place = {path, 0};
        int r;

        if (policy_init(&c.policy) < 0 || asprintf(&directory, "%s.d", path) < 0)
                return ini_error_set(reterr, &place, -ENOMEM, "out of memory");
        r = ini_file_parse(path, on_assignment, &reading, reterr);
        if (r == -ENOENT && optional)
                r = 0;
        if (r >= 0)
                r = ini_file_parse_directory(directory, on_assignment, &reading, reterr);
        free(reading.zone);
        if (r >= 0)
                r = check(&c, path, reterr);
        if (r >= 0 && c.tcprules && c.template_path)
                r = tcprules_template_load(c.template_path, &c.tcprules_template, reterr);
        if (r < 0)
                return r;
        *ret = c;
        c = (Config){0};
        return 0;
}

void config_done(Config *c) {
        free(c->journal_directory);
        free(c->journal_namespace);
        free(c->syslog_zone);
        forget_files(&c->files, &c->n_files);
        forget_files(&c->fifos, &c->n_fifos);
        forget_virtual_users(c);
        policy_done(&c->policy);
        free(c->tcprules);
        free(c->template_path);
        tcprules_template_free(c->tcprules_template);
        string_list_done(&c->pattern_directories);
        string_list_done(&c->enable);
        string_list_done(&c->warnings);
        *c = (Config){0};
}

bool config_reads_journal(const Config *c) {
        return c->journal == CONFIG_JOURNAL_YES ||
               (c->journal == CONFIG_JOURNAL_AUTO && !config_reads_forgeable(c));
}

bool config_reads_forgeable(const Config *c) {
        return c->n_files > 0 || c->n_fifos > 0 || c->syslog;
}
