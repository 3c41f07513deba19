#!/usr/bin/python3
"""reach_test.py CASE | --list: the commands that reach hosts, the real program, where no host answers. Each case is a function below."""

import hashlib
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

from example_fleet import BIN, SYSTEM, Fleet, check, main
from fake_hosts import FakeHosts

NOWHERE = ("-e", "ansible_host=127.0.0.1 ansible_port=1", "--limit", "oberon.incus,caliban.incus")
REFUSED, UNREACHABLE, TOO_MANY, USAGE = 1, 4, 5, 64


def completed(fleet, *words, env=None):
    """What bash offers for the last of the words."""
    script = ('source <(fleetctl completion bash)\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
              'compopt() { :; }; _fleetctl; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-uc", script, "bash", "fleetctl", *words], cwd=fleet.tree, text=True, capture_output=True, timeout=60,
                          env={**SYSTEM, "HOME": str(fleet.folder), **(env or {}), "PATH": f"{BIN}:/usr/bin:/bin"}, check=True)
    check(done.stderr == "", done.stderr)
    return done.stdout.split()


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


def spellings():
    """Other words for the same, help and version as commands, and options that do not go together."""
    fleet = Fleet()
    check(fleet.run("version")[0] == fleet.run("--version")[0], "version")
    check(fleet.run("help", "vault", "edit")[0] == fleet.run("vault", "edit", "--help")[0], "help")
    check("no command 'deplo'" in fleet.run("help", "deplo", status=USAGE)[1], "help of nothing")
    check(fleet.run("hosts", "--graph")[0] == fleet.run("inventory", "--graph")[0], "hosts")
    there = (*NOWHERE, *fleet.bundle())
    for words in (("--batch", "1", "--max-failures", "1", "--resume"), ("--serial", "1", "--max-fail", "1", "--retry-failed")):
        check("no deploy of this tree is known" in fleet.run("deploy", *there, *words, status=REFUSED)[1], words)
    said = fleet.run("deploy", *there, "--check", "--batch", "1", status=TOO_MANY)[1]
    check("Batch 1 of 2" in said, said)
    check("Batch" not in fleet.run("deploy", *there, "--check", "--batch", "1", "--quiet", "--max-failures", "100%", status=UNREACHABLE)[0], "--quiet")
    for words in (("-C", "-D"), ("--diff=side",), ("-D", "--exit-code"), ("--diff=none", "--total-timeout", "60")):
        fleet.run("plan", *there, *words, status=UNREACHABLE)
    for words in (("plan", "--diff=odd"), ("deploy", "--batch", "x"), ("deploy", "--serial", "1", "--batch", "1"), ("deploy", "--restart", "maybe"),
                  ("deploy", "--force", "--restart", "always"), ("deploy", "--force", "--plan", "x"), ("deploy", "--total-timeout", "0"),
                  ("deploy", "-K", "--no-input")):
        fleet.run(*words, *there, status=USAGE, given="secret\n")
    fleet.run("plan", *there, "--ansible-exit-codes", "-e", "x", status=1)
    fleet.run("--ansible-exit-codes", "plan", *there, status=4)


def logs():
    """The agent's journal, asked for with a fixed command and shown without what could move a terminal; -f until somebody ends it."""
    fleet = Fleet()
    here = ("-e", "ansible_connection=local")
    commands = fleet.folder / "bin"
    journalctl = ("#!/bin/sh\n"
                "printf '%s\\n' \"$*\"; printf 'a\\033[2Jb\\tc\\nlast'; echo to err >&2\n"
                "case $* in *--follow*) echo; exec sleep 60 ;; *--lines\\ 7*) exit 9 ;; esac\n")
    fleet.write("../bin/journalctl", journalctl)
    (commands / "journalctl").chmod(0o755)
    fleet.write("../bin/id", "#!/bin/sh\necho 0\n")
    (commands / "id").chmod(0o755)
    env = {"PATH": f"{commands}:/usr/bin:/bin"}
    shown, said = fleet.run("logs", "puck", *here, env=env)
    check(shown == "--quiet --no-pager --output short-iso --unit fleet-agent.service --lines 100\na?[2Jb\tc\nlast\n" and said == "to err\n",
          shown + said)
    fleet.write("../bin/journalctl", "#!/bin/sh\n")
    shown, said = fleet.run("logs", "puck", *here, env=env)
    check(shown == "" and "puck.incus: the journal there has no line of fleet-agent.service" in said, shown + said)
    fleet.write("../bin/journalctl", journalctl)
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


