"""What the tests of fleetctl's commands share: the real program on a copy of the example fleet, and the cases of a script."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("FLEET_BIN", ROOT / "build/release/bin"))
SYSTEM = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}


def check(holds, said):
    if not holds:
        raise AssertionError(said)


def ansible_is_there():
    if subprocess.run(["/usr/bin/python3", "-c", "import ansible"], env=SYSTEM, stderr=subprocess.DEVNULL).returncode == 0:
        return True
    print("ansible-core is not installed: nothing was compared")
    return False


def fleetctl(*words, status=0, cwd=None, env=None, given=""):
    """-> (stdout, stderr); the exit status has to be `status`."""
    done = subprocess.run([BIN / "fleetctl", *map(str, words)], cwd=cwd, env={**SYSTEM, **(env or {})}, text=True, input=given,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    check(done.returncode == status, f"{words}: status {done.returncode}, not {status}\n{done.stdout}\n{done.stderr}")
    return done.stdout, done.stderr


class Fleet:
    """A copy of the example fleet that a case may break."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="fleetctl-test")
        self.folder = Path(self.scratch.name)
        self.tree = self.folder / "tree"
        for name in ("inventory", "group_vars", "host_vars", "templates"):
            shutil.copytree(ROOT / name, self.tree / name)

    def bundle(self, name="bundle", architecture="x86_64", version="1.0", machine=62, program=None):
        """Something that passes for an agent for this ELF machine (62: x86-64, 183: AArch64); no host gets it."""
        folder = self.folder / name
        (folder / "files/bin").mkdir(parents=True, exist_ok=True)
        elf = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 3, machine) + version.encode()
        (folder / "files/bin/fleet-agent").write_bytes(elf if program is None else program)
        (folder / "files/a-note").write_text("comes before the program\n" * 100)
        subprocess.run(["tar", "--sort=name", "-czf", folder / "agent.tar.gz", "-C", folder / "files", "."], check=True)
        (folder / "fleet-agent.service").write_text("[Unit]\n")
        (folder / "bundle.json").write_text(json.dumps({
            "archive": "agent.tar.gz", "sha256": hashlib.sha256((folder / "agent.tar.gz").read_bytes()).hexdigest(),
            "architecture": architecture, "glibc": "2.36", "unpacked": 1000, "version": version,
            "unit_sha256": hashlib.sha256(b"[Unit]\n").hexdigest()}))
        return ("--agent-bundle", folder)

    def run(self, *words, status=0, cwd=None, env=None, **more):
        return fleetctl(*words, status=status, cwd=cwd or self.tree, env={"HOME": str(self.folder), **(env or {})}, **more)

    def render(self, *words, **more):
        return self.run("render", *words, **more)

    def write(self, path, text):
        (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / path).write_text(text)

    def append(self, path, text):
        self.write(path, (self.tree / path).read_text() + text)


def main(*cases):
    """CASE | --list"""
    named = {case.__name__: case for case in cases}
    if sys.argv[1:] == ["--list"]:
        print(";".join(named))
    elif len(sys.argv) == 2 and sys.argv[1] in named:
        named[sys.argv[1]]()
    else:
        sys.exit(f"usage: {sys.argv[0]} --list | {' | '.join(named)}")
