# SPDX-License-Identifier: Apache-2.0
"""model: who must and who must not be allowed, by what was written and done.

Nothing here knows how the daemon works. An address has a history of events in the order in which they happened; what
follows from it is computed anew each time, twice: `low` is until when the address must be allowed, believing only what
the daemon cannot have missed, and `high` until when it may be, believing all that it may have seen. Where a log was
destroyed before it was surely read, or a change was not acknowledged, both part; nearly always they are the same.
"""

import math


class LogFile:
    """Lines that were written to one file: to one inode, or to the copy that was made of them."""

    def __init__(self, path):
        self.path = path
        self.destroyed = False
        self.seen = False  # the daemon had it open at a quiet point


class Event:
    """kind: login, logout, restart, grant, revoke. time: what the daemon takes for its time, in seconds.

    sure:    the daemon sees it, or has acknowledged it
    settled: it was published at a quiet point
    saved:   it was settled when the daemon stopped well, so it is in the state, and need not be read again
    session_sure: the daemon cannot have forgotten that the session is open
    """

    def __init__(self, kind, time, **more):
        self.kind = kind
        self.time = time
        self.end = more.get("end", time)  # when it was acknowledged, if by hand
        self.span = more.get("span", 0)  # of a grant, seconds
        self.key = more.get("key")
        self.sure = more.get("sure", True)
        self.session_sure = True
        self.settled = more.get("settled", False)
        self.saved = False
        self.files = more.get("files", [])
        self.stream = more.get("stream")  # one that can be torn
        self.halves = more.get("halves", False)

    def is_lost(self):
        return any(f.destroyed for f in self.files)


class Model:
    def __init__(self, ttl, max_session):
        self.ttl = ttl
        self.max_session = max_session
        self.addresses = {}  # text of the network as it is published -> events, oldest first

    def add(self, network, event):
        self.addresses.setdefault(network, []).append(event)
        return event

    def events(self):
        return (e for events in self.addresses.values() for e in events)

    # ---- what must and what may be ----

    def low(self, network, quiet):
        """Until when the network must be allowed; when not quiet, by what was settled alone."""
        until = last = revoked = -math.inf
        by_hand = False
        sessions = {}
        for e in self.addresses.get(network, []):
            if e.kind == "revoke":
                until = last = -math.inf
                by_hand = False
                sessions = {}
                revoked = e.end
            elif e.kind == "grant":
                if e.sure and e.time > revoked:
                    # one that lasts longer than TTL= is published for TTL= at a time
                    span = e.span if quiet else min(e.span, self.ttl)
                    until, by_hand, sessions = math.floor(e.time) + span, True, {}
            elif e.kind == "login":
                if not e.sure or not (quiet or e.settled) or e.time <= revoked:
                    continue
                last = max(last, math.floor(e.time))
                if e.key and e.session_sure and not by_hand and quiet:
                    sessions[e.key] = e.time
            else:
                for key in self._ended(e, sessions):
                    del sessions[key]
                    if e.sure:
                        last = max(last, math.floor(e.time))
        return max([until, last + self.ttl] + [math.floor(t) + self.max_session for t in sessions.values()])

    def high(self, network, quiet):
        """Until when the network may be allowed."""
        until = last = revoked = -math.inf
        sessions = {}
        for e in self.addresses.get(network, []):
            if e.kind == "revoke":
                if e.sure:
                    until = last = -math.inf
                    sessions = {}
                    revoked = e.time
            elif e.kind == "grant":
                until = max(until, e.end + e.span)
            elif e.kind == "login":
                if e.time <= revoked:
                    continue
                last = max(last, e.time)
                if e.key:
                    sessions[e.key] = e.time
            elif e.sure and (quiet or e.settled):
                for key in self._ended(e, sessions):
                    del sessions[key]
                    last = max(last, e.time)
        return max([until, last + self.ttl] + [t + self.max_session for t in sessions.values()])

    @staticmethod
    def _ended(event, sessions):
        if event.kind == "logout":
            return [key for key in sessions if key == event.key]
        return [key for key, opened in sessions.items() if math.floor(opened) <= math.floor(event.time)]

    # ---- what happens to what is known ----

    def settle(self):
        for e in self.events():
            e.settled = True
            for f in e.files:
                f.seen = True

    def save(self):
        """The daemon has stopped well, and its state is on the disk."""
        for e in self.events():
            e.saved = e.saved or e.settled

    def gap(self):
        """Lines may be missing: one half of what takes two lines, and the first of a stream that can be torn."""
        for e in self.events():
            if not e.settled and (e.halves or e.stream):
                e.sure = False

    def destroy(self, file, is_open):
        """The file is gone. is_open: the daemon lives, and holds it if it has ever seen it."""
        file.destroyed = True
        if not (is_open and file.seen):
            for e in self.events():
                if not e.settled and file in e.files:
                    e.sure = False
        self.gap()

    def start(self, now):
        """The daemon starts again, from what was saved and what can still be read."""
        for e in self.events():
            if e.saved or not e.files:
                continue
            # where a file was missed, what takes two lines and the first of a stream that can be torn do not count
            if not e.settled and (e.halves or e.stream):
                e.sure = False
            if e.is_lost():
                e.session_sure = False
                if not e.settled or e.kind != "login":
                    e.sure = False
            # a login that is stale by now extends nothing, and opens no session
            if e.kind == "login" and math.floor(e.time) + self.ttl <= now + 1:
                e.session_sure = False