def ansible_cfg():
    """What ansible.cfg says about reaching hosts counts, the command line more, variables most."""
    fleet = Fleet()
    fleet.write("ansible.cfg", "[defaults]\n  Remote_User = somebody ; of old\n  private_key_file = $KEYS/id\n  remote_port: 2200\n  jinja2_native = True\n"
                "[ssh_connection]\nssh_common_args = -o ConnectTimeout=7\n   -o ProxyJump=bastion\n")
    fleet.write("../bin/ssh", '#!/bin/sh\necho "$*" >>"$HOME/said"\nexit 255\n')
    (fleet.folder / "bin/ssh").chmod(0o755)

    def reached(*words):
        (fleet.folder / "said").unlink(missing_ok=True)
        env = {"PATH": f"{fleet.folder / 'bin'}:/usr/bin:/bin", "KEYS": "keys"}
        _, warned = fleet.run("logs", "caliban.incus", "--transport", "openssh", *words, env=env, status=UNREACHABLE)
        check("ansible.cfg: jinja2_native = True is not followed" in warned, warned)
        return (fleet.folder / "said").read_text()

    said = reached()
    for part in ("somebody", "keys/id", "2200", "bastion", "ConnectTimeout=7"):
        check(part in said, f"{part}: {said}")
    said = reached("-u", "other", "-e", "ansible_port=2300")
    check("other" in said and "somebody" not in said and "2300" in said and "2200" not in said, said)
    said = reached("-u", "other", "-e", "ansible_user=third")
    check("third" in said and "other" not in said, said)

    # A play's words count more than the command line, and less than variables.
    fleet.write("deploy.yml", "- hosts: all\n  remote_user: '{{ who }}'\n  port: 2400\n  vars: {who: fourth}\n"
                              "- hosts: puck.incus\n  remote_user: nobody\n")
    said = reached("--playbook", "deploy.yml", "-u", "other")
    check("fourth" in said and "2400" in said and "other" not in said and "2200" not in said and "nobody" not in said, said)
    said = reached("--playbook", "deploy.yml", "-e", "ansible_ssh_user=third")
    check("third" in said and "fourth" not in said, said)

    # The inventory that it names, as Ansible's own commands have it; ANSIBLE_INVENTORY above that, -i above all.
    fleet.write("ansible.cfg", "[defaults]\ninventory = of-the-file\n")
    for name in ("of-the-file", "of-the-environment", "of-the-command"):
        fleet.write(name, f"{name}.example\n")
    for words, env, name in (((), {}, "of-the-file"), ((), {"ANSIBLE_INVENTORY": "of-the-environment"}, "of-the-environment"),
                             (("-i", "of-the-command"), {"ANSIBLE_INVENTORY": "of-the-environment"}, "of-the-command")):
        shown = fleet.run("inventory", "--graph", *words, env=env)[0]
        check(re.findall(r"[a-z-]+\.example", shown.replace("|--", " ")) == [f"{name}.example"], shown)


def ui():
    """One host alone; ports that are none and a host that is not there are told."""
    fleet = Fleet()
    said = fleet.run("ui", "puck,ariel", status=REFUSED)[1]
    check("2 hosts are meant" in said, said)
    fleet.run("ui", status=USAGE)
    fleet.run("ui", "puck", "--port", "0", status=USAGE)
    fleet.run("ui", "puck", "--limit", "ariel", status=USAGE)
    shown, said = fleet.run("ui", "caliban.incus", "-e", "ansible_host=127.0.0.1 ansible_port=1", status=UNREACHABLE)
    check(shown == "" and "caliban.incus: 127.0.0.1 port 1: Connection refused" in said, shown + said)


