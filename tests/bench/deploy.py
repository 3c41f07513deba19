#!/usr/bin/python3
"""The same agent, configuration and hosts by Ansible and by fleetctl, in turns: deploy.py FLEETCTL [HOSTS...]  (default: 1 10 50)

The hosts are booted ones of tests/support/lab, with Python for Ansible, behind sshd; receivers that take everything stand in for Loki and
Prometheus. Three runs each: a first deploy to hosts without an agent, a changed configuration, and the same again. Ansible does what a
playbook for this job does (user, copy, unarchive, file, template, systemd, a handler that restarts) with Ansible's defaults, and once more
for the run without a change with pipelining, all hosts at once and without facts. What Ansible does not do is in fleetctl's time all the same:
the configuration checked here and on the host, the agent ready and healthy and staying so, a first delivery, a way back. The rows
"unwatched" are fleetctl told to wait for as little as Ansible does: ready once, no delivery. "ssh true" is OpenSSH's client that has
nothing done, at all hosts at once: the floor for whatever goes by SSH to hosts that share this machine.
Then the commands that reach no host, and a plan, over 200 hosts. Prints seconds, CPU seconds of the operator's side, the most resident
memory of one process, and ratios. Nothing depends on the figures. With more hosts than ANSIBLE_MOST fleetctl works alone. pyinfra is not
measured: Debian does not have it. Needs root, ansible-core, and 100 MB of memory for each host.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import ROOT, check

AT_ONCE = 4  # hosts that boot beside each other
MANY = 200   # hosts of the commands that need none
ANSIBLE_MOST = int(os.environ.get("ANSIBLE_MOST", "1000000"))
INSTANCES = pathlib.Path("/proc/sys/fs/inotify/max_user_instances")
UNIT, CONFIG = "fleet-agent.service", "/etc/fleet-agent/config.alloy"
WIPE = f"""systemctl disable --now -q {UNIT} 2>/dev/null; rm -rf /opt/fleet-agent /etc/fleet-agent /var/lib/fleetctl /var/lib/fleet-agent
rm -rf /etc/systemd/system/{UNIT} /root/.ansible; userdel fleet-agent 2>/dev/null; systemctl daemon-reload; systemctl reset-failed"""
STATE = f"systemctl is-active {UNIT}; systemctl is-enabled {UNIT}; id -nG fleet-agent; stat -c '%a %U %G' {CONFIG}; sha256sum {CONFIG}"

UNWATCHED = ("--health-grace", "0", "--delivery", "never")

PLAYBOOK = """
- hosts: fleet
  tasks:
    - group: {name: fleet-agent, system: true}
    - user: {name: fleet-agent, group: fleet-agent, groups: [systemd-journal, adm], append: true, system: true,
             home: /var/lib/fleet-agent, create_home: false, shell: /usr/sbin/nologin}
    - file: {path: "{{ item }}", state: directory, mode: "0755"}
      loop: [/opt/fleet-agent, "/opt/fleet-agent/{{ release }}"]
    - file: {path: /etc/fleet-agent, state: directory, owner: root, group: fleet-agent, mode: "0750"}
    - copy: {src: "{{ bundle }}/fleet-agent.tar.gz", dest: "/opt/fleet-agent/{{ release }}.tar.gz", mode: "0644"}
    - unarchive: {src: "/opt/fleet-agent/{{ release }}.tar.gz", remote_src: true, dest: "/opt/fleet-agent/{{ release }}",
                  creates: "/opt/fleet-agent/{{ release }}/bin/fleet-agent"}
    - file: {path: /opt/fleet-agent/current, state: link, src: "{{ release }}"}
      notify: restart
    - copy: {src: "{{ bundle }}/fleet-agent.service", dest: /etc/systemd/system/fleet-agent.service, mode: "0644"}
      notify: restart
    - template: {src: templates/config.alloy.j2, dest: /etc/fleet-agent/config.alloy, owner: root, group: fleet-agent, mode: "0640"}
      notify: restart
    - systemd: {name: fleet-agent, enabled: true, state: started, daemon_reload: true}
  handlers:
    - name: restart
      systemd: {name: fleet-agent, state: restarted}
