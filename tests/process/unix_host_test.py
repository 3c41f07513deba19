#!/usr/bin/python3
"""unix_host_test.py CASE | --list: prometheus.exporter.unix over the fixture host (tests/fixtures/host, tests/support/host_tree.py).

tests/golden/unix/<collector>.txt is what the agent tells (UPDATE_GOLDEN=1 rewrites it), and what node_exporter must tell of the same
files, but for the differences that are named here with their reason. A collector has a row in COLLECTORS.
"""

import ctypes
import json
import mmap
import os
import re
import resource
import subprocess
import sys
import time
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
    "bcache": ("bcache {\n priority_stats = true\n}", ["--collector.bcache.priorityStats"]),
    "bonding": PLAIN,
    "btrfs": PLAIN,
    "conntrack": PLAIN,
    "cpu": ('cpu {\n guest = true\n info = true\n bugs_include = "melt"\n flags_include = "^(aes|avx2)$"\n}',
            ["--collector.cpu.info", "--collector.cpu.info.bugs-include=melt", "--collector.cpu.info.flags-include=^(aes|avx2)$"]),
    "cpufreq": PLAIN,
    "diskstats": PLAIN,
    "dmi": PLAIN,
    "edac": PLAIN,
    "entropy": PLAIN,
    "fibrechannel": PLAIN,
    "filefd": PLAIN,
    "filesystem": ("", ["--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+)($|/)"]),
    "hwmon": PLAIN,
    "infiniband": PLAIN,
    "ipvs": PLAIN,
    "loadavg": PLAIN,
    "mdadm": PLAIN,
    "meminfo": PLAIN,
    "netclass": PLAIN,
    "netdev": ("", ["--collector.netdev.device-exclude=", "--no-collector.netdev.netlink"]),
    "netstat": PLAIN,
    "nfs": PLAIN,
    "nfsd": PLAIN,
    "nvme": PLAIN,
    "os": PLAIN,
    "powersupplyclass": ('powersupply {\n ignored_supplies = "^hid"\n}', ["--collector.powersupply.ignored-supplies=^hid"]),
    "pressure": PLAIN,
    "rapl": PLAIN,
    "schedstat": PLAIN,
    "selinux": PLAIN,
    "sockstat": PLAIN,
    "softnet": PLAIN,
    "stat": PLAIN,
    "tapestats": ('tapestats {\n ignored_devices = "^st1$"\n}', ["--collector.tapestats.ignored-devices=^st1$"]),
    "thermal_zone": PLAIN,
    "time": PLAIN,
    "udp_queues": PLAIN,
    "vmstat": PLAIN,
    "watchdog": PLAIN,
    "xfs": PLAIN,
    "zfs": PLAIN,
}

# Those that run only when they are named.
COLLECTORS |= {name: PLAIN for name in (
    "buddyinfo", "cgroups", "cpu_vulnerabilities", "drbd", "drm", "interrupts", "ksmd", "lnstat", "meminfo_numa", "mountstats", "pcidevice",
    "processes", "slabinfo", "softirqs", "swap", "xfrm", "zoneinfo")}
SYSCTL = {"include": ["kernel.pid_max_of_all", "fs.inode-state", "fs.quota-nr:total,current,max"], "include_info": ["kernel.seccomp.actions_avail"]}
COLLECTORS["sysctl"] = ("sysctl {\n" + "".join(f"{name} = {json.dumps(values)}\n" for name, values in SYSCTL.items()) + "}",
                        [f"--collector.sysctl.{name.replace('_', '-')}={value}" for name, values in SYSCTL.items() for value in values])

# Values that are not of the fixture: the golden file has * for them.
VARYING = r"node_filesystem_(size|free|avail)_bytes|node_filesystem_files(_free)?|node_time_(seconds|zone_offset_seconds)"

