#!/usr/bin/python3
"""Manual pages and completion of both programs, judged by groff and by the shells that read them.

usage: command_line_test.py FOLDER-OF-THE-PROGRAMS [CASE...]"""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.argv[1]).resolve()
ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("fleet-agent", "fleetctl")


def output(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, **options)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout, done.stderr


def ask(program, *words):
    return output(BIN / program, *words)[0]


def environment():
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


def in_bash(program, *words):
    """What bash offers for the last of the words."""
    script = (f'source <("{BIN / program}" completion bash)\n'
              'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}\n'
              f'compopt() {{ :; }}; _{program.replace("-", "_")}; printf "%s\\n" "${{COMPREPLY[@]}}"')
    out, err = output("bash", "-uc", script, "bash", program, *words, env=environment())
    assert err == "", err
    return out.split()


def in_fish(program, line):
    out, err = output("fish", "--no-config", "-c",
                      f'"{BIN / program}" completion fish | source; complete -C "{program} {line}"', env=environment())
    assert err == "", err
    return [candidate.split("\t")[0] for candidate in out.splitlines()]


def in_zsh(program):
    """zsh reads the script and knows the function."""
    out, err = output("zsh", "-fc", f'autoload -Uz compinit && compinit -D && source <("{BIN / program}" completion zsh) && '
                      f'print ${{_comps[{program}]}} && whence -w ${{_comps[{program}]}}', env=environment())
    assert err == "", err
    return out


