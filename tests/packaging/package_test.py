#!/usr/bin/python3
"""package_test.py CASE | --list: the image, as an operator uses it: in a Docker Engine."""

import json
import os
import re
import string
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
import yaml
from fleetlab import BIN, ROOT, Judge, Lab, Mint, check, eventually


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    check(done.returncode == 0, f"{command}: status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


# How a key of the service in compose.yaml is said to `docker run`.
FLAGS = {
    "hostname": lambda name: ["--hostname", name],
    "environment": lambda values: [word for name, value in values.items() for word in ("--env", f"{name}={value}")],
    "user": lambda user: ["--user", user],
    "group_add": lambda groups: [word for group in groups for word in ("--group-add", group)],
    "read_only": lambda yes: ["--read-only"] if yes else [],
    "cap_drop": lambda names: [word for name in names for word in ("--cap-drop", name)],
    "security_opt": lambda options: [word for option in options for word in ("--security-opt", option)],
    "mem_limit": lambda size: ["--memory", size],
    "pids_limit": lambda count: ["--pids-limit", str(count)],
    "volumes": lambda volumes: [word for volume in volumes for word in ("--volume", volume)],
    # The lab's Docker has no networks but the machine's own.
    "ports": lambda _: ["--network", "host"],
    "restart": lambda _: [],
    "image": lambda _: [],
}


def service(values, places):
    """The flags of `docker run` for packaging/docker/compose.yaml with these values, and other places for what it mounts."""
    text = string.Template((ROOT / "packaging/docker/compose.yaml").read_text()).substitute(values)
    found = yaml.safe_load(text)["services"]["fleet-agent"]
    check(found["image"] == "fleet-agent:latest", f"image {found['image']}")
    for here, there in places.items():
        moved = [volume for volume in found["volumes"] if volume.startswith(f"{here}:")]
        check(len(moved) == 1, f"compose.yaml does not mount {here}")
        found["volumes"][found["volumes"].index(moved[0])] = str(there) + moved[0].removeprefix(here)
    return [word for key, value in found.items() for word in FLAGS[key](value)]


def write_journal(folder, lines):
    """A journal as journald leaves it, which only root and group 4321 may read."""
    machine = "0123456789abcdef0123456789abcdef"
    (folder / "journal" / machine).mkdir(parents=True)
    now = time.time_ns() // 1000
    entries = "".join(f"__REALTIME_TIMESTAMP={now + i}\n__MONOTONIC_TIMESTAMP={i + 1}\n_BOOT_ID={machine}\n_SYSTEMD_UNIT=a.service\n"
                      f"MESSAGE={line}\n\n" for i, line in enumerate(lines))
    file = folder / "journal" / machine / "system.journal"
    run("/lib/systemd/systemd-journal-remote", "-o", file, "-", input=entries)
    os.chown(file, 0, 4321)
    file.chmod(0o640)


def image_ships_containers():
    """The image runs as compose.yaml says, read-only and without any right, and ships containers and the host's journal."""
    fleetlab.as_root()
    with fleetlab.scratch_dir("fleet-image-test") as folder, Lab("/tmp/fleet-image", "image") as lab:
        run(ROOT / "packaging/image.sh", BIN.parent, folder)
        lab.run("docker-up")
        run(ROOT / "packaging/image.sh", "import", next(folder.glob("*-image.tar.gz")), "fleet-agent:latest",
            env={**os.environ, "PATH": "/usr/bin:/bin", "DOCKER_HOST": f"unix://{lab.docker_socket}"})
        settings = json.loads(lab.docker("inspect", "-f", "{{json .Config}}", "fleet-agent:latest"))
        check(settings["User"] == "65532:65532" and settings["Entrypoint"] == ["/usr/bin/fleet-agent"], settings)
        with Judge() as judge:
            check_service(lab, judge, folder, settings["Cmd"])


def check_service(lab, judge, folder, command):
    printed, written = Mint("printed"), Mint("written")
    lines = " ".join(printed.line() for _ in range(20))
    words = len(printed.lines[0].split())
    lab.docker("run", "-d", "--name", "web", "--network", "none", "--label", "com.docker.compose.project=shop", "lab:1", "/bin/sh",
               "-c", f"printf '{' '.join(['%s'] * words)}\\n' {lines}; sleep 1000")
    write_journal(folder / "log", [written.line() for _ in range(20)])
    flags = service({"LOKI_URL": judge.push_url, "HOST": "puck", "DOCKER_GID": os.stat(lab.docker_socket).st_gid,
                     "JOURNAL_GID": 4321, "ADM_GID": 4},
                    {"./config.alloy": ROOT / "packaging/docker/config.alloy", "/var/run/docker.sock": lab.docker_socket,
                     "/var/log": folder / "log", "/var/lib/docker/containers": lab.folder / "docker/data/containers"})
    listen = "--server.http.listen-addr="
    command = [word if not word.startswith(listen) else f"{listen}127.0.0.1:0" for word in command]
    for _ in ("first", "started again, it sends nothing twice"):
        lab.docker("run", "-d", "--name", "agent", *flags, "fleet-agent:latest", *command)
        said = eventually(lambda: re.search(r'msg="now listening for http traffic" addr=(\S+)', logs(lab)), 60, lambda: logs(lab))
        eventually(lambda: fleetlab.http(f"http://{said[1]}/-/ready")[0] == 200, 60, lambda: logs(lab))
        wanted = {*printed.lines, *written.lines}
        eventually(lambda: wanted <= {entry["line"] for entry in judge.entries()}, 60, lambda: logs(lab))
        eventually(lambda: fleetlab.http(f"http://{said[1]}/-/healthy")[0] == 200, 60, lambda: logs(lab))
        lab.docker("stop", "-t", "30", "agent")
        lab.docker("rm", "agent")
    genuine = [entry for entry in judge.entries() if Mint.genuine(entry["line"])]
    check(sorted(entry["line"] for entry in genuine) == sorted(wanted), f"{len(genuine)} lines arrived for {len(wanted)}")
    labels = {json.dumps(entry["labels"], sort_keys=True) for entry in genuine}
    check(labels == {json.dumps({"container": "web", "hostname": "puck", "service": "shop"}),
                     json.dumps({"hostname": "puck", "job": "systemd", "unit": "a.service"})}, labels)


def logs(lab):
    done = subprocess.run([fleetlab.DOCKER, "-H", f"unix://{lab.docker_socket}", "logs", "agent"], capture_output=True, text=True)
    return done.stdout + done.stderr


if __name__ == "__main__":
    fleetlab.main([image_ships_containers])
