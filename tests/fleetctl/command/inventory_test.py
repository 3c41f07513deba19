#!/usr/bin/python3
"""inventory_test.py CASE | --list: `fleetctl inventory`, the real program, against ansible-inventory. Each case is a function below."""

import json
import os
import subprocess

from example_fleet import ROOT, SYSTEM, Fleet, ansible_is_there, check, fleetctl, main

TREES = ROOT / "tests/fixtures/inventories"
ORACLE = ROOT / "tests/fleetctl/inventory/ansible_oracle.py"


def sources_of(tree):
    listed = tree / "sources.txt"
    if listed.exists():
        return listed.read_text().split()
    return [name for name in ("hosts", "hosts.yml", "hosts.json") if (tree / name).exists()][:1]


class AnsibleInventory:
    """ansible-inventory's own program, called in this process many times: starting it costs half a second."""

    def __init__(self):
        os.environ.update({"HOME": "/nonexistent", "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_LOCAL_TEMP": "/tmp/ansible-inventory-test"})
        from ansible import context
        from ansible.cli.inventory import InventoryCLI
        from ansible.utils.context_objects import CLIArgs
        from ansible.utils.display import Display
        # The program keeps its first command line for as long as it lives.
        context._init_global_context = lambda options: setattr(context, "CLIARGS", CLIArgs.from_options(options))
        self.shown = []
        Display.warning = lambda *words, **more: None
        Display.display = lambda display, text, *words, **more: self.shown.append(text)
        self.program = InventoryCLI

    def __call__(self, tree, *words):
        os.chdir(tree)
        self.shown.clear()
        try:
            self.program(["ansible-inventory", *words]).run()
        except SystemExit as end:
            check(end.code in (0, None), f"ansible-inventory {words} in {tree}: status {end.code}")
        return "".join(text + "\n" for text in self.shown)


def compare(trees):
    theirs = AnsibleInventory()
    compared = 0
    for tree in trees:
        common = [word for source in sources_of(tree) for word in ("-i", source)] + ["--playbook-dir", "."]
        everything = json.loads(theirs(tree, *common, "--list"))
        hosts = sorted(everything["_meta"]["hostvars"])
        for words in (["--list"], ["--list", "--export"], ["--graph"], ["--graph", "--vars"], *(["--host", host] for host in hosts[:2])):
            if "vaulted" in tree.name and "--vars" in words:
                continue  # Ansible cannot draw what it cannot decrypt
            expected = theirs(tree, *common, *words)
            ours, _ = fleetctl("inventory", *common, *words, cwd=tree)
            check(ours == expected, f"{tree} {words}: ours\n{ours}\nAnsible's\n{expected}")
            compared += 1
        import yaml
        yaml.SafeLoader.add_constructor("!vault", lambda loader, node: loader.construct_scalar(node))
        for words in (["--list", "--yaml"], ["--list", "--yaml", "--export"]):
            expected = theirs(tree, *common, *words)
            ours, _ = fleetctl("inventory", *common, *words, cwd=tree)
            plain = [json.dumps(yaml.safe_load(text), default=str) for text in (ours, expected)]  # dates are texts in fleetctl
            check(plain[0] == plain[1], f"{tree} {words}: ours\n{ours}\nAnsible's\n{expected}")
            compared += 1
    print(f"{compared} answers agree")


def fixtures():
    """The trees of tests/fixtures/inventories: the same bytes."""
    if ansible_is_there():
        compare(sorted(path for path in TREES.iterdir() if path.is_dir()))


def random_trees():
    """Random trees: the same bytes."""
    if not ansible_is_there():
        return
    fleet = Fleet()
    subprocess.run(["/usr/bin/python3", ORACLE, "--generate", fleet.folder / "trees", "40", os.environ.get("TREES_SEED", "5")], check=True, env=SYSTEM)
    compare(sorted((fleet.folder / "trees").iterdir()))


def mixed_keys():
    """Maps whose keys are of several types cannot be sorted: then nothing is, as with Ansible."""
    if not ansible_is_there():
        return
    fleet = Fleet()
    for path, text in (("hosts", "[web]\nh1 z=1 a=2\nh2\n[parent:children]\nweb\n[parent:vars]\npv=1\n"),
                       ("group_vars/all.yml", "ports:\n  80: http\n  default: x\nnothing: {~: 1, x: 2}\nm: 1\n"),
                       ("host_vars/h2.yml", "a: 1\nc: {true: 1, y: 2}\n")):
        fleet.write(fleet.folder / "mixed" / path, text)
    compare([fleet.folder / "mixed"])


