/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon keeps over a restart: files of sections. What is done by hand has one of its own and a
 * copy of that, because it must be on the disk before it is acknowledged; the rest is written each minute in
 * which something changed. */

#include "daemon/manager.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/log.h"
#include "cdb/cdb-file.h"
#include "cdb/relay-lookup.h"
#include "publish/left-pair.h"
#include "state/state-file.h"

/* Names of sections. */
#define GRANTS "grants"
#define STREAMS "streams"
#define SOURCE_PREFIX "source:"
#define REVOCATIONS "revocations"
#define MANUAL "manual"

/* Sections that are to be written. */
typedef struct Saving {
        Manager *m;
        StateSection sections[STATE_FILE_SECTIONS_MAX];
        ByteWriter bytes[STATE_FILE_SECTIONS_MAX];
        char *names[STATE_FILE_SECTIONS_MAX];
        size_t n;
} Saving;

static void saving_done(Saving *s) {
        for (size_t i = 0; i < s->n; i++) {
                byte_writer_done(&s->bytes[i]);
                free(s->names[i]);
        }
}

/* The next section, whose bytes are to be written into what is returned. */
static ByteWriter *add_section(Saving *s, const char *prefix, const char *name) {
        if (asprintf(&s->names[s->n], "%s%s", prefix, name) < 0)
                s->names[s->n] = NULL;
        return &s->bytes[s->n++];
}

/* Takes down what is small, and what a child could not ask for: a source reads its log again to say where it
 * is. It must be of the same moment as the grants. */
static void gather(Manager *m, Saving *s) {
        s->m = m;
        if (!m->behind)
                grant_table_note_read(m->grants, time_now() / USEC_PER_SEC);
        (void) add_section(s, "", GRANTS); /* first, as a position counts only after the grants */
        stream_state_encode(m->streams, add_section(s, "", STREAMS));
        for (size_t i = 0; i < m->n_inputs && s->n < STATE_FILE_SECTIONS_MAX; i++) {
                Source *source = m->inputs[i].source;

                /* what can't be read again has no position */
                if (source->ops->encode)
                        source_encode(source, add_section(s, SOURCE_PREFIX, source->name));
        }
}

/* In the daemon itself or in a child of it. */
static int write_sections(void *what, _unused_ uint64_t *ret_value) {
        Saving *s = what;

        grant_table_encode(s->m->grants, &s->bytes[0]);
        for (size_t i = 0; i < s->n; i++) {
                if (!s->names[i] || s->bytes[i].failed)
                        return -ENOMEM;
                s->sections[i] = (StateSection){s->names[i], span_make(s->bytes[i].data, s->bytes[i].size)};
        }
        return state_file_save(s->m->state_path, s->sections, s->n);
}

/* It has been written, or not, which is told once. */
static void on_saved(void *userdata, int r, _unused_ uint64_t value, _unused_ usec_t cpu) {
        Manager *m = userdata;

        if (r < 0 && !m->state_failed)
                log_errno(LOG_ERR, r, "%s can't be written; it is tried again each minute", m->state_path);
        else if (r >= 0 && m->state_failed)
                log_notice("%s can be written again", m->state_path);
        m->state_failed = r < 0;
        m->state_dirty |= r < 0;
        /* something has changed since the last minute, and what that needed for a while is free by now */
        (void) malloc_trim(0);
}

int manager_save_state(Manager *m) {
        _cleanup_(saving_done) Saving s = {0};
        int r;

        /* what it writes is older, and would take the place of this */
        forked_writer_stop(&m->saver);
        gather(m, &s);
        m->state_dirty = false;
        r = write_sections(&s, NULL);
        on_saved(m, r, 0, 0);
        return r;
}

void manager_begin_saving_state(Manager *m) {
        _cleanup_(saving_done) Saving s = {0};
        ForkedJob job = {.fd = -1, .write = write_sections, .what = &s, .done = on_saved, .userdata = m};

        if (forked_writer_is_busy(&m->saver)) {
                /* the disk has not taken the last one in a whole minute */
                on_saved(m, -EBUSY, 0, 0);
                return;
        }
        gather(m, &s);
        m->state_dirty = false;
        /* better late than not at all */
        if (forked_writer_start(&m->saver, m->event, &job) < 0)
                (void) manager_save_state(m);
}

/* Keeps a file that is not as it was saved for people to look at, out of the way of the next. */
static void put_aside(const char *path) {
        _cleanup_free_ char *aside = NULL;

        if (asprintf(&aside, "%s.damaged", path) < 0) {
                aside = NULL;
                return;
        }
        (void) unlink(aside);
        /* a second name, so that there is always something in the place; a directory can't have one */
        if (link(path, aside) < 0 && rename(path, aside) < 0)
                log_errno(LOG_WARNING, -errno, "%s can't be kept as %s", path, aside);
}

/* What is done by hand is rare and must not be lost, so it is written twice: a file that is damaged would
 * undo every revocation in it, and block nobody any more. The copy comes first: what can't be read is put
 * aside only when that one can be. */
