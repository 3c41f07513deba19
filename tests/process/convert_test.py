#!/usr/bin/python3
"""convert_test.py CASE | --list: what `fleet-agent convert` makes of a host's Promtail and Prometheus runs, and goes on where they were.

The world is that of tests/support/own_world.py.
"""

import json
import socket
import sys
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import BIN, check, eventually, http
from own_world import PAGES, in_a_world
from prometheus_server import Prometheus

PROMTAIL = r"""
server: {http_listen_port: 9080, log_level: info}
positions: {filename: /var/lib/promtail/positions.yaml}
clients:
  - url: http://${LOKI}:3100/loki/api/v1/push
    batchwait: 50ms
    external_labels: {cluster: lab}
scrape_configs:
  - job_name: app
    static_configs:
      - targets: [localhost]
        labels: {job: app, __path__: /var/log/app*.log}
    pipeline_stages:
      - match: {selector: '{job="app"} |= "health"', action: drop}
      - regex: {expression: '^(?P<time>\\S+) (?P<level>[A-Z]+) (?P<msg>.*)$'}
      - timestamp: {source: time, format: RFC3339Nano}
      - template: {source: level, template: '{{ ToLower .Value }}'}
      - labels: {level: }
      - labeldrop: [filename]
      - output: {source: msg}
      - metrics: {app_lines: {type: Counter, config: {match_all: true, action: inc}}}
  - job_name: journal
    journal: {max_age: 12h, labels: {source: journal}}
    relabel_configs:
      - {source_labels: [__journal__systemd_unit], target_label: unit}
      - {source_labels: [__journal__systemd_unit], regex: noisy.service, action: drop}
  - job_name: containers
    docker_sd_configs: [{host: "unix:///var/run/docker.sock", refresh_interval: 5s}]
    relabel_configs:
      - {source_labels: [__meta_docker_container_name], regex: /(.*), target_label: container}
      - {source_labels: [container], regex: secret.*, action: drop}
  - job_name: syslog
    syslog: {listen_address: 127.0.0.1:1514, listen_protocol: udp, labels: {job: syslog}}
    relabel_configs: [{source_labels: [__syslog_message_hostname], target_label: host}]
  - job_name: pushed
    loki_push_api: {server: {http_listen_address: 127.0.0.1, http_listen_port: 3500}, labels: {via: push}}
"""

PROMETHEUS = """
global: {scrape_interval: 1s, external_labels: {cluster: lab}}
scrape_configs:
  - job_name: agent
    file_sd_configs: [{files: [/etc/prometheus/targets.yml]}]
    relabel_configs: [{source_labels: [job, __metrics_path__], target_label: from}]
    metric_relabel_configs: [{source_labels: [__name__], regex: promtail_custom_.*, action: keep}]
remote_write: [{url: "http://prospero.incus:9090/api/v1/write"}]
"""


@in_a_world
def promtail_and_prometheus(world):
    """Files, journal, containers, syslog and pushes go on behind Promtail's positions with their labels; metrics go on, too."""
    now = datetime.utcnow().isoformat() + "Z"
    sent = "sent by Promtail before\n"
    world.write("/var/log/app.log", sent + f"{now} ERROR it broke\n{now} INFO health is fine\n{now} WARN be careful\n")
    world.journal({"_SYSTEMD_UNIT": "ssh.service", "MESSAGE": "read by Promtail"},
                  {"_SYSTEMD_UNIT": "ssh.service", "MESSAGE": "for the agent"},
                  {"_SYSTEMD_UNIT": "noisy.service", "MESSAGE": "noise"})
    cursor = json.loads(world.shell("journalctl -q -D /var/log/journal -o json MESSAGE='read by Promtail'"))["__CURSOR"]
    container = world.container("web", "echo before; sleep 2.1; echo at the end; sleep 60")
    world.container("secret-keeper", "echo my secret; sleep 60")
    logged = eventually(lambda: [line for line in world.lab.docker("logs", "-t", "web").splitlines() if "at the end" in line], 30,
                        "the container's second line")[0]
    second = int(datetime.fromisoformat(logged[:19] + "+00:00").timestamp())
    world.write("/var/lib/promtail/positions.yaml",
                f'positions:\n  /var/log/app.log: "{len(sent)}"\n  cursor-{container}: "{second}"\n  journal-journal: {cursor}\n')

    world.write("/etc/prometheus/targets.yml", "- targets: ['127.0.0.1:12345']\n")
    promtail, prometheus_yml = world.write("/etc/promtail.yml", PROMTAIL), world.write("/etc/prometheus.yml", PROMETHEUS)
    Path("/etc/alloy").mkdir()
    world.shell(f"{BIN}/fleet-agent convert -f promtail -e -config.expand-env=true -o /etc/alloy/logs.alloy {promtail} 2>&1")
    world.shell(f"{BIN}/fleet-agent convert -f prometheus < {prometheus_yml} > /etc/alloy/metrics.alloy")

    with Prometheus(world.folder / "prometheus", port=9090) as prometheus, \
         world.agent_runs("/etc/alloy", "--storage.path=/var/lib/agent", environment={"LOKI": "loki"}):
        lab = {"cluster": "lab"}
        broken = world.expect("it broke", job="app", level="error", **lab)
        at = datetime.fromisoformat(now[:-1] + "+00:00").timestamp()
        check(abs(broken["ts"] / 1e9 - at) < 1e-3, f"the line's own time: {broken['ts']}, not {at}")
        world.expect("be careful", job="app", level="warn", **lab)
        world.expect("for the agent", source="journal", unit="ssh.service", **lab)
        world.expect("at the end", container="web", **lab)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            sender.sendto(f"<13>1 {stamp} router - - - - by datagram".encode(), ("127.0.0.1", 1514))
        world.expect("by datagram", job="syslog", host="router", **lab)
        push = json.dumps({"streams": [{"stream": {"app": "x"}, "values": [[str(time.time_ns()), "by push"]]}]})
        world.shell(f"curl -sSf -H 'Content-Type: application/json' -d '{push}' http://127.0.0.1:3500/loki/api/v1/push")
        world.expect("by push", app="x", via="push", **lab)
        for part in ("sent by Promtail", "health", "read by Promtail", "noise", "before", "secret"):
            world.never(part)
        mine = 'job="agent", instance="127.0.0.1:12345", cluster="lab", from="agent;/metrics"'
        eventually(lambda: prometheus.query(f'sum(promtail_custom_app_lines{{exported_job="app", {mine}}}) == 2'), 30, "the stage's metric")
        eventually(lambda: prometheus.query(f"up{{{mine}}} == 1"), 30, "up is kept")
        check(prometheus.query("loki_write_sent_entries_total") == [], "what the rule does not keep")
        check(http(PAGES + "/-/healthy")[0] == 200, "all is healthy")


if __name__ == "__main__":
    fleetlab.main([promtail_and_prometheus])
