#!/usr/bin/python3
"""jinja2_suite_test.py RENDER_CASE FOLDER: what Jinja2's own test suite renders, rendered by ours: the same text or an error where it
has one. The suite comes from Debian's source package of the installed python3-jinja2, is kept in FOLDER, and nothing of it is ours.
Exit status 77: the source cannot be fetched, or pytest and Jinja2 are not installed."""

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

LEAST = 530  # cases that the suite has to yield
RECORDERS = Path(__file__).resolve().parents[2] / "support"

# test -> why ours differs, on purpose
ESCAPES = "{% autoescape %} is accepted and does nothing: no text that fleetctl writes is HTML"
CHANCE = "random picks by chance"
NUMBERS = "integers beyond 64 bits are kept and printed, not computed with"
LEFT_OUT = {
    "TestExtensions::test_extend_late": ESCAPES,
    "TestAutoEscape::test_scoped_setting": ESCAPES,
    "TestAutoEscape::test_scoping": ESCAPES,
    "TestAutoEscape::test_volatile_scoping": ESCAPES,
    "TestFilter::test_random": CHANCE,
    "TestTestsCase::test_types[(10 ** 100) is integer-True]": NUMBERS,
    "TestTestsCase::test_types[(10 ** 100) is float-False]": NUMBERS,
    "TestTestsCase::test_types[(10 ** 100) is number-True]": NUMBERS,
}


def skip(why):
    print(f"SKIPPED, nothing was compared: {why}")
    sys.exit(77)


def run(*words, **more):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def fetch(folder):
    """The source package of the very version that is installed, through a list of sources of our own."""
    apt = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text("".join(
        f"deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/{suite} main\n"
        for suite in ("debian bookworm", "debian-security bookworm-security")))
    options = ["-q", "-o", f"Dir::Etc::sourcelist={apt}/sources.list", "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={apt}/lists",
               "-o", f"Dir::Cache={apt}/cache", "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root"]
    installed = run("dpkg-query", "-W", "-f", "${source:Version}", "python3-jinja2").stdout
    for words in (("update",), ("source", "--download-only", f"jinja2={installed}")):
        done = run("apt-get", *options, *words, cwd=folder)
        if done.returncode != 0:
            skip(f"apt-get {' '.join(words)} failed:\n{done.stdout}")


def record(folder):
    """-> the file with the suite's cases"""
    made = folder / "cases.json"
    if not any(folder.glob("jinja2_*.orig.tar.gz")):
        fetch(folder)
    archive = next(folder.glob("jinja2_*.orig.tar.gz"), None)
    if archive is None:
        skip("apt-get source brought no archive")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "source")
    suite = next((folder / "source").glob("*/tests"))
    done = run(sys.executable, "-B", "-m", "pytest", "-p", "jinja2_recorder", "-p", "no:cacheprovider", "-q", suite, cwd=suite.parent,
               env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(RECORDERS), "JINJA2_CASES": str(made)})
    if not made.exists():
        sys.exit(f"the suite did not run:\n{done.stdout}")
    return made


def main():
    program, folder = sys.argv[1], Path(sys.argv[2]).resolve().resolve()
    for module in ("jinja2", "pytest"):
        if importlib.util.find_spec(module) is None:
            skip(f"the module {module} is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    recorded = json.loads(record(folder).read_text())
    cases = recorded["cases"]
    answers = json.loads(subprocess.run([program], input=json.dumps(cases), stdout=subprocess.PIPE, text=True, check=True).stdout)
    wrong, left_out, agree = [], set(), 0
    for case, ours in zip(cases, answers, strict=True):
        test = case["test"].split("::", 1)[1]
        good = ("error" in ours and not ours.get("unreadable")) if "error" in case else ours.get("out") == case["out"]
        if test in LEFT_OUT and (not good or LEFT_OUT[test] is CHANCE):
            left_out.add(test)
        elif good:
            agree += 1
        else:
            wrong.append((test, case, ours))
    for test, case, ours in wrong[:int(os.environ.get("ORACLE_SHOW", "40"))]:
        print("---", test, {key: value for key, value in case["settings"].items() if key not in ("ansible",)})
        print("  source ", json.dumps(case["source"]), case["literal"], json.dumps(case["templates"]) if case["templates"] else "")
        print("  Jinja2 ", json.dumps(case.get("out", case.get("error"))))
        print("  ours   ", json.dumps(ours))
    print(f"Jinja2's own suite: {agree} of {len(cases)} cases agree, {len(wrong)} differ, {len(cases) - agree - len(wrong)} left out on purpose; "
          f"not recorded: {recorded['left_out']}")
    unused = set(LEFT_OUT) - left_out
    if unused:
        print("no longer different, take them off the list:", sorted(unused))
    if len(cases) < LEAST:
        print(f"the suite yields {len(cases)} cases, fewer than {LEAST}")
    sys.exit(1 if wrong or unused or len(cases) < LEAST else 0)


if __name__ == "__main__":
    main()
