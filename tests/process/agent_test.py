#!/usr/bin/python3
"""agent_test.py CASE | --list: the real fleet-agent as a process, with a judge in Loki's place; each case is a function below."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import DOCKER, Agent, Judge, Lab, Mint, Writer, check, eventually, explain, http, verdict
from unix_host_test import deaf_mount, own_mounts


def endpoint(url, **more):
    settings = {"batch_wait": "50ms", "min_backoff_period": "20ms", "max_backoff_period": "200ms", "remote_timeout": "2s",
                **more}
    lines = "".join(f'    {name} = "{value}"\n' for name, value in settings.items())
    return f'  endpoint {{\n    url = "{url}"\n{lines}  }}\n'


def write(*endpoints):
    return 'loki.write "out" {\n' + "".join(endpoints) + "}\n\n"


def file_source(path, forward="loki.write.out.receiver", extra=""):
    return (f'loki.source.file "file" {{\n  targets = [{{ __path__ = "{path}", job = "file" }}]\n'
            f"  forward_to = [{forward}]\n{extra}}}\n\n")


DOCKER_CONFIG = """
discovery.docker "containers" {{
  host             = "{host}"
  refresh_interval = "5s"
}}

discovery.relabel "containers" {{
  targets = discovery.docker.containers.targets
  rule {{
    source_labels = ["__meta_docker_container_name"]
    regex         = "/(.*)"
    target_label  = "container"
  }}
}}

