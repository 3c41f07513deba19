#!/usr/bin/python3
"""unix_host_test.py CASE | --list: prometheus.exporter.unix over the fixture host (tests/fixtures/host, tests/support/host_tree.py).

tests/golden/unix/<collector>.txt is what the agent tells (UPDATE_GOLDEN=1 rewrites it), and what node_exporter must tell of the same
files, but for the differences that are named here with their reason. A collector has a row in COLLECTORS.
"""

import os
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
import host_tree
from fleetlab import Agent, check, eventually, free_port, http
from parity_test import series

GOLDEN = fleetlab.ROOT / "tests/golden/unix"

# collector -> (its block in the agent's configuration, node_exporter's flags for the same). Not here: what does not read these
# files (textfile, timex, uname).
PLAIN = ("", [])
COLLECTORS = {
    "arp": PLAIN,
    "conntrack": PLAIN,
    "cpu": ('cpu {\n guest = true\n info = true\n bugs_include = "melt"\n flags_include = "^(aes|avx2)$"\n}',
            ["--collector.cpu.info", "--collector.cpu.info.bugs-include=melt", "--collector.cpu.info.flags-include=^(aes|avx2)$"]),
    "diskstats": PLAIN,
    "entropy": PLAIN,
    "filefd": PLAIN,
    "filesystem": ("", ["--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+)($|/)"]),
    "loadavg": PLAIN,
    "meminfo": PLAIN,
    "netclass": PLAIN,
    "netdev": ("", ["--collector.netdev.device-exclude=", "--no-collector.netdev.netlink"]),
    "netstat": PLAIN,
    "os": PLAIN,
    "pressure": PLAIN,
    "schedstat": PLAIN,
    "selinux": PLAIN,
    "sockstat": PLAIN,
    "softnet": PLAIN,
    "stat": PLAIN,
    "time": PLAIN,
    "udp_queues": PLAIN,
    "vmstat": PLAIN,
}

# Values that are not of the fixture: the golden file has * for them.
VARYING = r"node_filesystem_(size|free|avail)_bytes|node_filesystem_files(_free)?|node_time_(seconds|zone_offset_seconds)"

# What differs from Debian's node_exporter, which is 1.5 where Alloy has 1.10: series of one side alone -> why.
GOLDEN_ALONE = {
    "node_softnet_(backlog_len|cpu_collision_total|flow_limit_count_total|received_rps_total)": "since 1.6",
    "node_cpu_online": "since 1.9",
    "node_pressure_irq_stalled_seconds_total": "since 1.9",
    "node_filesystem_readonly": "of mounts that do not answer: since 1.6",
    "node_network_receive_nohandler_total": "from netlink, which tells of this machine and not of the fixture",
}
THEIRS_ALONE = {
    "promhttp_.*": "of the exporter's own page",
    "node_exporter_build_info": "there is no node_exporter",
}
# Types that 1.5 told otherwise.
TYPES_ASIDE = {}


def told(families):
    """A page -> its text without help and durations, and with what varies as *; sorted."""
    out = []
    for line in families.splitlines():
        name = re.match(r"# TYPE (\S+)|([^\s{]+)", line)
        name = name[1] or name[2]
        if line.startswith("# HELP") or name == "node_scrape_collector_duration_seconds":
            continue
        if re.fullmatch(VARYING, name) and not line.startswith("#"):
            line = line.rpartition(" ")[0] + " *"
        out.append(line)
    # The type of a family stands before it.
    return "".join(line + "\n" for line in sorted(out, key=lambda line: (re.sub(r"^# TYPE ", "", line).split()[0].split("{")[0],
                                                                       not line.startswith("#"), line)))


def types(page):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))


def component(name, block, host):
    return f"""
prometheus.exporter.unix "{name}" {{
  set_collectors = ["{name}"]
  procfs_path    = "{host}/proc"
  sysfs_path     = "{host}/sys"
  rootfs_path    = "{host}/root"
  udev_data_path = "{host}/udev"
  {block}
}}
"""