# What differs from Debian's node_exporter, which is 1.5 where Alloy has 1.10: series of one side alone -> why. Matched with
# the metric's name, and with name{label=value,...}.
GOLDEN_ALONE = {
    r"node_softnet_(backlog_len|cpu_collision_total|flow_limit_count_total|received_rps_total)": "since 1.6",
    r"node_cpu_online": "since 1.9",
    r"node_pressure_irq_stalled_seconds_total": "since 1.9",
    r"node_filesystem_mount_info": "since 1.9",
    r"node_btrfs_(commits|commit_seconds)_total|node_btrfs_(last|max)_commit_seconds": "since 1.9",
    r"node_cpu_scaling_governor": "since 1.7",
    r"node_hwmon_freq_freq_mhz|node_hwmon_sensor_label\{.*sensor=freq\d\}": "since 1.6",
    r"node_infiniband_.*\{device=mlx5_0,port=1\}": "hw_counters: since 1.6",
    r"node_md_(degraded|raid_disks)": "since 1.10",
    r"node_zfs_arc_arc_need_free|node_zfs_dbuf_.*|node_zfs_zpool_state\{state=suspended,.*": "newer files, types and states of ZFS",
    r"node_filesystem_readonly\{.*mountpoint=/srv/gone\}": "of mounts that do not answer: since 1.6",
    r"node_disk_info\{device=vda,.*": "the serial number of virtual disks: since 1.6",
    r"node_network_receive_nohandler_total": "from netlink, which tells of this machine and not of the fixture",
}
THEIRS_ALONE = {
    r"promhttp_.*": "of the exporter's own page",
    r"node_exporter_build_info": "not of the host",
    r"node_disk_info\{device=vda,.*": "as above",
}
# What 1.5 tells wrongly: metric, labels -> why.
WRONG = {
    ("node_nfsd_requests_total", "Verify|Write|RelLockOwner"): "it takes SetClientID and SetClientIDConfirm for them",
}


def told(page, host):
    """A page -> its text without help and durations, and with what varies as *; sorted."""
    out = []
    for line in page.replace(str(host), "HOST").splitlines():
        name = re.match(r"# TYPE (\S+)|([^\s{]+)", line)
        name = name[1] or name[2]
        if line.startswith("# HELP") or name in ("node_scrape_collector_duration_seconds", "node_exporter_build_info"):
            continue
        if re.fullmatch(VARYING, name) and not line.startswith("#"):
            line = line.rpartition(" ")[0] + " *"
        out.append(line)
    # The type of a family stands before it.
    return "".join(line + "\n" for line in sorted(out, key=lambda line: (re.sub(r"^# TYPE ", "", line).split()[0].split("{")[0],
                                                                       not line.startswith("#"), line)))


def types(page):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))


def excuse(key, table):
    """The pattern of `table` that names this series."""
    text = key[0] + "{" + ",".join("=".join(label) for label in key[1]) + "}"
    return next((pattern for pattern in table if re.fullmatch(pattern, key[0]) or re.fullmatch(pattern, text)), None)


