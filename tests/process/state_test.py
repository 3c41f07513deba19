#!/usr/bin/python3
"""state_test.py CASE | --list | make: this agent reads what earlier releases left in their folder.

tests/fixtures/state/<version>/data is such a folder, as that version's agent left it when it was killed; lines.json beside it says
what was delivered by then and what waits. `make` adds one, written by the agent in $FLEET_BIN: to be run for each release.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import zlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from agent_test import collector_messages
from fleetlab import BIN, Agent, Judge, Mint, Served, check, eventually, free_port, http
from write_judge import WriteJudge

STATE = fleetlab.ROOT / "tests/fixtures/state"
AWAY = 47811  # nobody listens there but `make`: copies of what a server sent are known by its URL
JUDGE = 47812  # as are queues of an endpoint
CONTAINER = "5ea1" * 16

CONFIG = """
remotecfg {{
  url = "http://127.0.0.1:{away}/api/"
}}

import.http "shared" {{
  url = "http://127.0.0.1:{away}/shared.alloy"
}}

shared.nothing "here" {{ }}

loki.write "judge" {{
{endpoint}}}

loki.write "wal" {{
{endpoint}
  wal {{
    enabled = true
  }}
}}

loki.source.file "file" {{
  targets    = [{{ __path__ = "app.log", job = "file" }}]
  forward_to = [loki.write.judge.receiver]
}}

loki.source.docker "containers" {{
  host       = "http://{docker}"
  targets    = [{{ __meta_docker_container_id = "{container}" }}]
  labels     = {{ job = "docker" }}
  forward_to = [loki.write.judge.receiver]
}}

loki.source.journal "host" {{
  path       = "journal"
  max_age    = "0s"
  labels     = {{ job = "journal" }}
  forward_to = [loki.write.judge.receiver]
}}

loki.source.syslog "in" {{
  listener {{
    address       = "127.0.0.1:{syslog}"
    syslog_format = "rfc3164"
    labels        = {{ job = "syslog" }}
  }}
  forward_to = [loki.write.judge.receiver]
}}

loki.source.api "queue" {{
  http {{
    listen_address = "127.0.0.1"
    listen_port    = {queue}
  }}
  queue {{
    enabled = true
  }}
  forward_to = [loki.write.judge.receiver]
}}

loki.source.api "wal" {{
  http {{
    listen_address = "127.0.0.1"
    listen_port    = {wal}
  }}
  forward_to = [loki.write.wal.receiver]
}}

prometheus.exporter.static "one" {{
  text = "one 1\\n"
}}

prometheus.scrape "one" {{
  targets         = prometheus.exporter.static.one.targets
  scrape_interval = "1s"
  scrape_timeout  = "1s"
  forward_to      = [prometheus.remote_write.judge.receiver]
}}

prometheus.remote_write "judge" {{
  endpoint {{
    name = "judge"
    url  = "{write_url}"
  }}
  wal {{
    max_keepalive_time = "0s"
  }}
}}
"""
ENDPOINT = """  endpoint {{
    name               = "judge"
    url                = "{push_url}"
    batch_wait         = "50ms"
    min_backoff_period = "20ms"
    max_backoff_period = "200ms"
  }}
