/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The daemon: owns the event loop and one of each room, and wires them. Its members are open to the files of
 * daemon/ only. */

#include <systemd/sd-event.h>

#include "control/control-server.h"
#include "control/lookup-server.h"
#include "daemon/config.h"
#include "daemon/descriptors.h"
#include "daemon/host-addresses.h"
#include "daemon/name-resolver.h"
#include "grant/grant-table.h"
#include "loop/forked-writer.h"
#include "match/pattern-set.h"
#include "publish/event-log.h"
#include "publish/publisher.h"
#include "publish/tcprules-output.h"
#include "source/login-server.h"
#include "source/source.h"

typedef struct ManagerOptions {
        const char *config_path;
        bool config_optional;
        const char *patterns_directory; /* NULL: what the configuration says */
        const char *runtime_directory, *state_directory;
        Descriptors *descriptors; /* from systemd; borrowed, each is taken by whoever uses it */
        bool journal;             /* standard error is the journal */
} ManagerOptions;

/* A source and the patterns that its lines go to. */
typedef struct Input {
        Source *source;
        PatternSelection selection; /* empty: by identifier */
        bool attached;
        bool is_fifo;
        bool held;   /* a FIFO of a unit, which need not be stored */
        bool stored; /* a FIFO that came from the store */
} Input;

/* What has been logged of one kind of trouble on the look-up sockets. */
typedef struct LookupTold {
        usec_t at;
        uint64_t since; /* how often it happened after that */
} LookupTold;

/* Kept as it came: it is asked for far less often than there is another. */
typedef struct LastLogin {
        usec_t at; /* 0: there was none */
        IpAddr address;
        char user[RELAY_USER_MAX_BYTES];
        size_t user_size;
        char pattern[RELAY_HOW_MAX_BYTES + 1];
} LastLogin;

#define LAST_LOGIN_BYTES 512

typedef struct Manager {
        ManagerOptions options;
        sd_event *event;
        sd_event_source *expire, *save, *tick, *post, *signals[3];
        Config config;
        PatternSet *patterns;
        StreamState *streams;
        Input *inputs;
        size_t n_inputs;
        GrantTable *grants;
        Publisher *publisher;
        TcprulesOutput *tcprules;
        EventLog *event_log;
        ControlServer *control;
        LookupServer *lookup; /* NULL: there was no memory */
        LookupTold lookup_told[_LOOKUP_TROUBLE_MAX];
        LoginServer *logins; /* NULL: no login socket */
        HostAddresses *host;
        NameResolver *names; /* NULL: ResolveNames=no */

        char *relay_path, *state_path, *revocations_path, *revocations_copy_path;
        uint64_t due; /* seconds: what the expiry timer is set to */
        bool behind;  /* since the start some source has not been read to its end */
        bool state_dirty, revocations_dirty, status_dirty;
        bool revocations_refused;       /* the file in their place is to be put aside */
        bool save_failed, state_failed; /* of the revocations, of the state */
        ForkedWriter saver;             /* writes the state */
        usec_t status_told, started;
        usec_t tick_usec;
        bool watchdog;
        int64_t clock_offset; /* wall clock − time_boot() when it was last looked at, usec */
        bool clock_stepped;   /* since grants were last judged */
        PublisherReport report;
        int told_error; /* of the publisher, that was logged */
        TcprulesReport tcprules_report;

        uint64_t stale, suppressed, expired, refused;
        usec_t stale_warned, suppressed_warned;
        uint64_t kept_fifos; /* which FIFOs the descriptor store has, a sum of their inodes; 0: none */
        LastLogin last_login;
        const char *refusal; /* why the last login that was refused was; static */
} Manager;

/* The last login as "ADDRESS USER PATTERN". Returns buf. */
const char *manager_last_login(const Manager *m, char buf[static LAST_LOGIN_BYTES]);

/* Reads the configuration and the state, publishes, opens everything. What is somebody else's fault (a full
 * disk, an unreadable log) is logged and shown in the status, and the daemon goes on. Returns 0, or -errno
 * after it has logged why it can't go on. */
