#!/usr/bin/python3
"""secrets_test.py CASE | --list: secrets are where they belong and nowhere else.

Every argument that may hold a secret gets a canary of its own, everything goes wrong that can, and then all that the
agent and fleetctl say to anybody is searched for each canary: as it is, and as JSON, a URL or base64 would have it. What lies on a
host after a deploy is searched by tests/fleet/deploy_test.py.
"""

import base64
import contextlib
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

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("support", "fleetctl/command")]
import fleetlab
from example_fleet import Fleet
from fake_hosts import FakeHosts
from fleetlab import BIN, Agent, Served, check, eventually

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
        with contextlib.suppress(BrokenPipeError):  # the agent was told to end
            self.wfile.write(body)

    do_GET = do_POST = do_CONNECT = answer  # noqa: N815

    def log_message(self, *_):
        pass


def leaks(seen, canary):
    """Fails when a text of `seen`, (where, bytes), holds a canary."""
    found = {}
    for where, content in seen:
        for name, form, text in canary.forms():
            if text in content:
                at = content.find(text)
                found.setdefault(name, []).append(f"{where} ({form}): ...{content[max(0, at - 120):at + 30]!r}")
    for name, places in found.items():
        print(f"{name}: {len(places)} leaks, the first: " + "\n    ".join(places[:3]), flush=True)
    check(not found, f"{len(found)} of {len(canary)} secrets leak")
    print(f"{len(canary)} secrets, {len(seen)} texts of {sum(len(content) for _, content in seen)} bytes", flush=True)


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
    (folder / "assertion").write_text(canary["azure-assertion"])
    user = {"type": "authorized_user", "client_id": "c", "client_secret": canary["google-secret"], "refresh_token": canary["google-refresh"]}
    service = {"type": "service_account", "client_email": "a@b", "private_key_id": "k", "private_key": key.replace("\r", "")}
    for name, told in (("user", user), ("service", service)):
        (folder / f"{name}.json").write_text(json.dumps({**told, "token_uri": f"http://{upstream}/token"}))
    some = "00000000-0000-0000-0000-000000000000"
    clouds = "".join(f'  endpoint {{\n    name = "cloud{number}"\n    url = "{url}"\n    {inside}\n  }}\n' for number, inside in enumerate((
        f'sigv4 {{\n      region = "eu-west-1"\n      access_key = "AKIA"\n      secret_key = "{canary["aws-key"]}"\n    }}',
        f'sigv4 {{\n      region = "eu-west-1"\n      access_key = "AKIA"\n      secret_key = "{canary["aws-role"]}"\n      role_arn = "arn:a"\n    }}',
        'sigv4 {\n      region = "eu-west-1"\n    }',
        f'azuread {{\n      oauth {{\n        client_id = "{some}"\n        client_secret = "{canary["azure-secret"]}"\n'
        f'        tenant_id = "{some}"\n      }}\n    }}',
        f'azuread {{\n      workload_identity {{\n        client_id = "{some}"\n        tenant_id = "{some}"\n'
        f'        token_file_path = "{folder / "assertion"}"\n      }}\n    }}',
        f'google_iam {{\n      credentials_file = "{folder / "user.json"}"\n    }}',
        f'google_iam {{\n      credentials_file = "{folder / "service.json"}"\n    }}',
    )))
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

prometheus.remote_write "clouds" {{
{clouds}}}

