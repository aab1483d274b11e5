/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory as a whole: whichever byte of it is damaged, nobody is let in who was not, what was
 * revoked stays so, what is whole is taken, and what is saved next is whole. */
#include "check.h"
#include "failing-fork.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "basic/log.h"
#include "daemon/manager.h"
#include "publish/left-pair.h"
#include "publish/relay-writer.h"
#include "record-builder.h"
#include "source/file-tail.h"
#include "source/source-file.h"
#include "state/state-file.h"

#define T0 (TEST_NOW / USEC_PER_SEC)
#define AT(s) ((usec_t) (s) *USEC_PER_SEC)
#define LOG_PATH "/var/log/mail.log"
#define RAW 504 /* a torn first half has at least this */

/* ---- what is logged, and no waiting for the disk ---- */

static struct {
        char last[512];
        unsigned warnings, errors;
} logged;

void __wrap_log_line(int priority, const char *format, ...) _printf_(2, 3);
int __wrap_log_errno(int priority, int error, const char *format, ...) _printf_(3, 4);
int __wrap_fsync(int fd);

static void note(int priority, const char *format, va_list ap) {
        (void) vsnprintf(logged.last, sizeof(logged.last), format, ap);
        logged.warnings += priority == LOG_WARNING;
        logged.errors += priority == LOG_ERR;
}

void __wrap_log_line(int priority, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        note(priority, format, ap);
        va_end(ap);
}

int __wrap_log_errno(int priority, int error, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        note(priority, format, ap);
        va_end(ap);
        return error;
}

int __wrap_fsync(_unused_ int fd) {
        return 0;
}

/* ---- a daemon of which only the tables are there ---- */

static void hear(_unused_ void *userdata, _unused_ const GrantEvent *event) {
}

static void hear_record(_unused_ void *userdata, _unused_ Source *source, _unused_ const Record *record) {
}

static void hear_note(_unused_ void *userdata, _unused_ Source *source, _unused_ SourceNote note,
        _unused_ const char *text) {
}

static Manager *manager_new_here(void) {
        SourceSink sink = {.record = hear_record, .note = hear_note};
        LineHeads heads = {{LOG_HEAD_SYSLOG}, 1};
        Manager *m = calloc(1, sizeof(Manager));

        assert_non_null(m);
        time_set_fake(AT(T0));
        assert_ok(policy_init(&m->config.policy));
        assert_ok(grant_table_new(&m->config.policy, hear, m, &m->grants));
        assert_ok(stream_state_new(&m->streams));
        m->inputs = calloc(1, sizeof(Input));
        assert_non_null(m->inputs);
        m->n_inputs = 1;
        assert_ok(source_file_new(LOG_PATH, &heads, NULL, &sink, &m->inputs[0].source));
        m->saver = FORKED_WRITER_INIT;
        m->state_path = strdup("state");
        m->revocations_path = strdup("revocations");
        m->revocations_copy_path = strdup("revocations-copy");
        m->relay_path = strdup("relay.cdb");
        return m;
}

static Manager *manager_free_here(Manager *m) {
        if (!m)
                return NULL;
        forked_writer_stop(&m->saver);
        sd_event_unref(m->event);
        source_free(m->inputs[0].source);
        free(m->inputs);
        grant_table_free(m->grants);
        stream_state_free(m->streams);
        policy_done(&m->config.policy);
        free(m->state_path);
        free(m->revocations_path);
        free(m->revocations_copy_path);
        free(m->relay_path);
        free(m);
        return NULL;
}

DEFINE_CLEANUP(Manager *, manager_free_here)

static Manager *start(void) {
        Manager *m = manager_new_here();

        memset(&logged, 0, sizeof(logged));
        assert_ok(manager_load_state(m));
        return m;
}

