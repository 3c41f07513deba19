#!/usr/bin/python3
"""secrets_test.py CASE | --list: secrets are where they belong and nowhere else.

Every argument that may hold a secret gets a canary of its own, everything goes wrong that can, and then all that the
agent says to anybody is searched for each canary: as it is, and as JSON, a URL or base64 would have it.
"""

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import urllib.parse
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import BIN, Agent, Served, check, eventually, free_port

FIRST_PASSWORD = "canary-page0-W6tZ"


class Canaries(dict):
    """name -> a text that stands nowhere else; made when it is asked for."""

    def __missing__(self, name):
        self[name] = f"canary-{name}-{base64.b32encode(os.urandom(10)).decode()}"
        return self[name]

    def forms(self):
        """(name, form, bytes) of each."""
        for name, text in self.items():
            plain = text.encode()
            yield name, "plain", plain
            yield name, "JSON", json.dumps(text)[1:-1].encode()
            yield name, "URL", urllib.parse.quote(text, safe="").encode()
            for shift in range(3):  # wherever in a longer text it is
                coded = base64.b64encode(b"x" * shift + plain)
                yield name, "base64", coded[4 if shift else 0:-4]


class Upstream(BaseHTTPRequestHandler):
    """Refuses everybody, and repeats what they came with."""

    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(size) if size < 1 << 20 else b""
        body = b"who are you? " + str(self.headers).encode() + sent[:2000]
        self.send_response(401)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_CONNECT = answer  # noqa: N815

    def log_message(self, *_):
        pass


def key_and_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "key.pem",
                    "-out", folder / "cert.pem", "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
    return (folder / "key.pem").read_text(), (folder / "cert.pem").read_text()


