#!/usr/bin/python3
"""relabel_recorder.py OUTPUT: what a real Prometheus makes of relabel rules, one case per line of JSON.

Each case is a scrape job with one target; /api/v1/targets tells what its labels became, or that it was dropped. Whether a
rule can be right at all is asked of promtool. Two differences of Debian 12's Prometheus 2.42 to 3.x, which Alloy links,
are made up for here: a dot matches a newline only since 3.0, so every expression is written as (?s:EXPRESSION); and a
target_label made of groups whose result is empty or not a name is left alone only since 2.5x, so no case depends on it.

Lines: {"rules": [...], "input": {...}, "output": {...} or null when dropped} and {"rule": {...}, "valid": bool}. The rules
also see what Prometheus adds to each target (ADDED, __metrics_path__, job); the output has no label that begins with __,
and instance is the address where no rule made one.
Needs the package prometheus; relabel_test.cc replays the file.
"""

import itertools
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

NAMES = ["a", "b", "c", "env", "service", "unit_name", "__meta_x", "__meta_docker_name", "__meta_y2", "_u"]
VALUES = ["", "x", "prod-eu-1", "/athena-app-1", "k=v", "1k=v", "a;b", "ssh.service", "Kottos", "GRÜSSE Ǆ", "ﬀ İ ŉ ς Σ", "1\n2",
          "line\nend\n", "$1", "aaa", "a|b", "42", "[x]", "\u00e9t\u00e9", "\U0001f600 ok", "  ", "\\d", "foo_bar", "FOO"]
EXPRESSIONS = ["(.*)", ".*", ".+", "(.+)", "", "x", "a|b|x", "(prod|dev)-(.+)", "prod-.*", "/(.*)", "(?P<key>[^=]+)=(?P<value>.*)",
               "ssh\\.service", "(?i)kottos", "[a-z]+", "([a-z])+", "(a)(b)?.*", "\\d+", "(\\w+)\\.(\\w+)", "^x$", "x|", "(?:k|1k)=(v)",
               ".*\\n.*", "a{2,3}", "(a*?)(a*)", "[^\\n]*", "\\p{L}+", "(\\S*)\\s(\\S*)", "(.*);(.*)", "(.*);(.*);(.*)", "[[:upper:]]+",
               "é.*", ".{3}", ".{4}", "\\Q[x]\\E", "foo_(.+)", "(?s).+", "(?U)(a+)(a*)", "\\pN+", "(.*)[^a](.*)"]
NAME_EXPRESSIONS = ["__meta_(.+)", "(a|b)", "__meta_docker_(.*)", "unit_(.*)", "(.*)", "[a-c]", "__.*", "(_*)(.+)", "job|env",
                    "(?P<all>[a-z]+)_name", "s.*e", "none", "(env|job)|__meta_(x)"]
REPLACEMENTS = ["$1", "${1}", "fixed", "", "$2-$1", "${1}x$1x", "$0", "$$1", "$$", "${key}/${value}", "$key", "pre-$1-post", "$9", "$",
                "${1", "${}", "$-", "a b", "$1é", "${1}é", "$é", "$01", "$1$2$3", "Ünï"]
TARGETS = ["a", "b", "c", "env", "out", "out2", "__tmp", "service"]
ADDED = {"__address__": "127.0.0.1:1", "__scheme__": "http", "__scrape_interval__": "1d", "__scrape_timeout__": "10s"}
JOB = "case {}"
# Prometheus accepts $1 in their target_label, and means a label of that very name, which no back end takes; here it is refused.
TAKEN_LITERALLY = ("lowercase", "uppercase", "keepequal", "dropequal")
SEPARATORS = [None, None, None, "@", "", "::", "é"]
ACTIONS = (["replace"] * 10 + ["keep", "drop"] * 2 + ["keepequal", "dropequal", "hashmod", "lowercase", "uppercase", "labelmap", "labelmap",
                                                       "labeldrop", "labelkeep"])


