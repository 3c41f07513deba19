"""Writers: each mints lines of its own, puts them where an agent reads, and knows which of them the agent owes.

A source is held (`with source.held():`) while something is done to what it writes into. `lines` are those that the agent
owes: with most sources every minted one, with those that acknowledge, the acknowledged ones.
"""

import contextlib
import gzip
import json
import os
import random
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid

import fleetlab
from fleetlab import DOCKER, Mint, Writer, check, eventually


class Source:
    """name: first word of its lines. labels: what its entries carry at least. config: the blocks that read it."""

    per_second = 60

    def __init__(self, name, seed, labels):
        self.name, self.labels = name, labels
        self.mint = Mint(name, seed)
        self.random = random.Random(f"{seed}/{name}/source")
        self.lock = threading.RLock()
        self.lines = []
        self.writer = Writer(self.mint, self.put, self.per_second)

    def start(self):
        self.writer.start()

    def put(self, line):
        with self.lock:
            self.write(line)
            self.lines.append(line)

    def mint_one(self):
        """One more line, now. Only while the writer is held or has ended."""
        line = self.mint.line()
        self.put(line)
        return line

    @contextlib.contextmanager
    def held(self):
        with self.lock:
            yield

    def owed(self):
        with self.lock:
            return list(self.lines)

    def poison(self, line):
        """Writes a line that the receiver will not have."""
        with self.lock:
            self.write(line)

    def before_end(self, agent, clean):
        """Called, held, before the agent's life ends; by SIGTERM when it is clean, else by kill -9."""

    def after_end(self):
        """Called, held, after it."""

    def finish(self):
        self.writer.finish()

    def close(self):
        pass


