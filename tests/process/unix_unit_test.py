#!/usr/bin/python3
"""unix_unit_test.py CASE | --list: prometheus.exporter.unix in the shipped unit, on a booted host with systemd, logind and a bus.

The agent runs as the unit says: as its own user, with its sandbox. node_exporter runs beside it as root, on the same bus.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import Lab, check, eventually
from parity_test import compare, series

HOST = "ariel"
# What node_exporter tells of the bus, and what the sandbox might be in the way of.
ON_THE_BUS = ["systemd", "logind"]
IN_THE_SANDBOX = ["ethtool", "network_route", "qdisc", "tcpstat", "processes", "interrupts", "mountstats", "buddyinfo"]
NOT_PERMITTED = ["perf", "slabinfo"]
CONFIG = """
prometheus.exporter.unix "host" {{
  set_collectors = [{collectors}]
  systemd {{
    enable_restarts = true
    start_time      = true
    task_metrics    = true
  }}
}}
"""
FLAGS = ["--web.listen-address=127.0.0.1:9100", "--collector.disable-defaults", "--collector.systemd.enable-task-metrics",
         "--collector.systemd.enable-restarts-metrics", "--collector.systemd.enable-start-time-metrics",
         "--collector.systemd.unit-exclude=.+\\.(automount|device|mount|scope|slice)"]
INSTALL = """
systemctl start fleet-agent
systemd-run --unit=oracle --quiet /opt/node_exporter {flags}
systemd-run --unit=restless --quiet --property=Restart=always --property=RestartSec=1h /bin/true
printf '[Socket]\\nListenStream=/run/idle.sock\\nAccept=yes\\n' >/run/systemd/system/idle.socket
printf '[Service]\\nExecStart=/bin/cat\\nStandardInput=socket\\n' >/run/systemd/system/idle@.service
systemctl daemon-reload
systemctl start idle.socket
"""


def the_unit_lets_collectors_ask_systemd_and_the_kernel():
    """Units, sessions, sockets, timers as node_exporter tells them; routes, queues and drivers in the sandbox; perf says why it cannot."""
    fleetlab.as_root()
    with Lab("/tmp/fleet-unixunit", "unixunit") as lab:
        lab.run("up", HOST)
        collectors = ", ".join(f'"{name}"' for name in ON_THE_BUS + IN_THE_SANDBOX + NOT_PERMITTED)
        lab.install_agent(HOST, CONFIG.format(collectors=collectors))
        shutil.copy("/usr/bin/prometheus-node-exporter", lab.folder / "hosts" / HOST / "root/opt/node_exporter")
        flags = [f"--collector.{name}" for name in ON_THE_BUS] + FLAGS
        lab.run("exec", HOST, "/bin/sh", "-ec", INSTALL.format(flags=" ".join(f"'{flag}'" for flag in flags)))

        def page(path, port):
            status, body = lab.get(HOST, path, port)
            check(status == 200, f"{path}: {status} {body[:300]}")
            return series(body)

        def both():
            return (page("/api/v0/component/prometheus.exporter.unix.host/metrics", 12345), page("/metrics", 9100))
        eventually(both, 30, lambda: lab.run("exec", HOST, "journalctl", "-n", "30", "--no-pager").stdout)
        # Units settle: the two are asked one after the other, and must be asked while nothing starts or ends.
        problem = [None]

        def agree():
            ours, theirs = both()
            for name in ON_THE_BUS + IN_THE_SANDBOX:
                check(ours["node_scrape_collector_success", (("collector", name),)] == 1, f"{name} failed in the sandbox")
            for name in NOT_PERMITTED:
                check(ours["node_scrape_collector_success", (("collector", name),)] == 0, f"{name} succeeded in the sandbox?")
            ours, theirs = ({key: value for key, value in told.items() if key[0].startswith(("node_systemd_", "node_logind_"))}
                            for told in (ours, theirs))
            try:
                compare(ours, theirs, 200)
            except fleetlab.Failed as failed:
                problem[0] = failed
                return None
            return ours
        ours = eventually(agree, 60, lambda: problem[0])
        for name in ("node_systemd_service_restart_total", "node_systemd_socket_current_connections", "node_systemd_timer_last_trigger_seconds",
                     "node_systemd_unit_start_time_seconds", "node_systemd_unit_tasks_max",
                     "node_systemd_version", "node_systemd_virtualization_info", "node_logind_sessions"):
            check(any(key[0] == name for key in ours), f"no {name}")
        check(any(key[0] == "node_systemd_virtualization_info" and ("virtualization_type", "systemd-nspawn") in key[1] for key in ours),
              "the virtualization is not systemd-nspawn")
        said = lab.run("exec", HOST, "systemctl", "show", "-p", "User,NoNewPrivileges", "fleet-agent").stdout
        check("User=fleet-agent" in said and "NoNewPrivileges=yes" in said, said)


if __name__ == "__main__":
    fleetlab.main([the_unit_lets_collectors_ask_systemd_and_the_kernel])
