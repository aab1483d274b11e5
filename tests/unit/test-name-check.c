/* SPDX-License-Identifier: Apache-2.0 */
#include "source/name-check.h"
#include "check.h"

#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>

#include "basic/time-util.h"

/* What the name service does instead of answering about this one. */
#define HANGS "hangs"
#define CRASHES "crashes"
/* What is sent to the whole service reaches it, too. */
#define SIGNALLED "signalled"

struct passwd *__real_getpwnam(const char *name);
struct passwd *__wrap_getpwnam(const char *name);

/* Runs in the helper. */
struct passwd *__wrap_getpwnam(const char *name) {
        if (streq(name, HANGS))
                (void) pause();
        if (streq(name, CRASHES))
                (void) raise(SIGKILL);
        if (streq(name, SIGNALLED)) {
                (void) raise(SIGHUP);
                (void) raise(SIGINT);
                (void) raise(SIGTERM);
                return __real_getpwnam("root");
        }
        /* as sssd does with names of a domain */
        return __real_getpwnam(streq(name, "EXAMPLE\\Root") ? "root" : name);
}

/* As if no child that is killed would die: it waits for a disk. */
static bool undying;

pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);

pid_t __wrap_waitpid(pid_t pid, int *status, int options) {
        assert_true(options & WNOHANG); /* the daemon would stand still */
        return undying ? 0 : __real_waitpid(pid, status, options);
}

typedef struct Heard {
        sd_event *event;
        NameCheck *check;
        int results[2000];
        char name[64]; /* of the last one */
        unsigned n;
} Heard;

static void on_answer(void *userdata, uint64_t number, int result, Span name) {
        Heard *h = userdata;

        assert_true(number < ELEMENTSOF(h->results));
        h->results[number] = result;
        (void) snprintf(h->name, sizeof(h->name), "%.*s", (int) name.size, strempty(name.data));
        h->n++;
}

static int set_up(void **state) {
        Heard *h = calloc(1, sizeof(Heard));

        if (!h || sd_event_new(&h->event) < 0 || name_check_new(h->event, on_answer, h, &h->check) < 0)
                return -1;
        *state = h;
        return 0;
}

static int tear_down(void **state) {
        Heard *h = *state;

        name_check_free(h->check);
        sd_event_unref(h->event);
        free(h);
        return 0;
}

static void wait_for(Heard *h, unsigned n) {
        while (h->n < n)
                assert_true(sd_event_run(h->event, 20 * USEC_PER_SEC) > 0);
}

static void test_names(void **state) {
        Heard *h = *state;

        assert_ok(name_check_ask(h->check, 0, 0, SPAN_LITERAL("root")));
        assert_ok(name_check_ask(h->check, 1, 1, SPAN_LITERAL("root")));
        assert_ok(name_check_ask(h->check, 2, 0, SPAN_LITERAL("no such user")));
        assert_ok(name_check_ask(h->check, 3, 4000000000, SPAN_NONE));
        assert_ok(name_check_ask(h->check, 4, 0, SPAN_NONE));
        assert_int_equal(h->n, 0); /* from the event loop only */
        wait_for(h, 5);
        assert_int_equal(h->results[0], 0);
        assert_int_equal(h->results[1], -ENOENT);
        assert_int_equal(h->results[2], -ENOENT);
        assert_int_equal(h->results[3], -ENOENT);
        assert_int_equal(h->results[4], 0);
        assert_string_equal(h->name, "root");
        assert_ok(name_check_ask(h->check, 5, 0, SPAN_LITERAL("EXAMPLE\\Root")));
        wait_for(h, 6);
        assert_int_equal(h->results[5], 0);
        assert_string_equal(h->name, "root");
}

static void test_what_cannot_be_asked(void **state) {
        Heard *h = *state;
        char name[NAME_CHECK_NAME_MAX_BYTES + 1];

        memset(name, 'x', sizeof(name));
        assert_int_equal(name_check_ask(h->check, 0, 0, span_make(name, sizeof(name))), -ENAMETOOLONG);
        assert_int_equal(name_check_ask(h->check, 0, 0, SPAN_LITERAL("root\0x")), -EINVAL);
        assert_ok(name_check_ask(h->check, 0, 0, span_make(name, sizeof(name) - 1)));
        wait_for(h, 1);
        assert_int_equal(h->results[0], -ENOENT);
}

