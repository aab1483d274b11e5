/* SPDX-License-Identifier: Apache-2.0 */
/* What one grant costs in a table of a thousand to a million of them, in processor time of this process: the
 * best of some rounds, each over all grants, in an order that jumps about in memory. A tenth of the grants
 * is IPv6, names have 12 to 20 bytes. The memory is what malloc(3) has given out at the end of the new
 * logins, at a million also what the kernel counts as RssAnon.
 *
 *   bench-grants [GRANTS_AT_MOST] */

#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "grant/grant-table.h"

#define TTL 1800u
#define NOW UINT64_C(1700000000)
/* a small table is measured as often as makes up this many operations */
#define OPERATIONS 300000u
#define ROUNDS_LEAST 2u

typedef enum Kind {
        OWN,      /* each grant has a user of its own, who has logged out: POP3 */
        SHARED,   /* every user has two addresses: a telephone and a computer at home */
        SESSIONS, /* a user of its own, and a session that is open: IMAP */
        _KIND_MAX,
} Kind;

static const char *const kinds[_KIND_MAX] = {
        [OWN] = "each a user of its own",
        [SHARED] = "two of a user",
        [SESSIONS] = "each a user and a session of its own",
};

static void on_event(void *userdata, const GrantEvent *event) {
        unsigned *n = userdata;

        n[event->type]++;
}

