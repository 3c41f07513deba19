#!/usr/bin/python3
"""mistakes_test.py CASE | --list: what an operator does wrong, and what the real program says to that: which option, file and line, what is
meant perhaps, what to do, on which stream, with which status. Each case is a function below."""

import os
import subprocess

from example_fleet import BIN, SYSTEM, Fleet, check, main

REFUSED, USAGE, OUTPUT_LOST = 1, 64, 74
OFFLINE = ("plan", "--offline", "--limit", "puck")


def command_lines():
    """Options and commands that there are not: the near one, the one of another command, or what stands in the place of Ansible's."""
    fleet = Fleet()
    for words, parts in (
            (("delpoy",), ("there is no command 'delpoy'; did you mean 'deploy'?", "`fleetctl --help`")),
            ((), ("which command? There are render, inventory,", "version\n")),
            (("vault", "encryt", "x"), ("vault has no command 'encryt'; did you mean 'encrypt'?", "`fleetctl vault --help`")),
            (("vault",), ("vault: which command? There are encrypt, decrypt,",)),
            (("deploy", "--limt", "puck"), ("deploy has no option --limt; did you mean '--limit'?", "`fleetctl deploy --help`")),
            (("deploy", "--limt=puck"), ("deploy has no option --limt; did you mean '--limit'?",)),
            (("vault", "edit", "--vault-idd", "a@b", "x"), ("vault edit has no option --vault-idd; did you mean '--vault-id'?",)),
            (("deploy", "--drift"), ("deploy has no option --drift: it is one of status\n",)),
            (("--limit", "puck", "deploy"), ("deploy",)),
            (("deploy", "--nothing-like-it"), ("deploy has no option --nothing-like-it\n",)),
            (("deploy", "alloy/deploy.yml", "-l", "puck"), ("deploy does not take 'alloy/deploy.yml': no playbook is run; with --playbook",
                                                            "fleetctl import alloy/deploy.yml --report")),
            (("deploy", "puck"), ("deploy does not take 'puck': hosts are chosen with --limit",)),
            (("init", "a", "b"), ("init does not take 'b'\n",)),
            (("deploy", "--tags", "config", "-l", "puck"), ("deploy has no option --tags: there are no tasks to choose from",)),
            (("deploy", "-t", "config"), ("deploy has no option -t: there are no tasks",)),
            (("deploy", "--list-hosts"), ("fleetctl plan --offline",)),
            (("deploy", "--syntax-check"), ("`fleetctl lint` checks the tree",)),
            (("deploy", "--become-user", "root"), ("ansible_become_user",)),
            (("deploy", "--ssh-common-args=-J x"), ("ansible_ssh_common_args",)),
            (("facts", "--become"), ("facts has no option --become: it is one of plan,",)),
            (("deploy", "--forks", "0"), ("--forks: ", "1 to 1024")),
            (("deploy", "--serial", "0"), ("--serial: a batch of no hosts",)),
            (("plan", "--color", "yes"), ("--color: yes not in {auto,always,never}",)),
            (("inventory",), ("one of --list, --host and --graph says what to show",)),
            (("plan", "--config", "none.yaml"), ("none.yaml",))):
        shown, said = fleet.run(*words, status=USAGE)
        check(shown == "" and said.startswith("fleetctl: "), f"{words}: {shown}{said}")
        for part in parts:
            check(part in said, f"{words}: not '{part}' but {said}")


def fleet_files():
    """fleet.yaml is checked whole, whatever command runs: its line, the option, and what is meant perhaps."""
    fleet = Fleet()
    for text, said in (
            ("deploy: {seril: 3}\n", "fleet.yaml:1: there is no option --seril of 'deploy'; did you mean 'serial'?"),
            ("deploy:\n  max-fail: 1\n  serial: abc\n", "fleet.yaml:3: --serial: 'abc' is neither a number of hosts nor a share"),
            ("delpoy: {serial: 3}\n", "fleet.yaml:1: there is no command 'delpoy'; did you mean 'deploy'?"),
            ("vault: {edit: {nme: x}}\n", "fleet.yaml:1: there is no option --nme of 'edit'"),
            ("vault: {serial: 3}\n", "fleet.yaml:1: there is no option --serial of 'vault'"),
            ("forsk: 3\n", "fleet.yaml:1: there is no option --forsk; did you mean 'forks'?"),
            ("selct: 'true'\n", "fleet.yaml:1: there is no option --selct; did you mean 'select'?"),
            ("forks: many\n", "fleet.yaml:1: --forks: "),
            ("forks: [1, 2]\n", "fleet.yaml:1: --forks: it has one value, this is a list"),
            ("rollback: {quiet: sometimes}\n", "fleet.yaml:1: --quiet: it is true or false"),
            ("rollback: 3\n", "fleet.yaml:1: 'rollback' is a command: its options stand below it"),
            ("render: {format: json}\n", "fleet.yaml:1: there is no option --format of 'render'"),
            ("format: yaml\n", "fleet.yaml:1: --format: yaml not in {text,json,jsonl,junit}")):  # inventory's, and not plan's
        fleet.write("fleet.yaml", text)
        shown, told = fleet.run(*OFFLINE, *fleet.bundle(), status=USAGE)
        check(shown == "" and said in told, f"{text}: not '{said}' but {shown}{told}")
    # What fits: of another command, of a command by its other name, of a command without any, and for some commands of a group.
    fleet.write("fleet.yaml", "version: none\nformat: json\nhosts: {graph: true}\ndeploy:\nrollback: {verbose: 2, quiet: true}\nvault: {new-vault-id: a@b}\n")
    check("@applications" in fleet.run("hosts", "--format", "yaml", cwd=fleet.tree)[0], "hosts: {graph: true}")
    fleet.write("fleet.yaml", "ansible-exit-codes: true\nno-input: true\n")
    fleet.run("plan", "--limit", "nobody", *fleet.bundle(), status=1)
    fleet.run("unlock", "-K", "-e", "ansible_connection=local", status=5, given="a line\n")  # nobody is asked: Ansible's 5
    # In a folder of everybody's it may be anybody's, and without its rules more hosts might be changed.
    fleet.tree.chmod(0o777)
    fleet.write("ansible.cfg", "[defaults]\nremote_user = anybody\n")
    shown, told = fleet.run(*OFFLINE, *fleet.bundle(), status=USAGE)
    check(shown == "" and "fleet.yaml is not read: everybody may write to its folder (chmod o-w); --config fleet.yaml reads it" in told, told)
    told = fleet.run(*OFFLINE, *fleet.bundle(), "--config", "fleet.yaml")[1]
    check("warning: ansible.cfg is not read: everybody may write to its folder" in told, told)


