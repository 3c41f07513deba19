#!/usr/bin/python3
"""reach_test.py CASE | --list: the commands that reach hosts, the real program, where no host answers. Each case is a function below."""

import json

from example_fleet import Fleet, check, main

NOWHERE = ("-e", "ansible_host=127.0.0.1 ansible_port=1", "--limit", "oberon.incus,caliban.incus")
REFUSED, UNREACHABLE, USAGE = 1, 4, 64


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


if __name__ == "__main__":
    main(broken_template, command_lines)
