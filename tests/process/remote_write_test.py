#!/usr/bin/python3
"""remote_write_test.py CASE | --list: what the real fleet-agent sends, judged by a receiver that is not ours to the letter of the
specifications of remote write 1.0 and 2.0 (tests/support/write_judge.py); each case is a function below."""

import email.utils
import random
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import Agent, Served, check, eventually
from metrics_test import NativeTarget
from write_judge import STALE, WriteJudge

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Target(Served):
    """Counts how often it was asked, in `series` series; `more` is added to its page."""

    def __init__(self, series=1):
        target = self
        self.asked, self.more, self.type = 0, "", "text/plain; version=0.0.4"

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                target.asked += 1
                rows = "".join(f'asked_total{{n="{n}"}} {target.asked}\n' for n in range(series))
                end = "# EOF\n" if target.type == OPEN_METRICS else ""
                family = "asked" if target.type == OPEN_METRICS else "asked_total"
                body = f"# HELP {family} How often.\n# TYPE {family} counter\n{rows}{target.more}{end}".encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", target.type)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the agent was killed

            def log_message(self, *_):
                pass

        super().__init__(Handler)


CONFIG = """
prometheus.scrape "all" {{
  targets         = [{{"__address__" = "{target}", "instance" = "puck", "job" = "app"}}]
  scrape_interval = "{interval}"
  scrape_timeout  = "{interval}"
  honor_metadata  = true
  forward_to      = [prometheus.relabel.host.receiver]
}}

prometheus.relabel "host" {{
  rule {{
    source_labels = ["twin"]
    regex         = "a|b"
    target_label  = "twin"
    replacement   = "one"
  }}
  rule {{
    target_label = "host"
    replacement  = "puck"
  }}
  forward_to = [prometheus.remote_write.out.receiver]
}}

prometheus.remote_write "out" {{
  external_labels = {{ cluster = "lab", host = "loses" }}
  endpoint {{
    url              = "{url}"
    protobuf_message = "{message}"
    remote_timeout   = "2s"
    headers          = {{ "X-Tenant" = "t1" }}
    queue_config {{
      batch_send_deadline  = "100ms"
      max_backoff          = "300ms"
      max_samples_per_send = {per_send}
      max_shards           = 4
    }}
    metadata_config {{
      send_interval = "1s"
    }}
    write_relabel_config {{
      source_labels = ["__name__"]
      regex         = "unwanted"
      action        = "drop"
    }}
  }}
}}
"""


def config(target, judge, version=1, interval="500ms", per_send=500):
    message = "io.prometheus.write.v2.Request" if version == 2 else "prometheus.WriteRequest"
    return CONFIG.format(target=target.address, url=judge.url, message=message, interval=interval, per_send=per_send)


PAGE = """\
# HELP odd Values that are no plain numbers, \\\\ and "words".
# TYPE odd gauge
odd{v="nan"} NaN
odd{v="inf"} +Inf
odd{v="minus"} -Inf
odd{v="tiny"} 4.9e-324
odd{v="huge"} 1.7976931348623157e308
odd{v="minus_zero"} -0
# TYPE text gauge
text{Zed="1",alpha="2",_low="3",empty="",uni="Grüße 🚀 \\n\\"q\\"\\\\"} 1
# TYPE same gauge
same{twin="a"} 1
same{twin="b"} 2
# TYPE unwanted gauge
unwanted 1
# HELP rest_seconds How long.
# TYPE rest_seconds histogram
"""
CLASSIC = 'rest_seconds_bucket{le="1"} 1\nrest_seconds_bucket{le="+Inf"} 2\nrest_seconds_sum 3\nrest_seconds_count 2\n'
EXEMPLAR = ('rest_seconds_bucket{le="1.0"} 1 # {trace_id="abc"} 0.5 1700000000.5\n'
            'rest_seconds_bucket{le="+Inf"} 2\nrest_seconds_sum 3\nrest_seconds_count 2\n')


