/* SPDX-License-Identifier: Apache-2.0 */
/* The template: what tcprules compiles, what is refused and why, and which rule tcpserver would take. */
#include "check.h"

#include "publish/tcprules-template.h"

static TcprulesTemplate *load(const char *text) {
        TcprulesTemplate *t = NULL;
        IniError error = {""};

        put_text("t", text);
        if (tcprules_template_load("t", &t, &error) < 0)
                fail_msg("%s", error.text);
        return t;
}

/* The instructions of a rule as text, '|' for NUL. */
static const char *instructions(const TcprulesTemplate *t, const TcprulesRule *rule) {
        static char text[2048];
        const TcprulesInstructions *in;

        if (!rule)
                return "none";
        in = &t->instructions[rule->instructions];
        assert_true(in->size < sizeof(text));
        for (size_t i = 0; i < in->size; i++)
                text[i] = in->data[i] ? in->data[i] : '|';
        text[in->size] = 0;
        return text;
}

static const char *matched(const TcprulesTemplate *t, const char *key) {
        return instructions(t, tcprules_template_match(t, span_from_string(key)));
}

static void test_match(_unused_ void **state) {
        _cleanup_(tcprules_template_freep) TcprulesTemplate *t = load("# a comment\n"
                                                                      "\n"
                                                                      " \t\n"
                                                                      "127.:allow,RELAYCLIENT=\"\"\n"
                                                                      "192.0.2.:allow,QMAILQUEUE=\"/bin/q\",A=/b=c/ \t\n"
                                                                      "192.0.2.66:deny\n"
                                                                      "192.0.2.66:allow\n"
                                                                      "10.1.2.3-5:deny,WHY=xnox\n"
                                                                      "10.2-3.:allow,A=\"\"\n"
                                                                      "joe@192.0.2.1:deny\n"
                                                                      "2001:db8::66:deny\n"
                                                                      "2001:db8::allow,B=\"1\"\n"
                                                                      "fe80::1:allow\n"
                                                                      ":allow,TCPLOCALHOST=\"mx:deny\"");

        assert_int_equal(t->n_rules, 14);
        assert_string_equal(matched(t, "127.0.0.1"), "+RELAYCLIENT=|");
        assert_true(t->instructions[0].relays && !t->instructions[1].relays);
        assert_string_equal(matched(t, "192.0.2.7"), "+QMAILQUEUE=/bin/q|+A=b=c|");
        assert_string_equal(matched(t, "192.0.2."), "+QMAILQUEUE=/bin/q|+A=b=c|");
        assert_string_equal(matched(t, "192.0.2.66"), "D|"); /* the first one */
        assert_string_equal(matched(t, "192.0.2.6"), "+QMAILQUEUE=/bin/q|+A=b=c|");
        assert_string_equal(matched(t, "192.0."), "+TCPLOCALHOST=mx:deny|");
        assert_string_equal(matched(t, "10.1.2.3"), "D|+WHY=no|");
        assert_string_equal(matched(t, "10.1.2.5"), "D|+WHY=no|");
        assert_string_equal(matched(t, "10.1.2.6"), "+TCPLOCALHOST=mx:deny|");
        assert_string_equal(matched(t, "10.3.9.9"), "+A=|");
        assert_string_equal(matched(t, "2001:db8::66"), "D|");
        assert_string_equal(matched(t, "2001:db8::67"), "+B=1|");
        assert_string_equal(matched(t, "2001:db8:1::1"), "+B=1|");
        assert_string_equal(matched(t, "2001:db9::1"), "+TCPLOCALHOST=mx:deny|");
        assert_string_equal(matched(t, ""), "+TCPLOCALHOST=mx:deny|");
        assert_true(tcprules_template_has(t, SPAN_LITERAL("10.1.2.4")));
        assert_true(tcprules_template_has(t, SPAN_NONE));
        assert_false(tcprules_template_has(t, SPAN_LITERAL("10.1.2.3-5")));
        assert_false(tcprules_template_has(NULL, SPAN_NONE));
        assert_null(tcprules_template_match(NULL, SPAN_LITERAL("192.0.2.7")));
}

