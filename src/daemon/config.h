/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* authrelay.conf and its drop-ins, as authrelay.conf(5) describes them. */

#include <sys/types.h>

#include "basic/ini-file.h"
#include "grant/policy.h"
#include "publish/tcprules-template.h"

typedef enum ConfigJournal {
        CONFIG_JOURNAL_AUTO, /* yes, unless there is another source */
        CONFIG_JOURNAL_NO,
        CONFIG_JOURNAL_YES,
} ConfigJournal;

/* A File= or a Fifo=. */
typedef struct ConfigFile {
        char *path;
        char *zone;          /* NULL: the host's */
        StringList patterns; /* those that its lines are tried with; empty: by identifier */
        unsigned line;
        char *place; /* configuration file that named it */
} ConfigFile;

typedef struct Config {
        ConfigJournal journal;
        char *journal_directory, *journal_namespace;
        bool journal_trusted;
        usec_t journal_latency;
        bool resolve_names; /* of logins without an address */
        ConfigFile *files, *fifos;
        size_t n_files, n_fifos;
        bool syslog;
        char *syslog_zone;    /* of stamps that have none; NULL: the host's */
        bool login;           /* the login socket is wanted; it is used in any case if it is there */
        uid_t *virtual_users; /* who speak for any user on the login socket */
        size_t n_virtual_users;
        Policy policy;
        bool publish_users;
        char *tcprules;                      /* NULL: none is written */
        char *template_path;                 /* TcprulesTemplate= */
        TcprulesTemplate *tcprules_template; /* NULL: there is none */
        StringList pattern_directories;
        bool has_enable;
        StringList enable;
        StringList warnings; /* file:line: reason, of what is not understood and not fatal */
} Config;

/* Reads the file and all *.conf of the directory FILE.d. With `optional` a file that is not there is an
 * empty one. Returns 0, or -errno with file:line: reason. */
int config_load(const char *path, bool optional, Config *ret, IniError *reterr);
void config_done(Config *c);

/* Whether the journal is read, Journal=auto resolved. */
bool config_reads_journal(const Config *c);
/* Whether anything is read whose lines any local user can forge. */
bool config_reads_forgeable(const Config *c);