int manager_new(const ManagerOptions *options, Manager **ret);
Manager *manager_free(Manager *m);

DEFINE_CLEANUP(Manager *, manager_free)

/* Runs until it is told to stop, then saves the state. Returns 0 or -errno. */
int manager_run(Manager *m);

/* Reads configuration and patterns again. On failure nothing has changed, and reterr has file:line: reason.
 */
int manager_reload(Manager *m, IniError *reterr);

/* Publishes all changes and makes revocations durable, synchronously. Returns 0 or -errno. */
int manager_settle(Manager *m);

/* Hears of a step of the clock; to be called before anything ends by the new time. */
void manager_notice_clock(Manager *m);

/* The pattern of logins that relaylogin(1) has told of, and of those that `authrelayctl import` has. */
#define RELAYLOGIN "relaylogin"
#define IMPORT "import"

/* manager-flow.c */
void manager_on_record(void *userdata, Source *source, const Record *record);
void manager_on_named(void *userdata, const Login *login);
void manager_on_settle(void *userdata);
void manager_on_note(void *userdata, Source *source, SourceNote note, const char *text);
void manager_on_grant_event(void *userdata, const GrantEvent *event);
void manager_on_claim(void *userdata, const LoginClaim *claim);
int manager_on_snapshot(void *userdata, PublisherSink *sink);
/* Gives every record that is published now to `each`. Returns 0 or what that returned. */
int manager_each_record(
        void *userdata, int (*each)(void *userdata, const RelayEntry *entry), void *each_userdata);

/* manager-input.c */
/* Makes the sources that the configuration asks for, not attached yet. The caller frees them with
 * manager_free_inputs(). Returns 0 or -errno with file:line: reason. */
int manager_make_inputs(Manager *m, const Config *config, const PatternSet *patterns, Input **ret,
        size_t *ret_n, IniError *reterr);
void manager_free_inputs(Input *inputs, size_t n);
/* Has these sources go on where the manager's sources of the same names are. */
void manager_hand_over_positions(const Manager *m, Input *inputs, size_t n);
/* At start: which FIFOs systemd holds for the daemon. */
void manager_find_kept_fifos(Manager *m);
/* Has systemd hold the FIFOs that the daemon opened by itself, so that a restart or a crash does not close
 * them on their writers. */
void manager_keep_fifos(Manager *m);
/* Warns of what systemd passes and nobody reads. */
void manager_warn_of_idle(const Manager *m);

/* manager-login.c */
/* Opens the login socket if there is to be one, and goes on with its connections. */
void manager_open_logins(Manager *m);
/* Gives the connections to systemd, which gives them to the next daemon. */
void manager_keep_logins(const Manager *m);

/* manager-state.c */
/* Returns 0, whatever is damaged; or -errno, logged, when what may be good can't be read for want of memory
 * or descriptors: the daemon must not go on, nor save anything, without it. */
int manager_load_state(Manager *m);
/* Saves grants, streams and positions; they are on the disk when it returns. Returns 0, or -errno after it
 * has been logged, once until it succeeds. */
int manager_save_state(Manager *m);
/* Has a child do it; as long as that writes, what comes in is saved with the next. What fails makes the
 * state dirty again. Where none can be forked it is done here. */
void manager_begin_saving_state(Manager *m);
int manager_save_revocations(Manager *m);
/* Takes back the grants that were published after the state was saved. Returns as manager_load_state(). */
int manager_merge_published(Manager *m);

/* manager-lookup.c */
/* Answers on the look-up sockets that systemd has passed, and `by_hand` on one of its own. What can't be
 * opened is logged, and the daemon goes on. */
void manager_open_lookup(Manager *m, bool by_hand);

/* manager-outputs.c */
int manager_open_outputs(Manager *m);
/* Goes by m->config from now on. */
void manager_configure_outputs(Manager *m);
/* Leaves every file that carries no expiry with its static part alone, without a manager. Returns 0, or
 * -errno after it has logged why. */
int manager_write_static(const ManagerOptions *options);

/* manager-control.c */
extern const ControlHandlers manager_control_handlers;
