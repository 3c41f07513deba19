#!/usr/bin/python3
"""catalogue_test.py ROOT: every argument and block that Grafana Alloy documents for a component that this agent has stands in the
component's reference page, whose tables come from its schema, or below with the reason why not.

The list is tests/fixtures/alloy/arguments.txt: a component, a block ("-": none), an argument.
"""

import re
import sys
from pathlib import Path

# A component, a block (or the start of one), an argument; "": all. Each is refused with a message of its own, or means nothing here.
WINDOWS = "of Windows' event log, which no host of Linux has"
EXCEPTIONS = {
    ("loki.process", "stage.eventlogmessage", ""): WINDOWS,
    ("loki.process", "stage.windowsevent", ""): WINDOWS,
}


def known(page):
    """{block: its arguments} of a page's generated part; "-": those outside of blocks. None: any, the block being without effect."""
    out, block = {"-": set()}, "-"
    for line in page.split("<!-- generated")[1].split("<!-- end of")[0].splitlines():
        if line.startswith("## "):
            block = "-"
        heading = re.match(r"###+ ([a-z0-9_. >]+)", line)
        if heading:
            block = heading.group(1).strip().replace(" > ", ".")
            out.setdefault(block, set())
        row = re.match(r"\| `([a-z0-9_]+)` \|", line)
        if line.startswith("Accepted; "):
            out[block] = None
        if row:
            out[block].add(row.group(1))
    return out


def main():
    root = Path(sys.argv[1])
    pages, used, missing = {}, set(), []
    for row in (root / "tests/fixtures/alloy/arguments.txt").read_text().splitlines():
        component, block, *argument = row.split()
        if component not in pages:
            pages[component] = known((root / f"docs/reference/{component}.md").read_text())
        blocks = pages[component]
        free = any(arguments is None and (block + ".").startswith(name + ".") for name, arguments in blocks.items())
        if free or (block in blocks and (not argument or argument[0] in blocks[block])):
            continue
        reasons = [key for key in EXCEPTIONS if key[0] == component and (block == key[1] or block.startswith(key[1] + "."))
                   and key[2] in ("", *argument)]
        used.update(reasons)
        if not reasons:
            missing.append(row)
    for row in missing:
        print(f"not in docs/reference, and no reason why: {row}")
    for key in set(EXCEPTIONS) - used:
        print(f"an exception that nothing needs: {key}")
    return 1 if missing or set(EXCEPTIONS) - used else 0


sys.exit(main())