def batches():
    """--canary, --serial and --max-fail stop a deploy, which says what it did not touch; --resume and --retry-failed take that up."""
    fleet = Fleet()
    more = (*NOWHERE, *fleet.bundle())
    home = {"HOME": str(fleet.folder / "home")}
    state = fleet.folder / "home/.local/state/fleetctl"
    said = fleet.run("deploy", "--retry-failed", *more, status=REFUSED, env=home)[1]
    check("no deploy of this tree is known here" in said, said)
    shown, said = fleet.run("deploy", "--canary", "caliban", *more, status=TOO_MANY, env=home)
    check(shown.startswith("caliban.incus  unreachable") and "not touched: oberon.incus\n" in shown, shown)
    stopped = re.search(r"\(run (\S+)-(\S+)\)", shown)
    check("Batch 1 of 2, the canary: 1 host\n" in said and f"fleetctl deploy --resume {stopped[2]}\n" in said, said)
    book, = state.glob("*.json")
    ends = {name: host["how"] for name, host in json.loads(book.read_text())["hosts"].items()}
    check(ends == {"caliban.incus": "unreachable", "oberon.incus": "not begun"}, book.read_text())
    check(book.stat().st_mode & 0o777 == 0o600, oct(book.stat().st_mode))

    shown, said = fleet.run("deploy", "--serial", "1", "--max-fail", "1", *more, status=UNREACHABLE, env=home)
    check("2 hosts: 2 unreachable." in shown and "Batch 2 of 2: 1 host\n" in said, shown + said)
    fleet.run("deploy", *NOWHERE[:2], "--limit", "caliban.incus", *fleet.bundle(), status=UNREACHABLE, env=home)  # the last run
    for words, hosts in ((("--retry-failed",), 2), (("--resume", stopped[2]), 2), (("--resume", f"{stopped[1]}-{stopped[2]}"), 2)):
        shown, said = fleet.run("deploy", *more, *words, "--check", status=UNREACHABLE, env=home)
        check(f"{hosts} hosts: {hosts} unreachable." in shown, shown + said)
    for words in (("--resume",), ("--resume", "--serial", "1")):
        shown, said = fleet.run("deploy", *words, *more, "--check", status=UNREACHABLE, env=home)
        check("1 host: 1 unreachable." in shown and "oberon" not in shown, shown + said)
    said = fleet.run("deploy", *more, "--resume", "none", status=REFUSED, env=home)[1]
    check("--resume: no run none of this tree is known here, known are: " in said and f"{stopped[1]}-{stopped[2]}" in said, said)
    for words in (("--resume", "--retry-failed"), ("--resume", "--plan", "x")):
        fleet.run("deploy", *more, *words, status=USAGE, env=home)
    runs = completed(fleet, "deploy", "--resume", "", env=home)
    check(len(runs) == 3 and f"{stopped[1]}-{stopped[2]}" in runs, f"runs are completed as {runs}")
    book.write_text(json.dumps({"schema": 1, "runs": ["x"], "hosts": {}}))
    for words in (("--retry-failed",), ("--resume", "x")):
        check("Nothing to do again" in fleet.run("deploy", *words, *more, env=home)[0], words)

    for words in (("--serial", "0"), ("--serial", "1,x"), ("--max-fail", "200%"), ("--max-fail", "-1")):
        fleet.run("deploy", *more, *words, status=USAGE, env=home)
    said = fleet.run("deploy", "--canary", "puck.incus", *more, status=REFUSED, env=home)[1]
    check("--canary names no host of this run" in said, said)


