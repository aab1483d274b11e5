# SPDX-License-Identifier: Apache-2.0
"""daemon: authrelayd as it is run here, and what it has published."""

import json
import os
import signal
import socket
import struct
import subprocess
import time

BIN = os.environ.get("BIN", "build/src")
SOURCE = os.environ.get("SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PATIENCE = 60  # seconds until it must have started or read its log: sanitizers are slow


class Failure(Exception):
    pass


class Doubt(Failure):
    """The published files are not a pair: nobody relays by them until the daemon is started."""


def cdb_records(path):
    """All records of a CDB, by key."""
    with open(path, "rb") as f:
        data = f.read()
    end = min(struct.unpack_from("<I", data, 8 * i)[0] for i in range(256))
    records, at = {}, 2048
    while at < end:
        key_size, value_size = struct.unpack_from("<II", data, at)
        at += 8
        records[data[at : at + key_size].decode("latin-1")] = data[at + key_size : at + key_size + value_size]
        at += key_size + value_size
    return records


class Daemon:
    def __init__(self, work, run_directory, state_directory, count):
        self.work = work
        self.run_directory = run_directory
        self.relay_path = os.path.join(run_directory, "relay.cdb")
        self.delta_path = os.path.join(run_directory, "relay-delta.cdb")
        self.tcprules = None  # path
        self.count = count
        self.process = None
        self.state = "down"  # up, hung, down
        self.environment = dict(os.environ, RUNTIME_DIRECTORY=run_directory, STATE_DIRECTORY=state_directory)
        self.environment.pop("NOTIFY_SOCKET", None)

    def configure(self, lines):
        with open(os.path.join(self.work, "authrelay.conf"), "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")

    def ctl(self, *words, **more):
        r = subprocess.run(
            [f"{BIN}/authrelayctl", *words], env=self.environment, capture_output=True, timeout=3 * PATIENCE, check=False, **more
        )
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    def spawn(self):
        with open(os.path.join(self.work, "daemon.log"), "ab") as log:
            self.process = subprocess.Popen(
                [f"{BIN}/authrelayd", f"--config={self.work}/authrelay.conf", f"--patterns={SOURCE}/patterns"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.state = "up"
        self.count("starts")

    def alive(self):
        if self.process and self.process.poll() is not None:
            raise Failure(f"the daemon has ended by itself: status {self.process.returncode}")

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(os.path.join(self.run_directory, "control"))
            except OSError:
                return False
        return True

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)
        self.state = "hung"

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.state = "up"

    def end(self):
        """Killed, as it stands."""
        self.process.kill()
        self.process.wait()
        self.state = "down"

    def stop(self):
        self.process.terminate()
        rc = self.process.wait(timeout=PATIENCE)
        self.state = "down"
        if rc != 0:
            raise Failure(f"the daemon ended with status {rc}")

    # ---- what it has published ----

    def has_published(self):
        return os.path.exists(self.relay_path) and os.path.exists(self.delta_path)

    def relays(self, address):
        environment = dict(self.environment, TCPREMOTEIP=address)
        environment.pop("RELAYCLIENT", None)
        r = subprocess.run(
            [f"{BIN}/relaylock", "-f", self.relay_path, "printenv", "RELAYCLIENT"],
            env=environment, capture_output=True, check=False,
        )  # fmt: skip
        if b"do not belong together" in r.stderr:
            raise Doubt(r.stderr.decode().strip())
        if r.stderr:
            raise Failure(f"relaylock doubts: {r.stderr.decode().strip()}")
        return r.returncode == 0

    def records(self):
        """What stands in both files, by key: the delta's record, if it has one."""
        rc, out, err = self.ctl("--json", "dump", self.relay_path)
        if rc != 0:
            raise Failure(f"dump: {err}")
        return {r["key"]: r for file in json.loads(out) for r in file["records"]}

    def allowed(self):
        now = time.time()
        return {k for k, r in self.records().items() if r["verdict"] == "allow" and (r["until"] == 0 or r["until"] > now)}

    def ruled(self):
        """Addresses that the rules for tcpserver let relay."""
        return {k for k, v in cdb_records(self.tcprules).items() if b"+RELAYCLIENT=" in v}

    def condition(self):
        """What it is doing, if it runs."""
        if self.state != "up" or self.process.poll() is not None:
            return [f"the daemon is {self.state}"]
        try:
            return self.ctl("status")[1].splitlines()
        except subprocess.TimeoutExpired:
            return ["it does not answer"]

    def explain(self, network, address):
        """What the files say of one address."""
        lines = [f"check: {self.ctl('check', address)[1].strip()}"]
        rc, out, err = self.ctl("--json", "dump", self.relay_path)
        if rc != 0:
            return lines + [f"dump: {err.strip()}"]
        for file in json.loads(out):
            rows = [r for r in file["records"] if r["key"] == network]
            lines.append(f"{os.path.basename(file['file'])} generation {file['generation']} of {file['written']}: {rows or 'no record'}")
        if self.tcprules:
            lines.append(f"tcprules: {'' if address in self.ruled() else 'not '}in it")
        return lines