def component(name, block, host):
    return f"""
prometheus.exporter.unix "{name}" {{
  set_collectors    = ["{name}"]
  enable_collectors = ["{name}"]
  procfs_path       = "{host}/proc"
  sysfs_path        = "{host}/sys"
  rootfs_path       = "{host}/root"
  udev_data_path    = "{host}/udev"
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
                golden, page = GOLDEN / f"{name}.txt", told(page, folder / "host")
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
                pages[name] = pages[name].replace(str(folder / "host"), "HOST")
        finally:
            exporter.kill()
            exporter.wait()
        problems, compared, excuses = [], 0, set()
        for name, theirs in pages.items():
            ours = (GOLDEN / f"{name}.txt").read_text()
            our_types, their_types = types(ours), types(theirs)
            ours, theirs = series(ours.replace(" *\n", " NaN\n")), series(theirs)
            for alone, what, table in ((set(theirs) - set(ours), "node_exporter", THEIRS_ALONE),
                                       (set(ours) - set(theirs), "the golden file", GOLDEN_ALONE)):
                for key in sorted(alone):
                    found = excuse(key, table)
                    excuses.add(found)
                    if not found and key[0] != "node_scrape_collector_duration_seconds":
                        problems.append(f"{name}: only {what} has {key}")
            for key in sorted(set(ours) & set(theirs)):
                compared += 1
                wrong = any(key[0] == metric and re.fullmatch(method, dict(key[1]).get("method", "")) for metric, method in WRONG)
                if not re.fullmatch(VARYING, key[0]) and not wrong and ours[key] != theirs[key]:
                    problems.append(f"{name}: {key}: {ours[key]} in the golden file, {theirs[key]} of node_exporter")
            problems += [f"{name}: {key} is {our_types[key]} in the golden file, {their_types[key]} of node_exporter"
                         for key in sorted(set(our_types) & set(their_types))
                         if our_types[key] != their_types[key]]
        problems += [f"no series needs the excuse {pattern}" for pattern in [*GOLDEN_ALONE, *THEIRS_ALONE] if pattern not in excuses]
        print(f"{len(pages)} collectors, {compared} series in both")
        check(not problems, "\n".join(problems[:80]))


def own_mounts():
    """Mounts of this process and its children from now on are nobody else's. -> libc"""
    fleetlab.as_root()
    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, private = 0x20000, 0x44000  # CLONE_NEWNS; MS_REC | MS_PRIVATE
    check(libc.unshare(new_namespace) == 0 and libc.mount(None, b"/", None, private, None) == 0, os.strerror(ctypes.get_errno()))
    return libc


def deaf_mount(libc, at):
    """A FUSE mount at `at` whose server never answers, as NFS without its server. -> the server: when it is closed, all who hang go on"""
    at.mkdir()
    server = os.open("/dev/fuse", os.O_RDWR)
    check(libc.mount(b"deaf", str(at).encode(), b"fuse", 0, f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()) == 0,
          os.strerror(ctypes.get_errno()))
    return server


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    check(done.returncode == 0, f"{words}: {done.stdout[-300:]} {done.stderr[-300:]}")
    return done.stdout


BTRFS = """
prometheus.exporter.unix "btrfs" {{
  set_collectors = ["btrfs"]
  procfs_path    = "{folder}/proc"
}}
"""


