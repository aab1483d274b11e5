/* SPDX-License-Identifier: Apache-2.0 */
/* authrelay.conf: each key, what can't be its value, and in what order files are read. */
#include "check.h"

#include "daemon/config.h"

static void load(Config *c, const char *text) {
        IniError error = {""};

        put_text("a.conf", text);
        if (config_load("a.conf", false, c, &error) < 0)
                fail_msg("%s", error.text);
}

static void check_error(const char *text, const char *reason) {
        Config c = {.n_files = 77};
        IniError error = {""};

        put_text("a.conf", text);
        assert_true(config_load("a.conf", false, &c, &error) < 0);
        assert_int_equal(c.n_files, 77);
        assert_string_equal(error.text, reason);
}

static IpNetwork net(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static bool has(const NetworkSet *s, const char *text) {
        IpNetwork n = net(text);

        return network_set_has(s, &n);
}

static void test_defaults(_unused_ void **state) {
        IniError error = {""};
        Config c;

        assert_ok(config_load("not-there.conf", true, &c, &error));
        assert_int_equal(c.journal, CONFIG_JOURNAL_AUTO);
        assert_true(config_reads_journal(&c));
        assert_false(c.journal_trusted || c.publish_users || c.has_enable);
        assert_int_equal(c.policy.ttl, 1800);
        assert_int_equal(c.policy.max_session, 3 * 86400);
        assert_int_equal(c.policy.max_grants, 1000000);
        assert_int_equal(c.policy.max_addresses_per_user, 16);
        assert_int_equal(c.policy.max_users_per_address, 500);
        assert_int_equal(c.policy.ipv6_prefix, 64);
        assert_int_equal(c.policy.private_mode, POLICY_PRIVATE_NO);
        assert_true(has(&c.policy.never, "127.0.0.0/8") && has(&c.policy.never, "::1"));
        assert_int_equal(c.n_files + c.warnings.n + c.policy.always.n, 0);
        config_done(&c);
        assert_int_equal(config_load("not-there.conf", false, &c, &error), -ENOENT);
        assert_string_equal(error.text, "not-there.conf: cannot be read: No such file or directory");
}

static void test_every_key(_unused_ void **state) {
        Config c;

        load(&c, "[Sources]\nJournal=yes\nJournalDirectory=/var/log/journal/"
                 "remote\nJournalTrusted=yes\nJournalLatency=50ms\n"
                 "File=/var/log/a\nTimeZone=Europe/Berlin\nFile=/var/log/b  dovecot exim\n"
                 "[Grants]\nTTL=10min\nMaxSession=1d\nIPv6Prefix=56\nMaxGrants=10\nMaxAddressesPerUser="
                 "2\nMaxUsersPerAddress=3\n"
                 "SharedUsers=a* b\nSharedUsers=c\nManyUsers=192.0.2.0/24\nPrivate=10.1.0.0/16 fd00::/8\n"
                 "Never=203.0.113.0/255.255.255.0 "
                 "10.2.\nAlways=198.51.100.7\nUsers=*@x\nDenyUsers=root\nPublishUsers=yes\n"
                 "[Patterns]\nDirectory=/a\nDirectory=/b\nEnable=dovecot\nEnable=exim\n");
        assert_int_equal(c.journal, CONFIG_JOURNAL_YES);
        assert_string_equal(c.journal_directory, "/var/log/journal/remote");
        assert_true(c.journal_trusted);
        assert_int_equal(c.journal_latency, 50000);
        assert_int_equal(c.n_files, 2);
        assert_string_equal(c.files[0].path, "/var/log/a");
        assert_null(c.files[0].zone);
        assert_int_equal(c.files[0].patterns.n, 0);
        assert_string_equal(c.files[1].path, "/var/log/b");
        assert_string_equal(c.files[1].zone, "Europe/Berlin");
        assert_int_equal(c.files[1].patterns.n, 2);
        assert_string_equal(c.files[1].patterns.items[1], "exim");
        assert_int_equal(c.files[1].line, 8);
        assert_string_equal(c.files[1].place, "a.conf");
        assert_int_equal(c.policy.ttl, 600);
        assert_int_equal(c.policy.max_session, 86400);
        assert_int_equal(c.policy.ipv6_prefix, 56);
        assert_int_equal(c.policy.max_grants, 10);
        assert_int_equal(c.policy.max_addresses_per_user, 2);
        assert_int_equal(c.policy.max_users_per_address, 3);
        assert_int_equal(c.policy.shared_users.n, 3);
        assert_true(has(&c.policy.many_users, "192.0.2.0/24"));
        assert_int_equal(c.policy.private_mode, POLICY_PRIVATE_NETWORKS);
        assert_true(has(&c.policy.private_networks, "10.1.0.0/16") &&
                    has(&c.policy.private_networks, "fd00::/8"));
        assert_true(has(&c.policy.never, "203.0.113.0/24") && has(&c.policy.never, "10.2.0.0/16"));
        assert_true(has(&c.policy.never, "127.0.0.0/8"));
        assert_true(has(&c.policy.always, "198.51.100.7"));
        assert_string_equal(c.policy.users.items[0], "*@x");
        assert_string_equal(c.policy.deny_users.items[0], "root");
        assert_true(c.publish_users && c.has_enable);
        assert_int_equal(c.pattern_directories.n, 2);
        assert_int_equal(c.enable.n, 2);
        assert_int_equal(c.warnings.n, 0);
        config_done(&c);
}

static void test_empty_resets(_unused_ void **state) {
        Config c;

        load(&c, "[Sources]\nFile=/a\nFile=/b\nFile=\nTimeZone=UTC\nTimeZone=\nFile=/c\nJournalDirectory=/"
                 "x\nJournalDirectory=\n"
                 "[Grants]\nUsers=a\nUsers=\nDenyUsers=a "
                 "b\nDenyUsers=\nSharedUsers=a\nSharedUsers=\nAlways=192.0.2.7\nAlways=\n"
                 "ManyUsers=192.0.2.7\nManyUsers=\nNever=192.0.2.7\nNever=\nPrivate=10.0.0.0/8\nPrivate=no\n"
                 "[Patterns]\nDirectory=/a\nDirectory=\nEnable=x\nEnable=\n");
        assert_int_equal(c.n_files, 1);
        assert_string_equal(c.files[0].path, "/c");
        assert_null(c.files[0].zone);
        assert_null(c.journal_directory);
        assert_int_equal(c.policy.users.n + c.policy.deny_users.n + c.policy.shared_users.n, 0);
        assert_int_equal(c.policy.always.n + c.policy.many_users.n, 0);
        assert_false(has(&c.policy.never, "192.0.2.7"));
        /* what nobody may have can't be reset */
        assert_true(has(&c.policy.never, "127.0.0.0/8") && has(&c.policy.never, "fe80::/10"));
        assert_int_equal(c.policy.private_mode, POLICY_PRIVATE_NO);
        assert_int_equal(c.pattern_directories.n + c.enable.n, 0);
        assert_false(c.has_enable);
        assert_false(config_reads_journal(&c));
        config_done(&c);
}

static void test_forgeable_sources(_unused_ void **state) {
        Config c;

        load(&c, "[Sources]\nFifo=/run/a/b dovecot\nFifo=/c\nSyslog=yes\n");
        assert_int_equal(c.n_fifos, 2);
        assert_int_equal(c.n_files, 0);
        assert_string_equal(c.fifos[0].path, "/run/a/b");
        assert_string_equal(c.fifos[0].patterns.items[0], "dovecot");
        assert_int_equal(c.fifos[1].line, 3);
        assert_true(c.syslog && config_reads_forgeable(&c) && !config_reads_journal(&c));
        config_done(&c);
        load(&c, "[Sources]\nFile=/a\nFifo=/b\nFifo=\n");
        assert_int_equal(c.n_fifos, 0);
        assert_int_equal(c.n_files, 1);
        config_done(&c);
        load(&c, "[Sources]\nFifo=/b\nFifo=\nSyslog=yes\nSyslog=no\n");
        assert_true(config_reads_journal(&c) && !config_reads_forgeable(&c));
        config_done(&c);
        load(&c, "[Sources]\nJournal=yes\nSyslog=yes\n");
        assert_true(config_reads_journal(&c) && config_reads_forgeable(&c));
        config_done(&c);
        load(&c, "[Sources]\nJournal=no\nFifo=/b\n");
        assert_false(config_reads_journal(&c));
        config_done(&c);
}

static void test_errors(_unused_ void **state) {
        static const struct {
                const char *text, *reason;
        } cases[] = {
                {"x", "a.conf:1: neither [Section], Key=value nor a comment"},
                {"[Sources]\nJournal=perhaps\n", "a.conf:2: Journal=perhaps: it must be yes, no or auto"},
                {"[Sources]\nJournalTrusted=x\n", "a.conf:2: JournalTrusted=x: Invalid argument"},
                {"[Sources]\nJournalLatency=2s\n",
                        "a.conf:2: JournalLatency=2s: it must be a time span from 0s to 1s"},
                {"[Sources]\nFile=log\n", "a.conf:2: File=log: it must be an absolute path"},
                {"[Sources]\nFile=/a\nFile=/a dovecot\n",
                        "a.conf:3: File=/a dovecot: the file is named twice"},
                {"[Sources]\nFifo=fifo\n", "a.conf:2: Fifo=fifo: it must be an absolute path"},
                {"[Sources]\nFile=/a\nFifo=/a\n", "a.conf:3: Fifo=/a: the file is named twice"},
                {"[Sources]\nSyslog=perhaps\n", "a.conf:2: Syslog=perhaps: Invalid argument"},
                {"[Sources]\nTimeZone=Europe/Berln\n",
                        "a.conf:2: TimeZone=Europe/Berln: this host knows no such time zone"},
                {"[Sources]\nTimeZone=../../etc/passwd\n",
                        "a.conf:2: TimeZone=../../etc/passwd: this host knows no such time zone"},
                {"[Grants]\nTTL=0\n", "a.conf:2: TTL=0: it must be a time span from 1s to 7d"},
                {"[Grants]\nTTL=8d\n", "a.conf:2: TTL=8d: it must be a time span from 1s to 7d"},
                {"[Grants]\nTTL=infinity\n", "a.conf:2: TTL=infinity: it must be a time span from 1s to 7d"},
                {"[Grants]\nTTL=\n", "a.conf:2: TTL=: it must be a time span from 1s to 7d"},
                {"[Grants]\nTTL=-5\n", "a.conf:2: TTL=-5: it must be a time span from 1s to 7d"},
                {"[Grants]\nMaxSession=31d\n",
                        "a.conf:2: MaxSession=31d: it must be a time span from 0s to 30d"},
                {"[Grants]\nIPv6Prefix=31\n", "a.conf:2: IPv6Prefix=31: it must be a number from 32 to 128"},
                {"[Grants]\nIPv6Prefix=129\n",
                        "a.conf:2: IPv6Prefix=129: it must be a number from 32 to 128"},
                {"[Grants]\nIPv6Prefix=/64\n",
                        "a.conf:2: IPv6Prefix=/64: it must be a number from 32 to 128"},
                {"[Grants]\nMaxGrants=0\n", "a.conf:2: MaxGrants=0: it must be a number from 1 to 10000000"},
                {"[Grants]\nMaxAddressesPerUser=-1\n",
                        "a.conf:2: MaxAddressesPerUser=-1: it must be a number from 1 to 10000000"},
                {"[Grants]\nMaxUsersPerAddress=many\n",
                        "a.conf:2: MaxUsersPerAddress=many: it must be a number from 2 to 10000000"},
                {"[Grants]\nPublishUsers=x\n", "a.conf:2: PublishUsers=x: Invalid argument"},
                {"[Grants]\nNever=10.0.0.1/8\n",
                        "a.conf:2: Never=10.0.0.1/8: 10.0.0.1/8 has bits set behind its length"},
                {"[Grants]\nAlways=mx.example.org\n", "a.conf:2: Always=mx.example.org: mx.example.org is "
                                                      "neither an address nor a network"},
                {"[Grants]\nPrivate=maybe\n",
                        "a.conf:2: Private=maybe: maybe is neither an address nor a network"},
                {"[Grants]\nManyUsers=192.0.2.0/33\n", "a.conf:2: ManyUsers=192.0.2.0/33: 192.0.2.0/33 is "
                                                       "neither an address nor a network"},
                {"[Grants]\nAlways=0.0.0.0/0\n",
                        "a.conf: Always=0.0.0.0/0: a network wider than /8 (IPv6: /32) is refused"},
                {"[Grants]\nAlways=10.0.0.0/7\n",
                        "a.conf: Always=10.0.0.0/7: a network wider than /8 (IPv6: /32) is refused"},
                {"[Grants]\nAlways=::/0\n",
                        "a.conf: Always=::/0: a network wider than /8 (IPv6: /32) is refused"},
                {"[Grants]\nAlways=2000::/31\n",
                        "a.conf: Always=2000::/31: a network wider than /8 (IPv6: /32) is refused"},
                {"[Grants]\nAlways=file:/not/there\n", "a.conf:2: Always=file:/not/there: /not/there: "
                                                       "cannot be read: No such file or directory"},
                {"[Sources]\nJournal=no\n", "a.conf: Journal=no and no File=, Fifo=, Syslog=yes or "
                                            "Login=yes: there is nothing to read"},
                {"[Sources]\nJournalDirectory=/a\nJournalNamespace=b\n",
                        "a.conf: JournalDirectory= and JournalNamespace= exclude each other"},
                {"[Patterns]\nDirectory=patterns\n", "a.conf:2: Directory=patterns: Invalid argument"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_error(cases[i].text, cases[i].reason);
}

static void test_outputs(_unused_ void **state) {
        static const char template[] = "TcprulesTemplate=";
        char text[PATH_MAX + 200], directory[PATH_MAX];
        IniError error = {""};
        Config c;

        load(&c, "[Outputs]\nTcprules=/run/nowhere/tcp.smtp.cdb\n");
        assert_string_equal(c.tcprules, "/run/nowhere/tcp.smtp.cdb");
        assert_null(c.tcprules_template);
        config_done(&c);
        load(&c, "[Outputs]\nTcprules=/run/a.cdb\nTcprules=\n");
        assert_null(c.tcprules);
        config_done(&c);

        assert_non_null(getcwd(directory, sizeof(directory)));
        put_text("rules", "10.:deny\n:allow\n");
        (void) snprintf(
                text, sizeof(text), "[Outputs]\nTcprules=/run/a.cdb\n%s%s/rules\n", template, directory);
        load(&c, text);
        assert_non_null(c.tcprules_template);
        assert_int_equal(c.tcprules_template->n_rules, 2);
        config_done(&c);
        put_text("rules", ":allow\n10.:den\n");
        put_text("a.conf", text);
        assert_int_equal(config_load("a.conf", false, &c, &error), -EINVAL);
        (void) snprintf(
                text, sizeof(text), "%s/rules:2: it is not ADDRESS:allow or ADDRESS:deny", directory);
        assert_string_equal(error.text, text);
        load(&c, "[Outputs]\nTcprulesTemplate=/nowhere\n");
        assert_int_equal(c.warnings.n, 1);
        assert_string_equal(c.warnings.items[0], "TcprulesTemplate= has no effect without Tcprules=");
        config_done(&c);
}

static void test_paths_of_tcprules(_unused_ void **state) {
        static const char *const bad[] = {"tcp.cdb", "/etc/tcp.smtp.cdb", "/run", "/run/", "/run/a/",
                "/runner/a.cdb", "/var/run/a.cdb", "/run/../etc/a.cdb", "/run/a/..", "/run//a.cdb",
                "/run/./a.cdb"};
        static const char *const taken[] = {
                "relay.cdb", "relay-delta.cdb", "control", "lookup", "login", "syslog", "fifo"};
        char text[256], reason[256];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                (void) snprintf(text, sizeof(text), "[Outputs]\nTcprules=%s\n", bad[i]);
                (void) snprintf(reason, sizeof(reason),
                        "a.conf:2: Tcprules=%s: it must be a file below /run: it carries no expiry, and "
                        "must be gone "
                        "after a reboot",
                        bad[i]);
                check_error(text, reason);
        }
        for (size_t i = 0; i < ELEMENTSOF(taken); i++) {
                (void) snprintf(text, sizeof(text), "[Outputs]\nTcprules=/run/authrelay/%s\n", taken[i]);
                (void) snprintf(reason, sizeof(reason),
                        "a.conf:2: Tcprules=/run/authrelay/%s: that name is taken", taken[i]);
                check_error(text, reason);
        }
        check_error("[Outputs]\nTcprulesTemplate=tcp.smtp\n",
                "a.conf:2: TcprulesTemplate=tcp.smtp: it must be an absolute path");
}

static void test_many_files(_unused_ void **state) {
        char text[4096] = "[Sources]\n";
        Config c;

        for (int i = 0; i < 60; i++)
                (void) sprintf(text + strlen(text), "File=/log%d\n", i);
        load(&c, text);
        assert_int_equal(c.n_files, 60);
        config_done(&c);
        (void) strcat(text, "File=/one/more\n");
        check_error(text, "a.conf:62: File=/one/more: there are more than 60 files");
}

/* What a newer version knows is passed over, and said. */
static void test_warnings(_unused_ void **state) {
        Config c;

        load(&c, "[Grants]\nColour=red\nttl=5\n[Future]\nKey=x\n[Sources]\nTTL=1\n[Grants]\nAlways=127.0.0."
                 "0/8 127.0.0.53\n");
        assert_int_equal(c.warnings.n, 5);
        assert_string_equal(c.warnings.items[0], "a.conf:2: unknown key Colour= in [Grants], ignored");
        assert_string_equal(c.warnings.items[1], "a.conf:3: unknown key ttl= in [Grants], ignored");
        assert_string_equal(c.warnings.items[2], "a.conf:4: unknown section [Future], ignored");
        assert_string_equal(c.warnings.items[3], "a.conf:7: unknown key TTL= in [Sources], ignored");
        assert_string_equal(c.warnings.items[4], "a.conf: Always=127.0.0.0/8 has no effect: it is never "
                                                 "granted as a whole; name what is inside it");
        assert_int_equal(c.policy.ttl, 1800);
        config_done(&c);
}

static void test_login_socket(_unused_ void **state) {
        char text[4000] = "[Sources]\nVirtualUsers=";
        size_t n = strlen(text);
        IniError error = {""};
        Config c;

        load(&c, "[Sources]\nVirtualUsers=0 daemon 4000000000\nVirtualUsers=no-such-user 12\n");
        assert_int_equal(c.n_virtual_users, 4);
        assert_int_equal(c.virtual_users[0], 0);
        assert_int_equal(c.virtual_users[1], 1);
        assert_int_equal(c.virtual_users[2], 4000000000);
        assert_int_equal(c.virtual_users[3], 12);
        assert_int_equal(c.warnings.n, 1);
        assert_string_equal(
                c.warnings.items[0], "a.conf:3: VirtualUsers=no-such-user: no such user, ignored");
        config_done(&c);
        load(&c, "[Sources]\nJournal=no\nLogin=yes\n");
        assert_true(c.login && !config_reads_journal(&c));
        config_done(&c);
        load(&c, "[Sources]\nLogin=yes\n");
        assert_true(c.login && config_reads_journal(&c));
        config_done(&c);
        load(&c, "[Sources]\nVirtualUsers=12\nVirtualUsers=\n");
        assert_int_equal(c.n_virtual_users, 0);
        config_done(&c);
        /* no uid, that is (uid_t) -1 */
        load(&c, "[Sources]\nVirtualUsers=4294967295 -1\n");
        assert_int_equal(c.n_virtual_users, 0);
        assert_int_equal(c.warnings.n, 2);
        config_done(&c);
        for (unsigned i = 0; i < 256; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%u ", i);
        load(&c, text);
        assert_int_equal(c.n_virtual_users, 256);
        config_done(&c);
        (void) snprintf(text + n, sizeof(text) - n, "256");
        put_text("a.conf", text);
        assert_int_equal(config_load("a.conf", false, &c, &error), -E2BIG);
        assert_non_null(strstr(error.text, "there are more than 256 users"));
}

static void test_drop_ins(_unused_ void **state) {
        IniError error = {""};
        Config c;

        assert_int_equal(mkdir("a.conf.d", 0755), 0);
        put_text("a.conf.d/20.conf", "[Grants]\nTTL=20min\nUsers=c\n");
        put_text("a.conf.d/10.conf", "[Grants]\nTTL=10min\nUsers=\nUsers=b\n");
        put_text("a.conf.d/30.conf.bak", "nonsense");
        load(&c, "[Sources]\nSyslog=yes\nTimeZone=UTC\nFifo=/run/a\n");
        assert_null(c.syslog_zone);
        assert_string_equal(c.fifos[0].zone, "UTC");
        config_done(&c);
        load(&c, "[Sources]\nTimeZone=UTC\nSyslog=yes\n");
        assert_string_equal(c.syslog_zone, "UTC");
        config_done(&c);
        load(&c, "[Grants]\nTTL=5min\nUsers=a\n[Sources]\nTimeZone=UTC\n");
        assert_int_equal(c.policy.ttl, 1200);
        assert_int_equal(c.policy.users.n, 2);
        assert_string_equal(c.policy.users.items[0], "b");
        assert_string_equal(c.policy.users.items[1], "c");
        config_done(&c);
        /* a zone is its section's, and does not reach into another file */
        put_text("a.conf.d/40.conf", "[Sources]\nFile=/x\n");
        load(&c, "[Sources]\nTimeZone=UTC\n");
        assert_null(c.files[0].zone);
        assert_string_equal(c.files[0].place, "a.conf.d/40.conf");
        config_done(&c);
        put_text("a.conf.d/50.conf", "[Grants]\n\nTTL=x\n");
        assert_true(config_load("a.conf", false, &c, &error) < 0);
        assert_string_equal(error.text, "a.conf.d/50.conf:3: TTL=x: it must be a time span from 1s to 7d");
        /* drop-ins of a file that is not there */
        assert_int_equal(unlink("a.conf"), 0);
        assert_int_equal(unlink("a.conf.d/50.conf"), 0);
        assert_ok(config_load("a.conf", true, &c, &error));
        assert_int_equal(c.policy.ttl, 1200);
        config_done(&c);
}

static void test_lists_in_files(_unused_ void **state) {
        _cleanup_free_ char *here = getcwd(NULL, 0);
        char text[PATH_MAX + 100], reason[2 * PATH_MAX + 200];
        Config c;

        assert_non_null(here);
        put_text("list", "# ours\n192.0.2.0/24 198.51.100.7 # two\n\n  2001:db8::/32\r\n10.0.\n203.0.113.9");
        (void) snprintf(text, sizeof(text), "[Grants]\nAlways=192.0.2.9 file:%s/list\n", here);
        load(&c, text);
        assert_int_equal(c.policy.always.n, 6);
        assert_true(has(&c.policy.always, "2001:db8::/32") && has(&c.policy.always, "10.0.0.0/16"));
        assert_true(has(&c.policy.always, "203.0.113.9"));
        config_done(&c);
        put_text("list", "192.0.2.0/24\n192.0.2.1/24\n");
        (void) snprintf(reason, sizeof(reason),
                "a.conf:2: %.*s: %s/list:2: 192.0.2.1/24 has bits set behind its length",
                (int) MIN(strcspn(text + 9, "\n"), (size_t) 107), text + 9, here);
        check_error(text, reason);
        put_text("list", "");
        (void) snprintf(text, sizeof(text), "[Grants]\nNever=file:%s/list\n", here);
        load(&c, text);
        config_done(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_defaults),
                in_directory(test_every_key),
                in_directory(test_empty_resets),
                in_directory(test_forgeable_sources),
                in_directory(test_errors),
                in_directory(test_outputs),
                in_directory(test_paths_of_tcprules),
                in_directory(test_many_files),
                in_directory(test_warnings),
                in_directory(test_login_socket),
                in_directory(test_drop_ins),
                in_directory(test_lists_in_files),
        };

        return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
