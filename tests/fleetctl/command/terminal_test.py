#!/usr/bin/python3
"""terminal_test.py CASE | --list: what fleetctl shows while it works, on a terminal and in a log; real SSH, hosts that only
talk (fake_hosts.py). Each case is a function below."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from example_fleet import BIN, Fleet, SYSTEM, check, main
from fake_hosts import FakeHosts

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A screen with the few sequences that a terminal needs for us: lines wrap at the edge and scroll up."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.lines, self.row, self.column = [""], 0, 0  # lines: all there ever were; the screen is the last `rows`

    def feed(self, text):
        at = 0
        while at < len(text):
            found = SEQUENCE.match(text, at)
            if found:
                self.control(found[0])
                at = found.end()
                continue
            self.put(text[at])
            at += 1

    def control(self, sequence):
        kind, number = sequence[-1], sequence[2:-1]
        if kind == "A":
            top = max(0, len(self.lines) - self.rows)
            self.row = max(top, self.row - int(number or 1))
        elif kind == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif kind == "J":
            self.lines[self.row] = self.lines[self.row][:self.column]
            self.lines[self.row + 1:] = [""] * (len(self.lines) - self.row - 1)
        else:
            check(kind == "m", f"a sequence that a simple terminal need not know: {sequence!r}")

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.down()
        else:
            if self.column == self.columns:  # wraps when something follows
                self.column = 0
                self.down()
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[:self.column] + c + line[self.column + 1:]
            self.column += 1

    def down(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    def text(self):
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")


class Session:
    """fleetctl with a terminal of its own. What it wrote is in `raw`."""

    def __init__(self, fleet, *words, columns=80, rows=24, **environment):
        self.screen, self.raw = Terminal(columns, rows), ""
        self.master, slave = pty.openpty()
        self.resize(columns, rows, self_too=False)
        # Its own session, with the terminal as the controlling one: a resize and Ctrl-C reach it as usual.
        self.process = subprocess.Popen([BIN / "fleetctl", *map(str, words)], cwd=fleet.tree, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                        env={**SYSTEM, "HOME": str(fleet.folder), "TERM": "xterm", **environment})
        os.close(slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def resize(self, columns, rows, self_too=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if self_too:
            self.screen.columns, self.screen.rows = columns, rows

    def read_until(self, done, what):
        end = time.monotonic() + 60
        while not done():
            check(time.monotonic() < end, f"after 60 s still not {what}:\n{self.raw[-3000:]!r}")
            if select.select([self.master], [], [], 1)[0] and not self.read():
                check(done(), f"it ended, and not {what}:\n{self.raw[-3000:]!r}")

    def read(self):
        try:
            text = os.read(self.master, 65536).decode()
        except OSError:  # EIO: the other side is gone
            return False
        self.raw += text
        self.screen.feed(text)
        return text != ""

    def finish(self):
        while self.read():
            pass
        os.close(self.master)
        return self.process.wait(60)


def prepared(fleet, fakes, names, key="good", more=""):
    """The tree knows the fake hosts only, and a bundle that passes for an agent. -> words for every command"""
    fleet.write("../fakes", fakes.inventory(names, key) + more)
    fleet.write("templates/config.alloy.j2", "// {{ inventory_hostname }}\n")
    return ("-i", fleet.folder / "fakes", *fleet.bundle(), "--yes")


def block():
    """On a terminal a block tells who is at work, in its width; results stand above it; nothing of it stays."""
    fleet = Fleet()
    names = [f"host-{number:02d}.example" for number in range(20)]
    with FakeHosts(fleet.folder / "ssh") as fakes:
        words = prepared(fleet, fakes, names)
        session = Session(fleet, "deploy", *words)
        session.read_until(lambda: session.raw.count(" wait") >= 6 and "0/20" in session.raw, "the block with six hosts that wait")
        shown = session.screen.text()
        check(shown.startswith("deploying  [--------------------]  0/20  "), shown)
        check(len(shown.splitlines()) == 7, f"not one line and six hosts:\n{shown}")
        # Narrower than a line of the block, in the midst of it: the next drawing fits.
        session.resize(30, 10)
        seen = len(session.raw)
        session.read_until(lambda: session.raw.count("deploying", seen) >= 3, "drawn again after the resize")
        parts = re.split(r"\r(?=deploying)", session.raw[seen:])[2:]
        for line in re.split("[\r\n]+", "\r".join(parts)):
            check(len(SEQUENCE.sub("", line)) < 30, f"does not fit into 30 columns: {line!r}")
        session.resize(80, 24)
        fakes.open()
        check(session.finish() == 0, session.raw[-2000:])
        text = session.screen.text()
        for name in names:
            check(len(re.findall(rf"(?m)^{name}  changed ", text)) == 1, f"{name} is not there once:\n{text}")
        check("20 hosts: 20 changed." in text.splitlines()[-1], f"the end of the screen:\n{text}")
        check("deploying" not in text and " wait" not in text, f"something of the block stayed:\n{text}")
        check("\x1b[33mchanged" in session.raw, "no colour on a terminal")


def plain():
    """Without a terminal, no sequences; NO_COLOR and --color never leave the block without colour, --color always colours a file."""
    fleet = Fleet()
    with FakeHosts(fleet.folder / "ssh", ("good", "bad")) as fakes:
        words = prepared(fleet, fakes, ["first", "second"], more=fakes.inventory(["third"], "bad"))
        fakes.open()
        env = {"HOME": str(fleet.folder), "TERM": "xterm"}
        shown, said = fleet.run("deploy", *words, env=env)
        check("\x1b" not in shown + said and "3 hosts: 3 changed." in shown and said == "", shown + said)
        check("\x1b[33mchanged" in fleet.run("deploy", *words, "--color", "always", env=env)[0], "--color always")
        check("\x1b[33mchanged" in fleet.run("deploy", *words, env={**env, "CLICOLOR_FORCE": "1"})[0], "CLICOLOR_FORCE")
        for more, environment in (((), {"NO_COLOR": "1"}), (("--color", "never"), {})):
            session = Session(fleet, "deploy", *words, *more, **environment)
            check(session.finish() == 0 and "\x1b[K" in session.raw, session.raw)
            check(not re.search(r"\x1b\[[0-9;]*m", session.raw), f"colour with {more} {environment}: {session.raw!r}")
        session = Session(fleet, "deploy", *words, TERM="dumb")
        check(session.finish() == 0 and "\x1b" not in session.raw, f"TERM=dumb: {session.raw!r}")

        (fakes.gate / "fail.bad").touch()
        shown, said = fleet.run("deploy", *words, "--format", "json", "--canary", "third", status=5, env=env)
        lines = [json.loads(line) for line in shown.splitlines()]
        check([line["type"] for line in lines] == ["host", "summary"] and {line["schema"] for line in lines} == {1}, shown)
        check(lines[0]["state"] == "rolled back" and lines[0]["details"] == ["no"], shown)
        check(lines[1]["counts"] == {"rolled back": 1} and lines[1]["untouched"] == ["first", "second"] and lines[1]["stopped"]
              and lines[1]["exit_code"] == 5, shown)


def colours():
    """lint and the like colour as deploy does: on a terminal and where they are told to; the words are there without it."""
    fleet = Fleet()
    session = Session(fleet, "lint")
    check(session.finish() == 0 and "\x1b[33mwarning:\x1b[0m 'athena" in session.raw and "\x1b[2m[syslog-port-unused]" in session.raw, session.raw)
    for more, environment in (((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"}), (("--color", "never"), {})):
        session = Session(fleet, "lint", *more, **environment)
        check(session.finish() == 0 and "\x1b[3" not in session.raw and "warning: 'athena" in session.raw, f"{more} {environment}: {session.raw!r}")
    check("\x1b" not in fleet.run("lint")[0], "a file is coloured")
    check("\x1b[33mwarning:" in fleet.run("lint", env={"CLICOLOR_FORCE": "1"})[0], "CLICOLOR_FORCE")
    fleet.write("templates/x.alloy", "logging {\nlevel=\"info\"\n}\n")
    check('\x1b[1;31m-level="info"' in fleet.run("lint", "--fix", "--color", "always")[0], "--fix")
    fleet.run("render", "-o", "rendered", "-l", "ariel")
    fleet.append("templates/ariel/config.alloy.j2", "// more\n")
    check("\x1b[32m+}// more" in fleet.run("render", "-o", "rendered", "-l", "ariel", "--diff", "--color", "always")[0], "render --diff")
    fleet.append("host_vars/ariel.incus.yml", "loki_url: http://other\n")
    check("\x1b[2m  overrides" in fleet.run("inventory", "--host", "ariel.incus", "--origin", "--color", "always")[0], "inventory --origin")
    fleet.write("deploy.yml", "- hosts: all\n  tasks:\n  - name: else\n    command: 'true'\n")
    check("\x1b[33mstays with Ansible" in fleet.run("import", "deploy.yml", "--report", "--color", "always")[0], "import")
    gone = ("-i", "nowhere,", "-e", '{"ansible_host": "127.0.0.1", "ansible_port": 1, "services": ["alloy"]}', "--color", "always")
    for command in (("history",), ("unlock", "--list"), ("known-hosts", "check")):
        check("\x1b[1;31munreachable" in fleet.run(*command, *gone, status=4)[0], command)


def interrupted():
    """Ctrl-C: the hosts at work are finished, no further one is begun, and it says so; --resume takes up the rest."""
    fleet = Fleet()
    with FakeHosts(fleet.folder / "ssh") as fakes:
        words = prepared(fleet, fakes, ["first", "second", "third"])
        session = Session(fleet, "deploy", *words, "--forks", "1")
        session.read_until(lambda: " wait" in session.raw, "at work on the first host")
        session.process.send_signal(signal.SIGINT)
        session.read_until(lambda: "No further host is begun" in session.raw, "the answer to Ctrl-C")
        fakes.open()
        check(session.finish() == 130, session.raw)
        text = session.screen.text()
        check("Interrupted; not touched: second, third" in text and re.search(r"(?m)^first +changed", text), text)
        shown = fleet.run("deploy", *words, "--resume", env={"HOME": str(fleet.folder)})[0]
        check("2 hosts: 2 changed." in shown and "first" not in shown, shown)


def passphrase():
    """What opens a key is asked for once, cannot be seen, and serves all hosts; Ctrl-C instead ends the run."""
    fleet = Fleet()
    with FakeHosts(fleet.folder / "ssh") as fakes:
        words = prepared(fleet, fakes, ["first", "second", "third"])
        fakes.open()
        subprocess.run(["ssh-keygen", "-q", "-p", "-N", "seven words", "-f", fakes.folder / "good"], check=True)
        said = fleet.run("deploy", *words, status=4, env={"HOME": str(fleet.folder)})[0]
        check(said.count("it has a passphrase: add it to ssh-agent") == 3, said)
        session = Session(fleet, "deploy", *words)
        session.read_until(lambda: "Passphrase of " in session.raw, "asked for the passphrase")
        session.type("seven words\n")
        check(session.finish() == 0, session.raw)
        check("3 hosts: 3 changed." in session.raw and session.raw.count("Passphrase of ") == 1 and "seven" not in session.raw, session.raw)
        session = Session(fleet, "deploy", *words, "--forks", "1")
        session.read_until(lambda: "Passphrase of " in session.raw, "asked for the passphrase")
        session.process.send_signal(signal.SIGINT)
        check(session.finish() == 130 and "not touched: second, third" in session.raw, session.raw)


if __name__ == "__main__":
    main(block, plain, colours, interrupted, passphrase)
