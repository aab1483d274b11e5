/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a record: identifier, then a literal, then a regex, then whether it can be believed. What costs
 * most comes last and is reached by few lines; what decides about trust is reached by every login. */

#include "match/pattern-set.h"

#include <ctype.h>
#include <stdio.h>

#include "basic/log.h"
#include "match/pattern-set-internal.h"

#define KEY_MAX_BYTES 1024

/* Of a host name and of one label of it (RFC 1035, 2.3.4). */
#define HOST_MAX_BYTES 253
#define LABEL_MAX_BYTES 63

typedef struct Judging {
        PatternSet *set;
        StreamState *streams;
        const Record *record;
        Provenance provenance; /* valid when fetched > 0 */
        int fetched;           /* 0: not yet, 1: there, -1: there is none */
        bool torn;             /* for one of the patterns: then it is no other server's login either */
        Login *best;           /* the most telling verdict so far */
        Pattern *best_pattern; /* NULL: nobody was asked yet */
} Judging;

static const Provenance *fetch(Judging *j) {
        if (j->fetched == 0)
                j->fetched = j->record->ops->provenance &&
                                             j->record->ops->provenance(j->record, &j->provenance) >= 0
                                     ? 1
                                     : -1;
        return j->fetched > 0 ? &j->provenance : NULL;
}

/* Whether the record is the server's own word, as far as that can be known. */
static bool is_trusted(Judging *j, const Pattern *p) {
        const Provenance *from;

        if (!j->record->proven)
                return true;
        from = fetch(j);
        return from && pattern_has_unit(p, from->unit) && pattern_has_uid(p, from->uid);
}

/* The same for what a rule has taken. */
static bool is_trusted_for(Judging *j, const Pattern *p, const Rule *rule) {
        const Provenance *from;

        if (!rule->any_uid || !j->record->proven)
                return is_trusted(j, p);
        from = fetch(j);
        return from && pattern_has_unit(p, from->unit);
}

/* Puts "a NUL b NUL …" together as a key. Returns an empty span when it gets too long. */
static Span make_key(char buf[static KEY_MAX_BYTES], const Span *parts, size_t n) {
        size_t used = 0;

        for (size_t i = 0; i < n; i++) {
                if (parts[i].size + 1 > KEY_MAX_BYTES - used)
                        return SPAN_NONE;
                if (parts[i].size > 0)
                        memcpy(buf + used, parts[i].data, parts[i].size);
                used += parts[i].size;
                buf[used++] = 0;
        }
        return span_make(buf, used);
}

static bool is_torn(Judging *j, const Pattern *p) {
        const Record *record = j->record;
        char buf[KEY_MAX_BYTES];
        Span source = span_from_string(record->source), key;
        size_t raw_size = record->raw_size;
        bool odd = false;

        if (record->proven) {
                const Provenance *from = fetch(j);

                /* what anybody wrote under the server's name changes nothing and is believed nothing */
                if (!is_trusted(j, p) || !from)
                        return false;
                key = make_key(buf,
                        (Span[]){source, span_from_string(p->name), from->machine, from->unit, from->logger},
                        5);
                raw_size = MAX(raw_size, from->raw_size);
                /* courierlogger takes "ERR: " off any message and logs that at another priority, also off
                 * the rest of a torn one; and what is not stored at one priority may be at another */
                odd = from->odd_priority;
        } else
                key = make_key(buf,
                        (Span[]){source, span_from_string(p->name), record->host, record->identifier}, 4);
        if (key.size == 0)
                return true;
        return stream_state_is_torn(j->streams, record->source, key, raw_size, p->tears_at) || odd;
}

static bool is_control_byte(char c) {
        return (unsigned char) c < 0x20 || c == 0x7f;
}

static bool has_control_byte(Span s) {
        const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
        size_t i = 0;

        /* eight at a time: the high bit of each byte tells (Hacker's Delight, 6-1); nearly all messages have
         * none */
        for (; i + 8 <= s.size; i += 8) {
                uint64_t v, below, del;

                memcpy(&v, s.data + i, 8);
                del = v ^ ones * 0x7f;
                below = (v - ones * 0x20) & ~v;
                del = (del - ones) & ~del;
                if ((below | del) & high)
                        break;
        }
        /* a borrow can only raise a false alarm, which is looked into here */
        for (; i < s.size; i++)
                if (is_control_byte(s.data[i]))
                        return true;
        return false;
}

