"""What is done to an agent and around it. Every injector counts what it did, and raises when it could not do it."""

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

from fleetlab import check, eventually, http

# Of the receiver; each push meets one of them with a chance. "413" refuses a push of more than one entry.
RECEIVER = ["429", "500", "503", "413", "reset", "silence", "slow", "lost-ack"]
POISON = "poison"  # the judge refuses a whole push with 400 as long as such a line is in it


def chaos(judge, seed, chance=0.15):
    judge.mode("chaos", modes=RECEIVER, chance=chance, seed=seed, hold=0.2, delay=0.1, retry_after=1)


class Reloads:
    """Reloads with changed arguments: the endpoint's sizes and pauses, a component that comes and goes."""

    def __init__(self, agent, config):
        self.agent, self.config, self.turn, self.count = agent, config, 0, Counter()

    def once(self):
        self.turn += 1
        settings = {"batch_wait": f"{20 + self.turn % 7 * 10}ms", "batch_size": f"{40 + self.turn % 5 * 200}KiB"}
        text = self.config(settings)
        if self.turn % 2:
            text += f'\nloki.relabel "comes_and_goes_{self.turn % 3}" {{\n  forward_to = []\n}}\n'
        broken = self.turn % 5 == 0
        self.agent.config_path.write_text(text + ('\nloki.write "x" {\n  endpoint { }\n}\n' if broken else ""))
        if self.turn % 3 == 0 and not broken:
            said = b'msg="config reloaded"'
            before = self.agent.log_path.read_bytes().count(said)
            self.agent.process.send_signal(signal.SIGHUP)
            eventually(lambda: self.agent.log_path.read_bytes().count(said) > before, 10, "a reload by SIGHUP")
            self.count["SIGHUP"] += 1
            return
        status, words = http(self.agent.url + "/-/reload", b"")
        check(status == (400 if broken else 200), f"POST /-/reload: {status} {words}")
        self.count["refused" if broken else "POST"] += 1
        if broken:
            self.agent.config_path.write_text(text)  # what the next life starts with


class SmallDisk:
    """A tmpfs for the agent's data that can be full."""

    def __init__(self, folder, size="8m"):
        self.folder, self.times = Path(folder), 0
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.folder], check=True)

    def fill(self):
        with open(self.folder / "filling", "ab", buffering=0) as filling:
            try:
                while True:
                    filling.write(bytes(4096))
            except OSError:
                pass
        check(os.statvfs(self.folder).f_bavail == 0, "the disk is not full")
        self.times += 1

    def make_room(self):
        (self.folder / "filling").unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.folder], check=True)


def restart_dockerd(lab, containers, how):
    """Ends the daemon, with SIGTERM or SIGKILL, and starts it and the containers again; what they printed is in its logs."""
    for container in containers:
        container.lock.acquire()
    try:
        for container in containers:
            container.settled()
        lab.run("docker-restart", how)
        for container in containers:
            container.start_again()
    finally:
        for container in containers:
            container.lock.release()