def rule_of(rng):
    action = rng.choice(ACTIONS)
    rule = {} if action == "replace" and rng.random() < 0.7 else {"action": action}
    if action in ("labelmap", "labeldrop", "labelkeep"):
        rule["regex"] = rng.choice(NAME_EXPRESSIONS)
        if action == "labelmap" and rng.random() < 0.6:
            rule["replacement"] = rng.choice(["m_$1", "${1}", "m_${1}_x", "fixed", "m_$2", "m_${all}"])
        return rule
    rule["source_labels"] = [rng.choice(NAMES + TARGETS) for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 2, 3]))]
    if action in ("keepequal", "dropequal"):
        return rule | {"target_label": rng.choice(NAMES)}
    if (separator := rng.choice(SEPARATORS)) is not None:
        rule["separator"] = separator
    if action in ("replace", "keep", "drop") and rng.random() < 0.85:
        rule["regex"] = rng.choice(EXPRESSIONS)
    if action == "hashmod":
        rule["modulus"] = rng.choice([1, 2, 7, 1000, 2**32, 2**62 + 1])
    if action in ("replace", "hashmod", "lowercase", "uppercase"):
        rule["target_label"] = rng.choice(TARGETS)
    if action == "replace":
        if rng.random() < 0.8:
            rule["replacement"] = rng.choice(REPLACEMENTS)
        if rng.random() < 0.15:  # the result is never empty: see the head of the file
            rule |= {"regex": "(?P<key>[a-z]+)(.*)", "target_label": rng.choice(["${1}_x", "g_$1", "${key}", "p_${key}_s"]),
                     "replacement": rng.choice(["=$2", "v$1", "fixed"])}
    return rule


def cases():
    rng = random.Random(20)
    fixed = [
        ([{"source_labels": ["unit_name"], "regex": "ssh\\.service", "target_label": "env", "replacement": "ssh"},
          {"source_labels": ["unit_name"], "regex": ".+", "target_label": "env", "replacement": "systemd"}], {"unit_name": "ssh.service"}),
        ([{"source_labels": ["__meta_docker_name"], "regex": "/(.*)", "target_label": "container"},
          {"source_labels": ["service", "container"], "separator": "@", "regex": "@(.+)", "target_label": "service"}],
         {"__meta_docker_name": "/athena-app-1"}),
        ([{"source_labels": ["missing"], "target_label": "a"}], {"a": "1", "b": "2"}),
        ([{"action": "labelkeep", "regex": "none"}], {"a": "1"}),
    ]
    for expression, value in itertools.product(EXPRESSIONS, VALUES[:14]):  # each expression on many values
        if rng.random() < 0.4:
            fixed.append(([{"source_labels": ["a"], "regex": expression, "target_label": "out", "replacement": "<$1|$2>"}], {"a": value}))
    for replacement in REPLACEMENTS:
        fixed.append(([{"source_labels": ["a"], "regex": "(?P<key>.*?)=?(.*)", "target_label": "out", "replacement": replacement}],
                      {"a": "k=v", "out": "old"}))
    for action, value in itertools.product(["lowercase", "uppercase"], VALUES):
        fixed.append(([{"action": action, "source_labels": ["a", "b"], "target_label": "out"}], {"a": value, "b": "Zz"}))
    for modulus, value in itertools.product([1, 10, 2**40], VALUES[:8]):
        fixed.append(([{"action": "hashmod", "source_labels": ["a"], "target_label": "out", "modulus": modulus}], {"a": value}))
    yield from fixed
    for _ in range(400):
        labels = {name: rng.choice(VALUES) for name in rng.sample(NAMES, rng.randint(0, 6))}
        yield [rule_of(rng) for _ in range(rng.randint(1, 5))], labels


