#!/usr/bin/python3
"""sbom.py BUILD_FOLDER PROGRAM: the bill of materials of BUILD_FOLDER/bin/PROGRAM, as CycloneDX 1.5 JSON on standard output.

Every component is a Debian package with its version, or a file that no package has; its property `fleet:use` says what the
program has of it:
  built-in  archives that were linked, headers and data that were compiled: changes only with a new build of the program
  loaded    shared libraries that it is started with
Ninja's own records tell what was read: the inputs of the link and, of each object file among them, the headers. libstdc++
is built into fleetctl, and its package is there because of its headers.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from pathlib import Path


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def files_built_in(build, program):
    """Absolute paths of all that the link and the compiler read, without shared libraries, tools and our own sources."""
    with tempfile.TemporaryDirectory() as copy:  # Ninja writes to its records even when it is only asked
        for name in ("build.ninja", "CMakeFiles/rules.ninja", ".ninja_deps"):
            (Path(copy) / name).parent.mkdir(exist_ok=True)
            shutil.copy(build / name, Path(copy) / name)
        inputs = output("ninja", "-C", copy, "--quiet", "-t", "inputs", f"bin/{program}").splitlines()
        objects = [path for path in inputs if path.endswith(".o")]
        headers = [line.strip() for line in output("ninja", "-C", copy, "--quiet", "-t", "deps", *objects).splitlines()
                   if line.startswith("    ")]
    source = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", (build / "CMakeCache.txt").read_text(), re.M)[1]
    paths = {os.path.normpath(path) for path in inputs + headers if path.startswith("/")}
    if not headers:
        sys.exit(f"sbom.py: {build} does not know what {program} was compiled from: build it there first")
    return {path for path in paths
            if not path.startswith((f"{source}/", "/usr/bin/")) and not re.search(r"\.so(\.\d+)*$", path)}


def files_loaded(program):
    return set(re.findall(r"(/\S+) \(0x", output("ldd", program)))


def owners(paths):
    """-> ({package: [version, source, architecture]} of the packages that own the files, the files that none owns)"""
    # A file of a package may be known below / or below /usr.
    asked = {path: {path, path.removeprefix("/usr"), path if path.startswith("/usr/") else f"/usr{path}"} for path in paths}
    # It fails when one is unknown, and prints the others all the same.
    found = subprocess.run(["dpkg-query", "-S", *sorted(set().union(*asked.values()))], capture_output=True, text=True).stdout
    owner = {}
    for line in found.splitlines():
        packages, _, path = line.partition(": ")
        if not packages.startswith("diversion "):
            owner[path] = packages.split(", ")[0]
    unknown = sorted(path for path, forms in asked.items() if not forms & owner.keys())
    packages = {owner[form] for forms in asked.values() for form in forms & owner.keys()}
    if not packages:
        return {}, unknown
    told = output("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${source:Package}\t${Architecture}\n", *sorted(packages))
    return {name: rest for name, *rest in (line.split("\t") for line in told.splitlines())}, unknown


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: sbom.py BUILD_FOLDER PROGRAM")
    build, program = Path(sys.argv[1]), sys.argv[2]
    components = []
    for use, paths in (("built-in", files_built_in(build, program)), ("loaded", files_loaded(build / "bin" / program))):
        packages, unknown = owners(paths)
        for name, (version, source, architecture) in sorted(packages.items()):
            quoted = urllib.parse.quote(version, safe="~")
            purl = f"pkg:deb/debian/{name}@{quoted}?arch={architecture}&distro=bookworm"
            components.append({"type": "library", "bom-ref": f"{use}/{name}", "name": name, "version": version, "purl": purl,
                               "properties": [{"name": "fleet:use", "value": use}, {"name": "fleet:source", "value": source}]})
        components += [{"type": "file", "bom-ref": f"{use}/{path}", "name": path,
                        "properties": [{"name": "fleet:use", "value": use}]} for path in unknown]
    version = re.search(r"^CMAKE_PROJECT_VERSION:STATIC=(.*)$", (build / "CMakeCache.txt").read_text(), re.M)[1]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
                "metadata": {"component": {"type": "application", "bom-ref": program, "name": program, "version": version}},
                "components": components}
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
