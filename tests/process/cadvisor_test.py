#!/usr/bin/python3
"""cadvisor_test.py CASE | --list: what prometheus.exporter.cadvisor tells of real containers is what a real Docker Engine, the
kernel's control groups and /proc tell of them. The agent runs as nobody, with the group of Docker's socket and nothing else.

The same is held to the truth twice: on this machine, whatever version its control groups have, and in a user mode Linux
(a kernel as a process, Debian's user-mode-linux) that has version 2 with all controllers and a Docker Engine of its own.
"""

import calendar
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import BIN, Agent, Lab, check, eventually, http

KERNEL = "/usr/bin/linux.uml"
DOCKER_GROUP = 8765
MIB = 1 << 20
CONFIG = """
prometheus.exporter.cadvisor "all" {{
  docker_host                  = "unix://{socket}"
  disabled_metrics             = ["app", "referenced_memory"]
  allowlisted_container_labels = ["restartcount"]
  env_metadata_allowlist       = ["SHOP_"]
}}
"""
PAGE = "/api/v0/component/prometheus.exporter.cadvisor.all/metrics"


class World:
    """A Docker Engine, its containers, and what the kernel says of them."""

    def __init__(self, socket):
        self.socket = socket

    def docker(self, *words):
        done = subprocess.run([fleetlab.DOCKER, "-H", f"unix://{self.socket}", *map(str, words)], text=True, capture_output=True)
        check(done.returncode == 0, f"docker {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout.strip()

    def api(self, path):
        return json.loads(subprocess.run(["curl", "-sS", "--max-time", "30", "--unix-socket", self.socket, f"http://docker{path}"],
                                         check=True, capture_output=True, text=True).stdout)

    def inspect(self, name):
        return self.api(f"/containers/{name}/json?size=1")

    def stats(self, name):
        return self.api(f"/containers/{name}/stats?stream=false&one-shot=true")


def read(path):
    return Path(path).read_text()


def pairs(path):
    return {line.split()[0]: int(line.split()[1]) for line in read(path).splitlines()}


class Page:
    """Series of a page: name and labels -> value."""

    def __init__(self, text):
        self.series = []
        for line in text.splitlines():
            if found := re.fullmatch(r"([a-z0-9_]+)(?:\{(.*)\})? (\S+)", line):
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
                self.series.append((found[1], labels, float(found[3])))

    def all(self, family, /, **labels):
        return [(l, v) for n, l, v in self.series if n == family and labels.items() <= l.items()]

    def one(self, family, /, **labels):
        found = self.all(family, **labels)
        check(len(found) == 1, f"{family}{labels}: {len(found)} series")
        return found[0][1]

    def sum(self, family, /, **labels):
        return sum(value for _, value in self.all(family, **labels))


def page_of(agent):
    status, text = http(agent.url + PAGE, timeout=30)
    check(status == 200, f"status {status}: {text[:300]}")
    return Page(text)


def between(what, low, value, high, slack=0.0):
    check(low - slack <= value <= high + slack, f"{what}: {value} is not between {low} and {high} (and {slack})")


def interface(pid):
    """What the container's eth0 has received and sent, in bytes and packets."""
    fields = next(line.split(":")[1].split() for line in read(f"/proc/{pid}/net/dev").splitlines() if "eth0:" in line)
    return [int(fields[at]) for at in (0, 1, 8, 9)]


def cpu_seconds(version, group):
    if version == 2:
        return pairs(f"/sys/fs/cgroup{group}/cpu.stat")["usage_usec"] / 1e6
    return int(read(f"/sys/fs/cgroup/cpuacct{group}/cpuacct.usage")) / 1e9


def prove(world, folder, plug):
    """The whole comparison. plug(pid) gives the process's network an eth0 that something goes over."""
    version = 2 if Path("/sys/fs/cgroup/cgroup.controllers").is_file() else 1
    run = ("run", "-d", "--network", "none")
    world.docker(*run, "--name", "busy", "--cpus", "0.1", "--memory", "64m", "--memory-reservation", "32m", "--pids-limit", "50",
                 "--label", "com.docker.compose.service=burn", "--label", 'odd-key={"a": "ü\\"}', "--env", "SHOP_ZONE=b",
                 "--env", "SECRET=no", "--restart", "always", "lab:1", "/bin/sh", "-c",
                 "/bin/busybox dd if=/dev/zero of=/eight bs=1048576 count=8 oflag=direct; /bin/busybox sync; "
                 "sleep 1000 & while :; do :; done")
    world.docker(*run, "--name", "idle", "lab:1", "/bin/sleep", "1000")
    busy = world.inspect("busy")
    identity = busy["Id"]
    plug(busy["State"]["Pid"])
    eventually(lambda: world.inspect("busy")["SizeRw"] >= 8 * MIB, 60, "the container has written its file")
    eventually(lambda: world.stats("busy")["cpu_stats"]["throttling_data"]["throttled_periods"] > 0, 60, "it is throttled")

    program = folder / "fleet-agent"
    shutil.copy(BIN / "fleet-agent", program)
    agent = Agent(CONFIG.format(socket=world.socket), folder / "agent")
    agent.command = ["setpriv", "--reuid=65534", f"--regid={DOCKER_GROUP}", "--clear-groups", program]
    os.chown(agent.folder, 65534, DOCKER_GROUP)
    with agent.start().wait_ready(60):
        page_of(agent)  # so that the container is known
        group = next(l["id"] for l, _ in page_of(agent).all("container_last_seen", name="busy"))
        check(identity in group, f"the path {group} is of the container {identity}")
        before, cpu_before, net_before = world.stats("busy"), cpu_seconds(version, group), interface(busy["State"]["Pid"])
        page = page_of(agent)
        after, cpu_after, net_after = world.stats("busy"), cpu_seconds(version, group), interface(busy["State"]["Pid"])
        own = {"name": "busy"}

        labels = page.all("container_last_seen", **own)[0][0]
        check(labels == {"id": group, "name": "busy", "image": "lab:1", "container_label_com_docker_compose_service": "burn",
                         "container_label_odd_key": '{\\"a\\": \\"ü\\\\\\"}', "container_env_shop_zone": "b"}, f"labels: {labels}")

        between("CPU seconds", cpu_before, page.sum("container_cpu_usage_seconds_total", **own), cpu_after)
        for name, key in (("user", "usage_in_usermode"), ("system", "usage_in_kernelmode")):
            low, high = (stats["cpu_stats"]["cpu_usage"][key] / 1e9 for stats in (before, after))
            between(f"CPU seconds {name}", low, page.one(f"container_cpu_{name}_seconds_total", **own), high, 0.02)
        check(page.one("container_cpu_user_seconds_total", **own) > 0.1, "it was busy")
        for metric, key, unit in (("periods", "periods", 1), ("throttled_periods", "throttled_periods", 1),
                                  ("throttled_seconds", "throttled_time", 1e9)):
            low, high = (stats["cpu_stats"]["throttling_data"][key] / unit for stats in (before, after))
            between(metric, low, page.one(f"container_cpu_cfs_{metric}_total", **own), high, 1e-6)
        check(page.one("container_cpu_cfs_throttled_periods_total", **own) > 0, "it was throttled")

        memory = [stats["memory_stats"] for stats in (before, after)]
        between("memory", min(m["usage"] for m in memory), page.one("container_memory_usage_bytes", **own),
                max(m["usage"] for m in memory), MIB // 4)
        inactive = "inactive_file" if version == 2 else "total_inactive_file"
        sets = [m["usage"] - m["stats"][inactive] for m in memory]  # what `docker stats` shows
        between("working set", min(sets), page.one("container_memory_working_set_bytes", **own), max(sets), MIB // 4)
        for metric, key in (("rss", "anon" if version == 2 else "total_rss"), ("cache", "file" if version == 2 else "total_cache")):
            between(metric, min(m["stats"][key] for m in memory), page.one(f"container_memory_{metric}", **own),
                    max(m["stats"][key] for m in memory), MIB // 4)
        if version == 1:
            between("most memory", memory[0]["max_usage"], page.one("container_memory_max_usage_bytes", **own), memory[1]["max_usage"])

        limits = busy["HostConfig"]
        check(page.one("container_spec_memory_limit_bytes", **own) == limits["Memory"] == 64 * MIB, "limit of memory")
        check(page.one("container_spec_memory_reservation_limit_bytes", **own) == limits["MemoryReservation"], "reservation")
        quota, period = page.one("container_spec_cpu_quota", **own), page.one("container_spec_cpu_period", **own)
        check(quota / period == limits["NanoCpus"] / 1e9 == 0.1, f"quota {quota} of {period}")
        check(page.one("container_spec_memory_limit_bytes", name="idle") == 0, "no limit is 0")
        check(page.all("container_spec_cpu_quota", name="idle") == [], "no quota is none")

        check(page.one("container_threads", **own) == after["pids_stats"]["current"] == 2, "threads")
        check(page.one("container_threads_max", **own) == limits["PidsLimit"] == 50, "limit of threads")
        check(page.one("container_processes", **own) == 2, "processes")
        check(page.one("container_tasks_state", state="sleeping", **own) + page.one("container_tasks_state", state="running", **own)
              == 2, "tasks by state")
        check(page.one("container_cpu_schedstat_run_seconds_total", **own) > 0.1, "it has run")
        soft = re.search(r"Max open files\s+(\d+)", read(f"/proc/{busy['State']['Pid']}/limits"))[1]
        check(page.one("container_ulimits_soft", ulimit="max_open_files", **own) == int(soft), "limit of open files")

        for metric, low, high in zip(("receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"), net_before, net_after):
            between(metric, low, page.one(f"container_network_{metric}_total", interface="eth0", **own), high)
        check(net_before[0] > 1000, f"something went over the network: {net_before}")
        check(page.all("container_network_receive_bytes_total", name="idle") == [], "without a network there are no interfaces")

        ios = {(e["major"], e["minor"], e["op"].lower()): e["value"]
               for e in after["blkio_stats"]["io_service_bytes_recursive"] or []}
        told = {(int(l["major"]), int(l["minor"]), l["operation"].lower()): v
                for l, v in page.all("container_blkio_device_usage_total", **own)}
        check({k: v for k, v in told.items() if v} == {k: v for k, v in ios.items() if v}, f"block I/O: {told}, not {ios}")
        print(f"block I/O: {ios}")
        check(page.one("container_fs_usage_bytes", **own) == world.inspect("busy")["SizeRw"], "bytes of its own files")
        root = os.statvfs(world.api("/info")["DockerRootDir"])
        check(page.one("container_fs_limit_bytes", **own) == root.f_blocks * root.f_frsize, "size of the file system")

        check(page.one("container_start_time_seconds", **own) == started(busy), "start")
        between("last seen", time.time() - 30, page.one("container_last_seen", **own), time.time())
        check(page.one("container_health_state", **own) == -1 and page.one("container_oom_events_total", **own) == 0, "health")
        check(page.one("container_scrape_error") == 0 == page.one("machine_scrape_error"), "no errors")
        check(page.one("machine_cpu_cores") == os.cpu_count(), "cores")
        total = int(re.search(r"MemTotal:\s+(\d+) kB", read("/proc/meminfo"))[1]) * 1024
        check(page.one("machine_memory_bytes") == total == page.one("container_spec_memory_limit_bytes", id="/"), "memory")
        check(page.all("cadvisor_version_info")[0][0]["dockerVersion"] == world.api("/version")["Version"], "version")

        # A restart by the daemon: new counters, a new start, one more restart.
        time.sleep(max(0.0, 1.1 - (time.time() - started(busy))))
        os.kill(busy["State"]["Pid"], 9)
        again = eventually(lambda: (i := world.inspect("busy"))["State"]["Pid"] not in (0, busy["State"]["Pid"]) and i, 60,
                           "a restart")
        check(again["RestartCount"] == 1, "the daemon has counted the restart")
        page = page_of(agent)
        check(page.one("container_start_time_seconds", **own) == started(again) > started(busy), "the new start")
        check(page.one("container_start_time_seconds", container_label_restartcount="1") == started(again), "restarts")
        check(page.sum("container_cpu_usage_seconds_total", **own) < cpu_after, "new counters")

        # No memory: the kernel kills, and counts.
        world.docker("run", "-d", "--network", "none", "--name", "greedy", "--memory", "16m", "lab:1", "/bin/sh", "-c",
                     "while :; do /bin/busybox dd if=/dev/zero of=/dev/null bs=33554432 count=1; sleep 1; done")
        eventually(lambda: page_of(agent).sum("container_oom_events_total", name="greedy") >= 1, 60, "a kill is counted")

        # Renamed and removed.
        world.docker("rename", "idle", "calm")
        page = page_of(agent)
        check(page.all("container_last_seen", name="idle") == [] and page.one("container_last_seen", name="calm"), "the new name")
        world.docker("rm", "-f", "calm")
        check(page_of(agent).all("container_last_seen", name="calm") == [], "what is removed is not told of")
        check(agent.stop() == 0, "exit status")
    return version


def started(inspection):
    """Whole seconds since 1970."""
    moment = time.strptime(inspection["State"]["StartedAt"][:19], "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(moment)


def plug_with_veth(pid):
    """eth0 in the network of the process, with traffic from here."""
    subprocess.run(["ip", "link", "add", "fl-cadv", "type", "veth", "peer", "name", "eth0", "netns", str(pid)], check=True)
    inside = ["nsenter", "-t", str(pid), "-n", "ip"]
    for words in (["ip", "addr", "add", "10.78.99.1/30", "dev", "fl-cadv"], ["ip", "link", "set", "fl-cadv", "up"],
                  [*inside, "addr", "add", "10.78.99.2/30", "dev", "eth0"], [*inside, "link", "set", "eth0", "up"]):
        subprocess.run(words, check=True)
    subprocess.run(["/bin/busybox", "ping", "-c", "20", "-i", "0.05", "-s", "800", "10.78.99.2"], check=True, stdout=subprocess.DEVNULL)


def containers_on_this_machine():
    """Real containers are told of as Docker and the kernel tell of them"""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-cadvisor-test") as folder, Lab("/tmp/fleet-cadvisor", "cadvisor") as lab:
        folder.chmod(0o755)
        lab.run("docker-up")
        lab.folder.chmod(0o755)
        try:
            version = prove(World(str(lab.docker_socket)), folder, plug_with_veth)
        finally:
            subprocess.run(["ip", "link", "del", "fl-cadv"], capture_output=True)
        print(f"control groups of version {version}")


# The first process of the machine in user mode: what a boot does, then the proof, then the end.
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin FLEET_BIN={bin}
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /run
ip link set lo up
/bin/busybox insmod /usr/lib/uml/modules/$(uname -r)/kernel/drivers/net/veth.ko
mkdir /run/docker-data; mkfs.ext4 -q /dev/ubda; mount /dev/ubda /run/docker-data
python3 {script} --inside {folder} >{folder}/inside.log 2>&1
echo $? >{folder}/status

halt -f -p
"""


def containers_on_version_2():
    """The same on a kernel whose control groups are of version 2 only, with its own Docker Engine"""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-cadvisor-test") as folder:
        folder.chmod(0o755)
        init = folder / "init"
        init.write_text(INIT.format(bin=BIN, script=Path(__file__).resolve(), folder=folder))
        init.chmod(0o755)
        with open(folder / "disk", "wb") as disk:
            disk.truncate(512 * MIB)
        with open(folder / "console.log", "wb") as console:
            subprocess.run([KERNEL, "rootfstype=hostfs", "rootflags=/", "rw", "mem=768M", f"ubd0={folder / 'disk'}", "con=null",
                            "con0=null,fd:1", f"init={init}", f"uml_dir={folder}", "quiet"],
                           stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=270)
        said = (folder / "inside.log").read_text() if (folder / "inside.log").exists() else read(folder / "console.log")
        check((folder / "status").exists() and read(folder / "status").strip() == "0", f"inside: {said[-3000:]}")
        print(said, end="")


def inside(folder):
    """In the machine in user mode."""
    socket = "/run/docker.sock"
    flags = ("--data-root /run/docker-data --exec-root /run/exec --pidfile /run/dockerd.pid --storage-driver vfs --bridge none "
             f"--iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=false --group {DOCKER_GROUP}")
    with open(folder / "dockerd.log", "wb") as log:
        subprocess.Popen(["dockerd", "-H", f"unix://{socket}", *flags.split()], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    world = World(socket)
    eventually(lambda: subprocess.run([fleetlab.DOCKER, "-H", f"unix://{socket}", "version"], capture_output=True).returncode == 0,
               90, "Docker answers", 0.5)
    image = Path("/run/image/bin")
    image.mkdir(parents=True)
    shutil.copy("/bin/busybox", image)
    for name in ("sh", "sleep"):
        (image / name).symlink_to("busybox")
    subprocess.run(f"tar -C /run/image -c . | {fleetlab.DOCKER} -H unix://{socket} import - lab:1", shell=True, check=True,
                   stdout=subprocess.DEVNULL)
    run = Path("/run/agent")
    run.mkdir(mode=0o755)
    print(f"control groups of version {prove(world, run, plug_with_veth)}, Linux {os.uname().release}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        try:
            inside(Path(sys.argv[2]))
        except Exception:
            traceback.print_exc(file=sys.stdout)
            sys.exit(1)
        sys.exit(0)
    fleetlab.main([containers_on_this_machine, containers_on_version_2])
