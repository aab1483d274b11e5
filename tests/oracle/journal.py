# SPDX-License-Identifier: Apache-2.0
"""journal: a private systemd-journald, who writes to it, and the journal as an input.

Runs in tests/lib/journal-box. The sockets are ours, as they are systemd's on a host, so journald can be restarted and
killed, and what is sent meanwhile waits. Senders live on and have a control group and a uid each, of which journald makes
the fields that cannot be forged.
"""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import time

from inputs import Input, Written
from model import Place

DIRECTORY = "/run/systemd/journal"
NOBODY = 65534
TIMEOUT = 60
CHILDREN = 40


class Sender:
    """A process of its own that does what it is told, one thing after the other."""

    def __init__(self, unit, uid=0):
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for s in (self.channel, other):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.channel.close()
                self.be(unit, uid, other)
            finally:
                os._exit(1)
        other.close()
        self.channel.settimeout(TIMEOUT)

    @staticmethod
    def be(unit, uid, channel):
        group = f"/sys/fs/cgroup/system.slice/{unit}"
        os.makedirs(group, exist_ok=True)
        with open(f"{group}/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(os.getpid()))
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        stream = None
        while data := channel.recv(1 << 20):
            how, data = data[:1], data[1:]
            answer = b"."
            try:
                if how == b"l":
                    datagram.sendto(data, "/dev/log")
                elif how == b"n":
                    datagram.sendto(data, f"{DIRECTORY}/socket")
                elif how == b"u":
                    os.setresuid(NOBODY, NOBODY, NOBODY)
                elif how == b"o" or not stream:
                    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    stream.connect(f"{DIRECTORY}/stdout")
                    stream.sendall(data if how == b"o" else b"dovecot\n\n6\n0\n0\n0\n0\n")
                if how == b"s":
                    stream.sendall(data)
            except OSError:
                stream = None  # as a service whose standard output has gone
                answer = b"!"
            channel.send(answer)

    def tell(self, how, data=b""):
        """Returns whether it could be sent."""
        self.channel.send(how + data)
        return self.channel.recv(1) == b"."

    def drop_root(self):
        self.tell(b"u")

    def syslog(self, message):
        self.tell(b"l", b"<22>" + message.encode("latin-1"))

    def native(self, **fields):
        parts = []
        for key, value in fields.items():
            value = value.encode("latin-1")
            parts.append(key.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        self.tell(b"n", b"".join(parts))

    def stream(self, data):
        """To a standard output stream of dovecot, which stays open. Returns whether there still is one."""
        return self.tell(b"s", data.encode("latin-1"))

    def new_stream(self, identifier):
        self.tell(b"o", f"{identifier}\n\n6\n0\n0\n0\n0\n".encode())

    def close(self):
        # its channel is open in those that were made later
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.channel.close()


class Journald:
    def __init__(self, persistent):
        os.makedirs(DIRECTORY, exist_ok=True)
        os.makedirs("/run/systemd/journald.conf.d", exist_ok=True)
        with open("/run/systemd/journald.conf.d/oracle.conf", "w", encoding="ascii") as f:
            f.write(
                f"[Journal]\nStorage={'persistent' if persistent else 'volatile'}\nRateLimitIntervalSec=0\nReadKMsg=no\n"
                "Audit=no\nForwardToWall=no\nSystemMaxFileSize=1M\nRuntimeMaxFileSize=1M\n"
            )
        if persistent:
            os.makedirs("/var/log/journal", exist_ok=True)
            with open(f"{DIRECTORY}/flushed", "w", encoding="ascii"):
                pass
        self.sockets = []
        for name, kind in (("stdout", socket.SOCK_STREAM), ("socket", socket.SOCK_DGRAM), ("dev-log", socket.SOCK_DGRAM)):
            s = socket.socket(socket.AF_UNIX, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            s.bind(f"{DIRECTORY}/{name}")
            os.chmod(f"{DIRECTORY}/{name}", 0o666)
            if kind == socket.SOCK_STREAM:
                s.listen(100)
            # above those that it gets them as
            self.sockets.append(socket.socket(fileno=fcntl.fcntl(s, fcntl.F_DUPFD_CLOEXEC, 10)))
            s.close()
        self.process = None

    def start(self):
        numbers = [s.fileno() for s in self.sockets]
        script = "".join(f"exec {3 + i}<&{n} {n}<&-;" for i, n in enumerate(numbers))
        script += "export LISTEN_PID=$$ LISTEN_FDS=3; exec /lib/systemd/systemd-journald"
        self.process = subprocess.Popen(
            ["bash", "-c", script], pass_fds=numbers, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def stop(self):
        self.process.terminate()
        self.process.wait(TIMEOUT)
        self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def journalctl(self, *words):
        r = subprocess.run(["journalctl", "-q", *words], capture_output=True, timeout=TIMEOUT, check=False)
        return r.returncode, r.stdout

    def ask(self, *words):
        """What only a journald that runs can do; it needs a moment after its start."""
        end = time.time() + TIMEOUT
        while self.journalctl(*words)[0] != 0:
            if time.time() > end:
                raise TimeoutError(f"journalctl {' '.join(words)}")
            time.sleep(0.01)

    def sync(self):
        self.ask("--sync")

    def entries(self, cursor=None):
        """(message, time, cursor) of all that there are, or of those behind the cursor."""
        words = ["--all", "-o", "json", "--output-fields=MESSAGE"] + ([f"--after-cursor={cursor}"] if cursor else [])
        rc, out = self.journalctl(*words)
        if rc != 0 and cursor:
            return self.entries()
        rows = (json.loads(line) for line in out.splitlines())
        return [(r.get("MESSAGE"), int(r["__REALTIME_TIMESTAMP"]) / 1e6, r["__CURSOR"]) for r in rows]


class Journal(Input):
    """What the servers send, each from a unit and with a uid as Debian's have them."""

    takes_past = False
    splits = False
    rotations = ("rotate", "rotate, slow", "vacuum", "restart", "crash")

    def __init__(self, name, schedule, persistent):
        super().__init__(name, schedule)
        self.journald = Journald(persistent)
        self.journald.start()
        self.senders = {
            "dovecot": Sender("dovecot.service"),
            "imapd": Sender("courier-imap.service"),
            "user": Sender("dovecot.service", NOBODY),
            "root": Sender("app.service"),
            "session": Sender("session-1.scope", NOBODY),
        }
        self.children = {}  # pid that is written -> Sender: popa3d is a process for each client
        self.unknown = {}  # message -> Written, until its time is known
        self.places = {}  # message -> Place
        self.cursor = None

    def configuration(self):
        return ["Journal=yes"]

    def put(self, message, at, is_short=False, split=None):
        identifier, _, text = message.partition(": ")
        name = identifier.partition("[")[0].removesuffix("-ssl")
        # between two starts the queue of a socket takes ten
        if not self.journald.process and len(self.unknown) >= 8:
            return None
        at = time.time()
        if name == "popa3d":
            self.child(identifier, "passed" in text).syslog(message)
        else:
            self.senders.get(name, self.senders["root"]).syslog(message)
        written = Written(at, Place(), late=float("inf"))
        self.unknown[text] = written
        self.places[text] = written.place
        return written

    def child(self, identifier, is_passed):
        """The process of one connection; with the password it becomes its user."""
        sender = self.children.pop(identifier, None) or Sender("popa3d.service")
        if is_passed:
            sender.drop_root()
        self.children[identifier] = sender
        while len(self.children) > CHILDREN:
            self.children.pop(next(iter(self.children))).close()
        return sender

    def put_raw(self, data):
        self.senders["root"].syslog("kernel: " + data.decode("latin-1"))

    def forge(self, who, how, message):
        """A message that does not come from the server."""
        identifier, _, text = message.partition(": ")
        sender = self.senders[who]
        if how == "syslog":
            sender.syslog(message)
        elif how == "native":
            sender.native(
                MESSAGE=text, PRIORITY="6", SYSLOG_IDENTIFIER=identifier, SYSLOG_PID="1", _UID="0", _PID="1",
                _SYSTEMD_UNIT="dovecot.service", _COMM="log", _TRANSPORT="syslog", _STREAM_ID="",
            )  # fmt: skip
        else:
            sender.new_stream(identifier)
            sender.stream(text + "\n")

    def refresh(self):
        if not self.journald.process or not self.unknown:
            return
        self.journald.sync()
        for text, at, self.cursor in self.journald.entries(self.cursor):
            written = self.unknown.pop(text, None) if isinstance(text, str) else None
            if written:
                for event in written.place.events:
                    if event.written is written:
                        event.time = event.late = at
        # what journald itself has lost nobody has read
        for written in self.unknown.values():
            self.schedule.model.destroy(written.place, False)
        self.unknown = {}

    def rotate(self, kind, between):
        self.refresh()
        if kind.startswith("rotate"):
            if kind == "rotate, slow":
                between()
            self.journald.ask("--rotate")
        elif kind == "vacuum":
            self.journald.ask("--rotate")
            between()
            self.vacuum()
        else:
            self.journald.sync()
            if kind == "crash":
                self.journald.kill()
            else:
                self.journald.stop()
            between()
            self.journald.start()

    def vacuum(self):
        self.refresh()
        self.journald.ask("--vacuum-files=1")
        self.lost_places = True
        left = {text for text, _, _ in self.journald.entries() if isinstance(text, str)}
        for text in [t for t in self.places if t not in left]:
            place = self.places.pop(text)
            self.schedule.model.destroy(place, False)
        self.gap()

    def close(self):
        for sender in [*self.senders.values(), *self.children.values()]:
            sender.close()
        if self.journald.process:
            self.journald.stop()
