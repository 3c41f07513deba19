#!/usr/bin/python3
"""grafana_test.py CASE | --list: the dashboards and alerts of packaging/grafana, as far as they need no running agent."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
import yaml
from fleetlab import ROOT, check

GRAFANA = ROOT / "packaging/grafana"


def rules():
    groups = yaml.safe_load((GRAFANA / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def dashboards_are_whole():
    """The files are what their source makes, with a place of its own for every panel, and variables that exist."""
    done = subprocess.run([GRAFANA / "dashboards.py", "check"], capture_output=True, text=True)
    check(done.returncode == 0, done.stderr)
    boards = [json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))]
    check(len({board["uid"] for board in boards}) == len(boards) == 5, "dashboards")
    for board in boards:
        known = {variable["name"] for variable in board["templating"]["list"]}
        taken = set()
        for panel in board["panels"]:
            where = f"{board['uid']}: {panel['title']}"
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            check(place["x"] + place["w"] <= 24 and not cells & taken, f"{where}: {place}")
            taken |= cells
            check(panel["type"] == "row" or panel["targets"], f"{where}: no query")
            for target in panel.get("targets", []):
                used = set(re.findall(r"\$\{?(\w+)", target["expr"])) - {"__rate_interval", "__auto"}
                check(used <= known, f"{where}: {used - known} is no variable")
                check(target["datasource"]["uid"].strip("${}") in known, f"{where}: {target['datasource']}")
        numbers = [panel["id"] for panel in board["panels"]]
        check(len(set(numbers)) == len(numbers), f"{board['uid']}: ids {numbers}")


def every_alert_has_its_page():
    """promtool accepts the rules; each says how bad it is, what happened, and where docs/operations.md tells what to do."""
    done = subprocess.run(["/usr/bin/promtool", "check", "rules", GRAFANA / "alerts.yml"], capture_output=True, text=True)
    check(done.returncode == 0, done.stdout + done.stderr)
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text(), re.M)
    check(headings == list(rules()), f"docs/operations.md has {headings}, alerts.yml {list(rules())}")
    for name, rule in rules().items():
        check(rule["labels"]["severity"] in ("critical", "warning"), name)
        check(rule["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}" and rule["annotations"]["summary"], name)


AGENT = 'job="alloy"'
WRITE = 'component_id="loki.write.default", host="loki:3100"'
REMOTE = 'component_id="prometheus.remote_write.default", url="http://p/"'
ROOM = 'mountpoint="/", fstype="ext4"'
# Alert -> minutes until it is looked at, further labels that it has (a list of them where several fire), and what two hosts have: {series: (of host a, which is
# in trouble, of host b, which is not)} in promtool's notation. `_` is no sample.
FIRES = {
    "HostDown": (30, "", {f"alloy_build_info{{{AGENT}}}": ("1x10 _x50", "1x60"), f"up{{{AGENT}}}": ("1x10 _x50", "1x60")}),
    "AgentAbsent": (30, "", {f"alloy_build_info{{{AGENT}}}": ("1x10 _x50", "1x60"), 'up{job="node"}': ("1x60", "1x60")}),
    "TargetDown": (30, 'job="node"', {'up{job="node"}': ("1x10 0x50", "1x60")}),
    "HostDiskFull": (30, ROOM, {f"node_filesystem_avail_bytes{{{ROOM}}}": ("4x60", "6x60"), f"node_filesystem_size_bytes{{{ROOM}}}": ("100x60", "100x60"),
                                f"node_filesystem_readonly{{{ROOM}}}": ("0x60", "0x60")}),
    "HostDiskFilling": (100, ROOM, {f"node_filesystem_avail_bytes{{{ROOM}}}": ("22-0.1x120", "22x120"),
                                    f"node_filesystem_size_bytes{{{ROOM}}}": ("100x120", "100x120"), f"node_filesystem_readonly{{{ROOM}}}": ("0x120", "0x120")}),
    "HostInodesFull": (30, ROOM, {f"node_filesystem_files_free{{{ROOM}}}": ("4x60", "6x60"), f"node_filesystem_files{{{ROOM}}}": ("100x60", "100x60"),
                                  f"node_filesystem_readonly{{{ROOM}}}": ("0x60", "0x60")}),
    "HostMemoryLow": (30, "", {"node_memory_MemAvailable_bytes": ("4x60", "6x60"), "node_memory_MemTotal_bytes": ("100x60", "100x60")}),
    "HostOutOfMemory": (30, "", {"node_vmstat_oom_kill": ("7x20 8x40", "7x60")}),
    "ContainerRestarting": (30, 'name="web"', {
        'container_start_time_seconds{name="web"}': ("100x19 _x40", "100x20 200x40"),
        **{f'container_start_time_seconds{{name="web", container_label_restartcount="{n}"}}': (f"_x{18 + 2 * n} {n}000x20", "_x60") for n in (1, 2, 3)}}),
    "ContainerOutOfMemory": (30, 'name="web"', {'container_oom_events_total{name="web"}': ("0x20 1x40", "0x60")}),
    "ContainerMemoryNearLimit": (30, 'name="web"', {'container_memory_working_set_bytes{name="web"}': ("96x60", "96x60"),
                                                    'container_spec_memory_limit_bytes{name="web"}': ("100x60", "0x60")}),
    "AgentConfigurationRefused": (30, "", {"alloy_config_last_load_successful": ("1x10 0x50", "1x60")}),
    "AgentComponentUnhealthy": (30, 'health_type="unhealthy"', {
        'alloy_component_controller_running_components{health_type="unhealthy"}': ("2x60", "0x60"),
        'alloy_component_controller_running_components{health_type="healthy"}': ("5x60", "7x60")}),
    "AgentRestarting": (30, AGENT, {f"process_start_time_seconds{{{AGENT}}}": ("1x10 2x5 3x5 4x40", "1x20 2x40"),
                                    f"alloy_build_info{{{AGENT}}}": ("1x60", "1x60"), f"up{{{AGENT}}}": ("1x60", "1x60"),
                                    'process_start_time_seconds{job="other"}': ("1+1x60", "1+1x60")}),
    "AgentBacklogGrowing": (60, REMOTE, {f"prometheus_remote_storage_queue_bytes{{{REMOTE}}}": ("2000000+1000x80", "2000000-1000x80"),
                                         f"loki_write_queued_bytes{{{WRITE}}}": ("0+1x80", "5000000x80")}),
    "LogsNotDelivered": (60, WRITE, {f"loki_write_batch_retries_total{{{WRITE}}}": ("0+3x80", "0+3x80"),
                                     f"loki_write_sent_entries_total{{{WRITE}}}": ("9x80", "0+1x80")}),
    "LogsBehind": (60, 'component_id="loki.write.default"', {
        f'loki_write_entry_propagation_latency_seconds_bucket{{{WRITE}, le="1"}}': ("0x80", "0+9x80"),
        f'loki_write_entry_propagation_latency_seconds_bucket{{{WRITE}, le="900"}}': ("0+9x80", "0+9x80"),
        f'loki_write_entry_propagation_latency_seconds_bucket{{{WRITE}, le="+Inf"}}': ("0+9x80", "0+9x80")}),
    "LogLinesDropped": (30, ['component_id="loki.write.default", reason="line_too_long"', 'component_id="loki.source.api.a"'], {
        f'loki_write_dropped_entries_total{{{WRITE}, reason="line_too_long"}}': ("0x20 2x40", "5x60"),
        'loki_source_api_queue_dropped_entries_total{component_id="loki.source.api.a"}': ("0x20 3x40", "5x60")}),
    "JournalGap": (30, 'component_id="loki.source.journal.j"', {
        'loki_source_journal_target_missing_entries_total{component_id="loki.source.journal.j"}': ("0x20 2x40", "5x60")}),
    "LogSourceUnreadable": (30, 'component_id="loki.source.file.f"', {
        'loki_source_file_files_unreadable{component_id="loki.source.file.f"}': ("1x60", "0x60")}),
    "RemoteWriteBehind": (60, REMOTE, {f"prometheus_remote_storage_queue_highest_timestamp_seconds{{{REMOTE}}}": ("1000+60x80", "1000+60x80"),
                                       f"prometheus_remote_storage_queue_highest_sent_timestamp_seconds{{{REMOTE}}}": ("1000x80", "940+60x80")}),
    "SamplesDropped": (30, ['url="http://failed/"', 'url="http://lost/"', 'url="http://old/"'], {
        'prometheus_remote_storage_samples_failed_total{url="http://failed/"}': ("0x20 500x40", "3x60"),
        'prometheus_remote_storage_samples_lost_total{url="http://lost/"}': ("0x20 500x40", "3x60"),
        'prometheus_remote_storage_samples_dropped_total{url="http://old/", reason="too_old"}': ("0x20 500x40", "3x60"),
        'prometheus_remote_storage_samples_dropped_total{url="http://ruled/", reason="dropped_series"}': ("0+9x60", "0+9x60")}),
}


def on_host(series, host):
    name, _, labels = series.partition("{")
    return name + "{" + f'instance="{host}"' + (", " + labels if labels else "}")


def alerts_fire_when_they_should():
    """Each alert fires for the host that is in trouble and for no other; no other alert fires with it."""
    check(list(FIRES) == list(rules()), f"alerts without a case: {set(rules()) ^ set(FIRES)}")
    tests = []
    for name, (minutes, labels, series) in FIRES.items():
        check(all(len(hosts) == 2 for hosts in series.values()), name)
        wanted = f'ALERTS{{alertname="{name}", alertstate="firing", severity="{rules()[name]["labels"]["severity"]}", instance="a"'
        tests.append({"name": name, "interval": "1m",
                      "input_series": [{"series": on_host(one, host), "values": values} for one, hosts in series.items()
                                       for host, values in zip("ab", hosts)],
                      "promql_expr_test": [{"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minutes}m", "exp_samples": [
                          {"labels": wanted + (", " + one if one else "") + "}", "value": 1}
                          for one in ([labels] if isinstance(labels, str) else labels)]}]})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "alerts_test.yml"
        file.write_text(yaml.safe_dump({"rule_files": [str(GRAFANA / "alerts.yml")], "evaluation_interval": "1m", "tests": tests}))
        done = subprocess.run(["/usr/bin/promtool", "test", "rules", file], capture_output=True, text=True)
    check(done.returncode == 0, done.stdout + done.stderr)


if __name__ == "__main__":
    fleetlab.main([dashboards_are_whole, every_alert_has_its_page, alerts_fire_when_they_should])
