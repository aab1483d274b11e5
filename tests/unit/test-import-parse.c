/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be imported: each format as its program writes it, and what is none. */
#include "check.h"

#include "ctl/import-parse.h"

typedef struct Heard {
        char text[4096];
        size_t n;
        unsigned stop_after; /* 0: never */
} Heard;

/* "LINE KIND NETWORK TIME" or "LINE refused TEXT: reason", one a line. */
static int on_entry(void *userdata, const ImportEntry *e) {
        static const char *const kinds[] = {"login", "always", "except", "note", "refused"};
        char network[IP_TEXT_BYTES];
        Heard *h = userdata;
        int k;

        if (e->kind >= IMPORT_NOTE)
                k = snprintf(h->text + h->n, sizeof(h->text) - h->n, "%u %s %.*s: %s\n", e->line,
                        kinds[e->kind], (int) e->text.size, strempty(e->text.data), e->reason);
        else if (e->kind == IMPORT_LOGIN)
                k = snprintf(h->text + h->n, sizeof(h->text) - h->n, "%u login %s %" PRIu64 "\n", e->line,
                        ip_network_format(network, &e->network), e->time);
        else
                k = snprintf(h->text + h->n, sizeof(h->text) - h->n, "%u %s %s\n", e->line, kinds[e->kind],
                        ip_network_format(network, &e->network));
        assert_true(k > 0 && h->n + (size_t) k < sizeof(h->text));
        h->n += (size_t) k;
        return h->stop_after > 0 && --h->stop_after == 0 ? -ECANCELED : 0;
}

static void check(ImportFormat format, const char *text, const char *expected) {
        /* exactly as long as the text: a look behind its end is an error of the sanitizer's */
        size_t size = strlen(text);
        _cleanup_free_ char *data = malloc(size > 0 ? size : 1);
        Heard h = {.n = 0};

        memcpy(data, text, size);
        assert_ok(import_parse(format, span_make(data, size), on_entry, &h));
        assert_string_equal(h.text, expected);
}

#define NOT_A_RULE "not a rule: tcprules would not take it"
#define NEVER_FOUND "not an address, and tcpserver never finds it"
#define A_NAME "a name, not an address: a network has to be named instead"
#define NO_RANGE "not a range of addresses"