def by_the_book(version):
    with fleetlab.scratch_dir("fleet-write-test") as folder, WriteJudge() as judge, Target() as target:
        target.type = OPEN_METRICS
        target.more = PAGE + EXEMPLAR
        with Agent(config(target, judge, version), folder / "agent") as agent:
            agent.start().wait_ready()
            eventually(lambda: (judge.value(name="asked_total", n="0") or 0) >= 4 and judge.exemplars and judge.metadata, 20,
                       lambda: f"samples, exemplars, metadata; wrong: {judge.wrong}")
            target.more = ""
            eventually(lambda: judge.values(name="same")[-1][2] == STALE, 20, "the end of a series")
            check(agent.stop() == 0, "exit status")
        check(not judge.wrong, f"against the specification: {judge.wrong}")
        check(judge.repeated == judge.out_of_order == 0, f"repeated {judge.repeated}, out of order {judge.out_of_order}")
        common = {"instance": "puck", "job": "app", "host": "puck", "cluster": "lab"}
        check(dict(judge.find(name="asked_total")[0]) == {"__name__": "asked_total", "n": "0", **common}, "labels of a series")
        check(dict(judge.find(name="text")[0]) == {"__name__": "text", "Zed": "1", "alpha": "2", "_low": "3",
                                                   "uni": 'Grüße 🚀 \n"q"\\', **common}, f"labels: {judge.find(name='text')}")
        first = {v: judge.values(name="odd", v=v)[0] for v in ("nan", "inf", "minus", "tiny", "huge", "minus_zero")}
        check(first["nan"][2] == 0x7FF8000000000001, f"bits of NaN: {first['nan'][2]:x}")
        check([first[v][1] for v in ("inf", "minus", "tiny", "huge")] == [float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308]
              and first["minus_zero"][2] == 1 << 63, f"values: {first}")
        check(judge.values(name="odd", v="nan")[-1][2] == STALE, "bits of a staleness marker")
        check([v[1] for v in judge.values(name="same", twin="one")][0] == 1, "of two that became one the first counts")
        check(not judge.find(name="unwanted"), "what write_relabel_config drops")
        check(judge.find(name="up") and judge.find(name="scrape_duration_seconds"), "the scrape's own series")
        trace = [one for one in judge.exemplars if dict(one[0])["__name__"] == "rest_seconds_bucket"]
        check(trace and trace[0][1:] == ((("trace_id", "abc"),), 0.5, 1700000000500), f"exemplars: {judge.exemplars[:2]}")
        histogram = "rest_seconds" if version == 1 else "rest_seconds_bucket"
        check(judge.metadata.get(histogram, (0,))[0] == 3 and judge.metadata[histogram][1] == "How long.",
              f"metadata: {judge.metadata}")
        check(judge.metadata["odd"][:2] == (2, 'Values that are no plain numbers, \\ and "words".'), f"metadata: {judge.metadata}")
        heads = [request["headers"] for request in judge.requests]
        check(all(head.get("X-Tenant") == "t1" for head in heads), "custom headers")
        check(not any("Retry-Attempt" in head for head in heads), "Retry-Attempt at a first attempt")
        check(len(judge.connections) <= 2, f"{len(judge.connections)} connections for {len(heads)} requests")
        if version == 2:
            check(all(head["X-Prometheus-Remote-Write-Version"] == "2.0.0" for head in heads), "2.0 and nothing else")


def version_1_is_by_the_book():
    """Headers, labels, values to the bit, staleness, exemplars, metadata, relabelling, one connection: remote write 1.0."""
    by_the_book(1)


def version_2_is_by_the_book():
    """The same in remote write 2.0: symbols, references, metadata with each series."""
    by_the_book(2)


NATIVE = """
prometheus.scrape "native" {{
  targets                  = [{{"__address__" = "{target}", "job" = "app"}}]
  scrape_interval          = "200ms"
  scrape_timeout           = "200ms"
  scrape_native_histograms = true
  honor_metadata           = true
  forward_to               = [prometheus.remote_write.out.receiver]
}}

prometheus.remote_write "out" {{
  endpoint {{
    url                    = "{url}"
    protobuf_message       = "{message}"
    send_native_histograms = true
    queue_config {{
      batch_send_deadline = "100ms"
    }}
  }}
}}
"""


