/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* TcprulesTemplate=: the rules of tcpserver as the administrator writes them, tcprules(1). */

#include "basic/hash-index.h"
#include "basic/ini-file.h"
#include "publish/tcprules-key.h"

#define TCPRULES_FILE_MAX_BYTES ((size_t) 4 * 1024 * 1024)
/* Lines for humans; what they are compiled into fits a record of cdb/cdb-file.h. */
#define TCPRULES_LINE_MAX_BYTES 1024
#define TCPRULES_TEMPLATE_RULES_MAX 65536

/* What tcpserver does, as tcprules compiles it: "D" for deny, "+NAME=VALUE" for each variable, each ended by
 * a NUL. */
typedef struct TcprulesInstructions {
        char *data;
        size_t size;
        bool denies;
        bool relays; /* sets RELAYCLIENT itself */
} TcprulesInstructions;

typedef struct TcprulesRule {
        char *key;             /* an address, the beginning of one, or ""; an address range is many rules */
        uint32_t instructions; /* index */
        bool has_network;
        IpNetwork network; /* tcprules_key_network() */
} TcprulesRule;

typedef struct TcprulesTemplate {
        TcprulesInstructions *instructions; /* one of each line */
        uint32_t n_instructions;
        TcprulesRule *rules; /* in the order of the file */
        uint32_t n_rules;
        HashIndex index; /* key -> the first of its rules, which is the one that counts */
} TcprulesTemplate;

/* Reads a file of rules. What tcprules refuses is refused, and so is what it would silently pass over and
 * rules by name (=host), since a grant's rule by address would come before them. Returns 0, or -errno with
 * file:line: reason. */
int tcprules_template_load(const char *path, TcprulesTemplate **ret, IniError *reterr);
TcprulesTemplate *tcprules_template_free(TcprulesTemplate *t);

DEFINE_CLEANUP(TcprulesTemplate *, tcprules_template_free)

/* The rule that tcpserver takes for an address that has no rule more specific than `key`. NULL: there is
 * none, which allows the connection and sets nothing; also if the template is NULL. */
const TcprulesRule *tcprules_template_match(const TcprulesTemplate *t, Span key);

/* True if there is a rule of this very key. */
bool tcprules_template_has(const TcprulesTemplate *t, Span key);