def typed_in_zsh(line, wanted):
    """Whether a zsh on a terminal makes `wanted` of the line when Tab is pressed, and what it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**environment(), "TERM": "dumb", "COLUMNS": "200"})

    def until(text):
        seen, end = "", time.monotonic() + 60
        while text not in seen and time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                seen += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # it has ended
                break
        return text in seen, seen

    try:
        os.write(terminal, f'PS1=; autoload -Uz compinit; compinit -D; source <({BIN}/fleetctl completion zsh); print re""ady\n'.encode())
        begun, seen = until("ready")
        assert begun, seen
        os.write(terminal, f"{line}\t".encode())
        return until(wanted)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def zsh_completes():
    for line, wanted in (("fleetctl dep", "fleetctl deploy "), ("fleetctl deploy --limit pu", "puck.incus "),
                         ("fleetctl deploy -l edge,pu", "edge,puck.incus "), ("fleetctl logs pu", "puck.incus "),
                         ("fleetctl status --sort back", "backlog "), ("fleetctl inventory --graph app", "applications ")):
        completed, seen = typed_in_zsh(line, wanted)
        assert completed, f"{line}: {seen!r}"


def manual_pages_are_good_roff():
    for program in PROGRAMS:
        page = ask(program, "man")
        text, complaints = output("groff", "-man", "-ww", "-Tutf8", "-P-c", "-P-b", "-P-u", input=page)
        assert complaints == "", complaints
        commands = re.findall(r"^  (\S+?),? ", ask(program, "--help").split("Subcommands:")[1], re.M)
        assert len(commands) >= 8, commands
        for command in commands:
            assert f"\n   {command}" in text, f"{program}: {command} is not in its page"


def fleet_yaml_has_its_page():
    """All that fleet.yaml may say, and for which commands."""
    page = ask("fleetctl", "man", "fleet.yaml")
    text, complaints = output("groff", "-man", "-ww", "-Tutf8", "-P-c", "-P-b", "-P-u", input=page)
    assert complaints == "", complaints
    assert text.startswith("FLEET.YAML(5)"), text[:80]
    options = ", ".join(re.findall(r"\n       ([a-z][a-z, -]*): ", text)).split(", ")
    assert {"select", "docker-when", "files", "serial", "no-input", "inventory"} <= set(options), options
    assert "help" not in options and "config" not in options, options
    assert re.search(r" serial: N[^()]*\(deploy, rollback\)", " ".join(text.split())), text
    words = re.findall(r"--([a-z][a-z-]*)", ask("fleetctl", "deploy", "--help").split("Examples:")[0])
    assert set(words) - {"help", "config"} <= set(options), set(words) - set(options)


def help_and_page_know_the_same_options():
    for program, command in (("fleet-agent", "run"), ("fleetctl", "deploy"), ("fleetctl", "inventory")):
        page = ask(program, "man").replace("\\-", "-")
        section = page.split(f".SS {command}\n")[1].split(".SS ")[0]
        options = re.findall(r"--[a-z][a-z.-]+", ask(program, command, "--help").split("Examples:")[0])
        assert "--help" in options
        for option in options:
            assert f"{option}" in section, f"{program} {command}: {option} is not in the page"


def bash_completes():
    assert in_bash("fleetctl", "dep") == ["deploy"]
    assert in_bash("fleetctl", "vault", "enc") == ["encrypt", "encrypt-string", "encrypt_string"]
    assert in_bash("fleetctl", "deploy", "--dif") == ["--diff"]
    assert in_bash("fleetctl", "lint", "--format", "") == ["text", "json", "junit"]
    assert in_bash("fleetctl", "status", "--transport", "") == ["libssh", "openssh"]
    assert "puck.incus" in in_bash("fleetctl", "deploy", "--limit", "pu")
    assert in_bash("fleetctl", "deploy", "--limit", "=", "pu") == ["puck.incus"], "--limit=pu"
    assert in_bash("fleetctl", "deploy", "-l", "edge,!pu") == ["edge,!puck.incus"], "the last of a list"
    assert in_bash("fleetctl", "deploy", "--canary", "pu") == ["puck.incus"], "one of several kinds of value"
    assert in_bash("fleetctl", "inventory", "--graph", "ap") == ["applications"]
    assert in_bash("fleetctl", "inventory", "--graph", "pu") == [], "no host is a group"
    assert in_bash("fleetctl", "help", "dep") == ["deploy"]
    assert "backlog" in in_bash("fleetctl", "status", "--sort", "")
    assert in_bash("fleetctl", "man", "fleet.") == ["fleet.yaml"]
    assert in_bash("fleet-agent", "val") == ["validate"]
    assert "README.md" in in_bash("fleet-agent", "validate", "READ")
    assert "--json" in in_bash("fleet-agent", "eval", "--js"), "an alias is the command"


def fish_completes():
    assert in_fish("fleetctl", "dep") == ["deploy"]
    assert "--diff" in in_fish("fleetctl", "deploy --dif")
    assert "puck.incus" in in_fish("fleetctl", "deploy --limit pu")
    assert "edge,puck.incus" in in_fish("fleetctl", "deploy --limit edge,pu")
    assert "applications" in in_fish("fleetctl", "inventory --graph ap")
    assert sorted(in_fish("fleetctl", "lint --format ")) == ["json", "junit", "text"]
    assert sorted(in_fish("fleetctl", "status --transport ")) == ["libssh", "openssh"]
    assert "validate" in in_fish("fleet-agent", "val")


def zsh_reads_it():
    for program in PROGRAMS:
        function = "_" + program.replace("-", "_")
        assert in_zsh(program) == f"{function}\n{function}: function\n"


def the_registry_is_json():
    components = {component["name"]: component for component in json.loads(ask("fleet-agent", "components", "--json"))}
    listed = [line.split("\t")[0] for line in ask("fleet-agent", "components").splitlines()]
    assert sorted(components) == sorted(listed) and len(listed) > 30
    syslog = components["loki.source.syslog"]
    listener = next(field for field in syslog["fields"] if field["name"] == "listener")
    assert listener["kind"] == "block" and listener["repeated"]
    protocol = next(field for field in listener["fields"] if field["name"] == "protocol")
    assert (protocol["type"], protocol["default"], protocol["required"]) == ("string", '"tcp"', False)
    assert components["discovery.docker"]["exports"][0]["name"] == "targets"


def flags_of_alloy_are_taken():
    """tests/fixtures/alloy/flags.txt: command, short form or -, flag, a value."""
    flags = {}
    for line in (ROOT / "tests/fixtures/alloy/flags.txt").read_text().splitlines():
        command, short, flag, value = line.split()
        flags.setdefault(command, []).append((short, flag, value))

    def ended(*words, **options):
        return subprocess.run([BIN / "fleet-agent", *words], capture_output=True, text=True, timeout=60, **options)

    every = [f"{flag}={value}" for _, flag, value in flags["run"]]
    done = ended("run", *every, "--storage.path=elsewhere")  # of two the last counts
    assert done.stderr == "run needs the PATH of a configuration\n", done
    every = [f"{flag}={value}" for _, flag, value in flags["validate"]]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.alloy")
        config.write_text("logging {}\n")
        done = ended("validate", *every, config)
        assert done.returncode == 0, done
        for names in zip(*[(short, flag) for short, flag, _ in flags["convert"]]):
            assert [value for _, _, value in flags["convert"]] == ["promtail", "x", "x", "false", "x"]
            format_, output_, report, bypass, extra = names
            done = ended("convert", format_, "promtail", output_, config, report, Path(folder, "report"), bypass, extra,
                         "-config.expand-env=true", input="clients: [{url: 'http://h/loki/api/v1/push'}]\n")
            assert done.returncode == 0 and "loki.write" in config.read_text(), done
        for names in zip(*[(short, flag) for short, flag, _ in flags["fmt"]]):
            config.write_text("logging   {}\n")
            assert ended("fmt", names[1], config).returncode == 1, "-t finds that the form differs"
            assert ended("fmt", names[0], config).returncode == 0 and "logging   " not in config.read_text()


def help_and_version_as_alloys():
    assert ask("fleet-agent", "help") == ask("fleet-agent", "--help")
    assert ask("fleet-agent", "help", "run") == ask("fleet-agent", "run", "--help")
    assert ask("fleet-agent", "-v") == ask("fleet-agent", "--version")


CASES = [manual_pages_are_good_roff, fleet_yaml_has_its_page, help_and_page_know_the_same_options, bash_completes, fish_completes, zsh_reads_it, zsh_completes,
         the_registry_is_json, flags_of_alloy_are_taken, help_and_version_as_alloys]
if __name__ == "__main__":
    for case in CASES:
        if sys.argv[2:] and case.__name__ not in sys.argv[2:]:
            continue
        case()
        print(f"ok {case.__name__}")