def bundles():
    """Builds for several architectures and versions: which are taken, which are refused, and what is pinned; no host is reached."""
    fleet = Fleet()
    here = ("plan", "--offline", "--limit", "puck")
    _, x86 = fleet.bundle("x86")
    _, arm = fleet.bundle("arm", "aarch64", "1.0", 183)
    _, newer = fleet.bundle("newer", version="1.1")

    def planned(*words, **more):
        shown, said = fleet.run(*here, *words, **more)
        return shown if not said else said

    def ids(*folders):
        names = sorted(json.loads((folder / "bundle.json").read_text())["sha256"][:16] for folder in folders)
        return f"(agent {' '.join(names)})"

    both = ("--agent-bundle", x86, "--agent-bundle", arm)
    check(ids(x86, arm) in planned(*both), planned(*both))
    check("two for x86_64: " in planned(*both, "--agent-bundle", newer, status=REFUSED), "two for one architecture")
    check(ids(newer) in planned(*both, "--agent-bundle", newer, "--version", "1.1"), "--version")
    said = planned(*both, "--version", "7", status=REFUSED)
    check("agent bundle: none of version 7, there are: x86_64 (1.0), aarch64 (1.0)\n" in said, said)

    pin = hashlib.sha256((x86 / "bundle.json").read_bytes()).hexdigest()
    fleet.write("fleet.yaml", f"agent-bundle: [{x86}#{pin}, {arm}]\n")
    check(ids(x86, arm) in planned(), "fleet.yaml")
    check(set(completed(fleet, "plan", "--version", "")) == {"1.0"}, "versions are not completed")
    said = planned("--agent-bundle", f"{arm}#{pin}", status=REFUSED)
    check(f"arm/bundle.json: its SHA-256 is " in said and f", not {pin}\n" in said, said)
    check("bundle.json" in planned("--agent-bundle", f"{x86}#{pin[:-1]}", status=REFUSED), "half a pin")
    (x86 / "fleet-agent.service").write_text("[Unit]\nDescription=another\n")
    check("x86/fleet-agent.service: wrong checksum" in planned(status=REFUSED), "the unit is not pinned")

    for words, wrong in (({"machine": 183}, "its agent is for aarch64, bundle.json says x86_64"), ({"machine": 99}, "for the ELF machine 99"),
                         ({"program": b"\x7fEL"}, "is cut off"), ({"program": b"nothing at all " * 9}, "is no program")):
        said = planned(*fleet.bundle("bad", **words), status=REFUSED)
        check("bad/agent.tar.gz: " in said and wrong in said, f"{words}: {said}")
    planned(*fleet.bundle("script", program=b"#!/bin/sh\nexec real\n"))
    told = json.loads((arm / "bundle.json").read_text())
    for change, wrong in (({"archive": "../x"}, "not a bundle"), ({"sha256": "0" * 64}, "wrong checksum"), ({"unit_sha256": ""}, "before it could be pinned")):
        text = json.dumps({**told, **change})
        (arm / "bundle.json").write_text(text)
        said = planned("--agent-bundle", f"{arm}#{hashlib.sha256(text.encode()).hexdigest()}", status=REFUSED)
        check(wrong in said, f"{change}: {said}")
    (arm / "agent.tar.gz").write_bytes(b"not gzip")
    (arm / "bundle.json").write_text(json.dumps({**told, "sha256": hashlib.sha256(b"not gzip").hexdigest()}))
    check("no tar.gz with bin/fleet-agent" in planned("--agent-bundle", arm, status=REFUSED), "not gzip")


def playbook_batches():
    """serial and max_fail_percentage of --playbook: followed where no option says otherwise; what cannot be told is refused."""
    fleet = Fleet()
    more = (*NOWHERE, "--playbook", "deploy.yml")
    fleet.write("deploy.yml", "- hosts: all\n  vars: {size: 1}\n  serial: ['{{ size }}', 100%]\n  max_fail_percentage: 50\n"
                              "- hosts: puck.incus\n  serial: 7\n")  # a play of none of these hosts
    for command in (("deploy", *fleet.bundle()), ("rollback",)):
        shown, said = fleet.run(*command, *more, status=TOO_MANY)
        check("Batch 1 of 2: 1 host\n" in said and "Stopped: 1 host ended badly (max_fail_percentage 50 of a batch); not touched: " in shown,
              shown + said)
        said = fleet.run(*command, *more, "-e", "size=2", status=UNREACHABLE)[1]
        check("Batch" not in said, said)
        shown, said = fleet.run(*command, *more, "--max-fail", "1", status=UNREACHABLE)
        check("Batch 2 of 2: 1 host\n" in said and "2 hosts: 2 unreachable." in shown, shown + said)

    fleet.append("deploy.yml", "- hosts: caliban.incus\n  serial: 2\n")
    shown, said = fleet.run("rollback", *more, status=REFUSED)
    check("plays of the playbook for these hosts differ in serial" in said and shown == "", shown + said)
    fleet.run("rollback", *more, "--serial", "2", "--max-fail", "2", status=UNREACHABLE)
    fleet.write("deploy.yml", "- hosts: all\n  serial: some\n")
    said = fleet.run("rollback", *more, status=REFUSED)[1]
    check("playbook: serial: 'some' is neither a number" in said, said)
    fleet.run("render", "--playbook", "deploy.yml")  # nobody needs it there