def btrfs_tells_what_its_own_tools_tell():
    """A mirror on two loop devices, one of which has lost a block: sizes, use and errors as btrfs-progs and node_exporter tell them."""
    own_mounts()
    with fleetlab.scratch_dir("fleet-btrfs") as folder:
        disks, loops, mount, port = [folder / "disk1", folder / "disk2"], [], folder / "mount", free_port()
        mount.mkdir()
        try:
            for disk in disks:
                with open(disk, "wb") as file:
                    file.truncate(128 << 20)
                loops.append(run("losetup", "-f", "--show", disk).strip())
            run("mkfs.btrfs", "-q", "-L", "lab", "-d", "raid1", "-m", "raid1", *loops)
            run("btrfs", "device", "scan", *loops)
            run("mount", "-t", "btrfs", loops[0], mount)
            known = os.urandom(1 << 20)
            (mount / "file").write_bytes(known)
            run("umount", mount)
            with open(disks[1], "r+b") as file:
                at = file.read().find(known[:4096])
                check(at > 0, "the file is not on the second disk")
                file.seek(at)
                file.write(bytes(4096))
            run("mount", "-t", "btrfs", loops[0], mount)
            run("btrfs", "scrub", "start", "-B", mount)  # finds the block, and writes it anew
            run("sync", "-f", mount)

            wanted = {}  # as btrfs-progs tell it
            show = run("btrfs", "filesystem", "show", "--raw", mount)
            uuid = re.search(r"uuid: (\S+)", show)[1]
            names = ("uuid", "device")
            for size, used, device in re.findall(r"size (\d+) used (\d+) path /dev/(\S+)", show):
                wanted["node_btrfs_device_size_bytes", uuid, device] = float(size)
                wanted["node_btrfs_device_unused_bytes", uuid, device] = float(size) - float(used)
            for device, kind, count in re.findall(r"\[/dev/(\S+)\]\.(\w+?)(?:_io)?_errs +(\d+)", run("btrfs", "device", "stats", mount)):
                wanted["node_btrfs_device_errors_total", uuid, device, kind] = float(count)
            for kind, mode, total, used in re.findall(r"(\w+), (\w+): total=(\d+), used=(\d+)", run("btrfs", "filesystem", "df", "--raw", mount)):
                if kind != "GlobalReserve":
                    wanted["node_btrfs_size_bytes", uuid, kind.lower(), mode.lower()] = float(total)
                    wanted["node_btrfs_used_bytes", uuid, kind.lower(), mode.lower()] = float(used)
            broken = wanted["node_btrfs_device_errors_total", uuid, loops[1].removeprefix("/dev/"), "corruption"]
            check(broken > 0 and len(wanted) == 2 * 2 + 2 * 5 + 3 * 2, f"btrfs-progs: {wanted}")

            (folder / "proc/1").mkdir(parents=True)  # the first process has not this namespace's mounts
            for name in ("mountinfo", "mounts"):
                (folder / "proc/1" / name).write_text(Path("/proc/self", name).read_text())
            exporter = subprocess.Popen(["/usr/bin/prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}",
                                         f"--path.procfs={folder}/proc", "--collector.disable-defaults", "--collector.btrfs"],
                                        stderr=subprocess.DEVNULL)
            try:
                eventually(lambda: http(f"http://127.0.0.1:{port}/metrics")[0] == 200, 20, "node_exporter")
                theirs = series(http(f"http://127.0.0.1:{port}/metrics")[1])
            finally:
                exporter.kill()
                exporter.wait()
            with Agent(BTRFS.format(folder=folder), folder / "agent") as agent:
                agent.start().wait_ready()
                ours = series(http(agent.url + "/api/v0/component/prometheus.exporter.unix.btrfs/metrics")[1])
                check(agent.stop() == 0, "exit status")
            for (name, *labels), value in wanted.items():
                keys = [*names, "type"] if "device" in name else ["uuid", "block_group_type", "mode"]
                found = {key: one for key, one in ours.items()
                         if key[0] == name and [dict(key[1]).get(label) for label in keys[:len(labels)]] == labels}
                check(list(found.values()) == [value], f"{name} {labels}: {found}, not {value}")
            theirs = {key: value for key, value in theirs.items() if key[0].startswith("node_btrfs_") and dict(key[1])["uuid"] == uuid}
            check(len(theirs) > 20 and all(ours.get(key) == value for key, value in theirs.items()),
                  f"node_exporter: {[(key, value, ours.get(key)) for key, value in theirs.items() if ours.get(key) != value]}")
        finally:
            subprocess.run(["umount", mount], capture_output=True)
            for loop in loops:
                run("losetup", "-d", loop)


PERF = """
logging {
  level = "debug"
}
prometheus.exporter.unix "software" {
  set_collectors    = ["perf"]
  enable_collectors = ["perf"]
  perf {
    disable_hardware_profilers = true
    disable_cache_profilers    = true
  }
}
prometheus.exporter.unix "hardware" {
  set_collectors    = ["perf"]
  enable_collectors = ["perf"]
  perf {
    disable_software_profilers = true
    disable_cache_profilers    = true
  }
}
"""


