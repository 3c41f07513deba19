#!/usr/bin/python3
"""handover_test.py CASE | --list: syslog listeners and their connections outlive the agent, in the shipped unit on a booted host.

A container with Docker's syslog driver writes over TCP all the time; datagrams come while there is no agent. HANDOVER_ROUNDS (25), each a `systemctl restart` and a
kill -9, come from the environment.
"""

import os
import re
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import ROOT, Judge, Lab, check, eventually

ROUNDS = int(os.environ.get("HANDOVER_ROUNDS", "25"))
HOST, PORT, UDP_PORT = "ariel", 51401, 51402
CONFIG = """
loki.write "judge" {{
  endpoint {{
    url        = "{push_url}"
    batch_wait = "100ms"
  }}
}}

loki.source.syslog "in" {{
  listener {{
    address       = "{address}:51401"
    syslog_format = "rfc3164"
    labels        = {{ job = "kairos" }}
  }}
  listener {{
    address       = "{address}:51402"
    protocol      = "udp"
    syslog_format = "rfc3164"
    labels        = {{ job = "datagrams" }}
  }}
  forward_to = [loki.write.judge.receiver]
}}
"""
# About 2000 lines a second, in bursts, until it is told to end; then it says how many there were.
WRITER = "e=; trap e=1 TERM; i=0; while [ -z \"$e\" ]; do n=0; while [ $n -lt 20 ]; do i=$((i+1)); n=$((n+1)); echo line $i; done; usleep 10000; done; echo end $i"
AGAIN = """
agent() {{ systemctl show --property=$1 --value fleet-agent; }}
round=0
while [ $round -lt {rounds} ]; do
  round=$((round + 1))
  systemctl restart fleet-agent
  sleep 0.0$((round % 5))
  before=$(agent MainPID)
  kill -9 "$before"
  until [ "$(agent ActiveState)" = active ] && [ "$(agent MainPID)" != "$before" ]; do sleep 0.02; done
  echo "$before $(agent MainPID)"
done
"""


def syslog(lab, address, name, script):
    """Starts a container whose lines go to the host's listener."""
    lab.docker("run", "-d", "--name", name, "--network", "none", "--log-driver", "syslog", "--log-opt",
               f"syslog-address=tcp://{address}:{PORT}", "--log-opt", "syslog-format=rfc3164", "lab:1", "/bin/sh", "-c", script)


def datagrams_wait(host, address, judge):
    """What comes while the agent is down waits in the socket that systemd keeps: all that its buffer takes, and no more."""
    drop_in = "/etc/systemd/system/fleet-agent.service.d/wait.conf"
    host(f"printf '[Service]\\nRestartSec=1h\\n' >{drop_in}; systemctl daemon-reload\n"
         "kill -9 \"$(systemctl show --property=MainPID --value fleet-agent)\"\n"
         "until [ \"$(systemctl show --property=SubState --value fleet-agent)\" = auto-restart ]; do sleep 0.02; done")
    few, sent = 150, 5000  # what fits into a buffer of the kernel's default size, and what into none that the agent asks for
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((address, UDP_PORT))  # a port that nobody has open would refuse the second
        for number in range(sent):
            sender.send(f"<30>Nov 21 09:55:12 host app: datagram {number:04}".encode())
    host(f"rm {drop_in}; systemctl daemon-reload; systemctl start fleet-agent")

    def numbers():
        return sorted(int(entry["line"].split()[1]) for entry in judge.entries() if entry["line"].startswith("datagram "))

    # Later ones follow what waited: when the last has arrived all that will come is there.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((address, UDP_PORT))
        eventually(lambda: sender.send(f"<30>Nov 21 09:55:12 host app: datagram {sent}".encode()) and sent in numbers(), 60,
                   lambda: f"a datagram to the new agent; {len(numbers())} came", interval=0.2)
    waited = sorted(set(numbers()) - {sent})
    check(waited[:few] == list(range(few)), f"not the first that were sent: {waited[:few]}")
    check(len(waited) < sent, "all waited: the buffer was never full")
    print(f"{len(waited)} datagrams waited for the agent", flush=True)