static IpNetwork net(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static int login(Manager *m, const char *address, const char *user, uint64_t at) {
        Login made = test_login(address, user, AT(at));

        return grant_table_login(m->grants, &made, T0);
}

static bool has(const Manager *m, const char *text) {
        IpNetwork n = net(text);
        GrantView view;

        return grant_table_find(m->grants, &n, &view);
}

static Span stream_key(void) {
        return span_make(LOG_PATH "\0mx\0courier", sizeof(LOG_PATH "\0mx\0courier"));
}

/* A position that the source has taken is what it saves. */
static bool has_position(const Manager *m) {
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        ByteReader r;

        source_encode(m->inputs[0].source, &w);
        assert_false(w.failed);
        r = BYTE_READER(span_make(w.data, w.size));
        return byte_reader_u32(&r) > 0;
}

/* Alice and carol are granted, 192.0.2.66 was revoked, bob is blocked, a network is granted by hand for
 * long; a stream is torn, and a log is half read. */
static void save_all(void) {
        _cleanup_(manager_free_herep) Manager *m = manager_new_here();
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        FilePosition position = {.device = 1, .inode = 2, .offset = 5, .head_size = 5, .before_size = 5};
        IpNetwork revoked = net("192.0.2.66"), by_hand = net("203.0.113.0/28");
        const char *reason;
        uint64_t until;

        assert_int_equal(login(m, "192.0.2.1", "alice", T0 - 100), GRANT_NEW);
        assert_int_equal(login(m, "2001:db8::1", "carol", T0 - 90), GRANT_NEW);
        assert_int_equal(login(m, "192.0.2.66", "eve", T0 - 80), GRANT_NEW);
        assert_int_equal(login(m, "192.0.2.67", "bob", T0 - 80), GRANT_NEW);
        assert_true(stream_state_is_torn(m->streams, LOG_PATH, stream_key(), RAW, RAW));
        memcpy(position.head, "line\n", 5);
        memcpy(position.before, "line\n", 5);
        byte_writer_u32(&w, 1);
        byte_writer_u32(&w, 1);
        byte_writer_u64(&w, AT(T0 - 80));
        file_position_encode(&position, &w);
        assert_true(source_decode(m->inputs[0].source, span_make(w.data, w.size)));
        /* what is done by hand comes after the last save */
        assert_ok(manager_save_state(m));
        assert_int_equal(grant_table_revoke(m->grants, &revoked, AT(T0 - 60)), 1);
        assert_int_equal(grant_table_revoke_user(m->grants, SPAN_LITERAL("bob"), true, AT(T0 - 50)), 1);
        assert_ok(grant_table_add(
                m->grants, &by_hand, 100000, SPAN_LITERAL(""), AT(T0 - 40), &until, &reason));
        assert_ok(manager_save_revocations(m));
}

typedef struct Found {
        bool grants;   /* alice and carol */
        bool manual;   /* the network, for its whole time */
        bool blocked;  /* bob */
        bool position; /* of the log */
} Found;

/* What may never be, whatever was damaged; and what is there. */
static Found look(Manager *m) {
        GrantView view;
        Found found;
        IpNetwork n;

        for (uint32_t i = 0; (i = grant_table_next(m->grants, i, &view)) != UINT32_MAX; i++) {
                char text[IP_TEXT_BYTES];

                (void) ip_network_format(text, &view.network);
                assert_true(streq(text, "192.0.2.1") || streq(text, "2001:db8::/64") ||
                            streq(text, "203.0.113.0/28"));
                assert_true(view.published <= T0 + m->config.policy.ttl);
        }
        n = net("203.0.113.0/28");
        found.manual = grant_table_find(m->grants, &n, &view);
        if (found.manual)
                assert_int_equal(view.until, T0 - 40 + 100000);
        assert_int_equal(has(m, "192.0.2.1"), has(m, "2001:db8::/64"));
        found.grants = has(m, "192.0.2.1");
        found.position = has_position(m);
        /* a line read again brings nothing back; the next one may be the rest of a torn one */
        assert_int_equal(login(m, "192.0.2.66", "eve", T0 - 80), GRANT_REFUSED);
        assert_int_equal(login(m, "192.0.2.67", "bob", T0 - 80), GRANT_REFUSED);
        assert_true(stream_state_is_torn(m->streams, LOG_PATH, stream_key(), 10, RAW));
        found.blocked = login(m, "192.0.2.67", "bob", T0 + 2) == GRANT_REFUSED;
        return found;
}

/* What is saved after the damage is whole again, and nothing has come back by itself. */
static void look_again(Found found) {
        _cleanup_(manager_free_herep) Manager *m = NULL;

        m = start();
        assert_int_equal(logged.warnings + logged.errors, 0);
        assert_int_equal(has(m, "192.0.2.66") || has(m, "192.0.2.67"), 0);
        assert_int_equal(has(m, "203.0.113.0/28"), found.manual);
        assert_int_equal(has(m, "192.0.2.1"), found.grants);
        assert_int_equal(login(m, "192.0.2.66", "eve", T0 - 80), GRANT_REFUSED);
}

typedef struct Whole {
        char *data;
        size_t size;
} Whole;

static Whole whole_of(const char *path) {
        Whole w;

        assert_ok(read_file(path, 65536, &w.data, &w.size));
        return w;
}

/* The i-th damage of a file: first it is cut at each byte, then each bit is flipped. Returns false when
 * there are no more. */
static bool damage(const char *path, const Whole *w, size_t i) {
        char *copy;

        if (i < w->size) {
                put_file(path, w->data, i);
                return chmod(path, 0600) == 0;
        }
        i -= w->size;
        if (i >= w->size * 8)
                return false;
        copy = malloc(w->size);
        assert_non_null(copy);
        memcpy(copy, w->data, w->size);
        copy[i / 8] ^= (char) (1 << i % 8);
        put_file(path, copy, w->size);
        free(copy);
        return chmod(path, 0600) == 0;
}

static size_t step(void) {
        return getenv("AUTHRELAY_SLOW") ? 97 : 1;
}

/* ---- tests ---- */

static void test_whole(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = NULL;
        Found found;

        save_all();
        m = start();
        assert_int_equal(logged.warnings + logged.errors, 0);
        found = look(m);
        assert_true(found.grants && found.manual && found.blocked && found.position);
}

static void test_first_start(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = start();

        assert_int_equal(logged.warnings + logged.errors, 0);
        assert_int_equal(grant_table_count(m->grants), 0);
        assert_int_not_equal(access("revocations", F_OK), 0);
        assert_int_equal(login(m, "192.0.2.1", "alice", T0 - 10), GRANT_NEW);
}

/* Grants, streams and positions; what is done by hand is in another file, and stays. */
static void test_damaged_state(_unused_ void **state) {
        size_t n = 0, with_grants = 0, with_position = 0;
        Whole whole;

        save_all();
        whole = whole_of("state");
        for (size_t i = 0; damage("state", &whole, i); i += step(), n++) {
                _cleanup_(manager_free_herep) Manager *m = start();
                Found found;

                assert_int_equal(logged.errors, 0);
                assert_in_range(logged.warnings, 1, 2);
                assert_int_equal(access("state.damaged", F_OK), 0);
                found = look(m);
                assert_true(found.manual && found.blocked);
                /* without the grants the log is to be read again */
                if (found.position)
                        assert_true(found.grants);
                with_grants += found.grants;
                with_position += found.position;
                assert_ok(manager_save_state(m));
                look_again(found);
        }
        assert_true(with_grants > n / 4 && with_position > n / 100 && with_grants < n - n / 4);
        print_message("# %zu damaged states, %zu with their grants, %zu with their positions\n", n,
                with_grants, with_position);
        free(whole.data);
}

/* Nothing is lost: the copy has it all. */
static void test_damaged_revocations(_unused_ void **state) {
        Whole whole;
        size_t n = 0;

        save_all();
        whole = whole_of("revocations");
        for (size_t i = 0; damage("revocations", &whole, i); i += step(), n++) {
                _cleanup_(manager_free_herep) Manager *m = start();
                Found found;

                assert_int_equal(logged.errors, 0);
                assert_in_range(logged.warnings, 2, 3);
                assert_int_equal(access("revocations.damaged", F_OK), 0);
                found = look(m);
                assert_true(found.grants && found.manual && found.blocked && found.position);
                look_again(found);
        }
        print_message("# %zu damaged revocations\n", n);
        free(whole.data);
}

/* Nobody knows whom a grant must not let in again: none is left, and only a later login makes one. */
static void test_damaged_revocations_and_copy(_unused_ void **state) {
        size_t n = 0, known = 0;
        Whole whole;

        save_all();
        whole = whole_of("revocations");
        for (size_t i = 0; damage("revocations", &whole, i); i += step(), n++) {
                _cleanup_(manager_free_herep) Manager *m = NULL;
                Found found;

                assert_true(damage("revocations-copy", &whole, i));
                m = start();
                found = look(m);
                if (found.blocked) {
                        /* only the grants by hand are lost */
                        assert_true(found.grants && found.position);
                        assert_int_equal(logged.errors, 0);
                        known++;
                } else {
                        assert_false(found.grants || found.manual);
                        assert_int_equal(logged.errors, 1);
                        assert_int_equal(login(m, "192.0.2.1", "alice", T0), GRANT_REFUSED);
                        assert_int_equal(login(m, "192.0.2.1", "alice", T0 + 2), GRANT_NEW);
                }
                look_again(found);
        }
        assert_true(known > 0 && known < n / 2);
        print_message(
                "# %zu damaged revocations without a copy, %zu of them known nevertheless\n", n, known);
        free(whole.data);
}

/* A copy alone does no harm, whatever is in it. */
static void test_damaged_copy(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = NULL;
        Found found;

        save_all();
        put_text("revocations-copy", "nonsense");
        m = start();
        assert_int_equal(logged.warnings + logged.errors, 0);
        found = look(m);
        assert_true(found.grants && found.manual && found.blocked && found.position);
}

static void be_missing(const char *path) {
        assert_int_equal(unlink(path), 0);
}

static void be_empty(const char *path) {
        put_text(path, "");
}

static void be_older(const char *path) {
        put_text(path, "authrelay state 1\n\6\0\0\0grants");
}

static void be_newer(const char *path) {
        put_text(path, "authrelay state 3\n");
}

static void be_directory(const char *path) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        put_text("a", "");
        assert_int_equal(
                renameat(AT_FDCWD, "a", AT_FDCWD, streq(path, "state") ? "state/a" : "revocations/a"), 0);
}