def native_histograms_leave_in_both_versions():
    """Each scrape's native histogram arrives once, in order, whole, in remote write 1.0 and 2.0."""
    for message in ("prometheus.WriteRequest", "io.prometheus.write.v2.Request"):
        with fleetlab.scratch_dir("fleet-write-test") as folder, WriteJudge() as judge, NativeTarget() as target:
            with Agent(NATIVE.format(target=target.address, url=judge.url, message=message), folder / "agent") as agent:
                agent.start().wait_ready()
                eventually(lambda: len(judge.histograms) >= 5, 20, lambda: f"histograms; wrong: {judge.wrong}")
                check(agent.stop() == 0, "exit status")
            check(not judge.wrong, f"against the specification: {judge.wrong}")
            whole = [one for one in judge.histograms if one[2]]  # the others say that the series has ended
            check([(count, total) for _, _, count, total in whole] == [(8 * n, 12.5 * n) for n in range(1, len(whole) + 1)],
                  f"counts and sums: {whole}")
            check(dict(whole[0][0]) == {"__name__": "latency_seconds", "path": "/", "job": "app", "instance": target.address},
                  f"labels: {whole[0][0]}")
            times = [when for _, when, _, _ in judge.histograms]
            check(times == sorted(set(times)), f"times: {times}")


CONVERTED = NATIVE.replace("scrape_native_histograms = true", """convert_classic_histograms_to_nhcb = true
  start_timestamp_zero_ingestion = true""")

CREATED = """\
# TYPE rest_seconds histogram
rest_seconds_bucket{{le="0.5"}} 1
rest_seconds_bucket{{le="1"}} 1
rest_seconds_bucket{{le="2"}} 4
rest_seconds_bucket{{le="+Inf"}} 6
rest_seconds_sum 30.5
rest_seconds_count 6
rest_seconds_created {0}
# TYPE jobs counter
jobs_total 3
jobs_created {0}
"""


def classic_histograms_leave_as_native_ones():
    """A classic histogram arrives as one with custom buckets, and with its time of creation, in 2.0; 1.0 has neither."""
    began = int(time.time()) - 100.5
    for message in ("io.prometheus.write.v2.Request", "prometheus.WriteRequest"):
        second = "v2" in message
        with fleetlab.scratch_dir("fleet-write-test") as folder, WriteJudge() as judge, Target() as target:
            target.type, target.more = OPEN_METRICS, CREATED.format(began)
            with Agent(CONVERTED.format(target=target.address, url=judge.url, message=message), folder / "agent") as agent:
                agent.start().wait_ready()
                eventually(lambda: len(judge.values(name="jobs_total")) >= 3, 20, lambda: f"samples; wrong: {judge.wrong}")
                eventually(lambda: (len(judge.bounded) >= 3) == second, 20, "histograms")
                dropped = metric(agent, "prometheus_remote_storage_histograms_dropped_total")
                check((dropped > 0) != second, f"dropped: {dropped}")
                check(agent.stop() == 0, "exit status")
            check(not judge.wrong, f"against the specification: {judge.wrong}")
            check(not judge.find(name="rest_seconds_bucket") and not judge.find(name="rest_seconds_count") and
                  not judge.find(name="jobs_created"), "classic series and times of creation are no series")
            if not second:
                check(not judge.histograms and not judge.bounded and not judge.starts, "what 1.0 cannot carry")
                continue
            for labels, _, buckets, total in judge.bounded[:3]:
                check(dict(labels) == {"__name__": "rest_seconds", "instance": target.address, "job": "app"}, f"{labels}")
                check(buckets == {0.5: 1, 1: 1, 2: 4, float("inf"): 6} and total == 30.5, f"{buckets} {total}")
            since = {dict(labels)["__name__"]: start for labels, _, start in judge.starts}
            check(since == {"rest_seconds": int(began * 1000), "jobs_total": int(began * 1000)}, f"since: {since}")


def complete(judge, series, last):
    """Every series has every number up to `last`, each once, in order."""
    for n in range(series):
        values = [int(value) for _, value, raw in judge.values(name="asked_total", n=str(n)) if raw != STALE]
        check(values == list(range(1, len(values) + 1)) and len(values) >= last,
              f"series {n}: {len(values)} of {last}; missing {sorted(set(range(1, last)) - set(values))[:20]}")