int manager_save_revocations(Manager *m) {
        _cleanup_(byte_writer_done) ByteWriter revocations = BYTE_WRITER_INIT, manual = BYTE_WRITER_INIT;
        StateSection sections[] = {{.name = REVOCATIONS}, {.name = MANUAL}};
        int r;

        grant_table_encode_revocations(m->grants, &revocations);
        grant_table_encode_manual(m->grants, &manual);
        if (revocations.failed || manual.failed)
                return -ENOMEM;
        sections[0].bytes = span_make(revocations.data, revocations.size);
        sections[1].bytes = span_make(manual.data, manual.size);
        r = state_file_save(m->revocations_copy_path, sections, ELEMENTSOF(sections));
        if (r < 0)
                return r;
        if (m->revocations_refused)
                put_aside(m->revocations_path);
        m->revocations_refused = false;
        r = state_file_save(m->revocations_path, sections, ELEMENTSOF(sections));
        if (r >= 0)
                m->revocations_dirty = false;
        return r;
}

/* ---- loading ---- */

/* What was found in a file. */
typedef struct Loading {
        Manager *m;
        const char *path;
        usec_t now;
        int shortage; /* -errno: it may be whole, but could not be read */
        bool is_damaged, has_grants, has_streams, has_revocations, has_manual;
} Loading;

static bool take_position(Manager *m, const char *name, Span bytes) {
        for (size_t i = 0; i < m->n_inputs; i++)
                if (streq(name, m->inputs[i].source->name))
                        return source_decode(m->inputs[i].source, bytes);
        /* one that is configured no more */
        return true;
}