"""


def timed(words, cwd, env, statuses=(0,)):
    """-> (seconds, CPU seconds of the command and all it started, MiB that the largest of them had resident)"""
    log = cwd / "last.log"
    start = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - start
    check(process.returncode in statuses, f"{' '.join(map(str, words))}: status {process.returncode}\n{log.read_text()[-3000:]}")
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


class Bench:
    def __init__(self, fleetctl, lab, folder, hosts):
        self.fleetctl, self.lab, self.folder, self.hosts = fleetctl, lab, folder, hosts
        self.bundle = fleetctl.parents[1] / "bundle"
        self.tree = folder / "tree"
        self.tree.mkdir()
        for name in ("group_vars", "templates"):
            shutil.copytree(ROOT / name, self.tree / name)
        self.template = self.tree / "templates/config.alloy.j2"
        self.clean_template = self.template.read_text()
        self.addresses = {host: lab.address(host) for host in hosts}
        self.controls = folder / "cp"
        # The shell of an operator who has nothing but keys.
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder), "LANG": "C.UTF-8",
                    "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.controls), "ANSIBLE_NOCOWS": "1"}
        release = json.loads((self.bundle / "bundle.json").read_text())["sha256"][:16]
        (self.tree / "deploy.yml").write_text(PLAYBOOK)
        (self.tree / "tuned.yml").write_text(PLAYBOOK.replace("  tasks:", "  gather_facts: false\n  tasks:", 1))
        self.variables = ["-e", f"bundle={self.bundle} release={release} ansible_python_interpreter=/usr/bin/python3"]

    def write_inventory(self, names):
        """`names`: {inventory name: host}"""
        options = f"-o UserKnownHostsFile={self.lab.folder}/known_hosts -o IdentitiesOnly=yes"
        lines = [f"{name} ansible_host={self.addresses[host]} ansible_user=root ansible_ssh_private_key_file={self.lab.folder}/key "
                 f"ansible_ssh_common_args='{options}' unix_collectors='[]'\n" for name, host in names.items()]
        (self.tree / "inventory").write_text("[fleet]\n" + "".join(lines))

    def on_all(self, hosts, script):
        """-> {host: output}"""
        def one(host):
            return self.lab.run("exec", host, "/bin/sh", "-c", script, check_status=False).stdout
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(hosts, pool.map(one, hosts)))

    def by_fleetctl(self, *more):
        return timed([self.fleetctl, "deploy", "--yes", *more], self.tree, self.env)

    def by_ssh(self, hosts):
        """No work at all, on each."""
        to = " ".join(self.addresses[host] for host in hosts)
        ssh = (f"ssh -q -F none -i {self.lab.folder}/key -o IdentitiesOnly=yes -o UserKnownHostsFile={self.lab.folder}/known_hosts "
               "-o KexAlgorithms=curve25519-sha256")
        script = f"all=; for to in {to}; do {ssh} root@$to true & all=\"$all $!\"; done; for one in $all; do wait $one || exit; done"
        return timed(["/bin/sh", "-c", script], self.tree, self.env)

    def by_ansible(self, playbook="deploy.yml", **env):
        # Between two runs of a person, ControlPersist ends the connections.
        for socket in self.controls.glob("*"):
            subprocess.run(["ssh", "-S", socket, "-O", "exit", "x"], stderr=subprocess.DEVNULL, check=False)
        return timed(["ansible-playbook", "-i", "inventory", playbook, *self.variables], self.tree, {**self.env, **env})

    def compare(self, number):
        """-> {what was done: {who: figures}}"""
        hosts = self.hosts[:number]
        self.write_inventory({host: host for host in hosts})
        table, states = {}, {}
        parties = {"fleetctl": self.by_fleetctl} if number > ANSIBLE_MOST else {"Ansible": self.by_ansible, "fleetctl": self.by_fleetctl}
        for who, run in parties.items():
            self.on_all(hosts, WIPE)
            self.template.write_text(self.clean_template)
            table.setdefault("first", {})[who] = run()
            self.template.write_text(self.clean_template + "// changed\n")
            table.setdefault("changed", {})[who] = run()
            table.setdefault("again", {})[who] = run()
            log = (self.tree / "last.log").read_text()
            check("changed=0" in log or f"{number} unchanged" in log, f"{who} changed something again:\n{log[-2000:]}")
            states[who] = self.on_all(hosts, STATE)
            if who == "Ansible":
                table["again, tuned"] = {who: self.by_ansible("tuned.yml", ANSIBLE_PIPELINING="1", ANSIBLE_FORKS=str(number))}
        # Once more, without what Ansible does not do.
        self.template.write_text(self.clean_template + "// changed again\n")
        table["changed, unwatched"] = {**table["changed"], "fleetctl": self.by_fleetctl(*UNWATCHED)}
        self.on_all(hosts, WIPE)
        self.template.write_text(self.clean_template)
        table["first, unwatched"] = {**table["first"], "fleetctl": self.by_fleetctl(*UNWATCHED)}
        table["ssh true"] = {"ssh": self.by_ssh(hosts)}
        if "again, tuned" in table:
            table["again, tuned"]["fleetctl"] = table["again"]["fleetctl"]
        for host in hosts:
            made = {who: of_hosts[host] for who, of_hosts in states.items()}
            check(len(set(made.values())) == 1 and made["fleetctl"].startswith("active\nenabled\n"), f"{host}: not the same was made: {made}")
        return table

    def many(self):
        """The commands over 200 hosts: each of the booted ones under several names."""
        self.write_inventory({f"host-{i}.lab": self.hosts[i % len(self.hosts)] for i in range(MANY)})
        shutil.copy(ROOT / "templates/miranda/config.alloy.j2", self.template)
        (self.tree / "host_vars").mkdir()
        for i in range(MANY):
            shutil.copy(ROOT / "host_vars/miranda.incus.yml", self.tree / f"host_vars/host-{i}.lab.yml")
        return {"render": timed([self.fleetctl, "render", "--output", "rendered"], self.tree, self.env),
                "lint": timed([self.fleetctl, "lint"], self.tree, self.env),
                # sshd drops some of more than ten that come at once.
                "plan": timed([self.fleetctl, "plan", "--forks", str(min(64, 8 * len(self.hosts)))], self.tree, self.env)}


@contextlib.contextmanager
def watches_for(hosts):
    """Every host's systemd, journald and agent wants some inotify instances, all of one user here."""
    before = INSTANCES.read_text()
    INSTANCES.write_text(str(max(int(before), 40 * hosts)))
    try:
        yield
    finally:
        INSTANCES.write_text(before)


