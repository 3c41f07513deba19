#!/usr/bin/python3
"""schema_test.py CASE | --list: what fleetctl prints for machines is what docs/schemas tells, no more and no less, and no secret is
in it. Each case is a function below."""

import copy
import json
import re
import xml.etree.ElementTree
from pathlib import Path

from example_fleet import ROOT, Fleet, check, fleetctl, main
from fake_hosts import FakeHosts
from terminal_test import prepared

SCHEMA = json.loads((ROOT / "docs/schemas/fleetctl.schema.json").read_text())
SECRET = "nobody-shall-see-this"
NOWHERE = "-i", "nowhere,", "-e", '{"ansible_host": "127.0.0.1", "ansible_port": 1, "services": ["alloy"]}'


def closed(schema):
    """The same schema, which takes no member that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema:
        out["additionalProperties"] = False
    return out


STRICT = closed(copy.deepcopy(SCHEMA))


def holds(kind, document):
    import jsonschema  # not needed to list the cases
    try:
        jsonschema.Draft7Validator(STRICT["definitions"][kind]).validate(document)
    except jsonschema.ValidationError as error:
        raise AssertionError(f"{kind}: {error.message} in {json.dumps(document)}") from None


def lines_hold(shown, kind, others=()):
    """Every line is a `kind` or, by its type, one of the others; -> the kinds in their order"""
    kinds = []
    for line in shown.splitlines():
        document = json.loads(line)
        of = document["type"] if document["type"] in others else kind
        holds(of, document)
        kinds.append(of)
    check(SECRET not in shown, "a secret is shown")
    return kinds


# What each command that prints JSON says is held against these.
RUN = ["begin", "step", "end", "summary"]
KINDS = {"lint": ["lint"], "plan": ["plan", "plan_offline", "summary"], "deploy": ["deploy", *RUN], "rollback": ["rollback", "rollback_list", "summary"],
         "status": ["status"], "verify": ["verify"], "facts": ["facts"], "history": ["history", "history_unknown"], "doctor": ["doctor"],
         "unlock": ["unlock"], "uninstall": ["uninstall", "summary"], "known-hosts check": ["known_hosts"], "known-hosts add": ["known_hosts"],
         "import": ["import"],
         "inventory": []}  # in Ansible's own shape


def commands(*path):
    """-> {"vault edit": what its --help says} of every command below this one, and of its own."""
    said = fleetctl(*path, "--help")[0]
    below = re.findall(r"(?m)^  ([a-z-]+)", said.split("\nSubcommands:\n")[1].split("\n\n")[0]) if "\nSubcommands:\n" in said else []
    found = {} if below else {" ".join(path): said}
    for name in below:
        found.update(commands(*path, name))
    return found


def helps():
    """Each command tells what it does, with an example that begins with its name, and each of its options something."""
    for name, said in commands().items():
        check(f"  fleetctl {name}" in said.split("\nExample")[-1] or f" fleetctl {name}" in said.split("\nExample")[-1], f"{name}: no example\n{said}")
        check("{false}" not in said and not re.search(r"\(not with *\)|UINT|:\{|:FILE", said), said)
    said = commands()["deploy"]
    check("--forks N=64" in said and "--color {auto,always,never}" in said and re.search(r"--plan FILE \(not with [^\n]*--retry-failed", said), said)


def schema():
    """The schema is one, and each command that prints JSON is held against it here."""
    import jsonschema
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    for kind in SCHEMA["definitions"].values():
        jsonschema.Draft7Validator.check_schema(kind)
    printing = {name for name, said in commands().items() if re.search(r"--format [^\n]*json", said)} | {"facts"}  # which prints nothing else
    check(printing == set(KINDS), f"not held against the schema: {printing - set(KINDS)}; no command: {set(KINDS) - printing}")
    kinds = {kind for of in KINDS.values() for kind in of}
    check(kinds == set(SCHEMA["definitions"]), kinds ^ set(SCHEMA["definitions"]))
    cases = Path(__file__).read_text().split("\ndef lint():")[1]
    for kind in kinds - {"history"}:  # of which only a booted host has one: tests/fleet
        check(f'"{kind}"' in cases, f"no case looks at {kind}")


def lint():
    """Findings with and without places, also of a tree that cannot be read."""
    fleet = Fleet()
    fleet.append("group_vars/all.yml", f"loki_password: {SECRET}\n")
    findings = json.loads(fleet.run("lint", "--format", "json")[0])
    check(len(findings) > 3 and SECRET not in json.dumps(findings), findings)
    holds("lint", findings)
    fleet.write("inventory/hosts.yml", "all: [\n")
    holds("lint", json.loads(fleet.run("lint", "--format", "json", status=1)[0]))


def deploys():
    """plan, deploy and what they tell on the way: of hosts that change, of one that goes back and one that nobody reaches."""
    fleet = Fleet()
    with FakeHosts(fleet.folder / "ssh", ("good", "bad")) as fakes:
        away = fakes.inventory(["third"]).replace(f"ansible_port={fakes.port}", "ansible_port=1")
        words = prepared(fleet, fakes, ["first"], more=fakes.inventory(["second"], "bad") + away)
        fleet.write("password", "one")
        text, _ = fleet.run("vault", "encrypt-string", "--vault-password-file", "password", "--stdin-name", "pin", given=SECRET)
        fleet.append("group_vars/all.yml", text)
        fleet.write("templates/config.alloy.j2", "// {{ pin }}\n")
        words += ("--vault-password-file", "password")
        fakes.open()
        (fakes.gate / "fail.bad").touch()
        env = {"HOME": str(fleet.folder)}
        plan = (*words[:-3], *words[-2:])  # without --yes
        shown = fleet.run("plan", *plan, "--diff", "--format", "json", status=4, env=env)[0]
        check(lines_hold(shown, "plan", ["summary"]) == ["plan"] * 3 + ["summary"], shown)
        check("(secret #" in shown, shown)
        check(lines_hold(fleet.run("plan", *plan, "--offline", "--format", "json", env=env)[0], "plan_offline") == ["plan_offline"] * 3, "offline")
        shown = fleet.run("deploy", *words, "--format", "jsonl", "--diff", status=6, env=env)[0]
        kinds = lines_hold(shown, "deploy", ["begin", "step", "end", "summary"])
        check(kinds[0] == "begin" and kinds[-1] == "summary" and kinds.count("end") == kinds.count("deploy") == 3 and "step" in kinds, kinds)
        ends = {line["host"]: line for line in map(json.loads, shown.splitlines()) if line["type"] == "end"}
        check({name: (end["status"], end["changed"]) for name, end in ends.items()} ==
              {"first": ("changed", True), "second": ("rolled back", True), "third": ("unreachable", False)}, ends)
        check(ends["first"]["error"] is None and ends["second"]["error"]["message"] == "not ready after 30s", ends)
        # The same for people: each step a line; and nothing but what matters.
        said = fleet.run("deploy", *words, "-v", status=6, env=env)[1]
        check("s first: wait\n" in said and "s second: connects\n" in said and SECRET not in said, said)
        said = fleet.run("deploy", *words, "--quiet", status=6, env=env)[1]
        check("connects" not in said, said)
        said = fleet.run("deploy", *words, "-vvv", "--limit", "first", env=env)[1]
        check("ssh_" in said and SECRET not in said, said[-2000:])
        shown = fleet.run("known-hosts", "scan", "-i", fleet.folder / "fakes", "--format", "json", status=4, env=env)[0]
        check(lines_hold(shown, "known_hosts") == ["known_hosts"] * 3, shown)
        junit = xml.etree.ElementTree.fromstring(fleet.run("deploy", *words, "--format", "junit", status=6, env=env)[0])
        cases = {case.get("classname"): case for case in junit.iter("testcase")}
        check({name: [part.tag for part in case if part.tag in ("failure", "error")] for name, case in cases.items()} ==
              {"first": [], "second": ["failure"], "third": ["error"]} and "not ready" in cases["second"][0].get("message"), cases)
        for wanted, more in ((2, ()), (4, ("--limit", "third"))):
            fleet.run("deploy", *words, *more, "--ansible-exit-codes", status=wanted, env=env)


def others():
    """The other commands, of a host that nobody reaches; doctor and unlock of this one, too."""
    fleet = Fleet()
    fleet.write("templates/config.alloy.j2", "// {{ inventory_hostname }}\n")
    asked = ("--format", "json", *NOWHERE)
    shown = fleet.run("rollback", *asked, status=4)[0]
    check(lines_hold(shown, "rollback", ["summary"]) == ["rollback", "summary"], shown)
    lines_hold(fleet.run("rollback", "--list", *asked, status=4)[0], "rollback_list")
    lines_hold(fleet.run("status", *asked, status=4)[0], "status")
    lines_hold(fleet.run("history", *asked, status=4)[0], "history_unknown")
    lines_hold(fleet.run("unlock", "--list", *asked, status=4)[0], "unlock")
    lines_hold(fleet.run("verify", *asked, "--loki", "http://127.0.0.1:1", status=3)[0], "verify")
    shown = fleet.run("uninstall", "--yes", *asked, status=4)[0]
    check(lines_hold(shown, "uninstall", ["summary"]) == ["uninstall", "summary"], shown)
    holds("facts", json.loads(fleet.run("facts", *NOWHERE, status=4)[0]))
    local = ("-i", "here,", "-e", '{"ansible_connection": "local", "services": ["alloy"]}')
    facts = json.loads(fleet.run("facts", *local)[0])
    check(facts["here"]["system"] == "Linux", facts)
    holds("facts", facts)
    fleet.write("alloy/deploy.yml", "- hosts: all\n  tasks:\n  - template: {src: config.alloy.j2, dest: /etc/alloy/config.alloy}\n"
                "  - name: else\n    command: 'true'\n  - include_tasks: '{{ x }}.yml'\n")
    imported = json.loads(fleet.run("import", "alloy/deploy.yml", "--report", "--format", "json")[0])
    check([task["verdict"] for task in imported["tasks"]] == ["done by deploy", "stays with Ansible"] and len(imported["unread"]) == 1, imported)
    holds("import", imported)
    check(lines_hold(fleet.run("doctor", *asked, *fleet.bundle(), status=4)[0], "doctor") == ["doctor"] * 2, "doctor")


if __name__ == "__main__":
    main(helps, schema, lint, deploys, others)
