#!/usr/bin/env python3
"""What a scrape of 1,000 processes costs, beside process-exporter: processes.py AGENT [rest|ran|threads|others|smaps ...]

rest     processes that wait for ever
ran      the same, each of which has run since the last scrape
threads  480 processes with 3,000 threads, each of which has run since the last scrape
others   as ran, and both exporters are a user who may not look into the processes
smaps    as rest, with proportional memory

Both look at the same processes at the same time and are scraped in turns over HTTP, so that a page is written, too. They see
a PID namespace of their own, without what else runs here. Prints CPU time of the kernel and the program for a
scrape, and the least of ROUNDS rounds of SCRAPES. Nothing depends on the figures. Root only.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from cost import cpu_ms, resident_mib

ROUNDS = 4
SCRAPES = 10
PEER = "/usr/bin/prometheus-process-exporter"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Crowd:
    """Processes that wait, some with threads, and wake when they are told to."""

    def __init__(self, processes, threads):
        self.pids, self.writers = [], []
        for number in range(processes):
            own = threads * (number + 1) // processes - threads * number // processes
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                for other in self.writers:
                    os.close(other)
                os.close(writer)
                wait = lambda: [0 for _ in iter(lambda: os.read(reader, 1), b"")]
                for _ in range(own - 1):
                    threading.Thread(target=wait, daemon=True).start()
                wait()
                os._exit(0)
            os.close(reader)
            self.pids.append(pid)
            self.writers.append(writer)
        self.threads = [threads * (n + 1) // processes - threads * n // processes for n in range(processes)]

    def wake(self):
        for writer, threads in zip(self.writers, self.threads):
            os.write(writer, b"x" * threads)
        time.sleep(0.3)

    def end(self):
        for writer in self.writers:
            os.close(writer)
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def fetch(url, process, log):
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.read()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("processes.py: %s: %s\n%s" % (url, error, pathlib.Path(log.name).read_text()))
            time.sleep(0.1)


def case(agent, name):
    processes, threads = (480, 3000) if name == "threads" else (1000, 1000)
    smaps = str(name == "smaps").lower()
    before = NOBODY if name == "others" else []
    crowd = Crowd(processes, threads)
    time.sleep(1)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # where a user who is nobody may look
        os.chmod(folder, 0o777)
        folder = pathlib.Path(folder)
        (folder / "config.alloy").write_text('prometheus.exporter.process "x" { gather_smaps = %s }\n' % smaps)
        (folder / "config.yml").write_text("process_names: [{name: '{{.Comm}}', cmdline: ['.+']}]\n")
        # Where it was built is perhaps for its owner's eyes only.
        shutil.copy(agent, folder / "fleet-agent")
        log = open(folder / "log", "w")
        ours = subprocess.Popen(before + [folder / "fleet-agent", "run", str(folder / "config.alloy"), "--storage.path=" + str(folder / "state"),
                                          "--server.http.listen-addr=127.0.0.1:19345"], stderr=log)
        theirs = subprocess.Popen(before + [PEER, "-config.path", str(folder / "config.yml"), "-gather-smaps=" + smaps,
                                            "-web.listen-address", "127.0.0.1:19256"], stderr=log)
        both = [("fleet-agent", ours, "http://127.0.0.1:19345/api/v0/component/prometheus.exporter.process.x/metrics"),
                ("process-exporter", theirs, "http://127.0.0.1:19256/metrics")]
        least = {}
        for round in range(ROUNDS + 1):
            used = {label: 0 for label, _, _ in both}
            for _ in range(SCRAPES):
                for label, process, url in both:
                    if name in ("ran", "threads", "others"):
                        crowd.wake()
                    start = cpu_ms(process.pid)
                    page = fetch(url, process, log)
                    used[label] += cpu_ms(process.pid) - start
                    assert b"namedprocess_namegroup_num_procs" in page
            if round > 0:  # the first one looks at everything for the first time
                least = {label: min(used[label] / SCRAPES, least.get(label, 1e9)) for label in used}
        for label, process, _ in both:
            print("%-8s %-17s %6.1f ms CPU a scrape, %5.1f MiB resident" %
                  (name, label, least[label], resident_mib(process.pid)), flush=True)
        for process in (ours, theirs):
            process.kill()
            process.wait()
    crowd.end()


def main():
    if os.geteuid() != 0 or not os.path.exists(PEER):
        return print("processes.py: needs root and " + PEER)
    if os.environ.get("OWN_PIDS") != "1":
        os.environ["OWN_PIDS"] = "1"
        os.execvp("unshare", ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, *sys.argv])
    os.umask(0o022)
    for name in sys.argv[2:] or ["rest", "ran", "threads", "others", "smaps"]:
        case(sys.argv[1], name)


main()