def configuration(canary, folder, upstream, key, cert):
    """All kinds of places for secrets."""
    (folder / "password").write_text(canary["password-file"])
    (folder / "local").write_text(canary["local-file"])
    url = f"http://{upstream}/loki/api/v1/push"

    def endpoint(inside, at=url):
        return (f'  endpoint {{\n    url = "{at}"\n    batch_wait = "50ms"\n    min_backoff_period = "50ms"\n    max_backoff_period = "100ms"\n'
                f"    max_backoff_retries = 2\n{inside}\n  }}\n")

    def basic(name):
        return f'    basic_auth {{\n      username = "u"\n      password = "{canary[name]}"\n    }}'

    loki = "".join([
        endpoint("", url.replace("//", f"//user:{canary['url-userinfo']}@")),
        endpoint(basic("basic-auth")),
        endpoint(f'    bearer_token = "{canary["bearer"]}"'),
        endpoint(f'    authorization {{\n      type = "Token"\n      credentials = "{canary["credentials"]}"\n    }}'),
        endpoint(f'    oauth2 {{\n      client_id = "c"\n      client_secret = "{canary["client-secret"]}"\n'
                 f'      token_url = "http://{upstream}/token"\n    }}'),
        endpoint(f'    http_headers = {{\n      "X-Key" = ["{canary["http-header"]}"],\n    }}'),
        endpoint(f'    proxy_url = "http://u:{canary["proxy-url"]}@{upstream}"\n    proxy_connect_header = {{ "X-P" = ["{canary["proxy-header"]}"] }}',
                 "https://loki.invalid/push"),
        endpoint(f'    basic_auth {{\n      username = "u"\n      password_file = "{folder / "password"}"\n    }}'),
        endpoint('    bearer_token = local.file.token.content'),
        endpoint('    bearer_token = sys.env("CANARY_TOKEN")'),
        endpoint(f'    tls_config {{\n      key_pem = `{key}`\n      cert_pem = `{cert}`\n    }}', f"https://{upstream}/push"),
    ])
    client = f'  bearer_token = "{canary["discovery"]}"\n'
    return f"""
livedebugging {{
  enabled = true
}}

http {{
  auth {{
    basic {{
      username = "u"
      password = "{FIRST_PASSWORD}"
    }}
  }}
}}

local.file "token" {{
  filename  = "{folder / 'local'}"
  is_secret = true
}}

loki.write "out" {{
{loki}}}

loki.source.file "file" {{
  targets    = [{{ __path__ = "{folder / 'app.log'}" }}]
  forward_to = [loki.process.p.receiver]
}}

loki.process "p" {{
  forward_to = [loki.write.out.receiver, custom.c.receiver]
  stage.static_labels {{
    values = {{ a = "b" }}
  }}
}}

loki.source.api "in" {{
  http {{
    listen_address = "127.0.0.1"
    listen_port    = 0
    tls {{
      cert_pem = `{cert}`
      key_pem  = `{key}`
    }}
  }}
  forward_to = []
}}

declare "custom" {{
  argument "password" {{ }}

  loki.write "inner" {{
{endpoint('    bearer_token = argument.password.value')}  }}

  export "receiver" {{
    value = loki.write.inner.receiver
  }}
}}

custom "c" {{
  password = "{canary['custom']}"
}}

prometheus.remote_write "out" {{
{endpoint(basic('remote-write')).replace('    batch_wait = "50ms"', '').replace('    min_backoff_period = "50ms"', '').replace('    max_backoff_period = "100ms"', '').replace('    max_backoff_retries = 2', '')}}}

prometheus.scrape "up" {{
  targets         = [{{ __address__ = "{upstream}" }}, {{ __address__ = "{upstream}", __scheme__ = "http", job = "again" }}]
  scrape_interval = "1s"
  scrape_timeout  = "1s"
  forward_to      = [prometheus.remote_write.out.receiver]
  basic_auth {{
    username = "u"
    password = "{canary['scrape']}"
  }}
  http_headers = {{ "X-Key" = ["{canary['scrape-header']}"] }}
}}

prometheus.exporter.self "self" {{ }}

prometheus.scrape "self" {{
  targets         = prometheus.exporter.self.self.targets
  scrape_interval = "1s"
  scrape_timeout  = "1s"
  forward_to      = [prometheus.remote_write.out.receiver]
}}

discovery.http "d" {{
  url              = "http://u:{canary['discovery-url']}@{upstream}/targets"
  refresh_interval = "1s"
{client}}}

discovery.docker "d" {{
  host             = "http://{upstream}"
  refresh_interval = "1s"
  basic_auth {{
    username = "u"
    password = "{canary['docker']}"
  }}
}}

prometheus.exporter.github "g" {{
  api_url      = "http://{upstream}"
  repositories = ["a/b"]
  api_token    = "{canary['github']}"
}}

prometheus.scrape "github" {{
  targets         = prometheus.exporter.github.g.targets
  scrape_interval = "1s"
  scrape_timeout  = "1s"
  forward_to      = [prometheus.remote_write.out.receiver]
}}
"""


REMOTE = """
remotecfg {{
  url            = "http://u:{url}@{upstream}"
  poll_frequency = "10s"
  http_headers   = {{ "X-Key" = ["{header}"] }}
}}
"""

IMPORT = """
import.http "m" {{
  url     = "http://u:{url}@{upstream}/m.alloy"
  headers = {{ "Authorization" = "Bearer {header}" }}
  client {{
    bearer_token = "{token}"
  }}
}}
"""


def broken(good, canary):
    """(why, configuration) with a mistake beside each literal that is a canary. Each gets a third of the mistakes, in turn."""
    for number, (name, text) in enumerate(canary.items()):
        for match in re.finditer(rf'"[^"\n]*{re.escape(text)}"', good):
            before, literal, after = good[:match.start()], match[0], good[match.end():]
            mistakes = [("an operator", f"{literal} + 1"), ("a word behind it", f"{literal} bogus"), ("no end", literal[:-1]),
                        ("an index", f"{literal}[0]"), ("a call", f"{literal}()"), ("a list", f"[[{literal}]]"),
                        ("a function's argument", f"encoding.from_json({literal})"), ("a unary operator", f"!{literal}"),
                        ("a comparison", f"{literal} > 1"), ("a field", f"{{ a = {literal} }}.b"), ("an escape", literal[:-1] + '\\q"')]
            for why, wrong in mistakes[number % 3::3]:
                yield f"{name}: {why}", before + wrong + after
            line = good.rfind("\n", 0, match.start()) + 1
            misspelt = re.sub(r"^(\s*\w+)(\s*=)", r"\1x\2", good[line:match.start()])
            if misspelt != good[line:match.start()]:
                yield f"{name}: a misspelt name", good[:line] + misspelt + good[match.start():]