/* Time is up for the one question that takes so long; all others are asked after it. */
static void test_a_hanging_name_service(void **state) {
        Heard *h = *state;
        unsigned i;

        assert_ok(name_check_ask(h->check, 0, 1000, SPAN_LITERAL(HANGS)));
        assert_ok(name_check_ask(h->check, 1, 0, SPAN_LITERAL("root")));
        for (i = 2; i < NAME_CHECK_WAITING_MAX; i++)
                assert_ok(name_check_ask(h->check, i, 1000 + i, SPAN_LITERAL("root")));
        assert_int_equal(name_check_ask(h->check, i, 0, SPAN_LITERAL("root")), -E2BIG);
        wait_for(h, NAME_CHECK_WAITING_MAX);
        assert_int_equal(h->results[0], -ETIMEDOUT);
        assert_int_equal(h->results[1], 0);
        for (i = 2; i < NAME_CHECK_WAITING_MAX; i++)
                assert_int_equal(h->results[i], -ENOENT);
}

/* Whoever has names looked up that take long does not have all the time there is. */
static void test_many_of_one_uid(void **state) {
        Heard *h = *state;
        unsigned i;

        for (i = 0; i < NAME_CHECK_WAITING_OF_UID_MAX; i++)
                assert_ok(name_check_ask(h->check, i, 1000, SPAN_LITERAL("root")));
        assert_int_equal(name_check_ask(h->check, i, 1000, SPAN_LITERAL("root")), -E2BIG);
        assert_ok(name_check_ask(h->check, i, 0, SPAN_LITERAL("root")));
        wait_for(h, NAME_CHECK_WAITING_OF_UID_MAX + 1);
        assert_int_equal(h->results[i], 0);
        assert_ok(name_check_ask(h->check, 0, 1000, SPAN_LITERAL("root")));
        wait_for(h, NAME_CHECK_WAITING_OF_UID_MAX + 2);
}

static void test_a_crashing_name_service(void **state) {
        Heard *h = *state;

        assert_ok(name_check_ask(h->check, 0, 0, SPAN_LITERAL(CRASHES)));
        wait_for(h, 1);
        assert_int_equal(h->results[0], -EIO);
        assert_ok(name_check_ask(h->check, 0, 1000, SPAN_LITERAL(CRASHES)));
        assert_ok(name_check_ask(h->check, 1, 0, SPAN_LITERAL("root")));
        wait_for(h, 3);
        assert_int_equal(h->results[0], -EIO);
        assert_int_equal(h->results[1], 0);
}

static void test_a_helper_that_does_not_die(void **state) {
        Heard *h = *state;
        unsigned n = 0;

        undying = true;
        do {
                assert_true(n < 100);
                assert_ok(name_check_ask(h->check, n, 0, SPAN_LITERAL(CRASHES)));
                wait_for(h, n + 1);
        } while (h->results[n++] == -EIO);
        /* there are not any number of them */
        assert_int_equal(h->results[n - 1], -ETIMEDOUT);
        undying = false;
        assert_ok(name_check_ask(h->check, n, 0, SPAN_LITERAL("root")));
        wait_for(h, n + 1);
        assert_int_equal(h->results[n], 0);
}

/* systemd sends SIGTERM to every process of a service: the helper is not to end before the daemon. */
static void test_a_service_that_is_stopped(void **state) {
        Heard *h = *state;

        assert_ok(name_check_ask(h->check, 0, 0, SPAN_LITERAL(SIGNALLED)));
        wait_for(h, 1);
        assert_int_equal(h->results[0], 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_what_cannot_be_asked, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_hanging_name_service, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_many_of_one_uid, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_crashing_name_service, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_helper_that_does_not_die, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_service_that_is_stopped, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
