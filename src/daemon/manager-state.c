/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon keeps over a restart: two files of sections. Revocations have one of their own, because
 * they must be on the disk before they are acknowledged; the rest is written each minute in which something
 * changed. */

#include "daemon/manager.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/log.h"
#include "cdb/cdb-file.h"
#include "cdb/relay-lookup.h"
#include "state/state-file.h"

#define SOURCE_PREFIX "source:"

int manager_save_state(Manager *m) {
        StateSection sections[STATE_FILE_SECTIONS_MAX];
        ByteWriter bytes[STATE_FILE_SECTIONS_MAX] = {0};
        char *names[STATE_FILE_SECTIONS_MAX] = {0};
        size_t n = 0;
        int r = 0;

        names[n] = strdup("grants");
        grant_table_encode(m->grants, &bytes[n++]);
        names[n] = strdup("streams");
        stream_state_encode(m->streams, &bytes[n++]);
        for (size_t i = 0; i < m->n_inputs && n < STATE_FILE_SECTIONS_MAX; i++) {
                /* what can't be read again has no position */
                if (!m->inputs[i].source->ops->encode)
                        continue;
                if (asprintf(&names[n], SOURCE_PREFIX "%s", m->inputs[i].source->name) < 0)
                        names[n] = NULL;
                source_encode(m->inputs[i].source, &bytes[n++]);
        }
        for (size_t i = 0; i < n; i++) {
                if (!names[i] || bytes[i].failed)
                        r = -ENOMEM;
                sections[i] = (StateSection){names[i], span_make(bytes[i].data, bytes[i].size)};
        }
        if (r >= 0)
                r = state_file_save(m->state_path, sections, n);
        for (size_t i = 0; i < n; i++) {
                byte_writer_done(&bytes[i]);
                free(names[i]);
        }
        if (r >= 0)
                m->state_dirty = false;
        return r;
}

int manager_save_revocations(Manager *m) {
        _cleanup_(byte_writer_done) ByteWriter bytes = BYTE_WRITER_INIT;
        StateSection section = {.name = "revocations"};
        int r;

        grant_table_encode_revocations(m->grants, &bytes);
        if (bytes.failed)
                return -ENOMEM;
        section.bytes = span_make(bytes.data, bytes.size);
        r = state_file_save(m->revocations_path, &section, 1);
        if (r >= 0)
                m->revocations_dirty = false;
        return r;
}

static void on_section(void *userdata, const char *name, Span bytes, bool damaged) {
        Manager *m = userdata;
        bool ok = !damaged;

        if (ok && streq(name, "grants"))
                ok = grant_table_decode(m->grants, bytes, time_now());
        else if (ok && streq(name, "revocations"))
                ok = grant_table_decode_revocations(m->grants, bytes);
        else if (ok && streq(name, "streams"))
                ok = stream_state_decode(m->streams, bytes);
        else if (ok && strncmp(name, SOURCE_PREFIX, strlen(SOURCE_PREFIX)) == 0)
                for (size_t i = 0; i < m->n_inputs; i++)
                        if (streq(name + strlen(SOURCE_PREFIX), m->inputs[i].source->name))
                                ok = source_decode(m->inputs[i].source, bytes);
        if (!ok)
                log_warning("the saved state's section \"%s\" is damaged; it is left out and what it held "
                            "is read "
                            "again from the logs where that is possible",
                        name[0] ? name : "(unknown)");
}

static void load(Manager *m, const char *path) {
        _cleanup_free_ char *aside = NULL;
        int r = state_file_load(path, on_section, m);

        if (r >= 0 || r == -ENOENT)
                return;
        if (r == -EBADMSG && asprintf(&aside, "%s.damaged", path) >= 0 && rename(path, aside) >= 0)
                log_warning("%s is not a saved state of this version; it is kept as %s", path, aside);
        else
                log_errno(LOG_WARNING, r, "the saved state %s can't be read; starting without it", path);
}

void manager_load_state(Manager *m) {
        /* revocations first: they decide which of the grants may come back */
        load(m, m->revocations_path);
        load(m, m->state_path);
}

/* ---- published files ---- */

typedef struct Merging {
        Manager *m;
        NetworkSet in_delta; /* what the delta says decides */
        bool is_delta;
        uint64_t now;
} Merging;

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
        grant_table_restore(merging->m->grants, &entry, merging->now);
        return 0;
}

static int merge_file(Merging *merging, const char *path) {
        CdbFile file = CDB_FILE_INIT;
        int r = cdb_file_open(&file, path);

        if (r >= 0)
                r = cdb_file_each(&file, on_published_record, merging);
        cdb_file_close(&file);
        if (r < 0 && r != -ENOENT)
                log_errno(LOG_WARNING, r,
                        "the published %s can't be read; grants of the last minute may be missing", path);
        return r;
}

void manager_merge_published(Manager *m) {
        Merging merging = {.m = m, .is_delta = true, .now = time_now() / USEC_PER_SEC};
        char delta[PATH_MAX];

        if (relay_delta_path(delta, m->relay_path) < 0)
                return;
        /* without its delta a base is not to be believed: it may have a grant that was revoked since */
        if (merge_file(&merging, delta) >= 0) {
                merging.is_delta = false;
                (void) merge_file(&merging, m->relay_path);
        }
        network_set_done(&merging.in_delta);
}
