#!/usr/bin/python3
"""parity_test.py CASE | --list: the agent's exporters beside the ones they replace, on the same host at the same time."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCServer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import Agent, check, eventually, free_port, http

UNIX = """
prometheus.exporter.unix "host" {{
  set_collectors = [{collectors}]
  {blocks}
}}
"""

# All that both run by default (watchdog is newer); most of hardware's find nothing on most machines.
COLLECTORS = ["arp", "bcache", "bonding", "btrfs", "conntrack", "cpu", "cpufreq", "diskstats", "dmi", "edac", "entropy",
              "fibrechannel", "filefd", "filesystem", "hwmon", "infiniband", "ipvs", "loadavg", "mdadm", "meminfo", "netclass",
              "netdev", "netstat", "nfs", "nfsd", "nvme", "os", "powersupplyclass", "pressure", "rapl", "schedstat", "selinux",
              "sockstat", "softnet", "stat", "tapestats", "textfile", "thermal_zone", "time", "timex", "udp_queues", "uname",
              "vmstat", "xfs", "zfs"]
# These only when they are named.
COLLECTORS += ["buddyinfo", "cgroups", "interrupts", "ksmd", "lnstat", "meminfo_numa", "mountstats", "slabinfo", "zoneinfo"]

# Debian's package has defaults of its own.
SAME_SETTINGS = ["--collector.netdev.device-exclude=",
                 "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+)($|/)"]

# What differs on purpose, or because Debian's node_exporter is 1.5 and Alloy has 1.10: series -> why.
OURS_ALONE = {
    "node_exporter_build_info": "the agent's version",
    "node_softnet_(backlog_len|cpu_collision_total|flow_limit_count_total|received_rps_total)": "since 1.6",
    "node_cpu_online": "since 1.9",
    "node_pressure_irq_stalled_seconds_total": "since 1.9",
    "node_filesystem_mount_info": "since 1.9",
    "node_systemd_virtualization_info": "since 1.10",
}
THEIRS_ALONE = {
    "node_exporter_build_info": "the agent tells its own version, and nothing of Go",
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
    (r"node_ntp_root_(delay|dispersion)_seconds", 1e-6, 0.0),
    (r"node_ntp_(reference_timestamp|rtt|offset)_seconds", 10, 0.2),
    (r"node_systemd_unit_tasks_current", 10, 0.2),
    (r"node_(buddyinfo|cgroups|interrupts|ksmd|lnstat|slabinfo|zoneinfo|tcp)_.*", 1e5, 0.5),
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


def both_tell(collectors, blocks="", flags=()):
    """-> the series of the agent and of node_exporter with these collectors, asked one after the other."""
    port = free_port()
    with fleetlab.scratch_dir("fleet-parity-test") as folder:
        (folder / "text").mkdir()
        with open(folder / "node_exporter.log", "wb") as log:
            exporter = subprocess.Popen(
                ["/usr/bin/prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}", "--collector.disable-defaults"]
                + [f"--collector.{name}" for name in collectors] + SAME_SETTINGS + list(flags),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            page = f"http://127.0.0.1:{port}/metrics"

            def listens():
                try:
                    return http(page)[0] == 200
                except OSError:
                    return False
            eventually(listens, 20, lambda: (folder / "node_exporter.log").read_text()[-500:])
            config = UNIX.format(collectors=", ".join(f'"{name}"' for name in collectors), blocks=blocks)
            with Agent(config, folder / "agent") as agent:
                agent.start().wait_ready()
                status, ours = http(agent.url + "/api/v0/component/prometheus.exporter.unix.host/metrics")
                check(status == 200, f"the exporter's page: {status} {ours[:300]}")
                theirs = http(page)[1]
                check(agent.stop() == 0, "exit status")
        finally:
            exporter.kill()
            exporter.wait()
    return series(ours), series(theirs)


def compare(ours, theirs, least):
    """The same series, at least so many, and values that agree."""
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
    check(len(both) > least, "too few series to mean anything")


def unix_tells_what_node_exporter_tells():
    """Every collector that both have: the same series, and values that agree."""
    compare(*both_tell(COLLECTORS, "cpu {\n guest = true\n }"), 300)


NETWORK = ["arp", "ethtool", "netdev", "network_route", "qdisc", "tcpstat", "wifi"]
DEVICES = """
    mount --make-rprivate /
    mount -t sysfs sysfs /sys
    ip link set lo up
    ip link add va type veth peer name vb
    ip address add 192.0.2.1/24 dev va
    ip address add 2001:db8::1/64 dev va nodad
    ip link set va up
    ip link set vb up
    ip link add vc type veth peer name vd
    ip address add 198.51.100.1/24 dev vc
    ip link set vc up
    ip link set vd up
    ip route add 203.0.113.0/24 via 192.0.2.7 metric 50 proto static
    ip route add default via 192.0.2.9
    ip route add 10.9.0.0/16 nexthop via 192.0.2.3 weight 2 nexthop via 198.51.100.4 weight 5
    ip route add unreachable 10.1.0.0/16
    ip -6 route add 2001:db8:9::/48 via 2001:db8::7 proto 186
    ip neighbour add 192.0.2.50 lladdr 02:00:00:00:00:50 dev va
    ip neighbour add 192.0.2.51 lladdr 02:00:00:00:00:51 nud noarp dev va
    tc qdisc add dev vc root pfifo limit 5
