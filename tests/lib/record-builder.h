/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records as a source would deliver them, made of text, with a provenance that the test chooses. */

#include "model/login.h"
#include "model/record.h"

typedef struct TestRecord {
        Record record;
        Provenance provenance;
        int provenance_result; /* < 0: it can't be read */
        unsigned asked;        /* how often it was */
        usec_t stamp;          /* what its time is; 0: can't be read */
} TestRecord;

#define TEST_NOW (UINT64_C(1795222923) * USEC_PER_SEC)

/* A line of a log file: anybody may have written it. `t` must stay where it is while the record is used. */
const Record *test_file_record(TestRecord *t, const char *identifier, const char *pid, Span message);

/* An entry of the journal, sent by process `pid` of `unit` as `uid`. */
const Record *test_journal_record(TestRecord *t, const char *identifier, const char *unit, const char *uid,
        const char *pid, Span message);

/* A login from `address` by `user` at `time`, as a match yields it. */
Login test_login(const char *address, const char *user, usec_t time);
