"""A world of its own for one case of a test: mounts and a network in which the paths, names and ports of a document are free.

/var/run/docker.sock is a real Docker Engine's, `loki:3100` and `prospero.incus:3100` are the judge, /etc and /var are copies on
write. Needs root (sudo).
"""

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import fleetlab
from fleetlab import BIN, Judge, Lab, check, eventually, http

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
PAGES = "http://127.0.0.1:12345"


class World:
    """What the documents take for granted: this process's own mounts and network, a Docker Engine, a Loki."""

    def __init__(self, folder, lab, judge):
        self.folder, self.lab, self.judge = folder, lab, judge

    def write(self, path, content):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def container(self, name, script, **labels):
        """A container on the default json-file driver; labels are Compose's."""
        words = [word for key, value in labels.items() for word in ("--label", f"com.docker.compose.{key}={value}")]
        self.lab.docker("run", "-d", "--name", name, "--network", "none", *words, "lab:1", "/bin/sh", "-c", script)
        return self.lab.docker("inspect", "-f", "{{.Id}}", name).strip()

    def journal(self, *entries):
        """Entries of the machine's own journal."""
        machine = Path("/etc/machine-id").read_text().strip()
        folder = Path("/var/log/journal") / machine
        folder.mkdir(parents=True, exist_ok=True)
        lines = []
        now = time.time_ns() // 1000 - len(entries)
        for number, fields in enumerate(entries):
            entry = {"__REALTIME_TIMESTAMP": now + number, "__MONOTONIC_TIMESTAMP": 1000 + number, "_BOOT_ID": "0" * 31 + "1",
                     "PRIORITY": 6, **fields}
            lines += [f"{name}={value}" for name, value in entry.items()] + [""]
        subprocess.run(["/lib/systemd/systemd-journal-remote", "-o", folder / "system.journal", "-"], check=True,
                       input="\n".join(lines).encode() + b"\n", stderr=subprocess.DEVNULL)

    @contextlib.contextmanager
    def agent_runs(self, *words, environment=None, pages=PAGES):
        """`fleet-agent run WORDS`, from the folder that its service would have; WORDS say where its pages are."""
        self.log = self.folder / "agent.log"
        with open(self.log, "ab") as log:
            process = subprocess.Popen([BIN / "fleet-agent", "run", *words], cwd=self.folder, stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        try:
            eventually(lambda: process.poll() is None and http(pages + "/-/ready", timeout=2)[0] == 200, 20,
                       lambda: f"the agent is ready; its log ends: {self.log.read_text()[-2000:]}")
            yield process
            process.send_signal(signal.SIGTERM)
            check(process.wait(10) == 0, "exit status")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def arrived(self, line, seconds=60):
        """-> the entry of this line."""
        def find():
            return [entry for entry in self.judge.entries() if entry["line"] == line]
        found = eventually(find, seconds, lambda: f"'{line}' arrives; what did: {[entry['line'] for entry in self.judge.seen][-20:]}; "
                                               f"the agent's log ends: {self.log.read_text()[-1500:]}")
        check(self.judge.count()["malformed"] == [], f"malformed pushes: {self.judge.count()['malformed'][:3]}")
        return found[0]

    def expect(self, line, **labels):
        """The line arrives with exactly these labels. -> the entry"""
        entry = self.arrived(line)
        check(entry["labels"] == labels, f"'{line}' has the labels {entry['labels']}, not {labels}")
        return entry

    def never(self, part):
        check(not [entry for entry in self.judge.entries() if part in entry["line"]], f"a line with '{part}' arrived")

    def shell(self, command):
        """A verification command of a document. -> what it prints"""
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, cwd=self.folder)
        check(done.returncode == 0, f"{command}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout


def apart(folder):
    """Gives this process mounts and a network of its own; /etc, /run and /var/lib are copies, /var/log is empty."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    above = folder / "above"
    above.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", above], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var/log"], check=True)
    for path in ("/etc", "/run", "/var/lib"):
        upper, work = above / path[1:] / "upper", above / path[1:] / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", path],
                       check=True)
    Path("/etc/hosts").write_text("127.0.0.1 localhost loki prospero.incus\n")
    if not Path("/etc/machine-id").is_file() or not Path("/etc/machine-id").read_text().strip():
        Path("/etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")


def in_a_world(case):
    """The case runs in a process of its own, which the world ends with."""
    @functools.wraps(case)
    def run():
        fleetlab.as_root()
        sys.stdout.flush()
        with fleetlab.scratch_dir("fleet-world") as folder:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    apart(folder)
                    with Lab("/tmp/fleet-world", "world") as lab, Judge(port=3100) as judge:
                        lab.run("docker-up")
                        Path("/run/docker.sock").touch()
                        subprocess.run(["mount", "--bind", lab.docker_socket, "/run/docker.sock"], check=True)
                        case(World(folder, lab, judge))
                    status = 0
                except BaseException:  # as the child's own, with all it says
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(status)
            check(os.waitpid(child, 0)[1] == 0, "see above")
    return run