def facts():
    """deploy and plan ask the hosts whose templates name facts, once each and no others; --facts spares it; who cannot tell stops the run."""
    fleet = Fleet()
    fleet.write("templates/config.alloy.j2", "// {{ inventory_hostname }} {{ ansible_architecture }} {{ ansible_facts.kernel }}\n")
    fleet.write("templates/plain/config.alloy.j2", "// {{ inventory_hostname }}\n")
    with FakeHosts(fleet.folder / "ssh", keys=("good", "other")) as fakes:
        fakes.open()
        fleet.write("../fakes", fakes.inventory(["one.example", "plain.example", "two.example"]))
        fleet.write("../mute", fakes.inventory(["mute.example"], "other"))
        hosts = ("-i", fleet.folder / "fakes")
        machine = os.uname()
        wanted = ["// one.example {0} {1}\n", "// plain.example\n", "// two.example {0} {1}\n"]
        wanted = [text.format(machine.machine, machine.release) for text in wanted]

        def asked():
            return len(list(fakes.gate.glob("asked.*")))

        def sent():
            bundles = [path.read_text() for path in fakes.gate.glob("bundle.*")]
            return sorted(text[text.index("// "):text.index("\n", text.index("// ")) + 1] for text in bundles)

        fleet.run("deploy", *hosts, *fleet.bundle())
        check(asked() == 2 and sent() == wanted, f"{asked()} were asked, sent: {sent()}")
        shown, said = fleet.run("plan", *hosts, *fleet.bundle(), "--format", "json")
        check(asked() == 4 and said == "" and shown.count("would change") >= 3, shown + said)
        fleet.run("plan", *hosts, *fleet.bundle(), "--limit", "plain.example")
        check(asked() == 4, "a host was asked for facts that no template names")

        fleet.run("facts", *hosts, "--output", "facts.json")
        check(asked() == 7, f"{asked()} were asked")
        for path in fakes.gate.glob("bundle.*"):
            path.unlink()
        fleet.run("deploy", *hosts, *fleet.bundle(), "--facts", "facts.json")
        check(asked() == 7 and sent() == wanted, f"{asked()} were asked, sent: {sent()}")

        (fakes.gate / "mute.other").touch()
        shown, said = fleet.run("deploy", *hosts, "-i", fleet.folder / "mute", *fleet.bundle(), status=REFUSED)
        check("mute.example: facts: " in said and "No host was touched." in said and shown == "", shown + said)
        check(asked() == 10 and sent() == wanted, "a host was deployed to")


