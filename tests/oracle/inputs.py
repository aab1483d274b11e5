# SPDX-License-Identifier: Apache-2.0
"""inputs: what the daemon reads, as the schedule writes to it: log files and all that becomes of them, a FIFO, the syslog
socket. The journal is in journal.py.

An input is asked to put() a message, and answers with what is known of it (Written), or None if nothing was written. It
draws no lots: rotate() is told what to do.
"""

import errno
import gzip
import os
import shutil
import socket
import time
from datetime import datetime, timezone

from model import Place

KEEP_ROTATED = 9
ATTACKER = "203.0.113.66"
FULL = (errno.ENOSPC, errno.EDQUOT)


class Written:
    def __init__(self, time, place, late=None, whole=True):
        self.time = time
        self.late = time if late is None else late
        self.place = place
        self.whole = whole  # False: it stands behind the half of another line


def iso(at):
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="microseconds")


def short(at):
    whole = time.localtime(at)
    return time.strftime("%b ", whole) + f"{whole.tm_mday:2} " + time.strftime("%H:%M:%S", whole)


class Input:
    has_identifiers = True  # else it has lines of Dovecot only
    takes_past = True  # its lines have the time that is written into them
    splits = True  # a line can be written in two halves
    rotations = ()

    def __init__(self, name, schedule):
        self.name = name
        self.schedule = schedule
        self.lost_places = False
        self.gapped = set()  # streams of which the first line may be dropped
        self.gaps = 0
        self.gap()

    def gap(self):
        """Lines may be missing, or come again."""
        self.gapped = {"imapd", "imapd-ssl"}
        self.gaps += 1
        self.schedule.model.gap(self.name)

    def destroy(self, place):
        self.lost_places = True
        self.schedule.model.destroy(place, self.schedule.daemon.state != "down")
        self.gap()

    def configuration(self):
        """Lines of [Sources]."""
        return []

    def put(self, message, at, is_short=False, split=None):
        """Writes a message of the time `at`; split: a share of it now, and the rest by finish()."""
        raise NotImplementedError

    def put_raw(self, data):
        """Noise."""

    def finish(self):
        """Writes the rest of what was split."""

    def rotate(self, kind, between):
        """between: calls for whatever happens in the middle of it."""

    def refresh(self):
        """What can be known by now of what was written."""

    def before_start(self):
        """What was read to its end is looked for again, and that it has gone is a gap."""
        if self.lost_places:
            self.gap()

    def lost_at_end(self):
        """The daemon has ended."""

    def close(self):
        pass


