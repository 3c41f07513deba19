#!/usr/bin/python3
"""metrics_test.py CASE | --list: the real fleet-agent scrapes, a real Prometheus receives; each case is a function below."""

import re
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import Agent, Served, check, eventually, free_port
from prometheus_server import Prometheus


class Target(Served):
    """A page of metrics: a counter that tells how often it was asked, and what a test adds."""

    def __init__(self):
        target = self
        self.asked, self.more, self.gone = 0, "", False

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                if target.gone:
                    self.send_error(503)
                    return
                target.asked += 1
                body = (f"# TYPE asked_total counter\nasked_total {target.asked}\n" + target.more).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(Handler)


CONFIG = """
prometheus.exporter.self "agent" {{ }}

prometheus.scrape "all" {{
  targets = array.concat(
    prometheus.exporter.self.agent.targets,
    [{{"__address__" = "{target}", "instance" = "puck", "job" = "app"}}],
  )
  scrape_interval = "500ms"
  scrape_timeout  = "400ms"
  honor_metadata  = true
  forward_to      = [prometheus.relabel.host.receiver]
}}

prometheus.relabel "host" {{
  rule {{
    target_label = "host"
    replacement  = "puck"
  }}
  forward_to = [prometheus.remote_write.out.receiver]
}}

prometheus.remote_write "out" {{
  external_labels = {{ cluster = "lab" }}
  endpoint {{
    url = "{url}"
    queue_config {{
      batch_send_deadline = "200ms"
      max_backoff         = "500ms"
    }}
    metadata_config {{
      send_interval = "1s"
    }}
  }}
}}
"""

ASKED = 'asked_total{job="app"}'


def promql_answers():
    """What is scraped can be asked for in PromQL: labels, up, metadata, and the end of a series."""
    with fleetlab.scratch_dir("fleet-metrics-test") as folder, Prometheus(folder / "prometheus") as prometheus, Target() as target:
        target.more = '# HELP temperature_celsius How warm.\n# TYPE temperature_celsius gauge\ntemperature_celsius{room="a"} 21.5\n'
        with Agent(CONFIG.format(target=target.address, url=prometheus.write_url), folder / "agent") as agent:
            agent.start().wait_ready()
            eventually(lambda: prometheus.value('temperature_celsius{room="a"}') == 21.5, 20, "the gauge")
            labels = prometheus.query("temperature_celsius")[0]["metric"]
            check(labels == {"__name__": "temperature_celsius", "room": "a", "instance": "puck", "job": "app",
                             "host": "puck", "cluster": "lab"}, f"labels: {labels}")
            eventually(lambda: prometheus.value('up{job="app"}') == 1, 20, "up")
            eventually(lambda: prometheus.value('alloy_config_last_load_successful{job="integrations/self"}') == 1, 20, "self")
            eventually(lambda: (prometheus.value(f"rate({ASKED}[10s])") or 0) > 0.5, 30, "a rate")
            target.more = ""
            eventually(lambda: prometheus.query("temperature_celsius") == [], 20, "the end of the series")
            target.gone = True
            eventually(lambda: prometheus.value('up{job="app"}') == 0, 20, "up 0")
            check(prometheus.query(ASKED) == [], "the series of a target that fails has ended")
            target.gone = False
            eventually(lambda: prometheus.value('up{job="app"}') == 1, 20, "up again")
            check(agent.stop() == 0, "exit status")


def an_outage_costs_no_sample():
    """Prometheus is away while the agent is killed and restarted five times: every scrape arrives, once, in order."""
    with fleetlab.scratch_dir("fleet-metrics-test") as folder, Target() as target:
        prometheus = Prometheus(folder / "prometheus").start()
        with Agent(CONFIG.format(target=target.address, url=prometheus.write_url), folder / "agent") as agent:
            agent.start().wait_ready()
            eventually(lambda: prometheus.value(ASKED) is not None, 20, "the first sample")
            prometheus.stop()
            for life in range(5):
                before = target.asked
                eventually(lambda before=before: target.asked >= before + 3, 20, "scrapes during the outage")
                if life % 2:
                    agent.stop()
                else:
                    agent.kill()
                agent.start().wait_ready()
            before = target.asked
            eventually(lambda: target.asked >= before + 2, 20, "scrapes in the last life")
            prometheus.start()
            last = target.asked
            eventually(lambda: (prometheus.value(ASKED) or 0) >= last, 30, "the newest sample")
            check(agent.stop() == 0, "exit status")
        samples = prometheus.samples(ASKED)
        prometheus.stop()
    values = [int(value) for _, value in samples]
    times = [when for when, _ in samples]
    # A kill may fall between the target's answer and the queue; no other number may be missing.
    missing = set(range(values[0], values[-1] + 1)) - set(values)
    check(len(missing) <= 5, f"missing {sorted(missing)} of {values}")
    check(values == sorted(set(values)), f"order: {values}")
    check(times == sorted(set(times)), f"times: {times}")
    print(f"{len(values)} samples, {len(missing)} scrapes cut off by kills")


