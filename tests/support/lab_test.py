#!/usr/bin/python3
"""lab_test.py CASE | --list: the lab boots what it says and leaves no trace, also after a crash."""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fleetlab
from fleetlab import Lab, check, eventually

FOLDER, NAME = Path("/tmp/fleet-labtest"), "labtest"


def traces():
    """Everything on this machine that belongs to this lab."""
    found = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {FOLDER}/" in line]
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    found += [line for line in links.splitlines() if f"fl-{NAME}" in line or f"vb-{NAME}" in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{NAME}-*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            root = (process / "mountinfo").read_text()
        except OSError:
            continue  # it ended meanwhile
        if str(FOLDER).encode() in words and process.name != str(os.getpid()):
            found.append(f"process {process.name}: {words[:100]}")
        elif f"upperdir={FOLDER}/" in root and any(line.split()[4] == "/" and f"upperdir={FOLDER}/" in line
                                                  for line in root.splitlines()):
            found.append(f"process {process.name} in a host: {words[:100]}")
    return found + [str(path) for path in [FOLDER] if path.exists()]


def boots_hosts_and_leaves_no_trace():
    """Two hosts side by side, one with Docker: systemd runs, SSH answers, and after `down` nothing is left."""
    fleetlab.as_root()
    with Lab(FOLDER, NAME) as lab:
        lab.run("docker-up")
        lab.run("up", "--docker", "--hosts-entry", f"{lab.gateway} receiver.lab", "one", "two.lab")
        for host in ("one", "two.lab"):
            said = lab.ssh(host, "hostname; systemctl is-system-running; getent hosts receiver.lab; getent group docker")
            check(said.split()[:3] == [host, "running", lab.gateway] and "docker:x:" in said, f"{host}: {said}")
            # A service of one host is not a service of the other.
            lab.run("exec", host, "systemd-run", "-q", "--unit=mine", "sleep", "60")
            lab.run("exec", host, "systemctl", "stop", "mine", timeout=20)
        check(lab.ssh("one", "cat /etc/machine-id") != lab.ssh("two.lab", "cat /etc/machine-id"), "one identity for two hosts")
        lab.docker("network", "create", "--internal", "inner")
        lab.docker("run", "-d", "--name", "talker", "--network", "inner", "lab:1", "/bin/sh", "-c", "echo said; sleep 600")
        eventually(lambda: lab.docker("logs", "talker") == "said\n", 10, "the container's line")
        check(lab.run("list").stdout.split()[2::3] == ["up", "up"], lab.run("list").stdout)
        check(len(traces()) > 5, "the search for traces finds none while the lab is up")
    check(not traces(), f"left behind: {traces()}")


def recovers_from_a_crash():
    """nspawn and dockerd were killed: `up` brings the host back with a fresh disk, `down` removes what they left."""
    fleetlab.as_root()
    with Lab(FOLDER, NAME) as lab:
        lab.run("docker-up")
        lab.run("up", "one")
        lab.ssh("one", "touch /root/mark")
        for file in ("hosts/one/pid", "docker/dockerd.pid"):
            os.kill(int((FOLDER / file).read_text()), signal.SIGKILL)
        eventually(lambda: "down" in lab.run("list").stdout, 10, "the host is down")
        lab.run("docker-up")
        lab.run("up", "one")
        check(lab.ssh("one", "ls /root") == "", "the host has its old disk")
        for file in ("hosts/one/pid", "docker/dockerd.pid"):
            os.kill(int((FOLDER / file).read_text()), signal.SIGKILL)
    check(not traces(), f"left behind: {traces()}")


if __name__ == "__main__":
    fleetlab.main([boots_hosts_and_leaves_no_trace, recovers_from_a_crash])
