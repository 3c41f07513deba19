"""Answers for ansible_test.cc what Ansible itself makes of inventory trees.

stdin: a JSON list of {"sources": [...], "basedir": folder, "extra_vars": [...], "limits": [...]}.
stdout: for each {"groups": {name: [host, ...]}, "hostvars": {host: {...}}, "limits": {pattern: [host, ...] or null}}.
`--scalars` and `--key-values` take a list of texts instead and answer with the repr of what PyYAML makes of each as an
unquoted scalar, and of what -e makes of it; null where that is an error.
`--documents COUNT SEED` answers with a list of {"text": a YAML document, "value": what PyYAML makes of it}.
`--generate FOLDER COUNT SEED` writes random trees of the same layout as tests/fixtures/inventories instead.
"""
import json
import os
import random
import sys


def answer(cases):
    from ansible import context
    from ansible.errors import AnsibleError
    from ansible.inventory.manager import InventoryManager
    from ansible.module_utils.common.collections import ImmutableDict
    from ansible.parsing.ajson import AnsibleJSONEncoder
    from ansible.parsing.dataloader import DataLoader
    from ansible.utils.display import Display
    from ansible.vars.manager import VariableManager

    Display.warning = lambda *a, **k: None
    results = []
    for case in cases:
        context.CLIARGS = ImmutableDict(extra_vars=tuple(case.get("extra_vars", [])))
        loader = DataLoader()
        loader.set_basedir(case["basedir"])
        inventory = InventoryManager(loader, sources=case["sources"])
        variables = VariableManager(loader, inventory, version_info={"string": "x", "full": "x"})
        hostvars = {}
        for host in inventory.get_hosts():
            values = variables.get_vars(host=host, include_hostvars=False, stage="all")
            for internal in ("groups", "omit", "playbook_dir", "ansible_playbook_python", "ansible_config_file",
                             "ansible_version", "ansible_facts"):
                values.pop(internal, None)
            hostvars[host.name] = values
        limits = {}
        for pattern in case.get("limits", []):
            try:
                inventory.subset(pattern)
                limits[pattern] = [h.name for h in inventory.get_hosts("all")]
            except AnsibleError:
                limits[pattern] = None
            inventory.subset(None)
        results.append({"groups": {n: [h.name for h in g.get_hosts()] for n, g in inventory.groups.items()},
                        "hostvars": hostvars, "limits": limits})
    json.dump(results, sys.stdout, cls=AnsibleJSONEncoder, preprocess_unsafe=True)


SCALARS = ["1", "yes", "0644", "1.10", "text", "'quoted'", "\"{{ x }}\"", "~", "[a, 1]", "{k: v}", "1e3", "2024-01-02",
           "12:30", "a b", "'it''s'", "!!str 7", "off", "-3", "0x1f", ".5"]
LITERALS = ["1", "True", "text", "'[1, \"a\"]'", "\"'03'\"", "0644", "1.5", "None", "'{\"a\": 1}'", "a,b", "yes"]


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def generate(folder, count, seed):
    for number in range(count):
        rng = random.Random(seed * 1000 + number)
        tree = os.path.join(folder, "tree%03d" % number)
        hosts = ["h%d%s" % (i, rng.choice(["", ".lab", ".example.com"])) for i in range(rng.randint(1, 9))]
        groups = ["g%d" % i for i in range(rng.randint(1, 6))]
        names = ["v%d" % i for i in range(4)]
        children = {g: [c for c in groups[i + 1:] if rng.random() < 0.3] for i, g in enumerate(groups)}
        members = {g: [h for h in hosts if rng.random() < 0.35] for g in groups}
        if len(groups) > 1 and not set(hosts) <= set(sum(members.values(), [])):
            members[groups[0]] += [h for h in hosts if h not in sum(members.values(), [])][:rng.randint(0, 9)]
        lonely = [h for h in hosts if h not in sum(members.values(), [])]
        rng.shuffle(groups)
        some = lambda values: {n: rng.choice(values) for n in names if rng.random() < 0.4}
        if rng.random() < 0.5:
            lines = [h + "".join(" %s=%s" % kv for kv in some(LITERALS).items())
                     for h in hosts if h in lonely or rng.random() < 0.3]
            for g in groups:
                lines += ["[%s]" % g] + members[g]
                if children[g]:
                    lines += ["[%s:children]" % g] + children[g]
                if rng.random() < 0.5:
                    lines += ["[%s:vars]" % g] + ["%s = %s" % kv for kv in some(LITERALS).items()]
                    if rng.random() < 0.3:
                        lines.append("ansible_group_priority=%d" % rng.randint(1, 20))
            write(os.path.join(tree, "hosts"), "\n".join(lines) + "\n")
        else:
            lines = ["ungrouped:", "  hosts:"] + ["    %s:" % h for h in lonely] if lonely else []
            for g in groups:
                lines.append("%s:" % g)
                if members[g]:
                    lines.append("  hosts:")
                    for h in members[g]:
                        lines.append("    %s:" % h)
                        lines += ["      %s: %s" % kv for kv in some(SCALARS).items()]
                if children[g]:
                    lines.append("  children:")
                    lines += ["    %s:" % c for c in children[g]]
                values = some(SCALARS)
                if values:
                    lines.append("  vars:")
                    lines += ["    %s: %s" % kv for kv in values.items()]
            write(os.path.join(tree, "hosts.yml"), "\n".join(lines) + "\n")
        for g in groups + ["all"]:
            if rng.random() < 0.4:
                place = rng.choice(["%s.yml", "%s", "%s/x.yml", "%s.json.yml", "%s.yaml"]) % g
                write(os.path.join(tree, "group_vars", place),
                      "".join("%s: %s\n" % kv for kv in some(SCALARS).items()))
        for h in hosts:
            if rng.random() < 0.3:
                write(os.path.join(tree, "host_vars", h + rng.choice([".yml", ""])),
                      "".join("%s: %s\n" % kv for kv in some(SCALARS).items()))
        patterns = ["all", "*", "h*", "~h[0-4]", "*.lab", "!g0", "g*", "all[0]", "all[1:2]", "g0,g%d,!h1*" % (len(groups) - 1), "ungrouped",
                    "g0:&g%d" % (len(groups) - 1), "&g0", "h?", "~.*com", "g0[0]", "g?[0:1]", hosts[0], hosts[-1] + ",g0"]
        write(os.path.join(tree, "limits.txt"), "\n".join(p for p in patterns if rng.random() < 0.6) + "\n")


