/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tcprules=: who may relay as a file for `tcpserver -x`, byte for byte what tcprules(1) would make of the
 * same rules. It carries no expiry, so it is written anew as grants end, and its static part (template and
 * Always=) lies ready to take its place when nobody is there to do that: tcprules_output_restore(). */

#include <systemd/sd-event.h>

#include "model/relay-entry.h"
#include "publish/tcprules-template.h"

/* Rules in a file beside those of the template: what is beyond is left out. With as many, writing takes
 * about 0.1 s, during which the daemon does nothing else. */
#define TCPRULES_RULES_MAX 100000

typedef struct TcprulesOutput TcprulesOutput;

typedef struct TcprulesReport {
        int error;         /* 0, or the -errno for which the static part is in place */
        uint32_t rules;    /* in the file */
        uint32_t left_out; /* networks that can't be said in rules, at least not all of their addresses */
} TcprulesReport;

typedef int (*TcprulesEntryHandler)(void *userdata, const RelayEntry *entry);

/* Gives every live record to `each`, as publisher.h has it; one that ends by itself has an `until`. Returns
 * 0, or what `each` returned when that is negative. */
typedef int (*TcprulesSnapshot)(void *userdata, TcprulesEntryHandler each, void *each_userdata);

typedef struct TcprulesConfig {
        const char *runtime_directory; /* where it is noted which file is in use. Copied */
        TcprulesSnapshot snapshot;
        /* Called after each writing; may be NULL. It must not call the output. */
        void (*on_written)(void *userdata, const TcprulesReport *report);
        void *userdata;
} TcprulesConfig;

/* Makes one that writes nothing yet. Returns 0 or -ENOMEM. */
int tcprules_output_new(const TcprulesConfig *config, TcprulesOutput **ret);

/* Puts the static part in place. Returns NULL. */
TcprulesOutput *tcprules_output_free(TcprulesOutput *o);

DEFINE_CLEANUP(TcprulesOutput *, tcprules_output_free)

/* Has the loop do the writing: changes at most five times a second, and in no more than a seventeenth of the
 * time; failures again after 1 s, doubling to 30 s. The output keeps a reference to the loop. Returns 0 or
 * -errno. */
int tcprules_output_attach(TcprulesOutput *o, sd_event *event);

/* Writes to `path` from now on, or with NULL nothing; the static part is put in place at the former one. The
 * template, borrowed until the next call, may be NULL. Returns 0 or -ENOMEM, then nothing is written. */
int tcprules_output_configure(TcprulesOutput *o, const char *path, const TcprulesTemplate *template);

/* Something has changed; with `is_static` what lasts beyond the daemon, too. */
void tcprules_output_touch(TcprulesOutput *o, bool is_static);

/* Has a file written again that somebody has removed: without it tcpserver takes no mail. */
void tcprules_output_check(TcprulesOutput *o);

/* Writes changes now. Returns 0, or -errno; on_written has been told, and the loop goes on trying. */
int tcprules_output_flush(TcprulesOutput *o);

/* Puts the static part in place of the file that an output with this runtime directory has written, whatever
 * became of it. Needs neither memory nor space on the disk. Returns 1; 0 when none was in use; -ENODATA when
 * the static part is not there, and then the file has no rule any more, or is gone; -EPERM when it belongs
 * to another user; or -errno. */
int tcprules_output_restore(const char *runtime_directory);

/* Writes the static part alone. Returns 0 or -errno. */
int tcprules_output_write_static(
        const char *path, const TcprulesTemplate *template, TcprulesSnapshot snapshot, void *userdata);
