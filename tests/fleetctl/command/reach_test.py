#!/usr/bin/python3
"""reach_test.py CASE | --list: the commands that reach hosts, the real program, where no host answers. Each case is a function below."""

import hashlib
import json
import subprocess

from example_fleet import BIN, SYSTEM, Fleet, check, main

NOWHERE = ("-e", "ansible_host=127.0.0.1 ansible_port=1", "--limit", "oberon.incus,caliban.incus")
REFUSED, UNREACHABLE, TOO_MANY, USAGE = 1, 4, 5, 64


def bundle_of(fleet):
    """Something that passes for an agent; no host gets it here."""
    archive = b"not really"
    fleet.write("../bundle/agent.tar.gz", archive.decode())
    fleet.write("../bundle/fleet-agent.service", "[Unit]\n")
    fleet.write("../bundle/bundle.json", json.dumps({"sha256": hashlib.sha256(archive).hexdigest(), "architecture": "x86_64",
                                                     "glibc": "2.36", "archive": "agent.tar.gz", "unpacked": 1000}))
    return ("--agent-bundle", fleet.folder / "bundle")


def broken_template():
    """A template that does not render stops plan; status says so and asks the hosts; rollback does not need it."""
    fleet = Fleet()
    fleet.append("templates/oberon/config.alloy.j2", "\n{{ no_such_variable }}\n")
    shown, said = fleet.run("plan", *NOWHERE, status=REFUSED)
    check("no_such_variable" in said and shown == "", shown + said)
    shown, said = fleet.run("status", *NOWHERE, status=UNREACHABLE)
    check("warning: oberon.incus: " in said and "no_such_variable" in said, said)
    check(shown.count("unreachable: ") == 2, shown)
    hosts = [json.loads(line) for line in fleet.run("status", "--format", "json", *NOWHERE, status=UNREACHABLE)[0].splitlines()]
    rendered = {host["host"]: host["config"]["rendered_sha256"] for host in hosts}
    check(rendered["oberon.incus"] == "" and len(rendered["caliban.incus"]) == 64, rendered)
    shown, said = fleet.run("rollback", *NOWHERE, status=UNREACHABLE)
    check("no_such_variable" not in said and "2 hosts: 2 unreachable" in shown, shown + said)


def command_lines():
    """What rollback does not take."""
    fleet = Fleet()
    for words in (("--to", "0"), ("--to", "x"), ("--to", "3", "--list"), ("--format", "xml")):
        fleet.run("rollback", *NOWHERE, *words, status=USAGE)


def logs():
    """The agent's journal, asked for with a fixed command and shown without what could move a terminal; -f until somebody ends it."""
    fleet = Fleet()
    here = ("-e", "ansible_connection=local")
    commands = fleet.folder / "bin"
    fleet.write("../bin/journalctl", "#!/bin/sh\n"
                "printf '%s\\n' \"$*\"; printf 'a\\033[2Jb\\tc\\nlast'; echo to err >&2\n"
                "case $* in *--follow*) echo; exec sleep 60 ;; *--lines\\ 7*) exit 9 ;; esac\n")
    (commands / "journalctl").chmod(0o755)
    fleet.write("../bin/id", "#!/bin/sh\necho 0\n")
    (commands / "id").chmod(0o755)
    env = {"PATH": f"{commands}:/usr/bin:/bin"}
    shown, said = fleet.run("logs", "puck", *here, env=env)
    check(shown == "--quiet --no-pager --output short-iso --unit fleet-agent.service --lines 100\na?[2Jb\tc\nlast\n" and said == "to err\n",
          shown + said)
    shown, said = fleet.run("logs", "puck.incus", "-n", "7", *here, env=env, status=3)
    check("puck.incus: journalctl ended with 9" in said, said)
    with subprocess.Popen([BIN / "fleetctl", "logs", "puck", "-f", "-n", "0", *here], cwd=fleet.tree, env={**SYSTEM, **env}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        check(following.stdout.readline().endswith("--lines 0 --follow\n"), "the first line")
        check([following.stdout.readline() for _ in range(2)] == ["a?[2Jb\tc\n", "last\n"] and following.poll() is None, "it does not follow")
        following.terminate()
        # Its end is the end of what it began: nobody holds the pipe any more.
        check(following.communicate(timeout=50)[0] == "", "more was shown")
    shown, said = fleet.run("logs", "puck,ariel", *here, env=env, status=REFUSED)
    check("2 hosts are meant" in said, said)
    fleet.run("logs", "puck", "--limit", "ariel", status=USAGE)
    fleet.run("logs", status=USAGE)
    fleet.run("logs", "caliban.incus", "-e", "ansible_host=127.0.0.1 ansible_port=1", status=UNREACHABLE)


def batches():
    """--canary, --serial and --max-fail stop a deploy, which says what it did not touch; --retry-failed takes that up."""
    fleet = Fleet()
    more = (*NOWHERE, *bundle_of(fleet))
    home = {"HOME": str(fleet.folder / "home")}
    state = fleet.folder / "home/.local/state/fleetctl"
    said = fleet.run("deploy", "--retry-failed", *more, status=REFUSED, env=home)[1]
    check("no deploy of this tree is known here" in said, said)
    shown, said = fleet.run("deploy", "--canary", "caliban", *more, status=TOO_MANY, env=home)
    check(shown.startswith("caliban.incus  unreachable") and "not touched: oberon.incus\n" in shown, shown)
    check("Batch 1 of 2, the canary: 1 host\n" in said and "deploy --retry-failed" in said, said)
    book, = state.glob("*.json")
    check(json.loads(book.read_text())["hosts"] == {"caliban.incus": "unreachable", "oberon.incus": "not begun"}, book.read_text())
    check(book.stat().st_mode & 0o777 == 0o600, oct(book.stat().st_mode))

    shown, said = fleet.run("deploy", "--serial", "1", "--max-fail", "1", *more, status=UNREACHABLE, env=home)
    check("2 hosts: 2 unreachable." in shown and "Batch 2 of 2: 1 host\n" in said, shown + said)
    book.write_text(json.dumps({"schema": 1, "run": "x", "hosts": {"caliban.incus": "failed"}}))
    shown, said = fleet.run("deploy", "--retry-failed", *more, status=UNREACHABLE, env=home)
    check("1 host: 1 unreachable." in shown and "oberon" not in shown, shown + said)
    book.write_text(json.dumps({"schema": 1, "run": "x", "hosts": {}}))
    shown, said = fleet.run("deploy", "--retry-failed", *more, env=home)
    check("Nothing to do again" in shown, shown)

    for words in (("--serial", "0"), ("--serial", "1,x"), ("--max-fail", "200%"), ("--max-fail", "-1")):
        fleet.run("deploy", *more, *words, status=USAGE, env=home)
    said = fleet.run("deploy", "--canary", "puck.incus", *more, status=REFUSED, env=home)[1]
    check("--canary names no host of this run" in said, said)


if __name__ == "__main__":
    main(broken_template, command_lines, logs, batches)