class Log(Input):
    """A file that is renamed, copied, cut short, edited, deleted."""

    rotations = ("rename", "rename, slow", "rename, late", "copytruncate", "refill", "delete", "edit", "compress")

    def __init__(self, name, schedule, directory, dated=False):
        super().__init__(name, schedule)
        self.path = os.path.join(directory, name)
        self.dated = dated
        self.rotated = []  # Place, newest first
        self.half = None  # (rest of the line, events to doubt if that can't be written)
        # the half of a line is at the end, for the disk was full: what comes next, in a new file too, is taken for its rest
        self.broken = False
        self.number = 0
        self.prepare()
        self.current = self.new_file()
        self.writer = open(self.path, "ab", buffering=0)

    def prepare(self):
        pass

    def configuration(self):
        return [f"File={self.path}"]

    def new_file(self):
        """Makes an empty log under its name."""
        with open(self.path, "ab"):
            pass
        return Place(self.path)

    def reopen(self):
        self.writer.close()
        self.writer = open(self.path, "ab", buffering=0)

    def head(self, at, is_short):
        """What a line begins with, and what its time is."""
        if is_short:
            return f"{short(at)} mx ", int(at)
        at = int(at * 1000000) / 1000000
        return f"{iso(at)} mx ", at

    def append(self, data):
        """Returns whether all of it was written."""
        try:
            n = self.writer.write(data)
        except OSError as e:
            if e.errno not in FULL:
                raise
            n = 0
        if 0 < n < len(data):
            self.broken = True
        return n == len(data)

    def put(self, message, at, is_short=False, split=None):
        self.finish()
        head, at = self.head(at, is_short)
        line = (head + message + "\n").encode("latin-1")
        rest = b""
        if split is not None:
            cut = max(1, min(len(line) - 1, int(split * len(line))))
            line, rest = line[:cut], line[cut:]
        self.broken |= os.fstat(self.writer.fileno()).st_size == 0 and self.follows_half()
        whole = not self.broken
        if not self.append(line):
            return None
        if not whole:
            self.gap()
        written = Written(at, self.current, whole=whole)
        if rest:
            self.half = (rest, written)
        else:
            self.broken = False
        return written

    def put_raw(self, data):
        self.finish()
        whole = self.append(data)
        self.broken = not whole or not data.endswith(b"\n")

    def finish(self):
        if not self.half:
            return
        rest, written = self.half
        self.half = None
        if self.append(rest):
            self.broken = False
            return
        self.broken = True
        written.whole = False
        for event in self.current.events:
            if event.written is written:
                event.sure = False

    def before_start(self):
        # nor has anybody counted how many files there were since the last one that was seen
        if self.lost_places or not self.current.seen:
            self.gap()

    # rotations

    def shift(self, place):
        """Makes room for NAME.1, and takes note of what becomes of it."""
        if not self.dated:
            for i in range(len(self.rotated), 0, -1):
                old = self.rotated[i - 1]
                if not os.path.exists(old.path):
                    continue
                path = f"{self.path}.{i + 1}" + (".gz" if old.path.endswith(".gz") else "")
                os.rename(old.path, path)
                old.path = path
        self.rotated.insert(0, place)
        if len(self.rotated) > KEEP_ROTATED:
            gone = self.rotated.pop()
            if os.path.exists(gone.path):
                os.unlink(gone.path)
                self.destroy(gone)

    def next_name(self):
        self.number += 1
        return f"{self.path}-20261121-{self.number:04}" if self.dated else f"{self.path}.1"

    def rotate(self, kind, between):
        self.finish()
        self.gapped = {"imapd", "imapd-ssl"}
        if kind.startswith("rename"):
            self.rename(kind, between)
        elif kind == "delete":
            os.unlink(self.path)
            self.destroy(self.current)
            self.current = self.new_file()
            self.reopen()
        elif kind == "edit":
            self.edit()
        elif kind == "compress":
            self.rename("rename", between)
            between()
            self.compress()
        else:
            self.copytruncate(kind == "refill", between)

    def follows_half(self):
        """The daemon may take the log's first line for the rest of this, for what came between may be no more."""
        left = [p.path for p in self.rotated if not p.path.endswith(".gz") and os.path.exists(p.path)]
        if not left:
            return False
        with open(left[0], "rb") as f:
            return not (b"\n" + f.read()).endswith(b"\n")

    def rename(self, kind, between):
        old = self.current
        self.shift(old)
        old.path = self.next_name()
        os.rename(self.path, old.path)
        if kind == "rename, late":
            between()
        new = self.new_file()
        if kind == "rename, slow":
            between()
        self.finish()
        self.reopen()
        self.current = new

    def edit(self):
        """As sed -i does: another file of the same lines takes its place."""
        temporary = os.path.join(os.path.dirname(self.path), "sedXXXXXX")
        try:
            with open(self.path, "rb") as f, open(temporary, "wb", buffering=0) as g:
                data = b"".join(line for line in f if b"connect from" not in line)
                if g.write(data) != len(data):
                    raise OSError(errno.ENOSPC, "short write")
        except OSError as e:
            os.unlink(temporary)
            if e.errno not in FULL:
                raise
            return
        os.rename(temporary, self.path)
        self.reopen()
        self.current.seen = False
        self.gap()

    def compress(self):
        """As logrotate does."""
        place = self.rotated[0]
        try:
            with open(place.path, "rb") as f, open(place.path + ".gz", "wb") as g:
                g.write(gzip.compress(f.read(), 1))
        except OSError as e:
            os.unlink(place.path + ".gz")
            if e.errno not in FULL:
                raise
            return
        st = os.stat(place.path)
        os.utime(place.path + ".gz", ns=(st.st_atime_ns, st.st_mtime_ns))
        os.unlink(place.path)
        place.path += ".gz"
        self.destroy(place)

    def copytruncate(self, refill, between):
        old, size, copy = self.current, os.path.getsize(self.path), None
        copy = os.path.join(os.path.dirname(self.path), "copy")
        try:
            shutil.copyfile(self.path, copy)
        except OSError as e:
            os.unlink(copy)
            if e.errno not in FULL:
                raise
            return
        self.shift(old)
        old.path = self.next_name()
        os.rename(copy, old.path)
        # what is written now is in neither of both
        self.current = Place(self.path)
        between()
        # whoever has read the half of a line takes what comes next for its rest, for the copy does not have it
        halved = self.half is not None
        self.finish()
        os.truncate(self.path, 0)
        self.broken |= halved
        self.schedule.model.destroy(self.current, False)
        self.current = Place(self.path)
        self.current.seen = True  # it is the same inode still
        self.gap()
        if refill:
            # read from where the old file ended it is a perfect login, read from its start a part of a failure
            head, _ = self.head(time.time(), False)
            attack = f"dovecot: imap-login: Login: user=<eve>, method=PLAIN, rip={ATTACKER}, lip=1.1.1.1\n"
            start = f"{head}app: failed: "
            self.put_raw((start + "x" * max(0, size - len(start)) + head + attack).encode())

    def close(self):
        self.writer.close()


