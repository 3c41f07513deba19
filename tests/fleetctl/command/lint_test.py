#!/usr/bin/python3
"""lint_test.py CASE | --list: `fleetctl lint`, the real program, on the example fleet. Each case is a function below."""

import json

from example_fleet import Fleet, ansible_is_there, check, fleetctl, main

RESERVED = [("syslog-port-unused", "host_vars/puck.incus.yml", line) for line in (9, 10, 11)]


def found(fleet, *words, status=0, known=RESERVED):
    """-> findings as (rule, file, line), without those of the example fleet, which have to be there; and their messages"""
    shown, said = fleet.run("lint", "--format", "json", *words, status=status)
    findings = json.loads(shown)
    places = [(f["rule"], f.get("file", ""), f.get("line", 0)) for f in findings]
    check(set(known) <= set(places), shown)
    errors = sum(f["severity"] == "error" for f in findings)
    check(said == f"{errors} errors, {len(findings) - errors} warnings\n", said)
    return {place: f for place, f in zip(places, findings) if place not in known}


def example_fleet():
    """The example fleet: the ports that it reserves and does not use, for people and for programs."""
    fleet = Fleet()
    shown, said = fleet.run("lint")
    check(shown.splitlines()[0] == "host_vars/puck.incus.yml:9:21: warning: 'athena_syslog_port' (51402) is reserved, and no listener of "
          "the host uses it [syslog-port-unused] (puck.incus)" and said == "0 errors, 3 warnings\n", shown + said)
    check(found(fleet) == {}, "more was found")
    fleet.run("lint", "--strict", status=1)
    fleet.run("lint", "--strict", "--limit", "ariel")
    check(found(fleet, "--limit", "ariel", known=[]) == {}, "ariel")


def ports():
    """Ports: twice, out of range, unused; with templates in them; Compose files that log to where nothing listens."""
    fleet = Fleet()
    fleet.append("host_vars/miranda.incus.yml", "twin_syslog_port: \"{{ argos_syslog_port }}\"\nfar_syslog_port: 5514\n")
    fleet.write("services/athena/docker-compose.yml.j2", "services:\n  app:\n    logging:\n      driver: syslog\n      options:\n"
                "        syslog-address: \"tcp://127.0.0.1:{{ athena_syslog_port }}\"\n")
    fleet.write("services/kairos/docker-compose.yml.j2", "x:\n  syslog-address: \"tcp://127.0.0.1:{{ kairos_syslog_port | int }}\"\n")
    fleet.write("services/other/compose.yaml", "# syslog-address: tcp://127.0.0.1:1\n  syslog-address: udp://localhost:51499\n"
                "  syslog-address: tcp://127.0.0.1:51412\n  syslog-address: tcp://logs.example.com:514\n")
    fleet.write("services/new/docker-compose.yml.j2", "syslog-address: 'tcp://127.0.0.1:{{ new_syslog_port }}'\n")
    things = found(fleet)
    expected = {("syslog-port-twice", "host_vars/miranda.incus.yml", 8), ("syslog-port-range", "host_vars/miranda.incus.yml", 9),
                ("syslog-port-unused", "host_vars/miranda.incus.yml", 9), ("syslog-address", "services/athena/docker-compose.yml.j2", 6),
                ("lines-twice", "services/kairos/docker-compose.yml.j2", 2), ("syslog-address", "services/other/compose.yaml", 2),
                ("syslog-address", "services/new/docker-compose.yml.j2", 1)}
    check(set(things) == expected, things)
    athena = things[("syslog-address", "services/athena/docker-compose.yml.j2", 6)]
    check(athena["hosts"] == ["puck.incus"] and athena["column"] == 9 and "they do not start" in athena["message"], athena)
    check("no managed host defines 'new_syslog_port'" in things[("syslog-address", "services/new/docker-compose.yml.j2", 1)]["message"], things)


def unused_files():
    """Variables of unknown hosts and groups, templates of hosts that are not there or get no agent."""
    fleet = Fleet()
    fleet.write("host_vars/puck.yml", "x: 1\n")
    fleet.write("host_vars/gone.incus/a.yml", "x: 1\n")
    fleet.write("group_vars/nobody.yml", "x: 1\n")
    fleet.write("templates/gone/config.alloy.j2", "\n")
    fleet.write("templates/sycorax/config.alloy.j2", "\n")
    fleet.write("host_vars/sycorax.incus.yml", "services: []\n")
    things = found(fleet)
    check(set(things) == {("host-vars-unused", "host_vars/puck.yml", 0), ("host-vars-unused", "host_vars/gone.incus", 0),
                          ("group-vars-unused", "group_vars/nobody.yml", 0), ("template-unused", "templates/gone/config.alloy.j2", 0),
                          ("template-unused", "templates/sycorax/config.alloy.j2", 0)}, things)
    check("the host is named 'puck.incus'" in things[("host-vars-unused", "host_vars/puck.yml", 0)]["message"], things)