def no_line_is_lost_over_restarts_and_kills():
    """50 restarts under a writing container, half of them kill -9: no line lost, and Docker never has to connect again; datagrams that
    come while there is no agent wait for the next one."""
    fleetlab.as_root()
    with Lab("/tmp/fleet-handover", "handover") as lab:
        lab.run("docker-up")
        lab.run("up", HOST)
        address = lab.address(HOST)
        root = lab.folder / "hosts" / HOST / "root"

        def host(script, **options):
            return lab.run("exec", HOST, "/bin/sh", "-ec", script, **options).stdout.strip()

        with Judge(lab.gateway) as judge:
            def arrived():
                return [entry["line"] for entry in judge.entries()]

            def found(pattern, seconds=60):
                return eventually(lambda: next(filter(None, (re.fullmatch(pattern, line) for line in arrived())), None), seconds,
                                  lambda: f"{pattern}; {host('journalctl -u fleet-agent -n 20 --no-pager')}")

            lab.install_agent(HOST, CONFIG.format(push_url=judge.push_url, address=address))
            host("mkdir /etc/systemd/system/fleet-agent.service.d\n"
                 "printf '[Service]\\nRestartSec=0\\n' >/etc/systemd/system/fleet-agent.service.d/test.conf\n"
                 "systemctl daemon-reload; systemctl start fleet-agent")
            syslog(lab, address, "writer", WRITER)
            found("line 1")

            def connections():
                return [line.split()[3] for line in host(f"ss -Htn state established sport = :{PORT}").splitlines()]
            peers = connections()
            check(len(peers) == 1, f"connections: {peers}")
            lives = set(host(AGAIN.format(rounds=ROUNDS), timeout=500).split())
            check(len(lives) == 2 * ROUNDS, f"{len(lives)} processes, not {2 * ROUNDS}")
            datagrams_wait(host, address, judge)
            check(connections() == peers, f"Docker was connected as {peers}, and is as {connections()}")
            lab.docker("kill", "--signal", "TERM", "writer")
            lab.docker("wait", "writer")
            count = int(found(r"end (\d+)")[1])
            lines = [line for line in arrived() if not line.startswith("datagram ")]
            seen = set(lines)
            missing = [n for n in range(1, count + 1) if f"line {n}" not in seen]
            check(not missing, f"{len(missing)} of {count} lines are missing: {missing[:10]}")
            odd = [line for line in seen if not re.fullmatch(r"(line|end) \d+", line)]
            check(not odd, f"lines that nobody wrote: {odd[:3]}")
            # What was delivered and not yet noted as delivered comes again as it was, and Loki takes it for one.
            distinct = len({(entry["ts"], entry["line"]) for entry in judge.entries() if not entry["line"].startswith("datagram ")})
            print(f"{count} lines, {len(lines) - distinct} equal repeats, {distinct - count - 1} with another time", flush=True)
            eventually(lambda: not connections(), 30, "the connection has ended")
            log = host("journalctl -u fleet-agent -o cat --no-pager")
            check("systemd does not keep" not in log and "handed over" not in log, log[-2000:])

            # An older release, whose unit keeps nothing, finds the address free.
            drop_in = "/etc/systemd/system/fleet-agent.service.d/test.conf"
            kept = "systemctl show --property=NFileDescriptorStore --value fleet-agent"
            check(host(kept) == "2", f"systemd keeps {host(kept)} sockets, not the listeners alone")
            host(f"printf '[Service]\\nFileDescriptorStoreMax=0\\n' >{drop_in}; systemctl daemon-reload")
            check(host(kept) == "0", f"systemd keeps {host(kept)} sockets that it must not")
            host(f"rm {drop_in}; systemctl daemon-reload")

            # A stop ends what the unit keeps; from then on a .socket unit listens, and starts the agent.
            unit = (ROOT / "packaging/fleet-agent-syslog.socket").read_text().replace("127.0.0.1", address)
            (root / "etc/systemd/system/fleet-agent-syslog.socket").write_text(unit)
            host("systemctl daemon-reload; systemctl stop fleet-agent; systemctl enable --now fleet-agent-syslog.socket")
            check(host("systemctl is-active fleet-agent || true") == "inactive", "the agent runs")
            syslog(lab, address, "early", "echo nobody was there; sleep 1000")
            found("nobody was there")
            host("systemctl restart fleet-agent")
            syslog(lab, address, "late", "echo and again")
            found("and again")


if __name__ == "__main__":
    fleetlab.main([no_line_is_lost_over_restarts_and_kills])