class Asker:
    """Asks the agent's pages, with the password."""

    def __init__(self, agent):
        self.address = agent.url.removeprefix("http://")

    def __call__(self, path, method="GET", limit=32 << 20, seconds=20):
        """-> the whole answer with its headers, or what came of it in `seconds`."""
        host, _, port = self.address.rpartition(":")
        login = base64.b64encode(f"u:{FIRST_PASSWORD}".encode()).decode()
        out = b""
        with socket.create_connection((host, int(port)), timeout=seconds) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: {self.address}\r\nAuthorization: Basic {login}\r\nContent-Length: 0\r\n"
                               "Connection: close\r\n\r\n".encode())
            try:
                while len(out) < limit and (more := connection.recv(1 << 16)):
                    out += more
            except TimeoutError:
                pass
        return out


def all_pages(ask):
    """(path, answer) of all that there is."""
    components = json.loads(ask("/api/v0/ui/overview").partition(b"\r\n\r\n")[2])["components"]
    names = sorted({one["name"] for one in components})
    paths = ["/", "/graph", "/metrics", "/-/ready", "/-/healthy", "/api/v0/ui/overview", "/api/v0/ui/targets", "/api/v0/ui/sources",
             "/api/v0/web/components", "/api/v0/web/remotecfg/components", "/api/v0/web/peers", "/nothing"]
    for one in components:
        ident = urllib.parse.quote(one["id"])
        paths += [f"/component/{ident}", f"/api/v0/ui/component/{ident}", f"/api/v0/web/components/{ident}", f"/api/v0/component/{ident}/metrics"]
    paths += [f"/api/v0/ui/reference/{name}" for name in names]
    for path in paths:
        yield path, ask(path)
    for one in components:
        yield f"tap of {one['id']}", ask(f"/api/v0/web/tap/{urllib.parse.quote(one['id'])}?series=true", limit=4096, seconds=0.3)


def unzipped(answer):
    with zipfile.ZipFile(io.BytesIO(answer)) as bundle:
        check(bundle.testzip() is None, "the zip is damaged")
        return {name: bundle.read(name) for name in bundle.namelist()}


def command(*words, text=None):
    done = subprocess.run([BIN / "fleet-agent", *map(str, words)], capture_output=True, timeout=60, input=text)
    return done.stdout + done.stderr