static double cpu_seconds(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static IpAddr address_of(uint32_t i) {
        uint8_t a = (uint8_t) (i >> 16), b = (uint8_t) (i >> 8), c = (uint8_t) i;

        if (i % 10 == 0)
                return (IpAddr){{0x20, 0x01, 0x0d, 0xb8, 0, a, b, c, [15] = 1}};
        return (IpAddr){{[10] = 0xff, 0xff, (uint8_t) (11 + (i >> 24)), a, b, c}};
}

/* Numbers below n, each once, far apart from one to the next. */
static uint32_t jump(uint32_t i, uint32_t n) {
        return (uint32_t) ((uint64_t) i * 700001 % n);
}

static int login(GrantTable *t, Kind kind, uint32_t i, uint64_t at) {
        char user[32], key[24];
        uint32_t u = kind == SHARED ? i / 2 : i;
        Login l = {
                .verdict = MATCH_LOGIN,
                .address = address_of(i),
                .has_address = true,
                .service = SPAN_LITERAL("imap"),
                .time = at * USEC_PER_SEC,
                .pattern = "dovecot",
                .source = "/var/log/mail.log",
        };

        l.user = span_make(user, (size_t) snprintf(user, sizeof(user), "u%0*u", 11 + (int) (u % 9), u));
        if (kind == SESSIONS)
                l.key = span_make(key, (size_t) snprintf(key, sizeof(key), "s%015u", i));
        return grant_table_login(t, &l, at);
}

static size_t allocated(void) {
        struct mallinfo2 m = mallinfo2();

        return m.uordblks + m.hblkhd;
}

/* Bytes. */
static size_t rss_anon(void) {
        char line[256];
        size_t kib = 0;
        FILE *f = fopen("/proc/self/status", "re");

        while (f && fgets(line, sizeof(line), f) && sscanf(line, "RssAnon: %zu", &kib) != 1)
                ;
        if (f)
                (void) fclose(f);
        return kib * 1024;
}

/* The best so far, in seconds a grant. */
typedef struct Costs {
        double new, again, find, list, expiry;
} Costs;

static void note(double *best, double *begin, uint32_t n) {
        double now = cpu_seconds(), cost = (now - *begin) / n;

        if (*best == 0 || cost < *best)
                *best = cost;
        *begin = cpu_seconds();
}

static bool fill(GrantTable *t, Kind kind, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                if (login(t, kind, jump(i, n), NOW) != GRANT_NEW)
                        return false;
        return true;
}

/* One life of a table. */
static bool round_of(const Policy *policy, uint32_t n, Costs *costs) {
        unsigned heard[_GRANT_EVENT_TYPE_MAX] = {0}, allowed = 0, listed = 0;
        _cleanup_(grant_table_freep) GrantTable *t = NULL;
        RelayEntry entry;
        GrantView view;
        double begin;

        if (grant_table_new(policy, on_event, heard, &t) < 0)
                return false;
        begin = cpu_seconds();
        if (!fill(t, OWN, n))
                return false;
        note(&costs->new, &begin, n);
        for (uint32_t i = 0; i < n; i++)
                if (login(t, OWN, jump(n - 1 - i, n), NOW + 60) != GRANT_EXTENDED)
                        return false;
        note(&costs->again, &begin, n);
        for (uint32_t i = 0; i < n; i++) {
                IpAddr address = address_of(jump(i, n) * 2);

                allowed += grant_table_allows(t, &address, NOW + 60, &entry);
        }
        note(&costs->find, &begin, n);
        for (uint32_t i = 0; (i = grant_table_next(t, i, &view)) != UINT32_MAX; i++)
                listed++;
        note(&costs->list, &begin, n);
        grant_table_expire(t, NOW + 60 + TTL);
        note(&costs->expiry, &begin, n);
        return allowed == n / 2 && listed == n && heard[GRANT_EVENT_EXPIRED] == n;
}

static void row(const char *what, const char *ours, const char *goal, const char *met) {
        printf("bench: %s | %s | - | - | %s | %s\n", what, ours, goal, met);
        (void) fflush(stdout);
}

/* "1,000,000" */
static const char *grouped(char buf[static 16], uint32_t n) {
        if (n >= 1000000)
                (void) snprintf(buf, 16, "%u,%03u,%03u", n / 1000000, n / 1000 % 1000, n % 1000);
        else
                (void) snprintf(buf, 16, "%u,%03u", n / 1000, n % 1000);
        return buf;
}

static void print(const char *what, uint32_t n, double cost) {
        char name[80], ours[32], size[16];

        (void) snprintf(name, sizeof(name), "%s, at %s", what, grouped(size, n));
        (void) snprintf(ours, sizeof(ours), "%.0f ns", cost * 1e9);
        row(name, ours, "-", "-");
}

static bool measure_costs(const Policy *policy, uint32_t n) {
        Costs costs = {0};

        for (uint32_t i = 0; i < MAX(ROUNDS_LEAST, OPERATIONS / n); i++)
                if (!round_of(policy, n, &costs))
                        return false;
        print("new login", n, costs.new);
        print("login of a known grant", n, costs.again);
        print("look-up in the table", n, costs.find);
        print("listing a grant", n, costs.list);
        print("expiry of a grant", n, costs.expiry);
        return true;
}

static bool measure_memory(const Policy *policy, Kind kind, uint32_t n, bool kernel) {
        unsigned heard[_GRANT_EVENT_TYPE_MAX] = {0};
        _cleanup_(grant_table_freep) GrantTable *t = NULL;
        size_t before = kernel ? rss_anon() : allocated(), bytes;
        char name[120], ours[32], size[16];

        if (grant_table_new(policy, on_event, heard, &t) < 0 || !fill(t, kind, n))
                return false;
        bytes = (kernel ? rss_anon() : allocated()) - before;
        (void) snprintf(name, sizeof(name), "memory of a grant, %s%s, at %s", kinds[kind],
                kernel ? ", RssAnon" : "", grouped(size, n));
        (void) snprintf(ours, sizeof(ours), "%.1f bytes", (double) bytes / n);
        if (kernel)
                row(name, ours, "100 bytes", bytes <= 100.0 * n ? "met" : "missed");
        else
                row(name, ours, "-", "-");
        return true;
}

int main(int argc, char **argv) {
        uint32_t most = argc > 1 ? (uint32_t) strtoul(argv[1], NULL, 10) : 1000000;
        Policy policy = {0};

        /* so that what is freed goes back to the kernel, and RssAnon can be compared */
        (void) mallopt(M_MMAP_THRESHOLD, 128 * 1024);
        if (policy_init(&policy) < 0)
                return 1;
        policy.ttl = TTL;
        policy.max_grants = UINT32_MAX;
        for (uint32_t n = 1000; n <= most; n *= 10)
                if (!measure_costs(&policy, n))
                        return 1;
        for (Kind kind = 0; kind < _KIND_MAX; kind++) {
                for (uint32_t n = 1000; n <= most; n *= 10)
                        if (!measure_memory(&policy, kind, n, false))
                                return 1;
                (void) malloc_trim(0);
                if (!measure_memory(&policy, kind, most, true))
                        return 1;
        }
        policy_done(&policy);
        return 0;
}