"""


def dockerd(began_ns, lines):
    """A Docker API with one running container, which wrote a line each millisecond."""

    def frame(number, line):
        seconds, rest = divmod(began_ns + number * 1_000_000, 1_000_000_000)
        text = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z {line}\n".encode()
        return b"\x01\0\0\0" + len(text).to_bytes(4, "big") + text

    class Docker(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):  # noqa: N802
            path, _, query = self.path.partition("?")
            if path == "/events":
                return self.stream(b"")
            if path.endswith("/logs"):
                seconds, _, rest = dict(urllib.parse.parse_qsl(query)).get("since", "0").partition(".")
                since = int(seconds) * 1_000_000_000 + int(rest.ljust(9, "0"))
                return self.stream(b"".join(frame(i, line) for i, line in enumerate(lines) if began_ns + i * 1_000_000 >= since))
            told = {"Id": CONTAINER, "Name": "/web", "State": {"Running": True}, "Config": {"Tty": False}}
            if path == "/containers/json":
                told = [{"Id": CONTAINER, "Names": ["/web"], "State": "running"}]
            answer = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            return self.wfile.write(answer)

        def stream(self, data):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.connection.recv(1)  # until the agent leaves

        def log_message(self, *_):
            pass

    return Docker


class Setting:
    """An agent in `folder`, which is where its paths begin."""

    def __init__(self, folder, judge, write_judge, docker):
        self.folder, self.syslog, self.queue, self.wal = folder, free_port(), free_port(), free_port()
        text = CONFIG.format(endpoint=ENDPOINT.format(push_url=judge.push_url), write_url=write_judge.url, away=AWAY,
                             docker=docker.address, container=CONTAINER, syslog=self.syslog, queue=self.queue, wal=self.wal)
        self.agent = Agent(text, folder)
        self.agent.command = ["/usr/bin/env", "-C", folder, BIN / "fleet-agent"]

    def components(self):
        return {one["localID"] for path in ("components", "remotecfg/components")
                for one in json.loads(http(f"{self.agent.url}/api/v0/web/{path}")[1])}


def arrived(judge, lines):
    wanted = set(lines)
    eventually(lambda: wanted <= {entry["line"] for entry in judge.entries()}, 60,
               lambda: f"{sorted(wanted - {entry['line'] for entry in judge.entries()})[:3]}", interval=0.2)


def as_if_here(data, file, journal):
    """Positions as on the machine where they were written: a copied file has another inode, and the entries of a journal written anew
    belong to another numbering."""
    cursor = json.loads(subprocess.run(["/usr/bin/journalctl", "--file", journal, "-o", "json", "-n", "1"], check=True,
                                       capture_output=True).stdout)["__CURSOR"]
    numbering = re.match(r"s=([0-9a-f]{32});", cursor)[1]
    for positions in data.rglob("positions*"):
        lines = []
        for line in positions.read_text().splitlines():
            if line.startswith("#"):
                continue
            check_sum, _, rest = line.partition(" ")
            check(int(check_sum, 16) == zlib.crc32(rest.encode()), f"{positions}: {line}")
            seen, key, value = rest.split(" ")
            value = re.sub(r"^\d+(?=%20)", str(file.stat().st_ino), value)
            value = re.sub(r"^s=[0-9a-f]{32}(?=;)", f"s={numbering}", value)
            rest = f"{seen} {key} {value}"
            lines.append(f"{zlib.crc32(rest.encode()):08x} {rest}\n")
        positions.write_text("".join(lines))


def state_of_earlier_releases_is_read():
    """On the folder that each earlier release left, the agent reads files, containers and the journal on where they were, and delivers
    what waited on disk."""
    versions = sorted(path.name for path in STATE.iterdir() if path.is_dir())
    check(versions, f"{STATE} is empty")
    for version in versions:
        known = json.loads((STATE / version / "lines.json").read_text())
        began = known["began"]
        with fleetlab.scratch_dir("fleet-state-test") as folder, Judge(port=JUDGE) as judge, WriteJudge() as write_judge, \
             Served(dockerd(began, known["container"] + known["container_later"])) as docker:
            shutil.copytree(STATE / version / "data", folder / "data")
            file = folder / "app.log"
            file.write_text("".join(f"{line}\n" for line in known["delivered"] + known["later"]))
            as_if_here(folder / "data", file, fleetlab.write_journal(folder / "journal", known["journal"] + known["journal_later"], began // 1000))
            setting = Setting(folder, judge, write_judge, docker)
            with setting.agent as agent:
                agent.start().wait_ready(60)
                waiting = known["syslog"] + known["queue"] + known["wal"]
                arrived(judge, known["later"] + known["container_later"] + known["journal_later"] + waiting)
                eventually(lambda: old_samples(write_judge, known["killed"]) >= known["samples"], 60, "samples of the earlier agent")
                check({"remotecfg/loki.relabel.of_server", "loki.relabel.of_server"} & setting.components()
                      and "shared.nothing.here" in setting.components(), setting.components())
                check(agent.stop(30) == 0, "exit status")
            lines = [entry["line"] for entry in judge.entries()]
            again = [line for line in known["delivered"] + known["container"] + known["journal"] if line in lines]
            check(not again, f"{version}: {len(again)} lines came again that were delivered: {again[:2]}")
            twice = {line for line in waiting if lines.count(line) > 1}
            check(not twice, f"{version}: came twice: {sorted(twice)[:3]}")
            check(write_judge.wrong == [], write_judge.wrong)
            print(f"{version}: {len(waiting)} entries and {known['samples']} samples that waited", flush=True)


def old_samples(write_judge, until):
    """How many samples of the earlier agent's time came of its version's one series."""
    return sum(1 for series in write_judge.find(name="up") for when, _ in write_judge.series[series] if when <= until)


# --- make ---

class Server(BaseHTTPRequestHandler):
    """A module, and the service of remotecfg."""

    protocol_version = "HTTP/1.1"

    def say(self, answer, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self):  # noqa: N802
        self.say(b'declare "nothing" {\n  loki.relabel "inside" {\n    forward_to = []\n  }\n}\n', "text/plain")

    def do_POST(self):  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = b""
        if self.path.endswith("/GetConfig"):
            answer = collector_messages()[1](content='loki.relabel "of_server" {\n  forward_to = []\n}\n', hash="h").SerializeToString()
        self.say(answer, "application/proto")

    def log_message(self, *_):
        pass


def push(port, lines):
    values = [[str(time.time_ns() + i), line] for i, line in enumerate(lines)]
    body = json.dumps({"streams": [{"stream": {"job": "api"}, "values": values}]}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/loki/api/v1/push", data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        check(answer.status == 204, answer.status)


def make():
    version = subprocess.run([BIN / "fleet-agent", "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    mints = {name: Mint(name.replace("_", "-"), 1) for name in ("delivered", "later", "container", "container_later", "journal", "journal_later",
                                                               "syslog", "queue", "wal")}
    lines = {name: [mint.line() for _ in range(20)] for name, mint in mints.items()}
    began = time.time_ns() // 1_000_000_000 * 1_000_000_000
    with fleetlab.scratch_dir("fleet-state-test") as folder, Judge(port=JUDGE) as judge, WriteJudge() as write_judge, \
         Served(Server, port=AWAY), Served(dockerd(began, lines["container"])) as docker:
        (folder / "app.log").write_text("".join(f"{line}\n" for line in lines["delivered"]))
        fleetlab.write_journal(folder / "journal", lines["journal"], began // 1000)
        setting = Setting(folder, judge, write_judge, docker)
        with setting.agent as agent:
            agent.start().wait_ready(60)
            arrived(judge, lines["delivered"] + lines["container"] + lines["journal"])
            eventually(lambda: any("of_server" in name for name in setting.components()), 60, "the server's configuration")
            eventually(lambda: any(path.stat().st_size for path in (folder / "data").rglob("positions*")), 60, "positions")
            time.sleep(3)  # they are stored once a second
            judge.mode("503")
            write_judge.answer = lambda n: 503
            with socket.create_connection(("127.0.0.1", setting.syslog), timeout=10) as connection:
                connection.sendall("".join(f"<30>Nov 21 09:55:12 host mint: {line}\n" for line in lines["syslog"]).encode())
                push(setting.queue, lines["queue"])
                push(setting.wal, lines["wal"])
                time.sleep(5)  # some scrapes; what came is on disk
            agent.kill()
        killed = int(time.time() * 1000)
        to = STATE / version
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(folder / "data", to / "data", ignore=shutil.ignore_patterns("*.sock"))
        (to / "lines.json").write_text(json.dumps({**lines, "began": began, "killed": killed, "samples": 3}, indent=1) + "\n")
        print(subprocess.run(["find", to, "-type", "f", "-size", "+0", "-printf", "%s %P\n"], capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make()
    else:
        fleetlab.main([state_of_earlier_releases_is_read])
