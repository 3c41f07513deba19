#!/usr/bin/python3
"""verify_test.py CASE | --list: `fleetctl verify`, the real program, on this machine as the host, with a judge in Loki's place and
a real Prometheus. What the host would deliver is delivered by commands that stand in for systemd-cat and docker."""

import base64
import contextlib
import json
import stat
import sys
from pathlib import Path

from example_fleet import SYSTEM, Fleet, check, main

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from fleetlab import Judge, free_port, scratch_dir
from prometheus_server import Prometheus

FAILED, UNREACHABLE, USAGE = 3, 4, 64
NODE = "ariel.incus"
PUSH = """#!/usr/bin/python3
import json, re, sys, time, urllib.request
def push(line, ahead=0, **labels):
    body = json.dumps({"streams": [{"stream": labels, "values": [[str(time.time_ns() + ahead * 10**9), line]]}]}).encode()
    urllib.request.urlopen(urllib.request.Request("URL/loki/api/v1/push", body, {"Content-Type": "application/json"})).close()
"""
SYSTEMD_CAT = PUSH + """
push(sys.stdin.read().strip(), ahead=300, hostname="ariel.incus", job="systemd")
"""
DOCKER = PUSH + """
words = sys.argv[1:]
with open(__file__ + ".log", "a") as log:
    log.write(json.dumps(words) + "\\n")
if words[0] == "image":
    print("empty\\nother")
if words[0] == "run":
    if "empty" in words:
        sys.exit(127)
    push(re.search("echo (\\\\S+);", words[-1])[1], container="x", service_name="x")
"""
CONFIGURATION = """
loki.source.journal "all" {
  labels     = { hostname = "{{ inventory_hostname }}" }
  forward_to = [loki.write.default.receiver]
}
discovery.docker "all" { host = "unix:///var/run/docker.sock" }
loki.source.docker "all" {
  host       = "unix:///var/run/docker.sock"
  targets    = discovery.docker.all.targets
  forward_to = [loki.write.default.receiver]
}
loki.write "default" {
  endpoint {
    url       = "LOKI/loki/api/v1/push"
    tenant_id = "moons"
    basic_auth {
      username = "ariel"
      password = "{{ 'p4ss' ~ 'word' }}"
    }
  }
}
prometheus.exporter.self "me" { }
prometheus.scrape "me" {
  targets    = prometheus.exporter.self.me.targets
  forward_to = [prometheus.remote_write.default.receiver]
}
prometheus.remote_write "default" {
  endpoint { url = "PROMETHEUS/api/v1/write" }
}
"""


@contextlib.contextmanager
def bed(deaf=False):
    """-> (fleet, judge, prometheus, run); run(*words) is `fleetctl verify`. A Prometheus that scrapes itself has the host's samples."""
    fleet = Fleet()
    with scratch_dir("verify-test") as folder, Judge() as judge:
        port = free_port()
        prometheus = Prometheus(folder / "prometheus", port=port, config=(
            "global: {scrape_interval: 500ms}\nscrape_configs: [{job_name: node, static_configs: "
            f"[{{targets: ['127.0.0.1:{port}'], labels: {{instance: '{NODE}:9100'}}}}]}}]\n")).start()
        try:
            fleet.write("templates/ariel/config.alloy.j2", CONFIGURATION.replace("LOKI", judge.url).replace("PROMETHEUS", prometheus.url))
            fleet.write("inventory/zz", f"{NODE} ansible_connection=local\n")
            for name, text in (("systemd-cat", "#!/bin/sh\ncat >/dev/null\n" if deaf else SYSTEMD_CAT), ("docker", DOCKER)):
                path = folder / "bin" / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text.replace("URL", judge.url))
                path.chmod(path.stat().st_mode | stat.S_IXUSR)
            env = {"PATH": f"{folder}/bin:{SYSTEM['PATH']}"}
            fleet.bin = folder / "bin"
            yield fleet, judge, prometheus, lambda *words, **more: fleet.run("verify", "--limit", NODE, *words, env=env, **more)
        finally:
            prometheus.stop()


