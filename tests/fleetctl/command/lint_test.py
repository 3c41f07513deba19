#!/usr/bin/python3
"""lint_test.py CASE | --list: `fleetctl lint`, the real program, on the example fleet. Each case is a function below."""

import json
import re

from example_fleet import Fleet, ansible_is_there, check, fleetctl, main

RESERVED = [("syslog-port-unused", "host_vars/puck.incus.yml", line) for line in (9, 10, 11)]


def found(fleet, *words, status=0, known=RESERVED):
    """-> findings as (rule, file, line), without those of the example fleet, which have to be there; and their messages"""
    shown, said = fleet.run("lint", "--format", "json", *words, status=status)
    findings = json.loads(shown)
    places = [(f["rule"], f.get("file", ""), f.get("line", 0)) for f in findings]
    check(set(known) <= set(places), shown)
    errors = sum(f["severity"] == "error" for f in findings)
    warnings = len(findings) - errors
    check(said == f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}\n", said)
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
    check(athena["hosts"] == ["puck.incus"] and athena["column"] == 9 and "such containers do not start" in athena["message"], athena)
    check("no managed host defines 'new_syslog_port'" in things[("syslog-address", "services/new/docker-compose.yml.j2", 1)]["message"], things)


def container_logs():
    """Playbooks, units and daemon.json say how containers log, too; the protocol counts; what is played before the agent is told of."""
    fleet = Fleet()
    fleet.write("services/hass.yml", "- docker_container:\n    log_driver: syslog\n    log_options:\n"
                "      syslog-address: 'udp://127.0.0.1:{{ hass_syslog_port }}'\n      tag: '{{ name }}'\n")
    fleet.write("services/x.service.j2", "[Service]\nExecStart=docker run --log-opt syslog-address=tcp+tls://[::1]:51403 --rm {{ image }}\n")
    fleet.write("services/daemon.json", '{"log-driver": "syslog", "log-opts": {"syslog-address": "tcp://localhost:51498"}}\n')
    fleet.write("services/README.md", "syslog-address: tcp://127.0.0.1:1\n")
    fleet.write("kairos/docker-compose.yml", "  syslog-address: tcp://127.0.0.1:51421\n")
    fleet.write("alloy/deploy.yml", "- hosts: all\n")
    fleet.write("site.yml", "- import_playbook: other/deploy.yml\n- import_playbook: kairos/deploy.yml\n- ansible.builtin.import_playbook: alloy/deploy.yml\n"
                "- import_playbook: kairos/again.yml\n")
    (fleet.tree / "templates").rename(fleet.tree / "alloy/templates")
    things = found(fleet, "--templates", "alloy/templates", "--playbook-dir", ".")
    check(set(things) == {("syslog-address", "services/hass.yml", 4), ("lines-twice", "services/x.service.j2", 2),
                          ("syslog-address", "services/daemon.json", 1), ("syslog-order", "site.yml", 2)}, things)
    hass = things[("syslog-address", "services/hass.yml", 4)]
    check(hass["hosts"] == ["rosalind.incus"] and "another protocol" in hass["message"] and "lost" in hass["message"], hass)
    order = things[("syslog-order", "site.yml", 2)]
    check("'kairos/deploy.yml' comes before 'alloy/deploy.yml'" in order["message"] and order["column"] == 20, order)


def mended():
    """--fix lays out what is no template and shows it; templates, links, what does not parse, and other findings stay."""
    fleet = Fleet()
    text = "logging {\nlevel=\"info\"\n}\n"
    others = {"templates/parts/t.alloy": text + "// {{ x }}\n", "templates/parts/broken.alloy": "logging {\n", "notes.txt": text}
    for name, what in {**others, "templates/parts/plain.alloy": text}.items():
        fleet.write(name, what)
    (fleet.tree / "templates/link.alloy").symlink_to("../notes.txt")
    fleet.write("rendered/puck.incus/config.alloy", text)
    (fleet.tree / "templates/parts/plain.alloy").chmod(0o640)
    things = found(fleet)
    check(set(things) == {("format", "templates/parts/plain.alloy", 0)} and things[("format", "templates/parts/plain.alloy", 0)]["fixable"], things)
    fleet.run("lint", "--strict", status=1)
    check((fleet.tree / "templates/parts/plain.alloy").read_text() == text, "changed without --fix")
    shown, said = fleet.run("lint", "--fix")
    check('-level="info"\n+\tlevel = "info"\n' in shown and said == "0 errors, 3 warnings\n", shown + said)
    plain = fleet.tree / "templates/parts/plain.alloy"
    check(plain.read_text() == 'logging {\n\tlevel = "info"\n}\n' and plain.stat().st_mode & 0o777 == 0o640, plain.read_text())
    for name, what in others.items():
        check((fleet.tree / name).read_text() == what, f"{name} was changed")
    check((fleet.tree / "templates/link.alloy").is_symlink() and found(fleet, "--fix") == {}, "something is left to mend")


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
    fleet = Fleet()
    fleet.write("host_vars/puck.incus.yml", (fleet.tree / "host_vars/puck.incus.yml").read_text().replace("docker, ", ""))
    fleet.append("templates/ariel/config.alloy.j2", "\nloki.relabel \"odd\" {\n  forward_to = []\n  rule {\n    target_label = \"job\"\n    replacement  = \"a\"\n"
                 "  }\n  rule {\n    target_label = \"job\"\n    replacement  = \"b\"\n  }\n}\n")
    things = found(fleet)
    lines = len((fleet.tree / "templates/ariel/config.alloy.j2").read_text().splitlines())
    check(set(things) == {("docker-group", "templates/puck/config.alloy.j2", 7), ("warning", "templates/ariel/config.alloy.j2", lines - 10),
                          ("warning", "templates/ariel/config.alloy.j2", lines - 8)}, things)
    # As fleet.yaml says it; and where nobody has services, whoever reads the socket joins.
    fleet.write("fleet.yaml", "docker-when: inventory_hostname == 'puck.incus'\n")
    messages = [thing["message"] for place, thing in found(fleet).items() if place[0] == "docker-group"]
    check(messages and all("docker-when of fleet.yaml:1 does not hold" in message for message in messages), messages)
    check(not any(thing["hosts"] == ["puck.incus"] for place, thing in found(fleet).items() if place[0] == "docker-group"), "puck joins")
    fleet.write("fleet.yaml", "select: true\n")
    for path in [*fleet.tree.rglob("*.yml"), *fleet.tree.rglob("*.j2")]:
        path.write_text(re.sub(r"\bservices\b", "tasks", path.read_text()))
    check(not any(place[0] == "docker-group" for place in found(fleet, known=[])), "nobody has services")
    fleet = Fleet()
    fleet.append("templates/ariel/config.alloy.j2", "\nloki.relabel \"odd\" {\n  forward_to = []\n  rule {\n    target_label = \"job\"\n    replacement  = \"a\"\n"
                 "  }\n  rule {\n    target_label = \"job\"\n    replacement  = \"b\"\n  }\n}\n")
    things = found(fleet)
    rule = things[("warning", "templates/ariel/config.alloy.j2", lines - 8)]
    check("overwrites" in rule["message"] and rule["hosts"] == [] and rule["column"] == 3, rule)


