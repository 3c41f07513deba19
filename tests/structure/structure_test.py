#!/usr/bin/python3
"""structure_test.py CHECK [ROOT]: holds the tree to the picture of docs/architecture.md. CHECK is a function below."""

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

# Who may include whom. A folder may always include itself and what lies inside it; `main.cc` may include everything of
# its program. Siblings on one line of the picture are missing from each other's set on purpose.
BELOW_COMPONENT = {"agent/model", "agent/lang", "agent/wire", "agent/io", "agent/base"}
BELOW_RUNTIME = BELOW_COMPONENT | {"agent/component"}
LAYERS = {
    "agent/base": set(),
    "agent/model": {"agent/base"},
    "agent/lang": {"agent/base"},
    "agent/io": {"agent/base"},
    "agent/wire": {"agent/model", "agent/base"},
    "agent/component": BELOW_COMPONENT,
    **{f"agent/{name}": BELOW_RUNTIME
       for name in ("discovery", "source", "exporter", "scrape", "relabel", "process", "write", "runtime")},
    "agent/install": BELOW_RUNTIME | {"agent/runtime"},
    "agent/ui": BELOW_RUNTIME | {"agent/runtime"},
    "agent/lint": BELOW_RUNTIME | {"agent/runtime"},
    "agent/trial": BELOW_RUNTIME | {"agent/runtime"},
    "agent/convert": BELOW_RUNTIME | {"agent/runtime"},
    "agent/cli": {"agent/base"},
    # fleetctl checks what it renders with the agent's own parser and schemas; the agent never knows fleetctl.
    "fleetctl/value": {"agent/base"},
    **{f"fleetctl/{name}": {"fleetctl/value", "agent/base", "agent/lang", "agent/component"}
       for name in ("inventory", "vault", "template", "plan", "remote")},
    "fleetctl/command": {f"fleetctl/{name}" for name in ("value", "inventory", "vault", "template", "plan", "remote")}
                        | {"agent/base", "agent/lang", "agent/component"},
    "fleetctl/cli": {"agent/base", "fleetctl/command", "fleetctl/plan", "agent/component", "agent/cli"},
}
# Single headers that cross the picture, each a plain type, one class or function, and who may include them.
DOORS = {
    "agent/io/http_client.h": {"fleetctl/command"},
    "agent/io/http_fetch.h": {"fleetctl/command"},
    "agent/lint/lint.h": {"fleetctl/cli"},
    "agent/model/jmespath.h": {"fleetctl/template"},
    "agent/registration.h": {"fleetctl/cli"},
    "agent/runtime/check.h": {"fleetctl/cli", "fleetctl/command", "fleetctl/plan"},
    "fleetctl/inventory/connection.h": {"fleetctl/remote", "fleetctl/plan"},
}
# Headers that cost seconds of compile time, or that bring another library's names: in .cc files only.
HEAVY = re.compile(r"(nlohmann/|CLI/|curl/|yaml-cpp/|libssh/|catch2/|benchmark/|simdjson|google/protobuf/|microhttpd|re2/|pcre2)")
# What the house does without (design: threads, time, errors), with the files that are the exception.
FORBIDDEN = {
    r"\bstd::async\b": (), r"\bthread_local\b": ("agent/base/pulse.cc",), r"\.detach\(\)": ("agent/exporter/unix/filesystem.cc", "agent/io/socket.cc"), r"\bstd::regex\b": (),
    r"\bstd::(views|ranges)::": (), r"\bstd::move_only_function\b": (),
    r"\b(std::this_thread::sleep_\w+|usleep|nanosleep)\b": (),
    r"\b(system|steady|high_resolution)_clock::now\b": ("agent/base/clock.cc",),
    r"\bthrow\b": (),
}
GENERATED = {"build", ".git", "__pycache__"}


