#!/usr/bin/env python3
"""What a scrape of the host costs, beside node_exporter: unix.py AGENT

Both run their default collectors on this host and are scraped in turns over HTTP, so that a page is written, too. Prints the CPU
time of the kernel and the program for a scrape: the least and the median of ROUNDS rounds of SCRAPES. Nothing depends on the figures.
"""
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from cost import cpu_ms, resident_mib

ROUNDS = 7
SCRAPES = 200
PEER = "/usr/bin/prometheus-node-exporter"


def start(command, log, pattern):
    """-> (process, what `pattern` finds in its log)"""
    process = subprocess.Popen(command, stdout=open(log, "wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    for _ in range(400):
        if found := re.search(pattern, pathlib.Path(log).read_text()):
            return process, found[1]
        time.sleep(0.05)
    raise SystemExit(f"{command[0]} does not start: {pathlib.Path(log).read_text()[-500:]}")


def main(agent_binary):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-unix-bench."))
    (folder / "config.alloy").write_text('prometheus.exporter.unix "host" { }\n')
    agent, address = start([agent_binary, "run", folder / "config.alloy", "--server.http.listen-addr=127.0.0.1:0",
                            f"--storage.path={folder / 'data'}"], folder / "agent.log", r"http traffic\" addr=(\S+)")
    peer, port = start([PEER, "--web.listen-address=127.0.0.1:0", "--web.disable-exporter-metrics"], folder / "peer.log",
                       r"Listening on[^\n]*address=127\.0\.0\.1:(\d+)")
    parties = {"agent": (agent, f"http://{address}/api/v0/component/prometheus.exporter.unix.host/metrics"),
               "node_exporter": (peer, f"http://127.0.0.1:{port}/metrics")}
    costs, pages = {name: [] for name in parties}, {}
    try:
        for round_number in range(ROUNDS + 1):
            for name, (process, url) in parties.items():
                before = cpu_ms(process.pid)
                for _ in range(SCRAPES):
                    with urllib.request.urlopen(url, timeout=60) as answer:
                        pages[name] = answer.read().decode()
                if round_number:  # the first only warms up
                    costs[name].append((cpu_ms(process.pid) - before) / SCRAPES)
        for name, (process, _) in parties.items():
            series = sum(1 for line in pages[name].splitlines() if line and line[0] != "#")
            print(f"{name:14} {series:5} series  least {min(costs[name]):6.2f} ms  median {statistics.median(costs[name]):6.2f} ms"
                  f"  resident {resident_mib(process.pid):5.1f} MiB")
    finally:
        for process, _ in parties.values():
            process.send_signal(signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
