# SPDX-License-Identifier: Apache-2.0
"""schedule: what happens to one daemon, as a seed decides it: what is written to its inputs, done by hand and done to it,
and the comparisons with the model in between.

The schedule asks neither clock nor daemon what to do next: all lots are drawn before anything is done, so a seed is the
same schedule again. What the daemon has come to by then is another matter, so a failure may need some tries.
"""

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

from daemon import BIN, PATIENCE, Daemon, Doubt, Failure
from inputs import ATTACKER, Fifo, LinkedLog, Log, Multilog, SyslogSocket
from journal import Journal
from model import Event, Model, Place, Policy

ADDRESSES = 20  # clients over IPv4; half as many networks of clients over IPv6
TOLERANCE = 1.5  # whole seconds are published, and a login may be taken for one of the next second
DISK_BYTES = 4 << 20
MAX_SESSION = 48
TTLS = [16, 20, 24]  # below 16 there is no slack to tell a grant of a revocation's second by after a crash
CROWD = 2400  # more than a base that the daemon writes itself may have

VARIANTS = {
    "log": "one log",
    "logs": "several logs, a FIFO, the syslog socket, the login socket",
    "journal": "the journal",
    "mixed": "the journal and logs",
    "crowd": "a log, and a table that is written by a child",
}


class Client:
    """One who logs in: an address, and the network that is granted for it."""

    def __init__(self, user, address, network=None):
        self.user = user
        self.address = address
        self.network = network or address


def usual_client(number):
    if number < ADDRESSES:
        return Client(f"user{number // 2}", f"198.51.100.{number + 1}")
    return Client(f"user{number // 2}", f"2001:db8:0:{number:x}::7", f"2001:db8:0:{number:x}::/64")