def a_receiver_in_trouble_gets_all_once():
    """5xx, 429 with Retry-After as seconds and as a date, resets, silence, lost acknowledgements, redirects, late answers."""
    choices = random.Random(7)
    faults = [500, 503, (429, {"Retry-After": "1"}), "late", "reset", "lost-ack", (302, {}), ("slow", 0.3)]
    served = []

    def answer(n):
        if choices.random() < 0.5 and len(served) < 40:
            fault = faults[len(served) % len(faults)]
            served.append(fault)
            if fault == "late":
                return 429, {"Retry-After": email.utils.formatdate(time.time() + 1, usegmt=True)}
            return fault
        return None

    for version in (1, 2):
        served.clear()
        with fleetlab.scratch_dir("fleet-write-test") as folder, WriteJudge() as judge, Target(30) as target:
            judge.answer = answer
            with Agent(config(target, judge, version, "100ms", 50), folder / "agent") as agent:
                agent.start().wait_ready()
                eventually(lambda: len(served) >= 16, 60, lambda: f"faults: {len(served)}")
                judge.answer = lambda n: None
                last = target.asked
                eventually(lambda: (judge.value(name="asked_total", n="0") or 0) >= last, 30, "the newest sample")
                check(agent.stop() == 0, "exit status")
            check(not judge.wrong, f"against the specification: {judge.wrong}")
            complete(judge, 30, last)
            again = [r for r in judge.requests if "Retry-Attempt" in r["headers"]]
            check(len(again) >= 8, f"{len(again)} requests say that they are sent again")
            print(f"remote write {version}.0: {len(judge.requests)} requests, {len(served)} faults, {judge.repeated} samples again")


def what_is_refused_costs_nothing_else():
    """A receiver that refuses any request with one of three series: the others arrive, each sample of them."""
    for version in (1, 2):
        with fleetlab.scratch_dir("fleet-write-test") as folder, WriteJudge() as judge, Target(40) as target:
            bad = {("n", "3"), ("n", "17"), ("n", "18")}
            judge.refuse = lambda labels: bool(bad & set(labels))
            with Agent(config(target, judge, version), folder / "agent") as agent:
                agent.start().wait_ready()
                eventually(lambda: (judge.value(name="asked_total", n="0") or 0) >= 4, 30, lambda: f"samples; {judge.wrong}")
                metrics = fleetlab.http(agent.url + "/metrics")[1]
                check(agent.stop() == 0, "exit status")
            check(not judge.wrong, f"against the specification: {judge.wrong}")
            failed = [line for line in metrics.splitlines() if line.startswith("prometheus_remote_storage_samples_failed_total{")]
            check(failed and float(failed[0].split()[-1]) >= 6, f"counted: {failed}")
            for n in set(range(40)) - {3, 17, 18}:
                values = [int(v) for _, v, raw in judge.values(name="asked_total", n=str(n)) if raw != STALE]
                check(values == list(range(1, len(values) + 1)) and len(values) >= 3, f"series {n}: {values}")
            check(not judge.find(n="3") and not judge.find(n="17"), "the refused ones")


def a_receiver_of_1_gets_1():
    """Asked for 2.0, the agent finds out that a receiver speaks 1.0, whether that says so or takes it for nothing."""
    for blind in (False, True):
        with fleetlab.scratch_dir("fleet-write-test") as folder, WriteJudge((1,), blind) as judge, Target() as target:
            with Agent(config(target, judge, 2), folder / "agent") as agent:
                agent.start().wait_ready()
                eventually(lambda: (judge.value(name="asked_total") or 0) >= 3 and judge.metadata, 20, lambda: f"samples; {judge.wrong}")
                check(agent.stop() == 0, "exit status")
                check("does not speak remote write 2.0" in agent.log_tail(20000), "a warning")
            check(not judge.wrong, f"against the specification: {judge.wrong}")
            complete(judge, 1, 3)
            seconds = [r for r in judge.requests if r["headers"]["X-Prometheus-Remote-Write-Version"] == "2.0.0"]
            check(len(seconds) == 1, f"{len(seconds)} requests of 2.0")