def secrets_stay_where_they_are():
    """No page, metric, log line, error, bundle or file of the agent holds one of its secrets, while all that they open is refused."""
    canary = Canaries()
    with fleetlab.scratch_dir("fleet-secrets-test") as folder, Served(Upstream) as upstream:
        key, cert = key_and_certificate(folder)
        good = configuration(canary, folder, upstream.address, key, cert)
        canary["key-pem"] = key.splitlines()[2]
        canary["page"] = FIRST_PASSWORD
        seen = []  # (where, bytes)
        (folder / "app.log").write_text("a line\n" * 20)
        os.environ["CANARY_TOKEN"] = canary["environment"]
        remote = REMOTE.format(url=canary["remotecfg-url"], header=canary["remotecfg-header"], upstream=upstream.address)
        module = IMPORT.format(url=canary["import-url"], header=canary["import-header"], token=canary["import-token"], upstream=upstream.address)
        with Agent(good + remote, folder / "agent") as agent:
            agent.flags = ["--log.level=debug"]
            agent.start()
            ask = Asker(agent)
            eventually(lambda: b"401" in ask("/api/v0/ui/targets") and b"401" in agent.log_path.read_bytes(), 60,
                       lambda: "everybody is refused: " + agent.log_tail())
            # Of many mistakes a few: `validate` tells of each in the same words.
            for why, text in [*list(broken(good, dict(canary)))[::6], ("a module that nobody gives", good + module)]:
                agent.config_path.write_text(text)
                answer = ask("/-/reload", method="POST")
                seen.append((f"reload, {why}", answer))
                check(b" 400 " in answer.splitlines()[0], f"{why}: {answer[-600:].decode()}")
            seen += all_pages(ask)
            check_bundles(ask, folder, seen)
            agent.config_path.write_text(good + remote)
            for path in sorted((folder / "agent/data").rglob("*")):
                seen.append((f"name of {path}", str(path).encode()))
                if path.is_file():
                    seen.append((str(path), path.read_bytes()))
            seen.append(("command line", Path(f"/proc/{agent.process.pid}/cmdline").read_bytes()))
            check(agent.stop(30) == 0, "exit status")
            seen.append(("log", agent.log_path.read_bytes()))
        seen += told_by_commands(folder, good + remote, canary)
        leaks = {}
        for where, content in seen:
            for name, form, text in canary.forms():
                if text in content:
                    at = content.find(text)
                    leaks.setdefault(name, []).append(f"{where} ({form}): ...{content[max(0, at - 120):at + 30]!r}")
        for name, found in leaks.items():
            print(f"{name}: {len(found)} leaks, the first: " + "\n    ".join(found[:3]), flush=True)
        check(not leaks, f"{len(leaks)} of {len(canary)} secrets leak")
        print(f"{len(canary)} secrets, {len(seen)} texts of {sum(len(content) for _, content in seen)} bytes", flush=True)


def check_bundles(ask, folder, seen):
    answer = ask("/-/support")
    files = unzipped(answer.partition(b"\r\n\r\n")[2])
    made = folder / "bundle.zip"
    said = command("support-bundle", "--storage.path", folder / "agent/data", "--duration", "1", "-o", made)
    check(made.exists(), said)
    check(made.stat().st_mode & 0o777 == 0o600, "who may read the bundle")
    second = unzipped(made.read_bytes())
    check({name.removeprefix("alloy-support-bundle/") for name in second} - {name.removeprefix("alloy-support-bundle/") for name in files}
          == {"alloy-metrics-sample-end.txt"}, sorted(second))
    for name, content in {**files, **second}.items():
        check(content, f"{name} is empty")
        seen.append((f"bundle: {name}", content))
    source = next(content for name, content in second.items() if name.endswith("sources/config.alloy")).decode()
    check('client_secret = "(secret)"' in source and 'bearer_token = local.file.token.content' in source
          and 'sys.env("CANARY_TOKEN")' in source and 'password  = "(secret)"' in re.sub(" +=", "  =", source), source)
    details = json.loads(second["alloy-support-bundle/fleet-agent-components.json"])
    check("loki.write.out" in {one["localID"] for one in details}, "components")


def told_by_commands(folder, good, canary):
    """(what, output) of commands that look at configurations."""
    for why, text in [("nothing", good), *list(broken(good, dict(canary)))]:
        path = folder / "wrong.alloy"
        path.write_text(text)
        yield f"validate, {why}", command("validate", path)
        if "operator" in why or why == "nothing":
            yield f"validate --json, {why}", command("validate", "--json", path)
        if why != "nothing" and ("behind" in why or "end" in why or "escape" in why):
            done = subprocess.run([BIN / "fleet-agent", "fmt", path], capture_output=True, timeout=60)
            yield f"fmt, {why}", done.stderr
    path.write_text(good)
    yield "trace", command("trace", path, "--component", "loki.process.p", text=b"a line\n")


if __name__ == "__main__":
    fleetlab.main([secrets_stay_where_they_are])
