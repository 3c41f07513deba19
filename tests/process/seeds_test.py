#!/usr/bin/python3
"""seeds_test.py CASE | --list: the configurations of tests/fixtures/seeds run as their documents say, and give the labels,
drops, metrics and answers that the documents promise.

Each case has mounts and a network of its own, in which the documents' paths, names and ports are free: /var/run/docker.sock
is a real Docker Engine's, `loki:3100` and `prospero.incus:3100` are the judge, /etc and /var are copies on write. The texts
are not touched; what a document leaves to the reader's environment (variables, Jinja values, compose labels) is set there.
"""

import contextlib
import ctypes
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import BIN, ROOT, Judge, Lab, check, eventually, http

SEEDS = ROOT / "tests/fixtures/seeds"
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
PAGES = "http://127.0.0.1:12345"


def text(name):
    return (SEEDS / f"{name}.alloy").read_text()


class World:
    """What the documents take for granted: this process's own mounts and network, a Docker Engine, a Loki."""

    def __init__(self, folder, lab, judge):
        self.folder, self.lab, self.judge = folder, lab, judge
        self.agent = None

    def write(self, path, content):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def container(self, name, script, **labels):
        """A container on the default json-file driver; labels are Compose's."""
        words = [word for key, value in labels.items() for word in ("--label", f"com.docker.compose.{key}={value}")]
        self.lab.docker("run", "-d", "--name", name, "--network", "none", *words, "lab:1", "/bin/sh", "-c", script)
        return self.lab.docker("inspect", "-f", "{{.Id}}", name).strip()

    def journal(self, *entries):
        """Entries of the machine's own journal."""
        machine = Path("/etc/machine-id").read_text().strip()
        folder = Path("/var/log/journal") / machine
        folder.mkdir(parents=True, exist_ok=True)
        lines = []
        now = time.time_ns() // 1000 - len(entries)
        for number, fields in enumerate(entries):
            entry = {"__REALTIME_TIMESTAMP": now + number, "__MONOTONIC_TIMESTAMP": 1000 + number, "_BOOT_ID": "0" * 31 + "1",
                     "PRIORITY": 6, **fields}
            lines += [f"{name}={value}" for name, value in entry.items()] + [""]
        subprocess.run(["/lib/systemd/systemd-journal-remote", "-o", folder / "system.journal", "-"], check=True,
                       input="\n".join(lines).encode() + b"\n", stderr=subprocess.DEVNULL)

    @contextlib.contextmanager
    def agent_runs(self, *words, environment=None):
        """`fleet-agent run WORDS`, from the folder that its service would have."""
        self.log = self.folder / "agent.log"
        with open(self.log, "ab") as log:
            process = subprocess.Popen([BIN / "fleet-agent", "run", *words], cwd=self.folder, stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        try:
            eventually(lambda: process.poll() is None and http(PAGES + "/-/ready", timeout=2)[0] == 200, 20,
                       lambda: f"the agent is ready; its log ends: {self.log.read_text()[-2000:]}")
            yield process
            process.send_signal(signal.SIGTERM)
            check(process.wait(10) == 0, "exit status")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def arrived(self, line, seconds=60):
        """-> the entry of this line."""
        def find():
            return [entry for entry in self.judge.entries() if entry["line"] == line]
        found = eventually(find, seconds, lambda: f"'{line}' arrives; what did: {[entry['line'] for entry in self.judge.seen][-20:]}; "
                                               f"the agent's log ends: {self.log.read_text()[-1500:]}")
        check(self.judge.count()["malformed"] == [], f"malformed pushes: {self.judge.count()['malformed'][:3]}")
        return found[0]

    def expect(self, line, **labels):
        """The line arrives with exactly these labels. -> the entry"""
        entry = self.arrived(line)
        check(entry["labels"] == labels, f"'{line}' has the labels {entry['labels']}, not {labels}")
        return entry

    def never(self, part):
        check(not [entry for entry in self.judge.entries() if part in entry["line"]], f"a line with '{part}' arrived")

    def shell(self, command):
        """A verification command of a document. -> what it prints"""
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, cwd=self.folder)
        check(done.returncode == 0, f"{command}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout


def apart(folder):
    """Gives this process mounts and a network of its own; /etc, /run and /var/lib are copies, /var/log is empty."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    above = folder / "above"
    above.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", above], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var/log"], check=True)
    for path in ("/etc", "/run", "/var/lib"):
        upper, work = above / path[1:] / "upper", above / path[1:] / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", path],
                       check=True)
    Path("/etc/hosts").write_text("127.0.0.1 localhost loki prospero.incus\n")
    if not Path("/etc/machine-id").is_file() or not Path("/etc/machine-id").read_text().strip():
        Path("/etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")


def in_a_world(case):
    """The case runs in a process of its own, which the world ends with."""
    @functools.wraps(case)
    def run():
        fleetlab.as_root()
        sys.stdout.flush()
        with fleetlab.scratch_dir("fleet-seeds-test") as folder:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    apart(folder)
                    with Lab("/tmp/fleet-seeds", "seeds") as lab, Judge(port=3100) as judge:
                        lab.run("docker-up")
                        Path("/run/docker.sock").touch()
                        subprocess.run(["mount", "--bind", lab.docker_socket, "/run/docker.sock"], check=True)
                        case(World(folder, lab, judge))
                    status = 0
                except BaseException:  # as the child's own, with all it says
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(status)
            check(os.waitpid(child, 0)[1] == 0, "see above")
    return run


@in_a_world
def ouranos(world):
    """The fleet's templates, rendered by fleetctl: Docker discovery, the syslog listener, the journal with relabelling."""
    tree = world.folder / "ansible"
    world.write(tree / "inventory/hosts.yml", "all:\n  hosts:\n    puck.incus:\n")
    world.write(tree / "host_vars/puck.incus.yml",
                "services: [alloy, docker]\nkairos_syslog_port: 51431\nsyslog_format: rfc3164\ndeployment_environment: ouranos\n")
    # What the document says of loki.write in words.
    write = 'loki.write "default" {\n  endpoint {\n    url = "http://prospero.incus:3100/loki/api/v1/push"\n  }\n}\n'
    world.write(tree / "templates/puck/config.alloy.j2",
                text("ouranos_docker") + text("ouranos_syslog") + text("ouranos_journal") + write)
    world.shell(f"cd {tree} && {BIN}/fleetctl render --limit puck --output /etc/alloy")
    host = {"hostname": "puck.incus", "environment": "ouranos"}
    world.journal({"_SYSTEMD_UNIT": "kottos.service", "SYSLOG_IDENTIFIER": "kottos", "MESSAGE": "pallas is up"},
                  {"_SYSTEMD_UNIT": "ssh.service", "SYSLOG_IDENTIFIER": "sshd", "MESSAGE": "Accepted publickey"},
                  {"_TRANSPORT": "kernel", "SYSLOG_IDENTIFIER": "kernel", "MESSAGE": "no unit"})
    with world.agent_runs("/etc/alloy/puck.incus/config.alloy"):
        world.container("athena-mcp-1", "echo mcp says hello", project="athena", service="mcp")
        world.container("athena-app-1", "echo event=superuser_login >&2; sleep 60", project="athena", service="app")
        world.container("lonely", "echo nobody composed me")
        world.lab.docker("run", "-d", "--name", "kairos", "--network", "none", "--log-driver", "syslog", "--log-opt",
                         "syslog-address=tcp://127.0.0.1:51431", "--log-opt", "syslog-format=rfc3164", "lab:1", "/bin/sh", "-c",
                         "echo from the syslog driver")
        world.expect("mcp says hello", service="athena", component="mcp", container="athena-mcp-1", **host)
        world.expect("event=superuser_login", service="athena", component="app", container="athena-app-1", **host)
        world.expect("nobody composed me", service="lonely", container="lonely", **host)
        world.expect("from the syslog driver", job="kairos", **host)
        world.expect("pallas is up", service="pallas", job="systemd", **host)
        world.expect("Accepted publickey", job="systemd", **host)
        # What no rule labels keeps the component's own name, as in Alloy.
        world.expect("no unit", job="loki.source.journal.systemd_logs", **host)


RIVER = ("logging", "docker", "process", "write")


def river(*parts):
    return "".join(text(f"promtail_successor_{part}") for part in parts)


@in_a_world
def promtail_successor(world):
    """config.river with its server block, a Docker source without targets, and labels from what Docker knows."""
    world.write("/etc/alloy/config.river", river(*RIVER))
    said = world.shell(f"{BIN}/fleet-agent eval /etc/alloy/config.river 2>&1")
    check("insecure_skip_verify = true" in said and "container_id" in said, f"eval says {said}")
    compose = {"compose_service": "grafana", "compose_project": "obs"}
    before = world.container("grafana", "echo to stdout; echo to stderr >&2; sleep 60", service="grafana", project="obs")
    with world.agent_runs("--config.file=/etc/alloy/config.river", "--log.level=debug"):
        world.expect("to stdout", job="docker", stream="stdout", container="grafana", container_id=before, **compose)
        world.expect("to stderr", job="docker", stream="stderr", container="grafana", container_id=before, **compose)
        later = world.container("bare", "echo without compose")
        world.expect("without compose", job="docker", stream="stdout", container="bare", container_id=later)
        world.shell('curl -s http://localhost:12345/metrics > /dev/null && echo "✓ Alloy metrics OK"')
        found = world.shell("curl -s http://localhost:12345/metrics | grep loki_source_docker")
        check(re.search(r"^loki_source_docker_targets_active\{[^}]*\} [12]$", found, re.M), f"targets_active: {found}")
        check(re.search(r"^loki_source_docker_target_entries_total\{[^}]*\} 3$", found, re.M), f"entries: {found}")
        world.shell("curl -s http://localhost:12345/metrics | grep ^loki_write_ | head -10")
        world.shell("curl -s http://localhost:12345/metrics | grep ^alloy_")
        world.shell(f"grep -i 'connected\\|docker' {world.log} | head -10")
        check(http("http://localhost:12345/-/healthy")[0] == 200, "healthy")
        # What validate warns of is also in the log and in the answer to a reload, which it does not keep from working.
        status, said = http(PAGES + "/-/reload", b"")
        check(status == 200 and said.startswith("config reloaded\n") and "insecure_skip_verify = true\n" in said and "^~~~" in said,
              f"reload: {status} {said}")
        check(re.search(r"level=warn .*at=\S+config\.river:\d+:\d+ warning=.certificates are not verified", world.log.read_text()),
              "the warning is logged")
    # The position is the container's, in the component's own folder: what came meanwhile follows, nothing comes again.
    world.judge.post("/forget", {})
    world.judge.seen.clear()
    world.container("meanwhile", "echo while the agent was away; sleep 60")
    with world.agent_runs("--config.file=/etc/alloy/config.river"):
        world.arrived("while the agent was away")
        world.never("to std")


@in_a_world
def promtail_successor_with_less_volume(world):
    """The same with the stages of "Reduce Log Volume": containers whose name holds debug are dropped."""
    world.write("/etc/alloy/config.river", river("logging", "docker", "drop", "write"))
    with world.agent_runs("--config.file=/etc/alloy/config.river"):
        world.container("app-debug-1", "echo a noisy line", service="app", project="shop")
        world.container("app-1", "echo a useful line", service="app", project="shop")
        world.expect("a useful line", job="docker", stream="stdout", container="app-1", compose_service="app",
                     compose_project="shop")
        eventually(lambda: re.search(r'^loki_process_dropped_lines_total\{[^}]*reason="drop_stage"[^}]*\} 1$',
                                     http(PAGES + "/metrics")[1], re.M), 20, "the dropped line is counted")
        world.never("noisy")


@in_a_world
def compose_services(world):
    """Strict labels: app, env, service and stream, whatever the application's JSON holds; its time is Docker's."""
    world.write("/etc/alloy/config.alloy", text("compose_services"))
    line = json.dumps({"level": "error", "time": 1700000000000, "reqId": "abc123", "userId": "u1", "msg": "payment failed"})
    with world.agent_runs("/etc/alloy/config.alloy", "--server.http.listen-addr=0.0.0.0:12345",
                          "--storage.path=/var/lib/alloy", environment={"ALLOY_LOG_LEVEL": "info", "APP_ENV": "test"}):
        began = time.time_ns()
        world.container("runtime-app-1", f"echo '{line}'; echo plain >&2; sleep 60", service="app", project="runtime")
        world.container("bare", "echo no compose service")
        common = {"app": "cogni-template", "env": "test"}
        entry = world.expect(line, service="app", stream="stdout", **common)
        check(began <= entry["ts"] <= time.time_ns(), f"time stamp {entry['ts']}")
        check(entry["metadata"] == {}, f"structured metadata {entry['metadata']}")
        world.expect("plain", service="app", stream="stderr", **common)
        world.expect("no compose service", stream="stdout", **common)
        names = {name for one in world.judge.entries() for name in one["labels"]}
        check(names == {"app", "env", "service", "stream"}, f"labels {names}")
        check("discovery.docker.containers" in http(PAGES + "/")[1], "the page shows the discovery")
        check((Path("/var/lib/alloy") / "loki.source.docker.default").is_dir(), "positions lie in /var/lib/alloy")


@in_a_world
def svlnas_logs(world):
    """Containers and the journal for Grafana Cloud: one unit label for both transports, session noise and old lines dropped."""
    world.write("/etc/alloy/config.alloy", text("svlnas_logs"))
    old = time.time_ns() // 1000 - 13 * 3600 * 10**6
    world.journal({"__REALTIME_TIMESTAMP": old, "_SYSTEMD_UNIT": "ssh.service", "MESSAGE": "older than max_age"},
                  {"_SYSTEMD_UNIT": "session-7.scope", "_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "dccd",
                   "PRIORITY": 5, "MESSAGE": "deployed"},
                  {"_SYSTEMD_UNIT": "smartd.service", "_TRANSPORT": "stdout", "SYSLOG_IDENTIFIER": "smartd",
                   "PRIORITY": 4, "_PID": 77, "MESSAGE": "a disk ages"},
                  {"_SYSTEMD_UNIT": "cron.service", "_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "CRON",
                   "MESSAGE": "pam_unix(cron:session): session opened for user root"},
                  {"_SYSTEMD_UNIT": "cron.service", "_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "CRON",
                   "MESSAGE": "(root) CMD (true)"})
    environment = {"HOSTNAME_OVERRIDE": "svlnas", "GRAFANA_LOKI_URL": "http://loki:3100/loki/api/v1/push",
                   "GRAFANA_LOKI_USERNAME": "123456", "GRAFANA_LOKI_PASSWORD": "glc_secret"}
    with world.agent_runs("/etc/alloy/config.alloy", "--storage.path=/var/lib/alloy", environment=environment):
        host = {"host": "svlnas", "instance": "svlnas", "job": "integrations/node_exporter"}
        world.expect("deployed", unit="dccd", syslog_identifier="dccd", transport="syslog", level="notice", **host)
        world.expect("a disk ages", unit="smartd.service", syslog_identifier="smartd", transport="stdout", level="warning", **host)
        world.expect("(root) CMD (true)", unit="CRON", syslog_identifier="CRON", transport="syslog", level="info", **host)
        world.container("immich", "echo a photo", service="immich", project="photos")
        world.container("secret-keeper", "echo my secret")
        world.expect("a photo", host="svlnas", job="docker", compose_project="photos", compose_service="immich")
        world.never("session opened")
        world.never("older than")
        world.never("my secret")
        metrics = http(PAGES + "/metrics")[1]
        check(re.search(r'^loki_process_dropped_lines_total\{[^}]*reason="session_noise"[^}]*\} 1$', metrics, re.M),
              "the session line is counted")
        check(all(request["authorization"] == "Basic MTIzNDU2OmdsY19zZWNyZXQ=" for request in world.judge.requests()),
              "basic authentication")
        for page in ("/", "/metrics", "/component/loki.write.grafana_cloud"):
            check("glc_secret" not in http(PAGES + page)[1], f"{page} shows the password")


@in_a_world
def alloy_stack(world):
    """Docker's own files and system logs; /healthy on port 12345."""
    world.write("/etc/alloy/config.alloy", text("alloy_stack"))
    containers = Path("/var/lib/docker/containers")
    containers.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", world.lab.folder / "docker/data/containers", containers], check=True)
    world.write("/var/log/seeds.log", "a system log line\n")
    with world.agent_runs("/etc/alloy/config.alloy", "--server.http.listen-addr=0.0.0.0:12345"):
        began = time.time_ns()
        world.container("web", "echo from a file of Docker; echo and an error >&2")
        for line, stream in (("from a file of Docker", "stdout"), ("and an error", "stderr")):
            world.arrived(line + "\n", seconds=25)  # new files are looked for every 10 s
            entry = world.expect(line + "\n", job="docker", stream=stream)
            check(began <= entry["ts"] <= time.time_ns(), "the time is Docker's")
        world.expect("a system log line", job="system", filename="/var/log/seeds.log")
        check(http(PAGES + "/healthy")[0] == 200 and http(PAGES + "/ready")[0] == 200, "healthy and ready")


if __name__ == "__main__":
    fleetlab.main([ouranos, promtail_successor, promtail_successor_with_less_volume, compose_services, svlnas_logs, alloy_stack])
