/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations: what they hold against, for how long, and how they survive. */
#include "check.h"

#include "grant/revocation-table.h"

#define T0 UINT64_C(1795222923)
#define AT(s) ((usec_t) (s) *USEC_PER_SEC)

static IpNetwork net(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static void put(RevocationTable *t, const char *network, uint64_t at, uint64_t barred) {
        Revocation r = {net(network), AT(at), barred, at + 86400, 0};

        assert_ok(revocation_table_put(t, &r));
}

static bool refuses(const RevocationTable *t, const char *host, const char *user, uint64_t time) {
        IpNetwork n = net(host);

        return revocation_table_refuses(t, &n, span_from_string(user), AT(time), T0) != NULL;
}

static bool covered(void *userdata, const IpNetwork *network) {
        return userdata && ip_network_equal(userdata, network);
}

static RevocationTable *make(void) {
        RevocationTable *t = NULL;

        assert_ok(revocation_table_new(&t));
        return t;
}

static void test_networks(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();
        IpNetwork n;

        assert_false(refuses(t, "192.0.2.7", "a", 1));
        put(t, "192.0.2.7", T0, 0);
        assert_true(refuses(t, "192.0.2.7", "a", T0 - 1));
        assert_true(refuses(t, "192.0.2.7", "", T0));
        assert_false(refuses(t, "192.0.2.7", "a", T0 + 1));
        assert_false(refuses(t, "192.0.2.8", "a", T0));
        assert_false(refuses(t, "::192.0.2.7", "a", T0));
        put(t, "192.0.2.0/24", T0 + 10, 0);
        assert_true(refuses(t, "192.0.2.8", "a", T0 + 10));
        assert_true(refuses(t, "192.0.2.7", "a", T0 + 10));
        /* an earlier one takes nothing back */
        put(t, "192.0.2.0/24", T0 - 10, 0);
        assert_true(refuses(t, "192.0.2.8", "a", T0 + 10));
        assert_int_equal(revocation_table_count(t), 2);
        n = net("192.0.2.0/24");
        revocation_table_remove(t, &n);
        revocation_table_remove(t, &n);
        assert_false(refuses(t, "192.0.2.8", "a", T0));
        assert_true(refuses(t, "192.0.2.7", "a", T0));
        /* the whole of a family, and not of the other */
        put(t, "::/0", T0, 0);
        assert_true(refuses(t, "2001:db8::1", "a", T0));
        assert_false(refuses(t, "198.51.100.1", "a", T0));
        put(t, "0.0.0.0/0", T0, 0);
        assert_true(refuses(t, "198.51.100.1", "a", T0));
}

static void test_bar(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();

        put(t, "192.0.2.7", T0, T0 + 1);
        assert_true(refuses(t, "192.0.2.7", "a", T0 + 100));
        put(t, "192.0.2.8", T0, T0);
        assert_false(refuses(t, "192.0.2.8", "a", T0 + 100));
}

static void test_users(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();
        char name[300], longer[300];

        assert_int_equal(revocation_table_put_user(t, SPAN_NONE, AT(T0), false, T0), -EINVAL);
        assert_int_equal(revocation_table_put_user(t, span_make("a\0", 2), AT(T0), false, T0), -EINVAL);
        assert_ok(revocation_table_put_user(t, SPAN_LITERAL("Alice"), AT(T0), false, T0 + 100));
        assert_true(refuses(t, "192.0.2.7", "aLICE", T0));
        assert_false(refuses(t, "192.0.2.7", "alice", T0 + 1));
        assert_false(refuses(t, "192.0.2.7", "alic", T0) || refuses(t, "192.0.2.7", "alicex", T0));
        assert_false(revocation_table_unblock(t, SPAN_LITERAL("alice")));
        assert_ok(revocation_table_put_user(t, SPAN_LITERAL("alice"), AT(T0 - 5), true, T0));
        assert_true(refuses(t, "192.0.2.7", "alice", T0 + 1000000));
        assert_true(revocation_table_unblock(t, SPAN_LITERAL("ALICE")));
        assert_false(refuses(t, "192.0.2.7", "alice", T0 + 1));
        assert_true(refuses(t, "192.0.2.7", "alice", T0));
        /* names are cut as they are everywhere */
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        (void) snprintf(longer, sizeof(longer), "%.280s", name);
        assert_ok(revocation_table_put_user(t, span_from_string(name), AT(T0), true, T0));
        assert_true(refuses(t, "192.0.2.7", longer, T0 + 5));
}

static void test_expire(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();
        IpNetwork wide = net("192.0.2.2");

        put(t, "192.0.2.1", T0, 0);
        put(t, "192.0.2.2", T0, 0);
        put(t, "192.0.2.3", T0 + 5, 0);
        put(t, "192.0.2.4", T0, T0 + 90000);
        assert_ok(revocation_table_put_user(t, SPAN_LITERAL("a"), AT(T0), false, T0 + 50));
        assert_ok(revocation_table_put_user(t, SPAN_LITERAL("b"), AT(T0), true, T0 + 50));
        revocation_table_expire(t, T0 + 86399, covered, &wide);
        assert_int_equal(revocation_table_count(t), 4);
        assert_false(refuses(t, "192.0.2.9", "a", T0));
        assert_true(refuses(t, "192.0.2.9", "b", T0));
        revocation_table_expire(t, T0 + 86400, covered, &wide);
        assert_int_equal(revocation_table_count(t), 3);
        assert_false(refuses(t, "192.0.2.1", "x", T0));
        assert_true(refuses(t, "192.0.2.2", "x", T0) && refuses(t, "192.0.2.3", "x", T0) &&
                    refuses(t, "192.0.2.4", "x", T0));
        revocation_table_expire(t, T0 + 90000, covered, NULL);
        assert_int_equal(revocation_table_count(t), 0);
}

/* ---- steps of the clock ---- */

#define YEARS (10 * 365 * UINT64_C(86400))

static bool refuses_at(
        const RevocationTable *t, const char *host, const char *user, uint64_t time, uint64_t now) {
        IpNetwork n = net(host);

        return revocation_table_refuses(t, &n, span_from_string(user), AT(time), now) != NULL;
}

static RevocationTable *saved_and_read(RevocationTable *t) {
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        RevocationTable *read = make();

        revocation_table_encode(t, &w);
        assert_true(revocation_table_decode(read, span_make(w.data, w.size)));
        revocation_table_free(t);
        return read;
}

/* What was revoked while the clock was ahead refused its address, its user or everybody until then. */
static void test_revoked_while_ahead(_unused_ void **state) {
        static const uint64_t steps[] = {3600, YEARS};

        for (size_t i = 0; i < 3 * ELEMENTSOF(steps); i++) {
                _cleanup_(revocation_table_freep) RevocationTable *t = make();
                uint64_t then = T0 + steps[i / 3];

                if (i % 3 == 0)
                        put(t, "192.0.2.7", then, 0);
                else if (i % 3 == 1)
                        assert_ok(revocation_table_put_user(t, SPAN_LITERAL("a"), AT(then), false, then));
                else
                        revocation_table_put_all(t, AT(then));
                assert_true(refuses_at(t, "192.0.2.7", "a", T0 + 2, T0 + 2));
                assert_true(revocation_table_clock_set(t, T0, true, T0));
                assert_false(revocation_table_clock_set(t, T0 + 5, false, T0));
                t = saved_and_read(t);
                assert_true(refuses_at(t, "192.0.2.7", "a", T0 - 1, T0 + 20));
                assert_true(refuses_at(t, "192.0.2.7", "a", T0, T0 + 20));
                assert_false(refuses_at(t, "192.0.2.7", "a", T0 + 1, T0 + 1));
                /* logged while the clock was ahead, and read again */
                assert_true(refuses_at(t, "192.0.2.7", "a", then - 10, T0 + 20));
                /* the clock was right: what is between may have been before or after */
                assert_true(refuses_at(t, "192.0.2.7", "a", T0 + 20, then));
                assert_false(refuses_at(t, "192.0.2.7", "a", then + 1, then + 1));
                /* further back */
                assert_true(revocation_table_clock_set(t, T0 - 5000, true, T0));
                assert_true(refuses_at(t, "192.0.2.7", "a", T0 - 5000, T0 - 4990));
                assert_false(refuses_at(t, "192.0.2.7", "a", T0 - 4990, T0 - 4990));
        }
}

/* Revoked once more after the clock was set back, before and after that was noticed. */
static void test_revoked_again_behind(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();

        put(t, "192.0.2.7", T0 + YEARS, 0);
        put(t, "192.0.2.7", T0 + 100, 0);
        assert_true(revocation_table_clock_set(t, T0 + 110, true, T0));
        assert_true(refuses_at(t, "192.0.2.7", "a", T0 + 100, T0 + 200));
        put(t, "192.0.2.7", T0 + 200, 0);
        put(t, "192.0.2.7", T0 + 150, 0);
        assert_true(refuses_at(t, "192.0.2.7", "a", T0 + 200, T0 + 205));
        assert_false(refuses_at(t, "192.0.2.7", "a", T0 + 201, T0 + 205));
}

/* An address that was revoked, and barred for a login from before: once the clock was set back, logins from
 * between were granted when they were read again. */
static void test_set_back_behind_older(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();

        put(t, "192.0.2.7", T0, 0);
        put(t, "192.0.2.7", T0 - 7200, 0);
        assert_true(revocation_table_clock_set(t, T0 - 3600, true, T0));
        assert_true(refuses_at(t, "192.0.2.7", "a", T0 - 5000, T0 - 3590));
        assert_false(refuses_at(t, "192.0.2.7", "a", T0 - 3595, T0 - 3590));
        /* the clock gets there by itself, and is set back once more */
        assert_true(refuses_at(t, "192.0.2.7", "a", T0 - 3595, T0));
        assert_true(revocation_table_clock_set(t, T0 - 3000, true, T0));
        assert_true(refuses_at(t, "192.0.2.7", "a", T0 - 3595, T0 - 2990));
        assert_false(refuses_at(t, "192.0.2.7", "a", T0 - 2995, T0 - 2990));
}

static void test_barred_while_ahead(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();

        put(t, "192.0.2.7", T0 - 5, T0 + YEARS + BAR_SECONDS);
        (void) revocation_table_clock_set(t, T0, true, T0);
        assert_true(refuses_at(t, "192.0.2.7", "a", T0 + 1, T0 + BAR_SECONDS - 1));
        assert_false(refuses_at(t, "192.0.2.7", "a", T0 + 1, T0 + BAR_SECONDS));
}

/* A clock that was ahead for a moment made revocations forgotten. */
static void test_clock_set_forward(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();

        put(t, "192.0.2.7", T0, 0);
        assert_ok(revocation_table_put_user(t, SPAN_LITERAL("a"), AT(T0), false, T0 + 86400));
        assert_false(revocation_table_clock_set(t, T0 + YEARS, true, T0 + YEARS + 86400));
        revocation_table_expire(t, T0 + YEARS + 86399, covered, NULL);
        assert_false(revocation_table_clock_set(t, T0 + 10, true, T0 + 86410));
        assert_true(refuses_at(t, "192.0.2.7", "b", T0, T0 + 10));
        assert_true(refuses_at(t, "192.0.2.8", "a", T0, T0 + 10));
        assert_false(refuses_at(t, "192.0.2.7", "a", T0 + 5, T0 + 10));
        revocation_table_expire(t, T0 + YEARS + 86400, covered, NULL);
        assert_int_equal(revocation_table_count(t), 0);
}

static void test_many(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make();
        bool there[512] = {0};
        uint64_t seed = 5;
        unsigned n = 0;

        for (unsigned step = 0; step < 20000; step++) {
                unsigned i = (unsigned) (next_random(&seed) % 512);
                char text[32];
                IpNetwork host;

                (void) snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
                host = net(text);
                assert_int_equal(refuses(t, text, "", T0), there[i]);
                if (there[i])
                        revocation_table_remove(t, &host);
                else
                        put(t, text, T0, 0);
                there[i] = !there[i];
                n += there[i] ? 1u : -1u;
                assert_int_equal(revocation_table_count(t), n);
        }
}

static void test_state(_unused_ void **state) {
        _cleanup_(revocation_table_freep) RevocationTable *t = make(), *u = make();
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        _cleanup_free_ char *copy = NULL;

        put(t, "192.0.2.7", T0, T0 + 50);
        put(t, "2001:db8::/32", T0, 0);
        assert_ok(revocation_table_put_user(t, SPAN_LITERAL("bob"), AT(T0), true, T0));
        revocation_table_put_all(t, AT(T0 - 100));
        revocation_table_encode(t, &w);
        assert_true(revocation_table_decode(u, span_make(w.data, w.size)));
        assert_true(refuses(u, "192.0.2.7", "a", T0 + 5) && refuses(u, "2001:db8::7", "a", T0));
        assert_true(refuses(u, "198.51.100.1", "BOB", T0 + 5));
        assert_true(refuses(u, "198.51.100.1", "a", T0 - 100));
        assert_false(refuses(u, "198.51.100.1", "a", T0 - 99));
        copy = malloc(w.size);
        assert_non_null(copy);
        for (size_t n = 0; n < w.size; n++) {
                _cleanup_(revocation_table_freep) RevocationTable *v = make();

                memcpy(copy, w.data, n);
                assert_false(revocation_table_decode(v, span_make(copy, n)));
                assert_false(refuses(v, "192.0.2.7", "bob", 1));
        }
        for (size_t bit = 0; bit < w.size * 8; bit++) {
                _cleanup_(revocation_table_freep) RevocationTable *v = make();

                memcpy(copy, w.data, w.size);
                copy[bit / 8] ^= (char) (1 << bit % 8);
                (void) revocation_table_decode(v, span_make(copy, w.size));
                (void) refuses(v, "192.0.2.7", "bob", T0);
                revocation_table_expire(v, T0, covered, NULL);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_networks),
                cmocka_unit_test(test_bar),
                cmocka_unit_test(test_users),
                cmocka_unit_test(test_expire),
                cmocka_unit_test(test_revoked_while_ahead),
                cmocka_unit_test(test_revoked_again_behind),
                cmocka_unit_test(test_set_back_behind_older),
                cmocka_unit_test(test_barred_while_ahead),
                cmocka_unit_test(test_clock_set_forward),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_state),
        };

        return cmocka_run_group_tests_name("revocation-table", tests, NULL, NULL);
}