def killed_while_it_catches_up():
    """kill -9 while the agent sends what an outage left, to a receiver that refuses a request for one sample: each arrives, in order."""
    choices = random.Random(11)
    with fleetlab.scratch_dir("fleet-write-test") as folder, WriteJudge() as judge, Target(60) as target:
        judge.answer = lambda n: 503
        with Agent(config(target, judge, 1, "100ms", 40), folder / "agent") as agent:
            agent.start().wait_ready()
            eventually(lambda: target.asked >= 30, 60, "an outage")
            judge.answer = lambda n: ("slow", choices.uniform(0, 0.03))
            lives = 0
            for _ in range(6):
                before = len(judge.requests)
                enough = choices.randint(5, 25)
                eventually(lambda: len(judge.requests) >= before + enough, 30, "requests after the outage")
                agent.kill()
                lives += 1
                agent.start().wait_ready()
            last = target.asked
            eventually(lambda: (judge.value(name="asked_total", n="0") or 0) >= last, 60, "the newest sample")
            check(agent.stop() == 0, "exit status")
        check(not judge.wrong, f"against the specification: {judge.wrong}")
        cut = 0
        for n in range(60):
            values = [int(value) for _, value, raw in judge.values(name="asked_total", n=str(n)) if raw != STALE]
            missing = sorted(set(range(1, values[-1] + 1)) - set(values))
            check(values == sorted(set(values)), f"series {n}: order")
            # A kill may fall between the target's answer and the queue: then that number is missing everywhere.
            check(len(missing) <= lives, f"series {n}: missing {missing}")
            cut = max(cut, len(missing))
        print(f"{len(judge.requests)} requests, {judge.out_of_order} refused as out of order, {judge.repeated} samples again, "
              f"{cut} scrapes cut off by kills")


def metric(agent, name):
    """The sum of a metric of the agent's own page."""
    rows = [line for line in fleetlab.http(agent.url + "/metrics")[1].splitlines() if line.startswith(name + "{")]
    return sum(float(row.split()[-1]) for row in rows)


def a_dead_receiver_costs_no_memory():
    """3,000 series every tenth of a second and nobody who takes them: memory stays where it is, and what waits leaves at once later."""
    with fleetlab.scratch_dir("fleet-write-test") as folder, WriteJudge() as judge, Target(3000) as target:
        judge.answer = lambda n: 503
        with Agent(config(target, judge, 1, "100ms", 2000), folder / "agent") as agent:
            agent.start().wait_ready()

            def memory(name):
                status = Path(f"/proc/{agent.process.pid}/status").read_text()
                return int(status.split(name + ":")[1].split()[0]) / 1024
            eventually(lambda: target.asked >= 30, 60, "scrapes")
            early = memory("RssAnon")
            eventually(lambda: target.asked >= 130, 120, "scrapes")
            late, waits = memory("RssAnon"), metric(agent, "prometheus_remote_storage_samples_pending")
            check(waits >= 250_000, f"{waits} samples wait")
            check(late - early < 4, f"from {early:.1f} to {late:.1f} MiB")
            judge.answer = lambda n: 204
            begin = time.monotonic()
            eventually(lambda: metric(agent, "prometheus_remote_storage_samples_total") >= waits, 60, "all is sent")
            took = time.monotonic() - begin
            peak = memory("VmHWM") - memory("VmRSS") + memory("RssAnon")
            check(peak < 80, f"{peak:.0f} MiB at most")
            print(f"{waits:.0f} samples waited, {early:.1f} -> {late:.1f} MiB; sent in {took:.1f} s, at most {peak:.1f} MiB")
            check(agent.stop() == 0, "exit status")


if __name__ == "__main__":
    fleetlab.main([version_1_is_by_the_book, version_2_is_by_the_book, native_histograms_leave_in_both_versions,
                   classic_histograms_leave_as_native_ones, a_receiver_in_trouble_gets_all_once, what_is_refused_costs_nothing_else,
                   a_receiver_of_1_gets_1, killed_while_it_catches_up, a_dead_receiver_costs_no_memory])