def told(shown):
    lines = [json.loads(line) for line in shown.splitlines()]
    check(len(lines) == 1 and lines[0]["host"] == NODE and lines[0]["schema"] == 1, shown)
    return lines[0]


def arrives():
    """Each way is found, where the configuration writes to and with its credentials, which nobody sees; a container is left alone."""
    with bed() as (fleet, judge, prometheus, run):
        shown, said = run("--format", "json")
        result = told(shown)
        check(result["state"] == "ok" and result["error"] == "" and result["notes"] == [], shown)
        for path, at in (("journal", judge.url), ("containers", judge.url), ("metrics", prometheus.url)):
            check(result[path]["state"] == "arrived" and result[path]["seconds"] >= 0 and result[path]["at"] == at, shown)
        check("p4ssword" not in shown + said, "the password is shown")
        basic = "Basic " + base64.b64encode(b"ariel:p4ssword").decode()
        check({(q["tenant"], q["authorization"]) for q in judge.queries()} == {("moons", basic)}, judge.queries())
        lines = [entry["line"] for entry in judge.entries()]
        check([line.rsplit("-", 1)[1] for line in lines] == ["journal", "containers"] and len({line.rsplit("-", 1)[0] for line in lines}) == 1, lines)
        run_words = [json.loads(line) for line in (fleet.bin / "docker.log").read_text().splitlines()][-1]
        for word in ("--rm", "none", "ALL", "never", "65534:65534", "/bin/sh"):
            check(word in run_words, run_words)

        shown, said = run("--only", "journal", "--only", "metrics")
        head, row = shown.splitlines()
        check(head.split() == ["HOST", "JOURNAL", "CONTAINERS", "METRICS", "NOTE"], shown)
        words = row.split()
        check(words[0] == NODE and words[2] == "s" and words[3] == "-" and words[5] == "s", shown)

        # Another way to the same Loki; and what is not one.
        result = told(run("--only", "journal", "--loki", judge.url + "/loki/api/v1/push", "--format", "json")[0])
        check(result["journal"]["state"] == "arrived", result)
        result = told(run("--only", "journal", "--loki", prometheus.url, "--format", "json", status=FAILED)[0])
        check("answers 404" in result["journal"]["why"] and result["containers"]["state"] == "skipped", result)


def does_not_arrive():
    """A line that is lost, samples that nobody writes, a host that is not reached, and words that verify does not take."""
    with bed(deaf=True) as (fleet, judge, prometheus, run):
        result = told(run("--only", "journal", "--within", "1", "--format", "json", status=FAILED)[0])
        check(result["state"] == "failed" and result["journal"] == {"state": "missing", "why": "nothing arrived within 1 s"}, result)
        shown = run("--only", "journal", "--within", "1", status=FAILED)[0]
        check("missing" in shown and "journal: nothing arrived within 1 s" in shown, shown)
        check(len({query["query"].split("}")[0] for query in judge.queries()}) == 3, judge.queries())

        fleet.write("inventory/zz", f"{NODE} ansible_connection=local\nsetebos.incus ansible_connection=local services='[\"alloy\"]'\n")
        fleet.write("templates/setebos/config.alloy.j2", (fleet.tree / "templates/ariel/config.alloy.j2").read_text())
        shown = fleet.run("verify", "--limit", "setebos.incus", "--only", "metrics", "--within", "1", status=FAILED)[0]
        check("no sample's instance, hostname or host is " in shown and "setebos.incus" in shown, shown)

        template = fleet.tree / "templates/ariel/config.alloy.j2"
        template.write_text('loki.echo "x" { }\nloki.source.journal "j" { forward_to = [loki.echo.x.receiver] }\n')
        shown = run(status=FAILED)[0]
        check("there was nothing to verify" in shown and "no Loki is known" in shown, shown)
        shown = fleet.run("verify", "--limit", "oberon.incus", "-e", "ansible_host=127.0.0.1 ansible_port=1", status=UNREACHABLE)[0]
        check("unreachable: " in shown, shown)
        run("--only", "pigeons", status=USAGE)
        run("--within", "0", status=USAGE)


if __name__ == "__main__":
    main(arrives, does_not_arrive)