def yaml_files():
    """What is wrong in a file of variables has its line, column and likely cause."""
    fleet = Fleet()
    before = (fleet.tree / "group_vars/all.yml").read_text()
    for text, said in (
            ("a:\n\tb: 1\n", "2:3: illegal map value (YAML is indented with spaces, here is a tab)"),
            ("a: foo: bar\n", "1:7: illegal map value (a text that holds ': ' has to be quoted)"),
            ("a: 1\n b: 2\n", "2:3: illegal map value (is the line indented as it should be"),
            ("a: 'it's'\n", "1:8: end of map not found (inside '...' a ' is written '')"),
            ("a: [1, 2\nb: 3\n", "(a [ is not closed)"),
            ("a: {x: 1\nb: 3\n", "(a { is not closed)"),
            ("a: - b\n", "(a list begins on a line of its own)"),
            ("a: @b\n", "1:4: unknown token (a text that begins with this has to be quoted)"),
            ("a: {{ b }}\n", "1:4: a value that starts with {{ has to be quoted"),
            ("a: \"b\nc: 1\n", "1:4: this quote is not closed"),
            ("a:\n  - b: 'c\n", "2:8: this quote is not closed"),
            ("a: 'it''s\n", "1:4: this quote is not closed")):
        fleet.write("group_vars/all.yml", text)
        shown, told = fleet.run(*OFFLINE, *fleet.bundle(), status=REFUSED)
        check(shown == "" and f"group_vars/all.yml:{said}" in told or said in told, f"{text}: not '{said}' but {told}")
        check(told.endswith("\nNo host was touched.\n"), told)
    for text in ("a: \"b\\\"\"\n", "a: 'it''s'\n", "a: 'b'", "a: b's\n", "a: |\n  \"b\n", "- &x 'b'\n", "a: \"'\"\n# \"\n"):
        fleet.write("group_vars/all.yml", before + "more:\n" + "".join(f"  {line}\n" for line in text.splitlines()))
        fleet.run(*OFFLINE, *fleet.bundle())


def trees():
    """A folder that is no tree, a group and a vault id that are none, and a password that nobody gives."""
    fleet = Fleet()
    empty = fleet.folder / "empty"
    empty.mkdir()
    shown, said = fleet.run("plan", *fleet.bundle(), cwd=empty, status=REFUSED)
    check(shown == "" and f"there is no inventory: {empty}/inventory does not exist; " in said and "fleetctl init" in said, said)
    said = fleet.run("inventory", "--graph", "aplications", status=REFUSED)[1]
    check(said == "fleetctl: there is no group 'aplications'; did you mean 'applications'?\n", said)
    said = fleet.run(*OFFLINE, *fleet.bundle(), "--vault-id", "prod", status=REFUSED)[1]
    check("open prod: No such file or directory; --vault-id takes ID@FILE or ID@prompt" in said, said)
    fleet.write("password", "one\n")
    fleet.write("group_vars/applications/vault.yml", "a: 1\n")
    fleet.run("vault", "encrypt", "--vault-password-file", "password", "group_vars/applications/vault.yml")
    said = fleet.run(*OFFLINE, *fleet.bundle(), status=REFUSED)[1]
    check("no vault password was given; --vault-password-file names one, --ask-vault-pass asks for it" in said, said)
    (fleet.tree / "group_vars/applications/vault.yml").unlink()
    here = ("-e", "ansible_connection=local", "--limit", "puck")
    for option, variable in (("-K", "ansible_become_password"), ("-k", "ansible_password")):
        shown, said = fleet.run("unlock", "--list", option, *here, status=USAGE)
        check(shown == "" and f"fleetctl: {option}: no password was given" in said and variable in said, said)


def outputs():
    """Output that nobody takes is told, unless a reader went away; what was asked for went well all the same."""
    fleet = Fleet()
    plan = (*OFFLINE, *fleet.bundle())
    for words in (plan, ("render", "--limit", "puck"), ("inventory", "--graph"), ("lint",)):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([BIN / "fleetctl", *words], cwd=fleet.tree, env=SYSTEM, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        check(done.returncode == OUTPUT_LOST and "fleetctl: standard output could not be written\n" in done.stderr, f"{words}: {done}")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([BIN / "fleetctl", "--no-input", *plan], cwd=fleet.tree, env=SYSTEM, stdout=writer, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    finally:
        os.close(writer)
    check("standard output" not in done.stderr, done)


if __name__ == "__main__":
    main(command_lines, fleet_files, yaml_files, trees, outputs)
