#!/usr/bin/python3
"""What the pages show is what the programs take and print. Every fence in README.md and docs is one of these:

- a file: the paragraph before it ends with its name and a colon, `web.alloy`:
- the output of a command: right before it stands, indented, "$ COMMAND". The command is run, fleetctl's in the example
  tree, others beside the files of the page. A line "..." stands for any lines, none as well.
- a picture, without a language; or what ELSEWHERE tells of;
- anything else is read by what reads its language.

usage: outputs_test.py ROOT FOLDER-OF-THE-PROGRAMS"""
import configparser
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

ROOT, BIN = (Path(argument).resolve() for argument in sys.argv[1:3])

# Texts that no single command prints here, and what holds them to the truth.
ELSEWHERE = {
    "docs/operations.md": "hosts are deployed to by tests/fleet",
    "docs/reference/language.md": "tests/agent/lang evaluates each line",
    "docs/tour.md": "make demo prints it",
    "docs/verify.md": "hosts are asked by tests/fleet",
}


def fences(page):
    """(number of the line, language, text, the line before it that says something) of each."""
    before, inside = "", None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = re.match(r"( *)```(\S*)$", line)
        if inside is None and fence:
            inside = (number, fence[2], [], len(fence[1]))
        elif inside is not None and fence:
            yield inside[0], inside[1], "".join(part + "\n" for part in inside[2]), before
            before, inside = "", None
        elif inside is not None:
            inside[2].append(line[inside[3]:])
        elif line.strip():
            before = line
    assert inside is None, f"{page}: a fence has no end"


def read_sh(text):
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def read_ini(text):
    units = configparser.ConfigParser(strict=False, interpolation=None)
    units.optionxform = str
    units.read_string(text)
    assert units.sections(), "no section"


def read_watched(text):
    for line in text.splitlines():
        json.loads(line)


READERS = {"sh": read_sh, "ini": read_ini, "json": json.loads, "yaml": yaml.safe_load, "toml": tomllib.loads,
           "jsonl": read_watched, "alloy": lambda text: None}  # alloy: the test docs/examples


def fits(shown, printed):
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", shown, flags=re.M)]
    return re.fullmatch(r"(?:.*\n)*?".join(parts), printed) is not None


def run(command, folder):
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
    where = ROOT if command.startswith("fleetctl") else folder
    done = subprocess.run(["bash", "-c", command], cwd=where, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    return done.stdout


def wrong(page):
    """What is wrong with the page, and how many commands it shows."""
    name = str(page.relative_to(ROOT))
    complaints, commands = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for line, language, text, before in fences(page):
            file = re.search(r"`([\w-]+\.\w+)`:$", before)
            command = re.match(r" {4}\$ (.+)$", before)
            if command:
                commands += 1
                printed = run(command[1], folder)
                if not fits(text, printed):
                    complaints.append(f"{name}:{line}: {command[1]} prints\n{printed}")
            elif file:
                Path(folder, file[1]).write_text(text)
            elif language in READERS:
                try:
                    READERS[language](text)
                except Exception as error:
                    complaints.append(f"{name}:{line}: {error}")
            elif language != "" and name not in ELSEWHERE:
                complaints.append(f"{name}:{line}: no command prints this, and it is no file")
    return complaints, commands


def main():
    complaints, commands = [], 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        of_page, run_here = wrong(page)
        complaints += of_page
        commands += run_here
    print("\n".join(complaints) or f"{commands} commands print what the pages show")
    return 1 if complaints or commands == 0 else 0


sys.exit(main())
