# SPDX-License-Identifier: Apache-2.0
"""model: who must and who must not be allowed, by what was written and done.

Nothing here knows how the daemon works. An address has a history of events in the order in which they happened; what
follows from it is computed anew each time, twice: `low` is until when the address must be allowed, believing only what
the daemon cannot have missed, and `high` until when it may be, believing all that it may have seen. Where a log was
destroyed before it was surely read, or a change was not acknowledged, both part; nearly always they are the same.
"""

import fnmatch
import heapq
import ipaddress
import math


class Place:
    """What a line can be read from again: a file (its inode, or the copy that was made of it), an entry of the journal,
    or something that can be read but once: a FIFO, whose lines stay in it until they were made use of, or a socket.
    """

    def __init__(self, path=None, once=None):
        self.path = path
        self.once = once  # "fifo", "datagram"
        self.destroyed = False
        self.seen = False  # the daemon had it open at a quiet point
        self.events = []


class Policy:
    """The part of the configuration that says who may be granted. Addresses and users are those of Client."""

    def __init__(self, ttl, never=(), deny_users=()):
        self.ttl = ttl
        self.never = [ipaddress.ip_network(n) for n in never]
        self.deny_users = list(deny_users)

    def denies(self, client):
        """None, "address", or "user": then what was granted by hand stays."""
        address = ipaddress.ip_address(client.address)
        if any(address in n for n in self.never if n.version == address.version):
            return "address"
        if any(fnmatch.fnmatchcase(client.user, glob) for glob in self.deny_users):
            return "user"
        return None


class Event:
    """kind: login, logout, restart, grant, revoke, block, unblock, policy. time: what the daemon takes for its time, in
    seconds; late: no later than that, where it can't be known exactly.

    sure:    the daemon sees it, or has acknowledged it
    settled: it was published at a quiet point
    saved:   it was settled when the daemon stopped well, so it is in the state, and need not be read again
    passed:  it may have been read when the daemon stopped well, and then it is not read again
    session_sure: the daemon cannot have forgotten that the session is open
    named:   the daemon knows whose login it was
    longer:  when it crashed, more was published than the login itself gives: its session was open, or TTL= had changed. Who
             was that for? The line, read again, does not tell
    timed:   it knows when that was
    again:   it was settled before a crash, and is to be read again
    """

    def __init__(self, kind, time, **more):
        self.kind = kind
        self.time = time
        self.late = more.get("late", time)
        self.end = more.get("end", time)  # when it was acknowledged, if by hand
        self.span = more.get("span", 0)  # of a grant, seconds
        self.key = more.get("key")
        self.policy = more.get("policy")
        self.sure = more.get("sure", True)
        self.session_sure = self.named = self.timed = True
        self.longer = False
        self.settled = more.get("settled", False)
        self.saved = self.passed = self.again = False
        self.source = more.get("source")  # the input it came by: its sessions, streams and halves are its own
        self.stream = more.get("stream")  # one that can be torn
        self.halves = more.get("halves", False)
        self.written = more.get("written")
        self.number = 0
        self.files = []
        for place in more.get("files", []):
            self.read_from(place)

    def read_from(self, place):
        self.files.append(place)
        place.events.append(self)

    def is_lost(self):
        return any(f.destroyed for f in self.files)

    def is_read_once(self):
        return any(f.once for f in self.files)

    def __str__(self):
        words = [f"{self.number:6} {self.kind} {self.time:.6f}"]
        if self.late != self.time:
            words.append(f"at the latest {self.late:.6f}")
        if self.end != self.time:
            words.append(f"acknowledged {self.end:.6f}")
        words += [f"{name}={getattr(self, name)}" for name in ("span", "key", "source", "stream") if getattr(self, name)]
        words += [name for name in ("settled", "saved") if getattr(self, name)]
        if not self.sure:
            words.append("perhaps not seen")
        if self.key and not self.session_sure:
            words.append("session perhaps forgotten")
        if not self.named:
            words.append("user perhaps forgotten")
        if self.is_lost():
            words.append("its file is gone")
        if self.policy:
            p = self.policy
            words.append(f"TTL={p.ttl} Never={' '.join(map(str, p.never))} DenyUsers={' '.join(p.deny_users)}")
        return " ".join(words)


