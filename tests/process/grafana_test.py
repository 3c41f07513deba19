#!/usr/bin/python3
"""grafana_test.py CASE | --list: the example fleet's own configuration runs, a real Prometheus with the alert rules of
packaging/grafana receives, and every query of every dashboard and alert has an answer there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import BIN, ROOT, check, eventually
from own_world import in_a_world
from prometheus_server import Prometheus

GRAFANA = ROOT / "packaging/grafana"

# Panels that may have no data, and why: their query is asked all the same, and must not be an error.
EMPTY = {
    "Fleet: hosts, Collectors that fail": "empty is what it should be",
    "Fleet: containers, Read": "kernels with control groups of version 1 do not always count it",
    "Fleet: containers, Written": "the same",
}


def render(world, *hosts):
    """The repository's fleet as fleetctl renders it, scraped each second, with all collectors. -> {host: its configuration}"""
    tree = world.folder / "tree"
    for name in ("inventory", "group_vars", "host_vars", "templates"):
        shutil.copytree(ROOT / name, tree / name)
    world.shell(f"cd {tree} && {BIN}/fleetctl render --limit {','.join(hosts)} --output {world.folder}/rendered "
                """-e '{"scrape_interval": "1s", "unix_collectors": []}'""")
    return {host: world.folder / f"rendered/{host}/config.alloy" for host in hosts}


def queries(kind):
    """-> [(dashboard, panel, query)] with Grafana's variables as they are when everything is chosen."""
    for path in sorted(GRAFANA.glob("*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                if target["datasource"]["type"] == kind:
                    query = target["expr"].replace("$__rate_interval", "1m").replace("$__auto", "1m")
                    yield board["title"], panel["title"], re.sub(r"\$\w+", ".*", query)


def selectors(expression):
    """The series that an alert's expression reads."""
    return set(re.findall(r"\b(?:up|(?:alloy|container|loki|node|process|prometheus)_\w+)\b(?:{[^}]*})?|{[^}]*}", expression))


def loki_queries_are_understood():
    """What the dashboards ask of Loki selects streams and lines in a way that the agent's own reader of selectors takes."""
    parts = [part for _, _, query in queries("loki") for part in re.findall(r'{[^}]*}(?: \|[~=] "[^"]*")*', query)]
    check(len(parts) == 3, f"{parts}")
    stages = "".join(f"  stage.match {{\n    selector = `{part}`\n    action   = \"drop\"\n  }}\n" for part in parts)
    done = subprocess.run([BIN / "fleet-agent", "validate", "/dev/stdin"], capture_output=True, text=True,
                          input=f'loki.process "all" {{\n{stages}  forward_to = [loki.echo.all.receiver]\n}}\nloki.echo "all" {{ }}\n')
    check(done.returncode == 0, done.stdout + done.stderr)


@in_a_world
def every_query_has_an_answer(world):
    """The fleet's puck and rosalind scrape and write: each panel has data, each alert finds its series and is quiet."""
    world.shell("ip link add eth0 type veth peer name eth1 && ip link set eth0 up && ip link set eth1 up")
    # A container that works against its limits, with a network and a disk.
    world.lab.docker("run", "-d", "--name", "athena-app-1", "--network", "none", "--cpus", "0.2", "--memory", "64m",
                     "--label", "com.docker.compose.project=athena", "--label", "com.docker.compose.service=app", "lab:1", "/bin/sh", "-c",
                     "while :; do echo served; i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; "
                     "dd if=/dev/zero of=/file bs=4096 count=8 oflag=direct; dd if=/file of=/dev/null bs=4096 iflag=direct; done")
    process = world.lab.docker("inspect", "-f", "{{.State.Pid}}", "athena-app-1").strip()
    world.shell(f"ip link add outer type veth peer name eth0 netns {process} && nsenter -t {process} -n ip link set eth0 up")
    configurations = render(world, "puck.incus", "rosalind.incus")
    world.write("/var/log/apache2/access.log", "GET / 200\n")
    with Prometheus(world.folder / "prometheus", port=9090, rules=GRAFANA / "alerts.yml") as prometheus, \
         world.agent_runs(configurations["puck.incus"], f"--storage.path={world.folder}/puck"), \
         world.agent_runs(configurations["rosalind.incus"], f"--storage.path={world.folder}/rosalind",
                          "--server.http.listen-addr=127.0.0.1:12346", pages="http://127.0.0.1:12346"):
        world.arrived("GET / 200")
        empty = list(queries("prometheus"))

        def answered():
            empty[:] = [(board, panel, query) for board, panel, query in empty
                        if not prometheus.query(query) and f"{board}, {panel}" not in EMPTY]
            return not empty
        eventually(answered, 90, lambda: "an answer to " + "\n".join(map(str, empty)), interval=1)
        groups = json.loads(fleetlab.http(prometheus.url + "/api/v1/rules")[1])["data"]["groups"]
        for group, rule in [(group["name"], rule) for group in groups for rule in group["rules"]]:
            if group == "fleet-hosts":  # what they say is this machine's affair
                prometheus.query(rule["query"])
            else:
                eventually(lambda rule=rule: not prometheus.query(rule["query"]), 30, f"{rule['name']} has nothing to say")
            for selector in selectors(rule["query"]):
                check(prometheus.query(f"last_over_time({selector}[5m])"), f"{rule['name']}: {selector} finds nothing")
        labels = prometheus.query('container_last_seen{instance="puck.incus", name="athena-app-1"}')[0]["metric"]
        wanted = {"service": "athena", "component": "app", "hostname": "puck.incus", "environment": "ouranos",
                  "job": "integrations/cadvisor", "image": "lab:1"}
        check(wanted.items() <= labels.items() and not [name for name in labels if name.startswith("container_")], f"labels {labels}")


if __name__ == "__main__":
    fleetlab.main([loki_queries_are_understood, every_query_has_an_answer])
