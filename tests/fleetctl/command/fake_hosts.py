"""Hosts that are only a conversation, behind one real sshd on 127.0.0.1: each login runs this file as the host, which tells
that a configuration is missing, takes the bundle and reports a change. Its doings wait for files in a folder, `gate`:

  gate/open          the host goes on after `apply` was received
  gate/fail.KEY      hosts of the key KEY report a rollback instead
  gate/mute.KEY      those cannot tell facts; else this machine's own shell tells them

and it leaves there what it was sent: gate/bundle.NONCE, and an empty gate/asked.PID where facts were wanted.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path


class FakeHosts:
    """The sshd and its keys, for the length of a with. An inventory line per host: `inventory(names)`."""

    def __init__(self, folder, keys=("good",), passwords=False):
        self.folder, self.gate = Path(folder), Path(folder) / "gate"
        self.passwords = "yes" if passwords else "no"
        self.gate.mkdir(parents=True)
        for name in ("host", *keys):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        lines = [f'command="{sys.executable} -B {Path(__file__).resolve()} {self.gate} {key}" '
                 + (self.folder / f"{key}.pub").read_text() for key in keys]
        (self.folder / "authorized").write_text("".join(lines))
        self.config = self.folder / "sshd_config"
        self.process = None

    def __enter__(self):
        import socket
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nAuthorizedKeysFile {self.folder}/authorized\n"
            f"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication {self.passwords}\nMaxStartups 1000\nPidFile none\n")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.config], stderr=subprocess.DEVNULL)
        key = " ".join((self.folder / "host.pub").read_text().split()[:2])
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}\n")
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return self
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def inventory(self, names, key="good"):
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        return "".join(
            f"{name} ansible_host=127.0.0.1 ansible_port={self.port} ansible_user={user} services='[\"alloy\"]' "
            f"ansible_ssh_private_key_file={self.folder}/{key} "
            f"ansible_ssh_common_args='-F none -o UserKnownHostsFile={self.folder}/known_hosts -o IdentitiesOnly=yes'\n"
            for name in names)

    def open(self):
        (self.gate / "open").touch()


def be_a_host(gate, key):
    def say(text):
        sys.stdout.write(f"{nonce} {text}\n")
        sys.stdout.flush()

    command = os.environ["SSH_ORIGINAL_COMMAND"]
    if "fleetctl-here" in command:  # --transport openssh: the command itself comes by standard input
        print("fleetctl-here", flush=True)
        command = "".join(iter(sys.stdin.readline, "fleetctl-go\n"))
    found = re.search(r"([0-9a-f]{16})-end", command)
    if not found:  # not the script that every deploy begins with: what asks for facts
        (gate / f"asked.{os.getpid()}").touch()
        if (gate / f"mute.{key}").exists():
            sys.exit(1)
        os.execv("/bin/sh", ["sh", "-c", command])
    nonce = found[1]
    for line in sys.stdin:
        if line == f"{nonce}-end\n":
            break
    for fact in ("arch x86_64", "os debian 12", "libc glibc 2.36", "free 1000000", "systemd yes", "unit active enabled",
                 "user yes", "release yes", "ready"):
        say(fact)
    order = sys.stdin.readline()
    if order == "show\n":
        say("shown")
        order = sys.stdin.readline()
    if order != "apply\n":
        return
    (gate / f"bundle.{nonce}").write_text(sys.stdin.read())
    say('{"step":"validate"}')
    say('{"step":"wait"}')
    while not (gate / "open").exists():
        time.sleep(0.02)
    if (gate / f"fail.{key}").exists():
        say('{"outcome":"rolled-back","effect":"restart","changes":[],"notes":[],"error":"not ready after 30s","log":["no"]}')
    else:
        say('{"outcome":"changed","effect":"reload","changes":["config.alloy"],"notes":[],"error":"","log":[]}')


if __name__ == "__main__":
    be_a_host(Path(sys.argv[1]), sys.argv[2])