class Journal(Source):
    """Journal files, written by systemd-journal-remote from the export format. Rotation is the next file."""

    def __init__(self, folder, seed):
        super().__init__("journal", seed, {"job": "journal"})
        self.folder = folder / "journal"
        self.folder.mkdir()
        self.boot, self.last, self.files, self.rotations = uuid.uuid4().hex, 0, [], 0
        self.config = f"""
loki.source.journal "journal" {{
  path       = "{self.folder}"
  labels     = {{ job = "journal" }}
  forward_to = [loki.write.judge.receiver]
}}
"""
        self.process = None
        self.rotate()

    def rotate(self):
        with self.lock:
            self.close()
            self.rotations += 1  # vacuuming makes self.files shorter; no name comes twice
            self.files.append((self.folder / f"test-{self.rotations:04d}.journal", []))
            self.process = subprocess.Popen(["/lib/systemd/systemd-journal-remote", "-o", str(self.files[-1][0]), "-"],
                                            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def write(self, line):
        now = self.last = max(time.time_ns() // 1000, self.last + 1)
        self.process.stdin.write(
            (f"__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={time.monotonic_ns() // 1000}\n_BOOT_ID={self.boot}\n"
             f"_TRANSPORT=journal\nPRIORITY=6\n_SYSTEMD_UNIT=mint.service\nMESSAGE={line}\n\n").encode())
        self.process.stdin.flush()

    def put(self, line):
        with self.lock:
            super().put(line)
            self.files[-1][1].append(line)

    def vacuum(self, arrived):
        """Removes rotated files all of whose lines have arrived. -> their number"""
        with self.lock:
            gone = [file for file in self.files[:-1] if set(file[1]) <= arrived]
            for file in gone:
                file[0].unlink()
                self.files.remove(file)
            return len(gone)

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


class Container(Source):
    """A Compose container that prints, on stdout or stderr, what is written to it; read through Docker's API."""

    flags = []

    def __init__(self, lab, seed, name, redirect=""):
        super().__init__(name, seed, {"job": "docker", "service": "mint", "component": name})
        self.lab, self.redirect = lab, redirect
        self.container, self.config = f"mint-{name}-1", ""
        self.process = self.docker(["run", "-i", "--name", self.container, "--network", "none", *self.flags,
                                    "--label", "com.docker.compose.project=mint",
                                    "--label", f"com.docker.compose.service={name}",
                                    "lab:1", "/bin/sh", "-c", f"exec cat {redirect}"])
        self.wait_running()

    def docker(self, words):
        return subprocess.Popen([DOCKER, "-H", f"unix://{self.lab.docker_socket}", *words], stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_running(self):
        state = ["inspect", "-f", "{{.State.Running}} {{.Id}}", self.container]
        self.id = eventually(lambda: (said := self.said(state)).startswith("true ") and said.split()[1], 20,
                             f"{self.container} runs")

    def said(self, words):
        return subprocess.run([DOCKER, "-H", f"unix://{self.lab.docker_socket}", *words], capture_output=True, text=True,
                              check=False).stdout

    def write(self, line):
        if self.random.random() < 0.01 and not self.flags:  # Docker splits it into parts of 16 KiB
            del self.mint.lines[-1]
            line = self.mint.line(self.random.randint(16000, 50000))
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return line

    def put(self, line):
        with self.lock:
            self.lines.append(self.write(line))

    def settled(self):
        """Docker has all that was written. Held."""
        last = self.lines[-1].encode() if self.lines else b""
        eventually(lambda: last in self.said(["logs", "--tail", "3", self.container]).encode() or
                   last in subprocess.run([DOCKER, "-H", f"unix://{self.lab.docker_socket}", "logs", "--tail", "3",
                                           self.container], capture_output=True, check=False).stderr, 20,
                   f"{self.container} has printed its last line")

    def start_again(self):
        """After the daemon was restarted. Held."""
        self.close()
        self.process = self.docker(["start", "-a", "-i", self.container])
        self.wait_running()

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


class JsonFile(Container):
    """A container whose json-file is read as a file, while the daemon rotates it."""

    flags = ["--log-driver", "json-file", "--log-opt", "max-size=30k", "--log-opt", "max-file=30", "--label", "api=no"]

    def __init__(self, lab, seed, name):
        super().__init__(lab, seed, name)
        self.labels = {"job": "json-file"}
        self.path = lab.folder / f"docker/data/containers/{self.id}/{self.id}-json.log"
        self.config = f"""
loki.source.file "json_file" {{
  targets    = [{{ __path__ = "{self.path}", job = "json-file" }}]
  forward_to = [loki.process.json_file.receiver]
}}

loki.process "json_file" {{
  stage.docker {{ }}
  forward_to = [loki.write.judge.receiver]
}}
"""

    def rotations(self):
        """Of the daemon, so far. What max-file threw away is not counted, and must not happen."""
        return len(list(self.path.parent.glob("*-json.log.*")))


class Rotated(Source):
    """A plain file that logrotate renames."""

    copy = False

    def __init__(self, folder, seed, name="renamed", keep=9):
        super().__init__(name, seed, {"job": name, "filename": str(folder / f"{name}.log")})
        self.path, self.keep = folder / f"{name}.log", keep
        self.file = open(self.path, "ab", buffering=0)
        self.config = f"""
loki.source.file "{name}" {{
  targets    = [{{ __path__ = "{self.path}", job = "{name}" }}]
  forward_to = [loki.write.judge.receiver]
}}
"""

    def write(self, line):
        self.file.write(line.encode() + b"\n")

    def shift(self):
        for number in range(self.keep, 0, -1):
            old = self.path.with_suffix(f".log.{number}")
            if old.exists():
                old.rename(self.path.with_suffix(f".log.{number + 1}"))

    def rotate(self):
        with self.lock:
            self.shift()
            self.path.rename(self.path.with_suffix(".log.1"))
            self.file.close()
            self.file = open(self.path, "ab", buffering=0)

    def close(self):
        self.file.close()


class Copied(Rotated):
    """A plain file that logrotate copies and truncates."""

    def rotate(self):
        with self.lock:
            self.shift()
            self.path.with_suffix(".log.1").write_bytes(self.path.read_bytes())
            os.truncate(self.path, 0)


class Gzipped(Source):
    """Whole .gz files that appear now and then."""

    def __init__(self, folder, seed):
        super().__init__("gz", seed, {"job": "gz"})
        self.folder, self.waiting, self.appeared = folder / "gz", [], 0
        self.folder.mkdir()
        self.config = f"""
local.file_match "gz" {{
  path_targets = [{{ __path__ = "{self.folder}/*.gz", job = "gz" }}]
  sync_period  = "250ms"
}}

loki.source.file "gz" {{
  targets    = local.file_match.gz.targets
  forward_to = [loki.write.judge.receiver]
  decompression {{
    enabled = true
    format  = "gz"
  }}
}}
"""

    def put(self, line):
        with self.lock:
            self.waiting.append(line)
            if len(self.waiting) >= 90 or not self.writer.is_alive():
                self.appear()

    def appear(self):
        with self.lock:
            if not self.waiting:
                return
            made = self.folder / f"{self.appeared:05d}.new"
            made.write_bytes(gzip.compress("".join(line + "\n" for line in self.waiting).encode()))
            made.rename(made.with_suffix(".gz"))
            self.appeared += 1
            self.lines += self.waiting
            self.waiting = []

    def finish(self):
        super().finish()
        self.appear()


class Syslog(Source):
    """A TCP peer. TCP acknowledges nothing to a program, so before a kill the peer is quiet until the agent says that it
    received all, and for the time that it then has to make it durable. Before a SIGTERM it need not be."""

    per_second = 100

    def __init__(self, seed, port):
        super().__init__("syslog", seed, {"job": "syslog"})
        self.port, self.socket, self.sent, self.ended = port, None, 0, False
        self.config = f"""
loki.source.syslog "syslog" {{
  listener {{
    address       = "127.0.0.1:{port}"
    syslog_format = "rfc5424"
    labels        = {{ job = "syslog" }}
  }}
  forward_to = [loki.write.judge.receiver]
}}
"""

    def write(self, line):
        while self.socket is None:
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), 1)
            except OSError:
                self.lock.release()  # the agent is between two lives, which needs the lock to end
                time.sleep(0.01)
                self.lock.acquire()
        self.socket.sendall(f"<13>1 - mint mint - - - {line}\n".encode())
        self.sent += 1

    DURABLE = 0.3  # s after it was read; docs/reference/loki.source.syslog.md

    def before_end(self, agent, clean):
        if self.socket is None or clean:
            return
        eventually(lambda: agent.metric("loki_source_syslog_received_messages_total") == self.sent, 20,
                   lambda: f"the agent received {self.sent} messages; "
                           f"it says {agent.metric('loki_source_syslog_received_messages_total')}")
        time.sleep(self.DURABLE)

    def after_end(self):
        if self.socket is not None:
            self.socket.close()
        self.socket, self.sent = None, 0

    close = after_end


class Push(Source):
    """A client of Loki's push API that tries again until it gets a 204; what got one is owed."""

    per_second = 20

    def __init__(self, seed, port, name="api", more=""):
        super().__init__(name, seed, {"job": name})
        self.url = f"http://127.0.0.1:{port}/loki/api/v1/push"
        self.retries = 0
        self.config = f"""
loki.source.api "{name.replace("-", "_")}" {{
  http {{
    listen_address = "127.0.0.1"
    listen_port    = {port}
  }}
  use_incoming_timestamp = true
  forward_to             = [loki.write.judge.receiver]
{more}}}
"""

    def poison(self, line):
        """Would wait for an agent that lives long enough."""

    def put(self, line):  # without the lock: a kill in the middle of a request is what this source is for
        body = json.dumps({"streams": [{"stream": {"job": self.name}, "values": [[str(time.time_ns()), line]]}]}).encode()
        while True:
            try:
                request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=5) as answer:
                    check(answer.status == 204, f"api: {answer.status}")
                break
            except OSError:  # HTTPError is one, too
                self.retries += 1
                time.sleep(0.01)
        with self.lock:
            self.lines.append(line)


def config_of(sources, lab=None):
    blocks = "".join(source.config for source in sources)
    if any(type(source) is Container for source in sources):
        blocks += f"""
discovery.docker "containers" {{
  host             = "unix://{lab.docker_socket}"
  refresh_interval = "5s"
}}

discovery.relabel "containers" {{
  targets = discovery.docker.containers.targets
  rule {{
    source_labels = ["__meta_docker_container_label_api"]
    regex         = "no"
    action        = "drop"
  }}
  rule {{
    source_labels = ["__meta_docker_container_label_com_docker_compose_project"]
    target_label  = "service"
  }}
  rule {{
    source_labels = ["__meta_docker_container_label_com_docker_compose_service"]
    target_label  = "component"
  }}
}}

loki.source.docker "containers" {{
  host       = "unix://{lab.docker_socket}"
  targets    = discovery.relabel.containers.output
  labels     = {{ job = "docker" }}
  forward_to = [loki.write.judge.receiver]
}}
"""
    return blocks
