/* SPDX-License-Identifier: Apache-2.0 */
/* import: takes over what another program knew. Its logins are told to the daemon as logins, with the time
 * at which they were, so that everything that holds for a login holds for them: they are over when they
 * would have been, and importing them again changes nothing. Its networks become text for authrelay.conf(5),
 * for the administrator to look at: what relays for ever is not changed behind his back. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/json-writer.h"
#include "basic/log.h"
#include "ctl/ctl.h"
#include "ctl/import-read.h"
#include "ctl/table.h"
#include "grant/policy.h"

/* MaxGrants=, as it is by default. */
#define LOGINS_MAX 1000000
/* So many lines are surely less than a configuration file may have (INI_FILE_MAX_BYTES). */
#define NETWORKS_MAX 16384
/* A range may be as many as 256 of them before they are joined. */
#define READ_MAX (16 * NETWORKS_MAX)

typedef struct Import {
        const Ctl *ctl;
        ImportFormat format;
        const char *path;
        ControlImport *logins;
        unsigned *lines; /* of each login */
        size_t n_logins, n_sent;
        Policy policy; /* what nobody can change; Always= and Never= are those that were read */
        NetworkSet never;
        unsigned overruled_line;
        uint64_t refused, granted, stale;
} Import;

static void import_done(Import *x) {
        for (size_t i = 0; i < x->n_logins; i++)
                free((char *) x->logins[i].user.data);
        free(x->logins);
        free(x->lines);
        policy_done(&x->policy);
        network_set_done(&x->never);
}

static const char *path_of(const Import *x) {
        return streq(x->path, "-") ? "standard input" : x->path;
}

/* "PATH:LINE: TEXT: reason", or "PATH/TEXT: reason" for a file of a directory. */
static void complain(const Import *x, int priority, unsigned line, Span text, const char *reason) {
        char shown[LOG_TEXT_BYTES];

        if (line > 0)
                log_line(priority, "%s:%u: %s: %s", path_of(x), line, log_text(shown, text), reason);
        else
                log_line(priority, "%s/%s: %s", path_of(x), log_text(shown, text), reason);
}

static void refuse(Import *x, unsigned line, Span text, const char *reason) {
        complain(x, LOG_ERR, line, text, reason);
        x->refused++;
}

/* ---- networks ---- */

/* In tcprules the longest rule decides, and of equals the first; in mynetworks the first in any case. What
 * has no effect there gets none here. */
static bool is_overruled(Import *x, const ImportEntry *e, const NetworkSet *before) {
        bool overruled = x->format == IMPORT_MYNETWORKS && e->kind == IMPORT_ALWAYS
                                 ? network_set_longest(before, &e->network) >= 0
                                 : network_set_has(before, &e->network);

        /* once for a range */
        if (overruled && e->line != x->overruled_line)
                complain(
                        x, LOG_WARNING, e->line, e->text, "it has no effect: what stands before it decides");
        if (overruled)
                x->overruled_line = e->line;
        return overruled;
}

static int add_network(Import *x, NetworkSet *set, const IpNetwork *n) {
        if (set->n == READ_MAX)
                return log_errno(LOG_ERR, -E2BIG, "cannot import %s", path_of(x));
        return network_set_add(set, n);
}

static int add_always(Import *x, const ImportEntry *e) {
        const char *reason = policy_refuses_manual(&x->policy, &e->network);
        char text[LOG_TEXT_BYTES];

        if (is_overruled(x, e, &x->never))
                return 0;
        if (!reason)
                return add_network(x, &x->policy.always, &e->network);
        (void) snprintf(text, sizeof(text), "%s; leave it where it is", reason);
        refuse(x, e->line, e->text, text);
        return 0;
}

static int add_except(Import *x, const ImportEntry *e) {
        return is_overruled(x, e, &x->policy.always) ? 0 : add_network(x, &x->never, &e->network);
}

/* The parts of a range are one network, as far as one can be made of them that nothing is said of. */
static int join_neighbours(Import *x) {
        NetworkSet *set = &x->policy.always;
        int r = 0;

        for (uint32_t i = 0; r >= 0 && i < set->n; i++) {
                IpNetwork n = set->items[i], other = n, both;

                if (n.length <= 96 + 8)
                        continue;
                other.addr.bytes[(n.length - 1) / 8] ^= (uint8_t) (0x80 >> (n.length - 1) % 8);
                both = ip_network_of(&n.addr, n.length - 1u);
                if (network_set_has(set, &other) && !network_set_has(&x->never, &both))
                        r = network_set_add(set, &both);
        }
        return r;
}