def judged_rules():
    """Rules that may be wrong in themselves."""
    base = {"source_labels": ["a"], "target_label": "b", "regex": "x", "replacement": "$1", "separator": "@", "modulus": 3}
    for action in ["replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase",
                   "uppercase"]:
        for fields in [(), ("source_labels", "target_label"), ("target_label",), ("source_labels",), ("regex",), tuple(base),
                       ("source_labels", "target_label", "regex"), ("source_labels", "target_label", "replacement"),
                       ("source_labels", "target_label", "separator"), ("source_labels", "target_label", "modulus"),
                       ("regex", "replacement"), ("regex", "separator"), ("regex", "modulus"), ("regex", "target_label"),
                       ("regex", "source_labels")]:
            rule = {"action": action} | {field: base[field] for field in fields}
            if rule.get("replacement") == "$1":
                rule["replacement"] = "y"
            yield rule
        for target in ["a-b", "1a", "$1", "${1}", "a${1}b", "a$", "${1", "$", "a$1-", "a.b", "\u00e9", "_", "${1}2", "$1_${2}x", "${a-b}", "{1}"]:
            if action in TAKEN_LITERALLY and "$" in target:
                continue
            yield {"action": action, "source_labels": ["a"], "target_label": target, **({"modulus": 2} if action == "hashmod" else {})}
    for replacement in ["a", "$1", "${1}_x", "a-b", "1", "", "$", "m_$2", "a b"]:
        yield {"action": "labelmap", "regex": "(.+)", "replacement": replacement}
    for expression in ["(", "a**", "[z-a]", "\\", "(?P<n>x)", "(?!x)", "(a)\\1", "x{1001}", "(?P<n>x)(?P<n>y)", "\\p{Foo}", "a{2"]:
        yield {"source_labels": ["a"], "target_label": "b", "regex": expression}


def for_prometheus(rule):
    rule = dict(rule)
    if rule.get("action") not in ("keepequal", "dropequal"):
        rule["regex"] = f"(?s:{rule.get('regex', '(.*)')})"
    return rule


def judge(rules, folder):
    """-> for each rule whether promtool takes it."""
    files = []
    for number, rule in enumerate(rules):
        file = folder / f"{number}.yml"
        file.write_text(json.dumps({"scrape_configs": [{"job_name": "x", "relabel_configs": [rule]}]}, ensure_ascii=False))
        files.append(file)
    return [subprocess.run(["promtool", "check", "config", file], capture_output=True).returncode == 0 for file in files]


def relabelled(all_cases, folder):
    """-> (input, output) of each case."""
    # A target without an address would be refused.
    keep = [{"target_label": name, "replacement": value} for name, value in ADDED.items()]
    config = {"global": {"scrape_interval": "1d", "scrape_timeout": "10s"}, "scrape_configs": [
        {"job_name": JOB.format(number), "relabel_configs": [for_prometheus(rule) for rule in rules] + keep,
         "static_configs": [{"targets": ["127.0.0.1:1"], "labels": labels}]}
        for number, (rules, labels) in enumerate(all_cases)]}
    (folder / "prometheus.yml").write_text(json.dumps(config, ensure_ascii=False))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = open(folder / "log", "wb")
    process = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        before = -1
        while True:
            time.sleep(2)
            if process.poll() is not None:
                sys.exit((folder / "log").read_text()[-4000:])
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets?state=any", timeout=30) as answer:
                    data = json.load(answer)["data"]
            except OSError:
                continue
            active, dropped = data["activeTargets"], data["droppedTargets"]
            if len(active) + len(dropped) == before and before > 0:
                break
            before = len(active) + len(dropped)
    finally:
        process.terminate()
        process.wait()
    # What it says that a target was before relabelling is not to be trusted: 2.42 writes over it.
    if len(active) + len(dropped) != len(all_cases):
        sys.exit(f"{len(all_cases)} cases, but {len(active)} active and {len(dropped)} dropped targets")
    outputs = {target["scrapePool"]: target["labels"] for target in active}
    for number, (_, labels) in enumerate(all_cases):
        job = JOB.format(number)
        given = {name: value for name, value in labels.items() if value}
        yield given, outputs.get(job)


def main():
    output = Path(sys.argv[1])
    all_cases = list(cases())
    rules = list(judged_rules())
    with tempfile.TemporaryDirectory() as scratch:
        results = list(relabelled(all_cases, Path(scratch)))
        valid = judge(rules, Path(scratch))
    lines = [{"rules": case_rules, "input": given, "output": made} for (case_rules, _), (given, made) in zip(all_cases, results)]
    lines += [{"rule": rule, "valid": verdict} for rule, verdict in zip(rules, valid)]
    output.write_text("".join(json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n" for line in lines), encoding="utf-8")
    print(f"{len(all_cases)} cases, {sum(1 for _, made in results if made is None)} dropped; {len(rules)} rules, "
          f"{valid.count(False)} wrong")


if __name__ == "__main__":
    main()