def example_fleet():
    """The example fleet through the program as it is installed."""
    if not ansible_is_there():
        return
    fleet = Fleet()
    for words in (["--list"], ["--graph"], ["--host", "puck.incus", "-e", "x=1", "-e", "{y: [1]}"]):
        expected = subprocess.run(["/usr/bin/ansible-inventory", "-i", "inventory", "--playbook-dir", ".", *words], cwd=fleet.tree, text=True, check=True,
                                  env={**SYSTEM, "HOME": str(fleet.folder)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        ours, _ = fleet.run("inventory", *words)
        check(ours == expected, f"{words}: ours\n{ours}\nAnsible's\n{expected}")


PROGRAM = '''#!/bin/sh
case "$1" in
--list) cat <<'JSON'
{"web": {"hosts": ["w1", "w2"], "vars": {"v": [1, "{{ x }}"]}, "children": ["inner"]}, "inner": ["w3"], "alone": {"a": 1}%s}
JSON
;;
--host) echo '{"asked": "'$2'", "n": 2}' ;;
esac
'''
META = ', "_meta": {"hostvars": {"w1": {"own": true}, "w3": {"n": 1.5}}}'


def programs():
    """Inventories that are programs, where they are allowed: with and without _meta, also in a folder of inventories."""
    fleet = Fleet()
    for meta in (META, ""):
        fleet.write("folder/dynamic", PROGRAM % meta)
        (fleet.tree / "folder/dynamic").chmod(0o755)
        fleet.write("folder/static", "[more]\nw1 c=d\n")
        _, said = fleet.run("inventory", "-i", "folder", "--list", status=1)
        check("folder/dynamic is a program; --allow-inventory-script runs it" in said, said)
        ours, _ = fleet.run("inventory", "-i", "folder", "--allow-inventory-script", "--list")
        if ansible_is_there():
            expected = subprocess.run(["/usr/bin/ansible-inventory", "-i", "folder", "--playbook-dir", ".", "--list"], cwd=fleet.tree, text=True, check=True,
                                      env={**SYSTEM, "HOME": str(fleet.folder)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            check(ours == expected, f"ours\n{ours}\nAnsible's\n{expected}")
    for text, message in (("echo no", "folder/dynamic prints: "), ("echo '[]'", "it prints no map of groups"), ("exit 3", "failed"),
                          ("""echo '{"g": {"hosts": 1}}'""", "the hosts of group 'g' are no list")):
        fleet.write("folder/dynamic", f"#!/bin/sh\n{text}\n")
        _, said = fleet.run("inventory", "-i", "folder", "--allow-inventory-script", "--list", status=1)
        check(message in said, said)


def limits():
    """--limit leaves hosts out of lists and graphs; --graph takes a group; no templates are needed."""
    fleet = Fleet()
    for path in sorted((fleet.tree / "templates").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (fleet.tree / "templates").rmdir()
    shown, _ = fleet.run("inventory", "--list", "-l", "puck,caliban.incus")
    check(set(json.loads(shown)["_meta"]["hostvars"]) == {"puck.incus", "caliban.incus"}, shown)
    shown, _ = fleet.run("inventory", "--graph", "graph", "-l", "ariel")
    check(shown == "@graph:\n  |--ariel.incus\n", shown)
    _, said = fleet.run("inventory", "--graph", "nothing", status=1)
    check(said == "fleetctl: there is no group 'nothing'\n", said)
    _, said = fleet.run("inventory", "--host", "graph,puck.incus", status=1)
    check("selects 3 hosts, not one" in said, said)
    _, said = fleet.run("inventory", status=64)
    check("one of --list, --host and --graph" in said, said)
    _, said = fleet.run("inventory", "--list", "--origin", status=64)
    check("--origin goes with --host" in said, said)


def origins():
    """Every value with its place, and what it overrides; secrets are not shown."""
    fleet = Fleet()
    fleet.write("group_vars/graph.yml", "level: group\nmap:\n  a: [1, '{{ level }}']\nsecret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\n")
    fleet.write("host_vars/ariel.incus.yml", "services: [alloy]\nlevel: host\n")
    shown, _ = fleet.run("inventory", "--host", "ariel", "--origin", "-e", "level=extra")
    check('level: "extra"\n  --extra-vars\n  overrides "host" of host_vars/ariel.incus.yml:2:8\n'
          '  overrides "group" of group_vars/graph.yml:1:8\n' in shown, shown)
    check('map: {"a": [1, "{{ level }}"]}\n  group_vars/graph.yml:3:3\n' in shown, shown)
    check("secret: (vaulted)\n  group_vars/graph.yml:4:9\n" in shown and "AES256" not in shown, shown)
    shown, _ = fleet.run("inventory", "--host", "ariel", "--origin", "--format", "json")
    level = json.loads(shown)["level"]
    check(level == {"value": "host", "source": "file", "file": "host_vars/ariel.incus.yml", "line": 2, "column": 8,
                    "overrides": [{"value": "group", "source": "file", "file": "group_vars/graph.yml", "line": 1, "column": 8}]}, level)


if __name__ == "__main__":
    main(fixtures, random_trees, mixed_keys, example_fleet, programs, limits, origins)
