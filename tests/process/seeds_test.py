#!/usr/bin/python3
"""seeds_test.py CASE | --list: the configurations of tests/fixtures/seeds run as their documents say, and give the labels,
drops, metrics and answers that the documents promise.

Each case has mounts and a network of its own (tests/support/own_world.py), in which the documents' paths, names and ports are
free. The texts are not touched; what a document leaves to the reader's environment (variables, Jinja values, compose labels)
is set there.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import BIN, ROOT, check, eventually, http
from own_world import PAGES, in_a_world
from prometheus_server import Prometheus

SEEDS = ROOT / "tests/fixtures/seeds"


def text(name, suffix="alloy"):
    return (SEEDS / f"{name}.{suffix}").read_text()


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


@in_a_world
def ouranos_metrics(world):
    """Metrics of the host, of each command and of each container arrive at Prometheus under the host's name."""
    tree = world.folder / "ansible"
    world.write(tree / "inventory/hosts.yml", "all:\n  hosts:\n    puck.incus:\n      services: [alloy, docker]\n")
    world.write(tree / "templates/puck/config.alloy.j2", text("ouranos_metrics", "alloy.j2"))
    world.shell(f"cd {tree} && {BIN}/fleetctl render --limit puck --output /etc/alloy")
    world.container("athena-app-1", "while :; do echo busy; done >/dev/null", project="athena", service="app")
    with Prometheus(world.folder / "prometheus", port=9090) as prometheus, \
         world.agent_runs("/etc/alloy/puck.incus/config.alloy"):
        def asked(query, what):
            return eventually(lambda: prometheus.query(query), 60, what)
        asked('count(up{instance="puck.incus"} == 1) == 3', "three exporters are up")
        jobs = {row["metric"]["job"] for row in prometheus.query("up")}
        check(jobs == {"integrations/unix", "integrations/process", "integrations/cadvisor"}, f"jobs {jobs}")
        for name in ("node_load1", "node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_filesystem_avail_bytes",
                     "node_network_receive_bytes_total", "node_uname_info", 'namedprocess_namegroup_num_procs{groupname="fleet-agent"}',
                     'namedprocess_namegroup_memory_bytes{groupname="dockerd"}', 'namedprocess_namegroup_cpu_seconds_total{groupname="prometheus"}'):
            found = asked(name, name)
            check({row["metric"]["instance"] for row in found} == {"puck.incus"}, f"{name}: {found}")
        check(prometheus.query("node_disk_reads_completed_total") == [], "a collector that is not safe in Incus")
        busy = asked('sum by (instance, name, container_label_com_docker_compose_project, container_label_com_docker_compose_service) '
                     '(rate(container_cpu_usage_seconds_total{name="athena-app-1"}[1m])) > 0.01', "the container uses the CPU")
        check(busy[0]["metric"] == {"instance": "puck.incus", "name": "athena-app-1", "container_label_com_docker_compose_project": "athena",
                                    "container_label_com_docker_compose_service": "app"}, f"{busy}")
        memory = prometheus.value('container_memory_working_set_bytes{name="athena-app-1", image="lab:1"}')
        check(memory and 0 < memory < 64 << 20, f"the container's memory: {memory}")


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
        check("discovery.docker.containers" in http(PAGES + "/api/v0/web/components")[1], "the page shows the discovery")
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
        for page in ("/metrics", "/api/v0/ui/overview", "/api/v0/ui/component/loki.write.grafana_cloud"):
            check("glc_secret" not in http(PAGES + page)[1], f"{page} shows the password")


@in_a_world
def svlnas_metrics(world):
    """Metrics for Grafana Cloud's "Linux Server": its job and instance; the document's own check of them holds."""
    world.write("/etc/alloy/config.alloy", text("svlnas_metrics"))
    environment = {"HOSTNAME_OVERRIDE": "svlnas", "GRAFANA_PROM_URL": "http://prospero.incus:9090/api/v1/write",
                   "GRAFANA_PROM_USERNAME": "123456", "GRAFANA_PROM_PASSWORD": "glc_secret"}
    with Prometheus(world.folder / "prometheus", port=9090) as prometheus, \
         world.agent_runs("/etc/alloy/config.alloy", "--storage.path=/var/lib/alloy", environment=environment):
        eventually(lambda: prometheus.query('up{job="alloy",host="svlnas"} == 1'), 60, "the agent is up")
        eventually(lambda: prometheus.query('node_load1{job="integrations/node_exporter", instance="svlnas", host="svlnas"}'), 60, "load")
        # "node_* series with that exact job and instance": all of them, and the target's own.
        pair = {"job": "integrations/node_exporter", "instance": "svlnas", "host": "svlnas"}
        rows = prometheus.query('count by (job, instance, host) ({__name__=~"node_.+"})')
        check([row["metric"] for row in rows] == [pair] and float(rows[0]["value"][1]) > 200, f"node_*: {rows}")
        up = [row["metric"] for row in prometheus.query('up{instance="svlnas"}')]
        check(up == [{"__name__": "up", **pair}], f"up: {up}")
        for page in ("/metrics", "/api/v0/ui/overview", "/api/v0/ui/component/prometheus.remote_write.grafana_cloud"):
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
    fleetlab.main([ouranos, ouranos_metrics, promtail_successor, promtail_successor_with_less_volume, compose_services, svlnas_logs,
                   svlnas_metrics, alloy_stack])
