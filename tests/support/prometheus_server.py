"""A real Prometheus as a receiver of remote write, and with a configuration of its own as whatever that says."""

import json
import subprocess
import urllib.parse
from pathlib import Path

from fleetlab import check, eventually, free_port, http


class Prometheus:
    """Debian's Prometheus on a port of its own, with an empty database that survives stop() and start()."""

    def __init__(self, folder, port=None, rules=None, config=None, features=None):
        """rules: a rule file; config: a whole configuration instead; features: of --enable-feature."""
        self.flags = [f"--enable-feature={features}"] if features else []
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "prometheus.yml").write_text(config or (f"rule_files: [{rules}]\n" if rules else "global: {}\n"))
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.write_url = self.url + "/api/v1/write"
        self.process = None

    def start(self):
        with open(self.folder / "prometheus.log", "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/prometheus", f"--config.file={self.folder / 'prometheus.yml'}", "--web.enable-remote-write-receiver",
                 f"--web.listen-address=127.0.0.1:{self.port}", f"--storage.tsdb.path={self.folder / 'data'}", *self.flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually(lambda: self.ready(), 30, lambda: f"Prometheus: {self.log_tail()}")
        return self

    def ready(self):
        check(self.process.poll() is None, f"Prometheus ended: {self.log_tail()}")
        try:
            return http(self.url + "/-/ready", timeout=2)[0] == 200
        except OSError:
            return False

    def log_tail(self, size=2000):
        return (self.folder / "prometheus.log").read_bytes()[-size:].decode(errors="replace")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def query(self, expression):
        """PromQL -> the result's rows: [{"metric": labels, "value": [time, text]} or "values"]."""
        status, text = http(f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        check(status == 200, f"{expression}: {status} {text}")
        return json.loads(text)["data"]["result"]

    def value(self, expression):
        """The one value of an expression; None when there is none."""
        rows = self.query(expression)
        check(len(rows) <= 1, f"{expression}: {len(rows)} rows")
        return float(rows[0]["value"][1]) if rows else None

    def samples(self, selector, seconds=600):
        """[(time, value)] of the one series that `selector` names, over the last `seconds`."""
        rows = self.query(f"{selector}[{seconds}s]")
        check(len(rows) <= 1, f"{selector}: {len(rows)} series")
        return [(time, float(value)) for time, value in rows[0]["values"]] if rows else []

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