static void be_fifo(const char *path) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
}

static void be_link(const char *path) {
        assert_int_equal(rename(path, "elsewhere"), 0);
        assert_int_equal(symlink("elsewhere", path), 0);
}

static void be_dangling(const char *path) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("nowhere", path), 0);
}

static void be_writable(const char *path) {
        assert_int_equal(chmod(path, 0666), 0);
}

static void be_huge(const char *path) {
        assert_int_equal(truncate(path, (off_t) STATE_FILE_MAX_BYTES + 1), 0);
}

static void (*const places[])(const char *path) = {be_missing, be_empty, be_older, be_newer, be_directory,
        be_fifo, be_link, be_dangling, be_writable, be_huge};

static void clean_up(void) {
        static const char *const left[] = {"state", "state.damaged", "revocations", "revocations.damaged",
                "revocations-copy", "elsewhere", "state/a", "state.damaged/a", "revocations.damaged/a"};

        for (size_t i = ELEMENTSOF(left); i-- > 0;)
                (void) remove(left[i]);
}

static void test_state_in_odd_places(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                _cleanup_(manager_free_herep) Manager *m = NULL;
                Found found;

                clean_up();
                save_all();
                places[i]("state");
                m = start();
                assert_int_equal(logged.errors, 0);
                assert_int_equal(logged.warnings, places[i] != be_missing);
                if (places[i] == be_missing)
                        /* a first start, for which the sources say themselves what is missing */
                        stream_state_gap(m->streams, LOG_PATH);
                found = look(m);
                assert_true(!found.grants && found.manual && found.blocked && !found.position);
                assert_ok(manager_save_state(m));
                look_again(found);
        }
}