/* The daemon is short of something, and the file as good as ever. */
static bool is_shortage(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* Takes a section. Returns false when its bytes make no sense. */
static bool take_section(Loading *l, const char *name, Span bytes) {
        Manager *m = l->m;

        if (streq(name, GRANTS))
                return l->has_grants = grant_table_decode(m->grants, bytes, l->now);
        if (streq(name, STREAMS))
                return l->has_streams = stream_state_decode(m->streams, bytes);
        if (streq(name, REVOCATIONS))
                return l->has_revocations = grant_table_decode_revocations(m->grants, bytes);
        if (streq(name, MANUAL))
                return l->has_manual = grant_table_decode_manual(m->grants, bytes, l->now);
        /* without the grants the logs are read again, from as far back as a login counts */
        if (strncmp(name, SOURCE_PREFIX, strlen(SOURCE_PREFIX)) == 0 && l->has_grants)
                return take_position(m, name + strlen(SOURCE_PREFIX), bytes);
        return true;
}

static void on_section(void *userdata, const char *name, Span bytes, const char *damage) {
        Loading *l = userdata;

        errno = 0;
        if (!damage && !take_section(l, name, bytes))
                damage = "its bytes make no sense";
        /* no other way leads through all of the decoding, and what was left out for it would be lost */
        if (errno == ENOMEM)
                l->shortage = -ENOMEM;
        if (!damage || l->shortage < 0)
                return;
        l->is_damaged = true;
        log_warning("%s: section \"%s\" is damaged (%s) and left out; what it held is taken from elsewhere "
                    "where that is possible",
                l->path, name[0] ? name : "(unknown)", damage);
}

/* Returns 0, also if the file is damaged, or -errno after it has said why it is not believed; -ENOENT and a
 * shortage are not worth a word. */
static int load(Loading *l) {
        const char *reason;
        int r = state_file_load(l->path, on_section, l, &reason);

        if (is_shortage(r))
                l->shortage = r;
        if (l->shortage < 0)
                return l->shortage;
        if (r < 0 && r != -ENOENT)
                log_warning("%s can't be used: %s", l->path, reason);
        return r;
}

/* Without them nobody knows whom a saved or published grant, or a line of the log, must not let in again. */
static int load_revocations(Manager *m, usec_t now) {
        Loading own = {.m = m, .path = m->revocations_path, .now = now},
                copy = {.m = m, .path = m->revocations_copy_path, .now = now};
        int r = load(&own), k;

        if (own.shortage < 0 || (r >= 0 && !own.is_damaged))
                return own.shortage;
        k = load(&copy);
        if (copy.shortage < 0 || (r == -ENOENT && k == -ENOENT))
                return copy.shortage;
        m->revocations_dirty = true;
        m->revocations_refused = r != -ENOENT;
        if (k >= 0 && copy.has_revocations)
                log_warning("%s is not whole; its copy %s is used", own.path, copy.path);
        else if (!own.has_revocations) {
                /* a grant of this second may bear the next one */
                (void) grant_table_revoke_all(m->grants, now + USEC_PER_SEC);
                log_error("what was revoked is not known any more: all grants end, only a login from now on "
                          "grants again, and users that were blocked must be blocked again (%s)",
                        own.path);
        }
        return 0;
}

static int load_state(Manager *m, usec_t now) {
        Loading l = {.m = m, .path = m->state_path, .now = now};
        int r = load(&l);

        if (l.shortage < 0 || r == -ENOENT)
                return l.shortage;
        if (r < 0 || l.is_damaged)
                put_aside(l.path);
        if (l.has_streams)
                return 0;
        /* the first message may be the rest of a torn one, which is what an attacker would write */
        for (size_t i = 0; i < m->n_inputs; i++)
                stream_state_gap(m->streams, m->inputs[i].source->name);
        return 0;
}

int manager_load_state(Manager *m) {
        usec_t now = time_now();
        int r;

        /* revocations first: they decide which of the grants may come back */
        r = load_revocations(m, now);
        m->revocations_dirty |= grant_table_clock_set(m->grants, now / USEC_PER_SEC, false);
        if (r >= 0)
                r = load_state(m, now);
        if (r < 0)
                return log_errno(LOG_ERR, r, "%s can't be read now, and nothing is done without it",
                        m->options.state_directory);
        /* at once: after the next crash the logs would be read again without it */
        r = m->revocations_dirty ? manager_save_revocations(m) : 0;
        if (r < 0)
                log_errno(LOG_ERR, r, "%s can't be written; it is tried again each minute",
                        m->revocations_path);
        m->save_failed = r < 0;
        return 0;
}

/* ---- published files ---- */

typedef struct Merging {
        Manager *m;
        NetworkSet in_delta; /* what the delta says decides */
        bool is_delta;
        uint32_t ttl; /* TTL= when the file was written */
        bool other_ttl;
        uint64_t now;
} Merging;

/* Whether the login that this was published for may be one that can't be read again. */
static bool is_forgotten(const Manager *m, const RelayEntry *entry) {
        if (span_equal_string(entry->how, RELAYLOGIN) || span_equal_string(entry->how, IMPORT))
                return true;
        for (size_t i = 0; i < m->n_inputs; i++)
                if (!m->inputs[i].source->ops->encode)
                        return true;
        return false;
}

static int on_published_record(void *userdata, Span key, Span value) {
        Merging *merging = userdata;
        RelayEntry entry;

        if (ip_network_parse(key, &entry.network) < 0 || relay_value_parse(value, &entry) < 0)
                return 0;
        if (merging->is_delta) {
                if (network_set_add(&merging->in_delta, &entry.network) < 0)
                        return -ENOMEM;
        } else if (network_set_has(&merging->in_delta, &entry.network))
                return 0;
        grant_table_restore(
                merging->m->grants, &entry, merging->ttl, is_forgotten(merging->m, &entry), merging->now);
        return 0;
}

/* What a grant's UNTIL is counted from. */
static void find_ttl(Merging *merging, CdbFile *file) {
        char value[RELAY_HEADER_BYTES];
        RelayHeader header;
        size_t size;

        merging->ttl = merging->m->config.policy.ttl;
        if (cdb_file_find(file, SPAN_LITERAL(RELAY_HEADER_KEY), value, sizeof(value), &size) <= 0 ||
                relay_header_parse(span_make(value, size), &header) < 0)
                return;
        merging->other_ttl |= header.ttl != merging->ttl;
        merging->ttl = (uint32_t) MIN(header.ttl, (uint64_t) UINT32_MAX);
}

/* Says why a published file was not read. Returns r. */
static int unread(const char *path, int r) {
        if (is_shortage(r))
                return log_errno(LOG_ERR, r, "%s can't be read now, and nothing is done without it", path);
        if (r < 0 && r != -ENOENT)
                log_errno(LOG_WARNING, r,
                        "the published %s can't be read; grants of the last minute may be missing", path);
        return r;
}

static int merge_file(Merging *merging, const char *path) {
        CdbFile file = CDB_FILE_INIT;
        int r = cdb_file_open(&file, path);

        if (r >= 0)
                find_ttl(merging, &file);
        if (r >= 0)
                r = cdb_file_each(&file, on_published_record, merging);
        cdb_file_close(&file);
        return unread(path, r);
}

int manager_merge_published(Manager *m) {
        Merging merging = {.m = m, .is_delta = true, .now = time_now() / USEC_PER_SEC};
        char delta[RELAY_PATH_BYTES];
        int r = left_pair_find_delta(m->relay_path, delta);

        if (r < 0)
                return is_shortage(unread(m->relay_path, r)) ? r : 0;
        /* without its delta a base is not to be believed: it may have a grant that was revoked since */
        if (r == 0) {
                log_warning(
                        "%s and its delta do not belong together; grants of the last minute may be missing",
                        m->relay_path);
                return 0;
        }
        r = merge_file(&merging, delta);
        if (r >= 0) {
                merging.is_delta = false;
                r = merge_file(&merging, m->relay_path);
        }
        network_set_done(&merging.in_delta);
        if (is_shortage(r))
                return r;
        /* with another TTL= in the files only the state knows when those logins were: it goes first */
        if (merging.other_ttl)
                (void) manager_save_state(m);
        return 0;
}
