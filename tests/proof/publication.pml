/* SPDX-License-Identifier: Apache-2.0 */
/* publication.pml: base and delta between one writer (publish/publisher.c) and its readers (cdb/relay-lookup.c), for
 * spin(1). Two records are looked up together: a host's, and that of a network around it, which counts where the host
 * has none. A rename, and an open, is one step; between any two steps the writer may die, and any rename may fail.
 *
 * What must hold: a reader that does not end in doubt gets an answer that was the true one at some moment between the
 * last change that had been acknowledged when it began, and its end. So nothing acknowledged is undone, whatever files
 * it happens to find, and nothing is answered that never was.
 *
 * Each of the macros BREAK_… leaves out one rule of the protocol; spin must then find an error. */

#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef GENERATIONS
#define GENERATIONS 5
#endif

/* what a record says; in a delta NONE: no change, and ABSENT: revoked */
#define ABSENT 0
#define ALLOW 1
#define NEVER 2
#define NONE 3

#define ANSWER(host, network) (host == ALLOW || (host == ABSENT && network == ALLOW))

typedef File {
        byte generation;
        byte host;
        byte network
};

File base, delta;
byte host, network;          /* the daemon's table */
byte change, acknowledged;   /* how many changes there were, and up to which one somebody was told */
bool answer[CHANGES + 1];    /* by change: what was true after it */

#define PLACE(to, from)                                                                                              \
        to.generation = from.generation;                                                                            \
        to.host = from.host;                                                                                        \
        to.network = from.network

active proctype writer() {
        bool known = false, dirty = true, building = false;
        /* records that have changed since the snapshot of the base in place, and those since the last snapshot */
        bool changed_host = false, changed_network = false, later_host = false, later_network = false;
        byte generation, used;
        File new_base, new_delta;

        /* what a predecessor has left in place */
        d_step {
                base.generation = 1;
                delta.generation = 1;
                delta.host = NONE;
                delta.network = NONE;
                used = 1
        }
        do
        /* publisher_put(): what one turn of the loop changes is written together */
        :: change < CHANGES ->
                atomic {
                        if
                        :: host = (host + 1) % 3; later_host = known
                        :: host = (host + 2) % 3; later_host = known
                        :: network = 1 - network; later_network = known
                        :: host = (host + 1) % 3; network = 1 - network; later_host = known; later_network = known
                        :: host = (host + 2) % 3; network = 1 - network; later_host = known; later_network = known
                        fi;
                        changed_host = changed_host || later_host;
                        changed_network = changed_network || later_network;
                        change++;
                        answer[change] = ANSWER(host, network);
                        dirty = true
                }

        /* write_delta() */
        :: known && dirty ->
                d_step {
                        new_delta.generation = generation;
                        new_delta.host = (changed_host -> host : NONE);
                        new_delta.network = (changed_network -> network : NONE)
                }
                if
                :: d_step { PLACE(delta, new_delta); dirty = false; acknowledged = change }
                :: true /* failed */
                :: goto dies
                fi

        /* fork_base(): the snapshot is taken here, and written beside the loop */
#ifdef BREAK_SNAPSHOT
        :: known && !building && generation < GENERATIONS ->
#else
        :: known && !building && !dirty && generation < GENERATIONS ->
#endif
                d_step {
                        new_base.generation = generation + 1;
                        new_base.host = host;
                        new_base.network = network;
                        if
                        :: used < generation + 1 -> used = generation + 1
                        :: else
                        fi;
                        later_host = false;
                        later_network = false;
                        building = true
                }
        :: building -> building = false /* the child failed */

        /* commit_base() */
        :: building && known ->
                d_step {
                        building = false;
                        new_delta.generation = new_base.generation;
                        new_delta.host = (later_host -> host : NONE);
                        new_delta.network = (later_network -> network : NONE)
                }
                if
                :: d_step {
                        PLACE(base, new_base);
                        generation = new_base.generation;
                        changed_host = later_host;
                        changed_network = later_network;
                        dirty = true
                }
                        if
                        :: d_step { PLACE(delta, new_delta); dirty = false; acknowledged = change }
                        :: true
                        :: goto dies
                        fi
                :: true
                :: goto dies
                fi

        /* write_both(): at start, after damage, when the clock was set */
        :: !known && used < GENERATIONS ->
                d_step {
                        building = false;
                        used++;
                        new_base.generation = used;
                        new_base.host = host;
                        new_base.network = network;
                        new_delta.generation = used;
                        new_delta.host = NONE;
                        new_delta.network = NONE
                }
                if
#ifdef BREAK_ORDER
                :: d_step { PLACE(base, new_base) }
                        if
                        :: d_step { PLACE(delta, new_delta); known = true }
#else
                :: d_step { PLACE(delta, new_delta) }
                        if
                        :: d_step { PLACE(base, new_base); known = true }
#endif
                        :: true
                        :: goto dies
                        fi;
                        d_step {
                                if
                                :: known -> generation = used; dirty = false; acknowledged = change
                                :: else
                                fi;
                                changed_host = false;
                                changed_network = false;
                                later_host = false;
                                later_network = false
                        }
                :: true
                :: goto dies
                fi
        :: known -> known = false

        /* SIGKILL: only the files are left. The table comes back from the state, the files (between the renames of
         * write_both() the delta that left_pair_keep() has kept) and the log. */
        :: true ->
dies:           skip;
                d_step {
                        known = false;
                        dirty = true;
                        building = false;
                        changed_host = false;
                        changed_network = false;
                        later_host = false;
                        later_network = false;
                        generation = 0;
                        used = (base.generation > delta.generation -> base.generation : delta.generation)
                }
        od
}

/* One is enough: readers change nothing, and so not each other. */
active proctype reader() {
        File b, d;
        byte oldest, i;
        bool got, found;

        do
        :: d_step { oldest = acknowledged; PLACE(d, delta) };
again:          skip;
                d_step { PLACE(b, base) };
                if
                :: b.generation == d.generation + 1 ->
#ifndef BREAK_REOPEN
                        d_step { PLACE(d, delta) };
#endif
                        if
                        :: b.generation == d.generation || b.generation == d.generation + 1 -> goto answers
                        :: else
                        fi
                :: b.generation == d.generation -> goto answers
                :: else
                fi;
                if
                :: goto doubt /* tries and time are over */
                :: d_step { PLACE(d, delta) }; goto again
                fi;
answers:        skip;
                d_step {
                        if
                        :: d.host != NONE -> b.host = d.host
                        :: else
                        fi;
                        if
                        :: d.network != NONE -> b.network = d.network
                        :: else
                        fi;
                        got = ANSWER(b.host, b.network);
                        found = false;
                        i = oldest;
                        do
                        :: i <= change -> found = found || (answer[i] == got); i++
                        :: else -> break
                        od;
                        assert(found)
                }
doubt:          skip;
                d_step {
                        b.generation = 0;
                        b.host = 0;
                        b.network = 0;
                        d.generation = 0;
                        d.host = 0;
                        d.network = 0;
                        oldest = 0;
                        i = 0;
                        got = false;
                        found = false
                }
        od
}