def show(number, table):
    for what, parties in table.items():
        line = f"{number:4} hosts  {what:18}"
        for who, (seconds, cpu, mib) in sorted(parties.items(), reverse=True):
            line += f"  {who} {seconds:7.2f} s {cpu:6.2f} CPU s {mib:3.0f} MiB"
        if "Ansible" in parties:
            ansible, ours = parties["Ansible"], parties["fleetctl"]
            line += f"  {ansible[0] / ours[0]:5.1f} times faster, {ansible[1] / ours[1]:5.1f} times less CPU"
        print(line, flush=True)


def main(fleetctl, *sizes):
    fleetlab.as_root()
    sizes = [int(size) for size in sizes] or [1, 10, 50]
    os.environ["LAB_PACKAGES"] = "python3"
    names = [f"host-{number}" for number in range(max(sizes))]
    with fleetlab.scratch_dir("fleet-deploy-bench") as folder, watches_for(len(names)), \
            fleetlab.Lab("/tmp/fleet-bench", "bench") as lab:
        lab.run("base", timeout=600)
        lab.run("net-up")
        with fleetlab.Served(fleetlab.Taker, lab.gateway, 3100), fleetlab.Served(fleetlab.Taker, lab.gateway, 9090):
            for at in range(0, len(names), AT_ONCE):
                lab.run("up", "--hosts-entry", f"{lab.gateway} prospero.incus prospero", *names[at:at + AT_ONCE])
            bench = Bench(pathlib.Path(fleetctl).resolve(), lab, folder, names)
            for number in sizes:
                show(number, bench.compare(number))
            show(MANY, {what: {"fleetctl": figures} for what, figures in bench.many().items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