static void test_tcprules(_unused_ void **state) {
        static const struct {
                const char *text, *expected;
        } cases[] = {
                {"", ""},
                {"# 10.:allow,RELAYCLIENT=\"\"\n\n  \n", ""},
                {"192.0.2.7:allow,RELAYCLIENT=\"\"\n", "1 always 192.0.2.7\n"},
                {"192.0.2.7:allow,RELAYCLIENT=\"\" \t\r\n10.:allow,RELAYCLIENT=''",
                        "1 always 192.0.2.7\n2 always 10.0.0.0/8\n"},
                {"10.0.:allow,RELAYCLIENT=\"\",RBLSMTPD=\"\"\n", "1 always 10.0.0.0/16\n"},
                {"10.0.:allow\n10.1.:deny\n:allow\n:deny\n", "1 except 10.0.0.0/16\n2 except 10.1.0.0/16\n"},
                {"10.1.:deny,RELAYCLIENT=\"\"\n", "1 except 10.1.0.0/16\n"},
                {":allow,RELAYCLIENT=\"\"\n",
                        "1 refused :allow,RELAYCLIENT=\"\": everybody may relay: an open relay\n"},
                {"10.0.:allow,RELAYCLIENT=\"@fixme\"\n",
                        "1 always 10.0.0.0/16\n1 note 10.0.:allow,RELAYCLIENT=\"@fixme\": RELAYCLIENT has a "
                        "text, which is not taken over\n"},
                {"10.0.:allow,RELAYCLIENT=//,QMAILQUEUE=\"/bin/q\"\n",
                        "1 always 10.0.0.0/16\n1 note 10.0.:allow,RELAYCLIENT=//,QMAILQUEUE=\"/bin/q\": it "
                        "sets more than RELAYCLIENT: keep the rule\n"},
                /* a variable that only looks like one */
                {"10.0.:allow,X=\",RELAYCLIENT=''\"\n", "1 except 10.0.0.0/16\n"},
                {"10.0.:allow,XRELAYCLIENT=\"\"\n", "1 except 10.0.0.0/16\n"},
                {"10.0.:allow,A=\"b:deny\",RELAYCLIENT=\"\"\n",
                        "1 always 10.0.0.0/16\n1 note 10.0.:allow,A=\"b:deny\",RELAYCLIENT=\"\": it sets "
                        "more "
                        "than RELAYCLIENT: keep the rule\n"},
                /* ranges */
                {"10.0.0-3.:allow,RELAYCLIENT=\"\"\n", "1 always 10.0.0.0/24\n1 always 10.0.1.0/24\n1 "
                                                       "always 10.0.2.0/24\n1 always 10.0.3.0/24\n"},
                {"192.0.2.254-255:allow,RELAYCLIENT=\"\"\n", "1 always 192.0.2.254\n1 always 192.0.2.255\n"},
                {"192.0.2.0-1:deny\n", "1 except 192.0.2.0\n1 except 192.0.2.1\n"},
                {"10.1-2.5.:allow,RELAYCLIENT=\"\"\n", "1 always 10.1.5.0/24\n1 always 10.2.5.0/24\n"},
                {"10-11.:allow,RELAYCLIENT=\"\"\n", "1 always 10.0.0.0/8\n1 always 11.0.0.0/8\n"},
                {"192.0.2.7-7:allow,RELAYCLIENT=\"\"\n", "1 always 192.0.2.7\n"},
                {"192.0.2.7-3:allow,RELAYCLIENT=\"\"\n", "1 refused 192.0.2.7-3: " NO_RANGE "\n"},
                {"192.0.2.7-:allow,RELAYCLIENT=\"\"\n", "1 refused 192.0.2.7-: " NO_RANGE "\n"},
                {"192.0.2.-7:allow,RELAYCLIENT=\"\"\n", "1 refused 192.0.2.-7: " NO_RANGE "\n"},
                {"192.0.2.0-300:allow,RELAYCLIENT=\"\"\n", "1 refused 192.0.2.0-300: " NO_RANGE "\n"},
                {"192.0.2-3:allow,RELAYCLIENT=\"\"\n", "1 refused 192.0.2-3: " NO_RANGE "\n"},
                {"1-2.3-4.:allow,RELAYCLIENT=\"\"\n", "1 refused 1-2.3-4.: " NO_RANGE "\n"},
                {"2001:db8:1-2::allow,RELAYCLIENT=\"\"\n", "1 refused 2001:db8:1-2:: " NO_RANGE "\n"},
                /* IPv6 as ucspi-tcp-ipv6 has it */
                {"2001:db8::7:allow,RELAYCLIENT=\"\"\n", "1 always 2001:db8::7\n"},
                {"2001:db8::allow,RELAYCLIENT=\"\"\n", "1 always 2001:db8::/32\n"},
                {"2001:db8:1:2::deny\n", "1 except 2001:db8:1:2::/64\n"},
                {"1:2:3:4:5:6:7::allow,RELAYCLIENT=\"\"\n", "1 always 1:2:3:4:5:6:7:0/112\n"},
                {"2001:db8:allow,RELAYCLIENT=\"\"\n", "1 refused 2001:db8: " NEVER_FOUND "\n"},
                {"1:2:3:4:5:6:7:8::allow,RELAYCLIENT=\"\"\n",
                        "1 refused 1:2:3:4:5:6:7:8:: " NEVER_FOUND "\n"},
                {"::allow,RELAYCLIENT=\"\"\n", "1 refused :: " NEVER_FOUND "\n"},
                {"[2001:db8::7]:allow,RELAYCLIENT=\"\"\n", "1 refused [2001:db8::7]: " NEVER_FOUND "\n"},
                /* names */
                {"=host.example.org:allow,RELAYCLIENT=\"\"\n", "1 refused =host.example.org: " A_NAME "\n"},
                {"=:allow,RELAYCLIENT=\"\"\n", "1 refused =: " A_NAME "\n"},
                {"joe@192.0.2.7:allow,RELAYCLIENT=\"\"\n", "1 refused joe@192.0.2.7: " A_NAME "\n"},
                /* what tcprules takes and tcpserver never finds */
                {"10.0.0.0/8:allow,RELAYCLIENT=\"\"\n", "1 refused 10.0.0.0/8: " NEVER_FOUND "\n"},
                {" 10.:allow,RELAYCLIENT=\"\"\n", "1 refused  10.: " NEVER_FOUND "\n"},
                {"10:allow,RELAYCLIENT=\"\"\n", "1 refused 10: " NEVER_FOUND "\n"},
                {"256.1.:allow,RELAYCLIENT=\"\"\n", "1 refused 256.1.: " NEVER_FOUND "\n"},
                /* what tcprules does not take */
                {"10.\n", "1 refused 10.: " NOT_A_RULE "\n"},
                {"10.:ALLOW,RELAYCLIENT=\"\"\n", "1 refused 10.:ALLOW,RELAYCLIENT=\"\": " NOT_A_RULE "\n"},
                {"10.:allowed\n", "1 refused 10.:allowed: " NOT_A_RULE "\n"},
                {"10.:allow,RELAYCLIENT\n", "1 refused 10.:allow,RELAYCLIENT: " NOT_A_RULE "\n"},
                {"10.:allow,RELAYCLIENT=\n", "1 refused 10.:allow,RELAYCLIENT=: " NOT_A_RULE "\n"},
                {"10.:allow,RELAYCLIENT=\"\n", "1 refused 10.:allow,RELAYCLIENT=\": " NOT_A_RULE "\n"},
                {"10.:allow,RELAYCLIENT=\"\",\n", "1 refused 10.:allow,RELAYCLIENT=\"\",: " NOT_A_RULE "\n"},
                {"10.:allow;RELAYCLIENT=\"\"\n", "1 refused 10.:allow;RELAYCLIENT=\"\": " NOT_A_RULE "\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(IMPORT_TCPRULES, cases[i].text, cases[i].expected);
}

#define NEITHER "neither an address nor a network"

static void test_mynetworks(_unused_ void **state) {
        static const struct {
                const char *text, *expected;
        } cases[] = {
                {"", ""},
                {"mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\n",
                        "1 always 127.0.0.0/8\n1 always 127.0.0.0/8\n1 always ::1\n"},
                {"mynetworks = 192.0.2.0/24, [2001:db8::]/32,198.51.100.7\n",
                        "1 always 192.0.2.0/24\n1 always 2001:db8::/32\n1 always 198.51.100.7\n"},
                {"mynetworks =\n    192.0.2.0/24\n# 10.0.0.0/8\n\t[2001:db8::7]\nmyhostname = 192.0.2.1\n  "
                 "192.0.2.2\n",
                        "2 always 192.0.2.0/24\n4 always 2001:db8::7\n5 refused myhostname: another setting "
                        "than mynetworks\n"},
                {"mynetworks_style = host\n",
                        "1 refused mynetworks_style: another setting than mynetworks\n"},
                {"192.0.2.0/24\n198.51.100.0/24\n", "1 always 192.0.2.0/24\n2 always 198.51.100.0/24\n"},
                {"!192.0.2.7 192.0.2.0/24 !!192.0.2.8",
                        "1 except 192.0.2.7\n1 always 192.0.2.0/24\n1 always 192.0.2.8\n"},
                {"192.0.2.7/24", "1 refused 192.0.2.7/24: it has bits set behind its length\n"},
                {"/etc/postfix/networks", "1 refused /etc/postfix/networks: a file: import it by itself\n"},
                {"hash:/etc/postfix/n", "1 refused hash:/etc/postfix/n: a table: list its networks\n"},
                {"$mydestination", "1 refused $mydestination: not resolved: import the output of postconf "
                                   "-x mynetworks\n"},
                {"! [ [] []/ [::1 ]::1[ .example.org",
                        "1 refused !: " NEITHER "\n1 refused [: " NEITHER "\n1 refused []: " NEITHER
                        "\n1 refused []/: " NEITHER "\n1 refused [::1: " NEITHER
                        "\n1 refused ]::1[: " NEITHER "\n1 refused .example.org: " NEITHER "\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(IMPORT_MYNETWORKS, cases[i].text, cases[i].expected);
}

static void test_static(_unused_ void **state) {
        static const struct {
                const char *text, *expected;
        } cases[] = {
                {"# offices\n192.0.2.0/255.255.255.0\n\n192.0.2.0 255.255.255.0 # the same\n192.0.2.0/24\n",
                        "2 always 192.0.2.0/24\n4 always 192.0.2.0/24\n5 always 192.0.2.0/24\n"},
                {"192.0.2.\n192.0.2.7\n2001:db8::/32\n",
                        "1 always 192.0.2.0/24\n2 always 192.0.2.7\n3 always 2001:db8::/32\n"},
                {"192.0.2.7/255.255.255.0\n",
                        "1 refused 192.0.2.7/255.255.255.0: it has bits set behind its length\n"},
                {"192.0.2.0/255.0.255.0\n", "1 refused 192.0.2.0/255.0.255.0: " NEITHER "\n"},
                {"192.0.2\n", "1 refused 192.0.2: " NEITHER "\n"},
                {"192.0.2.0 24 x\n", "1 refused 192.0.2.0 24 x: more than a network and its mask\n"},
                {"mail.example.org\n", "1 refused mail.example.org: " NEITHER "\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(IMPORT_SMTP_POPLOCK_STATIC, cases[i].text, cases[i].expected);
}

static void test_vpopmail(_unused_ void **state) {
        static const struct {
                const char *text, *expected;
        } cases[] = {
                {"", ""},
                {"192.0.2.7:allow,RELAYCLIENT=\"\",RBLSMTPD=\"\"\t1795222923\n",
                        "1 login 192.0.2.7 1795222923\n"},
                /* older versions have a blank behind the tab */
                {"192.0.2.7:allow,RELAYCLIENT=\"\",RBLSMTPD=\"\"\t 1795222923\n",
                        "1 login 192.0.2.7 1795222923\n"},
                {"2001:db8::7:allow,RELAYCLIENT=\"\"\t1\r\n", "1 login 2001:db8::7 1\n"},
                {"192.0.2.7:allow,RELAYCLIENT=\"\"\n",
                        "1 refused 192.0.2.7:allow,RELAYCLIENT=\"\": no tab and "
                        "no time of the login behind the rule\n"},
                {"192.0.2.7:allow,RELAYCLIENT=\"\"\t\n",
                        "1 refused 192.0.2.7:allow,RELAYCLIENT=\"\"\t: what "
                        "stands behind the tab is no time\n"},
                {"192.0.2.7:allow,RELAYCLIENT=\"\"\t-5\n", "1 refused 192.0.2.7:allow,RELAYCLIENT=\"\"\t-5: "
                                                           "what stands behind the tab is no time\n"},
                {"192.0.2.7:allow,RELAYCLIENT=\"\"\t99999999999999999999\n",
                        "1 refused 192.0.2.7:allow,RELAYCLIENT=\"\"\t99999999999999999999: what stands "
                        "behind "
                        "the tab is no time\n"},
                {"192.0.2.7:deny\t5\n",
                        "1 refused 192.0.2.7:deny\t5: not a rule that lets somebody relay\n"},
                {"192.0.2.7:allow\t5\n",
                        "1 refused 192.0.2.7:allow\t5: not a rule that lets somebody relay\n"},
                {"10.:allow,RELAYCLIENT=\"\"\t5\n", "1 refused 10.: not an address\n"},
                /* the table of its SQL back ends */
                {"192.0.2.7\t1795222923\n2001:db8::7\t5\n10.\t5\n",
                        "1 login 192.0.2.7 1795222923\n2 login 2001:db8::7 5\n3 refused 10.\t5: not a rule "
                        "that lets somebody relay\n"},
                {"\t5\n", "1 refused \t5: not a rule that lets somebody relay\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(IMPORT_VPOPMAIL, cases[i].text, cases[i].expected);
}

#define DUMP_HEAD "VERSION=3\nformat=print\ntype=hash\nh_nelem=2\ndb_pagesize=4096\nHEADER=END\n"

static void test_tables(_unused_ void **state) {
        static const struct {
                ImportFormat format;
                const char *text, *expected;
        } cases[] = {
                {IMPORT_POP_BEFORE_SMTP, "192.0.2.7\tok\n2001:db8::7\tok\n# x\n192.0.2.8\n",
                        "1 login 192.0.2.7 0\n2 login 2001:db8::7 0\n4 login 192.0.2.8 0\n"},
                {IMPORT_POP_BEFORE_SMTP, "The database holds 1 IP:\n\t192.0.2.7\n", "2 login 192.0.2.7 0\n"},
                {IMPORT_POP_BEFORE_SMTP, "10.1.\tok\nname ok\n",
                        "1 refused 10.1.: not an address\n2 refused name: not an address\n"},
                {IMPORT_POP_BEFORE_SMTP, DUMP_HEAD " 192.0.2.7\n ok\n 192.0.2.8\\00\n ok\\00\nDATA=END\n",
                        "7 login 192.0.2.7 0\n9 login 192.0.2.8 0\n"},
                {IMPORT_POP_BEFORE_SMTP,
                        "VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n 3139322e302e322e37\n "
                        "6f6b\nDATA=END\n",
                        "5 login 192.0.2.7 0\n"},
                {IMPORT_POP_BEFORE_SMTP, DUMP_HEAD " x\\5cy\\\\z\n ok\n \\zz\n ok\n 192.0.2.7\n",
                        "7 refused x\\y\\z: not an address\n10 refused \\zz: not an address\n"},
                {IMPORT_POP_BEFORE_SMTP, DUMP_HEAD " \\\n ok\n \\0\n ok\n \n ok\n",
                        "8 refused \\: not an address\n10 refused \\0: not an address\n12 refused : not an "
                        "address\n"},
                {IMPORT_POP_BEFORE_SMTP, "VERSION=", ""},
                {IMPORT_SMTP_POPLOCK, "192.0.2.7 1795222923\n192.0.2.8\n192.0.2.9 soon\n",
                        "1 login 192.0.2.7 1795222923\n2 refused 192.0.2.8: it has no time of the login in "
                        "seconds\n3 refused 192.0.2.9: it has no time of the login in seconds\n"},
                {IMPORT_SMTP_POPLOCK, DUMP_HEAD " 192.0.2.7\n 1795222923\nDATA=END\n",
                        "7 login 192.0.2.7 1795222923\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(cases[i].format, cases[i].text, cases[i].expected);
}

/* Whoever listens may end it at any entry, in every format. */
static void test_stop(_unused_ void **state) {
        static const struct {
                ImportFormat format;
                const char *text;
        } cases[] = {
                {IMPORT_TCPRULES, "10.1-9.5.:allow,RELAYCLIENT=\"x\"\n11.:allow,RELAYCLIENT=\"\"\n"},
                {IMPORT_MYNETWORKS, "10.0.0.0/8 11.0.0.0/8\n"},
                {IMPORT_SMTP_POPLOCK_STATIC, "10.\n11.\n"},
                {IMPORT_VPOPMAIL, "x\ny\n"},
                {IMPORT_POP_BEFORE_SMTP, "192.0.2.7\n192.0.2.8\n"},
                {IMPORT_POP_BEFORE_SMTP, DUMP_HEAD " 192.0.2.7\n ok\n 192.0.2.8\n ok\n"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Heard h = {.stop_after = 1};

                assert_int_equal(
                        import_parse(cases[i].format, span_from_string(cases[i].text), on_entry, &h),
                        -ECANCELED);
                assert_int_equal(h.stop_after, 0);
        }
}

static void test_database_kind(_unused_ void **state) {
        uint32_t words[8] = {0};

        assert_null(import_database_kind(SPAN_NONE));
        assert_null(import_database_kind(span_from_string("192.0.2.7 ok")));
        words[3] = 0x00061561;
        assert_string_equal(
                import_database_kind(span_make((const char *) words, sizeof(words))), "Berkeley DB hash");
        assert_null(import_database_kind(span_make((const char *) words, 15)));
        words[3] = __builtin_bswap32(0x00053162);
        assert_string_equal(
                import_database_kind(span_make((const char *) words, sizeof(words))), "Berkeley DB btree");
        words[0] = 0x13579ace;
        words[3] = 0;
        assert_string_equal(import_database_kind(span_make((const char *) words, 4)), "GNU dbm");
        assert_string_equal(import_database_kind(SPAN_LITERAL("SQLite format 3\0")), "SQLite");
}

static void test_names(_unused_ void **state) {
        for (ImportFormat f = 0; f < _IMPORT_FORMAT_MAX; f++)
                assert_int_equal(import_format_from_string(import_format_to_string(f)), f);
        assert_int_equal(import_format_from_string("sendmail"), _IMPORT_FORMAT_INVALID);
        assert_null(import_format_to_string(_IMPORT_FORMAT_INVALID));
        assert_true(import_format_is_static(IMPORT_TCPRULES) && import_format_is_static(IMPORT_MYNETWORKS));
        assert_false(import_format_is_static(IMPORT_VPOPMAIL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tcprules),
                cmocka_unit_test(test_mynetworks),
                cmocka_unit_test(test_static),
                cmocka_unit_test(test_vpopmail),
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_stop),
                cmocka_unit_test(test_database_kind),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests_name("import-parse", tests, NULL, NULL);
}