/* rsyslog writes a control byte as '#' and three octal digits; the journal would have had the byte. */
static bool has_escaped_control_byte(Span s) {
        for (size_t i = 0; i + 3 < s.size; i++)
                if (s.data[i] == '#' && s.data[i + 1] == '0' && s.data[i + 2] >= '0' &&
                        s.data[i + 2] <= '3' && s.data[i + 3] >= '0' && s.data[i + 3] <= '7')
                        return true;
        return false;
}

static void refuse(Login *login, MatchVerdict verdict, const char *reason) {
        login->verdict = verdict;
        login->reason = reason;
}

/* The key under which the halves of a login find each other. */
static Span join_key(Judging *j, const Pattern *p, Span key, char buf[static KEY_MAX_BYTES]) {
        const Record *record = j->record;
        const Provenance *from = record->proven ? fetch(j) : NULL;
        /* a process of a mail user says what it likes about itself; the kernel knows which one it is */
        Span pid = !from ? record->pid : p->any_uid ? from->logger : from->pid;
        Span id = key.size > 0 ? key : pid;

        if (id.size == 0)
                return SPAN_NONE;
        return make_key(buf,
                (Span[]){span_from_string(record->source), from ? from->machine : record->host,
                        span_from_string(p->name), id},
                4);
}

/* Letters, digits, hyphens, and a dot between labels (RFC 1123, 2.1). A last label of digits alone could be
 * an address that is written in another way. */
static bool is_host_name(Span s) {
        size_t label = 0;
        bool dot = false, letter = false;

        if (s.size > HOST_MAX_BYTES)
                return false;
        for (size_t i = 0; i < s.size; i++) {
                unsigned char c = (unsigned char) s.data[i];

                if (c == '.') {
                        if (label == 0 || s.data[i - 1] == '-')
                                return false;
                        dot = true;
                        letter = false;
                        label = 0;
                        continue;
                }
                if (!(isalnum(c) && c < 0x80) && !(c == '-' && label > 0))
                        return false;
                letter |= isalpha(c) != 0;
                if (++label > LABEL_MAX_BYTES)
                        return false;
        }
        return dot && letter && label > 0 && s.data[s.size - 1] != '-';
}

static void find_host(const RegexMatch *match, Login *login) {
        if (!is_host_name(match->group[REGEX_GROUP_HOST])) {
                refuse(login, MATCH_REFUSED, "what stands in the host name's place is none");
                return;
        }
        login->host = match->group[REGEX_GROUP_HOST];
        login->verdict = MATCH_NAMED;
}

static void find_address(Judging *j, const Pattern *p, const RegexMatch *match, Login *login) {
        char buf[KEY_MAX_BYTES];
        Span key;

        if (match->group[REGEX_GROUP_IP].data) {
                login->has_address = ip_addr_parse(match->group[REGEX_GROUP_IP], &login->address) >= 0;
                if (!login->has_address)
                        refuse(login, MATCH_REFUSED, "what stands in the address's place is no address");
                return;
        }
        if (match->group[REGEX_GROUP_HOST].data)
                return find_host(match, login);
        key = join_key(j, p, match->group[REGEX_GROUP_KEY], buf);
        login->has_address =
                key.size > 0 && stream_state_connected(j->streams, key, login->time, &login->address);
        if (!login->has_address)
                refuse(login, MATCH_REFUSED, "the line that told its address is not known");
}

static Span lower_service(PatternSet *s, Span service) {
        size_t n = MIN(service.size, sizeof(s->service));

        for (size_t i = 0; i < n; i++)
                s->service[i] = (char) tolower((unsigned char) service.data[i]);
        return span_make(s->service, n);
}

