#!/usr/bin/python3
"""parity_test.py CASE | --list: the agent's exporters beside the ones they replace, on the same host at the same time."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
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
    "node_filesystem_mount_info": "since 1.9",
}
THEIRS_ALONE = {
    "node_exporter_build_info": "there is no node_exporter",
    "(go|process|promhttp)_.*": "of the exporter's own process",
    "node_os_version": "only where VERSION_ID is a number",
}
# Labels that one of them has: (name of the metric, label).
LABELS_ASIDE = [("node_disk_info", "rotational"), ("node_network_info", "adminstate"),
                ("node_filesystem_device_error", "device_error"), ("node_filesystem_readonly", "device_error")]
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


def near(name, ours, theirs, tolerance=None):
    if ours == theirs:
        return True
    for pattern, absolute, relative in tolerance or TOLERANCE:
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


ROLES = ["quiet", "worker", "threads", "parent", "zombie", "descriptors", "odd", "somebody", "busy", "stopped", "ending"]
MATCHERS = [  # name, comm, exe, cmdline
    ("odd: {{{{.Comm}}}}", ["a) S (b\nc\\"], [], [r"{tag} odd$"]),
    ("never", ["no such command"], ["{python}"], [r"{tag}"]),
    ("{{{{.Matches.role}}}} of {{{{.Username}}}}, {{{{.ExeBase}}}}", [], ["no such program", "{base}"], [r"roles\.py", r"{tag} (?P<role>\w+)$"]),
    ("", [], ["{sleeper}"], []),
]
# Values that move by themselves: by what they may differ.
PROCESS_TOLERANCE = [
    (r"namedprocess_namegroup_memory_bytes", 2 << 20, 0.5),  # proportional parts: others share pages and end
]
BUSY_TOLERANCE = [(r"namedprocess_namegroup_(cpu_seconds|context_switches|minor_page_faults)_total", 2000.0, 0.5)]


class Role:
    """A process of process_roles.py and what it has started."""

    def __init__(self, folder, role):
        self.role = role
        self.process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("process_roles.py")), str(folder), role],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        check(self.process.stdout.readline() == "ready\n", f"{role} did not start")

    def work(self):
        self.process.stdin.write("work\n")
        self.process.stdin.flush()
        check(self.process.stdout.readline() == "done\n", f"{self.role} did not work")

    def rests(self):
        """Whether it waits, and so do its threads."""
        folder = Path(f"/proc/{self.process.pid}/task")
        return all((thread / "stat").read_text().rpartition(")")[2].split()[0] in "STtZ" for thread in folder.iterdir())

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def list_of(items):
    return "[" + ", ".join('"' + item.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"' for item in items) + "]"


def both_configs(settings, words):
    """The same matchers for both: -> (a component of the agent's, the other's file)."""
    blocks, items = [], []
    for name, comm, exe, cmdline in MATCHERS:
        parts = {"comm": comm, "exe": exe, "cmdline": cmdline}
        parts = {key: [text.format(**words) for text in value] for key, value in parts.items() if value}
        name = name.format(**words)
        blocks.append("  matcher {\n" + (f"    name = {list_of([name])[1:-1]}\n" if name else "") +
                      "".join(f"    {key} = {list_of(value)}\n" for key, value in parts.items()) + "  }\n")
        fields = ([f"name: {list_of([name])[1:-1]}"] if name else []) + [f"{key}: {list_of(value)}" for key, value in parts.items()]
        items.append("  - {" + ", ".join(fields) + "}\n")
    return "".join(f"  {key} = {value}\n" for key, value in settings.items()) + "".join(blocks), "process_names:\n" + "".join(items)


@contextlib.contextmanager
def process_exporter(folder, name, options, before):
    port = free_port()
    with open(folder / f"{name}.log", "wb") as log:
        exporter = subprocess.Popen(before + ["/usr/bin/prometheus-process-exporter", f"-config.path={folder / name}.yml",
                                              f"-web.listen-address=127.0.0.1:{port}"] + options,
                                    stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    page = f"http://127.0.0.1:{port}/metrics"
    try:
        eventually(lambda: http(page)[0] == 200, 20, lambda: (folder / f"{name}.log").read_text()[-500:])
        yield page
    finally:
        exporter.kill()
        exporter.wait()


def compare_processes(ours, theirs, twice):
    """The series of groups in two pages. `twice`: series -> how often a first thread is in it once more in theirs."""
    ours = {key: value for key, value in ours.items() if key[0].startswith("namedprocess_namegroup_")}
    theirs = {key: value for key, value in theirs.items() if key[0].startswith("namedprocess_namegroup_")}
    problems = [f"only process-exporter has {key}" for key in sorted(set(theirs) - set(ours))]
    problems += [f"only the agent has {key}" for key in sorted(set(ours) - set(theirs))]
    for key in sorted(set(ours) & set(theirs)):
        name, labels = key
        group = dict(labels)["groupname"]
        here, there = ours[key], theirs[key] - twice.get(key, 0)
        if name == "namedprocess_namegroup_oldest_start_time_seconds" and there < 0:
            there = 0  # Go's year 1, of a group without processes
        tables = PROCESS_TOLERANCE + (BUSY_TOLERANCE if group.startswith("busy") else [])
        if not near(name, here, there, tables) and abs(here - there) > 1e-6:
            problems.append(f"{key}: {here} here, {theirs[key]} there")
    check(not problems, "\n".join(problems[:60]))
    return len(set(ours) & set(theirs))


def process_tells_what_process_exporter_tells():
    """Processes with threads, children, odd names and ends: the same series as process-exporter, with the same values."""
    fleetlab.as_root()
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]  # may not look into them
    settings = {  # name -> (arguments, the other's options, who looks)
        "all": ({"gather_smaps": "true"}, [], []),
        "less": ({"track_children": "false", "track_threads": "false", "recheck_on_scrape": "true"},
                 ["-children=false", "-threads=false", "-gather-smaps=false", "-recheck"], []),
        "nobody": ({}, ["-gather-smaps=false"], nobody),
    }
    with fleetlab.scratch_dir("fleet-process-parity") as folder, contextlib.ExitStack() as stack:
        folder.chmod(0o777)
        sleeper = folder / "sleeper (1) S"
        sleeper.write_bytes(Path("/bin/sleep").read_bytes())
        sleeper.chmod(0o755)
        words = {"tag": re.escape(str(folder)), "sleeper": str(sleeper), "python": sys.executable,
                 "base": Path(sys.executable).name}
        roles = {role: Role(folder, role) for role in ROLES}
        for role in roles.values():
            stack.callback(role.end)
        asleep = subprocess.Popen([sleeper, "1000"])
        stack.callback(asleep.wait)
        stack.callback(asleep.kill)
        eventually(lambda: Path(f"/proc/{asleep.pid}/cmdline").read_text().startswith(str(sleeper)), 20, "it is executed")
        eventually(lambda: Path(f"/proc/{roles['stopped'].process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", 20,
                   "it has stopped")
        pages = {}
        for name, (arguments, options, before) in settings.items():
            component, file = both_configs(arguments, words)
            (folder / f"{name}.yml").write_text(file)
            theirs = stack.enter_context(process_exporter(folder, name, options, before))
            own = folder / f"agent-{name}"
            own.mkdir()
            own.chmod(0o777)
            agent = stack.enter_context(Agent(f'prometheus.exporter.process "x" {{\n{component}}}\n', own))
            if before:  # where another user can read it
                agent.command = before + [shutil.copy(fleetlab.BIN / "fleet-agent", own)]
            agent.start().wait_ready()
            pages[name] = (agent.url + "/api/v0/component/prometheus.exporter.process.x/metrics", theirs)

        # The reference tells what has begun after it by a time of whole seconds.
        later = time.monotonic() + 2.5
        eventually(lambda: time.monotonic() > later, 20, "time passes")
        roles["late"] = Role(folder, "late")
        stack.callback(roles["late"].end)
        for role in ("worker", "threads", "ending", "late"):
            roles[role].work()
        eventually(lambda: all(role.rests() for name, role in roles.items() if name != "busy"), 20, "all rest but one")

        # The first thread of a process with several counts twice there.
        threads = (("groupname", f"threads of root, {words['base']}"),)
        wchan = Path(f"/proc/{roles['threads'].process.pid}/wchan").read_text()
        twice = {("namedprocess_namegroup_states", threads + (("state", "Sleeping"),)): 1,
                 ("namedprocess_namegroup_threads_wchan", threads + (("wchan", wchan),)): 1}
        # Each process has a part that nobody but root may read. The first scan was before the late one.
        unreadable = -1

        def compare(what):
            nonlocal unreadable
            mine, theirs = {}, {}
            for name, (own_page, other) in pages.items():
                status, page = http(own_page)
                check(status == 200, f"the exporter's page: {status} {page[:300]}")
                mine[name], theirs[name] = series(page), series(http(other)[1])
            processes = sum(value for (name, _), value in mine["all"].items() if name == "namedprocess_namegroup_num_procs")
            unreadable += processes * (2 if unreadable < 0 else 1)
            for name in pages:
                if name == "nobody":
                    # Since Linux 6.2 anybody may count descriptors, and 0.7.10 does not.
                    for key in theirs[name]:
                        if key[0] in ("namedprocess_namegroup_open_filedesc", "namedprocess_namegroup_worst_fd_ratio") and mine[name].get(key):
                            theirs[name][key] = theirs["all"][key]
                print(f"{what}, {name}: {compare_processes(mine[name], theirs[name], twice)} series in both")
                errors = {key: mine[name]["namedprocess_scrape_" + key, ()] for key in ("errors", "procread_errors", "partial_errors")}
                expected = {"errors": 0, "procread_errors": 0, "partial_errors": unreadable if name == "nobody" else 0}
                check(errors == expected, f"{name}: {errors}, not {expected}")

        compare("at work")
        roles["ending"].end()
        compare("one has ended")


if __name__ == "__main__":
    fleetlab.main([unix_tells_what_node_exporter_tells, process_tells_what_process_exporter_tells])
