#!/usr/bin/python3
"""queue_test.py CASE | --list: what cannot be read again survives a kill: syslog over TCP, and pushes that were answered 204.

The promise: what the agent has read from a socket is on disk, fsync included, 0.2 s later at the latest, unless it is
delivered before; from then on nothing but its limits takes it. A push is answered 204 only when that holds for it.
QUEUE_ROUNDS (20) and QUEUE_SEED (random, printed) come from the environment.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import Agent, Judge, Lab, Mint, check, eventually, explain, free_port, http, verdict

ROUNDS = int(os.environ.get("QUEUE_ROUNDS", "20"))
SEED = int(os.environ.get("QUEUE_SEED", random.SystemRandom().randrange(1 << 32)))
SYNCED = 0.5  # seconds; the promise is 0.2, and this machine may be busy

CONFIG = """
loki.write "judge" {{
  endpoint {{
    url                 = "{push_url}"
    batch_wait          = "100ms"
    min_backoff_period  = "20ms"
    max_backoff_period  = "250ms"
    remote_timeout      = "2s"
  }}
}}

loki.source.syslog "in" {{
  listener {{
    address       = "127.0.0.1:{syslog}"
    syslog_format = "rfc3164"
    labels        = {{ job = "syslog" }}
  }}
  forward_to = [loki.write.judge.receiver]
}}

