#!/usr/bin/python3
"""kill_test.py CASE | --list: kill -9 at random moments while a journal, containers and a file are written to and Loki
misbehaves: nothing is lost.

Real: the agent, a Docker Engine, journal files (systemd-journal-remote), a judge that we did not teach our encoding.
KILL_ROUNDS (200) and KILL_SEED (random, printed) come from the environment.
"""

import os
import random
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import DOCKER, Agent, Judge, Lab, Mint, Writer, check, eventually, explain, verdict

ROUNDS = int(os.environ.get("KILL_ROUNDS", "200"))
SEED = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1 << 32)))
FAULTS = ["503", "429", "reset", "silence", "slow", "lost-ack"]
POISON = "poison"  # the judge refuses a whole push with 400 as long as such a line is in it

CONFIG = """
loki.write "judge" {{
  endpoint {{
    url                 = "{push_url}"
    batch_wait          = "100ms"
    min_backoff_period  = "20ms"
    max_backoff_period  = "250ms"
    remote_timeout      = "2s"
  }}
}}

loki.source.file "file" {{
  targets    = [{{ __path__ = "{folder}/app.log", job = "file" }}]
  forward_to = [loki.write.judge.receiver]
}}

loki.source.journal "journal" {{
  path       = "{folder}/journal"
  labels     = {{ job = "journal" }}
  forward_to = [loki.write.judge.receiver]
}}

discovery.docker "containers" {{
  host             = "unix://{socket}"
  refresh_interval = "5s"
}}

discovery.relabel "containers" {{
  targets = discovery.docker.containers.targets
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
  host       = "unix://{socket}"
  targets    = discovery.relabel.containers.output
  labels     = {{ job = "docker" }}
  forward_to = [loki.write.judge.receiver]
}}
"""