def unix_tells_of_the_fixture_host():
    """Every collector that reads files: its whole page of the fixture host is the golden file."""
    problems = []
    with fleetlab.scratch_dir("fleet-unix-host") as folder:
        host_tree.write_out(folder / "host")
        config = "".join(component(name, block, folder / "host") for name, (block, _) in COLLECTORS.items())
        with Agent(config, folder / "agent") as agent:
            agent.start().wait_ready()
            for name in COLLECTORS:
                status, page = http(agent.url + f"/api/v0/component/prometheus.exporter.unix.{name}/metrics")
                check(status == 200, f"{name}: {status} {page[:300]}")
                golden, page = GOLDEN / f"{name}.txt", told(page)
                if os.environ.get("UPDATE_GOLDEN"):
                    golden.write_text(page)
                elif not golden.exists() or page != golden.read_text():
                    (folder / f"{name}.txt").write_text(page)
                    problems.append(f"{golden.relative_to(fleetlab.ROOT)} is not what the agent tells: {folder / name}.txt")
            check(agent.stop() == 0, "exit status")
        check(not problems, "\n".join(problems))


def node_exporter_tells_the_same_of_the_fixture_host():
    """The golden files against Debian's node_exporter: the same series with the same types and values."""
    port = free_port()
    pages = {}
    with fleetlab.scratch_dir("fleet-unix-oracle") as folder:
        host_tree.write_out(folder / "host")
        known = subprocess.run(["/usr/bin/prometheus-node-exporter", "--help"], capture_output=True, text=True)
        known = known.stdout + known.stderr
        asked = [name for name in COLLECTORS if f"--collector.{name} " in known or f"--collector.{name}\n" in known]
        roots = [f"--path.{flag}={folder / 'host' / part}" for flag, part in
                 (("procfs", "proc"), ("sysfs", "sys"), ("rootfs", "root"), ("udev.data", "udev"))]
        with open(folder / "node_exporter.log", "wb") as log:
            exporter = subprocess.Popen(
                ["/usr/bin/prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}", "--web.disable-exporter-metrics",
                 "--collector.disable-defaults", *roots] + [f"--collector.{name}" for name in asked]
                + [flag for name in asked for flag in COLLECTORS[name][1]], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            page = f"http://127.0.0.1:{port}/metrics?collect[]="

            def ask(name):
                check(exporter.poll() is None, (folder / "node_exporter.log").read_text()[-500:])
                return http(page + urllib.parse.quote(name))
            eventually(lambda: ask("loadavg")[0] == 200, 20, lambda: (folder / "node_exporter.log").read_text()[-500:])
            for name in asked:
                status, pages[name] = ask(name)
                check(status == 200, f"{name}: {status} {pages[name][:300]}")
        finally:
            exporter.kill()
            exporter.wait()
        problems, compared = [], 0
        for name, theirs in pages.items():
            ours = (GOLDEN / f"{name}.txt").read_text()
            our_types, their_types = types(ours), types(theirs)
            ours, theirs = series(ours.replace(" *\n", " NaN\n")), series(theirs)
            for alone, what, excuses in ((set(theirs) - set(ours), "node_exporter", THEIRS_ALONE),
                                         (set(ours) - set(theirs), "the golden file", GOLDEN_ALONE)):
                problems += [f"{name}: only {what} has {key}" for key in sorted(alone)
                             if key[0] != "node_scrape_collector_duration_seconds"
                             and not any(re.fullmatch(pattern, key[0]) for pattern in excuses)]
            for key in sorted(set(ours) & set(theirs)):
                compared += 1
                if not re.fullmatch(VARYING, key[0]) and ours[key] != theirs[key]:
                    problems.append(f"{name}: {key}: {ours[key]} in the golden file, {theirs[key]} of node_exporter")
            problems += [f"{name}: {key} is {our_types[key]} in the golden file, {their_types[key]} of node_exporter"
                         for key in sorted(set(our_types) & set(their_types))
                         if our_types[key] != their_types[key] and key not in TYPES_ASIDE]
        print(f"{len(pages)} collectors, {compared} series in both")
        check(not problems, "\n".join(problems[:80]))


if __name__ == "__main__":
    fleetlab.main([unix_tells_of_the_fixture_host, node_exporter_tells_the_same_of_the_fixture_host])