def openssh():
    """--transport openssh: the same deploys through the program ssh, with the same words for what goes wrong."""
    fleet = Fleet()
    with FakeHosts(fleet.folder / "ssh", keys=("good", "stranger")) as fakes:
        fakes.open()
        authorized = fakes.folder / "authorized"
        authorized.write_text(authorized.read_text().splitlines(keepends=True)[0])  # the stranger is not let in
        fleet.write("../fakes", fakes.inventory(["one.example", "two.example"]))
        fleet.write("../stranger", fakes.inventory(["stranger.example"], "stranger"))
        here = ("--transport", "openssh", "-i", fleet.folder / "fakes", *fleet.bundle())
        shown, said = fleet.run("deploy", *here)
        check("2 hosts: 2 changed." in shown, shown + said)
        shown, said = fleet.run("deploy", *here, "-i", fleet.folder / "stranger", status=UNREACHABLE)
        check("3 hosts: 2 changed, 1 unreachable." in shown and "Permission denied (publickey" in shown, shown + said)
        (fakes.folder / "known_hosts").write_text("")
        shown, said = fleet.run("deploy", *here, "--limit", "one.example", status=UNREACHABLE)
        check("Host key verification failed. (an unknown one: fleetctl known-hosts add, or --accept-new)" in shown, shown + said)
        fleet.run("deploy", *here, "--limit", "one.example", "--accept-new")
        check("127.0.0.1" in (fakes.folder / "known_hosts").read_text(), "the key was not written down")
    shown = fleet.run("deploy", *here, "--limit", "one.example", status=UNREACHABLE)[0]
    check("unreachable   127.0.0.1: ssh: connect to host 127.0.0.1 port " in shown and "Connection refused" in shown, shown)
    shown = fleet.run("deploy", *here, "--limit", "one.example", "-e", "ansible_password=hush", status=UNREACHABLE)[0]
    check("a password to log in with is for --transport libssh" in shown and "hush" not in shown, shown)
    said = fleet.run("deploy", *here, "-k", status=USAGE, given="secret\n")[1]
    check("-k: a password to log in with is for --transport libssh" in said, said)
    for words in (("ui", "one.example"), ("known-hosts", "check"), ("plan", "--transport", "telnet")):
        fleet.run(*words, *here[:4], status=USAGE)


def junit():
    """--format junit of lint, plan, deploy and verify is XML with a case for each finding, host and way."""
    fleet = Fleet()

    def cases(*words, status):
        suite, = ElementTree.fromstring(fleet.run(*words, "--format", "junit", status=status)[0])
        check(int(suite.get("tests")) == len(suite) > 0, suite.attrib)
        return suite, [(case.get("classname"), case.get("name"), *(child.tag for child in case)) for case in suite]

    suite, _ = cases("lint", status=0)
    check(suite.get("failures") == "0", suite.attrib)
    fleet.append("host_vars/puck.incus.yml", "\nb\x01<&\": [\n")
    suite, found = cases("lint", status=REFUSED)
    check(suite.get("failures") != "0" and any("failure" in case for case in found), found)
    fleet = Fleet()
    suite, found = cases("plan", *NOWHERE, *fleet.bundle(), status=UNREACHABLE)
    check(found == [("oberon.incus", "plan", "error"), ("caliban.incus", "plan", "error")] and suite.get("errors") == "2", found)
    suite, found = cases("verify", *NOWHERE, "--only", "journal", status=UNREACHABLE)
    check(("caliban.incus", "journal", "error") in found, found)
    fleet.run("plan", "--offline", "--format", "junit", *NOWHERE, *fleet.bundle(), status=USAGE)
    _, found = cases("deploy", *NOWHERE, *fleet.bundle(), status=UNREACHABLE)
    check(sorted(found) == [("caliban.incus", "deploy", "error"), ("oberon.incus", "deploy", "error")], found)  # as they end
    fleet.run("rollback", "--format", "junit", *NOWHERE, status=USAGE)


def known_hosts():
    """The keys that hosts show are told, and written hashed where one says so; another one is never written over."""
    fleet = Fleet()
    with FakeHosts(fleet.folder / "ssh") as fakes:
        fleet.write("../fakes", fakes.inventory(["first", "second"]))
        words = ("-i", fleet.folder / "fakes")
        file = fakes.folder / "known_hosts"
        known = file.read_text()
        check(fleet.run("known-hosts", "check", *words)[0].count(" known  ssh-ed25519  SHA256:") == 2, "known")
        file.write_text("# mine, without an end")
        said = fleet.run("known-hosts", "add", *words, status=3)[1]
        check("give --yes" in said and file.read_text() == "# mine, without an end", said)
        shown, said = fleet.run("known-hosts", "add", "--yes", *words)
        check(shown.count(" unknown  ssh-ed25519 ") == 2 and "Wrote 1 key." in said, shown + said)
        first, second, rest = file.read_text().split("\n")
        check(first == "# mine, without an end" and second.startswith("|1|") and second.endswith(known.split(" ", 1)[1].strip())
              and rest == "", file.read_text())
        check("127.0.0.1" not in second and file.stat().st_mode & 0o777 in (0o600, 0o644), second)
        # OpenSSH reads it, and so do we.
        found = subprocess.run(["ssh-keygen", "-f", file, "-F", f"[127.0.0.1]:{fakes.port}"], capture_output=True, text=True)
        check(found.returncode == 0, found.stdout + found.stderr)
        hosts = [json.loads(line) for line in fleet.run("known-hosts", "check", "--format", "json", *words)[0].splitlines()]
        check([host["state"] for host in hosts] == ["known", "known"] and hosts[0]["name"] == f"[127.0.0.1]:{fakes.port}", hosts)
        file.write_text(known.replace((fakes.folder / "host.pub").read_text().split()[1],
                                      (fakes.folder / "good.pub").read_text().split()[1]))
        before = file.read_text()
        shown = fleet.run("known-hosts", "add", "--yes", *words, status=3)[0]
        check(shown.count("CHANGED") == 2 and file.read_text() == before, shown)
    fleet.run("known-hosts", "check", *NOWHERE, status=UNREACHABLE)
    fleet.run("known-hosts", status=USAGE)