def tracked(root, *suffixes):
    """Paths relative to root of all files with one of the suffixes (all files without one), build trees left out."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in GENERATED and not n.startswith(".cache"))
        for name in sorted(files):
            if not suffixes or name.endswith(suffixes):
                yield (Path(folder) / name).relative_to(root)


def layer_of(path):
    return "/".join(path.parts[:2])


def code_only(text):
    """The text without comments and string contents, lines kept."""
    def blank(match):
        token = match.group(0)
        return re.sub(r"[^\n]", " ", token) if token[0] == "/" else '""' + "\n" * token.count("\n")
    return re.sub(r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:[^"\\\n]|\\.)*"', blank, text, flags=re.S)


def layers(root):
    """Every include follows the picture."""
    for path in tracked(root, ".h", ".cc"):
        if path.parts[0] not in ("agent", "fleetctl"):
            continue
        layer = layer_of(path)
        if len(path.parts) == 2:  # main.cc
            allowed = None
        elif layer in LAYERS:
            allowed = LAYERS[layer]
        else:
            yield f"{path}: the folder {layer} is not in the picture (tests/structure, docs/architecture.md)"
            continue
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            target = Path(match[1])
            if target.parts[0] not in ("agent", "fleetctl"):
                if target.parts[0] == "tests":
                    yield f"{path}:{number}: includes {target}, which is for tests"
                elif not target.name.endswith(".pb.h") and len(target.parts) == 1:
                    yield f"{path}:{number}: includes {target}; write the path from the top of the tree"
                continue
            if allowed is None:
                if path.parts[0] == "agent" and target.parts[0] == "fleetctl":
                    yield f"{path}:{number}: includes {target}; the agent never knows fleetctl"
                continue
            if layer_of(target) == layer or layer_of(target) in allowed or layer in DOORS.get(str(target), ()):
                continue
            yield f"{path}:{number}: {layer} may not include {target}"


def headers(root):
    """Headers are short contracts, without the libraries that are slow to compile."""
    sizes = []
    for path in tracked(root, ".h"):
        if path.parts[0] not in ("agent", "fleetctl"):
            continue
        lines = (root / path).read_text().splitlines()
        sizes.append(len(lines))
        if not any(line.startswith("//") for line in lines[:3]) or "#pragma once" not in lines[:60]:
            yield f"{path}: opens with a comment that says what it is, then #pragma once"
        for number, line in enumerate(lines, 1):
            if re.match(r'\s*#\s*include\s+[<"]', line) and HEAVY.search(line):
                yield f"{path}:{number}: {line.strip()} belongs into a .cc file"
    if sizes and statistics.median(sizes) >= 100:
        yield f"the median header has {statistics.median(sizes)} lines; aim: well under 100"


def words(root):
    """No construct that the house does without, no unfinished marks, no path of somebody's machine."""
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    home = re.compile(r"(?<![\w.$}/-])/(wor" r"k|home/\w+)/")
    for path in tracked(root, ".h", ".cc", ".py", ".sh", ".cmake", ".txt", ".md", ".alloy", ".j2", ".yml", ".proto"):
        if "corpus" in path.parts or path.parts[:2] == ("tests", "golden"):
            continue
        text = (root / path).read_text(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if marks.search(line):
                yield f"{path}:{number}: unfinished mark: {line.strip()[:80]}"
            if home.search(line):
                yield f"{path}:{number}: path of a machine: {line.strip()[:80]}"
        if path.parts[0] in ("agent", "fleetctl") and path.suffix in (".h", ".cc"):
            code = code_only(text)
            for pattern, exceptions in FORBIDDEN.items():
                if str(path) in exceptions:
                    continue
                for match in re.finditer(pattern, code):
                    yield f"{path}:{code.count(chr(10), 0, match.start()) + 1}: {match[0]} is not used in this house"


def readmes(root):
    """Every folder says in at most 15 lines what belongs there and what does not."""
    folders = {path.parent for path in tracked(root, ".h", ".cc") if path.parts[0] in ("agent", "fleetctl")}
    folders |= {Path("tests") / name for name in os.listdir(root / "tests")
                if (root / "tests" / name).is_dir() and name not in ("agent", "fleetctl", *GENERATED)}
    folders |= {Path(name) for name in ("agent", "fleetctl", "tests", "packaging", "templates", "inventory", "docs")}
    for folder in sorted(folders):
        readme = root / folder / "README.md"
        if not readme.exists():
            yield f"{folder}: has no README.md"
        elif len(readme.read_text().splitlines()) > 15:
            yield f"{folder}/README.md: more than 15 lines"


def scripts(root):
    """Every shell script passes shellcheck; every Python file compiles."""
    shell = []
    for path in tracked(root):
        full = root / path
        if full.is_symlink() or path.suffix in (".h", ".cc", ".md", ".json"):
            continue
        if path.suffix == ".py":
            try:
                compile(full.read_text(), str(path), "exec")
            except SyntaxError as error:
                yield f"{path}: {error}"
            continue
        with open(full, "rb") as file:
            first = file.readline(100)
        if re.match(rb"#!\s*(/usr)?/bin/(env )?(ba|da)?sh\b", first):
            shell.append(str(path))
            if not os.access(full, os.X_OK):
                yield f"{path}: is a script but not executable"
    if not shell:
        yield "no shell script was found: this check checks nothing"
        return
    done = subprocess.run(["shellcheck", *shell], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        yield done.stdout + done.stderr


def formatted(root):
    """Every C++ file is as `make fmt` writes it."""
    files = [str(path) for path in tracked(root, ".h", ".cc")]
    done = subprocess.run(["xargs", "-n", "20", "-P", "2", "clang-format", "--dry-run"], cwd=root, capture_output=True, text=True,
                          input="\n".join(files), check=False)
    for line in sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning: code should be", done.stderr, re.M))):
        yield f"{line}: run `make fmt`"
    if not files or done.returncode != 0:
        yield f"clang-format: {done.stderr[:500] or 'no file was found'}"


def packages(root):
    """packages.txt names each package once and only known purposes."""
    seen = set()
    for number, line in enumerate((root / "packaging/packages.txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) < 2 or not set(fields[1].split(",")) <= {"build", "demo", "package", "site", "test"}:
            yield f"packaging/packages.txt:{number}: PACKAGE PURPOSE[,PURPOSE] [WHY]; purposes: build, demo, package, site, test"
        if fields[0] in seen:
            yield f"packaging/packages.txt:{number}: {fields[0]} twice"
        seen.add(fields[0])
    for path in tracked(root):
        if (root / path).stat().st_size > 1 << 20:
            yield f"{path}: larger than 1 MiB"


def selftest(root):
    """The checks find what they are there for."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        wrong = {
            "agent/base/a.cc": '#include "agent/model/labels.h"\nint f() { throw 1; }  // "throw" in a comment is fine\n',
            "agent/source/b.h": '#include <nlohmann/json.hpp>\n',
            "agent/source/c.cc": '#include "agent/write/w.h"\n#include "fleetctl/value/value.h"\nauto s = "throw";\n',
            "fleetctl/command/d.cc": '#include "agent/runtime/check.h"\n#include "agent/source/s.h"\n',
            "agent/stray/e.cc": "// TO" "DO\n",
            "packaging/packages.txt": "cmake built\ncmake build\n",
            "run.sh": "#!/bin/sh\necho $1\n",
            "tests/README.md": "x\n" * 16,
        }
        for name, text in wrong.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        expected = {
            layers: ["agent/base/a.cc:1", "agent/source/c.cc:1", "agent/source/c.cc:2", "fleetctl/command/d.cc:2", "agent/stray/e.cc"],
            headers: ["agent/source/b.h: opens", "agent/source/b.h:1"],
            words: ["agent/base/a.cc:2", "agent/stray/e.cc:1"],
            readmes: ["agent/base: has no", "tests/README.md: more"],
            scripts: ["run.sh: is a script", "SC2086"],
            formatted: ["agent/base/a.cc: run"],
            packages: ["packages.txt:1", "packages.txt:2"],
        }
        for check, findings in expected.items():
            found = list(check(tree))
            for one in findings:
                if not any(one in line for line in found):
                    yield f"{check.__name__} did not find {one}: {found}"
        for check, count in ((layers, 5), (words, 2)):
            if len(list(check(tree))) != count:
                yield f"{check.__name__} found too much: {list(check(tree))}"


def main():
    checks = {check.__name__: check for check in (layers, headers, words, readmes, scripts, formatted, packages, selftest)}
    if len(sys.argv) < 2 or sys.argv[1] not in checks:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(checks)} [ROOT]")
    root = Path(sys.argv[2] if len(sys.argv) > 2 else Path(__file__).resolve().parents[2])
    findings = list(checks[sys.argv[1]](root))
    for finding in findings:
        print(finding)
    print(f"{sys.argv[1]}: {checks[sys.argv[1]].__doc__} {len(findings)} finding(s)")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
