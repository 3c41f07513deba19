"""What the Python tests of tests/process and tests/fleet share: the judge, the agent, minted lines and the lab.

Nothing here sleeps for a fixed time to let something happen: `eventually` polls with a deadline and says what it waited for.
Programs under test come from $FLEET_BIN (ctest sets it), else build/release/bin.
"""

import contextlib
import fcntl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests/support"
BIN = Path(os.environ.get("FLEET_BIN", ROOT / "build/release/bin"))
DOCKER = "/usr/bin/docker"  # docker.io's client; another version may come first in PATH


class Failed(AssertionError):
    """A check of a test did not hold; the message is for a person."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def as_root():
    """Starts the running test again under sudo when it is not root: it boots hosts."""
    if os.geteuid() != 0:
        os.execvp("sudo", ["sudo", "-n", "--preserve-env=FLEET_BIN,LAB_DIR,ORACLE_SEED,ORACLE_KILLS,ORACLE_WORLDS",
                            sys.executable, *sys.argv])


def eventually(condition, seconds, what, interval=0.05):
    """Polls until condition() is true and returns its value. An OSError of the condition counts as not yet."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except OSError as error:
            last = error
        if time.monotonic() >= end:
            raise Failed(f"after {seconds} s still not: {what() if callable(what) else what} (last: {str(last)[:300]})")
        time.sleep(interval)