static void test_no_default(_unused_ void **state) {
        _cleanup_(tcprules_template_freep) TcprulesTemplate *t = load("10.:allow\n"), *empty = load("");

        assert_string_equal(matched(t, "11.0.0.1"), "none");
        assert_string_equal(matched(t, "10.0.0.1"), "");
        assert_string_equal(matched(empty, "10.0.0.1"), "none");
}

static void test_refusals(_unused_ void **state) {
        static char long_line[1200];
        const char *rows[][2] = {
                {"x", "t:1: it is not ADDRESS:allow or ADDRESS:deny"},
                {":allow\n10.0.0.1 deny\n", "t:2: it is not ADDRESS:allow or ADDRESS:deny"},
                {"10.0.0.1:Deny\n", "t:1: it is not ADDRESS:allow or ADDRESS:deny"},
                {" # no comment\n", "t:1: it is not ADDRESS:allow or ADDRESS:deny"},
                {" 10.:deny\n", "t:1: there are blanks around the address"},
                {"10.:denyx\n", "t:1: allow or deny is followed by something else than a comma"},
                {"10.:allow,A=\"\" x\n", "t:1: allow or deny is followed by something else than a comma"},
                {"10.:allow\r\n", "t:1: allow or deny is followed by something else than a comma"},
                {"10.:allow,\n", "t:1: a variable is not of the form NAME=\"VALUE\""},
                {"10.:allow,A\n", "t:1: a variable is not of the form NAME=\"VALUE\""},
                {"10.:allow,A=\n", "t:1: a variable is not of the form NAME=\"VALUE\""},
                {"10.:allow,A=\"\n", "t:1: a variable is not of the form NAME=\"VALUE\""},
                {"10.:allow,=\"\"\n", "t:1: a variable is not of the form NAME=\"VALUE\""},
                {"=.example.com:deny\n", "t:1: a rule by name, before which a grant's rule by address would come"},
                {"joe@=mx:deny\n", "t:1: a rule by name, before which a grant's rule by address would come"},
                {"1.2.3.5-4:deny\n", "t:1: the range is none of numbers from 0 to 255"},
                {"1.2.3.-4:deny\n", "t:1: the range is none of numbers from 0 to 255"},
                {"1.2.3.4-:deny\n", "t:1: the range is none of numbers from 0 to 255"},
                {"1-2.3-4.:deny\n", "t:1: the range is none of numbers from 0 to 255"},
                {"2001:db8::1-2:deny\n", "t:1: the range is none of numbers from 0 to 255"},
                {long_line, "t:1: the line is too long"},
        };

        memset(long_line, 'x', sizeof(long_line) - 1);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                TcprulesTemplate *t = NULL;
                IniError error = {""};

                put_text("t", rows[i][0]);
                assert_true(tcprules_template_load("t", &t, &error) < 0);
                assert_null(t);
                assert_string_equal(error.text, rows[i][1]);
        }
}

static void test_bounds(_unused_ void **state) {
        TcprulesTemplate *t = NULL;
        IniError error = {""};
        FILE *f = fopen("t", "we");

        assert_non_null(f);
        for (unsigned i = 0; i < 257; i++)
                assert_true(fprintf(f, "10.%u.%u.0-999:allow\n", i / 256, i % 256) > 0);
        assert_int_equal(fclose(f), 0);
        assert_true(tcprules_template_load("t", &t, &error) < 0);
        assert_string_equal(error.text, "t:257: there are too many rules");
        put_file("t", "10.:de\0ny\n", 10);
        assert_true(tcprules_template_load("t", &t, &error) < 0);
        assert_string_equal(error.text, "t:1: the line has a NUL in it");
        assert_int_equal(tcprules_template_load("none", &t, &error), -ENOENT);
        assert_string_equal(error.text, "none: No such file or directory");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_match),
                in_directory(test_no_default),
                in_directory(test_refusals),
                in_directory(test_bounds),
        };

        return cmocka_run_group_tests_name("tcprules-template", tests, NULL, NULL);
}