static void refuse_untrusted(Judging *j, const Pattern *p, Login *login) {
        const Provenance *from = fetch(j);
        char unit[LOG_TEXT_BYTES], uid[LOG_TEXT_BYTES];

        (void) snprintf(j->set->reason, sizeof(j->set->reason),
                "not from the server of pattern %s: _SYSTEMD_UNIT=%s _UID=%s", p->name,
                from && from->unit.size > 0 ? log_text(unit, from->unit) : "(none)",
                from && from->uid.size > 0 ? log_text(uid, from->uid) : "(none)");
        refuse(login, MATCH_UNTRUSTED, j->set->reason);
}

/* A rule has taken the message: fills in the login, or says why it is not to be believed. */
static void accept(Judging *j, Pattern *p, const Rule *rule, const RegexMatch *match, Login *login) {
        static const MatchVerdict verdicts[_RULE_KIND_MAX] = {
                [RULE_LOGIN] = MATCH_LOGIN,
                [RULE_LOGOUT] = MATCH_LOGOUT,
                [RULE_CONNECT] = MATCH_CONNECT,
                [RULE_RESTART] = MATCH_RESTART,
                [RULE_IGNORE] = MATCH_NONE,
        };
        const Provenance *from = j->record->proven ? fetch(j) : NULL;
        char buf[KEY_MAX_BYTES];

        *login = (Login){
                .verdict = verdicts[rule->kind],
                .pattern = p->name,
                .source = j->record->source,
                .machine = from ? from->machine : j->record->host,
        };
        if (rule->kind == RULE_IGNORE) {
                login->reason = "known not to be a login";
                return;
        }
        login->user = match->group[REGEX_GROUP_USER];
        login->service = lower_service(
                j->set, rule->service ? span_from_string(rule->service) : match->group[REGEX_GROUP_SERVICE]);
        login->time = j->record->ops->time(j->record);
        /* a key joins two lines, or names a session where something ends one */
        if (p->has_logout)
                login->key = match->group[REGEX_GROUP_KEY];
        if (!is_trusted_for(j, p, rule))
                refuse_untrusted(j, p, login);
        else if (from && from->torn)
                refuse(login, MATCH_TORN, "journald tore this message or the one before it");
        else if (from && from->stream && p->journal_only)
                /* such servers write a newline as it comes, and a stream is then no better than a file;
                 * nginx writes its errors there, too, when they go to syslog */
                refuse(login, MATCH_REFUSED, "a newline in a name would end a message of this stream");
        else if (login->time == 0)
                refuse(login, MATCH_REFUSED, "its time stamp can't be read");
        else if (rule->kind == RULE_LOGIN || rule->kind == RULE_CONNECT)
                find_address(j, p, match, login);
        if (login->verdict == MATCH_CONNECT) {
                Span key = join_key(j, p, match->group[REGEX_GROUP_KEY], buf);

                if (key.size > 0)
                        stream_state_connect(j->streams, key, &login->address, login->time);
        }
}

/* Whether the sender is a server of any pattern that has this identifier. */
static bool is_some_server(Judging *j) {
        const Reference *references = j->set->references;
        uint32_t i = pattern_set_find_identifier(j->set, j->record->identifier);

        for (; i != HASH_INDEX_NONE; i = references[i].next)
                if (is_trusted(j, references[i].pattern))
                        return true;
        return false;
}

/* Nobody but the server itself can make it look blind; and what another server writes under the same
 * identifier (Courier's and Cyrus's imapd) is no forgery, whatever words a client had it write. */
static void refuse_hint(Judging *j, const Pattern *p, Login *login, const char *reason) {
        if (is_trusted(j, p))
                refuse(login, MATCH_HINT, reason);
        else if (!is_some_server(j))
                refuse_untrusted(j, p, login);
}

/* Whether it may be a login at all, which is asked of nearly every line and nearly always denied. */
static bool is_candidate(const Judging *j, const Pattern *p) {
        const Record *record = j->record;

        return (!p->journal_only || record->proven || record->explained) &&
               literal_set_matches(&p->hint_set, record->message);
}

