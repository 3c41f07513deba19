#!/usr/bin/python3
"""deploy_test.py CASE | --list: fleetctl deploys the example fleet to booted systemd hosts; each case is a function below.

Real: fleetctl and fleet-agent, three hosts with systemd, sshd and journald, a Docker Engine on one of them, and a judge in
Loki's place that decodes what arrives without our code. The tree under test is the repository's own inventory/,
group_vars/, host_vars/ and templates/; only the addresses of the booted hosts are added to it.
"""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import BIN, ROOT, Judge, Lab, Mint, Served, check, eventually

PUCK, OBERON, CALIBAN = "puck.incus", "oberon.incus", "caliban.incus"  # Docker; syslog listeners; the fallback template
HOSTS = [PUCK, OBERON, CALIBAN]
CONFIG = "/etc/fleet-agent/config.alloy"
UNIT = "fleet-agent.service"
REFUSED, DIFFERS, TOO_MANY, ROLLED_BACK, LOCKED = 1, 2, 5, 6, 75  # fleetctl's exit codes, fleetctl/command/exit_code.h


class Bed:
    """Booted hosts, a judge behind the name that the fleet's templates push to, and a copy of the fleet's tree."""

    def __init__(self, lab, judge, folder):
        self.lab, self.judge, self.folder = lab, judge, folder
        self.tree = folder / "tree"
        for name in ("inventory", "group_vars", "host_vars", "templates"):
            shutil.copytree(ROOT / name, self.tree / name)
        self.reach(dict.fromkeys(HOSTS, ""))

    def reach(self, hosts):
        """Writes how the hosts are reached: {host: further Ansible variables}."""
        options = f"-o UserKnownHostsFile={self.lab.folder}/known_hosts -o IdentitiesOnly=yes"
        lines = [f"{host} ansible_host={self.lab.address(host)} ansible_user=root "
                 f"ansible_ssh_private_key_file={self.lab.folder}/key ansible_ssh_common_args='{options}' {more}\n"
                 for host, more in hosts.items()]
        (self.tree / "inventory" / "zz_lab").write_text("".join(lines))

    def command(self, *words):
        return [str(BIN / "fleetctl"), *map(str, words)]

    def environment(self):
        (self.folder / "home").mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SSH_", "ANSIBLE_"))}
        return {**kept, "HOME": str(self.folder / "home")}

    def begin(self, *words, limit=HOSTS, tree=None):
        """fleetctl, under way; both outputs are one."""
        return subprocess.Popen(self.command(*words, "--limit", ",".join(limit)), cwd=tree or self.tree, env=self.environment(),
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def fleetctl(self, *words, limit=HOSTS, timeout=120):
        """-> (status, everything it said)"""
        with self.begin(*words, limit=limit) as process:
            try:
                said, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return process.returncode, said

    @contextlib.contextmanager
    def pages(self, host):
        """fleetctl ui on the way -> the address here; Ctrl-C ends it well."""
        with subprocess.Popen(self.command("ui", host, "--no-browser"), cwd=self.tree, env=self.environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                url = process.stdout.readline().strip()
                check(url.startswith("http://127.0.0.1:"), f"no address: {url} {process.stderr.read() if not url else ''}")
                yield url
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=60)
                check(process.returncode == 0 and "Ctrl-C" in said, f"fleetctl ui: status {process.returncode}: {said}")
            finally:
                process.kill()

    def bundle(self, name, unit=None, change=None):
        """Another release than the built one: with another unit, or with what change(folder) makes of its files."""
        folder = self.folder / name
        shutil.copytree(BIN.parent / "bundle", folder)
        told = json.loads((folder / "bundle.json").read_text())
        if unit:
            path = folder / "fleet-agent.service"
            path.write_text(unit(path.read_text()))
            told["unit_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        if change:
            archive, files = folder / "fleet-agent.tar.gz", folder / "files"
            files.mkdir()
            subprocess.run(["tar", "-xzf", archive, "-C", files], check=True)
            change(files)
            subprocess.run(["tar", "-c", "-I", "gzip -1", "-f", archive, "-C", files, "."], check=True)
            told["sha256"] = hashlib.sha256(archive.read_bytes()).hexdigest()
        (folder / "bundle.json").write_text(json.dumps(told))
        return ("--agent-bundle", folder)

    def deploy(self, *words, **options):
        status, said = self.fleetctl("deploy", *words, **options)
        check(status == 0, f"fleetctl deploy: status {status}:\n{said}")
        return said

    def deploy_when_free(self, seconds=90, **options):
        """The same, waiting while what a cut deploy began still holds a host's lock."""
        def done():
            status, said = self.fleetctl("deploy", **options)
            check(status in (0, LOCKED), f"fleetctl deploy: status {status}:\n{said}")
            return status == 0
        eventually(done, seconds, "the host's lock is free", interval=0.5)

    def on(self, host, script):
        """Runs a shell script on the host, without SSH. -> its output, stripped"""
        return self.lab.run("exec", host, "/bin/sh", "-c", script).stdout.strip()

    def snapshot(self, host):
        """What a deploy might change on the host, in one text."""
        return self.on(host, f"""
            systemctl show {UNIT} -p MainPID -p ActiveState -p ActiveEnterTimestampMonotonic -p NRestarts
            sha256sum {CONFIG} /etc/systemd/system/{UNIT} 2>&1; stat -c '%n %a %U %G %y' {CONFIG} 2>&1
            ls -lR --time-style=full-iso /opt/fleet-agent 2>&1
            id fleet-agent 2>&1; getent group docker systemd-journal
            journalctl -q -u ssh.service -o cat -g 'Accepted|Connection' | wc -l""")

    def ready(self, host):
        status, body = self.lab.get(host, "/-/ready")
        check(status in (200, 503), f"{host}: /-/ready answers {status} {body}")
        return status == 200

    def log(self, host, mint, unit="mint", identifier=None):
        """One line into the host's journal, printed by a service of its own. -> the line"""
        line = mint.line()
        identified = ["-p", f"SyslogIdentifier={identifier}"] if identifier else []
        self.lab.run("exec", host, "systemd-run", "-q", "--wait", f"--unit={unit}", *identified, "/bin/echo", line)
        return line

    def arrived(self, line, seconds=30):
        """The line's labels, once the judge has it."""
        def find():
            return [entry for entry in self.judge.entries() if entry["line"] == line]
        return eventually(find, seconds, f"the line {line!r} at the judge")[0]["labels"]

    def ships(self, host, mint):
        """The host's agent is alive and delivers: a fresh journal line arrives."""
        return self.arrived(self.log(host, mint))


@contextlib.contextmanager
def bed():
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-deploy-test") as folder, Lab("/tmp/fleet-deploy", "deploy") as lab:
        lab.run("net-up")
        flags = ["--hosts-entry", f"{lab.gateway} prospero.incus prospero"]
        lab.run("docker-up")
        lab.run("up", *flags, *[host for host in HOSTS if host != PUCK])
        lab.run("up", *flags, "--docker", PUCK)
        with Judge(lab.gateway, port=3100) as judge, Served(fleetlab.Taker, lab.gateway, 9090):
            yield Bed(lab, judge, folder)
            check(judge.count()["malformed"] == [], f"malformed pushes: {judge.count()['malformed'][:3]}")


def stream(host, **labels):
    return {"hostname": host, "environment": "ouranos", **labels}


def ships():
    """Three hosts at once: journal and container lines arrive with exactly the documented labels; again changes nothing."""
    with bed() as b:
        mint = Mint("fleet", random.randrange(1 << 32))
        b.reach({PUCK: "", OBERON: "ansible_user=ops ansible_become=true", CALIBAN: ""})
        early = b.log(CALIBAN, mint)  # before there is an agent: the journal is read from where it begins
        start = time.monotonic()
        said = b.deploy()
        print(f"first deploy of {len(HOSTS)} hosts: {time.monotonic() - start:.1f} s\n{said}")
        for host in HOSTS:
            check(b.ready(host), f"{host} is not ready after the deploy")
            labels = b.ships(host, mint)
            check(labels == stream(host, job="systemd"), f"{host}: journal labels {labels}")
            mode = b.on(host, f"stat -c '%a %U %G' {CONFIG}; systemctl is-enabled {UNIT}; systemctl is-system-running")
            check(mode == "640 root fleet-agent\nenabled\nrunning", f"{host}: {mode}")
        # The unit sees all but its own folder read-only; its metrics are the host's.
        status, page = b.lab.get(PUCK, "/api/v0/component/prometheus.exporter.unix.host/metrics")
        mounts = dict(re.findall(r'^node_filesystem_readonly\{.*mountpoint="([^"]*)".*\} (\d)$', page, re.MULTILINE))
        check(status == 200 and mounts.get("/run") == "0", f"puck: {status}, read-only are {mounts}")
        check(b.arrived(early) == stream(CALIBAN, job="systemd"), "labels of a line from before the deploy")
        labels = b.arrived(b.log(PUCK, mint, unit="kottos", identifier="kottos"))
        check(labels == stream(PUCK, job="systemd", service="pallas"), f"kottos: journal labels {labels}")

        compose = ["--label", "com.docker.compose.project=athena", "--label", "com.docker.compose.service=mcp"]
        for name, flags, wanted in (
                ("athena-mcp-1", compose, {"service": "athena", "component": "mcp", "container": "athena-mcp-1"}),
                ("lonely", [], {"service": "lonely", "container": "lonely"})):
            lines = [mint.line() for _ in range(3)]
            b.lab.docker("run", "-d", "--name", name, "--network", "none", *flags, "lab:1", "/bin/sh", "-c",
                         "; ".join(f"echo '{line}'" for line in lines) + "; exec sleep 3600")
            for line in lines:
                labels = b.arrived(line)
                check(labels == stream(PUCK, **wanted), f"{name}: container labels {labels}")

        # The same, as the operator sees it: marked lines from every host, puck's through a container of an image that is there.
        with open(fleetlab.DOCKER, "rb") as client:
            b.lab.run("exec", PUCK, "/bin/sh", "-c", "cat >/usr/local/bin/docker && chmod 755 /usr/local/bin/docker", stdin=client)
        status, said = b.fleetctl("verify", "--only", "journal", "--only", "containers", "--loki", b.judge.url, "--format", "json")
        told = {line["host"]: line for line in map(json.loads, said.splitlines())}
        check(status == 0 and set(told) == set(HOSTS), f"verify: status {status}:\n{said}")
        for host in HOSTS:
            check(told[host]["journal"]["state"] == "arrived", f"verify: {told[host]}")
            check(told[host]["containers"]["state"] == ("arrived" if host == PUCK else "skipped"), f"verify: {told[host]}")

        for host, lines in ((OBERON, 4), (CALIBAN, 3)):  # by sudo, and as root
            done = subprocess.run(b.command("logs", host, "-n", lines), cwd=b.tree, env=b.environment(), text=True, capture_output=True)
            check(done.returncode == 0 and len(done.stdout.splitlines()) == lines and "fleet-agent" in done.stdout, f"logs: {done}")

        before = {host: b.snapshot(host).splitlines()[:-1] for host in HOSTS}  # the last line counts SSH logins
        start = time.monotonic()
        said = b.deploy()
        print(f"again: {time.monotonic() - start:.1f} s\n{said}")
        for host in HOSTS:
            check(b.snapshot(host).splitlines()[:-1] == before[host], f"{host} changed in a deploy without a change")
        check("unchanged" in said or "no change" in said, f"it does not say that nothing changed:\n{said}")
        status, said = b.fleetctl("deploy", "--check")
        check(status == 0, f"--check: status {status}:\n{said}")

        keeps_listeners(b)

        # A change of the configuration alone: reloaded, not restarted, and the new label is on the next line.
        pid = b.on(OBERON, f"systemctl show {UNIT} -p MainPID")
        template = b.tree / "templates/oberon/config.alloy.j2"
        text = template.read_text()
        check("environment" in text, "oberon's template has no environment label")
        template.write_text(re.sub(r'(environment\s*=\s*"[^"]*",?)', r'\1\n    rack = "7",', text))
        b.deploy("--transport", "openssh")
        check(b.ships(OBERON, mint).get("rack") == "7", "the changed label did not arrive")
        check(b.on(OBERON, f"systemctl show {UNIT} -p MainPID") == pid, "a changed configuration restarted the agent")
        said = b.deploy("--transport", "openssh")
        check(f"{len(HOSTS)} hosts: {len(HOSTS)} unchanged." in said, f"by the program ssh: {said}")


def keeps_listeners(b):
    """A syslog listener that a running container logs to stays until somebody insists. puck has a docker command."""
    only = {"limit": [PUCK]}
    template = b.tree / "templates/puck/config.alloy.j2"
    without = template.read_text()
    template.write_text(without + '\nloki.source.syslog "apps" {\n  listener {\n    address  = "127.0.0.1:51477"\n    protocol = "udp"\n  }\n'
                        "  forward_to = [loki.write.default.receiver]\n}\n")
    b.deploy(**only)
    b.lab.docker("run", "-d", "--name", "speaker", "--network", "none", "--log-driver", "syslog",
                 "--log-opt", "syslog-address=udp://127.0.0.1:51477", "lab:1", "/bin/sleep", "3600")
    before = b.snapshot(PUCK).splitlines()[:-1]
    template.write_text(without)
    for command in ("plan", "deploy"):
        status, said = b.fleetctl(command, **only)
        check(status == 3 and "'speaker' to 51477/udp (loki.source.syslog.apps)" in said and "--drop-listeners" in said, f"{command}: {status}\n{said}")
    check(b.snapshot(PUCK).splitlines()[:-1] == before, "a refused deploy changed the host")
    b.deploy("--drop-listeners", **only)
    check("51477" not in b.on(PUCK, f"cat {CONFIG}"), "--drop-listeners did not insist")
    status, said = b.fleetctl("rollback", **only)
    check(status == 0 and "51477" in b.on(PUCK, f"cat {CONFIG}"), f"rollback: {status}\n{said}")
    before = b.snapshot(PUCK).splitlines()[:-1]
    for words in (["rollback", "--check"], ["rollback"], ["uninstall", "--yes"]):
        status, said = b.fleetctl(*words, **only)
        check(status == 3 and "'speaker' to 51477/udp (loki.source.syslog.apps)" in said and "--drop-listeners" in said, f"{words}: {status}\n{said}")
    check(b.snapshot(PUCK).splitlines()[:-1] == before, "a refused rollback or uninstall changed the host")
    status, said = b.fleetctl("rollback", "--drop-listeners", **only)
    check(status == 0 and "51477" not in b.on(PUCK, f"cat {CONFIG}"), f"rollback --drop-listeners: {status}\n{said}")


GUARDED = """url = "{{ loki_url }}"
    basic_auth {
      username = "u"
      password = "%s"
    }
"""


def keeps_a_secret(b, secret, texts):
    """What fleetctl said, and what lies on the host: a password is where it has to be, and only root and the agent may read it there."""
    for text in texts:
        check(secret not in text, f"fleetctl tells the password: {text}")
    found = b.on(OBERON, f"grep -rlF {secret} / --exclude-dir=proc --exclude-dir=sys --exclude-dir=journal 2>/dev/null; true").splitlines()
    kept = [path for path in found if path.startswith("/var/lib/fleetctl/generations/")]
    check(len(kept) >= 2 and set(found) - set(kept) == {CONFIG}, f"files with the password: {found}")
    modes = set(b.on(OBERON, f"stat -c '%a %U' /var/lib/fleetctl/generations {' '.join(kept)}").splitlines())
    check(modes <= {"700 root", "600 root"}, f"who may read generations: {modes}")
    check(b.on(OBERON, f"journalctl -q -o export --no-pager | grep -cF {secret}; true") == "0", "the journal has the password")
    limit = b.on(OBERON, f"grep 'core file' /proc/$(systemctl show {UNIT} -p MainPID --value)/limits")
    check(re.search(r"size +0 +0 ", limit), f"a crash leaves memory behind: {limit}")


def walks():
    """plan, deploy, plan, an edit by hand, a change, rollback, status: each tells what is, on one booted host, and none of them, nor anything
    that is left there for others to read, a password of the configuration."""
    with bed() as b:
        mint = Mint("walk", random.randrange(1 << 32))
        only = {"limit": [OBERON]}

        secret, texts = f"canary-{random.getrandbits(80):x}", []

        def said(wanted, status, *words):
            got, text = b.fleetctl(*words, **only)
            check(got == status and re.search(wanted, text), f"fleetctl {words}: status {got}, wanted {status} {wanted!r}:\n{text}")
            texts.append(text)
            return text

        def told():
            return json.loads(said("", 0, "status", "--format", "json").splitlines()[-1])

        template = b.tree / "templates/oberon/config.alloy.j2"
        text = template.read_text().replace('url = "{{ loki_url }}"\n', GUARDED % secret)
        check(secret in text, "oberon's template has no receiver of its own")
        template.write_text(text + "\nlivedebugging {\n  enabled = true\n}\n")
        said(r"\+ config\.alloy .*\n(.*\n)*Plan: 1 host to change \(1 restart\)", DIFFERS, "plan", "--exit-code")
        said("no agent is installed", 0, "status")
        check(b.on(OBERON, "ls -d /etc/fleet-agent /opt/fleet-agent 2>/dev/null || true") == "", "plan or status left something")
        b.deploy(**only)
        before = b.snapshot(OBERON).splitlines()[:-1]
        print(said(r"no change\nPlan: 0 hosts to change", 0, "plan", "--exit-code"))
        status = told()
        check(status["state"] == "ok" and status["generation"] == 1 and status["config"]["state"] == "in step", f"status {status}")
        check(b.snapshot(OBERON).splitlines()[:-1] == before, "plan or status changed the host")
        said("there is no agent before generation 1", 3, "rollback")
        with b.pages(OBERON) as url:
            overview = json.loads(fleetlab.http(url + "api/v0/ui/overview")[1])
            write, = [one["id"] for one in overview["components"] if one["name"] == "loki.write"]
            with urllib.request.urlopen(f"{url}api/v0/web/tap/{write}", timeout=60) as tail:
                check(json.loads(tail.readline()) == {"skipped": 0}, "the tail does not begin")
                with concurrent.futures.ThreadPoolExecutor(16) as many:
                    pages = list(many.map(lambda page: fleetlab.http(url + page, timeout=60), ["metrics", "api/v0/ui/overview"] * 24))
                check(all(status == 200 and page for status, page in pages), "not every page came")
                b.log(OBERON, mint)
                seen = next(sight for sight in map(json.loads, tail) if "component" in sight)
                check(seen["component"] == write, f"the tail shows {seen}")
        check(isinstance(status["lines_per_second"], (int, float)) and status["backlog"]["entries"] >= 0, f"status {status}")
        check(status["listens"] == "127.0.0.1:12345" and status["drift"] == [], f"status {status}")

        first = b.on(OBERON, f"cat {CONFIG}")
        template.write_text(template.read_text() + "// second, on {{ ansible_hostname }} with {{ ansible_distribution_release }}\n")
        template.write_text(template.read_text().replace(secret, f"{secret}-second"))
        said(r"~ config\.alloy +reload +\+2 -1 +from templates/oberon/", DIFFERS, "plan", "--exit-code")
        said(r"password = \"\(secret", 0, "plan", "--diff")
        facts = b.folder / "facts.json"  # status asks nobody for them
        said("", 0, "facts", "--output", facts)
        status = json.loads(b.fleetctl("status", "--format", "json", "--facts", facts, **only)[1].splitlines()[-1])
        check(status["config"]["state"] == "behind", f"status {status}")
        said(r"\+// second", 0, "deploy", "--diff", "--format", "json")
        check("// second, on oberon with bookworm" in b.on(OBERON, f"cat {CONFIG}"), "the host's facts are not in its configuration")
        pid = b.on(OBERON, f"systemctl show {UNIT} -p MainPID")
        print(said(r"(?m)^ +1 ", 0, "rollback", "--list"))
        print(said(r"went back +to generation 1: config\.alloy \(reload\)", 0, "rollback", "--to", "1"))
        check(b.on(OBERON, f"cat {CONFIG}") == first, "the first configuration is not back")
        check(b.on(OBERON, f"systemctl show {UNIT} -p MainPID") == pid, "going back restarted the agent")
        check(b.ships(OBERON, mint) == stream(OBERON, job="systemd"), "does not ship after going back")

        b.on(OBERON, f"echo '// by hand' >> {CONFIG}")
        print(said("drifted .* edited", DIFFERS, "status", "--exit-code"))
        status = told()
        check(status["generation"] == 3 and status["ready"] and status["healthy"], f"status {status}")
        for words in (["history", "--format", "json"], ["doctor", "--all"], ["rollback", "--list", "--format", "json"]):
            said("", 0, *words)
        keeps_a_secret(b, secret, texts)
        b.on(OBERON, f"systemctl stop {UNIT}")
        said("inactive +no ", DIFFERS, "status", "--exit-code")


def refuses_a_broken_template():
    """A template that does not render, or renders to what the agent would not take: refused before any host is touched."""
    with bed() as b:
        b.deploy()
        before = {host: b.snapshot(host) for host in HOSTS}
        template = b.tree / "templates/oberon/config.alloy.j2"
        good = template.read_text()
        for broken, wanted in ((good + "\n{{ no_such_variable }}\n", "no_such_variable"),
                               (good + "\n{% if %}\n", "config.alloy.j2"),
                               (good + '\nloki.write "x" { endpoint { ulr = "http://x/" } }\n', "ulr"),
                               (good + "\nloki.wriet \"x\" { }\n", "loki.write")):
            template.write_text(broken)
            status, said = b.fleetctl("deploy")
            check(status == REFUSED and OBERON in said and wanted in said, f"status {status}:\n{said}")
            line = len(broken.splitlines())
            check(f"config.alloy.j2:{line}" in said, f"does not point into the template's line {line}:\n{said}")
        for host in HOSTS:
            check(b.snapshot(host) == before[host], f"{host} was touched:\n{before[host]}\n---\n{b.snapshot(host)}")


def rolls_back():
    """A configuration that validates but cannot start: put back, the old agent ships on, the other hosts go on. So do files beside it."""
    with bed() as b:
        mint = Mint("rollback", random.randrange(1 << 32))
        b.deploy()
        config = b.on(OBERON, f"cat {CONFIG}")
        b.on(OBERON, "systemd-run -q --unit=squatter systemd-socket-activate --listen=127.0.0.1:51499 /bin/cat")
        taken = ('\nloki.source.syslog "late" {\n  listener {\n    address = "127.0.0.1:51499"\n  }\n'
                 "  forward_to = [loki.write.default.receiver]\n}\n")
        for host in ("oberon/", ""):
            template = b.tree / f"templates/{host}config.alloy.j2"
            template.write_text(template.read_text() + taken)
        eventually(lambda: b.on(OBERON, "grep -c :C92B /proc/net/tcp || true") != "0", 10,
                   lambda: "the port is taken: " + b.on(OBERON, "systemctl status squatter; cat /proc/net/tcp; true"))
        status, said = b.fleetctl("deploy")
        print(said)
        check(status == ROLLED_BACK, f"status {status}:\n{said}")
        check(re.search(r"rolled? ?back", said, re.I) and "51499" in said, f"does not say what happened:\n{said}")
        check(b.on(OBERON, f"cat {CONFIG}") == config, "the old configuration is not back")
        check(b.ready(OBERON), "oberon's old agent is not ready")
        check(b.ships(OBERON, mint) == stream(OBERON, job="systemd"), "oberon's old agent does not ship")
        check("51499" in b.on(CALIBAN, f"cat {CONFIG}"), "the other host did not go on")
        check(b.ships(CALIBAN, mint) == stream(CALIBAN, job="systemd"), "caliban does not ship")
        b.on(OBERON, "systemctl stop squatter")
        b.deploy()
        check("51499" in b.on(OBERON, f"cat {CONFIG}"), "a later deploy did not bring the configuration")
        brings_files(b)


def brings_files(b):
    """Files of fleet.yaml beside the configuration: they come, stay, change, go back and go; an agent that does not start leaves them as they were."""
    only = {"limit": [OBERON]}
    beside, drop_in = "/etc/fleet-agent/endpoints.json", f"/etc/systemd/system/{UNIT}.d/limits.conf"
    template, limits = b.tree / "templates/endpoints.json.j2", b.tree / "templates/limits.conf"
    config = b.tree / "templates/oberon/config.alloy.j2"
    without_module = config.read_text()

    def said(wanted, status, *words):
        got, text = b.fleetctl(*words, **only)
        check(got == status and re.search(wanted, text), f"fleetctl {words}: status {got}, wanted {status} {wanted!r}:\n{text}")
        return text

    def now():
        """Process, its limit of open files, and what lies in both places."""
        return b.on(OBERON, f"for one in MainPID LimitNOFILE; do systemctl show {UNIT} -p $one --value; done; "
                            f"cat {beside} {drop_in} 2>&1; true").splitlines()

    (b.tree / "fleet.yaml").write_text("files:\n  - {copy: more.alloy, path: /etc/fleet-agent/more.alloy}\n"
                                       f"  - {{template: endpoints.json.j2, path: {beside}}}\n  - {{copy: limits.conf, path: {drop_in}}}\n")
    config.write_text(without_module + '\nimport.file "more" {\n  filename = "/etc/fleet-agent/more.alloy"\n}\n\nmore.out "x" { }\n')
    (b.tree / "templates/more.alloy").write_text('declare "out" {\n  loki.echo "x" { }\n}\n')
    template.write_text('{"of": "{{ inventory_hostname_short }}", "token": "first"}\n')
    limits.write_text("[Service]\nLimitNOFILE=54321\n")
    without = now()
    print(said(r"changed +config\.alloy, more\.alloy, endpoints\.json, fleet-agent\.service\.d/limits\.conf \(restart\)", 0, "deploy"))
    modes = b.on(OBERON, f"stat -c '%a %U %G' {beside} {drop_in} $(dirname {drop_in})")
    check(modes == "640 root fleet-agent\n644 root root\n755 root root", modes)
    first = now()
    check(first[0] != without[0] and first[1:] == ["54321", '{"of": "oberon", "token": "first"}', *limits.read_text().splitlines()], first)
    said("no change\nPlan: 0 hosts to change", 0, "plan", "--exit-code")
    said("unchanged", 0, "deploy")
    check(now() == first, "a deploy without a change changed something")

    # A file beside the configuration is reloaded; what it holds is not told.
    template.write_text('{"of": "{{ inventory_hostname_short }}", "token": "second"}\n')
    text = said(r"~ endpoints\.json +reload +\+1 -1 +from templates/endpoints\.json\.j2", DIFFERS, "plan", "--diff", "--exit-code")
    check("(secret #" in text and "first" not in text and "second" not in text, text)
    said(r"behind .*the tree gives another /etc/fleet-agent/endpoints\.json", 0, "status")
    said(r"changed +endpoints\.json \(reload\)", 0, "deploy")
    second = now()
    check(second[:2] == first[:2] and "second" in second[2], second)
    said(r"endpoints\.json \(reload\)", 0, "rollback")
    check(now() == first, f"going back: {now()}")
    said(r"changed +endpoints\.json \(reload\)", 0, "deploy")
    plan = b.folder / "beside.plan"
    template.write_text(template.read_text() + "planned\n")
    said("Saved", 0, "plan", "--out", plan)
    b.on(OBERON, f"echo by hand >>{beside}; chown ops {beside}; rm {drop_in}")
    text = said(rf"(?s)drifted .*{beside} edited.*{drop_in} is gone", DIFFERS, "status", "--drift", "--exit-code")
    check("-by hand" in text and "+[Service]" in text and "(secret #" in text and "second" not in text, text)
    said("it is not as it was when the plan was made", 3, "deploy", "--plan", plan)
    template.write_text(template.read_text().removesuffix("planned\n"))
    said(r"(?m)~ endpoints\.json .*, edited on the host\n +\+ fleet-agent\.service\.d/limits\.conf .*, removed on the host$", 0, "plan")
    said(r"changed +endpoints\.json, fleet-agent\.service\.d/limits\.conf \(restart\)", 0, "deploy")
    second[0] = now()[0]
    check(now() == second and b.on(OBERON, f"stat -c %U {beside}") == "root", f"after an edit by hand: {now()}")

    # What is no file, and what cannot be replaced.
    for instead in (f"ln -s other {beside}", f"mkdir {beside}", f"mkfifo {beside}"):
        b.on(OBERON, f"rm {beside}; {instead}")
        said(r"endpoints\.json is something else than a file on this host", 3, "deploy")
        said(rf"drifted .*{beside} edited", DIFFERS, "status", "--exit-code")
        b.on(OBERON, f"rm -r {beside}")
    said(r"changed +endpoints\.json \(reload\)", 0, "deploy")
    template.write_text("held\n")
    limits.write_text("[Service]\nLimitNOFILE=54322\n")
    b.on(OBERON, f"mount --bind {drop_in} {drop_in}")
    said(r"rolled back +write .*limits\.conf: rename: Device or resource busy", ROLLED_BACK, "deploy")
    b.on(OBERON, f"umount {drop_in}")
    check(now() == second and b.ready(OBERON), f"not as before: {now()}")

    # Back to a release that does not know how to leave modules out, with other files than there are now.
    template.write_text('{"of": "{{ inventory_hostname_short }}", "token": "second"}\n')
    limits.write_text("[Service]\nLimitNOFILE=54321\n")
    said("changed +release", 0, "deploy", *b.bundle("older", change=knows_no_no_modules))
    template.write_text("of the newer\n")
    said(r"changed +endpoints\.json, release", 0, "deploy")
    print(said(r"went back .*\n.*cannot check a configuration apart from its modules", 0, "rollback"))
    check(now()[1:] == second[1:] and b.ready(OBERON), f"back at the older release: {now()}")
    template.write_text('{"of": "{{ inventory_hostname_short }}", "token": "second"}\n')
    said("changed +release", 0, "deploy")

    # What does not start takes all of it back.
    limits.write_text("[Service]\nExecStart=\nExecStart=/nonexistent\n")
    template.write_text("third\n")
    print(said("rolled back", ROLLED_BACK, "deploy"))
    check(now()[1:] == second[1:] and b.ready(OBERON), f"not as before: {now()}")

    # What fleet.yaml does not name any more goes.
    (b.tree / "fleet.yaml").unlink()
    config.write_text(without_module)
    said(r"- endpoints\.json +reload\n +- more\.alloy +reload\n +- fleet-agent\.service\.d/limits\.conf +restart", 0, "plan")
    said(r"changed +config\.alloy, removed endpoints\.json, removed more\.alloy, removed fleet-agent\.service\.d/limits\.conf \(restart\)", 0, "deploy")
    left = b.on(OBERON, f"ls {beside} {drop_in} /etc/fleet-agent/more.alloy 2>/dev/null; true")
    check(left == "" and now()[1] == without[1] and b.ready(OBERON), f"{left} {now()}")


def knows_no_no_modules(files):
    """Makes of an agent one from before `validate --no-modules`."""
    (files / "bin/fleet-agent").rename(files / "bin/real")
    (files / "bin/fleet-agent").write_text('#!/bin/sh\n[ "$1 $2" != "validate --no-modules" ] || exit 109\nexec "${0%/*}/real" "$@"\n')
    (files / "bin/fleet-agent").chmod(0o755)


# Stands before an agent's program. When `apply` tells the step that /run/cut names, it cuts, "link": SSH on the host's side, or
# "apply": the process itself, by KILL.
CUTTER = """#!/bin/sh
real=${0%/*}/real
[ "$1" = apply ] && [ -f /run/cut ] || exec "$real" "$@"
IFS=: read -r step what </run/cut
trap '' PIPE
rm -f /run/cut.pipe
mkfifo /run/cut.pipe
exec 3<&0
"$real" "$@" <&3 3<&- >/run/cut.pipe &
exec 3<&- 9>&-
while IFS= read -r line; do
  case $line in *"{\\"step\\":\\"$step\\"}")
    if [ "$what" = apply ]; then kill -9 $!; else
      for p in /proc/[0-9]*; do grep -qs '^sshd: root' $p/cmdline && kill -9 ${p#/proc/}; done
    fi
    rm /run/cut ;;
  esac
  printf '%s\\n' "$line"
done </run/cut.pipe
wait $!
"""


def cuts_at_every_step(b):
    """What survives_a_cut_connection does, where apply says that it is at a step, on three hosts beside each other. That apply itself
    dies at any moment, tests/agent/install/transaction_test.cc tries on a host that is not real."""
    def stand_before(files):
        (files / "bin/fleet-agent").rename(files / "bin/real")
        (files / "bin/fleet-agent").write_text(CUTTER)
        (files / "bin/fleet-agent").chmod(0o755)

    cutting = b.bundle("cutting", change=stand_before)
    templates = {PUCK: "puck/", OBERON: "oberon/", CALIBAN: ""}
    good = {host: (b.tree / f"templates/{folder}config.alloy.j2").read_text() for host, folder in templates.items()}

    def write(texts):
        for host, text in texts.items():
            (b.tree / f"templates/{templates[host]}config.alloy.j2").write_text(good[host] + text)

    def deploy():
        status, said = b.fleetctl("deploy", *cutting, "--format", "json")
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return status, said, {line["host"]: line for line in lines if line["type"] == "host"}

    def marks(host):
        return re.findall(r"// cut (\S+)", b.on(host, f"cat {CONFIG}"))

    b.deploy(*cutting)
    rounds = [("link", ("look", "user", "validate")), ("link", ("save", "install", "reload")), ("link", ("restart", "wait", "deliver")),
              ("link", ("commit", "roll back", "reload")), ("apply", ("install", "wait", "roll back"))]
    finished = 0
    for number, (what, steps) in enumerate(rounds):
        cuts, mark = dict(zip(HOSTS, steps)), str(number)
        # The port is one that the agent may not have: it refuses at the reload what validates.
        write({host: f"\n// cut {mark}\n" + ('loki.source.syslog "cut" {\n  listener {\n    address = "127.0.0.1:1"\n  }\n'
                                            '  forward_to = []\n}\n' if step == "roll back" else "") for host, step in cuts.items()})
        before = {host: marks(host) for host in HOSTS}
        for host, step in cuts.items():
            b.on(host, f"echo '{step}:{what}' >/run/cut" + (f"; systemctl stop {UNIT}" if step == "restart" else ""))
        status, said, told = deploy()
        begun = {}
        for host, step in cuts.items():
            where = f"{host}, {what} cut at {step!r}"
            check(status == 3 and told[host]["state"] == "lost", f"{where}: status {status}:\n{said}")
            b.on(host, "flock -w 90 /run/fleetctl.lock true")
            check(b.on(host, "ls /run/cut 2>/dev/null || true") == "", f"{where}: there was no such step")
            begun[host] = b.on(host, "cat /var/lib/fleetctl/underway.json 2>/dev/null || true") != ""
            now = marks(host)
            if what == "link":  # apply is alone and comes to its end
                check(not begun[host] and now == (before[host] if step == "roll back" else [mark]), f"{where}: {now}")
            check(now in (before[host], [mark]), f"{where}: {now}")
            eventually(lambda host=host: b.ready(host), 30, f"{where}: ready")
        write({host: f"\n// cut {mark}-next\n" for host in HOSTS})
        status, said, told = deploy()
        for host, step in cuts.items():
            where = f"{host}, {what} cut at {step!r}"
            check(status == 0 and told[host]["state"] == "changed" and marks(host) == [f"{mark}-next"], f"{where}, the next:\n{said}")
            check(any("was interrupted" in note for note in told[host]["notes"]) == begun[host], f"{where}, the next:\n{said}")
            check(b.on(host, "ls -d /etc/fleet-agent/.config.alloy.staged /var/lib/fleetctl/underway.json 2>/dev/null || true") == "",
                  f"{where}: something stayed")
            finished += begun[host]
    print(f"{finished} deploys were begun, not ended, and finished by the next")
    write(dict.fromkeys(HOSTS, ""))


def survives_a_cut_connection():
    """The SSH connection dies at any moment of a deploy: the host is whole, its agent ships, the next deploy completes."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    with bed() as b:
        mint = Mint("cut", seed)
        template = b.tree / "templates/oberon/config.alloy.j2"
        good = template.read_text()
        start = time.monotonic()
        b.deploy(limit=[OBERON])
        takes = {"everything": time.monotonic() - start}
        template.write_text(good + "\n// turn x\n")
        start = time.monotonic()
        b.deploy(limit=[OBERON])
        takes["configuration"] = time.monotonic() - start
        cut, ended = 0, {"as wished": 0, "as before": 0}
        for turn in range(8):
            kind = "configuration" if turn % 4 else "everything"
            if kind == "everything":  # as if the agent were new: the whole release travels again
                b.on(OBERON, f"systemctl stop {UNIT}; rm -rf /opt/fleet-agent /var/lib/fleetctl")
            template.write_text(good + f"\n// turn {turn}\n")
            deploy = subprocess.Popen(b.command("deploy", "--limit", OBERON), cwd=b.tree, env=b.environment(), text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                deploy.wait(rng.uniform(0.1, 0.9) * takes[kind])
            cut += deploy.poll() is None
            if turn % 2:
                deploy.kill()  # the operator's side vanishes
            else:  # the host's side is cut: sshd's process of this connection
                b.on(OBERON, "for p in /proc/[0-9]*; do grep -qs '^sshd: root' $p/cmdline && kill -9 ${p#/proc/}; done; true")
            said, _ = deploy.communicate(timeout=120)
            check(deploy.returncode == 0 or turn % 2 or OBERON in said, f"turn {turn}: no line about the host:\n{said}")
            # What apply began it finishes or undoes by itself, and the lock tells when.
            b.on(OBERON, "flock -w 90 /run/fleetctl.lock true")
            if kind == "configuration":
                eventually(lambda: b.ready(OBERON), 20, lambda: f"turn {turn}: ready; {b.snapshot(OBERON)}")
                config = b.on(OBERON, f"cat {CONFIG}")
                marks = re.findall(r"// turn (\S+)", config)
                check(len(marks) == 1, f"turn {turn}: a torn configuration:\n{config}")
                ended["as wished" if marks == [str(turn)] else "as before"] += 1
                check(b.ships(OBERON, mint)["hostname"] == OBERON, f"turn {turn}: does not ship")
            b.deploy_when_free(limit=[OBERON])
            check(f"// turn {turn}" in b.on(OBERON, f"cat {CONFIG}"), f"turn {turn}: the next deploy did not complete")
            check(b.ready(OBERON), f"turn {turn}: not ready after the next deploy")
        check(b.ships(OBERON, mint)["hostname"] == OBERON, "does not ship in the end")
        check(b.on(OBERON, "systemctl is-system-running") == "running", "the host is degraded")
        print(f"a deploy takes {takes}; cut in the middle {cut} times; the configuration ended {ended}")
        check(cut >= 4, f"only {cut} of 8 deploys were cut in the middle")
        cuts_at_every_step(b)


def speaks_clearly():
    """Unreachable, wrong key, no sudo, full disk: one clear line each, the others go on, exit status not 0."""
    with bed() as b:
        mint = Mint("clear", random.randrange(1 << 32))
        b.reach({PUCK: "ansible_user=guest ansible_become=true", OBERON: "", CALIBAN: ""})
        known = Path(b.lab.folder / "known_hosts")
        kept = known.read_text()
        other = subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", b.folder / "other"], check=True)
        check(other.returncode == 0, "ssh-keygen")
        key = " ".join((b.folder / "other.pub").read_text().split()[:2])
        known.write_text(re.sub(rf"(?m)^({re.escape(b.lab.address(OBERON))}) .*$", rf"\1 {key}", kept))
        status, said = b.fleetctl("deploy")
        print(said)
        check(status != 0, f"status {status}")
        lines = {host: [line for line in said.splitlines() if host in line] for host in HOSTS}
        check(any("sudo" in line for line in lines[PUCK]), f"no sudo is not said:\n{said}")
        check(any("key" in line for line in lines[OBERON]), f"the wrong host key is not said:\n{said}")
        check(b.ships(CALIBAN, mint)["hostname"] == CALIBAN, "the third host did not go on")
        check(b.on(OBERON, "ls -d /opt/fleet-agent /etc/fleet-agent 2>/dev/null || true") == "", "oberon was touched")

        known.write_text(kept)
        b.reach({PUCK: "ansible_host=" + b.lab.gateway.rsplit(".", 1)[0] + ".250 ansible_ssh_timeout=3", OBERON: "", CALIBAN: ""})
        b.on(OBERON, "mkdir -p /opt && mount -t tmpfs -o size=200k tmpfs /opt")
        status, said = b.fleetctl("deploy")
        print(said)
        check(status != 0, f"status {status}")
        lines = {host: [line for line in said.splitlines() if host in line] for host in HOSTS}
        check(any(re.search(r"unreachable|no route|timed out|connect", line, re.I) for line in lines[PUCK]),
              f"unreachable is not said:\n{said}")
        check(any(re.search(r"space|disk", line, re.I) for line in lines[OBERON]), f"the full disk is not said:\n{said}")
        b.on(OBERON, "umount /opt")
        b.reach(dict.fromkeys(HOSTS, ""))
        b.deploy()
        for host in HOSTS:
            check(b.ships(host, mint)["hostname"] == host, f"{host} does not ship in the end")


def keeps_what_works():
    """A canary whose deliveries are refused stops the run; a new agent comes, one that dies and a broken unit go; a planned deploy
    does what was planned; a held lock says whose, and is ended; two operators do not mix; a host behind a jump host is reached, and rid of its agent."""
    with bed() as b:
        mint = Mint("keeps", random.randrange(1 << 32))
        b.deploy()
        b.ships(OBERON, mint)

        def release(host):
            return b.on(host, "readlink /opt/fleet-agent/current")

        def append(text, tree=b.tree, host="oberon/"):
            path = tree / f"templates/{host}config.alloy.j2"
            before = path.read_text()
            path.write_text(before + text)
            return lambda: path.write_text(before)

        def refused(words, wanted, status=ROLLED_BACK, **options):
            got, said = b.fleetctl("deploy", *words, **options)
            check(got == status and re.search(wanted, said), f"deploy {words}: status {got}, wanted {status} {wanted!r}:\n{said}")
            return said

        # The receiver refuses what the canary's new configuration sends: back, and the others were not touched.
        config, others = b.on(OBERON, f"cat {CONFIG}"), {host: b.snapshot(host) for host in (PUCK, CALIBAN)}
        undo = append("// for all\n", host=""), append("// for all\n")
        path = b.tree / "templates/oberon/config.alloy.j2"
        good = path.read_text()
        path.write_text(good.replace("{{ loki_url }}", "http://prospero.incus:3100/nowhere"))
        check(path.read_text() != good, "oberon's template has no receiver of its own")
        print(refused(("--canary", OBERON, "--serial", "1"), "no receiver took a log entry within .* refused; the agent before it",
                      status=TOO_MANY))
        check(b.on(OBERON, f"cat {CONFIG}") == config, "the canary's configuration is not back")
        for host, before in others.items():
            check(b.snapshot(host) == before, f"{host} was touched after a bad canary")
        check(b.ships(OBERON, mint)["hostname"] == OBERON, "the canary does not ship")
        for one in undo[::-1]:
            one()

        # Another agent; then one that validates and dies, and a unit that starts nothing.
        newer = b.bundle("newer", change=lambda files: (files / "share/note").write_text("newer"))
        old = release(OBERON)
        b.deploy(*newer, limit=[OBERON])
        new = release(OBERON)
        check(new != old and b.ready(OBERON), f"the new agent is not there: {new}")

        def dies(files):
            (files / "bin/fleet-agent").rename(files / "bin/real")
            (files / "bin/fleet-agent").write_text('#!/bin/sh\n[ "$1" != run ] || exit 3\nexec "${0%/*}/real" "$@"\n')
            (files / "bin/fleet-agent").chmod(0o755)

        unit = b.on(OBERON, f"cat /etc/systemd/system/{UNIT}")
        refused(b.bundle("dying", change=dies), "rolled back", limit=[OBERON])
        broken = b.bundle("broken", unit=lambda text: re.sub(r"(?m)^ExecStart=.*", "ExecStart=/nonexistent", text))
        refused(broken, "rolled back", limit=[CALIBAN])
        check(release(OBERON) == new and b.on(OBERON, f"cat /etc/systemd/system/{UNIT}") == unit, "the new agent is not back")
        check("nonexistent" not in b.on(CALIBAN, f"cat /etc/systemd/system/{UNIT}"), "the unit is not back")
        for host in (OBERON, CALIBAN):
            check(b.ships(host, mint)["hostname"] == host, f"{host} does not ship after going back")

        # A plan is kept to: the edit on the host and the edit of the tree are both found.
        undo = append("// planned\n", host="")
        plan = b.folder / "plan.json"
        status, said = b.fleetctl("plan", "--out", plan, limit=[CALIBAN])
        check(status == 0 and "Saved" in said, said)
        b.on(CALIBAN, f"echo '// by hand' >> {CONFIG}")
        refused(("--plan", plan), "not as it was when the plan was made", status=3, limit=[CALIBAN])
        b.on(CALIBAN, f"sed -i '/by hand/d' {CONFIG}")
        again = append("// more\n", host="")
        refused(("--plan", plan), "would get another configuration", status=REFUSED, limit=[CALIBAN])
        again()
        b.deploy("--plan", plan, limit=[CALIBAN])
        check("// planned" in b.on(CALIBAN, f"cat {CONFIG}"), "what was planned is not there")
        print(b.fleetctl("rollback", "--check", limit=[CALIBAN])[1])
        undo()

        # Somebody's lock, left held; then two at once, each with a tree of its own.
        b.on(CALIBAN, "systemd-run -q --unit=holder flock /run/fleetctl.lock "
                      "sh -c 'echo you@there, run r9 since 2026-01-01T00:00:00Z >/run/fleetctl.lock; exec sleep 600'")
        eventually(lambda: "you@there" in b.on(CALIBAN, "cat /run/fleetctl.lock"), 20, "the lock is held")
        refused((), "you@there, run r9 since 2026-01-01T00:00:00Z", status=LOCKED, limit=[CALIBAN])
        status, said = b.fleetctl("unlock", "--list", limit=[CALIBAN])
        check(status == LOCKED and "you@there" in said and "sleep (" in said, said)
        status, said = b.fleetctl("unlock", "--yes", limit=[CALIBAN])
        check(status == 0 and re.search(rf"(?m)^{CALIBAN}\s+free", said), f"unlock: {status}\n{said}")
        status, said = b.fleetctl("history", limit=[CALIBAN])
        check(status == 0 and "rolled-back" in said and "config.alloy (reload)" in said, f"history: {status}\n{said}")
        status, said = b.fleetctl("doctor", "--all", limit=[CALIBAN])
        check(status == 0 and re.search(r"agent\s+ok\s+release [0-9a-f]{16} runs", said) and " bad " not in said, f"doctor: {status}\n{said}")
        other = b.folder / "other"
        shutil.copytree(b.tree, other)
        append("// one\n", host="")
        append("// two\n", tree=other, host="")
        runs = [b.begin("deploy", limit=[CALIBAN], tree=tree) for tree in (b.tree, other)]
        said = [run.communicate(timeout=120)[0] for run in runs]
        check({run.returncode for run in runs} <= {0, LOCKED} and 0 in [run.returncode for run in runs], f"two at once: {said}")
        config = b.on(CALIBAN, f"cat {CONFIG}")
        check(("// one" in config) != ("// two" in config), f"not one of the two:\n{config}")

        # Through another host of the fleet.
        args = f"-o UserKnownHostsFile={b.lab.folder}/known_hosts -o IdentitiesOnly=yes -J root@{b.lab.address(PUCK)}"
        b.reach({PUCK: "", OBERON: "", CALIBAN: f"ansible_ssh_common_args='{args}'"})
        append("// behind\n", host="")
        b.deploy(limit=[CALIBAN])
        check("// behind" in b.on(CALIBAN, f"cat {CONFIG}"), "nothing came through the jump host")
        with b.pages(CALIBAN) as url:
            check("loki_write_sent_entries_total" in fleetlab.http(url + "metrics", timeout=60)[1], "its pages do not come through the jump host")
        last = b.on(CALIBAN, "journalctl -q -u ssh.service -o cat -g 'Accepted publickey' | tail -n 1")
        check(f"from {b.lab.address(PUCK)} " in last, f"not through the jump host: {last}")

        # Nothing of the agent is left.
        status, said = b.fleetctl("uninstall", "--purge", "--yes", limit=[CALIBAN])
        check(status == 0 and "uninstalled" in said, f"uninstall: {status}\n{said}")
        left = b.on(CALIBAN, f"ls -d /opt/fleet-agent /etc/fleet-agent /var/lib/fleet* /etc/systemd/system/*/{UNIT} "
                             f"/etc/systemd/system/{UNIT} 2>/dev/null; id -u fleet-agent 2>/dev/null; true")
        check(left == "", f"left behind: {left}")


if __name__ == "__main__":
    fleetlab.main([ships, walks, refuses_a_broken_template, rolls_back, survives_a_cut_connection, speaks_clearly,
                   keeps_what_works])