def a_prometheus_that_knows_1_gets_1():
    """Asked for remote write 2.0: this Prometheus takes that for an empty request and says 204, and still gets every sample."""
    with fleetlab.scratch_dir("fleet-metrics-test") as folder, Prometheus(folder / "prometheus") as prometheus, Target() as target:
        config = CONFIG.format(target=target.address, url=prometheus.write_url).replace(
            "    metadata_config", '    protobuf_message = "io.prometheus.write.v2.Request"\n    metadata_config')
        with Agent(config, folder / "agent") as agent:
            agent.start().wait_ready()
            eventually(lambda: (prometheus.value(ASKED) or 0) >= 4, 30, "samples")
            check("does not speak remote write 2.0" in agent.log_tail(100000), "a warning")
            check(agent.stop() == 0, "exit status")
        values = [int(value) for _, value in prometheus.samples(ASKED)]
        check(values == list(range(1, len(values) + 1)), f"each sample once, in order, from the first: {values}")


def a_hostile_target_costs_its_own_scrape():
    """A page that never ends, slowly: the other targets are scraped on, and the agent stays small."""
    with fleetlab.scratch_dir("fleet-metrics-test") as folder, Prometheus(folder / "prometheus") as prometheus, Target() as target:
        class Drip(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x" * 65536 if "fast" in self.path else b"x")
                        if "fast" not in self.path:
                            time.sleep(0.05)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        hostile = Served(Drip)
        config = CONFIG.format(target=target.address, url=prometheus.write_url).replace(
            '"job" = "app"}}],'.replace("}}", "}"),
            '"job" = "app"},\n      {"__address__" = "%s", "job" = "drip"},\n'
            '      {"__address__" = "%s", "__metrics_path__" = "/fast", "job" = "flood"}],' % (hostile.address, hostile.address))
        check("flood" in config, "the configuration has the hostile targets")
        with hostile, Agent(config, folder / "agent") as agent:
            agent.start().wait_ready()
            eventually(lambda: prometheus.value('up{job="drip"}') == 0 and prometheus.value('up{job="flood"}') == 0, 30, "both down")
            before = target.asked
            eventually(lambda: target.asked >= before + 6, 20, "the good target is scraped on")
            status = Path(f"/proc/{agent.process.pid}/status").read_text()
            peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
            check(peak < 160, f"peak RSS {peak:.0f} MiB")
            check(agent.stop() == 0, "exit status")


RECEIVER = """
prometheus.receive_http "in" {{
  http {{
    listen_address = "127.0.0.1"
    listen_port    = {port}
  }}
  forward_to = [prometheus.remote_write.out.receiver]
}}

prometheus.remote_write "out" {{
  endpoint {{
    url = "{url}"
    queue_config {{
      batch_send_deadline = "200ms"
    }}
  }}
}}
"""

SENDER = """
global: {{ scrape_interval: 500ms }}
scrape_configs:
  - job_name: theirs
    static_configs: [{{ targets: ["{target}"] }}]
remote_write:
  - url: {url}
    queue_config: {{ batch_send_deadline: 200ms }}
"""


def samples_pass_an_agent():
    """An agent and a real Prometheus send to an agent, which sends on: all samples come, and series end where they end."""
    with fleetlab.scratch_dir("fleet-metrics-test") as folder, Prometheus(folder / "prometheus") as prometheus, \
            Target() as ours, Target() as theirs:
        port = free_port()
        into = f"http://127.0.0.1:{port}/api/v1/metrics/write"
        theirs.more = "depth_meters 3.5\n"
        with Agent(RECEIVER.format(port=port, url=prometheus.write_url), folder / "between") as between, \
                Agent(CONFIG.format(target=ours.address, url=into), folder / "agent") as agent:
            between.start().wait_ready()
            agent.start().wait_ready()
            with Prometheus(folder / "sender", config=SENDER.format(target=theirs.address, url=into)):
                eventually(lambda: (prometheus.value(ASKED) or 0) >= 4, 30, "samples of the agent")
                eventually(lambda: prometheus.value('depth_meters{job="theirs"}') == 3.5, 30, "samples of Prometheus")
                before = ours.asked
                between.stop()
                eventually(lambda: ours.asked >= before + 3, 20, "scrapes while the receiver is away")
                between.start().wait_ready()
                last = ours.asked
                eventually(lambda: (prometheus.value(ASKED) or 0) >= last, 30, "what waited")
                theirs.more = ""
                eventually(lambda: prometheus.query("depth_meters") == [], 30, "the end of a series")
            values = [int(value) for _, value in prometheus.samples(ASKED)]
            failed = [value for _, value in prometheus.samples('up{job="app"}')].count(0)
            check(values == sorted(set(values)), f"each sample once, in order: {values}")
            missing = set(range(values[0], values[-1] + 1)) - set(values)
            check(len(missing) <= failed, f"missing {sorted(missing)}, and {failed} scrapes took too long")
            check(agent.stop() == 0, "exit status")
            check(between.stop() == 0, "exit status of the receiver")


EVERYTHING = """
discovery.docker "d" {
  host = "unix:///nobody/is/there.sock"
}
discovery.http "h" {
  url = "http://127.0.0.1:9/targets"
}
prometheus.exporter.self "agent" { }
prometheus.scrape "s" {
  targets         = array.concat(prometheus.exporter.self.agent.targets, discovery.docker.d.targets, discovery.http.h.targets)
  scrape_interval = "200ms"
  scrape_timeout  = "200ms"
  forward_to      = [prometheus.enrich.e.receiver]
}
prometheus.enrich "e" {
  targets              = []
  target_match_label   = "instance"
  metrics_match_label  = "instance"
  forward_to           = [prometheus.relabel.r.receiver]
}
prometheus.receive_http "p" {
  http {
    listen_address = "127.0.0.1"
    listen_port    = {port}
  }
  forward_to = [prometheus.relabel.r.receiver]
}
prometheus.relabel "r" {
  forward_to = [prometheus.remote_write.w.receiver]
}
prometheus.remote_write "w" {
  endpoint {
    url = "http://127.0.0.1:9/api/v1/write"
  }
}
"""
NOT_OURS = "## Metrics that Alloy has and this agent has not"


def components_tell_what_alloys_tell_of_themselves():
    """Each metric that Alloy's components have of themselves is on the agent's page, or its reference page says why not."""
    wanted = {}
    for row in (fleetlab.ROOT / "tests/fixtures/alloy/metrics.txt").read_text().splitlines():
        component, name = row.split()
        wanted.setdefault(component, set()).add(name)
    port = free_port()
    with fleetlab.scratch_dir("fleet-metrics-test") as folder, Agent(EVERYTHING.replace("{port}", str(port)), folder / "agent") as agent:
        agent.start().wait_ready()
        status, said = fleetlab.http(f"http://127.0.0.1:{port}/api/v1/metrics/write", b"no request")
        check(status in (400, 415), f"a push that is none: {status} {said}")

        def told():
            return set(re.findall(r"^# TYPE (\S+)", fleetlab.http(agent.url + "/metrics")[1], re.M))
        eventually(lambda: "prometheus_target_scrape_pool_sync_total" in told(), 20, "the scrape's pool")
        there, problems = told(), []
        for component, names in wanted.items():
            page = (fleetlab.ROOT / f"docs/reference/{component}.md").read_text()
            section = page.split(NOT_OURS)[1].split("<!--")[0] if NOT_OURS in page else ""
            excused = set(re.findall(r"`(\w+)`", section))
            problems += [f"{component}: {name} is neither told nor excused" for name in sorted(names - there - excused)]
        check(not problems, "\n".join(problems))
        check(agent.stop() == 0, "exit status")


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """A field of a protobuf message: a float, bytes, or a whole number."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def zigzag(number):
    return number << 1 if number >= 0 else (-number << 1) - 1


class NativeTarget(Served):
    """A page in the protobuf format with a native histogram that grows."""

    def __init__(self):
        target = self
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                target.asked += 1
                n = target.asked
                # Zero bucket n; buckets 0 and 1 with n and 3n, 7 with 2n; below zero 2 with n.
                histogram = (field(1, 8 * n) + field(2, 12.5 * n) + field(5, zigzag(2)) + field(6, 0.001) + field(7, n)
                             + field(9, field(1, zigzag(2)) + field(2, 1)) + field(10, zigzag(n))
                             + field(12, field(1, zigzag(0)) + field(2, 2)) + field(12, field(1, zigzag(5)) + field(2, 1))
                             + field(13, varint(zigzag(n)) + varint(zigzag(2 * n)) + varint(zigzag(-n))))
                family = field(1, b"latency_seconds") + field(2, b"How long.") + field(3, 4) + field(
                    4, field(1, field(1, b"path") + field(2, b"/")) + field(7, histogram))
                body = varint(len(family)) + family
                self.send_response(200)
                self.send_header("Content-Type", "application/vnd.google.protobuf; "
                                 "proto=io.prometheus.client.MetricFamily; encoding=delimited")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(Handler)


PROTOBUF = """
prometheus.scrape "native" {{
  targets                  = [{{"__address__" = "{target}", "job" = "ours"}}]
  scrape_interval          = "500ms"
  scrape_timeout           = "400ms"
  scrape_native_histograms = true
  forward_to               = [prometheus.remote_write.out.receiver]
}}

prometheus.scrape "text" {{
  targets          = [{{"__address__" = "{page}", "job" = "text"}}]
  scrape_interval  = "1s"
  scrape_timeout   = "1s"
  scrape_protocols = ["PrometheusText0.0.4"]
  forward_to       = [prometheus.remote_write.out.receiver]
}}

prometheus.scrape "protobuf" {{
  targets          = [{{"__address__" = "{page}", "job" = "protobuf"}}]
  scrape_interval  = "1s"
  scrape_timeout   = "1s"
  scrape_protocols = ["PrometheusProto"]
  forward_to       = [prometheus.remote_write.out.receiver]
}}

prometheus.remote_write "out" {{
  endpoint {{
    url                    = "{url}"
    send_native_histograms = true
    queue_config {{
      batch_send_deadline = "200ms"
    }}
  }}
}}
"""

THEIRS = """
global: {{ scrape_interval: 500ms }}
scrape_configs:
  - job_name: theirs
    static_configs: [{{ targets: ["{target}"] }}]
"""


def protobuf_says_what_prometheus_reads():
    """A native histogram that we scrape is the one that Prometheus scrapes; its own page is the same in text and protobuf."""
    with fleetlab.scratch_dir("fleet-metrics-test") as folder, NativeTarget() as target, \
            Prometheus(folder / "prometheus", config=THEIRS.format(target=target.address), features="native-histograms") as prometheus:
        page = f"127.0.0.1:{prometheus.port}"
        with Agent(PROTOBUF.format(target=target.address, page=page, url=prometheus.write_url), folder / "agent") as agent:
            agent.start().wait_ready()
            for wanted in ("histogram_quantile(0.3, {}) ", "histogram_quantile(0.95, {})", "histogram_fraction(-2, 1, {})",
                           "histogram_sum({}) / histogram_count({})"):
                ours, theirs = ('latency_seconds{job="%s"}' % job for job in ("ours", "theirs"))
                eventually(lambda: prometheus.value(wanted.replace("{}", theirs)) is not None, 30, f"{wanted} of theirs")
                eventually(lambda: prometheus.value(wanted.replace("{}", ours)) is not None, 30, f"{wanted} of ours")
                pair = [prometheus.value(wanted.replace("{}", one)) for one in (ours, theirs)]
                check(abs(pair[0] - pair[1]) < 1e-9, f"{wanted}: {pair}")
            names = 'count by (__name__) ({job="%s",__name__!~"up|scrape_.*"})'
            eventually(lambda: len(prometheus.query(names % "text")) > 100 and len(prometheus.query(names % "protobuf")) > 100, 30,
                       "both formats")

            def series(job):
                return {tuple(sorted((name, value) for name, value in row["metric"].items() if name != "job"))
                        for row in prometheus.query('last_over_time({job="%s",__name__!~"up|scrape_.*"}[30s])' % job)}

            def difference():
                return series("text") ^ series("protobuf")

            eventually(lambda: not difference(), 30, lambda: f"equal series, not {sorted(difference())[:5]}")
            check(agent.stop() == 0, "exit status")


if __name__ == "__main__":
    fleetlab.main([promql_answers, a_prometheus_that_knows_1_gets_1, an_outage_costs_no_sample,
                   components_tell_what_alloys_tell_of_themselves, a_hostile_target_costs_its_own_scrape, samples_pass_an_agent, protobuf_says_what_prometheus_reads])
