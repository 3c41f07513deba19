#!/usr/bin/python3
"""parity_test.py CASE | --list: the agent's exporters beside the ones they replace, on the same host at the same time."""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import Agent, check, eventually, free_port, http

UNIX = """
prometheus.exporter.unix "host" {{
  set_collectors = [{collectors}]
  cpu {{
    guest = true
  }}
}}
"""

# All that both run by default (watchdog is newer); most of hardware's find nothing on most machines.
COLLECTORS = ["arp", "bcache", "bonding", "btrfs", "conntrack", "cpu", "cpufreq", "diskstats", "dmi", "edac", "entropy",
              "fibrechannel", "filefd", "filesystem", "hwmon", "infiniband", "ipvs", "loadavg", "mdadm", "meminfo", "netclass",
              "netdev", "netstat", "nfs", "nfsd", "nvme", "os", "powersupplyclass", "pressure", "rapl", "schedstat", "selinux",
              "sockstat", "softnet", "stat", "tapestats", "textfile", "thermal_zone", "time", "timex", "udp_queues", "uname",
              "vmstat", "xfs", "zfs"]

# Debian's package has defaults of its own.
SAME_SETTINGS = ["--collector.netdev.device-exclude=",
                 "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+)($|/)"]

# What differs on purpose, or because Debian's node_exporter is 1.5 and Alloy has 1.10: series -> why.
OURS_ALONE = {
    "node_softnet_(backlog_len|cpu_collision_total|flow_limit_count_total|received_rps_total)": "since 1.6",
    "node_cpu_online": "since 1.9",
    "node_pressure_irq_stalled_seconds_total": "since 1.9",
}
THEIRS_ALONE = {
    "node_exporter_build_info": "there is no node_exporter",
    "(go|process|promhttp)_.*": "of the exporter's own process",
    "node_os_version": "only where VERSION_ID is a number",
}
# Labels that one of them has: (name of the metric, label).
LABELS_ASIDE = [("node_disk_info", "rotational"), ("node_network_info", "adminstate")]
# Values that move between two readings, by what they may differ: an absolute or a relative part.
TOLERANCE = [
    (r"node_(cpu|schedstat|pressure)_.*seconds_total", 5.0, 0.05),
    (r"node_(memory|filesystem|sockstat|network|netstat|disk|vmstat|softnet|filefd|nf|procs|udp)_.*", 64 << 20, 0.5),
    (r"node_(intr|context_switches|forks)_total", 1e6, 0.2),
    (r"node_(load|time|timex|entropy|arp).*", 10.0, 0.5),
]


def series(text):
    """Prometheus text -> {(name, labels as a sorted tuple): value}; a label without a value counts as absent."""
    out = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)', line)
        check(match, f"not a sample: {line}")
        name, inside, value = match.groups()
        labels = re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:\\.|[^"\\])*)"', inside or "")
        labels = tuple(sorted((key, text) for key, text in labels if text and (name, key) not in LABELS_ASIDE))
        out[name, labels] = float(value)
    return out


def excused(name, table):
    return any(re.fullmatch(pattern, name) for pattern in table)


def near(name, ours, theirs):
    if ours == theirs:
        return True
    for pattern, absolute, relative in TOLERANCE:
        if re.fullmatch(pattern, name):
            return abs(ours - theirs) <= max(absolute, relative * max(abs(ours), abs(theirs)))
    return False


def unix_tells_what_node_exporter_tells():
    """Every collector that both have: the same series, and values that agree."""
    port = free_port()
    with fleetlab.scratch_dir("fleet-parity-test") as folder:
        (folder / "text").mkdir()
        with open(folder / "node_exporter.log", "wb") as log:
            exporter = subprocess.Popen(
                ["/usr/bin/prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}", "--collector.disable-defaults"]
                + [f"--collector.{name}" for name in COLLECTORS] + SAME_SETTINGS, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            page = f"http://127.0.0.1:{port}/metrics"

            def listens():
                try:
                    return http(page)[0] == 200
                except OSError:
                    return False
            eventually(listens, 20, lambda: (folder / "node_exporter.log").read_text()[-500:])
            config = UNIX.format(collectors=", ".join(f'"{name}"' for name in COLLECTORS))
            with Agent(config, folder / "agent") as agent:
                agent.start().wait_ready()
                status, ours = http(agent.url + "/api/v0/component/prometheus.exporter.unix.host/metrics")
                check(status == 200, f"the exporter's page: {status} {ours[:300]}")
                theirs = http(page)[1]
                check(agent.stop() == 0, "exit status")
        finally:
            exporter.kill()
            exporter.wait()
    ours, theirs = series(ours), series(theirs)
    aside = ("node_scrape_collector_duration_seconds",)
    problems = []
    for key in sorted(set(theirs) - set(ours)):
        if not excused(key[0], THEIRS_ALONE):
            problems.append(f"only node_exporter has {key}")
    for key in sorted(set(ours) - set(theirs)):
        if not excused(key[0], OURS_ALONE):
            problems.append(f"only the agent has {key}")
    both = set(ours) & set(theirs)
    for key in sorted(both):
        if key[0] not in aside and not near(key[0], ours[key], theirs[key]):
            problems.append(f"{key}: {ours[key]} here, {theirs[key]} there")
    print(f"{len(both)} series in both, {len(ours)} here, {len(theirs)} there")
    check(not problems, "\n".join(problems[:60]))
    check(len(both) > 300, "too few series to mean anything")


if __name__ == "__main__":
    fleetlab.main([unix_tells_what_node_exporter_tells])