def secrets():
    """Secrets in clear, in variables and in templates; encrypted values that no password opens, or that nobody looked into."""
    fleet = Fleet()
    fleet.append("group_vars/all.yml", "loki_password: s3cret\nclean_password: \"{{ vault_it }}\"\npassword_file: /etc/x\nnested:\n  api_token: abc\n"
                 "url: https://me:secret@example.com/x\nvault_it: ''\n")
    lines = len((fleet.tree / "group_vars/all.yml").read_text().splitlines())
    fleet.append("templates/config.alloy.j2", "// https://me:{{ loki_password }}@example.com\n// password = \"{{ loki_password }}\"\n//\npassword = \"abc\"\n")
    broken = len((fleet.tree / "templates/config.alloy.j2").read_text().splitlines())
    things = found(fleet, status=1, known=[])
    clear = {place for place in things if place[0] == "secret-in-clear"}
    check(clear == {("secret-in-clear", "group_vars/all.yml", lines - 6), ("secret-in-clear", "group_vars/all.yml", lines - 2),
                    ("secret-in-clear", "group_vars/all.yml", lines - 1), ("secret-in-clear", "templates/config.alloy.j2", broken)}, things)
    if not ansible_is_there():
        return
    fleet = Fleet()
    fleet.write("password", "one")
    fleet.write("other", "two")
    text, _ = fleet.run("vault", "encrypt-string", "--vault-password-file", "password", "--stdin-name", "loki_password", given="x")
    first = len((fleet.tree / "group_vars/all.yml").read_text().splitlines()) + 1
    fleet.append("group_vars/all.yml", text)
    check(set(found(fleet)) == {("vault-unread", "", 0)}, "without a password")
    check(found(fleet, "--vault-password-file", "password") == {}, "with the password")
    things = found(fleet, "--vault-password-file", "other", status=1)
    check(set(things) == {("vault", "group_vars/all.yml", first)}, things)


def configurations():
    """Each host's configuration, by the agent's own rules: errors and warnings with their place in the template; Docker without the service."""
    fleet = Fleet()
    fleet.append("templates/oberon/config.alloy.j2", "loki.echo \"x\" {\n  nothing = 1\n}\n{{ missing }}\n")
    things = found(fleet, status=1)
    lines = len((fleet.tree / "templates/oberon/config.alloy.j2").read_text().splitlines())
    check(set(things) == {("render", "templates/oberon/config.alloy.j2", lines)}, things)
    fleet.append("templates/ariel/config.alloy.j2", "// {{ .Value }}\n")
    check(any("between {% raw %}" in thing["message"] for thing in found(fleet, status=1).values()), "Go's templates")
    fleet = Fleet()
    fleet.write("host_vars/puck.incus.yml", (fleet.tree / "host_vars/puck.incus.yml").read_text().replace("docker, ", ""))
    fleet.append("templates/ariel/config.alloy.j2", "\nloki.relabel \"odd\" {\n  forward_to = []\n  rule {\n    target_label = \"job\"\n    replacement  = \"a\"\n"
                 "  }\n  rule {\n    target_label = \"job\"\n    replacement  = \"b\"\n  }\n}\n")
    things = found(fleet)
    lines = len((fleet.tree / "templates/ariel/config.alloy.j2").read_text().splitlines())
    check(set(things) == {("docker-group", "templates/puck/config.alloy.j2", 7), ("warning", "templates/ariel/config.alloy.j2", lines - 10),
                          ("warning", "templates/ariel/config.alloy.j2", lines - 8)}, things)
    rule = things[("warning", "templates/ariel/config.alloy.j2", lines - 8)]
    check("overwrites" in rule["message"] and rule["hosts"] == [] and rule["column"] == 3, rule)


def broken_trees():
    """What keeps a tree from being read is a finding, too."""
    fleet = Fleet()
    fleet.write("inventory/hosts.yml", "all:\n  hosts: [\n")
    things = found(fleet, status=1, known=[])
    check([place[:2] for place in things] == [("tree", "inventory/hosts.yml")], things)
    fleet = Fleet()
    fleet.write("host_vars/ariel.incus.yml", "services: [alloy]\nx: {{ y }}\n")
    things = found(fleet, status=1)
    check(("render", "host_vars/ariel.incus.yml", 2) in things, things)
    _, said = fleetctl("lint", "--format", "xml", status=64)
    check("xml" in said, said)


if __name__ == "__main__":
    main(example_fleet, ports, unused_files, secrets, configurations, broken_trees)
