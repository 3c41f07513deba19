#!/usr/bin/python3
"""demo_test.py CASE | --list: what `make demo` and `make demo-down` run, with a judge as the real Loki of LOKI_URL."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import BIN, ROOT, Judge, check, eventually

NAME = "demotest"


def demo(*words, **environment):
    return subprocess.run([ROOT / "packaging/demo.sh", *words], env={**os.environ, "LAB_NAME": NAME, **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)


def the_demo_shows_what_it_promises():
    """Lines and metrics of the hosts are shown, lines reach LOKI_URL, pages answer, a second `up` works, all is removed."""
    fleetlab.as_root()
    with Judge() as judge:
        try:
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):  # then somebody has the port already
                    other.bind(("", 9090))
                    other.listen()
                done = demo("up", str(BIN), LOKI_URL=judge.url)
            check(done.returncode == 0 and ":9090/" not in done.stdout, f"Prometheus' port was taken: {done.stdout}")
            done = demo("up", str(BIN), LOKI_URL=judge.url)
            check(done.returncode == 0, done.stdout)
            said = done.stdout
            for host in ("puck", "oberon", "caliban"):
                check(re.search(rf'hostname="{host}.incus", job="systemd"}}  "?heartbeat \d', said), f"{host}: {said}")
            for component in ("app", "mcp"):
                check(f'{{component="{component}", instance="puck.incus", service="athena"}} => ' in said, f"memory of {component}: {said}")
                check(re.search(rf'component="{component}", container="athena-{component}-1".*request served', said), said)
            for host in ("puck", "oberon"):
                for job in ("alloy", "integrations/cadvisor", "integrations/process", "integrations/unix"):
                    check(f'{{instance="{host}.incus", job="{job}"}} => 1\n' in said, f"{host}, {job}: {said}")
                check(f'{{groupname="fleet-agent", instance="{host}.incus"}} => ' in said, f"{host}: {said}")
                check(len(re.findall(rf'{{instance="{host}.incus"}} => [\d.]+\n', said)) == 3, f"{host}: {said}")
            prometheus = re.search(r"Prometheus +(http://[^/]+)/classic/graph\?\S+ +alerts: (\S+)", said)
            check(fleetlab.http(prometheus[2])[0] == 200 and "HostDown" in fleetlab.http(prometheus[1] + "/api/v1/rules")[1], said)
            pages = re.findall(r"pages at (http://[^\s,]+)", said)
            check(len(pages) == 4 and "make demo-down" in said, said)
            for page in pages:
                check(fleetlab.http(page)[0] == 200 and fleetlab.http(page + "-/healthy")[0] == 200, f"no page at {page}")
            wanted = {"puck.incus", "oberon.incus", "caliban.incus"}
            eventually(lambda: wanted <= {entry["labels"]["hostname"] for entry in judge.entries()}, 30, "lines at LOKI_URL")
            check(judge.count()["malformed"] == [], f"{judge.count()['malformed'][:3]}")
        finally:
            down = demo("down")
        check(down.returncode == 0, down.stdout)
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
        check(not Path(f"/tmp/fleet-{NAME}").exists() and f"-{NAME}" not in links, f"left behind:\n{links}")
        check(f"/tmp/fleet-{NAME}" not in Path("/proc/self/mountinfo").read_text(), "a mount is left behind")


if __name__ == "__main__":
    fleetlab.main([the_demo_shows_what_it_promises])
