/* SPDX-License-Identifier: Apache-2.0 */
/* Goes through one hot path many times, for hot-paths.sh, which has callgrind count what measured() does and
 * nothing else. Prints how often. No clock, no chance: the seed of the hashes is always the same.
 *
 *   hot-paths compiler
 *   hot-paths PATH PATTERNS LOG */

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/unix-socket.h"
#include "cdb/relay-lookup.h"
#include "control/lookup-server.h"
#include "grant/grant-table.h"
#include "match/line-judge.h"
#include "publish/relay-writer.h"
#include "record-builder.h"
#include "source/file-tail.h"
#include "source/line-record.h"

#define GRANTS 10000u
#define TIMES 1000u
#define NOW (TEST_NOW / USEC_PER_SEC)

typedef struct Fixture {
        PatternSet *patterns;
        LineJudge *judge;
        StreamState *streams;
        LineSplitter lines;
        FileTail tail;
        Policy policy;
        GrantTable *table;
        Login logins[TIMES];
        sd_event *event;
        LookupServer *server;
        int client;
        char *requests;
        size_t requests_size;
        unsigned allowed;
} Fixture;

static Fixture f = {.tail = FILE_TAIL_INIT};

static void must(bool ok, const char *what) {
        if (ok)
                return;
        (void) fprintf(stderr, "hot-paths: %s\n", what);
        exit(1);
}

/* 10.0.0.0 and on have grants, 11.0.0.0 and on have none. */
static IpAddr address_of(unsigned net, unsigned i) {
        return (IpAddr){
                {[10] = 0xff, 0xff, (uint8_t) net, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i}};
}

/* --wrap=getrandom: how many places a hash looks at depends on its seed, by some per cent. */
ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags);

ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags _unused_) {
        memset(buf, 0x5a, size);
        return (ssize_t) size;
}

/* ---- a log's lines ---- */

static void load_patterns(const char *directory, bool jit) {
        const PatternSetSettings settings = {
                .directories = (char *[]){(char *) directory, NULL}, .all = true, .jit = jit};
        IniError error;

        must(pattern_set_load(&settings, &f.patterns, &error) >= 0, "patterns");
}

static void prepare_explain(const char *patterns, const char *log) {
        FILE *in = fopen(log, "re");
        size_t room, n;
        char *space;

        load_patterns(patterns, true);
        must(in && line_judge_new(f.patterns, &f.judge) >= 0 &&
                        line_splitter_init(&f.lines, (size_t) 16 * 1024 * 1024) >= 0,
                log);
        space = line_splitter_space(&f.lines, &room);
        n = fread(space, 1, room, in);
        must(n > 0 && n < room && fclose(in) == 0, log);
        line_splitter_fill(&f.lines, n);
}

/* As explain does with each line. */
static unsigned explain(void) {
        const Pattern *pattern;
        unsigned n = 0;
        Login login;
        Span line;
        bool cut;

        for (; line_splitter_next(&f.lines, &line, &cut); n++)
                line_judge(f.judge, line, cut, TEST_NOW, &login, &pattern);
        return n;
}

static void prepare_tail(const char *patterns, const char *log) {
        load_patterns(patterns, false);
        must(stream_state_new(&f.streams) >= 0 && file_tail_open(&f.tail, log) >= 0, log);
}

static usec_t time_of_reading(const Record *record) {
        return record->read_time;
}

/* As the daemon does with each line of a file. */
static unsigned tail(void) {
        static const RecordOps ops = {.time = time_of_reading};
        static const LineHeads heads = {{LOG_HEAD_SYSLOG}, 1};
        unsigned n = 0;
        Login login;
        Span line;
        bool cut;

        for (; file_tail_next(&f.tail, &line, &cut) == FILE_TAIL_MORE; n++) {
                Record record = {.ops = &ops, .source = "/var/log/mail.log", .read_time = TEST_NOW};

                if (line_record(&heads, line, cut, &record))
                        pattern_set_match(f.patterns, f.streams, &record, NULL, &login);
        }
        return n;
}

/* ---- the published files ---- */

static void publish(bool is_delta) {
        RelayHeader header = {.generation = 1, .written = NOW, .ttl = 3600};
        _cleanup_(relay_writer_done) RelayWriter w = RELAY_WRITER_INIT;
        int r = relay_writer_open(&w, is_delta ? "relay-delta.cdb" : "relay.cdb", &header, is_delta, false);

        for (unsigned i = 0; i < GRANTS && !is_delta && r >= 0; i++) {
                IpAddr addr = address_of(10, i);
                RelayEntry entry = {.network = ip_network_of(&addr, 128),
                        .until = NOW + 3600,
                        .how = SPAN_LITERAL("dovecot")};

                r = relay_writer_add(&w, &entry);
        }
        must(r >= 0 && relay_writer_finish(&w) >= 0 && relay_writer_commit(&w) >= 0, "relay.cdb");
}

static void prepare_relay(const char *patterns _unused_, const char *log _unused_) {
        publish(false);
        publish(true);
}

/* As relaylock does for each connection. */
static unsigned ask_relay(unsigned net, RelayResult wanted) {
        RelayAnswer answer;
        unsigned n;

        for (n = 0; n < TIMES; n++) {
                IpAddr addr = address_of(net, n * 7 % GRANTS);

                must(relay_lookup("relay.cdb", &addr, NOW, &answer) == wanted, "a wrong answer");
        }
        return n;
}