/* Whether it is the half of another one. */
static bool is_joined(const Import *x, const IpNetwork *n) {
        IpNetwork both = ip_network_of(&n->addr, n->length - 1u);

        return network_set_has(&x->policy.always, &both);
}

/* An exception matters only inside of what is allowed. */
static bool is_needed(const Import *x, const IpNetwork *never) {
        return network_set_longest(&x->policy.always, never) >= 0;
}

static bool is_printed(const Import *x, const NetworkSet *set, uint32_t i) {
        return set == &x->never ? is_needed(x, &set->items[i]) : !is_joined(x, &set->items[i]);
}

static uint32_t count_printed(const Import *x, const NetworkSet *set) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < set->n; i++)
                n += is_printed(x, set, i);
        return n;
}

static void print_json_list(JsonWriter *w, const char *key, const Import *x, const NetworkSet *set) {
        char text[IP_TEXT_BYTES];

        json_key(w, key);
        json_begin_array(w);
        for (uint32_t i = 0; i < set->n; i++)
                if (is_printed(x, set, i))
                        json_string(w, ip_network_format(text, &set->items[i]));
        json_end_array(w);
}

static void print_list(const char *key, const Import *x, const NetworkSet *set) {
        char text[IP_TEXT_BYTES];

        for (uint32_t i = 0; i < set->n; i++)
                if (is_printed(x, set, i))
                        (void) printf("%s=%s\n", key, ip_network_format(text, &set->items[i]));
}

static int print_networks(Import *x) {
        char path[LOG_TEXT_BYTES];
        JsonWriter w;

        if (x->format == IMPORT_TCPRULES && join_neighbours(x) < 0)
                return log_errno(LOG_ERR, -ENOMEM, "cannot import %s", path_of(x));
        if (count_printed(x, &x->policy.always) + count_printed(x, &x->never) > NETWORKS_MAX) {
                log_error("%s: more than %d networks; write them into a file, for Always=file:PATH",
                        path_of(x), NETWORKS_MAX);
                return -E2BIG;
        }
        if (x->ctl->json) {
                json_writer_init(&w, stdout);
                json_begin_object(&w);
                print_json_list(&w, "always", x, &x->policy.always);
                print_json_list(&w, "never", x, &x->never);
                json_key(&w, "refused");
                json_u64(&w, x->refused);
                json_end_object(&w);
                (void) putchar('\n');
                return 0;
        }
        (void) printf("# From %s (%s)\n[Grants]\n", log_text(path, span_from_string(path_of(x))),
                import_format_to_string(x->format));
        print_list("Always", x, &x->policy.always);
        print_list("Never", x, &x->never);
        return 0;
}

/* ---- logins ---- */

/* Makes room for one more in both arrays. */
static int reserve(Import *x) {
        size_t room = MAX(2 * x->n_logins, (size_t) 16);
        ControlImport *logins;
        unsigned *lines;

        if (x->n_logins > 0 && (x->n_logins < 16 || (x->n_logins & (x->n_logins - 1)) != 0))
                return 0;
        logins = realloc(x->logins, room * sizeof(ControlImport));
        if (!logins)
                return -ENOMEM;
        x->logins = logins;
        lines = realloc(x->lines, room * sizeof(unsigned));
        if (!lines)
                return -ENOMEM;
        x->lines = lines;
        return 0;
}

static int add_login(Import *x, const ImportEntry *e) {
        ControlImport login = {.address = e->network.addr, .time = e->time};

        if (x->n_logins == LOGINS_MAX) {
                log_error("%s: more than %d logins", path_of(x), LOGINS_MAX);
                return -E2BIG;
        }
        if (reserve(x) < 0)
                return -ENOMEM;
        if (e->user.size > 0) {
                login.user.data = strndup(e->user.data, e->user.size);
                if (!login.user.data)
                        return -ENOMEM;
                login.user.size = strlen(login.user.data);
        }
        x->lines[x->n_logins] = e->line;
        x->logins[x->n_logins++] = login;
        return 0;
}