class Schedule:
    def __init__(self, variant, seed, kills, work, has_disks):
        self.random = random.Random(f"{variant} {seed}")
        self.variant = variant
        self.kills_wanted = kills
        self.has_disks = has_disks
        self.work = work
        self.begun = time.time()
        self.trace = []
        self.counts = {}
        self.disks = {name: os.path.join(work, name) for name in ("run", "state", "log")}
        for path in self.disks.values():
            os.mkdir(path)
            if has_disks:
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", path], check=True)
        self.daemon = Daemon(work, self.disks["run"], self.disks["state"], self.count)
        self.publish_users = self.random.random() < 0.5
        if self.random.random() < 0.5 and has_disks:
            self.daemon.tcprules = os.path.join(self.disks["run"], "tcp.smtp.cdb")
        self.model = Model(Policy(self.random.choice(TTLS)), MAX_SESSION, self.publish_users)
        self.clients = [usual_client(i) for i in range(ADDRESSES + ADDRESSES // 2)]
        for client in self.clients:
            self.model.clients[client.network] = client
        self.crowd = [Client(f"crowd{i}", f"5.{i >> 16}.{i >> 8 & 255}.{i & 255}") for i in range(CROWD)]
        self.attacker = Client("eve", ATTACKER)
        self.pid = 1000
        self.guests = 0
        self.revoked_all = []  # (begun, end, surely)
        self.nested = 0  # what is done in the middle of something else
        self.marker = 0
        self.held = 0  # the last revocation counts up to then
        self.open_keys = []  # (client, key, input)
        self.connected = []  # (client, pid, input, Written or None, gaps that were known then)
        self.blocked = []  # users
        self.restarted = False
        self.full = set()  # names of disks
        self.was_full = False  # nothing could be published, at some time since the last quiet point
        self.kills = 0
        self.published_once = False
        self.published_ttl = self.model.policy().ttl
        self.wrong = []  # (client, what)
        self.inputs = self.make_inputs()
        self.configure()

    def make_inputs(self):
        directory = self.disks["log"]
        kinds = {"plain": Log, "linked": LinkedLog, "multilog": Multilog}
        dated = self.random.random() < 0.3
        first = self.random.choice(["plain", "plain", "linked"])
        persistent = self.random.random() < 0.5
        if self.variant == "journal":
            return [Journal("journal", self, persistent)]
        inputs = [kinds[first]("mail.log", self, directory) if first != "plain" else Log("mail.log", self, directory, dated)]
        if self.variant == "logs":
            inputs += [
                Log("other.log", self, directory, not dated), Multilog("multilog", self, directory),
                Fifo("fifo", self, self.work), SyslogSocket("syslog", self, self.disks["run"]),
            ]  # fmt: skip
        elif self.variant == "mixed":
            inputs += [Multilog("multilog", self, directory), Journal("journal", self, persistent)]
        return inputs

    # ---- telling ----

    def note(self, text):
        self.trace.append(f"{time.time() - self.begun:9.3f} {self.model.number:6} {text}")

    def count(self, what, n=1):
        self.counts[what] = self.counts.get(what, 0) + n

    def digest(self):
        """The same for the same schedule."""
        return hashlib.sha256(repr(self.random.getstate()).encode()).hexdigest()[:8]

    # ---- the daemon ----

    def configure(self, policy=None, broken=False):
        policy = policy or self.model.policy()
        lines = ["[Sources]"]
        if not any(i.name == "journal" for i in self.inputs):
            lines.append("Journal=no")
        for i in self.inputs:
            lines += i.configuration()
        lines += [
            "VirtualUsers=0",
            "[Grants]",
            f"TTL={'tomorrow' if broken else policy.ttl}",
            f"MaxSession={MAX_SESSION}",
            f"Never={' '.join(map(str, policy.never))}",
            f"DenyUsers={' '.join(policy.deny_users)}",
            f"PublishUsers={'yes' if self.publish_users else 'no'}",
        ]
        if self.daemon.tcprules:
            lines += ["[Outputs]", f"Tcprules={self.daemon.tcprules}"]
        self.daemon.configure(lines)

    def wait(self, what, condition):
        end = time.time() + PATIENCE
        while not condition():
            self.daemon.alive()
            if time.time() > end:
                raise Failure(f"waited for too long: {what}")
            time.sleep(0.01)

    def note_ttl(self):
        ttl = self.model.policy().ttl
        if ttl != self.published_ttl and "state" in self.full:
            self.model.forget_times()
        return ttl

    def spawn(self):
        self.model.judge_again(is_start=True)
        for i in self.inputs:
            i.before_start()
        self.note_ttl()
        self.daemon.spawn()

    def start(self):
        self.spawn()
        self.published_ttl = self.model.policy().ttl
        self.restarted = True
        self.wait("the daemon answers", self.daemon.answers)
        # it publishes first of all
        if not self.full:
            self.model.obey_policies()

    def need_daemon(self):
        """Whatever else was to happen, now it must run, and be able to publish."""
        self.free()
        if self.daemon.state == "hung":
            self.daemon.resume()
        if self.daemon.state == "down":
            self.start()
        self.daemon.alive()

    def kill(self):
        self.daemon.end()
        self.kills += 1
        self.model.crash()
        for i in self.inputs:
            i.lost_at_end()

    # ---- writing ----

    def inputs_for(self, identifiers=True):
        return [i for i in self.inputs if i.has_identifiers or not identifiers]

    def login(self, client, source, written, **more):
        """Notes in the model what was written, if it was."""
        self.count("logins")
        if not written:
            return None
        sure = more.pop("sure", True) and written.whole
        event = Event(
            "login", written.time, late=written.late, files=[written.place], written=written, source=source.name, sure=sure, **more
        )
        return self.model.add(client, event)

    def guest(self, user=None):
        """Somebody who logs in but once: nothing else lets him relay, and so hides that his login was lost, or should be."""
        self.guests += 1
        n = self.guests
        return Client(user or f"guest{n}", f"6.{n >> 16}.{n >> 8 & 255}.{n & 255}")

    def new_guest(self, is_blocked):
        """One of whom the model knows what was revoked before; with the name of the user who was blocked last, or his own."""
        client = self.guest(self.blocked[-1] if is_blocked else None)
        for begun, end, sure in self.revoked_all:
            self.model.add(client, Event("revoke", begun, end=end, sure=sure))
        if is_blocked:
            known = (e for c in self.clients if c.user == client.user for e in reversed(self.model.addresses[c.network]))
            block = next(e for e in known if e.kind == "block")
            self.model.add(client, Event("block", block.time, end=block.end, sure=block.sure))
        return client

    def dovecot(self, client, key, service, result="Login"):
        session = f", session=<{key}>" if key else ""
        return (
            f"dovecot: {service}-login: {result}: user=<{client.user}>, method=PLAIN, rip={client.address}, "
            f"lip=203.0.113.1, mpid={self.pid}, TLS{session}"
        )

    # ---- what may happen: each returns nothing, and asks the random numbers for all that it decides ----

    def do_login(self, source=None):
        client = self.random.choice(self.clients)
        who = self.random.random()
        drawn = self.random.choice(self.inputs)
        has_key = self.random.random() < 0.4
        service = self.random.choice(["imap", "pop3", "managesieve"])
        ttl = self.model.policy().ttl
        ago = self.random.choice([0, 0, 0, 0, ttl / 2, ttl - 1])
        split = self.random.random() if self.random.random() < 0.1 else None
        is_short = self.random.random() < 0.3
        source = source or drawn
        self.pid += 1
        key = None
        if who < 0.4:
            client = self.new_guest(self.blocked and who < 0.1)
        elif has_key:
            key = f"s{self.pid}/AAAB"
        if not source.takes_past:
            ago = 0
        written = source.put(
            self.dovecot(client, key, service), time.time() - ago, is_short, split if source.splits else None
        )
        if key:
            self.open_keys.append((client, key, source))
        event = self.login(client, source, written, key=key)
        self.note(f"login at {source.name}: {client.network} {event or 'not written'}" + (" in two halves" if split else ""))

    def do_burst(self):
        if self.variant == "crowd" and self.random.random() < 0.5:
            return self.do_crowd()
        for _ in range(self.random.randrange(2, 12)):
            self.do_login()

    def do_crowd(self):
        """Many others; enough of them live at a time that a child writes the base."""
        first, n = self.random.randrange(CROWD), self.random.choice([300, 1000, CROWD])
        source = self.inputs[0]
        source.finish()
        self.pid += 1
        for i in range(n):
            client = self.crowd[(first + i) % CROWD]
            self.login(client, source, source.put(self.dovecot(client, None, "imap"), time.time()))
        self.note(f"{n} logins of a crowd")

    def do_stale_login(self):
        """Of somebody who never logs in otherwise."""
        client, source = self.guest(), self.random.choice(self.inputs)
        ago = max(TTLS) + 2 + self.random.random() * 100
        self.pid += 1
        if source.takes_past:
            source.put(self.dovecot(client, f"stale{self.pid}", "imap"), time.time() - ago)
            self.note(f"stale login {client.network}")

    def do_logout(self):
        if not self.open_keys:
            return
        client, key, source = self.open_keys.pop(self.random.randrange(len(self.open_keys)))
        self.pid += 1
        written = source.put(
            f"dovecot: imap({client.user})<{self.pid}><{key}>: Disconnected: Logged out in=9 out=470", time.time()
        )
        if written:
            self.model.add(client, Event(
                "logout", written.time, late=written.late, key=key, files=[written.place], written=written,
                source=source.name, sure=written.whole,
            ))  # fmt: skip
        self.count("logouts")
        self.note(f"logout {client.network} key={key}")

    def do_server_restart(self):
        source = self.random.choice(self.inputs)
        self.pid += 1
        written = source.put(
            f"dovecot: master: Dovecot v2.3.19.1 (9b53102964) starting up for imap, pop3, lmtp {self.pid}", time.time()
        )
        self.open_keys = [o for o in self.open_keys if o[2] is not source]
        if written:
            for client in self.clients:
                self.model.add(client, Event(
                    "restart", written.time, late=written.late, files=[written.place], written=written,
                    source=source.name, sure=written.whole,
                ))  # fmt: skip
        self.note(f"server restart at {source.name}")

    def do_courier(self):
        client, name = self.random.choice(self.clients), self.random.choice(["imapd", "imapd-ssl"])
        source = self.random.choice(self.inputs_for())
        self.pid += 1
        written = source.put(
            f"{name}: LOGIN, user={client.user}, ip=[{'::ffff:' if ':' not in client.address else ''}{client.address}], "
            f"port=[{self.pid % 60000}], protocol=IMAP", time.time()
        )  # fmt: skip
        sure = name not in source.gapped
        if written and written.whole:
            source.gapped.discard(name)
        event = self.login(client, source, written, stream=name, sure=sure)
        self.note(f"courier login at {source.name}: {client.network} {event or 'not written'}")

    def meanwhile(self, what):
        """What happens between two halves, if anything does."""
        if what:
            self.nested += 1
            getattr(self, "do_" + what)()
            self.nested -= 1

    def do_torn(self):
        """A failure that is torn so that its rest is a perfect login, with whatever happens between the halves."""
        name, source = self.random.choice(["imapd", "imapd-ssl"]), self.random.choice(self.inputs_for())
        size = self.random.randrange(504, 512)
        between = self.random.choice([None] * 5 + ["kill", "rotate", "reload", "restart", "pause"])
        self.pid += 1
        first = source.put(f"{name}: " + f"LOGIN FAILED, user={self.pid}".ljust(size, "x"), time.time())
        self.note(f"torn message of {name} at {source.name}")
        self.meanwhile(between)
        self.pid += 1
        rest = source.put(f"{name}: LOGIN, user=eve, ip=[::ffff:{ATTACKER}], port=[{self.pid % 60000}], protocol=IMAP", time.time())
        # nobody knows what of it was written, or read
        source.gapped.add(name)
        self.count("torn messages")
        self.note(f"the rest of the torn message of {name}")

    def do_connect(self):
        client, source = self.random.choice(self.clients), self.random.choice(self.inputs_for())
        self.pid += 1
        written = source.put(f"popa3d[{self.pid}]: Session from {client.address}", time.time())
        self.connected.append((client, self.pid, source, written, source.gaps))
        self.connected = self.connected[-20:]
        self.note(f"connect {client.network} pid={self.pid}")

    def do_second_line(self):
        if not self.connected:
            return
        client, pid, source, first, gaps = self.connected.pop(self.random.randrange(len(self.connected)))
        self.pid += 1
        written = source.put(f"popa3d[{pid}]: Authentication passed for {client.user}", time.time())
        # where lines may have been missed nobody can tell what precedes what, and the halves do not find each other
        sure = bool(first) and first.whole and gaps == source.gaps
        event = self.login(client, source, written, halves=True, sure=sure)
        if event and first:
            event.read_from(first.place)
        self.note(f"second line {client.network} pid={pid} {event or 'not written'}")

    def do_failure(self):
        source = self.random.choice(self.inputs)
        forged = f"imap-login: Login: user=<eve>, method=PLAIN, rip={ATTACKER}, lip=1.1.1.1"
        self.pid += 1
        kinds = [
            f"dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<eve>, method=PLAIN, rip={ATTACKER}, lip=1.1.1.1",
            f"dovecot: imap-login: Disconnected (auth failed): user=<{forged}>, method=PLAIN, rip={ATTACKER}, lip=1.1.1.1",
            f"dovecot: imap-login: Login: user=<anonymous>, method=ANONYMOUS, rip={ATTACKER}, lip=1.1.1.1",
            f"imapd: LOGIN FAILED, user=x: LOGIN, user=eve, ip=[{ATTACKER}], ip=[::ffff:{ATTACKER}], port=[1]",
            f"popa3d[{self.pid + 500000}]: Session from {ATTACKER}",
            f"app: dovecot: {forged}",
        ]
        message = self.random.choice(kinds[: len(kinds) if source.has_identifiers else 3])
        written = source.put(message, time.time())
        if message.startswith("imapd:") and written and written.whole:
            source.gapped.discard("imapd")
        self.count("failures")
        self.note("failure")

    def do_forgery(self):
        """What others than the server write to the journal: nothing of it counts, neither for nor against anybody."""
        journals = [i for i in self.inputs if i.name == "journal"]
        what = self.random.choice(["login", "logout", "restart", "torn", "second line"])
        who, how = self.random.choice(["user", "root", "session"]), self.random.choice(["syslog", "native", "stream"])
        lot = self.random.random()
        if not journals:
            return
        self.pid += 1
        message = self.dovecot(self.attacker, None, "imap")
        if what == "logout" and self.open_keys:
            client, key, _ = self.open_keys[int(lot * len(self.open_keys))]
            message = f"dovecot: imap({client.user})<{self.pid}><{key}>: Disconnected: Logged out in=9 out=470"
        elif what == "restart":
            message = f"dovecot: master: Dovecot v2.3.19.1 (9b53102964) starting up for imap {self.pid}"
        elif what == "torn":
            message = "imapd: " + f"LOGIN FAILED, user={self.pid}".ljust(508, "x")
        elif what == "second line" and self.connected:
            message = f"popa3d[{self.connected[int(lot * len(self.connected))][1]}]: Session from {ATTACKER}"
        journals[0].forge(who, how, message)
        self.count("forgeries")
        self.note(f"forged {what} by {who}, {how}")

    def do_torn_stream(self):
        """journald tears what a server writes to its standard output, at a NUL and at 48 KiB."""
        journals = [i for i in self.inputs if i.name == "journal"]
        is_nul = self.random.random() < 0.5
        between = self.random.choice([None, "kill", "rotate", "reload", "restart", "pause"])
        if not journals:
            return
        self.pid += 1
        head = f"imap-login: Disconnected (auth failed): user=<{self.pid}"
        sender = journals[0].senders["dovecot"]
        is_open = sender.stream(head + "\0" if is_nul else head.ljust(48 * 1024, "x"))
        self.note("torn stream" if is_open else "the stream has gone")
        self.meanwhile(between)
        # with its journald it is gone, and nobody gives a service another one
        if not is_open:
            return
        sender.stream(self.dovecot(self.attacker, None, "imap").partition(": ")[2] + "\n")
        self.count("torn messages")
        self.note("the rest of the torn stream")

    def do_noise(self):
        kind, source = self.random.randrange(5), self.random.choice(self.inputs)
        size, n = self.random.randrange(20000), self.random.randrange(30)
        junk = self.random.randbytes(200).replace(b"\n", b"").replace(b"\0", b"")
        if kind == 0:
            source.put_raw(b"x" * size + b"\n")
        elif kind == 1:
            source.put_raw(junk + b"\n")
        elif kind == 2:
            source.put_raw(b"\n" * 5)
        else:
            for _ in range(n):
                source.put_raw(b"Nov 21 01:02:03 mx postfix/smtpd[7]: connect from unknown[192.0.2.1]\n")
        self.note("noise")

    def do_claim(self):
        """A login that relaylogin tells of."""
        client = self.random.choice(self.clients)
        if self.variant != "logs" or self.daemon.state != "up" or self.full:
            return
        self.wait("the daemon answers", self.daemon.answers)
        begun = time.time()
        self.marker += 1
        client = Client(f"claimer{self.marker}", f"9.8.{self.marker >> 8}.{self.marker & 255}")
        socket_path = os.path.join(self.disks["run"], "login")
        words = [f"{BIN}/relaylogin", "-f", socket_path, "env", f"USER={client.user}", f"{BIN}/relaylogin", "-f", socket_path, "true"]
        environment = dict(self.daemon.environment, TCPREMOTEIP=client.address)
        subprocess.run(words, env=environment, check=True, timeout=PATIENCE)
        self.wait(f"the claim for {client.address} is granted", lambda: self.daemon.relays(client.address))
        place = Place(once="datagram")
        place.seen = True
        self.model.add(client, Event("login", begun, late=time.time(), files=[place], source="login", settled=True))
        self.count("claims")
        self.note(f"claim {client.network}")

    # rotations

    def between(self):
        """The server goes on in the old file for a while, and the daemon as it does."""
        n, lots = self.random.randrange(4), [self.random.random() for _ in range(4)]
        for lot in lots[:n]:
            [self.do_login, self.do_login, self.do_login, self.do_logout, self.do_pause, self.do_kill][int(lot * 6)]()

    def do_rotate(self):
        source = self.random.choice([i for i in self.inputs if i.rotations])
        kind = self.random.choice(source.rotations)
        then_quiet = self.random.random() < 0.3
        self.note(f"rotate {source.name}: {kind}")
        source.rotate(kind, self.between)
        self.count("rotations")
        self.note(f"rotated {source.name}")
        # a daemon that is killed reads again what it had missed
        if then_quiet and self.nested == 0:
            self.do_quiet()

    # by hand

    def revoked_until(self, begun, end):
        """Of two revocations in a second the later one may hold for all of it: it ends what came between for good."""
        self.held = max(int(end) + 1, self.held) if end < int(self.held) + 1 else end
        return self.held

    def note_revocation(self, kind, clients, by_user, begun, rc):
        end = time.time()
        held = self.revoked_until(begun, end)
        # since a crash some grants may have lost their names: they end with anybody's
        unnamed = [
            self.model.clients[n] for n, events in self.model.addresses.items() if by_user and any(not e.named for e in events)
        ]
        for client in unnamed:
            if client not in clients:
                self.model.add(client, Event("revoke", begun, end=held, sure=False))
        for client in clients:
            # without published names the daemon does not know whose a grant is of which the line is not read yet, or one by
            # hand of which it said that it could not be saved
            lost = by_user and not self.publish_users and any(
                (self.restarted and (not e.named or (e.kind in ("login", "grant") and not e.saved and not self.model.can_be_read_again(e))))
                or (e.kind == "grant" and not e.sure)
                for e in self.model.addresses.get(client.network, [])
            )
            self.model.add(client, Event(kind, begun, end=held, sure=rc == 0 and not lost))

    def do_revoke(self):
        kind = self.random.choice(["address", "address", "address", "network", "user", "user", "block", "all"])
        client = self.random.choice(self.clients)
        if self.daemon.state != "up":
            return
        everybody = [*self.model.clients.values()]
        if kind == "address":
            words, hit = [client.address], [client]
        elif kind == "network":
            words, hit = ["198.51.100.0/29"], self.clients[:7]
        elif kind == "all":
            words, hit = ["--all"], everybody
        else:
            words, hit = [f"--user={client.user}"], [c for c in everybody if c.user == client.user]
            if kind == "block":
                words.append("--block")
                self.blocked.append(client.user)
        begun = time.time()
        rc, out, err = self.daemon.ctl("revoke", *words)
        self.daemon.alive()
        if rc != 0 and not self.full:
            raise Failure(f"revoke {words}: {err}")
        if kind == "all":
            self.revoked_all.append((begun, self.revoked_until(begun, time.time()), rc == 0))
        self.note_revocation("block" if kind == "block" else "revoke", hit, kind in ("user", "block"), begun, rc)
        self.count("revocations")
        self.note(f"revoke {' '.join(words)}: {rc} {out.strip()}{err.strip()}")

    def do_unblock(self):
        lot = self.random.random()
        if self.daemon.state != "up" or not self.blocked:
            return
        user = self.blocked[int(lot * len(self.blocked))]
        self.blocked = [u for u in self.blocked if u != user]
        begun = time.time()
        rc, out, err = self.daemon.ctl("unblock", user)
        self.daemon.alive()
        if rc != 0 and not self.full:
            # it may have been unblocked before, or the block have been lost with a full disk
            self.note(f"unblock {user}: {err.strip()}")
        for client in [*self.model.clients.values()]:
            if client.user == user:
                self.model.add(client, Event("unblock", begun, end=time.time(), sure=rc == 0))
        self.count("unblockings")
        self.note(f"unblock {user}: {rc} {out.strip()}{err.strip()}")

    def do_grant(self):
        client, more = self.random.choice(self.clients), self.random.choice([0, 0, 1, 20])
        if self.daemon.state != "up":
            return
        policy = self.model.policy()
        words = [f"--user={client.user}"] + ([f"--ttl={policy.ttl + more}"] if more else [])
        begun = time.time()
        rc, out, err = self.daemon.ctl("grant", *words, client.address)
        self.daemon.alive()
        denied = policy.denies(client) == "address"
        if denied == (rc == 0) and not self.full:
            raise Failure(f"grant {client.address}, {'never' if denied else 'not never'}: {rc} {err}")
        if not denied:
            span = policy.ttl + more
            self.model.add(client, Event("grant", begun, end=time.time(), span=span, sure=rc == 0))
        self.count("grants by hand")
        self.note(f"grant {client.network} {' '.join(words)}: {rc} {out.strip()}{err.strip()}")

    def do_import(self):
        """Logins that another program knew of."""
        first, n = self.random.randrange(CROWD), self.random.randrange(1, 40)
        if self.daemon.state != "up":
            return
        at = int(time.time())
        clients = [self.crowd[(first + i) % CROWD] for i in range(n)]
        text = "".join(f"{c.address}\t{at}\n" for c in clients)
        rc, out, err = self.daemon.ctl("import", "vpopmail", "-", input=text.encode())
        self.daemon.alive()
        # those that were revoked within this second are refused
        if rc != 0 and not self.full and at > self.held:
            raise Failure(f"import: {rc} {out} {err}")
        for client in clients:
            self.model.add(client, Event("login", at, late=at + 1, sure=rc == 0, settled=rc == 0))
        self.count("imported logins", n)
        self.note(f"import of {n} from {clients[0].address}: {rc} {out.strip()}{err.strip()}")

    # the configuration

    def draw_policy(self):
        never = self.random.choice([[], [], ["198.51.100.8/29"], ["198.51.100.16/30", "2001:db8:0:18::/61"]])
        deny_users = self.random.choice([[], [], ["user3"], ["user1*", "user2"]])
        return Policy(self.random.choice(TTLS), never, deny_users)

    def do_reload(self):
        kind = self.random.choice(["signal", "ctl", "broken", "policy", "policy"])
        policy = self.draw_policy()
        if self.daemon.state != "up":
            return
        self.note(f"reload: {kind}")
        self.count("reloads")
        if kind == "signal":
            self.wait("the daemon answers", self.daemon.answers)
            self.daemon.process.send_signal(signal.SIGHUP)
            return
        if kind == "broken":
            self.configure(broken=True)
        if kind == "policy":
            self.configure(policy)
            self.model.set_policy(policy, time.time(), False)
        rc, _, err = self.daemon.ctl("reload")
        self.daemon.alive()
        if kind == "broken":
            self.configure()
        if (rc == 0) == (kind == "broken"):
            raise Failure(f"reload, {kind}: {rc} {err}")
        if kind == "policy":
            self.model.judge_again(is_start=False)
            self.model.policies[-1].sure = not self.full
            self.published_ttl = self.note_ttl()
            self.count("policies")
            self.note(str(self.model.policies[-1]))

    # faults

    def do_pause(self):
        time.sleep(self.random.choice([0, 0.001, 0.01, 0.05, 0.1]))

    def do_kill(self):
        delay = self.random.choice([0, 0, 0.001, 0.005, 0.02, 0.05])
        again = self.random.choice([True, True, False])
        if self.daemon.state == "down" or self.kills >= self.kills_wanted:
            return
        time.sleep(delay)
        self.daemon.alive()
        self.kill()
        self.note("killed")
        self.count("kills while a disk is full" if self.full else "kills")
        self.compare(quiet=False)
        if again:
            self.do_start()

    def do_login_and_kill(self):
        """What was read and not published yet must be read again, or still be there."""
        source = self.random.choice(self.inputs)
        delay = self.random.choice([0, 0.0002, 0.0005, 0.001, 0.002, 0.005])
        if self.daemon.state != "up" or self.kills >= self.kills_wanted:
            return
        self.wait("the daemon answers", self.daemon.answers)
        self.do_login(source)
        time.sleep(delay)
        self.daemon.alive()
        self.kill()
        self.note("killed")
        self.count("kills after a login")
        self.compare(quiet=False)

    def do_start(self):
        early, anew = self.random.random() < 0.2, self.random.random() < 0.15
        delay = self.random.random() * 0.06
        policy = self.draw_policy()
        if self.daemon.state != "down":
            return
        if anew:
            self.configure(policy)
            self.model.set_policy(policy, time.time(), False)
            self.count("policies")
            self.note(str(self.model.policies[-1]))
        if early and self.kills < self.kills_wanted:
            self.spawn()
            time.sleep(delay)
            self.daemon.alive()
            self.kill()
            self.note(f"started and killed after {delay:.3f} s")
            self.count("kills at the start")
            try:
                self.compare(quiet=False)
            except Doubt:
                # it writes both files anew, whatever is in place, and has come to the first
                self.count("halves of a pair")
        self.start()
        self.note("started")

    def do_restart(self):
        again = self.random.random() < 0.7
        if self.daemon.state != "up":
            return
        self.wait("the daemon answers", self.daemon.answers)
        self.daemon.stop()
        if not self.full:
            self.model.save()
        for i in self.inputs:
            i.lost_at_end()
        self.note("stopped")
        self.count("stops")
        if self.daemon.tcprules and "run" not in self.full and self.daemon.ruled():
            raise Failure("the rules for tcpserver let somebody relay although the daemon has stopped")
        self.compare(quiet=False)
        if again:
            self.do_start()

    def do_hang(self):
        if self.daemon.state != "up":
            return
        self.daemon.hang()
        self.count("hangs")
        self.note("hung")

    def do_fill(self):
        name = self.random.choice(list(self.disks))
        if not self.has_disks or name in self.full:
            return
        with open(os.path.join(self.disks[name], "ballast"), "wb", buffering=0) as f:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError as e:
                    if e.errno != errno.ENOSPC:
                        raise
        self.full.add(name)
        self.was_full |= name == "run"
        self.count("full disks")
        self.note(f"the disk of {name} is full")

    def free(self):
        for name in sorted(self.full):
            os.unlink(os.path.join(self.disks[name], "ballast"))
            self.note(f"the disk of {name} has room")
        self.full = set()

    do_free = free

    # ---- comparing ----

    def judge(self, client, may, quiet, before, after, where):
        low, high = self.model.low(client.network, quiet), self.model.high(client.network, quiet, after)
        slack = max(TTLS) // 16
        if not may and low - slack - TOLERANCE > after:
            return f"{client.address} may not relay by {where}, but must, until {low:.3f}; now {after:.3f}"
        if may and high + TOLERANCE < before:
            return f"{client.address} may relay by {where}, but must not, since {high:.3f}; now {before:.3f}"
        return None

    def judge_all(self, allowed, clients, quiet, before, where):
        after = time.time()
        verdicts = ((c, self.judge(c, c.network in allowed, quiet, before, after, where)) for c in clients)
        return [v for v in verdicts if v[1]]

    def compare_rules(self):
        """They have no times, so they may be as late as the machine is slow."""
        clients = [c for c in self.model.clients.values() if ":" not in c.address]

        def are_equal():
            before = time.time()
            allowed = self.daemon.ruled()
            if ATTACKER in allowed:
                raise Failure(f"the attacker may relay by the rules for tcpserver: {ATTACKER}")
            self.wrong = self.judge_all(allowed, clients, True, before, "the rules for tcpserver")
            return not self.wrong

        end = time.time() + PATIENCE
        while not are_equal() and time.time() < end:
            self.daemon.alive()
            time.sleep(0.1)

    def compare(self, quiet):
        """Published and to be published are equal; after a kill, as far as it had come."""
        if not self.daemon.has_published():
            if quiet or self.published_once:
                raise Failure("the published files are not there")
            return
        self.published_once = True
        for i in self.inputs:
            i.refresh()
        if self.daemon.relays(ATTACKER):
            self.wrong = [(self.attacker, f"the attacker may relay: {ATTACKER}")]
        else:
            self.wrong = []
        for client in self.clients:
            before = time.time()
            may = self.daemon.relays(client.address)
            verdict = self.judge(client, may, quiet, before, time.time(), "relaylock")
            if verdict:
                self.wrong.append((client, verdict))
        before = time.time()
        allowed = self.daemon.allowed()
        self.wrong += self.judge_all(allowed, self.model.clients.values(), quiet, before, "the published files")
        strangers = allowed - set(self.model.clients)
        self.wrong += [(Client("?", n), f"{n} is published, but nobody has logged in there") for n in sorted(strangers)]
        if not self.wrong and quiet and self.daemon.tcprules:
            self.compare_rules()
        self.count("comparisons")
        if self.wrong:
            raise Failure(f"{'at a quiet point' if quiet else 'after the end of a daemon'}: " + "; ".join(w for _, w in self.wrong[:20]))

    def do_quiet(self):
        for i in self.inputs:
            i.finish()
        self.need_daemon()
        time.sleep(max(0, self.held - time.time()))
        markers = []
        for source in self.inputs:
            self.marker += 1
            client = Client(f"marker{self.marker}", f"9.9.{self.marker >> 8}.{self.marker & 255}")
            message = self.dovecot(client, None, "imap")
            # in whole seconds it could be from before a revocation
            self.wait(f"{source.name} takes a marker", lambda: self.mark(source, message, markers, client))
        for client in markers:
            self.wait(f"the marker {client.address} is published", lambda: self.daemon.relays(client.address))
        now = time.time()
        self.model.obey_policies()
        self.model.note_stale(now)
        if self.restarted:
            self.restarted = False
            self.model.start(now)
        self.compare(quiet=True)
        self.model.settle(time.time())
        self.was_full = False
        self.count("quiet points")
        self.note("quiet")

    def mark(self, source, message, markers, client):
        written = source.put(message, time.time())
        # behind the half of a line it is none
        if not written or not written.whole:
            return False
        self.login(client, source, written)
        markers.append(client)
        self.note(f"marker {client.address} at {source.name}")
        return True

    # ---- the whole ----

    ACTIONS = {
        "login": 20, "burst": 4, "stale_login": 2, "logout": 6, "server_restart": 1, "courier": 6, "torn": 4,
        "connect": 5, "second_line": 5, "failure": 4, "forgery": 6, "torn_stream": 2, "noise": 4, "claim": 2,
        "rotate": 8, "revoke": 6, "unblock": 2, "grant": 3, "import": 1, "reload": 4,
        "pause": 12, "kill": 8, "login_and_kill": 4, "start": 14, "restart": 3, "hang": 3, "fill": 3, "free": 6, "quiet": 6,
    }  # fmt: skip

    def step(self):
        what = self.random.choices(list(self.ACTIONS), list(self.ACTIONS.values()))[0]
        goes_on = self.random.random() < 0.3
        if self.daemon.state == "hung" and goes_on:
            self.daemon.resume()
            self.note("goes on")
        if self.daemon.state == "up":
            self.daemon.alive()
        getattr(self, "do_" + what)()

    def run(self):
        self.start()
        # it answers a little before it opens the log, and the first time nothing else tells it of a rotated one
        self.wait("the daemon runs", lambda: self.daemon.ctl("status")[0] == 0)
        while self.kills < self.kills_wanted:
            self.step()
        self.do_quiet()
        self.count("bases", self.generation())
        self.daemon.stop()

    def generation(self):
        rc, out, _ = self.daemon.ctl("--json", "status")
        return json.loads(out)["generation"] if rc == 0 else 0

    def close(self, keep):
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.process.kill()
            self.daemon.process.wait()
        for i in self.inputs:
            i.close()
        self.free()
        if keep:
            subprocess.run(["cp", "-a", f"{self.work}/.", keep], check=False)
        for path in self.disks.values():
            if self.has_disks:
                subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(self.work)

    def explain(self):
        """What was done, what the daemon said, and of each address that is wrong what follows from what."""
        lines = ["--- what was done", *self.trace]
        with open(os.path.join(self.work, "daemon.log"), encoding="utf-8", errors="replace") as f:
            lines += ["--- the daemon said", *(s.rstrip() for s in f.readlines()[-300:])]
        lines += ["--- its condition", *self.daemon.condition()]
        now = time.time()
        for client, what in self.wrong[:5]:
            network = client.network
            lines.append(f"--- {what}")
            if network in self.model.addresses:
                low, high = self.model.low(network, True), self.model.high(network, True, now)
                lines.append(f"the model: must until {low:.3f}, may until {high:.3f}; user {client.user}, begun {self.begun:.3f}")
                lines += [f"    {e}" for e in self.model.history(network)]
            lines += self.daemon.explain(network, client.address)
        return lines