class JournalWriter:
    """Journal files written by systemd-journal-remote from the journal export format."""

    def __init__(self, folder):
        folder.mkdir()
        self.boot = uuid.uuid4().hex
        self.process = subprocess.Popen(
            ["/lib/systemd/systemd-journal-remote", "-o", str(folder / "test.journal"), "-"], stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.last = 0

    def write(self, line):
        now = max(time.time_ns() // 1000, self.last + 1)
        self.last = now
        entry = (f"__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={time.monotonic_ns() // 1000}\n_BOOT_ID={self.boot}\n"
                 f"_TRANSPORT=journal\nPRIORITY=6\n_SYSTEMD_UNIT=mint.service\nMESSAGE={line}\n\n")
        self.process.stdin.write(entry.encode())
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class ContainerWriter:
    """A Compose container that prints, on stdout or stderr, what is written to it."""

    def __init__(self, lab, name, service, redirect=""):
        self.process = subprocess.Popen(
            [DOCKER, "-H", f"unix://{lab.docker_socket}", "run", "-i", "--name", name, "--network", "none",
             "--label", "com.docker.compose.project=mint", "--label", f"com.docker.compose.service={service}",
             "lab:1", "/bin/sh", "-c", f"exec cat {redirect}"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def write(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class FileWriter:
    def __init__(self, path):
        self.file = open(path, "ab", buffering=0)

    def write(self, line):
        self.file.write(line.encode() + b"\n")

    def close(self):
        self.file.close()


def sources(lab, folder, rng):
    """-> [(writer thread, what it writes to, labels its lines must carry)]"""
    ends = [
        ("file", FileWriter(folder / "app.log"), {"job": "file", "filename": str(folder / "app.log")}),
        ("journal", JournalWriter(folder / "journal"), {"job": "journal"}),
        ("stdout", ContainerWriter(lab, "mint-out-1", "out"), {"job": "docker", "service": "mint", "component": "out"}),
        ("stderr", ContainerWriter(lab, "mint-err-1", "err", ">&2"),
         {"job": "docker", "service": "mint", "component": "err"}),
    ]
    made = []
    for name, end, labels in ends:
        mint = Mint(name, SEED)
        if name in ("stdout", "stderr"):  # now and then a line that Docker splits into parts of 16 KiB
            plain, pick = mint.line, random.Random(f"{SEED}/{name}/long")
            mint.line = lambda plain=plain, pick=pick: plain(pick.randint(16000, 50000) if pick.random() < 0.01 else None)
        lock = threading.Lock()

        def write(line, end=end, lock=lock):
            with lock:
                end.write(line)

        made.append((Writer(mint, write, per_second=100), end, labels, write))
    return made


def fill(agent_folder):
    """Bytes of the agent's own state, for the report."""
    return sum(path.stat().st_size for path in agent_folder.rglob("*") if path.is_file())


def kill_9_loses_nothing():
    """Kills at random moments against a misbehaving Loki: every line arrives, repeats have equal timestamp and labels."""
    fleetlab.as_root()
    print(f"seed {SEED}, {ROUNDS} rounds", flush=True)
    rng = random.Random(SEED)
    start = time.monotonic()
    with fleetlab.scratch_dir("fleet-kill-test") as folder, Lab("/tmp/fleet-killtest", "killtest") as lab, Judge() as judge:
        lab.run("docker-up")
        made = sources(lab, folder, rng)
        judge.reject(POISON)
        judge.mode("chaos", modes=FAULTS, chance=0.25, seed=SEED, hold=0.3, delay=0.1, retry_after=1)
        agent = Agent(CONFIG.format(push_url=judge.push_url, folder=folder, socket=lab.docker_socket), folder / "agent")
        for writer, *_ in made:
            writer.start()
        with agent:
            for turn in range(ROUNDS):
                agent.start()
                if turn % 10 == 0:  # refused for good; must not take its neighbours with it
                    rng.choice(made)[3](f"{POISON} {turn}")
                life = rng.uniform(0.01, 1.0)
                try:
                    status = agent.process.wait(life)
                    check(False, f"round {turn}: the agent ended by itself with status {status}: {agent.log_tail()}")
                except subprocess.TimeoutExpired:
                    agent.kill()
                if turn % 50 == 49:
                    count = judge.count()
                    print(f"round {turn + 1}: minted {sum(len(w.mint.lines) for w, *_ in made)}, "
                          f"kept {count['entries']} entries, faults {count['faults']}", flush=True)
            for writer, *_ in made:
                writer.finish()
            killed = time.monotonic() - start
            minted = [line for writer, *_ in made for line in writer.mint.lines]
            judge.mode("ok")
            agent.start().wait_ready()
            arrived = lambda: len({entry["line"] for entry in judge.entries()} & set(minted)) == len(minted)
            try:
                eventually(arrived, 60, "every line arrived", interval=0.5)
            except fleetlab.Failed:
                pass  # the verdict says what is missing
            result = verdict(minted, judge.entries())
            count = judge.count()
            print(f"{ROUNDS} kills in {killed:.0f} s, drained {time.monotonic() - start - killed:.1f} s later: "
                  f"minted {result['minted']}, missing {result['missing']}, corrupted {result['corrupted']}, "
                  f"spurious {result['spurious']}, repeats {result['repeats']}, of them unequal {result['unequal']}; "
                  f"faults {count['faults']}; state {fill(agent.folder / 'data')} bytes", flush=True)
            wrong = [name for name in ("missing", "corrupted", "spurious", "unequal") if result[name]]
            check(not wrong, explain(result) + f"; seed {SEED}; the agent's log ends: {agent.log_tail()}")
            check(count["malformed"] == [], f"malformed pushes: {count['malformed'][:3]}")
            for fault in FAULTS + ["400"]:
                check(ROUNDS < 50 or count["faults"].get(fault, 0) > 0, f"the fault {fault} was never served")
            labels_of = {writer.mint.source: labels for writer, _, labels, _ in made}
            for entry in judge.entries():
                wanted = labels_of[entry["line"].split()[0]]
                check(wanted.items() <= entry["labels"].items(), f"labels {entry['labels']}, wanted at least {wanted}")

            # A clean stop leaves nothing to repeat: the next life sends new lines only.
            check(agent.stop() == 0, "exit status after SIGTERM")
            before = len(judge.entries())
            agent.start()
            fresh = [writer.mint.line() for writer, *_ in made]
            for (_, _, _, write), line in zip(made, fresh):
                write(line)
            eventually(lambda: {entry["line"] for entry in judge.entries()[before:]} >= set(fresh), 30,
                       lambda: f"new lines after a clean stop; the log ends: {agent.log_tail()}")
            again = [entry["line"][:80] for entry in judge.entries()[before:] if entry["line"] not in fresh]
            check(not again, f"{len(again)} lines were sent again after a clean stop: {again[:3]}")
            check(agent.stop() == 0, "exit status after SIGTERM")
        for _, end, _, _ in made:
            end.close()
    print(f"passed in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    fleetlab.main([kill_9_loses_nothing])