static void test_revocations_in_odd_places(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                _cleanup_(manager_free_herep) Manager *m = NULL;
                Found found;

                clean_up();
                save_all();
                places[i]("revocations");
                m = start();
                assert_int_equal(logged.errors, 0);
                found = look(m);
                assert_true(found.grants && found.manual && found.blocked && found.position);
                look_again(found);
                /* and without a copy */
                clean_up();
                save_all();
                places[i]("revocations");
                assert_int_equal(unlink("revocations-copy"), 0);
                m = manager_free_here(m);
                m = start();
                if (places[i] == be_missing)
                        continue; /* both are gone, as if nothing had ever been revoked */
                assert_int_equal(logged.errors, 1);
                found = look(m);
                assert_false(found.grants || found.manual || found.blocked);
                look_again(found);
        }
}

/* Where they can't be written, the damaged ones stay, and with them what they mean. */
static void test_damaged_and_disk_full(_unused_ void **state) {
        save_all();
        assert_int_equal(truncate("revocations", 30), 0);
        assert_int_equal(unlink("revocations-copy"), 0);
        /* in the way of the new copy */
        assert_int_equal(mkdir("revocations-copy", 0700), 0);
        for (int i = 0; i < 3; i++) {
                _cleanup_(manager_free_herep) Manager *m = start();
                Found found = look(m);

                assert_false(found.grants || found.manual);
                assert_true(m->revocations_dirty && m->save_failed);
                assert_int_equal(access("revocations.damaged", F_OK), -1);
        }
        assert_int_equal(rmdir("revocations-copy"), 0);
        {
                _cleanup_(manager_free_herep) Manager *m = start();

                look_again(look(m));
                assert_false(m->revocations_dirty || m->save_failed);
        }
}