prometheus.scrape "up" {{
  targets         = [{{ __address__ = "{upstream}" }}, {{ __address__ = "{upstream}", __scheme__ = "http", job = "again" }}]
  scrape_interval = "1s"
  scrape_timeout  = "1s"
  forward_to      = [prometheus.remote_write.out.receiver, prometheus.remote_write.clouds.receiver]
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
        os.environ.update({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": canary["aws-environment"], "AWS_SESSION_TOKEN": canary["aws-session"],
                           "AWS_ENDPOINT_URL_STS": f"http://{upstream.address}", "AZURE_AUTHORITY_HOST": f"http://{upstream.address}"})
        remote = REMOTE.format(url=canary["remotecfg-url"], header=canary["remotecfg-header"], upstream=upstream.address)
        module = IMPORT.format(url=canary["import-url"], header=canary["import-header"], token=canary["import-token"], upstream=upstream.address)
        with Agent(good + remote, folder / "agent") as agent:
            agent.flags = ["--log.level=debug"]
            agent.start()
            ask = Asker(agent)
            eventually(lambda: b"401" in ask("/api/v0/ui/targets") and b"401" in agent.log_path.read_bytes(), 60,
                       lambda: "everybody is refused: " + agent.log_tail())
            refusals = [b"loki.write.out", b"STS: ", b"azuread: ", b"google_iam: "]
            eventually(lambda: all(word in agent.log_path.read_bytes() for word in refusals), 60, lambda: f"{refusals}: {agent.log_tail()}")
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
        leaks(seen, canary)


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
    lines = folder / "lines"
    lines.write_text("a line\n" * 2)
    mistakes = [text for _, text in list(broken(good, dict(canary)))[::12]]
    for flags in ([], ["--json"]):
        for wrong in (good, *mistakes):
            path.write_text(wrong)
            yield f"trace {flags}", command("trace", path, lines, "--component", "loki.process.p", *flags)
    path.write_text(good)
    trial = folder / "wrong.test"
    for wish in ('-- input loki.process.p {app="x"} --\na line\n-- output loki.write.out --\n{app="y"} another\n', "-- error --\nnothing\n",
                 "-- metric loki_write_sent_entries_total 7 --\n"):
        for config in (f"-- config {path} --\n", f"-- config --\n{good}"):
            trial.write_text(config + wish)
            yield "test", command("test", trial)
    for wrong in mistakes:
        trial.write_text(f"-- config --\n{wrong}\n-- error --\nnothing\n")
        yield "test, with a mistake", command("test", trial)
    yield from told_by_convert(folder, canary)


PROMTAIL = """
clients:
  - url: http://u:{url}@loki.invalid/push
    basic_auth: {{username: u, password: {basic}}}
  - url: http://loki.invalid/push
    bearer_token: {bearer}
    headers: {{X-Key: {header}}}
  - url: http://loki.invalid/push
    oauth2: {{client_id: c, client_secret: {oauth}, token_url: http://u:{token}@loki.invalid/}}
    proxy_url: http://u:{proxy}@proxy.invalid
scrape_configs:
  - job_name: queue
    kafka: {{brokers: [b], topics: [t], authentication: {{type: sasl, sasl_config: {{user: u, password: {kafka}}}}}}}
  - job_name: files
    static_configs: [{{targets: [localhost], labels: {{__path__: /var/log/x.log}}}}]
"""
PROMETHEUS = """
scrape_configs:
  - job_name: a
    basic_auth: {{username: u, password: {basic}}}
    static_configs: [{{targets: ["u:{url}@x:1"]}}]
    proxy_url: http://u:{proxy}@proxy.invalid
  - job_name: b
    authorization: {{credentials: {bearer}}}
    consul_sd_configs: [{{server: c, token: {kafka}}}]
remote_write:
  - url: http://u:{token}@x.invalid/
    headers: {{X-Key: {header}}}
    oauth2: {{client_id: c, client_secret: {oauth}, token_url: http://x.invalid/}}
  - url: http://x.invalid/
    sigv4: {{region: r, access_key: AKIA, secret_key: {aws}}}
"""


def told_by_convert(folder, canary):
    """(what, output) of what others' configurations become, but for what is made of them, which holds what they held."""
    names = ("url", "basic", "bearer", "header", "oauth", "token", "proxy", "kafka", "aws")
    for kind, text in (("promtail", PROMTAIL), ("prometheus", PROMETHEUS)):
        good = text.format(**{name: canary[f"{kind}-{name}"] for name in names})
        wrongs = [("nothing", good)]
        for name in names:
            literal = canary[f"{kind}-{name}"]
            for why, wrong in (("a list", f"[{literal}]"), ("a map", f"{{{literal}: 1}}"), ("a tag", f"!!int {literal}"), ("no end", f'"{literal}'),
                               ("a colon", f"{literal}: x"), ("a variable", f"${{{literal}"), ("an alias", f"*{literal}")):
                if literal in good:
                    wrongs.append((f"{name}, {why}", good.replace(literal, wrong)))
        for why, wrong in wrongs:
            path, made, report = folder / "other.yml", folder / "made.alloy", folder / "report"
            path.write_text(wrong)
            report.write_text("")
            yield f"convert {kind}: {why}", command("convert", "-f", kind, "-b", "-e", "-config.expand-env=true" if kind == "promtail" else "",
                                                    "-o", made, "-r", report, path) + report.read_bytes()
            if made.exists() and b"canary" in made.read_bytes():
                check(made.stat().st_mode & 0o777 == 0o600, f"who may read what was made of {kind}, {why}")
            made.unlink(missing_ok=True)
            yield f"validate {kind}: {why}", command("validate", f"--config.format={kind}", path)


TEMPLATE = """
loki.write "guarded" {
  endpoint {
    url = "http://u:{{ url_password }}@loki.invalid/push"
    basic_auth {
      username = "u"
      password = "{{ loki_password }}"
    }
  }
  endpoint {
    url          = "http://loki.invalid/push"
    bearer_token = "{{ vault_token }}"
    http_headers = {
      "X-Key" = ["{{ vault_file_key }}"],
    }
  }
}
"""
MISUSES = ("{{ %s | from_json }}", "{{ %s | from_yaml_all }}", "{{ %s + 1 }}", "{{ %s.a.b }}", "{{ %s | no_such_filter }}", "{{ %s | b64decode }}",
           "{{ %s | dict2items }}", "{{ no_such[%s] }}", "{{ %s() }}", "{{ %s | fail }}", '{{ "%%d" | format(%s) }}', "{{ %s | to_datetime }}")


def told_by_fleetctl(fleet, words, fakes):
    """(what, output) of what looks at a tree whose hosts get secrets, and deploys it."""
    def run(*command_words):
        done = subprocess.run([BIN / "fleetctl", *map(str, command_words), *words], cwd=fleet.tree, capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/bin:/bin", "HOME": str(fleet.folder / "home"), "LANG": "C.UTF-8"})
        check(done.returncode >= 0, f"{command_words}: {done}")
        return done

    def said(*command_words, status=None):
        done = run(*command_words)
        check(status is None or done.returncode == status, f"{command_words}: {done}")
        return f"fleetctl {' '.join(map(str, command_words))}", done.stdout + done.stderr

    template = fleet.tree / "templates/config.alloy.j2"
    good = template.read_text()
    bundle = fleet.bundle()
    rendered = run("render", "--output", "../rendered", "--limit", "first")
    check(rendered.returncode == 0, rendered)
    for path in (fleet.folder / "rendered").rglob("*"):
        check(path.stat().st_mode & 0o77 == 0, f"who may read {path}")
    yield "fleetctl render --output", rendered.stdout + rendered.stderr
    clear = run("render", "--limit", "first")
    check(b"canary-loki" in clear.stdout and clear.returncode == 0, f"what the host gets: {clear}")
    yield "fleetctl render, standard error", clear.stderr
    for command_words in (["--graph", "--vars"], ["--host", "first", "--origin"]):
        # What the tree's files have in clear is shown as it stands there.
        where, told = said("inventory", *command_words, status=0)
        yield where, b"\n".join(line for line in told.splitlines() if b"loki_password" not in line and b"url_password" not in line)
    for form in ("text", "json", "junit"):
        yield said("lint", "--format", form)
        yield said("plan", "--format", form, "--diff", *bundle, status=0)
    yield said("plan", "--offline", "--out", "../plan.json", *bundle, status=0)
    yield said("plan", "--diff", "--out", "../plan2.json", *bundle, status=0)
    yield said("deploy", "--format", "json", "--diff", "--check", *bundle, status=0)
    yield said("deploy", "--diff", "--yes", *bundle, status=0)
    (fakes.gate / "fail.good").touch()
    yield said("deploy", "--format", "json", "--diff", "--yes", *bundle, status=6)
    for words_of in (["history"], ["history", "--format", "json"], ["doctor", "--all", *bundle], ["doctor", "--format", "json", *bundle],
                     ["status", "--format", "json"], ["rollback", "--list"]):
        yield said(*words_of)
    template.write_text(good.replace("bearer_token = ", "bearer_tokn = "))
    yield said("render", "--output", "../rendered", "--diff", "--limit", "first")
    for number, name in enumerate(("loki_password", "vault_token", "vault_file_key", "url_password")):
        for misuse in MISUSES[number % 2::2]:
            template.write_text(good.replace("{{ %s }}" % name, misuse % name))
            yield said("render", "--limit", "first", "--output", "../rendered")
        for wrong in ('"{{ %s }}" + 1', '"{{ %s }}" bogus', '"{{ %s }}', 'no_such("{{ %s }}")'):
            template.write_text(good.replace('"{{ %s }}"' % name, wrong % name))
            yield said("lint", "--format", "json")
    template.write_text(good)
    for path in sorted(fleet.folder.rglob("*")):  # plans, what is remembered of runs, the other files of a home
        yield f"name of {path}", str(path).encode()
        if path.is_file() and not {"tree", "rendered", "ssh"} & set(path.relative_to(fleet.folder).parts):
            yield str(path), path.read_bytes()


def fleetctl_keeps_secrets():
    """What fleetctl tells of a tree, of hosts and of mistakes in templates holds no secret of it: text, JSON, JUnit, plans, what it remembers."""
    canary = Canaries()
    fleet = Fleet()
    fleet.write("password", canary["vault-password"])
    key = ("--vault-password-file", "password")
    fleet.append("group_vars/all.yml", f"\nloki_password: {canary['loki']}\nurl_password: {canary['url']}\n"
                 + fleet.run("vault", "encrypt-string", *key, "--stdin-name", "vault_token", given=canary["vault"])[0])
    fleet.write("host_vars/first.yml", f"vault_file_key: {canary['vault-file']}\n")
    fleet.run("vault", "encrypt", *key, "host_vars/first.yml")
    fleet.write("host_vars/second.yml", (fleet.tree / "host_vars/first.yml").read_text())
    fleet.append("templates/config.alloy.j2", TEMPLATE)
    with FakeHosts(fleet.folder / "ssh") as fakes:
        fakes.open()
        fleet.write("../fakes", fakes.inventory(["first", "second"]))
        leaks(list(told_by_fleetctl(fleet, ("-i", str(fleet.folder / "fakes"), *key), fakes)), canary)


if __name__ == "__main__":
    fleetlab.main([secrets_stay_where_they_are, fleetctl_keeps_secrets])