loki.source.api "in" {{
  http {{
    listen_address = "127.0.0.1"
    listen_port    = {api}
  }}
  queue {{ enabled = true }}
  use_incoming_timestamp = true
  forward_to             = [loki.write.judge.receiver]
}}
"""


class Setting:
    """An agent with both sources, and a judge that is away when told so."""

    def __init__(self, folder, judge):
        self.syslog, self.api = free_port(), free_port()
        self.agent = Agent(CONFIG.format(push_url=judge.push_url, syslog=self.syslog, api=self.api), folder / "agent")

    def connect(self):
        return eventually(lambda: socket.create_connection(("127.0.0.1", self.syslog), timeout=10), 10, "syslog listens")

    def push(self, lines):
        """-> the status, 0 when there was no answer."""
        now = time.time_ns()
        values = [[str(now + i), line] for i, line in enumerate(lines)]
        body = json.dumps({"streams": [{"stream": {"job": "api"}, "values": values}]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}/loki/api/v1/push", data=body,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


def send(connection, lines):
    connection.sendall("".join(f"<30>Nov 21 09:55:12 host mint: {line}\n" for line in lines).encode())


def received(agent):
    _, text = http(agent.url + "/metrics")
    found = re.search(r"^loki_source_syslog_received_messages_total(?:{.*})? (\S+)$", text, re.M)
    return float(found[1]) if found else 0


def judged(judge, safe, sent):
    """Every safe line arrived, and nothing that was not sent. -> the verdict"""
    try:
        eventually(lambda: set(safe) <= {entry["line"] for entry in judge.entries()}, 60, "every line", interval=0.3)
    except fleetlab.Failed:
        pass  # the verdict says it better
    result = verdict(sent, judge.entries())
    arrived = {entry["line"] for entry in judge.entries()}
    missing = [line for line in safe if line not in arrived]
    check(not missing, f"{len(missing)} of {len(safe)} safe lines are missing: {missing[:3]}")
    wrong = [name for name in ("corrupted", "spurious", "unequal") if result[name]]
    check(not wrong, explain(result))
    check(judge.count()["malformed"] == [], f"malformed pushes: {judge.count()['malformed'][:3]}")
    return result


def kill_9_keeps_what_was_synced():
    """Loki is away; lines come, the agent is killed, again and again. Then Loki is back: every line that was safe arrives."""
    print(f"seed {SEED}, {ROUNDS} rounds", flush=True)
    rng = random.Random(SEED)
    with fleetlab.scratch_dir("fleet-queue-test") as folder, Judge() as judge:
        judge.mode("503")
        setting = Setting(folder, judge)
        syslog, pushed = Mint("syslog", SEED), Mint("api", SEED)
        safe, sent = [], []
        with setting.agent as agent:
            for _ in range(ROUNDS):
                agent.start().wait_ready()
                connection = setting.connect()
                lines = [syslog.line() for _ in range(rng.randint(1, 400))]
                sent += lines
                send(connection, lines)
                eventually(lambda n=len(lines): received(agent) >= n, 10, "the lines are read")
                batches = [[pushed.line() for _ in range(rng.randint(1, 50))] for _ in range(3)]
                for batch in batches:
                    sent += batch
                    status = setting.push(batch)
                    check(status == 204, f"a push with a queue is answered {status}")
                    safe += batch
                time.sleep(SYNCED)
                safe += lines
                late = [syslog.line() for _ in range(50)]  # these have no time to become safe
                sent += late
                send(connection, late)
                if rng.random() < 0.5:
                    time.sleep(rng.uniform(0, 0.15))
                agent.kill()
                connection.close()
            judge.mode("ok")
            agent.start().wait_ready()
            result = judged(judge, safe, sent)
            print(f"{len(sent)} sent, {len(safe)} of them safe at a kill; all of these arrived, and "
                  f"{result['arrived'] - len(safe)} others; {result['repeats']} repeats", flush=True)
            check(agent.stop() == 0, "exit status")
            before = len(judge.entries())
            agent.start().wait_ready()
            fresh = [syslog.line()]
            send(setting.connect(), fresh)
            eventually(lambda: fresh[0] in {entry["line"] for entry in judge.entries()[before:]}, 20, "a new line")
            again = [entry["line"][:80] for entry in judge.entries()[before:] if entry["line"] not in fresh]
            check(not again, f"{len(again)} lines were sent again after a clean stop: {again[:3]}")
            check(agent.stop() == 0, "exit status")


def a_stop_loses_nothing_that_came():
    """SIGTERM while peers send and Loki is away: what the kernel had acknowledged and the agent could read arrives later."""
    with fleetlab.scratch_dir("fleet-queue-test") as folder, Judge() as judge:
        judge.mode("503")
        setting = Setting(folder, judge)
        mint = Mint("syslog", SEED)
        sent = []
        with setting.agent as agent:
            for _ in range(5):
                agent.start().wait_ready()
                connection = setting.connect()
                lines = [mint.line() for _ in range(2000)]
                sent += lines
                send(connection, lines)
                check(agent.stop() == 0, "exit status")
                connection.close()
            judge.mode("ok")
            agent.start().wait_ready()
            result = judged(judge, sent, sent)
            check(result["repeats"] == 0, f"{result['repeats']} repeats")
            check(agent.stop() == 0, "exit status")


def peers_do_not_wait_while_loki_is_away():
    """60 MB of syslog while Loki is away: all of it is taken at once, memory stays small, and it arrives in order."""
    with fleetlab.scratch_dir("fleet-queue-test") as folder, Judge() as judge:
        judge.mode("503")
        setting = Setting(folder, judge)
        mint = Mint("syslog", SEED, longest=300)
        with setting.agent as agent:
            agent.start().wait_ready()
            connection = setting.connect()
            connection.settimeout(60)
            start = time.monotonic()
            for _ in range(300):
                send(connection, [mint.line() for _ in range(1000)])
            eventually(lambda: received(agent) == len(mint.lines), 60, "all is read", interval=0.2)
            took = time.monotonic() - start
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{agent.process.pid}/status").read_text())[1]) / 1024
            on_disk = sum(path.stat().st_size for path in (agent.folder / "data").rglob("*.log"))
            print(f"{len(mint.lines)} lines taken in {took:.1f} s, {on_disk / 1e6:.0f} MB on disk, peak RSS {peak:.1f} MiB")
            check(peak < 96, f"peak RSS {peak:.1f} MiB")
            agent.kill()
            agent.start().wait_ready()
            judge.mode("ok")
            result = judged(judge, mint.lines[:-1000], mint.lines)
            check(result["arrived"] >= len(mint.lines) - 1000, "most of it arrived")
            order = [entry["line"] for entry in judge.entries()]
            first = {line: at for at, line in reversed(list(enumerate(order)))}
            places = [first[line] for line in mint.lines if line in first]
            check(places == sorted(places), "they arrived in another order")
            check(agent.stop() == 0, "exit status")


def a_full_disk_under_the_queue():
    """No room for the queue while Loki is away: lines stay in memory, then peers wait; with Loki back all arrive."""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-queue-test") as folder, Judge() as judge:
        data = folder / "agent/data"
        data.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", data], check=True)
        try:
            judge.mode("503")
            setting = Setting(folder, judge)
            mint = Mint("syslog", SEED, longest=400)
            with setting.agent as agent:
                agent.start().wait_ready()
                connection = setting.connect()
                connection.settimeout(120)
                sender = threading.Thread(target=lambda: [send(connection, [mint.line() for _ in range(500)])
                                                          for _ in range(200)])
                sender.start()
                eventually(lambda: "the queue on disk cannot be written" in agent.log_tail(20000), 30, "a warning")
                check(agent.ready(), "it is ready all the same")
                judge.mode("ok")
                sender.join()
                result = judged(judge, mint.lines, mint.lines)
                print(f"{result['arrived']} lines arrived, {result['repeats']} repeats")
                check(agent.stop() == 0, "exit status")
        finally:
            subprocess.run(["umount", "-l", data], check=True)


def dockers_syslog_driver():
    """Containers with Docker's own syslog driver, in each of its formats, over TCP, UDP and TLS: every line, byte for byte."""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-queue-test") as folder, Lab("/tmp/fleet-queuetest", "qtest") as lab, Judge() as judge:
        lab.run("docker-up")
        tls = folder / "tls"
        tls.mkdir()
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-x509",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", tls / "key.pem", "-out", tls / "cert.pem"], check=True, capture_output=True)
        ports = {name: free_port() for name in ("tcp", "udp", "tls")}
        listener = "".join(
            f'  listener {{\n    address  = "127.0.0.1:{port}"\n    protocol = "{"udp" if name == "udp" else "tcp"}"\n'
            f'    labels   = {{ via = "{name}" }}\n' +
            (f'    tls_config {{\n      cert_file = "{tls}/cert.pem"\n      key_file = "{tls}/key.pem"\n    }}\n'
             if name == "tls" else "") + "  }\n" for name, port in ports.items())
        config = (f'loki.write "judge" {{\n  endpoint {{\n    url = "{judge.push_url}"\n    batch_wait = "100ms"\n  }}\n}}\n'
                  'loki.relabel "app" {\n  forward_to = []\n  rule {\n    source_labels = ["__syslog_message_app_name"]\n'
                  '    target_label = "app"\n  }\n}\n'
                  f'loki.source.syslog "in" {{\n{listener}  relabel_rules = loki.relabel.app.rules\n'
                  '  forward_to = [loki.write.judge.receiver]\n}\n')
        minted = {}
        with Agent(config, folder / "agent") as agent:
            agent.start().wait_ready()
            schemes = {"tcp": "tcp", "udp": "udp", "tls": "tcp+tls"}
            for name, scheme in schemes.items():
                for form in ("", "rfc3164", "rfc5424", "rfc5424micro"):
                    container = f"{name}-{form or 'default'}"
                    mint = Mint(container)
                    lines = [mint.line() for _ in range(20)]
                    minted.update({line: (name, container) for line in lines})
                    options = ["--log-driver", "syslog", "--log-opt", f"syslog-address={scheme}://127.0.0.1:{ports[name]}",
                               "--log-opt", f"tag={container}"]
                    options += ["--log-opt", f"syslog-format={form}"] if form else []
                    options += ["--log-opt", f"syslog-tls-ca-cert={tls}/cert.pem"] if name == "tls" else []
                    script = "; ".join(f"echo '{line}'" for line in lines)
                    lab.docker("run", "--name", container, "--network", "none", *options, "lab:1", "/bin/sh", "-c", script)
            result = judged(judge, minted, list(minted))
            print(f"{result['arrived']} lines of {len(schemes) * 4} containers arrived")
            for entry in judge.entries():
                via, container = minted[entry["line"]]
                check(entry["labels"].get("via") == via, f"labels {entry['labels']} on a line of {container}")
                check(entry["labels"].get("app") == container, f"labels {entry['labels']} on a line of {container}")
            check(agent.stop() == 0, "exit status")


if __name__ == "__main__":
    fleetlab.main([kill_9_keeps_what_was_synced, a_stop_loses_nothing_that_came, peers_do_not_wait_while_loki_is_away,
                   a_full_disk_under_the_queue, dockers_syslog_driver])