loki.source.docker "containers" {{
  host       = "{host}"
  targets    = discovery.relabel.containers.output
  forward_to = [loki.write.out.receiver]
}}
"""


class Appender:
    """Appends minted lines to a file at a rate."""

    def __init__(self, path, source="file", per_second=200):
        self.file = open(path, "ab", buffering=0)
        self.mint = Mint(source, random.randrange(1 << 32))
        self.writer = Writer(self.mint, lambda line: self.file.write(line.encode() + b"\n"), per_second)

    def start(self):
        self.writer.start()
        return self

    def finish(self):
        self.writer.finish()
        self.file.close()
        return self.mint.lines


def all_arrived(judge, lines, seconds=30):
    """Every line arrived, nothing else did. -> the verdict"""
    wanted = set(lines)
    try:
        eventually(lambda: wanted <= {entry["line"] for entry in judge.entries()}, seconds, "every line", interval=0.2)
    except fleetlab.Failed:
        pass  # the verdict says it better
    result = verdict(lines, judge.entries())
    wrong = [name for name in ("missing", "corrupted", "spurious", "unequal") if result[name]]
    check(not wrong, explain(result))
    check(judge.count()["malformed"] == [], f"malformed pushes: {judge.count()['malformed'][:3]}")
    return result


def metric(agent, name):
    """The sum of a metric's series."""
    _, text = http(agent.url + "/metrics")
    found = [float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}(\{{|\s)", line)]
    check(found, f"/metrics has no {name}")
    return sum(found)


def reloads_under_load():
    """40 reloads while lines arrive, every other one refused: no line lost, none repeated, the refusals say why."""
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge:
        appender = Appender(folder / "app.log")
        good = write(endpoint(judge.push_url)) + file_source(folder / "app.log")
        with Agent(good, folder / "agent") as agent:
            agent.start().wait_ready()
            appender.start()
            for turn in range(40):
                if turn % 2:
                    agent.config_path.write_text(good + 'loki.source.file "broken" {\n  targetz = []\n}\n')
                    status, said = http(agent.url + "/-/reload", b"")
                    check(status == 400 and "targetz" in said, f"a broken configuration: {status} {said}")
                else:
                    agent.config_path.write_text(good + f'loki.relabel "r{turn}" {{\n  forward_to = []\n}}\n')
                    if turn % 4:
                        agent.process.send_signal(signal.SIGHUP)
                        eventually(lambda turn=turn: f"loki.relabel.r{turn}" in http(agent.url + "/api/v0/web/components")[1],
                                   10, "SIGHUP")
                    else:
                        status, said = http(agent.url + "/-/reload", b"")
                        check(status == 200, f"a good configuration: {status} {said}")
                check(agent.ready(), f"not ready after reload {turn}")
            result = all_arrived(judge, appender.finish())
            check(result["repeats"] == 0, f"{result['repeats']} lines were sent again")
            check(agent.stop() == 0, "exit status")


def flags_of_alloy():
    """What cannot be had is refused with advice, what changes nothing is told of, and the pages go below a prefix."""
    with fleetlab.scratch_dir("fleet-agent-test") as folder:
        agent = Agent('logging { level = "info" }\n', folder)

        def refused(*flags):
            ended = subprocess.run(agent.command + ["run", agent.config_path, *flags], capture_output=True, timeout=30, text=True)
            check(ended.returncode != 0, f"{flags} is taken")
            return ended.stderr

        check("leave the flag out" in refused("--cluster.enabled"), "clustering")
        check("alloy, promtail and prometheus" in refused("--config.format=otelcol"), "another format")
        promtail = "{clients: [{url: 'http://127.0.0.1:9/loki/api/v1/push'}], scrape_configs: [{job_name: %s}]}\n"
        agent.config_path.write_text(promtail % "app, kafka: {brokers: [a]}")
        check("error: kafka" in refused("--config.format=promtail"), "a source that is left out")
        agent.flags = ["--config.format=promtail", "--config.bypass-conversion-errors", "--config.extra-args=-config.expand-env=true"]
        checked = subprocess.run(agent.command + ["validate", agent.config_path, *agent.flags, "--stability.level=experimental"],
                                 capture_output=True, timeout=30, text=True)
        check(checked.returncode == 0 and "error: kafka" in checked.stderr, f"validate: {checked}")
        with agent:
            agent.start().wait_ready()
            check("error: kafka" in agent.log_path.read_text(), "what is left out is told of")
            check("loki.write.default" in http(agent.url + "/api/v0/web/components")[1], "what could be made of it runs")
            check(agent.stop() == 0, "exit status")
        agent.config_path.write_text('logging { level = "info" }\n')
        check("a path like" in refused("--server.http.ui-path-prefix=//x"), "a prefix that is none")
        refused("--stability.level=whatever")
        agent.flags = ["--server.http.ui-path-prefix=/agent/", "--cluster.enabled=false", "--cluster.join-addresses=a,b",
                       "--disable-reporting", "--stability.level=experimental", "--server.http.memory-addr=x:1",
                       "--server.http.enable-pprof=false"]
        with agent:
            agent.start().wait_ready()
            check(http(agent.url + "/agent/metrics")[0] == 200, "below the prefix")
            check(http(agent.url + "/graph")[0] == 404, "a page beside the prefix")
            log = agent.log_path.read_text()
            check("--server.http.memory-addr" in log and "--server.http.enable-pprof" in log, "flags that change nothing")
            check("--disable-reporting" not in log and "--cluster" not in log, "flags that are true anyhow")
            check(agent.stop() == 0, "exit status")


def a_dead_endpoint_slows_nobody():
    """Three endpoints: one well, one that never answers, one that is not there. The well one gets all; a stop is quick."""
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge, Judge() as mute:
        mute.mode("silence", hold=60)
        appender = Appender(folder / "app.log")
        config = write(endpoint(judge.push_url), endpoint(mute.push_url),
                       endpoint(f"http://127.0.0.1:{fleetlab.free_port()}/loki/api/v1/push"))
        with Agent(config + file_source(folder / "app.log"), folder / "agent") as agent:
            agent.start().wait_ready()
            appender.start()
            first = eventually(lambda: len(judge.entries()) > 400 and judge.entries(), 20, "lines at the well endpoint")
            check(first[0]["line"].startswith("file 00000000 "), "the first line is not the first")
            lines = appender.finish()
            all_arrived(judge, lines)
            start = time.monotonic()
            check(agent.stop() == 0, "exit status")
            took = time.monotonic() - start
            check(took < 5, f"a stop with a dead endpoint took {took:.1f} s")
        # What the mute one never acknowledged is read again, and it gets every line once it is back.
        mute.mode("ok")
        mute.post("/forget", {})
        mute.seen.clear()
        judge.post("/forget", {})
        with Agent(write(endpoint(mute.push_url)) + file_source(folder / "app.log"), folder / "agent") as agent:
            agent.start().wait_ready()
            all_arrived(mute, lines)
            check(agent.stop() == 0, "exit status")


def a_mute_receiver_is_named():
    """A receiver takes pushes and answers nothing: within 30 s /-/healthy names the loki.write, and nobody else; the agent stays
    ready, so that nobody restarts it or rolls it back. When it answers again, all is well again."""
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge:
        judge.mode("silence", hold=60)
        appender = Appender(folder / "app.log")
        config = write(endpoint(judge.push_url)) + file_source(folder / "app.log")
        with Agent(config, folder / "agent") as agent:
            agent.start().wait_ready()
            check(http(agent.url + "/-/healthy")[0] == 200, "healthy at first")
            appender.start()
            status, said = eventually(lambda: (answer := http(agent.url + "/-/healthy"))[0] == 500 and answer, 30, "ill")
            check(re.fullmatch(r"unhealthy components:\nloki\.write\.out: [^\n]+\n", said), f"{status}: {said}")
            check(agent.ready(), "not ready for a receiver that is away")
            judge.mode("ok")
            eventually(lambda: http(agent.url + "/-/healthy")[0] == 200, 15, "well again")
            all_arrived(judge, appender.finish())
            check(agent.stop() == 0, "exit status")


def a_hung_source_is_left_behind():
    """A source hangs in a file system that never answers: docs/decisions/a-thread-that-hangs-is-seen.md. A reload without it and a stop
    go on, the pages answer, the other source loses nothing."""
    libc = own_mounts()
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge:
        server = deaf_mount(libc, folder / "deaf")
        appender = Appender(folder / "app.log")
        well = write(endpoint(judge.push_url)) + file_source(folder / "app.log")
        hung = file_source(folder / "deaf/x.log").replace('"file" {', '"deaf" {')
        left = "alloy_component_controller_left_behind_components"
        said = "loki.source.file.deaf: it was removed while a thread of it hangs"
        with Agent(well + hung, folder / "agent") as agent:

            def reload(text):
                agent.config_path.write_text(text)
                status, answer = http(agent.url + "/-/reload", b"", timeout=60)
                check(status == 200, f"the reload: {status} {answer}")

            agent.start().wait_ready()
            appender.start()
            reload(well)
            check(said in http(agent.url + "/-/healthy", timeout=60)[1], "health tells of it")
            check(metric(agent, left) == 1, "it is counted")
            reload(well + hung)
            check("this one begins when that has ended" in http(agent.url + "/-/healthy", timeout=60)[1], "two of one name")
            all_arrived(judge, appender.finish())
            check(agent.stop(60) == 0, "exit status while a thread hangs")

            agent.start().wait_ready()
            reload(well)
            check(metric(agent, left) == 1, "it hangs in the next agent")
            os.close(server)
            eventually(lambda: metric(agent, left) == 0, 30, "the thread ends when its file system answers")
            eventually(lambda: http(agent.url + "/-/healthy")[0] == 200, 30, "all is well again")
            check(agent.stop() == 0, "exit status")
        libc.umount2(str(folder / "deaf").encode(), 2)


def one_line_too_bad_does_not_take_its_neighbours():
    """Loki refuses a push because of a line in it: all other lines arrive, once each, and the refused ones are counted."""
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge:
        judge.reject("poison")
        mint = Mint("file")
        with open(folder / "app.log", "w", encoding="utf-8") as file:
            for number in range(3000):
                file.write(f"poison {number}\n" if number in (0, 777, 778, 1500, 2999) else mint.line() + "\n")
        with Agent(write(endpoint(judge.push_url)) + file_source(folder / "app.log"), folder / "agent") as agent:
            agent.start().wait_ready()
            result = all_arrived(judge, mint.lines)
            check(result["repeats"] == 0, f"{result['repeats']} repeats")
            eventually(lambda: judge.count()["rejected"] and metric(agent, "loki_write_dropped_entries_total") == 5, 10,
                       "five dropped entries are counted")
            check(agent.stop() == 0, "exit status")


def books(agent):
    """What each component says at one scrape: lines that came, and what became of them."""
    _, text = http(agent.url + "/metrics")
    value = lambda name: sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}(\{{|\s)", line))
    process, loki = "loki_process_{}_lines_total", "loki_write_{}_entries_total"
    return {"read": value("loki_source_file_read_lines_total"), "received": value(process.format("received")),
            "passed": value(process.format("sent")), "cut": value(process.format("dropped")),
            "joined": value(process.format("joined")), "held": value("loki_process_held_lines"),
            "sent": value(loki.format("sent")), "refused": value(loki.format("dropped")), "queued": value("loki_write_queued_entries")}


def the_books_balance():
    """Lines dropped by stages, joined, refused by Loki, waiting in a full queue, through reloads: read = sent + dropped + queued."""
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge:
        judge.reject("poison")
        process = ('loki.process "p" {{\n  forward_to = [loki.write.out.receiver]\n  stage.drop {{\n    expression = "noise"\n'
                   '    drop_counter_reason = "noise"\n  }}\n  stage.multiline {{\n    firstline = "^[a-z]"\n'
                   '    max_wait_time = "{wait}"\n  }}\n}}\n\n')
        config = lambda wait: (write(endpoint(judge.push_url, batch_size="128KiB")) + process.format(wait=wait) +
                               file_source(folder / "app.log", "loki.process.p.receiver"))
        texts = {"kept": "file line", "noise": "noise", "joined": " more of it", "poison": "poison"}
        wrote = dict.fromkeys(texts, 0)

        def lines(count):
            with open(folder / "app.log", "a", encoding="utf-8") as file:
                for number in range(count):
                    kind = ["kept", "joined", "noise", "kept"][number % 4] if number % 500 != 400 else "poison"
                    wrote[kind] += 1
                    file.write(f"{texts[kind]} {number} {'x' * 2000}\n")

        def settled():
            said = books(agent)
            return (said["read"] == said["received"] == sum(wrote.values()) and said["queued"] == said["held"] == 0 and
                    said["passed"] + said["cut"] + said["joined"] == said["received"] and
                    said["sent"] + said["refused"] == said["passed"])

        def stands():
            """While the receiver is away, each component has passed on all but what it says it keeps; one batch waits for room."""
            said = books(agent)
            waits = said["passed"] - said["sent"] - said["refused"] - said["queued"]
            return (said["queued"] > 1_000 and 0 <= waits < 1_000 and said["read"] == said["received"] < sum(wrote.values()) and
                    said["passed"] + said["cut"] + said["joined"] + said["held"] == said["received"])

        with Agent(config("200ms"), folder / "agent") as agent:
            agent.start().wait_ready()
            lines(1000)
            eventually(settled, 20, lambda: f"balanced: {books(agent)}, wrote {wrote}")
            judge.mode("503")
            lines(9_000)  # 18 MB, more than the queue of loki.write takes
            eventually(stands, 30, lambda: f"balanced with a full queue: {books(agent)}")
            for turn in range(6):
                agent.config_path.write_text(config(f"{300 + turn}ms"))
                check(http(agent.url + "/-/reload", b"")[0] == 200, "a reload")
                eventually(stands, 10, lambda: f"balanced after a reload: {books(agent)}")
            judge.mode("ok")
            eventually(settled, 60, lambda: f"balanced in the end: {books(agent)}, wrote {wrote}")
            said = books(agent)
            # A reload lets go what a stage holds, so that some blocks are in two.
            check(said["cut"] == wrote["noise"] and said["refused"] == wrote["poison"] and
                  said["sent"] + said["joined"] == wrote["kept"] + wrote["joined"], f"{said}, wrote {wrote}")
            check(len(judge.entries()) == said["sent"], f"the judge has {len(judge.entries())} entries, {said}")
            check(agent.stop() == 0, "exit status")


def a_full_disk_stops_nothing():
    """No room for positions: lines go on arriving, the agent says so, and stores them when there is room again."""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge:
        data = folder / "agent/data"
        data.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", data], check=True)
        try:
            appender = Appender(folder / "app.log")
            with Agent(write(endpoint(judge.push_url)) + file_source(folder / "app.log"), folder / "agent") as agent:
                agent.start().wait_ready()
                appender.start()
                eventually(lambda: len(judge.entries()) > 50, 20, "lines")
                with open(data / "filling", "wb", buffering=0) as filling:
                    try:
                        while True:
                            filling.write(bytes(4096))
                    except OSError:
                        pass
                before = len(judge.entries())
                eventually(lambda: len(judge.entries()) > before + 400, 20, "lines while the disk is full")
                eventually(lambda: re.search(r"level=(warn|error).*(No space left|ENOSPC)", agent.log_tail(20000)), 20,
                           "a log line about the full disk")
                (data / "filling").unlink()
                lines = appender.finish()
                all_arrived(judge, lines)
                check(agent.stop() == 0, "exit status")
                count = len(judge.entries())
                with open(folder / "app.log", "a", encoding="utf-8") as file:
                    file.write((last := appender.mint.line()) + "\n")
                agent.start().wait_ready()
                all_arrived(judge, lines + [last] if last not in lines else lines)
                check(len(judge.entries()) == count + 1, f"{len(judge.entries()) - count - 1} lines were sent again")
        finally:
            subprocess.run(["umount", "-l", data], check=True)


def containers_come_and_go():
    """stop and start of a container, of the agent, of dockerd; TTY, several networks and ports: no line lost or repeated."""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Lab("/tmp/fleet-agtest", "agtest") as lab, Judge() as judge:
        lab.run("docker-up")
        host = f"unix://{lab.docker_socket}"
        config = write(endpoint(judge.push_url)) + DOCKER_CONFIG.format(host=host)
        minted = []

        def runs(name, mint, count, *flags, redirect="", before=""):
            lines = [mint.line() for _ in range(count)]
            minted.extend(lines)
            script = before + "; ".join(f"echo '{line}' {redirect}" for line in lines)
            lab.docker("run", "-d", "--name", name, *flags, "lab:1", "/bin/sh", "-c", script)

        def on_exec(name, mint, count):  # lines of a container that runs: into its main process's stdout
            lines = [mint.line() for _ in range(count)]
            minted.extend(lines)
            subprocess.run([DOCKER, "-H", host, "exec", "-i", name, "/bin/sh", "-c", "cat > /proc/1/fd/1"], check=True,
                           input="".join(line + "\n" for line in lines).encode())

        mints = {name: Mint(name) for name in ("before", "short", "tty", "stderr", "long", "gap")}
        runs("before-1", mints["before"], 5, "--network", "none")  # it ends before there is an agent
        with Agent(config, folder / "agent") as agent:
            agent.start().wait_ready()
            for turn in range(10):
                runs(f"short-{turn}", mints["short"], 3, "--network", "none")
            runs("tty-1", mints["tty"], 20, "-t", "--network", "none", before="stty -onlcr; ")
            runs("stderr-1", mints["stderr"], 20, "--network", "none", redirect=">&2")
            for name in ("one", "two"):
                lab.docker("network", "create", "--internal", name)
            lab.docker("create", "--name", "long-1", "--network", "one", "--expose", "80", "--expose", "81",
                       "--stop-signal", "KILL", "lab:1", "/bin/sleep", "3600")
            lab.docker("network", "connect", "two", "long-1")
            lab.docker("start", "long-1")
            on_exec("long-1", mints["long"], 50)
            all_arrived(judge, minted)
            lab.docker("restart", "-t", "0", "long-1")
            on_exec("long-1", mints["long"], 50)
            all_arrived(judge, minted)
            check(agent.stop() == 0, "exit status")
            on_exec("long-1", mints["gap"], 50)  # while there is no agent
            agent.start().wait_ready()
            all_arrived(judge, minted)
            for how in ("TERM", "KILL"):
                lab.run("docker-restart", how)
                lab.docker("start", "long-1")
                on_exec("long-1", mints["long"], 50)
                result = all_arrived(judge, minted)
            check(result["repeats"] == 0, f"{result['repeats']} lines were sent again")
            for entry in judge.entries():
                name = entry["line"].split()[0]
                check(entry["labels"].get("container", "").startswith("long" if name == "gap" else name),
                      f"labels {entry['labels']} on {entry['line'][:60]}")
            stamps = [entry["ts"] for entry in judge.entries()]
            check(len(set(stamps)) == len(stamps), "lines share a timestamp: the cursor has no nanoseconds")
            check(agent.stop() == 0, "exit status")


def memory_stays_small():
    """A back log of 60 MB against a slow Loki: the peak stays under 64 MiB, because a full queue stops the reading."""
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge:
        mint = Mint("file", longest=300)
        with open(folder / "app.log", "w", encoding="utf-8") as file:
            for _ in range(300_000):
                file.write(mint.line() + "\n")
        judge.mode("slow", delay=0.05)
        with Agent(write(endpoint(judge.push_url, batch_size="1MiB")) + file_source(folder / "app.log"),
                   folder / "agent") as agent:
            agent.start().wait_ready()
            start = time.monotonic()
            all_arrived(judge, mint.lines, seconds=120)
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{agent.process.pid}/status").read_text())[1]) / 1024
            print(f"{len(mint.lines)} lines in {time.monotonic() - start:.1f} s, peak RSS {peak:.1f} MiB")
            check(peak < 64, f"peak RSS {peak:.1f} MiB")
            check(agent.stop() == 0, "exit status")


def tls_files_are_read_again():
    """The client's certificate, then the authorities, are replaced in their files: the next push goes with the new ones."""
    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def authority(name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-days", 2, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")

    def certificate(name, by):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr")
        (folder / "names").write_text("subjectAltName = IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / f"{by}.pem", "-CAkey", folder / f"{by}.key",
                "-CAcreateserial", "-days", 2, "-extfile", folder / "names", "-out", folder / f"{name}.pem")

    def use(kind, name):  # as a program does that renews certificates: a new file in the old one's place
        for end in ("pem", "key"):
            new = folder / f"{kind}.{end}.new"
            new.write_bytes((folder / f"{name}.{end}").read_bytes())
            new.rename(folder / f"{kind}.{end}")

    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge(tls=True) as judge:
        for name in ("first", "second"):
            authority(name)
            certificate(f"server-{name}", name)
        certificate("one", "first")
        certificate("two", "first")
        use("client", "one")
        use("authorities", "first")

        def serve(name):
            judge.post("/tls", {"cert": str(folder / f"server-{name}.pem"), "key": str(folder / f"server-{name}.key"),
                                "clients": str(folder / "first.pem")})

        serve("first")
        tls = "".join(f'      {key} = "{folder}/{file}"\n' for key, file in (
            ("ca_file", "authorities.pem"), ("cert_file", "client.pem"), ("key_file", "client.key")))
        config = write(endpoint(judge.tls_push_url).replace("  }\n", f"    tls_config {{\n{tls}    }}\n  }}\n"))
        mint = Mint("tls")
        with open(folder / "app.log", "w", encoding="utf-8") as file, \
                Agent(config + file_source(folder / "app.log"), folder / "agent") as agent:
            agent.start().wait_ready()

            def next_push_comes_from(client):
                file.write(mint.line() + "\n")
                file.flush()
                all_arrived(judge, mint.lines)
                check(judge.requests()[-1]["client"] == client, f"{judge.requests()[-1]}, wanted {client}")

            next_push_comes_from("one")
            use("client", "two")
            next_push_comes_from("two")
            serve("second")
            use("authorities", "second")
            next_push_comes_from("two")
            check(agent.stop() == 0, "exit status")


def collector_messages():
    """What Google's protobuf makes of collector.v1: (GetConfigRequest, GetConfigResponse), built at run time."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="collector.proto", package="collector.v1", syntax="proto3")

    def message(name, *fields):
        added = file.message_type.add(name=name)
        for number, field_name, kind in fields:
            one = added.field.add(name=field_name, number=number, label=field.LABEL_OPTIONAL)
            if isinstance(kind, str):
                one.type, one.type_name = field.TYPE_MESSAGE, ".collector.v1." + kind
            else:
                one.type = kind
        return added

    message("RemoteConfigStatus", (1, "status", field.TYPE_INT32), (2, "error_message", field.TYPE_STRING))
    request = message("GetConfigRequest", (1, "id", field.TYPE_STRING), (3, "hash", field.TYPE_STRING),
                      (4, "local_attributes", "GetConfigRequest.LocalAttributesEntry"),
                      (5, "remote_config_status", "RemoteConfigStatus"))
    request.field[2].label = field.LABEL_REPEATED
    entry = request.nested_type.add(name="LocalAttributesEntry")
    entry.options.map_entry = True
    for number, name in ((1, "key"), (2, "value")):
        entry.field.add(name=name, number=number, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    message("GetConfigResponse", (1, "content", field.TYPE_STRING), (2, "hash", field.TYPE_STRING),
            (3, "not_modified", field.TYPE_BOOL))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)

    def made(name):
        descriptor = pool.FindMessageTypeByName("collector.v1." + name)
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        return message_factory.MessageFactory(pool).GetPrototype(descriptor)
    return made("GetConfigRequest"), made("GetConfigResponse")


def a_server_hands_out_configuration():
    """A remotecfg server's pipeline ships a line beside the agent's own; the server learns that it runs."""
    request_class, response_class = collector_messages()
    asked = []
    with fleetlab.scratch_dir("fleet-agent-test") as folder, Judge() as judge:
        remote = write(endpoint(judge.push_url)) + file_source(folder / "app.log")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format, *args):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = b""
                if self.path == "/api/collector.v1.CollectorService/GetConfig":
                    request = request_class.FromString(body)
                    asked.append(request)
                    response = response_class(not_modified=True) if request.hash == "h1" else \
                        response_class(content=remote, hash="h1")
                    answer = response.SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/proto")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        mint = Mint("remote")
        (folder / "app.log").write_text(mint.line() + "\n")
        with fleetlab.Served(Handler) as server, \
                Agent(f'remotecfg {{\n  url = "http://{server.address}/api/"\n  attributes = {{ "env" = "test" }}\n}}\n'
                      'loki.echo "own" { }\n', folder / "agent") as agent:
            agent.start().wait_ready()
            all_arrived(judge, mint.lines)
            eventually(lambda: len(asked) >= 2, 20, "the server learns what became of its text")
            check(asked[0].id == json.loads((folder / "agent/data/alloy_seed.json").read_text())["UID"], asked[0])
            check(asked[0].local_attributes["env"] == "test" and asked[0].local_attributes["collector.os"] == "linux", asked[0])
            check(asked[1].hash == "h1" and asked[1].remote_config_status.status == 1, asked[1])
            names = {path: {one["localID"] for one in json.loads(http(agent.url + "/api/v0/web/" + path)[1])}
                     for path in ("components", "remotecfg/components")}
            check(names == {"components": {"loki.echo.own"},
                            "remotecfg/components": {"loki.write.out", "loki.source.file.file"}}, names)
            status, one = http(agent.url + "/api/v0/web/remotecfg/components/remotecfg/loki.write.out")
            check(status == 200 and json.loads(one)["moduleID"] == "remotecfg", one)
            check(metric(agent, "remotecfg_last_load_successful") == 1, "remotecfg_last_load_successful")
            check(agent.stop() == 0, "exit status")


if __name__ == "__main__":
    fleetlab.main([reloads_under_load, a_dead_endpoint_slows_nobody, a_mute_receiver_is_named, one_line_too_bad_does_not_take_its_neighbours,
                   the_books_balance, a_full_disk_stops_nothing, containers_come_and_go, memory_stays_small, tls_files_are_read_again,
                   flags_of_alloy, a_server_hands_out_configuration, a_hung_source_is_left_behind])