static unsigned relay_hit(void) {
        return ask_relay(10, RELAY_RESULT_GRANTED);
}

static unsigned relay_miss(void) {
        return ask_relay(11, RELAY_RESULT_ABSENT);
}

/* ---- grants ---- */

static void listen_to(void *userdata _unused_, const GrantEvent *event) {
        RelayEntry entry;

        (void) grant_table_record_of(f.table, event, &entry);
}

static Login login_of(unsigned net, unsigned i) {
        static char users[TIMES][32];
        Login login = test_login("192.0.2.1", "", TEST_NOW);

        (void) snprintf(users[i % TIMES], sizeof(users[0]), "user%u-%u@example.org", net, i);
        login.user = span_from_string(users[i % TIMES]);
        login.address = address_of(net, i);
        return login;
}

static void prepare_grants(unsigned net) {
        must(policy_init(&f.policy) >= 0, "policy");
        f.policy.ttl = 3600;
        f.policy.private_mode = POLICY_PRIVATE_YES;
        must(grant_table_new(&f.policy, listen_to, NULL, &f.table) >= 0, "table");
        for (unsigned i = 0; i < GRANTS; i++) {
                Login login = login_of(10, i);

                must(grant_table_login(f.table, &login, NOW) == GRANT_NEW, "a login");
        }
        for (unsigned i = 0; i < TIMES; i++)
                f.logins[i] = login_of(net, i);
}

static void prepare_new(const char *patterns _unused_, const char *log _unused_) {
        prepare_grants(11);
}

static void prepare_again(const char *patterns _unused_, const char *log _unused_) {
        prepare_grants(10);
}

static unsigned log_in(int wanted) {
        unsigned n;

        for (n = 0; n < TIMES; n++)
                must(grant_table_login(f.table, &f.logins[n], NOW + 1) == wanted, "a login");
        return n;
}

static unsigned grant_new(void) {
        return log_in(GRANT_NEW);
}

static unsigned grant_again(void) {
        return log_in(GRANT_EXTENDED);
}

/* ---- the look-up socket ---- */

static bool on_allows(void *userdata _unused_, const IpAddr *address, Span *ret_user) {
        RelayEntry entry;
        bool allowed = grant_table_allows(f.table, address, NOW, &entry);

        *ret_user = allowed ? entry.user : SPAN_NONE;
        f.allowed += allowed;
        return allowed;
}

static void prepare_socketmap(const char *patterns _unused_, const char *log _unused_) {
        static const LookupHandlers handlers = {.allows = on_allows};
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "lookup"};
        int fd = unix_socket_open("lookup", SOCK_STREAM, 0600), r;
        FILE *requests = open_memstream(&f.requests, &f.requests_size);

        prepare_grants(10);
        must(fd >= 0 && sd_event_new(&f.event) >= 0 &&
                        lookup_server_new(f.event, &handlers, NULL, &f.server) >= 0 &&
                        lookup_server_listen(f.server, fd) >= 0,
                "server");
        f.client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(connect(f.client, (struct sockaddr *) &address, sizeof(address)) >= 0, "connect");
        do
                r = sd_event_run(f.event, 0);
        while (r > 0);
        for (unsigned i = 0; i < TIMES; i++) {
                IpAddr asked = address_of(10 + i % 2, i);
                char text[IP_TEXT_BYTES];

                (void) ip_addr_format(text, &asked);
                (void) fprintf(requests, "%zu:relay %s,", strlen(text) + strlen("relay "), text);
        }
        must(fclose(requests) == 0, "requests");
}

/* All requests are in the socket before the server reads; so are its answers, which nobody waits for. */
static unsigned socketmap(void) {
        must(write(f.client, f.requests, f.requests_size) == (ssize_t) f.requests_size, "write");
        while (lookup_server_requests(f.server) < TIMES)
                must(sd_event_run(f.event, UINT64_MAX) >= 0, "loop");
        must(f.allowed == TIMES / 2, "a wrong answer");
        return TIMES;
}

typedef struct Path {
        const char *name;
        void (*prepare)(const char *patterns, const char *log);
        unsigned (*run)(void);
} Path;

static const Path paths[] = {
        {"explain-line", prepare_explain, explain},
        {"tail-line", prepare_tail, tail},
        {"relay-hit", prepare_relay, relay_hit},
        {"relay-miss", prepare_relay, relay_miss},
        {"grant-new", prepare_new, grant_new},
        {"grant-again", prepare_again, grant_again},
        {"socketmap", prepare_socketmap, socketmap},
};

/* --toggle-collect= names this. */
unsigned measured(const Path *path);

__attribute__((noinline)) unsigned measured(const Path *path) {
        unsigned n = path->run();

        __asm__ volatile("" ::: "memory"); /* no tail call */
        return n;
}

int main(int argc, char **argv) {
        if (argc == 2 && streq(argv[1], "compiler"))
                return printf("%s\n", COMPILER) < 0;
        for (size_t i = 0; argc == 4 && i < ELEMENTSOF(paths); i++)
                if (streq(argv[1], paths[i].name)) {
                        paths[i].prepare(argv[2], argv[3]);
                        return printf("%u\n", measured(&paths[i])) < 0;
                }
        must(false, "hot-paths compiler | hot-paths PATH PATTERNS LOG");
}