def files_beside():
    """A template of fleet.yaml's files that does not resolve has its place in it; one that nobody has is told at its rule."""
    fleet = Fleet()
    fleet.write("templates/endpoints.json.j2", "[\n  {{ nothing_here }}]\n")
    fleet.write("fleet.yaml", "files:\n  - {template: endpoints.json.j2, path: /etc/fleet-agent/endpoints.json}\n")
    things = found(fleet, status=1, known=[])
    check(set(things) == {("render", "templates/endpoints.json.j2", 2)}, things)
    thing = things[("render", "templates/endpoints.json.j2", 2)]
    check(thing["column"] == 6 and "nothing_here" in thing["message"] and len(thing["hosts"]) > 3, thing)
    (fleet.tree / "templates/endpoints.json.j2").rename(fleet.tree / "templates/ariel/endpoints.json.j2")
    fleet.write("templates/ariel/endpoints.json.j2", "[]\n")
    things = found(fleet, "--limit", "ariel", known=[])
    check(not things, things)
    things = found(fleet, status=1, known=[])
    check({place for place, thing in things.items() if thing["severity"] == "error"} == {("render", "fleet.yaml", 2)}, things)


def go_templates():
    """What is meant for the agent and stands where Jinja2 reads it: told with the way out, in templates and in variables; else nothing of it."""
    fleet = Fleet()
    before = (fleet.tree / "templates/ariel/config.alloy.j2").read_text()

    def told(text):
        fleet.write("templates/ariel/config.alloy.j2", f"{before}// {text}\n")
        line = before.count("\n") + 1
        return [thing["message"] for (_, file, at), thing in found(fleet, status=1).items() if file.startswith("templates/ariel") and at == line]

    for text in ("{{ .Value }}", "{{ . }}", "{{- if .x -}}a{{ end }}", "{{ ToUpper .Value }}", '{{ Replace .Value "a" "b" -1 }}', "{{ $x }}",
                 '{{ printf "%s" .x }}', '{{ hash "salt" }}', "{{ range $i, $x := .all }}", "{{ x := 1 }}", "{{ (eq .x 1) }}", "{{ end }}",
                 "{{ /* no */ }}", "{{ loki_url }} {{ .Value }}"):
        messages = told(text)
        check(messages and all("between {% raw %} and {% endraw %}" in message for message in messages), (text, messages))
    for text in ("{{ missing }}", "{{ missing.part }}", "{{ 'a .b $c' ~ missing }}", '{{ not "a" + }}', '{{ missing | default(missing2, ".x") + }}',
                 "{{ missing[.5] }}", "{{ 1 +", "{{ missing ~ .5 }}"):
        messages = told(text)
        check(messages and not any("raw" in message for message in messages), (text, messages))
    fleet = Fleet()
    fleet.append("host_vars/ariel.incus.yml", "line: \"{{ .Value }}\"\n")
    fleet.append("templates/ariel/config.alloy.j2", "// {{ line }}\n")
    check([place for place, thing in found(fleet, status=1).items() if "between {% raw %}" in thing["message"]] ==
          [("render", "host_vars/ariel.incus.yml", (fleet.tree / "host_vars/ariel.incus.yml").read_text().count("\n"))], "in a variable")


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
    main(example_fleet, ports, container_logs, mended, unused_files, secrets, configurations, files_beside, go_templates, broken_trees)
