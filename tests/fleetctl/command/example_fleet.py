"""What the tests of fleetctl's commands share: the real program on a copy of the example fleet, and the cases of a script."""

import hashlib
import json
import os
import shutil
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

    def bundle(self):
        """Something that passes for an agent; no host gets it."""
        archive = "not really"
        self.write("../bundle/agent.tar.gz", archive)
        self.write("../bundle/fleet-agent.service", "[Unit]\n")
        self.write("../bundle/bundle.json", json.dumps({"sha256": hashlib.sha256(archive.encode()).hexdigest(), "architecture": "x86_64",
                                                        "glibc": "2.36", "archive": "agent.tar.gz", "unpacked": 1000}))
        return ("--agent-bundle", self.folder / "bundle")

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