static void list_logins(const Import *x, usec_t now) {
        static const char *const columns[] = {"ADDRESS", ">AGE", "USER", NULL};
        char address[IP_TEXT_BYTES], age[TIME_TEXT_BYTES];
        JsonWriter w;
        Table t;

        table_init(&t, stdout, x->ctl->color, columns);
        json_writer_init(&w, stdout);
        if (x->ctl->json)
                json_begin_array(&w);
        for (size_t i = 0; i < x->n_logins; i++) {
                const ControlImport *l = &x->logins[i];

                (void) ip_addr_format(address, &l->address);
                if (!x->ctl->json) {
                        uint64_t seconds = now / USEC_PER_SEC - MIN(l->time, now / USEC_PER_SEC);

                        table_cell(&t, TABLE_PLAIN, address);
                        table_cell(&t, TABLE_PLAIN, time_span_format(age, seconds * USEC_PER_SEC));
                        table_cell_untrusted(&t, TABLE_PLAIN, l->user);
                        continue;
                }
                json_begin_object(&w);
                json_key(&w, "address");
                json_string(&w, address);
                json_key(&w, "time");
                json_u64(&w, l->time);
                json_key(&w, "user");
                if (l->user.size > 0)
                        json_text(&w, l->user);
                else
                        json_null(&w);
                json_end_object(&w);
        }
        table_done(&t);
        if (x->ctl->json) {
                json_end_array(&w);
                (void) putchar('\n');
        }
}

static void on_result(void *userdata, size_t index, const ControlImportResult *result) {
        Import *x = userdata;
        size_t i = x->n_sent + index;
        char address[IP_TEXT_BYTES];

        switch (result->verdict) {
        case CONTROL_IMPORT_GRANTED:
                x->granted++;
                break;
        case CONTROL_IMPORT_STALE:
                x->stale++;
                break;
        default:
                refuse(x, x->lines[i], span_from_string(ip_addr_format(address, &x->logins[i].address)),
                        result->reason);
                break;
        }
}

static int send_logins(Import *x) {
        _cleanup_(control_client_closep) ControlClient *client = NULL;
        char reason[CONTROL_CLIENT_ERROR_BYTES];
        int r = ctl_connect(&client);

        while (r >= 0 && x->n_sent < x->n_logins) {
                size_t n = MIN(x->n_logins - x->n_sent, (size_t) CONTROL_IMPORT_MAX_LOGINS);

                r = control_client_import(client, import_format_to_string(x->format), x->logins + x->n_sent,
                        n, on_result, x, reason);
                if (r < 0)
                        log_error("%s", reason);
                x->n_sent += n;
        }
        return r;
}

static void conclude(const Import *x) {
        JsonWriter w;

        if (!x->ctl->json) {
                (void) printf("%" PRIu64 " may relay now; %" PRIu64
                              " logged in longer ago than TTL=; %" PRIu64 " refused.\n",
                        x->granted, x->stale, x->refused);
                return;
        }
        json_writer_init(&w, stdout);
        json_begin_object(&w);
        json_key(&w, "granted");
        json_u64(&w, x->granted);
        json_key(&w, "stale");
        json_u64(&w, x->stale);
        json_key(&w, "refused");
        json_u64(&w, x->refused);
        json_end_object(&w);
        (void) putchar('\n');
}

/* ---- the verb ---- */

static int on_entry(void *userdata, const ImportEntry *e) {
        Import *x = userdata;
        int r = 0;

        switch (e->kind) {
        case IMPORT_LOGIN:
                r = add_login(x, e);
                break;
        case IMPORT_ALWAYS:
                r = add_always(x, e);
                break;
        case IMPORT_EXCEPT:
                r = add_except(x, e);
                break;
        case IMPORT_NOTE:
                complain(x, LOG_WARNING, e->line, e->text, e->reason);
                break;
        case IMPORT_REFUSED:
                refuse(x, e->line, e->text, e->reason);
                break;
        }
        return r == -ENOMEM ? log_errno(LOG_ERR, r, "cannot import %s", path_of(x)) : r;
}

int verb_import(const Ctl *ctl) {
        _cleanup_(import_done) Import x = {.ctl = ctl, .path = ctl->arguments[1]};
        usec_t now = time_now();
        bool undated;

        x.format = import_format_from_string(ctl->arguments[0]);
        if (x.format < 0) {
                log_error("unknown format %s; authrelayctl(1) has them", ctl->arguments[0]);
                return CTL_USAGE;
        }
        if (policy_init(&x.policy) < 0) {
                log_errno(LOG_ERR, -ENOMEM, "cannot import");
                return CTL_NO;
        }
        if (import_read(x.format, x.path, now / USEC_PER_SEC, on_entry, &x, &undated) < 0)
                return CTL_NO;
        if (import_format_is_static(x.format)) {
                if (print_networks(&x) < 0)
                        return CTL_NO;
        } else if (ctl_has(ctl, CTL_OPTION_DRY_RUN))
                list_logins(&x, now);
        else {
                if (undated)
                        log_warning("%s: its logins have no time; they are taken for as old as %s",
                                path_of(&x), streq(x.path, "-") ? "what is read" : "the file");
                if (send_logins(&x) < 0)
                        return CTL_NO;
                conclude(&x);
        }
        return x.refused > 0 ? CTL_NO : CTL_OK;
}