class Model:
    def __init__(self, policy, max_session, publish_users):
        self.max_session = max_session
        self.publish_users = publish_users
        self.number = 0
        self.addresses = {}  # text of the network as it is published -> events, oldest first
        self.clients = {}  # the same -> who logs in there
        self.policies = [Event("policy", 0, policy=policy, sure=False)]

    def add(self, client, event):
        self.number += 1
        event.number = self.number
        self.clients[client.network] = client
        self.addresses.setdefault(client.network, []).append(event)
        return event

    def events(self):
        return (e for events in self.addresses.values() for e in events)

    # ---- policies ----

    def policy(self):
        return self.policies[-1].policy

    def set_policy(self, policy, time, sure):
        """From now on it is what the daemon reads. sure: it has, and has published what follows from that."""
        self.number += 1
        event = Event("policy", time, policy=policy, sure=sure)
        event.number = self.number
        self.policies.append(event)

    def obey_policies(self):
        for p in self.policies:
            p.sure = True

    def _ttls(self, number):
        """TTL= when the event of this number happened, and all since."""
        before = [p.policy.ttl for p in self.policies if p.number <= number]
        return before[-1:] + [p.policy.ttl for p in self.policies if p.number > number]

    def _denied(self, client):
        """Whatever the daemon may think of now, it denies this."""
        sure = [i for i, p in enumerate(self.policies) if p.sure]
        if not sure:
            return None
        verdicts = [p.policy.denies(client) for p in self.policies[sure[-1] :]]
        return None if None in verdicts else ("user" if "user" in verdicts else "address")

    # ---- what must and what may be ----

    def history(self, network):
        return heapq.merge(self.addresses.get(network, []), self.policies, key=lambda e: e.number)

    def low(self, network, quiet):
        """Until when the network must be allowed; when not quiet, by what was settled alone."""
        until = last = revoked = -math.inf
        number = 0  # of what `last` is of
        by_hand = blocked = False
        denied = None
        sessions = {}
        client = self.clients[network]
        for e in self.history(network):
            if e.kind == "policy":
                denied = e.policy.denies(client)
                if denied:
                    last, sessions = -math.inf, {}
                if denied == "address":
                    until, by_hand = -math.inf, False
            elif e.kind in ("revoke", "block"):
                until = last = -math.inf
                by_hand, sessions = False, {}
                revoked = e.end
                blocked |= e.kind == "block"
            elif e.kind == "unblock":
                blocked &= not e.sure
            elif e.kind == "grant":
                if e.sure and e.time > revoked and not blocked and denied != "address":
                    # one that lasts longer than TTL= is published for TTL= at a time
                    span = e.span if quiet else min(e.span, min(self._ttls(e.number)))
                    until, by_hand, sessions = math.floor(e.time) + span, True, {}
            elif e.kind == "login":
                if not e.sure or not (quiet or e.settled) or e.time <= revoked or blocked or denied:
                    continue
                if math.floor(e.time) > last:
                    last, number = math.floor(e.time), e.number
                if e.key and e.session_sure and not by_hand and quiet:
                    sessions[e.key] = e
            else:
                for key in self._ended(e, sessions):
                    del sessions[key]
                    if e.sure and math.floor(e.time) > last:
                        last, number = math.floor(e.time), e.number
        ends = [math.floor(e.time) + self.max_session for e in sessions.values()]
        return max([until, last + min(self._ttls(number))] + ends)

    def high(self, network, quiet, now):
        """Until when the network may be allowed."""
        until = last = revoked = -math.inf
        blocked = False
        sessions = {}
        events = self.addresses.get(network, [])
        for e in events:
            if e.kind in ("revoke", "block") and e.sure:
                revoked = max(revoked, e.time)
                blocked |= e.kind == "block"
            elif e.kind == "unblock":
                blocked = False
        denied = self._denied(self.clients[network])
        if denied == "address":
            return -math.inf
        for e in events:
            if e.kind == "grant" and e.end > revoked:
                until = max(until, e.end + e.span)
        # whose user was forgotten can't be denied by it, and whose grant was given by hand is not
        for e in events:
            late = min(e.late, now)
            if denied and e.kind == "login" and late > revoked:
                denied = denied if e.named else None
                if late <= until:
                    until = max(until, late + max(self._ttls(e.number)))
        if blocked or (denied and until <= now):
            return until
        for e in events:
            late = min(e.late, now)
            if e.kind == "login":
                if late > revoked:
                    last = max(last, late + max(self._ttls(e.number)))
                    if e.key:
                        sessions[e.key] = e
            elif e.kind in ("logout", "restart") and e.sure and (quiet or e.settled):
                for key in self._ended(e, sessions):
                    del sessions[key]
                    last = max(last, late + max(self._ttls(e.number)))
        return max([until, last] + [min(e.late, now) + self.max_session for e in sessions.values()])

    @staticmethod
    def _ended(event, sessions):
        if event.kind == "logout":
            return [key for key in sessions if key == event.key]
        return [
            key
            for key, login in sessions.items()
            if login.source == event.source and math.floor(login.late) <= math.floor(event.time)
        ]

    # ---- what happens to what is known ----

    def settle(self, now):
        for e in self.events():
            e.again = False
            if not e.settled:
                e.settled = True
                e.late = min(e.late, now)
            e.named |= self.can_be_read_again(e) and not (e.longer or self.may_be_doubted(e))
            for f in e.files:
                f.seen = True

    @staticmethod
    def can_be_read_again(event):
        return bool(event.files) and not event.is_lost() and not event.is_read_once()

    @staticmethod
    def may_be_doubted(event):
        """Read again, it may not be believed."""
        return event.halves or event.stream

    def crash(self):
        """What was published is known, but not by whose login, if that is not published."""
        for e in self.events():
            e.again = e.settled and not e.saved
            e.longer |= bool(e.key) or len(set(self._ttls(e.number))) > 1
            # an imported login has none in any case
            e.named &= (self.publish_users and bool(e.files)) or (e.saved and not e.longer) or e.kind != "login"
            if not e.timed and not e.saved:
                e.settled = False
                e.sure &= self.can_be_read_again(e)

    def forget_times(self):
        """Another TTL= stands in the published files, and nothing could be saved before: how old is what they have?"""
        for e in self.events():
            e.timed = False

    def judge_again(self, is_start):
        """The daemon looks at its policy. A grant without a name can't be judged by it, and ends, with all that it was
        given for; with the line, if that is read then, it comes back.
        """
        if not self.policy().deny_users:
            return
        for events in self.addresses.values():
            logins = [e for e in events if e.kind == "login"]
            if all(e.named for e in logins):
                continue
            for e in logins:
                is_read = e.named or e.passed if is_start else e.named or e.longer or self.may_be_doubted(e)
                e.settled = False
                e.sure &= self.can_be_read_again(e) and not is_read
                e.named = True

    def save(self):
        """The daemon has stopped well, and its state is on the disk."""
        for e in self.events():
            e.saved |= e.settled and not e.again
            e.passed = True

    def gap(self, source):
        """Lines of it may be missing: one half of what takes two, and the first of a stream that can be torn."""
        for e in self.events():
            if not e.settled and e.source == source and self.may_be_doubted(e):
                e.sure = False

    def destroy(self, place, is_open):
        """It is gone. is_open: the daemon lives, and holds it if it has ever seen it."""
        place.destroyed = True
        if is_open and place.seen:
            return
        for e in place.events:
            if not e.settled:
                e.sure = False

    def lose(self, once):
        """The daemon has ended, or could not publish, and what it has read of these is lost."""
        for e in self.events():
            if not e.settled and any(f.once == once for f in e.files):
                e.sure = False

    def note_stale(self, now):
        """A login that may have been stale when it was read extends nothing, and has opened no session."""
        for e in self.events():
            if e.kind == "login" and e.key and not e.settled and math.floor(e.time) + min(self._ttls(e.number)) <= now + 1:
                e.session_sure = False

    def start(self, now):
        """The daemon has started again, from what was saved and what could still be read."""
        for e in self.events():
            if e.saved:
                continue
            if not e.files:
                continue
            # where a file was missed, what takes two lines and the first of a stream that can be torn do not count
            if not e.settled and self.may_be_doubted(e):
                e.sure = False
            if e.is_lost() or e.is_read_once():
                e.session_sure = False
                if e.kind != "login" or (not e.settled and e.is_lost()):
                    e.sure = False
            # a login that is stale by now extends nothing, and opens no session
            if e.kind == "login" and math.floor(e.time) + min(self._ttls(e.number)) <= now + 1:
                e.session_sure = False