def http(url, data=None, timeout=10):
    """-> (status, body as text). An HTTP error is a status, a connection error raises OSError."""
    body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def free_port(address="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def write_journal(folder, lines, began_us, **fields):
    """A journal as journald leaves it: a line each microsecond. -> its file"""
    machine = "0123456789abcdef0123456789abcdef"
    file = folder / machine / "system.journal"
    file.parent.mkdir(parents=True)
    more = "".join(f"{name}={value}\n" for name, value in fields.items())
    entries = "".join(f"__REALTIME_TIMESTAMP={began_us + i}\n__MONOTONIC_TIMESTAMP={i + 1}\n_BOOT_ID={machine}\n{more}MESSAGE={line}\n\n"
                      for i, line in enumerate(lines))
    done = subprocess.run(["/lib/systemd/systemd-journal-remote", "-o", file, "-"], input=entries, capture_output=True, text=True)
    check(done.returncode == 0, f"systemd-journal-remote: {done.stderr}")
    return file


@contextlib.contextmanager
def scratch_dir(prefix):
    """A folder that is kept, and named, when the test fails."""
    path = Path(tempfile.mkdtemp(prefix=f"{prefix}."))
    try:
        yield path
    except BaseException:
        print(f"kept for inspection: {path}", file=sys.stderr)
        raise
    shutil.rmtree(path, ignore_errors=True)


class Served:
    """An HTTP server of the test, for the length of a with: what `handler`, a BaseHTTPRequestHandler, answers."""

    def __init__(self, handler, address="127.0.0.1", port=0):
        self.server = ThreadingHTTPServer((address, port), handler)
        self.address = f"{address}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Taker(BaseHTTPRequestHandler):
    """Takes every push, of lines or of samples, so that the agents are well; what arrives is judged elsewhere."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):  # the name that http.server calls
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Judge:
    """A running loki_judge.py; see its head for the modes."""

    def __init__(self, address="127.0.0.1", store=None, port=0, tls=False):
        command = ["/usr/bin/python3", str(SUPPORT / "loki_judge.py"), "--listen", f"{address}:{port}"]
        if store:
            command += ["--store", str(store)]
        if tls:
            command += ["--tls"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        check(words[:1] == ["port"], "the judge did not start")
        self.url = f"http://{address}:{words[1]}"
        self.push_url = self.url + "/loki/api/v1/push"
        if tls:
            self.tls_push_url = f"https://{address}:{words[3]}/loki/api/v1/push"
        self.seen = []

    def post(self, path, wish):
        status, body = http(self.url + path, wish)
        check(status == 200, f"judge: POST {path}: {status} {body}")

    def mode(self, mode, **wish):
        self.post("/mode", {"mode": mode, **wish})

    def reject(self, text, store_rest=False):
        self.post("/reject", {"match": text, "store_rest": store_rest})

    def count(self):
        return json.loads(http(self.url + "/count")[1])

    def requests(self):
        return json.loads(http(self.url + "/requests")[1])

    def queries(self):
        return json.loads(http(self.url + "/queries")[1])

    def entries(self):
        """Every entry kept so far, in order of arrival."""
        _, body = http(f"{self.url}/entries?since={len(self.seen)}", timeout=60)
        self.seen += [json.loads(line) for line in body.splitlines()]
        return self.seen

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Agent:
    """A fleet-agent on this machine. Its log goes to log_path, appended over restarts."""

    def __init__(self, config, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_path = self.folder / "config.alloy"
        self.config_path.write_text(config)
        self.log_path = self.folder / "agent.log"
        self.process = None
        self.command = [BIN / "fleet-agent"]
        self.flags = []  # of run
        self.began = 0  # where this life begins in the log

    @property
    def url(self):
        """Where its pages are; it says so in its log."""
        def find():
            check(self.process.poll() is None, f"the agent ended: {self.log_tail()}")
            return re.search(rb'msg="now listening for http traffic" addr=(\S+)', self.log_path.read_bytes()[self.began:])
        return "http://" + eventually(find, 10, lambda: f"the agent listens; its log ends: {self.log_tail()}")[1].decode()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.began = log.tell()
            self.process = subprocess.Popen(
                self.command + ["run", self.config_path, "--server.http.listen-addr=127.0.0.1:0",
                 f"--storage.path={self.folder / 'data'}", *self.flags], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self

    def ready(self):
        return self.process.poll() is None and http(self.url + "/-/ready", timeout=2)[0] == 200

    def wait_ready(self, seconds=10):
        eventually(self.ready, seconds, lambda: f"the agent ready; its log ends: {self.log_tail()}")
        return self

    def log_tail(self, size=2000):
        return self.log_path.read_bytes()[-size:].decode(errors="replace")

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=10):
        """SIGTERM; -> exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"the agent did not stop within {seconds} s: {self.log_tail()}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.kill()


class Mint:
    """Mints lines that nobody can mistake: source, number, filling, and a checksum of all that."""

    FORM = re.compile(r"(?P<source>[a-z0-9-]+) (?P<number>\d{8}) (?P<filling>\S*) (?P<sum>[0-9a-f]{8})\Z")

    def __init__(self, source, seed=0, longest=200):
        self.source, self.longest = source, longest
        self.random = random.Random(f"{seed}/{source}")
        self.lines = []

    def line(self, size=None):
        filling = "%0*x" % (size or self.random.randint(1, self.longest), self.random.getrandbits(64))
        text = f"{self.source} {len(self.lines):08d} {filling}"
        text += f" {zlib.crc32(text.encode()):08x}"
        self.lines.append(text)
        return text

    @classmethod
    def genuine(cls, line):
        match = cls.FORM.match(line)
        return bool(match) and zlib.crc32(line.rpartition(" ")[0].encode()) == int(match["sum"], 16)


def verdict(minted, entries):
    """Compares what was minted with what arrived. -> dict of counts and examples; all of missing, corrupted, spurious and
    unequal (a repeat whose timestamp or labels differ) must be 0."""
    wanted = set(minted)
    check(len(wanted) == len(minted), "a line was minted twice")
    first, repeats, bad = {}, 0, {"missing": [], "corrupted": [], "spurious": [], "unequal": []}
    for entry in entries:
        line = entry["line"]
        if line not in wanted:
            bad["spurious" if Mint.genuine(line) else "corrupted"].append(line[:200])
            continue
        identity = (entry["ts"], entry["labels"])
        if line not in first:
            first[line] = identity
        else:
            repeats += 1
            if first[line] != identity:
                bad["unequal"].append([line[:200], first[line], identity])
    bad["missing"] = [line[:200] for line in minted if line not in first]
    return {"minted": len(minted), "arrived": len(first), "repeats": repeats, "bad": bad,
            **{name: len(found) for name, found in bad.items()}}


def explain(result):
    counts = Counter({name: result[name] for name in ("missing", "corrupted", "spurious", "unequal") if result[name]})
    return f"{dict(counts)}; examples: " + json.dumps({name: found[:3] for name, found in result["bad"].items() if found})


class Writer(threading.Thread):
    """Mints lines at a rate and hands each to write(line) until told to stop."""

    def __init__(self, mint, write, per_second):
        super().__init__(name=f"writer-{mint.source}", daemon=True)
        self.mint, self.write, self.per_second = mint, write, per_second
        self.stopping = threading.Event()
        self.error = None

    def run(self):
        try:
            start, written = time.monotonic(), 0
            while not self.stopping.wait(0.01):
                due = int((time.monotonic() - start) * self.per_second)
                while written < due:
                    self.write(self.mint.line())
                    written += 1
        except OSError as error:
            self.error = error

    def finish(self):
        self.stopping.set()
        self.join()
        check(self.error is None, f"{self.name}: {self.error}")


class Lab:
    """tests/support/lab with its own folder and name: hosts and Docker of this test run."""

    def __init__(self, folder, name):
        self.folder = Path(folder)
        self.environment = {**os.environ, "LAB_DIR": str(self.folder), "LAB_NAME": name}

    def run(self, *words, check_status=True, timeout=300, **options):
        done = subprocess.run([SUPPORT / "lab", *map(str, words)], env=self.environment, text=True, timeout=timeout,
                              capture_output=True, **options)
        if check_status and done.returncode != 0:
            raise Failed(f"lab {' '.join(map(str, words))}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def ssh(self, host, command, check_status=True):
        return self.run("ssh", host, command, check_status=check_status).stdout

    def address(self, host):
        return self.run("address", host).stdout.strip()

    @property
    def gateway(self):
        """This machine, as the hosts see it."""
        return self.run("gateway").stdout.strip()

    def get(self, host, path, port=12345):
        """GET of the host's own 127.0.0.1. -> (status, body)"""
        done = self.run("net", host, "curl", "-sS", "--max-time", "5", "-w", "\n%{http_code}",
                        f"http://127.0.0.1:{port}{path}", check_status=False)
        if done.returncode != 0:
            raise ConnectionError(done.stderr.strip())
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def install_agent(self, host, config):
        """Puts the built agent and the shipped unit onto the host, as a deploy would; it is not started."""
        root = self.folder / "hosts" / host / "root"
        unit = ROOT / "packaging/fleet-agent.service"
        subprocess.run([ROOT / "packaging/bundle.sh", BIN / "fleet-agent", unit, self.folder / "bundle", "0"], check=True, capture_output=True)
        (root / "opt/fleet-agent/current").mkdir(parents=True)
        subprocess.run(["tar", "-C", root / "opt/fleet-agent/current", "-xf", self.folder / "bundle/fleet-agent.tar.gz"], check=True)
        shutil.copy(unit, root / "etc/systemd/system")
        (root / "etc/fleet-agent").mkdir()
        (root / "etc/fleet-agent/config.alloy").write_text(config)
        self.run("exec", host, "/bin/sh", "-ec", "useradd --system --no-create-home fleet-agent; systemctl daemon-reload")

    @property
    def docker_socket(self):
        return self.folder / "docker/docker.sock"

    def docker(self, *words, **options):
        done = subprocess.run([DOCKER, "-H", f"unix://{self.docker_socket}", *map(str, words)], text=True,
                              capture_output=True, **options)
        check(done.returncode == 0, f"docker {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def __enter__(self):
        self.lock = open(f"{self.folder}.lock", "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # another run of the same test goes first
        self.run("down")  # leftovers of a crashed run
        return self

    def __exit__(self, *_):
        self.run("down")
        self.lock.close()


def main(cases):
    """The command line of a test file: --list names its cases, a name runs one, nothing runs all. Each case is one
    behaviour, told by its docstring."""
    known = {case.__name__: case for case in cases}
    if sys.argv[1:] == ["--list"]:
        print(";".join(known))
        return
    wanted = sys.argv[1:] or list(known)
    if not set(wanted) <= set(known):
        sys.exit(f"usage: {sys.argv[0]} --list | CASE...; cases: {' '.join(known)}")
    failed = 0
    for name in wanted:
        start = time.monotonic()
        try:
            known[name]()
            outcome = "ok"
        except Failed as error:
            outcome, failed = f"FAILED: {error}", failed + 1
        print(f"{name}: {known[name].__doc__.strip()} ... {outcome} ({time.monotonic() - start:.1f} s)", flush=True)
    sys.exit(1 if failed else 0)
