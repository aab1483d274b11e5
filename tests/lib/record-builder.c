/* SPDX-License-Identifier: Apache-2.0 */
/* Records and logins for tests. */

#include "record-builder.h"

#include "basic/macro.h"

static int provenance(const Record *record, Provenance *ret) {
        TestRecord *t = record->userdata;

        t->asked++;
        if (t->provenance_result < 0)
                return t->provenance_result;
        *ret = t->provenance;
        return 0;
}

static usec_t stamp(const Record *record) {
        return ((const TestRecord *) record->userdata)->stamp;
}

static const RecordOps ops = {.provenance = provenance, .time = stamp};

const Record *test_file_record(TestRecord *t, const char *identifier, const char *pid, Span message) {
        *t = (TestRecord){
                .record =
                        {
                                .ops = &ops,
                                .userdata = t,
                                .source = "/var/log/mail.log",
                                .read_time = TEST_NOW,
                                .host = SPAN_LITERAL("mx"),
                                .identifier = span_from_string(identifier),
                                .pid = span_from_string(pid),
                                .message = message,
                                .raw_size = message.size,
                        },
                .stamp = TEST_NOW,
        };
        return &t->record;
}

const Record *test_journal_record(TestRecord *t, const char *identifier, const char *unit, const char *uid,
        const char *pid, Span message) {
        (void) test_file_record(t, identifier, pid, message);
        t->record.source = "journal";
        t->record.host = SPAN_NONE;
        t->record.proven = true;
        t->provenance = (Provenance){
                .unit = span_from_string(unit),
                .uid = span_from_string(uid),
                .pid = span_from_string(pid),
                .logger = span_from_string(pid),
                .raw_size = message.size,
        };
        return &t->record;
}

Login test_login(const char *address, const char *user, usec_t time) {
        Login login = {
                .verdict = MATCH_LOGIN,
                .has_address = true,
                .user = span_from_string(user),
                .time = time,
                .service = SPAN_LITERAL("imap"),
                .pattern = "dovecot",
                .source = "journal",
        };
        int r = ip_addr_parse(span_from_string(address), &login.address);

        assert(r >= 0);
        return login;
}
