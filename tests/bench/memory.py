#!/usr/bin/env python3
"""What the real agent keeps in memory, and what it costs at rest: memory.py AGENT [quiet|idle|dead|metrics|pages ...]

quiet  30 files of which each gets a line now and then, as 30 containers that have little to say
idle   10,000 files that nobody writes, found by a pattern
dead   a Loki that refuses for a while and accepts for a while, again and again, while the writer goes on: the
       queue is full in each of CYCLES (40) rounds, and what is resident must not grow
metrics a target with SERIES (5,000) series, a tenth of which changes, scraped every second and remote written
pages  200 components and a file with 10 lines a second: nobody looks, somebody has the list or the graph open and a live tail, and
       nobody looks again

Prints resident and private (not backed by a file) memory and CPU time. Nothing depends on the figures.
"""
import http.server
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

LINE = ('{"log":"10.0.0.17 - alice [09/Oct/2025:08:53:20 +0000] \\"GET /api/v1/items?page=3 HTTP/1.1\\" 200 5316 %d\\n",'
        '"stream":"stdout","time":"2025-10-09T08:53:20.%09dZ"}\n')


class Loki(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        self.accepts = True
        self.pushes = 0
        super().__init__(("127.0.0.1", 0), Push)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d/loki/api/v1/push" % self.server_address[1]


class Push(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # the name that http.server calls
        left = int(self.headers["Content-Length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.server.pushes += 1
        self.send_response(204 if self.server.accepts else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Agent:
    def __init__(self, program, folder, config):
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % probe.getsockname()[1]
        probe.close()
        path = folder / "config.alloy"
        path.write_text(config)
        self.process = subprocess.Popen(
            [program, "run", str(path), "--server.http.listen-addr=" + self.address, "--storage.path=" + str(folder / "state")],
            stderr=open(folder / "log", "w"))

    def kib(self, name):
        for line in open("/proc/%d/status" % self.process.pid):
            if line.startswith(name + ":"):
                return int(line.split()[1])
        return 0

    def memory(self):
        return "%5.1f MiB resident, %5.1f of it private" % (self.kib("VmRSS") / 1024, self.kib("RssAnon") / 1024)

    def cpu_seconds(self):
        fields = open("/proc/%d/stat" % self.process.pid).read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def work(self):
        """CPU time in ms, and how often a thread was woken; of the threads there are."""
        ms = wakeups = 0
        for task in pathlib.Path("/proc/%d/task" % self.process.pid).iterdir():
            ms += int((task / "schedstat").read_text().split()[0]) / 1e6
            wakeups += int((task / "status").read_text().split("voluntary_ctxt_switches:")[1].split()[0])
        return ms, wakeups, len(list(pathlib.Path("/proc/%d/task" % self.process.pid).iterdir()))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def configuration(pattern, loki, stages=True, write=""):
    middle = "loki.process.p.receiver" if stages else "loki.write.w.receiver"
    return """
loki.source.file "f" {
  targets    = [{ __path__ = "%s", job = "bench" }]
  file_match { enabled = true }
  tail_from_end = true
  forward_to = [%s]
}
loki.process "p" {
  stage.docker { }
  forward_to = [loki.write.w.receiver]
}
loki.write "w" {
  endpoint {
    url = "%s"
    %s
  }
}
""" % (pattern, middle, loki.url, write)


def quiet(program, folder):
    loki = Loki()
    files = [folder / ("container-%d-json.log" % i) for i in range(30)]
    for path in files:
        path.write_text(LINE % (0, 0) * 100)
    agent = Agent(program, folder, configuration(folder / "*-json.log", loki))
    number = 0

    def chat(seconds):
        nonlocal number
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            number += 1
            with open(files[number % len(files)], "a") as out:
                out.write(LINE % (number, number))
            time.sleep(0.1)

    chat(5)
    before = agent.cpu_seconds()
    chat(60)
    used = agent.cpu_seconds() - before
    print("quiet: 30 files, 10 lines/s in all: %s; %.2f %% of a core" % (agent.memory(), used / 60 * 100))
    time.sleep(5)
    before = agent.cpu_seconds()
    time.sleep(60)
    print("quiet: then nothing is written: %s; %.2f %% of a core" % (agent.memory(), (agent.cpu_seconds() - before) / 60 * 100))
    agent.stop()


def idle(program, folder):
    loki = Loki()
    agent = Agent(program, folder, configuration(folder / "logs/*.log", loki))
    (folder / "logs").mkdir()
    time.sleep(5)
    without = agent.kib("RssAnon")
    agent.stop()
    for i in range(10000):
        (folder / ("logs/some-application-%d.log" % i)).write_text("x\n")
    agent = Agent(program, folder, configuration(folder / "logs/*.log", loki))
    time.sleep(45)
    before = agent.cpu_seconds()
    time.sleep(60)
    used = agent.cpu_seconds() - before
    print("idle: 10,000 files: %s, %.0f private bytes more for each; %.2f %% of a core" %
          (agent.memory(), (agent.kib("RssAnon") - without) * 1024 / 10000, used / 60 * 100))
    agent.stop()


def dead(program, folder):
    loki = Loki()
    cycles = int(os.environ.get("CYCLES", "40"))
    path = folder / "busy-json.log"
    path.write_text("")
    agent = Agent(program, folder, configuration(
        path, loki, write='min_backoff_period = "20ms"\n    max_backoff_period = "100ms"'))
    time.sleep(2)
    before = agent.memory()
    number = 0
    seen = []
    for cycle in range(cycles):
        loki.accepts = False
        out = open(path, "a")
        for _ in range(20):  # 20 MiB: twice the queue
            text = []
            for _ in range(5000):
                number += 1
                text.append(LINE % (number, number))
            out.write("".join(text))
            out.flush()
            time.sleep(0.02)
        out.close()
        time.sleep(1)
        seen.append((agent.kib("VmRSS"), agent.kib("RssAnon")))
        loki.accepts = True
        pushes = -1
        while pushes != loki.pushes:  # until it has caught up
            pushes = loki.pushes
            time.sleep(1)
        path.write_text("")  # a file that only grows would fill the disk
        time.sleep(0.3)
    resident = [r for r, _ in seen]
    print("dead: before: %s" % before)
    print("dead: full queue, first round %.1f MiB resident (%.1f private), most in %d rounds %.1f (%.1f), last %.1f" %
          (resident[0] / 1024, seen[0][1] / 1024, cycles, max(resident) / 1024, max(p for _, p in seen) / 1024,
           resident[-1] / 1024))
    time.sleep(5)
    print("dead: after all was delivered: %s; %d lines" % (agent.memory(), number))
    agent.stop()


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # the name that http.server calls
        server = self.server
        server.asked += 1
        lines = server.lines
        for i in range(server.asked % 10, len(lines), 10):
            lines[i] = server.heads[i] + str(server.asked * 1.25 + i)
        body = ("# TYPE http_requests_total counter\n" + "\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def metrics(program, folder):
    series = int(os.environ.get("SERIES", "5000"))
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    target.daemon_threads = True
    target.asked = 0
    receiver = Loki()

    def run(count, seconds, case):
        target.heads = ['http_requests_total{method="GET",path="/api/v1/items/%d",status="%d",pod="shop-%d"} ' %
                        (i % 500, 200 + i % 5, i // 500) for i in range(count)]
        target.lines = [head + "0" for head in target.heads]
        (folder / case).mkdir()
        agent = Agent(program, folder / case, """
prometheus.scrape "s" {
  targets         = [{ "__address__" = "127.0.0.1:%d" }]
  scrape_interval = "1s"
  scrape_timeout  = "1s"
  forward_to      = [prometheus.remote_write.w.receiver]
}
prometheus.remote_write "w" {
  endpoint {
    url = "%s"
  }
}
""" % (target.server_address[1], receiver.url))
        time.sleep(15)
        before = agent.cpu_seconds()
        time.sleep(seconds)
        out = (agent.cpu_seconds() - before) / seconds * 100, agent.kib("RssAnon"), agent.kib("VmRSS"), agent.memory()
        agent.stop()
        return out

    threading.Thread(target=target.serve_forever, daemon=True).start()
    few = run(10, 5, "few")
    many = run(series, 60, "many")
    print("metrics: %d series every second: %s; %.2f MiB resident more for each 1,000; %.2f %% of a core" %
          (series, many[3], (many[2] - few[2]) / 1024 / series * 1000, many[0]))


def pages(program, folder):
    loki = Loki()
    path = folder / "app-json.log"
    path.write_text("")
    more = "".join('loki.relabel "r%d" {\n  forward_to = [loki.write.w.receiver]\n}\n' % i for i in range(197))
    agent = Agent(program, folder, "livedebugging {\n  enabled = true\n}\n" + configuration(path, loki) + more)
    over, number = threading.Event(), 0

    def write():
        nonlocal number
        with open(path, "a", buffering=1) as out:
            while not over.wait(0.1):
                number += 1
                out.write(LINE % (number, number))

    def look(at, until):
        while not until.wait(2):
            urllib.request.urlopen("http://%s%s" % (agent.address, at)).read()

    def tail(until):
        with urllib.request.urlopen("http://%s/api/v0/web/tap/loki.process.p" % agent.address) as answer:
            while not until.is_set():
                answer.readline()

    def measure(what):
        time.sleep(5)
        before = agent.work()
        time.sleep(60)
        after = agent.work()
        print("pages: %s: %.1f ms of CPU and %.1f wakeups a second, %d threads" %
              (what, (after[0] - before[0]) / 60, (after[1] - before[1]) / 60, after[2]), flush=True)

    threading.Thread(target=write).start()
    time.sleep(5)
    measure("nobody looks")
    left = threading.Event()
    lookers = [threading.Thread(target=look, args=("/api/v0/ui/overview", left)), threading.Thread(target=tail, args=(left,))]
    lookers[0].start()
    measure("somebody looks at 200 components")
    lookers[1].start()
    measure("and at a live tail")
    left.set()
    for one in lookers:
        one.join()
    measure("nobody looks again")
    over.set()
    agent.stop()


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    cases = {"quiet": quiet, "idle": idle, "dead": dead, "metrics": metrics, "pages": pages}
    for name in sys.argv[2:] or list(cases):
        with tempfile.TemporaryDirectory() as folder:
            cases[name](program, pathlib.Path(folder))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