def init():
    """What a new folder gets is a fleet without a finding; of an Ansible tree it finds what is there and writes nothing over."""
    fleet = Fleet()
    fresh = fleet.folder / "fresh"
    shown = fleet.run("init", fresh)[0]
    check(shown.count("wrote ") == 3 and f"  cd {fresh}\n" in shown, shown)
    check("0 errors, 0 warnings" in fleet.run("lint", "--strict", cwd=fresh)[1], "a finding")
    check("first.example" in fleet.render(cwd=fresh)[0], "nothing is rendered")
    before = {path: path.read_text() for path in fresh.rglob("*") if path.is_file()}
    check("wrote" not in fleet.run("init", cwd=fresh)[0], "written over")
    check(before == {path: path.read_text() for path in fresh.rglob("*") if path.is_file()}, "changed")

    old = fleet.folder / "old"
    for name, text in (("hosts.ini", "[web]\nw1 services='[\"alloy\"]'\n"), ("roles/alloy/templates/config.alloy.j2", "// {{ inventory_hostname }}\n"),
                       (".git/config.alloy.j2", "not this one\n"), ("group_vars/all/vault.yml", "a: 1\n")):
        fleet.write(old / name, text)
    shown = fleet.run("init", cwd=old)[0]
    check(shown.startswith("wrote fleet.yaml\n") and shown.count("wrote") == 1 and "services: [alloy]" in shown, shown)
    check((old / "fleet.yaml").read_text().endswith('\ninventory: "hosts.ini"\ntemplates: "roles/alloy/templates"\n'), "fleet.yaml")
    check(fleet.run("render", cwd=old)[0].rstrip().endswith("// w1"), "not rendered")
    (old / "fleet.yaml").write_text("forks: 2\n")  # somebody's own
    shown = fleet.run("init", cwd=old)[0]
    lint, = [line.split()[1:] for line in shown.splitlines() if line.startswith("  fleetctl lint")]
    check("wrote" not in shown and lint == ["lint", "-i", "hosts.ini", "--templates", "roles/alloy/templates"], shown)
    check(fleet.run("render", *lint[1:], cwd=old)[0].rstrip().endswith("// w1"), "not rendered")
    fleet.run("init", "/proc/no", status=REFUSED)