class LinkedLog(Log):
    """A symbolic link that is pointed elsewhere."""

    rotations = ("switch", "switch, slow", "switch, late", "delete")

    def prepare(self):
        self.targets = 0

    def new_file(self):
        self.targets += 1
        path = f"{self.path}.t{self.targets:04}"
        with open(path, "ab"):
            pass
        os.symlink(os.path.basename(path), self.path + "-new")
        os.replace(self.path + "-new", self.path)
        return Place(path)

    def shift(self, place):
        self.rotated.insert(0, place)
        if len(self.rotated) > KEEP_ROTATED:
            gone = self.rotated.pop()
            os.unlink(gone.path)
            self.destroy(gone)

    def rotate(self, kind, between):
        self.finish()
        self.gapped = {"imapd", "imapd-ssl"}
        if kind == "delete":
            os.unlink(self.current.path)
            self.destroy(self.current)
        else:
            self.shift(self.current)
        if kind == "switch, late":
            os.unlink(self.path)
            between()
        new = self.new_file()
        if kind == "switch, slow":
            between()
        self.finish()
        self.reopen()
        self.current = new


class Multilog(Log):
    """multilog's directory: lines of Dovecot behind a TAI64N stamp, `current`, and @... files that it was."""

    has_identifiers = False
    rotations = ("full", "full, slow")

    def prepare(self):
        os.mkdir(self.path)
        self.path = os.path.join(self.path, "current")

    def configuration(self):
        return [f"File={self.path} dovecot"]

    def head(self, at, is_short):
        whole = int(at)
        nano = int((at - whole) * 1000000) * 1000
        return f"@{(1 << 62) + 10 + whole:016x}{nano:08x} ", whole + nano / 1e9

    def put(self, message, at, is_short=False, split=None):
        assert message.startswith("dovecot: ")
        message = message.removeprefix("dovecot: ").replace(": ", ": Info: ", 1)
        return super().put(message, at, split=split)

    def shift(self, place):
        LinkedLog.shift(self, place)

    def rotate(self, kind, between):
        self.finish()
        directory = os.path.dirname(self.path)
        old = self.current
        self.shift(old)
        old.path = os.path.join(directory, "previous")
        os.rename(self.path, old.path)
        self.current = self.new_file()
        self.reopen()
        if kind == "full, slow":
            between()
        stamp, _ = self.head(time.time(), False)
        final = os.path.join(directory, stamp.strip() + ".s")
        os.rename(old.path, final)
        old.path = final


class Fifo(Input):
    """As a syslog daemon writes to it; the unit holds it open, and so do we."""

    takes_past = False

    def __init__(self, name, schedule, directory):
        super().__init__(name, schedule)
        self.path = os.path.join(directory, name)
        os.mkfifo(self.path, 0o600)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self.half = None

    def configuration(self):
        return [f"Fifo={self.path}"]

    def append(self, data):
        try:
            return os.write(self.fd, data) == len(data)
        except BlockingIOError:
            return False

    def put(self, message, at, is_short=False, split=None):
        self.finish()
        line = (f"{iso(at)} mx {message}"[:4000] + "\n").encode("latin-1")
        rest = b""
        if split is not None:
            cut = max(1, min(len(line) - 1, int(split * len(line))))
            line, rest = line[:cut], line[cut:]
        if not self.append(line):
            return None
        self.half = rest
        return Written(at, Place(once="fifo"), late=float("inf"))

    def put_raw(self, data):
        self.finish()
        self.append(data[-4096:])

    def finish(self):
        # the reader may need some time to make room, and who has written one half waits
        rest, self.half = self.half, None
        if rest and not self.append(rest):
            self.half = rest
            self.schedule.need_daemon()
            self.schedule.wait("there is room in the FIFO", lambda: self.append(rest))
            self.half = None

    def lost_at_end(self):
        # what was read while it could not be published has been taken out all the same
        if self.schedule.was_full:
            self.schedule.model.lose("fifo")
        self.gap()

    def close(self):
        os.close(self.fd)


class SyslogSocket(Input):
    """As another syslog daemon sends to it. What nobody has received when the daemon ends is gone."""

    takes_past = False
    splits = False

    def __init__(self, name, schedule, directory):
        super().__init__(name, schedule)
        self.path = os.path.join(directory, "syslog")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)

    def configuration(self):
        return ["Syslog=yes"]

    def put(self, message, at, is_short=False, split=None):
        try:
            self.socket.sendto(f"<22>{short(at) if is_short else iso(at)} mx {message}"[:8000].encode("latin-1"), self.path)
        except OSError as e:
            if e.errno not in (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN, errno.ENOBUFS):
                raise
            return None
        return Written(int(at) if is_short else at, Place(once="datagram"), late=float("inf"))

    def put_raw(self, data):
        try:
            self.socket.sendto(data[:4096], self.path)
        except OSError:
            pass

    def lost_at_end(self):
        self.schedule.model.lose("datagram")
        self.gap()

    def close(self):
        self.socket.close()