/* A clock that was ten years ahead when all was saved: nothing lasts longer than TTL=, and nothing that was
 * revoked comes back. */
static void test_from_the_future(_unused_ void **state) {
        static const uint64_t steps[] = {3600, 10 * 365 * 86400ull};

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                _cleanup_(manager_free_herep) Manager *m = NULL;
                GrantView view;
                IpNetwork n = net("192.0.2.1");

                clean_up();
                save_all();
                m = manager_new_here();
                time_set_fake(AT(T0 - steps[i]));
                assert_ok(manager_load_state(m));
                assert_true(grant_table_find(m->grants, &n, &view));
                assert_true(view.until <= T0 - steps[i] + m->config.policy.ttl);
                assert_false(has(m, "192.0.2.66") || has(m, "192.0.2.67"));
                assert_int_equal(login(m, "192.0.2.66", "eve", T0 - 80), GRANT_REFUSED);
                time_set_fake(AT(T0));
        }
}

/* What was revoked by a clock that was ahead lets its user in again, also after another start. */
static void test_revoked_in_the_future(_unused_ void **state) {
        static const uint64_t steps[] = {3600, 10 * 365 * 86400ull};

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                _cleanup_(manager_free_herep) Manager *m = NULL;
                uint64_t now = T0 - steps[i];
                Login made = test_login("192.0.2.66", "eve", AT(now + 2));

                clean_up();
                save_all();
                m = manager_new_here();
                time_set_fake(AT(now));
                assert_ok(manager_load_state(m));
                assert_false(m->revocations_dirty);
                assert_int_equal(grant_table_login(m->grants, &made, now + 2), GRANT_NEW);
                assert_ok(manager_save_state(m));
                m = manager_free_here(m);
                m = manager_new_here();
                time_set_fake(AT(now + 100));
                assert_ok(manager_load_state(m));
                assert_true(has(m, "192.0.2.66"));
                made = test_login("192.0.2.67", "bob", AT(now + 110));
                assert_int_equal(grant_table_login(m->grants, &made, now + 110), GRANT_REFUSED);
                time_set_fake(AT(T0));
        }
}

/* A start by a clock that is ahead forgot revocations. */
static void test_start_while_ahead(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = NULL;
        uint64_t ahead = T0 + 10 * 365 * 86400ull;

        save_all();
        m = manager_new_here();
        time_set_fake(AT(ahead));
        assert_ok(manager_load_state(m));
        grant_table_expire(m->grants, ahead);
        time_set_fake(AT(T0));
        assert_int_equal(login(m, "192.0.2.66", "eve", T0 - 80), GRANT_REFUSED);
}