"""


def unix_tells_of_the_network_what_node_exporter_tells():
    """What comes over netlink and ioctl: the same series in a network namespace with devices, routes, neighbours and sockets."""
    clone_newns, clone_newnet = 0x20000, 0x40000000
    check(ctypes.CDLL(None, use_errno=True).unshare(clone_newns | clone_newnet) == 0, "unshare")
    for line in DEVICES.strip().splitlines():
        subprocess.run(line.split(), check=True)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        client.sendall(b"x" * 100)
        ours, theirs = both_tell(NETWORK, "arp {\n netlink = true\n }\n netdev {\n address_info = true\n }",
                                 ["--collector.netdev.address-info"])
    # The connections of the two questions are themselves being closed while the other one is asked.
    lasting = {("state", state) for state in ("listen", "established", "rx_queued_bytes", "tx_queued_bytes")}
    ours, theirs = ({key: value for key, value in told.items() if key[0] != "node_tcp_connection_states" or key[1][0] in lasting}
                    for told in (ours, theirs))
    compare(ours, theirs, 200)
    for collector in NETWORK:
        wanted = 0 if collector == "wifi" else 1
        check(ours["node_scrape_collector_success", (("collector", collector),)] == wanted, collector)


def answer_time(server):
    """A time server's answers (RFC 5905), as long as the socket is open."""
    def stamp(seconds):
        return int((seconds + 2208988800) * 2**32).to_bytes(8, "big")
    with contextlib.suppress(OSError):
        while True:
            question, sender = server.recvfrom(1024)
            now = time.time()
            server.sendto(bytes([0o44, 2, 6, 0xE8]) + (3277).to_bytes(4, "big") + (655).to_bytes(4, "big") + bytes([192, 0, 2, 1])
                          + stamp(now - 64) + question[40:48] + stamp(now) + stamp(time.time()), sender)


def process_info(name, state, start, status):
    """What supervisord says of one process."""
    return {"name": name, "group": "group of " + name, "state": state, "statename": "?", "start": start, "stop": 0, "now": 1700000500,
            "exitstatus": status, "spawnerr": "", "description": "<&>", "logfile": "", "stdout_logfile": "", "stderr_logfile": "", "pid": 7}


PROGRAMS = """
  ntp {{
    server = "127.0.0.1:{time}"
    server_is_local = true
  }}
  supervisord {{
    url = "http://127.0.0.1:{supervisord}/RPC2"
  }}
  runit {{
    service_dir = "{runit}"
  }}
"""


def unix_tells_of_programs_what_node_exporter_tells():
    """ntp, supervisord and runit: the same series of the same time server, XML-RPC server and folder."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind(("127.0.0.1", 0))
        threading.Thread(target=answer_time, args=(server,), daemon=True).start()
        supervisord = stack.enter_context(SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False))
        supervisord.register_function(lambda: [process_info("web & co", 20, 1700000000, 0), process_info("dead", 100, 1600000000, 2),
                                               process_info("starting", 10, 1700000400, 0)], "supervisor.getAllProcessInfo")
        threading.Thread(target=supervisord.serve_forever, daemon=True).start()
        stack.callback(supervisord.shutdown)
        runit = stack.enter_context(fleetlab.scratch_dir("fleet-runit-test"))
        for name, want, state in (("up", b"u", 1), ("down", b"d", 0), ("ending", b"d", 2)):
            (runit / name / "supervise").mkdir(parents=True)
            moved = (2**62 + 10 + 1700000000).to_bytes(8, "big") + bytes(4)
            (runit / name / "supervise/status").write_bytes(moved + bytes([42, 0, 0, 0, 0]) + want + bytes([0, state]))
        for down in ("down/down", "down/supervise/down"):  # where runit has it, and where node_exporter looks for it
            (runit / down).write_bytes(b"")
        port = server.getsockname()[1]
        blocks = PROGRAMS.format(time=port, supervisord=supervisord.server_address[1], runit=runit)
        flags = [f"--collector.ntp.server-port={port}", f"--collector.runit.servicedir={runit}",
                 f"--collector.supervisord.url=http://127.0.0.1:{supervisord.server_address[1]}/RPC2"]
        ours, theirs = both_tell(["ntp", "supervisord", "runit"], blocks, flags)
    for collector in ("ntp", "supervisord", "runit"):
        check(ours["node_scrape_collector_success", (("collector", collector),)] == 1, collector)
    compare(ours, theirs, 30)


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
    fleetlab.main([unix_tells_what_node_exporter_tells, unix_tells_of_the_network_what_node_exporter_tells,
                   unix_tells_of_programs_what_node_exporter_tells, process_tells_what_process_exporter_tells])
