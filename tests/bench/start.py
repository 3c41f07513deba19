#!/usr/bin/env python3
"""How long an agent takes from its exec to 200 of /-/ready: start.py AGENT

Each time it is a new process with an empty data folder, for the largest configuration of the example fleet; the ports of its syslog
listeners are whichever are free. Prints the least and the median of RUNS, and what the process had used by then. Nothing depends on
the figures.
"""
import http.client
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

FLEET = pathlib.Path(__file__).parent.parent / "golden" / "ouranos"
RUNS = 30
LIMIT_S = 30


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()


def cpu_ms(pid):
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def start(agent, text):
    """-> (ms until it is ready, CPU ms of its first thread by then)"""
    with tempfile.TemporaryDirectory(prefix="fleet-start-bench.") as folder:
        config, port = pathlib.Path(folder, "config.alloy"), free_port()
        config.write_text(text)
        begun = time.monotonic()
        process = subprocess.Popen([agent, "run", config, f"--server.http.listen-addr=127.0.0.1:{port}",
                                    f"--storage.path={folder}/data"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            while not ready(port):
                if process.poll() is not None or time.monotonic() - begun > LIMIT_S:
                    raise SystemExit(f"the agent is not ready: {process.poll()}")
                time.sleep(0.0005)
            return 1000 * (time.monotonic() - begun), cpu_ms(process.pid)
        finally:
            process.kill()
            process.wait()


def main(agent):
    largest = max(FLEET.glob("*/config.alloy"), key=lambda path: path.stat().st_size)
    text = re.sub(r'(address += "127\.0\.0\.1):\d+"', r'\1:0"', largest.read_text())
    took, used = zip(*(start(agent, text) for _ in range(RUNS)))
    print(f"{largest.parent.name}, {text.count(chr(10))} lines: ready after: least {min(took):.1f} ms, median "
          f"{statistics.median(took):.1f} ms; of it CPU: least {min(used):.1f} ms, median {statistics.median(used):.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1])