static void test_another_user(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = NULL;
        Found found;

        if (geteuid() != 0)
                skip();
        save_all();
        assert_int_equal(chown("state", 65534, 65534), 0);
        assert_int_equal(chown("revocations", 65534, 65534), 0);
        m = start();
        found = look(m);
        assert_true(!found.grants && found.manual && found.blocked);
        assert_ok(manager_save_state(m));
        look_again(found);
}

/* ---- by a child ---- */

/* A daemon with one more login than is saved, and a loop. */
static Manager *start_with_more(void) {
        Manager *m;

        save_all();
        m = start();
        assert_ok(sd_event_new(&m->event));
        assert_int_equal(login(m, "192.0.2.200", "grace", T0), GRANT_NEW);
        m->state_dirty = true;
        return m;
}

static bool is_saved(const char *address) {
        _cleanup_(manager_free_herep) Manager *m = start();

        return has(m, address);
}

static void wait_for_child(Manager *m) {
        while (forked_writer_is_busy(&m->saver))
                assert_true(sd_event_run(m->event, 60 * USEC_PER_SEC) > 0);
}

static void test_by_child(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = start_with_more();

        manager_begin_saving_state(m);
        assert_true(forked_writer_is_busy(&m->saver));
        assert_false(m->state_dirty);
        /* what comes now is saved with the next */
        assert_int_equal(login(m, "192.0.2.201", "heidi", T0), GRANT_NEW);
        wait_for_child(m);
        assert_false(m->state_failed);
        assert_true(is_saved("192.0.2.200") && !is_saved("192.0.2.201"));
        assert_int_equal(access(".state.tmp", F_OK), -1);
        manager_begin_saving_state(m);
        wait_for_child(m);
        assert_true(is_saved("192.0.2.201"));
        /* whole: positions and streams too */
        look_again((Found){true, true, true, true});
}