def scalars(texts):
    import yaml
    loader = yaml.SafeLoader("")
    results = []
    for text in texts:
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))
        if tag.rsplit(":", 1)[1] in ("merge", "value"):
            results.append(repr(text))
            continue
        try:
            value = loader.construct_object(yaml.ScalarNode(tag, text))
        except (ValueError, OverflowError):
            results.append(None)
            continue
        plain = value is None or isinstance(value, (bool, int, float, str))
        results.append(repr(value) if plain else repr(str(value)))
    json.dump(results, sys.stdout)


def key_values(texts):
    from ansible.errors import AnsibleError
    from ansible.parsing.splitter import parse_kv
    results = []
    for text in texts:
        try:
            values = parse_kv(text)
        except (AnsibleError, IndexError):
            values = {"_raw_params": ""}
        results.append(None if "_raw_params" in values else repr(values))
    json.dump(results, sys.stdout)


PIECES = ["a", "word", "two words", ": ", " #", "# ", "- ", "\n", "\n\n", " ", "  ", "'", '"', "\\", "{{ x }}", "{", "}",
          "[", "]", ",", "&a", "*a", "!t", "|", ">", "%", "@", "`", "\u00e9", "\u2603", "\U0001f600", "\t", "0644", "yes", "~",
          "1.5", "=", "<<", "long enough to be folded somewhere in the middle", "\u00a0", "?", "-", "...", "---", ":"]


def documents(count, seed):
    import yaml
    rng = random.Random(seed)

    # Left out because yaml-cpp 0.7 is wrong there and nobody writes it: keys of several lines, line breaks before
    # a closing quote, and several line breaks at the end of >+ blocks.
    def text(breaks=False):
        made = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 5)))
        return made if breaks else made.rstrip("\n")

    def value(depth):
        kind = rng.random()
        if depth == 4 or depth > 0 and kind < 0.3:
            return {text().replace("\n", "") or "k": value(depth - 1) for _ in range(rng.randint(0, 4))}
        if depth > 0 and kind < 0.5:
            return [value(depth - 1) for _ in range(rng.randint(0, 4))]
        return rng.choice([None, True, False, rng.randint(-9999, 9999), rng.randint(-999, 999) / 8, text(breaks), text(breaks), text(breaks)])

    results = []
    breaks = False
    while len(results) < count:
        style = {"default_flow_style": rng.choice([None, True, False]), "default_style": rng.choice([None, None, "'", '"', "|", ">"]),
                 "width": rng.choice([20, 80, 1000]), "indent": rng.choice([2, 4]), "allow_unicode": rng.random() < 0.5,
                 "explicit_start": rng.random() < 0.3}
        breaks = style["default_style"] in ('"', "|")
        document = yaml.safe_dump(value(4), **style)
        if rng.random() < 0.2:
            document = document.replace("\n", "\r\n")
        try:
            results.append({"text": document, "value": yaml.safe_load(document)})
        except yaml.YAMLError:
            pass
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--generate"]:
        generate(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["--documents"]:
        documents(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:] == ["--scalars"]:
        scalars(json.load(sys.stdin))
    elif sys.argv[1:] == ["--key-values"]:
        key_values(json.load(sys.stdin))
    else:
        answer(json.load(sys.stdin))
