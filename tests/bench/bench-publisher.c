/* SPDX-License-Identifier: Apache-2.0 */
/* How soon a change is published, and at what price, beside a given number of live grants.
 * Usage: bench-publisher [RECORDS [PER_SECOND [SECONDS]]] */

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/time-util.h"
#include "cdb/cdb-file.h"
#include "publish/publisher.h"

#define TTL 1800

static unsigned records = 1000000, per_second = 1000, seconds = 20;
static uint32_t n_put, n_published, slowest_loop_usec;
static usec_t *put_at, *latencies;
static Publisher *publisher;
static uint64_t last_generation;

static usec_t monotonic(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static RelayEntry entry_of(uint32_t i) {
        IpAddr addr = {{[10] = 0xff, 0xff, (uint8_t) (i >> 24), (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i}};

        return (RelayEntry){.network = ip_network_of(&addr, 128), .until = time_now() / USEC_PER_SEC + TTL,
                .how = SPAN_LITERAL("dovecot")};
}

/* Live are `records` of them at any time: a new one for each that expires. */
static int snapshot(_unused_ void *userdata, PublisherSink *sink) {
        int r = 0;

        for (uint32_t i = 0; i < records && r >= 0; i++) {
                RelayEntry entry = entry_of((10u << 24) + n_put + i);

                r = publisher_sink_add(sink, &entry);
        }
        return r;
}

static void on_published(_unused_ void *userdata, const PublisherReport *report) {
        usec_t now = monotonic();

        if (report->error < 0)
                fprintf(stderr, "error: %s\n", strerror(-report->error));
        for (; n_published < n_put; n_published++)
                latencies[n_published] = now - put_at[n_published];
        last_generation = report->generation;
}

static int compare(const void *a, const void *b) {
        return *(const usec_t *) a < *(const usec_t *) b ? -1 : *(const usec_t *) a > *(const usec_t *) b;
}

static usec_t cpu_used(void) {
        usec_t sum = 0;

        for (int i = 0; i < 2; i++) {
                struct rusage u;

                (void) getrusage(i == 0 ? RUSAGE_SELF : RUSAGE_CHILDREN, &u);
                sum += (usec_t) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC +
                       (usec_t) (u.ru_utime.tv_usec + u.ru_stime.tv_usec);
        }
        return sum;
}

static int on_tick(sd_event_source *s, uint64_t usec, _unused_ void *userdata) {
        RelayEntry entry = entry_of((10u << 24) + records + n_put);
        usec_t now = monotonic();

        slowest_loop_usec = MAX(slowest_loop_usec, (uint32_t) (now - usec));
        if (n_put == per_second * seconds)
                return sd_event_exit(sd_event_source_get_event(s), 0);
        put_at[n_put++] = now;
        if (publisher_put(publisher, &entry) < 0)
                return -1;
        (void) sd_event_source_set_time(s, usec + USEC_PER_SEC / per_second);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int main(int argc, char **argv) {
        char path[] = "/dev/shm/authrelay-bench-XXXXXX", base[100];
        PublisherConfig config = {.path = base, .ttl = TTL, .snapshot = snapshot, .on_published = on_published};
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        sd_event_source *tick = NULL;
        usec_t begin, first, cpu, elapsed;
        double share;

        if (argc > 1)
                records = (unsigned) atoi(argv[1]);
        if (argc > 2)
                per_second = (unsigned) atoi(argv[2]);
        if (argc > 3)
                seconds = (unsigned) atoi(argv[3]);
        put_at = calloc((size_t) per_second * seconds, sizeof(usec_t));
        latencies = calloc((size_t) per_second * seconds, sizeof(usec_t));
        if (!put_at || !latencies || !mkdtemp(path))
                return 1;
        (void) snprintf(base, sizeof(base), "%s/relay.cdb", path);
        if (sd_event_new(&event) < 0 || publisher_new(&config, &publisher) < 0 ||
            publisher_attach(publisher, event) < 0)
                return 1;
        begin = monotonic();
        if (publisher_flush(publisher) < 0)
                return 1;
        first = monotonic() - begin;
        cpu = cpu_used();
        begin = monotonic();
        if (sd_event_add_time(event, &tick, CLOCK_MONOTONIC, begin, 1, on_tick, NULL) < 0 || sd_event_loop(event) < 0)
                return 1;
        elapsed = monotonic() - begin;
        sd_event_source_unref(tick);
        publisher = publisher_free(publisher);
        share = 100.0 * (double) (cpu_used() - cpu) / (double) elapsed;
        qsort(latencies, n_published, sizeof(usec_t), compare);
        if (n_published < 100)
                return 1;
        printf("%u grants, %u new a second, %u s: first base %.0f ms, %" PRIu64 " bases; loop late by %.1f ms at most\n",
                records, per_second, seconds, (double) first / 1000, last_generation, slowest_loop_usec / 1000.0);
        printf("%-44s p50 %7.2f ms  p99 %7.2f ms  goal 50 ms\n", "changed -> published",
                (double) latencies[n_published / 2] / 1000, (double) latencies[n_published / 100 * 99] / 1000);
        printf("%-44s %6.1f%% of a core  goal 20%%\n", "price, this program's timers included", share);
        free(put_at);
        free(latencies);
        (void) snprintf(base, sizeof(base), "rm -rf %s", path);
        return system(base) != 0;
}
