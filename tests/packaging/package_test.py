#!/usr/bin/python3
"""package_test.py CASE | --list: the Debian packages and the image, as an operator uses them: a booted Debian host, a Docker Engine."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
import yaml
from fleetlab import BIN, ROOT, Judge, Lab, Mint, check, eventually, explain, verdict

HOST = "puck"
CONFIG = "/etc/fleet-agent/config.alloy"
# What packages need and a minimal host lacks, as apt fetched it: kept between runs.
ARCHIVES = Path("/var/cache/fleet-lab/archives")


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    check(done.returncode == 0, f"{command}: status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def newer(package, folder, version):
    """The same package with a higher version."""
    tree = folder / "newer"
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text("".join(f"Version: {version}\n" if line.startswith("Version: ") else line
                               for line in control.read_text().splitlines(True)))
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, folder / "newer.deb")
    return folder / "newer.deb"


def dependencies(packages, root):
    """Paths of the packages that these need and the host's file system lacks."""
    (ARCHIVES / "partial").mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-y", "-o", f"Dir::State::status={root}/var/lib/dpkg/status", "-o", f"Dir::Cache::archives={ARCHIVES}",
           "--no-install-recommends", "install", *packages]
    if subprocess.run([*apt, "--download-only"], capture_output=True).returncode != 0:
        run("apt-get", "update")  # this machine's lists may name versions that the mirror has no more
        run(*apt, "--download-only")
    wanted = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) [^\[]*\[(\w+)\]", run(*apt, "--simulate"), re.M)
    return [ARCHIVES / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb" for name, version, architecture in wanted
            if name not in ("fleet-agent", "fleetctl")]


class Host:
    """The booted host, without SSH."""

    def __init__(self, lab):
        self.lab = lab
        self.root = lab.folder / "hosts" / HOST / "root"

    def __call__(self, script):
        """-> what the shell script printed, both streams; its status must be 0."""
        return self.lab.run("exec", HOST, "/bin/sh", "-ec", script, stdin=subprocess.DEVNULL, timeout=120).stdout.strip()

    def bring(self, *paths):
        (self.root / "root/packages").mkdir(exist_ok=True)
        for path in paths:
            shutil.copy(path, self.root / "root/packages" / path.name)

    def say(self, lines):
        """A service that prints the lines, one every 20 ms: they are in the journal when it has ended."""
        (self.root / "root/lines").write_text("".join(f"{line}\n" for line in lines))
        self("systemctl reset-failed; systemd-run -q --unit=mint --remain-after-exit /bin/sh -c "
             "'while read -r line; do echo \"$line\"; sleep 0.02; done </root/lines'")

    def said(self):
        eventually(lambda: self("systemctl show -p SubState --value mint") == "exited", 60, "everything is said")
        self("systemctl stop mint")


@contextlib.contextmanager
def booted():
    fleetlab.as_root()
    with Lab("/tmp/fleet-package", "package") as lab:
        lab.run("up", HOST)
        with Judge(lab.gateway) as judge:
            yield Host(lab), judge


def minted(judge):
    return [entry for entry in judge.entries() if Mint.genuine(entry["line"])]


def arrived(judge, lines):
    wanted = set(lines)
    eventually(lambda: wanted <= {entry["line"] for entry in judge.entries()}, 60, "every line at the judge")


def packages_serve_a_host():
    """Both packages are clean for lintian; one installs, starts, ships, upgrades without a loss and is purged without a trace."""
    with fleetlab.scratch_dir("fleet-package-test") as folder:
        run(ROOT / "packaging/package.sh", BIN.parent, folder)
        agent, tool = next(folder.glob("fleet-agent_*.deb")), next(folder.glob("fleetctl_*.deb"))
        run("lintian", "--allow-root", "--fail-on", "error,warning", agent, tool)
        upgrade = newer(agent, folder, "99.0")
        with booted() as (host, judge):
            host.bring(agent, tool, upgrade, *(needed := dependencies([agent, tool], host.root)))
            host("cd /root/packages && DEBIAN_FRONTEND=noninteractive dpkg -i " + " ".join(path.name for path in needed))
            check_refusal(host, agent)
            before = host("getent passwd | sort; getent group | sort")
            check_first_start(host, judge, agent, tool)
            check_upgrade(host, judge)
            check_purge(host, before)


def check_refusal(host, agent):
    """A host with fleetctl's unit is left alone."""
    said = host("touch /etc/systemd/system/fleet-agent.service\n"
                f"dpkg -i /root/packages/{agent.name} 2>&1 && exit 1\nrm /etc/systemd/system/fleet-agent.service")
    check("fleetctl deploy" in said, said)


def check_first_start(host, judge, agent, tool):
    said = host(f"dpkg -i /root/packages/{agent.name} /root/packages/{tool.name} 2>&1")
    check("set the URL of your Loki in /etc/fleet-agent/config.alloy" in said, said)
    check(host("systemctl is-active fleet-agent; systemctl is-enabled fleet-agent") == "active\nenabled", "not active and enabled")
    check(host("id -nG fleet-agent") == "fleet-agent adm systemd-journal", host("id fleet-agent"))
    check(host(f"stat -c '%a %U %G' {CONFIG.rpartition('/')[0]}") == "750 root fleet-agent", "who may read the configuration")
    eventually(lambda: host.lab.get(HOST, "/-/ready")[0] == 200, 60, lambda: host("journalctl -u fleet-agent -n 20 -o cat"))
    eventually(lambda: "set-the-url.invalid" in host("journalctl -u fleet-agent -g level=warn -o cat || true"), 60,
               "the agent says what is to be done")
    host("fleetctl --version; ls /usr/share/man/man8/fleet-agent.8.gz /usr/share/man/man1/fleetctl.1.gz /usr/share/man/man5/fleet.yaml.5.gz /usr/share/fleetctl/bundle/bundle.json "
         "/usr/share/bash-completion/completions/fleetctl.bash /usr/share/doc/fleet-agent/fleet-agent.cdx.json.gz")
    host('cd /usr/share/fleetctl/bundle && grep -F "$(sha256sum fleet-agent.tar.gz | cut -d " " -f 1)" bundle.json')
    host(f"sed -i 's|http://set-the-url.invalid:3100/loki/api/v1/push|{judge.push_url}|' {CONFIG}\n"
         f"fleet-agent validate {CONFIG} && systemctl reload fleet-agent")


def check_upgrade(host, judge):
    mint = Mint("journal")
    first = [mint.line() for _ in range(50)]
    host.say(first)
    host.said()
    arrived(judge, first)
    check(minted(judge)[0]["labels"].get("unit") == "mint.service", f"labels {minted(judge)[0]['labels']}")
    host.say([mint.line() for _ in range(200)])
    said = host("dpkg -i /root/packages/newer.deb 2>&1")
    check("set the URL" not in said, said)
    host.said()
    arrived(judge, mint.lines)
    result = verdict(mint.lines, minted(judge))
    check(not any(result[name] for name in ("missing", "corrupted", "spurious", "unequal")), explain(result))
    again = [entry["line"] for entry in minted(judge) if entry["line"] in first]
    check(len(again) == len(first), "what was delivered before the upgrade came again")
    check(host("dpkg-query -W -f '${Version}' fleet-agent; systemctl is-active fleet-agent") == "99.0active", "not upgraded")
    check(judge.push_url in host(f"cat {CONFIG}"), "the upgrade took the operator's configuration")


def check_purge(host, before):
    host("dpkg -r fleet-agent fleetctl 2>&1 && ls /var/lib/fleet-agent /etc/fleet-agent/config.alloy")
    host("dpkg -P fleet-agent fleetctl 2>&1; rm -r /root/packages")
    left = host("find / -xdev \\( -path /proc -o -path /sys \\) -prune -o \\( -name '*fleet*' -o -nouser -o -nogroup \\) -print")
    check(left == "", f"left: {left}")
    check(host("getent passwd | sort; getent group | sort") == before, "users and groups are not as before")


def image_ships_containers():
    """The image, run by docker-compose from the shipped files, read-only and without any right, ships containers and the host's journal, each
    line once: over Docker's socket, and after a restart over a proxy before it."""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-image-test") as folder, Lab("/tmp/fleet-image", "image") as lab:
        run(ROOT / "packaging/image.sh", BIN.parent, folder)
        lab.run("docker-up")
        run(ROOT / "packaging/image.sh", "import", next(folder.glob("*-image.tar.gz")), "fleet-agent:latest",
            env={**os.environ, "PATH": "/usr/bin:/bin", "DOCKER_HOST": f"unix://{lab.docker_socket}"})
        settings = json.loads(lab.docker("inspect", "-f", "{{json .Config}}", "fleet-agent:latest"))
        check(settings["User"] == "65532:65532" and settings["Entrypoint"] == ["/usr/bin/fleet-agent"], settings)
        with Judge(lab.gateway) as judge:
            check_services(lab, judge, folder)


# No registry is reached: a proxy of the tests' own takes the other's place, on this machine's Python.
PROXY = {
    "image": "lab:1",
    "command": ["/usr/bin/python3", "/docker_proxy.py", "--listen", "0.0.0.0:2375", "/var/run/docker.sock", "/dev/stderr"],
    "stdin_open": True,
    "stop_signal": "SIGKILL",  # Python does not end by TERM as the first process
    "volumes": [f"{path}:{path}:ro" for path in ("/usr", "/lib", "/lib64")] + [f"{fleetlab.SUPPORT}/docker_proxy.py:/docker_proxy.py:ro"],
}


def check_services(lab, judge, folder):
    written = Mint("written")
    file = fleetlab.write_journal(folder / "log/journal", [written.line() for _ in range(20)], time.time_ns() // 1000, _SYSTEMD_UNIT="a.service")
    os.chown(file, 0, 4321)  # only root and this group may read it
    file.chmod(0o640)
    place = folder / "docker"
    shutil.copytree(ROOT / "packaging/docker", place)
    port = fleetlab.free_port()
    values = {"LOKI_URL": judge.push_url, "HOST": "puck", "DOCKER_GID": os.stat(lab.docker_socket).st_gid, "JOURNAL_GID": 4321, "ADM_GID": 4,
              "PORT": port}
    (place / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    wanted = set(written.lines)
    socket = f"{lab.docker_socket}:/var/run/docker.sock:ro"
    mounts = [f"{folder}/log:/var/log:ro", f"{lab.folder}/docker/data/containers:/var/lib/docker/containers:ro"]

    def serve(container, files, services):
        """Started with what is there from before, the agent ships what a new container prints. -> what docker-compose says its logs are"""
        (place / "here.yaml").write_text(yaml.safe_dump({"services": services}))

        def compose(*words):
            return run("/usr/bin/docker-compose", "--no-ansi", "-p", "agent", *(word for name in [*files, "here.yaml"] for word in ("-f", name)), *words,
                       cwd=place, env={"PATH": "/usr/bin:/bin", "DOCKER_HOST": f"unix://{lab.docker_socket}"})

        mint = Mint(container)
        wanted.update(mint.line() for _ in range(20))
        lab.docker("run", "-d", "--name", container, "--network", "none", "--label", "com.docker.compose.project=shop", "lab:1",
                   "/bin/sh", "-c", f"printf '%s %s %s %s\\n' {' '.join(mint.lines)}; sleep 1000")
        compose("up", "-d")
        eventually(lambda: wanted <= {entry["line"] for entry in judge.entries()}, 60, lambda: compose("logs"))
        for path in ("/-/ready", "/-/healthy"):
            eventually(lambda: fleetlab.http(f"http://127.0.0.1:{port}{path}")[0] == 200, 60, lambda: compose("logs"))
        said = compose("logs")
        compose("down", "-t", "30")
        return said

    serve("web", ["compose.yaml"], {"fleet-agent": {"volumes": [socket, *mounts]}})
    said = serve("worker", ["compose.yaml", "compose.socket-proxy.yaml"],
                 {"fleet-agent": {"volumes": mounts}, "socket-proxy": {**PROXY, "volumes": [socket, *PROXY["volumes"]]}})
    check(re.search(r"GET /\S*containers/\S+/logs\S* allowed", said), f"the proxy was not asked: {said}")
    genuine = [entry for entry in judge.entries() if Mint.genuine(entry["line"])]
    check(sorted(entry["line"] for entry in genuine) == sorted(wanted), f"{len(genuine)} lines arrived for {len(wanted)}")
    labels = {json.dumps(entry["labels"], sort_keys=True) for entry in genuine}
    check(labels == {*(json.dumps({"container": name, "hostname": "puck", "service": "shop"}) for name in ("web", "worker")),
                     json.dumps({"hostname": "puck", "job": "systemd", "unit": "a.service"})}, labels)


if __name__ == "__main__":
    fleetlab.main([packages_serve_a_host, image_ships_containers])