def perf_counts_what_the_kernel_counts():
    """Page faults and switches that this test makes are counted; hardware that counts nothing is told of."""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-perf") as folder, Agent(PERF, folder / "agent") as agent:
        agent.start().wait_ready()

        def page(name):
            return series(http(agent.url + f"/api/v0/component/prometheus.exporter.unix.{name}/metrics")[1])

        def told():
            out = {}
            for (name, _), value in page("software").items():
                out[name] = out.get(name, 0) + value
            return out

        def made():
            used = resource.getrusage(resource.RUSAGE_SELF)
            return {"node_perf_minor_faults_total": used.ru_minflt, "node_perf_page_faults_total": used.ru_minflt + used.ru_majflt,
                    "node_perf_context_switches_total": used.ru_nvcsw + used.ru_nivcsw}
        before, own = told(), made()
        check(set(own) < set(before), f"events: {sorted(before)}")
        for _ in range(20):
            with mmap.mmap(-1, 4 << 20) as memory:
                for at in range(0, len(memory), 4096):
                    memory[at] = 1
            os.sched_yield()
            time.sleep(0.001)
        own = {name: count - own[name] for name, count in made().items()}
        after = told()
        check(own["node_perf_page_faults_total"] > 1000 and own["node_perf_context_switches_total"] >= 20, f"made: {own}")
        for name, count in own.items():
            check(after[name] - before[name] >= count, f"{name}: {after[name]} after {before[name]}, and {count} of our own")
        counted = [name for name, _ in page("hardware") if name.startswith("node_perf_")]
        missing = "this machine counts no events of the hardware" in agent.log_tail(20000)
        check(bool(counted) != missing, f"hardware: {counted}, and the log {'says' if missing else 'does not say'} that there is none")
        check(agent.stop() == 0, "exit status")


HANGING = """
prometheus.exporter.unix "host" {{
  set_collectors = ["filesystem", "loadavg"]
  procfs_path    = "{folder}/proc"
  filesystem {{
    mount_timeout = "300ms"
  }}
}}
"""


def a_hung_mount_costs_one_thread_and_its_own_series():
    """docs/decisions/a-thread-for-a-hung-mount.md."""
    libc = own_mounts()  # nobody else is to hang
    with fleetlab.scratch_dir("fleet-hung-mount") as folder:
        deaf = folder / "deaf"
        (folder / "proc/1").mkdir(parents=True)
        (folder / "proc/loadavg").write_text("1 2 3 1/1 1\n")
        (folder / "proc/1/mountinfo").write_text(
            f"1 0 8:0 / / rw - ext4 /dev/before rw\n2 1 0:99 / {deaf} rw - fuse deaf rw\n3 1 8:2 / /tmp rw - ext4 /dev/behind rw\n")
        server = deaf_mount(libc, deaf)
        with Agent(HANGING.format(folder=folder), folder / "agent") as agent:
            def ask():
                status, page = http(agent.url + "/api/v0/component/prometheus.exporter.unix.host/metrics", timeout=60)
                check(status == 200, f"{status} {page[:300]}")
                return page

            def state(page):
                """What device_error says of the mount; the others and other collectors must be told of."""
                check("\nnode_load1 1\n" in page, "node_load1 is not told")
                for device in ("/dev/before", "/dev/behind"):
                    check(f'node_filesystem_size_bytes{{device="{device}"' in page, f"nothing is told of {device}: {page}")
                of = re.findall(r'^(\w+)\{device="deaf"(?:,device_error="(.*?)")?[,}]', page, re.M)
                check({name for name, _ in of} == {"node_filesystem_device_error", "node_filesystem_readonly"}, f"told of it: {of}")
                return of[0][1]

            def threads():
                return len(os.listdir(f"/proc/{agent.process.pid}/task"))

            agent.start().wait_ready()
            for _ in range(2):
                found = state(ask())
                check(found == "mountpoint timeout", f"it hangs: {found}")
            few = threads()
            for _ in range(10):
                check(state(ask()) == "mountpoint timeout", "it still hangs")
            eventually(lambda: threads() <= few, 20, lambda: f"{few} threads, not {threads()}")
            check(agent.stop(20) == 0, "exit status while a thread hangs")

            agent.start().wait_ready()
            check(state(ask()) == "mountpoint timeout", "it hangs the next agent")
            os.close(server)
            eventually(lambda: state(ask()) == "transport endpoint is not connected", 20, "the thread that hung comes back, and is used again")
            check(agent.stop() == 0, "exit status")
        libc.umount2(str(deaf).encode(), 2)


if __name__ == "__main__":
    fleetlab.main([unix_tells_of_the_fixture_host, node_exporter_tells_the_same_of_the_fixture_host,
                   btrfs_tells_what_its_own_tools_tell, perf_counts_what_the_kernel_counts, a_hung_mount_costs_one_thread_and_its_own_series])