static void judge(Judging *j, Pattern *p, Login *login) {
        const Record *record = j->record;
        RegexMatch match;

        *login = (Login){.verdict = MATCH_NONE, .pattern = p->name, .source = record->source};
        if (j->torn)
                return refuse(login, MATCH_TORN, "it may be the rest of a torn message");
        if (record->cut || has_control_byte(record->message) ||
                (p->journal_only && record->explained && has_escaped_control_byte(record->message)))
                return refuse_hint(
                        j, p, login, record->cut ? "the line is too long" : "it has a control byte in it");
        for (size_t i = 0; i < p->n_rules; i++) {
                int r = regex_match(p->rules[i].regex, record->message, &match);

                if (r > 0)
                        return accept(j, p, &p->rules[i], &match, login);
                if (r < 0)
                        return refuse_hint(j, p, login, "matching it would cost too much");
        }
        refuse_hint(j, p, login, "it looks like a login, but no regex of the pattern takes it");
}

/* Of what several patterns say of one record, the most telling. */
static int weight(MatchVerdict v) {
        static const int weights[_MATCH_VERDICT_MAX] = {
                [MATCH_NONE] = 0,
                [MATCH_HINT] = 1,
                [MATCH_TORN] = 2,
                [MATCH_REFUSED] = 3,
                [MATCH_UNTRUSTED] = 4,
                [MATCH_RESTART] = 5,
                [MATCH_CONNECT] = 6,
                [MATCH_LOGOUT] = 7,
                [MATCH_NAMED] = 8,
                [MATCH_LOGIN] = 9,
        };

        return weights[v];
}

static void count(Pattern *p, MatchVerdict v) {
        switch (v) {
        case MATCH_LOGIN:
        case MATCH_NAMED:
                p->counters.logins++;
                break;
        case MATCH_HINT:
                p->counters.hints++;
                break;
        case MATCH_TORN:
                p->counters.torn++;
                break;
        case MATCH_UNTRUSTED:
                p->counters.untrusted++;
                break;
        case MATCH_REFUSED:
                p->counters.refused++;
                break;
        default:
                break;
        }
}

/* Asked for each message, whatever it says: a stream's state must not miss one. Before any pattern judges,
 * because the rest of one server's torn message can be made to look like the login of another one of the
 * same identifier; which is so, too, in a file that the first one takes nothing from. */
static void watch_stream(Judging *j, Pattern *p) {
        if (p->tears_at > 0 && is_torn(j, p))
                j->torn = true;
}

static void judge_better(Judging *j, Pattern *p) {
        Login login;

        /* the spans of a login that was taken must not be overwritten by another pattern's try */
        if (j->best_pattern && weight(j->best->verdict) >= weight(MATCH_RESTART))
                return;
        if (!is_candidate(j, p)) {
                j->best_pattern = j->best_pattern ? j->best_pattern : p;
                return;
        }
        judge(j, p, &login);
        if (!j->best_pattern || weight(login.verdict) > weight(j->best->verdict)) {
                *j->best = login;
                j->best_pattern = p;
        }
}

/* Calls `each` for every pattern that is to see the record; `first` is the head of its identifier's list. */
static void each_pattern(Judging *j, const PatternSelection *selection, uint32_t first,
        void (*each)(Judging *j, Pattern *p)) {
        const Reference *references = j->set->references;

        if (j->record->identifier.size == 0)
                for (size_t i = 0; selection && i < selection->n; i++)
                        each(j, selection->patterns[i]);
        for (uint32_t i = first; i != HASH_INDEX_NONE; i = references[i].next) {
                bool selected = !selection || selection->n == 0;

                for (size_t k = 0; !selected && k < selection->n; k++)
                        selected = selection->patterns[k] == references[i].pattern;
                if (selected)
                        each(j, references[i].pattern);
        }
}

void pattern_set_match(PatternSet *s, StreamState *streams, const Record *record,
        const PatternSelection *selection, Login *ret) {
        uint32_t first = pattern_set_find_identifier(s, record->identifier);
        Judging j;

        /* not as a whole: there is much in it that few records need */
        j.set = s;
        j.streams = streams;
        j.record = record;
        j.fetched = 0;
        j.torn = false;
        j.best = ret;
        j.best_pattern = NULL;
        *ret = (Login){.verdict = MATCH_NONE, .source = record->source};
        each_pattern(&j, selection, first, watch_stream);
        each_pattern(&j, selection, first, judge_better);
        if (j.best_pattern)
                count(j.best_pattern, ret->verdict);
        if (ret->verdict == MATCH_NONE && !ret->reason)
                ret->pattern = NULL;
}
