/* SPDX-License-Identifier: Apache-2.0 */
/* The file for tcpserver against a model of tcpserver: each address gets what the template says of it, and
 * RELAYCLIENT just when it may relay; and whatever happens to the process, what is left in the end is the
 * static part. */
#include "check.h"

#include "basic/time-util.h"
#include "cdb/cdb-file.h"
#include "publish/tcprules-output.h"

#define ENTRIES_MAX 64

typedef struct Table {
        RelayEntry entries[ENTRIES_MAX];
        unsigned n;
        int error;
} Table;

static TcprulesReport last;
static unsigned reports;

static int snapshot(void *userdata, TcprulesEntryHandler each, void *each_userdata) {
        const Table *t = userdata;

        for (unsigned i = 0; i < t->n; i++) {
                int r = each(each_userdata, &t->entries[i]);

                if (r < 0)
                        return r;
        }
        return t->error;
}

static void on_written(_unused_ void *userdata, const TcprulesReport *report) {
        last = *report;
        reports++;
}

static IpNetwork network_of(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static void put(Table *t, const char *network, RelayVerdict verdict, uint64_t until) {
        assert_in_range(t->n, 0, ENTRIES_MAX - 1);
        t->entries[t->n++] =
                (RelayEntry){.network = network_of(network), .verdict = verdict, .until = until};
}

/* ---- a model of tcpserver -x ---- */

typedef struct Rules {
        struct {
                char key[CDB_KEY_MAX_BYTES + 1], data[256]; /* '|' for NUL */
        } items[8192];
        unsigned n;
} Rules;

static Rules rules;

static int add_rule(_unused_ void *userdata, Span key, Span value) {
        assert_in_range(rules.n, 0, ELEMENTSOF(rules.items) - 1);
        assert_in_range(value.size, 0, sizeof(rules.items[0].data) - 1);
        (void) snprintf(
                rules.items[rules.n].key, sizeof(rules.items[0].key), "%.*s", (int) key.size, key.data);
        for (size_t i = 0; i < value.size; i++)
                rules.items[rules.n].data[i] = value.data[i] ? value.data[i] : '|';
        rules.items[rules.n++].data[value.size] = 0;
        return 0;
}

static void read_rules(const char *path) {
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;

        rules.n = 0;
        assert_ok(cdb_file_open(&f, path));
        assert_ok(cdb_file_each(&f, add_rule, NULL));
}

static const char *find_rule(const char *address, size_t size) {
        for (unsigned i = 0; i < rules.n; i++)
                if (strlen(rules.items[i].key) == size && strncmp(rules.items[i].key, address, size) == 0)
                        return rules.items[i].data;
        return NULL;
}

static const char *followed(const char *address) {
        for (size_t n = strlen(address);; n--) {
                const char *data = NULL;

                if (n == strlen(address) || n == 0 || address[n - 1] == '.' || address[n - 1] == ':')
                        data = find_rule(address, n);
                if (data || n == 0)
                        return data ? data : "none";
        }
}

static const char *all_rules(void) {
        static char text[4096];
        size_t n = 0;

        text[0] = 0;
        for (unsigned i = 0; i < rules.n; i++)
                n += (size_t) snprintf(
                        text + n, sizeof(text) - n, "%s:%s\n", rules.items[i].key, rules.items[i].data);
        return text;
}

/* ---- what is in the file ---- */

static TcprulesTemplate *template_of(const char *text) {
        TcprulesTemplate *t = NULL;
        IniError error = {""};

        put_text("template", text);
        if (tcprules_template_load("template", &t, &error) < 0)
                fail_msg("%s", error.text);
        return t;
}

static TcprulesOutput *output_of(Table *table, const char *path, const TcprulesTemplate *template) {
        char directory[PATH_MAX];
        TcprulesConfig config = {
                .runtime_directory = getcwd(directory, sizeof(directory)),
                .snapshot = snapshot,
                .on_written = on_written,
                .userdata = table,
        };
        TcprulesOutput *o;

        assert_ok(tcprules_output_new(&config, &o));
        assert_ok(tcprules_output_configure(o, path, template));
        return o;
}

static const char written[] = "127.:+RELAYCLIENT=@local|\n"
                              "192.0.2.:+QMAILQUEUE=/q|\n"
                              "192.0.2.66:D|\n"
                              "10.1.:+A=1|+RELAYCLIENT=|\n"
                              "10.2.0.1:+B=|\n"
                              ":+C=c|\n"
                              "10.:+C=c|+RELAYCLIENT=|\n"
                              "10.1.0.1:+A=1|\n"
                              "10.9.:+C=c|\n"
                              "10.9.9.9:+C=c|+RELAYCLIENT=|\n"
                              "192.0.2.7:+QMAILQUEUE=/q|+RELAYCLIENT=|\n"
                              "198.51.100.7:+C=c|+RELAYCLIENT=|\n";

static const char template_text[] = "127.:allow,RELAYCLIENT=\"@local\"\n"
                                    "192.0.2.:allow,QMAILQUEUE=\"/q\"\n"
                                    "192.0.2.66:deny\n"
                                    "10.1.:allow,A=\"1\"\n"
                                    "10.2.0.1:allow,B=\"\"\n"
                                    ":allow,C=\"c\"\n";

static void fill(Table *t) {
        put(t, "192.0.2.7", RELAY_ALLOW, 5000);
        put(t, "198.51.100.7", RELAY_ALLOW, 5000);
        put(t, "192.0.2.66", RELAY_ALLOW, 5000); /* denied by the template */
        put(t, "10.0.0.0/8", RELAY_ALLOW, 0);
        put(t, "10.1.0.1", RELAY_NEVER, 0);
        put(t, "10.2.0.1", RELAY_NEVER, 0);
        put(t, "10.9.0.0/16", RELAY_NEVER, 0);
        put(t, "10.9.9.9", RELAY_ALLOW, 5000);
        put(t, "172.16.0.1", RELAY_NEVER, 0); /* inside of nothing: needs no rule */
        put(t, "203.0.113.9", RELAY_REVOKED, 0);
}

static void test_rules(_unused_ void **state) {
        _cleanup_(tcprules_template_freep) TcprulesTemplate *template = template_of(template_text);
        Table table = {.n = 0};
        _cleanup_(tcprules_output_freep) TcprulesOutput *o = NULL;

        fill(&table);
        o = output_of(&table, "x.cdb", template);
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(last.rules, 12);
        assert_int_equal(last.left_out, 0);
        read_rules("x.cdb");
        assert_string_equal(all_rules(), written);
        read_rules(".x.cdb.static");
        assert_string_equal(all_rules(), "127.:+RELAYCLIENT=@local|\n"
                                         "192.0.2.:+QMAILQUEUE=/q|\n"
                                         "192.0.2.66:D|\n"
                                         "10.1.:+A=1|+RELAYCLIENT=|\n"
                                         "10.2.0.1:+B=|\n"
                                         ":+C=c|\n"
                                         "10.:+C=c|+RELAYCLIENT=|\n"
                                         "10.1.0.1:+A=1|\n"
                                         "10.9.:+C=c|\n");
}

static void test_without_template(_unused_ void **state) {
        Table table = {.n = 0};
        _cleanup_(tcprules_output_freep) TcprulesOutput *o = output_of(&table, "x.cdb", NULL);

        assert_ok(tcprules_output_flush(o));
        read_rules("x.cdb");
        assert_int_equal(rules.n, 0);
        put(&table, "2001:db8:1::/64", RELAY_ALLOW, 5000);
        put(&table, "2001:db8::1", RELAY_ALLOW, 5000);
        put(&table, "2001:db8:0:3::/64", RELAY_ALLOW, 5000);
        put(&table, "2001:db8:5::", RELAY_ALLOW, 5000);
        assert_ok(tcprules_output_flush(o)); /* nothing was said to have changed */
        read_rules("x.cdb");
        assert_int_equal(rules.n, 0);
        tcprules_output_touch(o, false);
        assert_ok(tcprules_output_flush(o));
        read_rules("x.cdb");
        assert_string_equal(all_rules(), "2001:db8::1:+RELAYCLIENT=|\n"
                                         "2001:db8:0:3::+RELAYCLIENT=|\n"
                                         "2001:db8:1:::+RELAYCLIENT=|\n"
                                         "2001:db8:1:0::+RELAYCLIENT=|\n");
        assert_int_equal(last.left_out, 2);
}

/* A network in which somebody must not relay who cannot be told from the others. */
static void test_untold(_unused_ void **state) {
        Table table = {.n = 0};
        _cleanup_(tcprules_output_freep) TcprulesOutput *o = output_of(&table, "x.cdb", NULL);

        put(&table, "2001:db8::/32", RELAY_ALLOW, 0);
        put(&table, "2001:db8:0:5::/64", RELAY_NEVER, 0);
        put(&table, "2001:db9::/32", RELAY_ALLOW, 0);
        put(&table, "2001:db9::5", RELAY_NEVER, 0);
        assert_ok(tcprules_output_flush(o));
        read_rules("x.cdb");
        assert_string_equal(all_rules(), "2001:db9::+RELAYCLIENT=|\n2001:db9::5:\n");
        assert_int_equal(last.left_out, 1);
}

/* Random tables and templates in a small world, each of whose addresses is looked up. */
static void test_random(_unused_ void **state) {
        uint64_t seed = 815;
        unsigned relaying = 0;

        for (unsigned turn = 0; turn < 150; turn++) {
                _cleanup_(tcprules_output_freep) TcprulesOutput *o = NULL;
                _cleanup_(tcprules_template_freep) TcprulesTemplate *template = NULL;
                char text[4096] = "", address[32];
                Table table = {.n = 0};
                size_t n = 0;

                for (unsigned i = 0; i < 8; i++) {
                        static const char *const what[] = {
                                "deny", "allow", "allow,A=\"1\"", "allow,RELAYCLIENT=\"@x\""};
                        unsigned a = (unsigned) (next_random(&seed) >> 40) % 4,
                                 b = (unsigned) (next_random(&seed) >> 40) % 8;
                        const char *in = what[(next_random(&seed) >> 40) % 4];

                        if (i == 0)
                                n += (size_t) snprintf(text + n, sizeof(text) - n, ":%s\n", in);
                        else if (i % 3 == 0)
                                n += (size_t) snprintf(text + n, sizeof(text) - n, "10.0.%u.:%s\n", a, in);
                        else if (i == 7)
                                n += (size_t) snprintf(
                                        text + n, sizeof(text) - n, "10.0.%u.%u-%u:%s\n", a, b, b + 3, in);
                        else
                                n += (size_t) snprintf(
                                        text + n, sizeof(text) - n, "10.0.%u.%u:%s\n", a, b, in);
                }
                for (unsigned i = 0; i < 10; i++) {
                        IpAddr addr = {{[10] = 0xff,
                                0xff,
                                10,
                                0,
                                (uint8_t) (next_random(&seed) >> 40 & 3),
                                (uint8_t) (next_random(&seed) >> 40 & 7)}};
                        IpNetwork network =
                                ip_network_of(&addr, 120 - 4 + (unsigned) (next_random(&seed) >> 40) % 13);
                        bool is_new = true;

                        for (unsigned k = 0; k < table.n; k++)
                                is_new &= !ip_network_equal(&table.entries[k].network, &network);
                        if (is_new)
                                table.entries[table.n++] = (RelayEntry){.network = network,
                                        .until = 5000,
                                        .verdict = next_random(&seed) >> 40 & 1 ? RELAY_ALLOW : RELAY_NEVER};
                }
                template = template_of(text);
                o = output_of(&table, "x.cdb", template);
                assert_ok(tcprules_output_flush(o));
                read_rules("x.cdb");
                for (unsigned i = 0; i < 4 * 8; i++) {
                        IpNetwork host;
                        const RelayEntry *best = NULL;
                        const TcprulesRule *rule;
                        const TcprulesInstructions *in;
                        char wanted[256] = "";
                        const char *got;

                        (void) snprintf(address, sizeof(address), "10.0.%u.%u", i / 8, i % 8);
                        host = network_of(address);
                        for (unsigned k = 0; k < table.n; k++)
                                if (ip_network_contains(&table.entries[k].network, &host) &&
                                        (!best || table.entries[k].network.length > best->network.length))
                                        best = &table.entries[k];
                        rule = tcprules_template_match(template, span_from_string(address));
                        in = &template->instructions[rule->instructions];
                        for (size_t k = 0; k < in->size; k++)
                                wanted[k] = in->data[k] ? in->data[k] : '|';
                        if (best && best->verdict == RELAY_ALLOW && !in->denies && !in->relays) {
                                (void) strcat(wanted, "+RELAYCLIENT=|");
                                relaying++;
                        }
                        got = followed(address);
                        if (!streq(got, wanted))
                                fail_msg("turn %u, %s: '%s' instead of '%s'\n%s", turn, address, got, wanted,
                                        text);
                }
        }
        assert_true(relaying > 300);
}

/* ---- when it is written ---- */

static void test_static_is_left(_unused_ void **state) {
        _cleanup_(tcprules_template_freep) TcprulesTemplate *template = template_of(":allow\n");
        Table table = {.n = 0};
        TcprulesOutput *o = output_of(&table, "x.cdb", template);
        char directory[PATH_MAX];

        assert_non_null(getcwd(directory, sizeof(directory)));
        put(&table, "192.0.2.7", RELAY_ALLOW, 5000);
        put(&table, "10.0.0.0/8", RELAY_ALLOW, 0);
        assert_ok(tcprules_output_flush(o));
        read_rules("x.cdb");
        assert_string_equal(all_rules(), ":\n10.:+RELAYCLIENT=|\n192.0.2.7:+RELAYCLIENT=|\n");

        /* somebody cleans up after a process that is no more */
        assert_int_equal(tcprules_output_restore(directory), 1);
        read_rules("x.cdb");
        assert_string_equal(all_rules(), ":\n10.:+RELAYCLIENT=|\n");
        assert_int_equal(tcprules_output_restore(directory), 0);

        /* and it was not dead */
        tcprules_output_touch(o, false);
        assert_ok(tcprules_output_flush(o));
        read_rules("x.cdb");
        assert_int_equal(rules.n, 3);

        /* another path */
        assert_ok(tcprules_output_configure(o, "y.cdb", template));
        assert_ok(tcprules_output_flush(o));
        read_rules("x.cdb");
        assert_int_equal(rules.n, 2);
        read_rules("y.cdb");
        assert_int_equal(rules.n, 3);

        tcprules_output_free(o);
        read_rules("y.cdb");
        assert_int_equal(rules.n, 2);
        assert_int_equal(access("tcprules", F_OK), -1);
        assert_int_equal(tcprules_output_restore(directory), 0);
}

/* One that was killed, and started anew with another path or without the output. */
static void test_killed(_unused_ void **state) {
        Table table = {.n = 0};
        TcprulesOutput *killed = output_of(&table, "x.cdb", NULL);
        _cleanup_(tcprules_output_freep) TcprulesOutput *next = NULL;

        put(&table, "192.0.2.7", RELAY_ALLOW, 5000);
        assert_ok(tcprules_output_flush(killed));
        read_rules("x.cdb");
        assert_int_equal(rules.n, 1);
        next = output_of(&table, NULL, NULL);
        assert_ok(tcprules_output_flush(next));
        read_rules("x.cdb");
        assert_int_equal(rules.n, 0);
        tcprules_output_free(killed);
}

static void test_static_gone(_unused_ void **state) {
        Table table = {.n = 0};
        TcprulesOutput *o = output_of(&table, "x.cdb", NULL);
        char directory[PATH_MAX];

        assert_non_null(getcwd(directory, sizeof(directory)));
        put(&table, "192.0.2.7", RELAY_ALLOW, 5000);
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(unlink(".x.cdb.static"), 0);
        assert_int_equal(tcprules_output_restore(directory), -ENODATA);
        /* who was granted relaying would have it for ever */
        read_rules("x.cdb");
        assert_int_equal(rules.n, 0);
        /* it is there again with the next writing */
        tcprules_output_touch(o, false);
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(tcprules_output_restore(directory), 1);
        tcprules_output_free(o);
}

/* The same for a file that the configuration does not name any more. */
static void test_static_gone_of_former(_unused_ void **state) {
        Table table = {.n = 0};
        _cleanup_(tcprules_output_freep) TcprulesOutput *o = output_of(&table, "x.cdb", NULL);

        put(&table, "192.0.2.7", RELAY_ALLOW, 5000);
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(unlink(".x.cdb.static"), 0);
        /* and nothing can be written in its place */
        assert_int_equal(mkdir(".x.cdb.tmp", 0700), 0);
        assert_ok(tcprules_output_configure(o, "y.cdb", NULL));
        assert_int_equal(access("x.cdb", F_OK), -1);
        assert_ok(tcprules_output_flush(o));
        read_rules("y.cdb");
        assert_int_equal(rules.n, 1);
}

static void test_removed(_unused_ void **state) {
        Table table = {.n = 0};
        _cleanup_(tcprules_output_freep) TcprulesOutput *o = output_of(&table, "x.cdb", NULL);

        assert_ok(tcprules_output_flush(o));
        reports = 0;
        tcprules_output_check(o);
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(reports, 0);
        assert_int_equal(unlink("x.cdb"), 0);
        tcprules_output_check(o);
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(reports, 1);
        assert_int_equal(access("x.cdb", R_OK), 0);
}

static void test_failure(_unused_ void **state) {
        Table table = {.n = 0};
        _cleanup_(tcprules_output_freep) TcprulesOutput *o = output_of(&table, "x.cdb", NULL);

        put(&table, "192.0.2.7", RELAY_ALLOW, 5000);
        assert_ok(tcprules_output_flush(o));
        table.n = 0;
        /* in the place of the temporary file */
        assert_int_equal(mkdir(".x.cdb.tmp", 0755), 0);
        tcprules_output_touch(o, false);
        assert_true(tcprules_output_flush(o) < 0);
        assert_true(last.error < 0);
        read_rules("x.cdb"); /* it can't be written, but nobody relays by it */
        assert_int_equal(rules.n, 0);
        assert_int_equal(rmdir(".x.cdb.tmp"), 0);
        put(&table, "192.0.2.8", RELAY_ALLOW, 5000);
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(last.error, 0);
        read_rules("x.cdb");
        assert_string_equal(all_rules(), "192.0.2.8:+RELAYCLIENT=|\n");
        table.error = -ENOMEM;
        tcprules_output_touch(o, false);
        assert_int_equal(tcprules_output_flush(o), -ENOMEM);
        read_rules("x.cdb");
        assert_int_equal(rules.n, 0);
}

static void test_loop_coalesces(_unused_ void **state) {
        Table table = {.n = 0};
        TcprulesOutput *o = output_of(&table, "x.cdb", NULL);
        sd_event *event;

        assert_ok(sd_event_new(&event));
        assert_ok(tcprules_output_attach(o, event));
        reports = 0;
        for (unsigned i = 0; i < 100; i++) {
                tcprules_output_touch(o, false);
                assert_ok(sd_event_run(event, 0));
        }
        assert_int_equal(reports, 1);
        tcprules_output_touch(o, false);
        put(&table, "192.0.2.7", RELAY_ALLOW, 5000);
        for (unsigned i = 0; i < 20 && reports < 2; i++)
                assert_ok(sd_event_run(event, USEC_PER_SEC));
        assert_int_equal(reports, 2);
        read_rules("x.cdb");
        assert_int_equal(rules.n, 1);
        tcprules_output_free(o);
        sd_event_unref(event);
}

/* More than fit: none too many, and it is said. */
static void test_bounds(_unused_ void **state) {
        Table table = {.n = 0};
        _cleanup_(tcprules_output_freep) TcprulesOutput *o = output_of(&table, "x.cdb", NULL);

        for (unsigned i = 0; i < 6; i++) {
                char text[64];

                (void) snprintf(text, sizeof(text), "2001:db8:%x::/56", 1 + i);
                put(&table, text, RELAY_ALLOW, 5000);
        }
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(last.left_out, 0);
        assert_int_equal(last.rules, 6 * 257); /* group 0 has two */
        table.n = 0;
        for (unsigned i = 0; i < ENTRIES_MAX; i++) {
                char text[64];

                (void) snprintf(text, sizeof(text), "2001:db8:%x::%x00/120", 1 + i, 1 + i);
                put(&table, text, RELAY_ALLOW, 5000);
        }
        tcprules_output_touch(o, false);
        assert_ok(tcprules_output_flush(o));
        assert_int_equal(last.rules, ENTRIES_MAX * 256);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_rules),
                in_directory(test_without_template),
                in_directory(test_untold),
                in_directory(test_random),
                in_directory(test_static_is_left),
                in_directory(test_killed),
                in_directory(test_static_gone),
                in_directory(test_static_gone_of_former),
                in_directory(test_removed),
                in_directory(test_failure),
                in_directory(test_loop_coalesces),
                in_directory(test_bounds),
        };

        return cmocka_run_group_tests_name("tcprules-output", tests, NULL, NULL);
}