static void test_child_and_disk_full(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = start_with_more();
        struct rlimit limit;

        assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, limit.rlim_max}), 0);
        for (unsigned i = 0; i < 3; i++) {
                manager_begin_saving_state(m);
                wait_for_child(m);
                assert_true(m->state_dirty && m->state_failed);
        }
        assert_int_equal(logged.errors, 1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_true(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
        assert_true(!is_saved("192.0.2.200"));
        manager_begin_saving_state(m);
        wait_for_child(m);
        assert_true(!m->state_dirty && !m->state_failed);
        assert_true(is_saved("192.0.2.200"));
}

static void test_child_killed(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = start_with_more();

        for (unsigned i = 0; i < 20; i++) {
                manager_begin_saving_state(m);
                (void) usleep(i * 50);
                assert_int_equal(kill(m->saver.child, SIGKILL), 0);
                wait_for_child(m);
                /* it may have been done already; said or not, the file is whole */
                look_again((Found){true, true, true, true});
        }
        manager_begin_saving_state(m);
        wait_for_child(m);
        assert_true(!m->state_dirty && is_saved("192.0.2.200"));
}

/* At a stop, or when a user's grants have to go at once: what the child writes must not come after it. */
static void test_saved_while_child_writes(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = start_with_more();

        for (unsigned i = 0; i < 20; i++) {
                char address[32];

                (void) snprintf(address, sizeof(address), "192.0.2.%u", 210 + i);
                manager_begin_saving_state(m);
                (void) usleep(i * 50);
                assert_int_equal(login(m, address, "ivan", T0), i < 16 ? GRANT_NEW : GRANT_REFUSED);
                assert_ok(manager_save_state(m));
                assert_false(forked_writer_is_busy(&m->saver));
                assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
                assert_true(i >= 16 || is_saved(address));
        }
        assert_false(m->state_dirty);
}

static void test_child_is_slow(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = start_with_more();
        pid_t child;

        manager_begin_saving_state(m);
        child = m->saver.child;
        m->state_dirty = true;
        manager_begin_saving_state(m); /* it is told, and there is no second one */
        assert_int_equal(m->saver.child, child);
        assert_true(m->state_dirty && m->state_failed);
        assert_int_equal(logged.errors, 1);
        wait_for_child(m);
        assert_true(m->state_dirty && !m->state_failed);
        assert_true(is_saved("192.0.2.200"));
}

static void test_no_child(_unused_ void **state) {
        _cleanup_(manager_free_herep) Manager *m = start_with_more();

        fork_error = ENOMEM;
        manager_begin_saving_state(m);
        fork_error = 0;
        assert_false(forked_writer_is_busy(&m->saver));
        assert_true(!m->state_dirty && !m->state_failed);
        assert_true(is_saved("192.0.2.200"));
}

/* ---- published files ---- */

typedef struct Published {
        const char *network;
        RelayVerdict verdict;
} Published;

static void publish(const char *path, bool is_delta, uint64_t generation, const Published *records) {
        RelayHeader header = {.generation = generation, .written = T0, .ttl = 1600};
        RelayWriter w = RELAY_WRITER_INIT;

        assert_ok(relay_writer_open(&w, path, &header, is_delta, true));
        for (; records && records->network; records++) {
                RelayEntry entry = {.network = net(records->network),
                        .verdict = records->verdict,
                        .until = T0 + 1000,
                        .how = SPAN_LITERAL("dovecot"),
                        .user = SPAN_LITERAL("alice")};

                assert_ok(relay_writer_add(&w, &entry));
        }
        assert_ok(relay_writer_finish(&w));
        assert_ok(relay_writer_commit(&w));
        relay_writer_done(&w);
}

/* A start writes both files anew, and was killed when only the delta was in place. */
static void test_killed_between_delta_and_base(_unused_ void **state) {
        static const Published base[] = {{"192.0.2.1", RELAY_ALLOW}, {"192.0.2.2", RELAY_ALLOW}, {NULL, 0}};
        static const Published delta[] = {
                {"192.0.2.2", RELAY_REVOKED}, {"192.0.2.3", RELAY_ALLOW}, {NULL, 0}};
        _cleanup_(manager_free_herep) Manager *m = NULL;

        time_set_fake(AT(T0));
        publish("relay.cdb", false, 7, base);
        publish("relay-delta.cdb", true, 7, delta);
        left_pair_keep("relay-delta.cdb");
        publish("relay-delta.cdb", true, 8, NULL);
        m = start();
        assert_ok(manager_merge_published(m));
        assert_true(has(m, "192.0.2.1") && has(m, "192.0.2.3"));
        assert_false(has(m, "192.0.2.2"));
        assert_int_equal(logged.warnings, 0);
        /* the base alone would say who was revoked since */
        m = manager_free_here(m);
        left_pair_drop("relay-delta.cdb");
        assert_int_equal(unlink("state"), 0); /* with another TTL= it had to be saved */
        m = start();
        assert_ok(manager_merge_published(m));
        assert_false(has(m, "192.0.2.1") || has(m, "192.0.2.2") || has(m, "192.0.2.3"));
        assert_int_equal(logged.warnings, 1);
        assert_non_null(strstr(logged.last, "do not belong together"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_whole),
                in_directory(test_first_start),
                in_directory(test_damaged_state),
                in_directory(test_damaged_revocations),
                in_directory(test_damaged_revocations_and_copy),
                in_directory(test_damaged_copy),
                in_directory(test_state_in_odd_places),
                in_directory(test_revocations_in_odd_places),
                in_directory(test_damaged_and_disk_full),
                in_directory(test_from_the_future),
                in_directory(test_revoked_in_the_future),
                in_directory(test_start_while_ahead),
                in_directory(test_another_user),
                in_directory(test_by_child),
                in_directory(test_child_and_disk_full),
                in_directory(test_child_killed),
                in_directory(test_saved_while_child_writes),
                in_directory(test_child_is_slow),
                in_directory(test_no_child),
                in_directory(test_killed_between_delta_and_base),
        };

        return cmocka_run_group_tests_name("manager-state", tests, NULL, NULL);
}