def fleet_file():
    """fleet.yaml: options by their long names, for all commands or for one; the command line wins; what nobody knows is refused."""
    fleet = Fleet()
    one = lambda *words: re.findall("==> (.*) <==", fleet.render(*words)[0])
    everybody = one()
    fleet.write("fleet.yaml", "# by their long names\ntemplates: elsewhere\nforks: 3\nrender:\n  limit: [ariel.incus, puck.incus]\n  templates: templates\n"
                "vault: {edit: {vault-password-file: x}}\nquiet: true\n")
    check(sorted(one()) == ["ariel.incus", "puck.incus"], one())
    check(one("--limit", "all") == everybody, "the command line")
    check("elsewhere" in fleet.run("lint", status=1)[0], "for all commands")
    fleet.run("lint", "--templates", "templates")
    fleet.write("other.yaml", "limit: 'ariel*'\n")
    check(fleet.render("--config", "other.yaml")[0].count("==>") == 0, "--config")
    check("nothere" in fleet.render("--config", "nothere.yaml", status=USAGE)[1], "a file that is not there")
    for text, said in (("forkz: 3\n", "fleet.yaml:1: there is no option --forkz"), ("render:\n  forks: 3\n", "fleet.yaml:2: there is no option --forks"),
                       ("forks: [\n", "fleet.yaml:"), ("- a\n", "no map of options"), ("limit: {a: {b: {c: d}}}\n", "no command goes so deep"),
                       ("limit: []\n", "--limit has no value"), ("config: x\n", "no option --config"), ("a: 1\na: 2\n", "fleet.yaml:2")):
        fleet.write("fleet.yaml", text)
        shown = fleet.render(status=USAGE)[1]
        check(said in shown, shown)
    # Anybody could write such a file here; where there is none, nothing is missed.
    fleet.tree.chmod(0o777)
    check("everybody may write" in fleet.render(status=USAGE)[1], "it was read")
    (fleet.tree / "fleet.yaml").unlink()
    fleet.render()


def imported():
    """import tells what becomes of each task of a playbook, and writes the options that lead to the same tree."""
    fleet = Fleet()
    (fleet.tree / "alloy").mkdir()
    (fleet.tree / "templates").rename(fleet.tree / "alloy/templates")
    fleet.write("alloy/deploy.yml", "- hosts: all\n  roles: [alloy, gone]\n  tasks:\n    - name: Configuration\n      ansible.builtin.template: {src: config.alloy.j2, dest: /etc/alloy/config.alloy}\n"
                "      notify: Restart\n    - set_fact: {x: 1}\n      when: true\n    - block:\n        - name: Other\n          copy: {src: a, dest: /etc/motd}\n    - include_tasks: more.yml\n"
                "  handlers:\n    - name: Restart\n      service: name=alloy state=restarted\n")
    fleet.write("alloy/more.yml", "- debug: {msg: hello}\n")
    fleet.write("alloy/roles/alloy/tasks/main.yml", "- name: Package\n  apt: {name: alloy}\n")
    shown = fleet.run("import", "alloy/deploy.yml", "--report")[0]
    check(not (fleet.tree / "fleet.yaml").exists(), "--report wrote")
    check("6 tasks, of which 1 stay with Ansible" in shown and "not read: role 'gone'" in shown, shown)
    for module, verdict in (("template", "done by deploy: "), ("set_fact", "sets variables: "), ("copy", "stays with Ansible"), ("debug", "not needed"),
                            ("service", "done by deploy: "), ("apt", "done by deploy: the agent")):
        check(any(line for line in shown.splitlines() if f"  {module} " in line and verdict in line), f"{module}: {shown}")
    check(any("alloy/deploy.yml:4" in line and "Configuration" in line for line in shown.splitlines()), shown)
    tasks = json.loads(fleet.run("import", "alloy/deploy.yml", "--report", "--format", "json")[0])
    check(len(tasks["tasks"]) == 6 and tasks["schema"] == 1, tasks)
    (fleet.tree / "alloy/templates").rename(fleet.tree / "templates")
    fleet.write("deploy.yml", "- hosts: all\n  vars: {loki_url: 'http://from.the.playbook/push'}\n")
    fleet.run("import", "deploy.yml")
    check('playbook: "deploy.yml"\ntemplates: "templates"\n' in (fleet.tree / "fleet.yaml").read_text(), "fleet.yaml")
    check("from.the.playbook" in fleet.render("--limit", "puck")[0], "the playbook's variables do not count")
    check("nothing was written" in fleet.run("import", "deploy.yml", status=REFUSED)[1], "written over")
    fleet.write("alloy/circle.yml", "- import_playbook: circle.yml\n")
    check("imported too deeply" in fleet.run("import", "alloy/circle.yml", status=REFUSED)[1], "a circle")


if __name__ == "__main__":
    main(broken_template, command_lines, spellings, logs, ansible_cfg, ui, batches, bundles, playbook_batches, facts, openssh, junit, known_hosts, init, fleet_file, imported)
