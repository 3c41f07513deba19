#!/usr/bin/python3
"""render_test.py CASE | --list: `fleetctl render`, the real program, on the example fleet. Each case is a function below.

Golden files: tests/golden/ouranos, rewritten with UPDATE_GOLDEN=1.
"""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from example_fleet import ROOT, SYSTEM, Fleet, ansible_is_there, check, main

GOLDEN = ROOT / "tests/golden/ouranos"


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def golden():
    """The example fleet renders to the golden files."""
    fleet = Fleet()
    _, said = fleet.render("--output", fleet.folder / "out")
    check("warning" not in said, said)
    found = files_below(fleet.folder / "out")
    if os.environ.get("UPDATE_GOLDEN"):
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for name, text in found.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_bytes(text)
    wanted = files_below(GOLDEN)
    check(found.keys() == wanted.keys(), f"rendered {sorted(found)}, golden {sorted(wanted)}")
    for name, text in wanted.items():
        check(found[name] == text, f"{name} differs from {GOLDEN / name}:\n{found[name].decode()}")


def equals_ansible():
    """Ansible's template module makes the same bytes of the example fleet."""
    if not ansible_is_there():
        return
    fleet = Fleet()
    fleet.append("group_vars/all.yml", "first: '{{ second | upper }}'\nsecond: \"{{ inventory_hostname_short }}-x\"\n"
                 "numbers: [3, 1, 2]\nsorted_text: \"{{ numbers | sort | join('.') }}\"\n"
                 "lengths: \"{{ groups['graph'] | map('length') | list }}\"\nmode: 0644\nday: 2024-01-02\n"
                 "base: 514\nport_text: '{{ base }}01'\nport_list: '{{ [base, 2] }}'\nraw_text: !unsafe '{{ not }}'\n"
                 "nested: {a: '{{ port_text }}', b: ['{{ port_list | length }}', '{{ true }}', '{{ none }}', '{{ 5 }}'], c: 'x'}\n"
                 "other: \"{{ hostvars['oberon.incus'].nested.a }} {{ hostvars['oberon.incus']['first'] }}\"\n"
                 "chosen: \"{{ 'yes' if 'graph' in group_names else 'no' }}\"\nmerge: &m {x: 1, y: 2}\nmerged: {<<: *m, y: 3}\n")
    fleet.append("templates/config.alloy.j2", """
// {{ first }} {{ sorted_text }} {{ lengths[0] + 1 }} {{ mode }} {{ day }} {{ numbers }} {{ {'a': none} }}
// {{ groups['graph'] | join(', ') }} {{ hostvars['puck.incus'].kairos_syslog_port }} {{ group_names }}
{% for host in groups['all'] if 'docker' in hostvars[host].services | default([]) %}
// {{ loop.index }}/{{ loop.length }} {{ host }} {{ hostvars[host]['services'] | length }}
{% endfor %}
// {{ playbook_dir | basename }} {{ ansible_managed }} {{ nothing | default('missing') }} {{ inventory_file | basename }}
// {{ port_text }} {{ port_list[0] + 1 }} {{ raw_text }} {{ nested }} {{ nested.b[0] | int + 1 }} {{ other }} {{ chosen }} {{ merged }}
// {{ hostvars[inventory_hostname].nested.b }} {{ vars['port_text'] }} {{ hostvars['ariel.incus'].inventory_hostname_short }}
// {{ hostvars['nobody'] is defined }} {{ hostvars['nobody'].x | default('none') }} {{ template_path | basename }}
""")
    fleet.write("ansible.cfg", "[defaults]\nansible_managed = By {uid} on {host}: %Y-%m-%d %H:%M\n")
    fleet.render("--output", fleet.folder / "out")
    fleet.write("play.yml", """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - template:
        src: "{{ lookup('first_found', ['templates/' ~ inventory_hostname ~ '/config.alloy.j2',
                 'templates/' ~ inventory_hostname_short ~ '/config.alloy.j2', 'templates/config.alloy.j2']) }}"
        dest: "{{ playbook_dir }}/../ansible/{{ inventory_hostname }}.alloy"
      when: "'alloy' in services"
""")
    (fleet.folder / "ansible").mkdir()
    play = subprocess.run(["/usr/bin/ansible-playbook", "-i", "inventory", "play.yml", "-e",
                           "ansible_python_interpreter=/usr/bin/python3"], cwd=fleet.tree, text=True,
                          env={**SYSTEM, "HOME": str(fleet.folder), "ANSIBLE_FORKS": "2"}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    check(play.returncode == 0, play.stdout)
    theirs = {f"{path.stem}/config.alloy": path.read_bytes() for path in (fleet.folder / "ansible").glob("*.alloy")}
    ours = files_below(fleet.folder / "out")
    check(ours.keys() == theirs.keys(), f"ours {sorted(ours)}, Ansible's {sorted(theirs)}")
    for name, text in theirs.items():
        check(ours[name] == text, f"{name}: ours\n{ours[name].decode()}\nAnsible's\n{text.decode()}")


def prints():
    """One host goes to stdout as it is; several are parted by lines with their names."""
    fleet = Fleet()
    one, _ = fleet.render("--limit", "oberon.incus")
    check(one == (GOLDEN / "oberon.incus/config.alloy").read_text(), one)
    two, _ = fleet.render("-l", "ariel*", "-l", "umbriel.incus")
    parts = [f"==> {host}.incus <==\n" + (GOLDEN / f"{host}.incus/config.alloy").read_text() for host in ("ariel", "umbriel")]
    check(two == "\n".join(parts), two)


def writes_and_compares():
    """--output writes files that only the owner reads; --diff tells what would change and writes nothing."""
    fleet = Fleet()
    out = fleet.folder / "out"
    _, said = fleet.render("--output", out, "--limit", "applications")
    check("4 hosts, 4 written" in said, said)
    file = out / "puck.incus/config.alloy"
    check(stat.S_IMODE(file.stat().st_mode) == 0o600, oct(file.stat().st_mode))
    shown, said = fleet.render("--output", out, "--limit", "applications", "--diff", "--exit-code")
    check(shown == "" and "4 hosts, 0 would change" in said, shown + said)
    before = files_below(out)
    shown, said = fleet.render("--output", out, "--limit", "applications", "--diff", "--exit-code", "-e", "syslog_format=rfc5424",
                               status=2)
    check('-    syslog_format = "rfc3164"' in shown and '+    syslog_format = "rfc5424"' in shown, shown)
    check(files_below(out) == before, "--diff wrote")
    fleet.render("--diff", status=64)


def one_host():
    """--host takes a whole name and - prints; --raw shows what is refused; --mask what others may see."""
    fleet = Fleet()
    text = (GOLDEN / "oberon.incus/config.alloy").read_text()
    for words in (("--host", "oberon.incus"), ("--host", "oberon.incus", "-o", "-"), ("--limit", "oberon", "--output", "-", "--raw")):
        check(fleet.render(*words)[0] == text, words)
    check("one host" in fleet.render("--host", "all", status=64)[1], "--host all")
    fleet.render("--host", "oberon.incus", "--limit", "all", status=64)
    fleet.append("templates/oberon/config.alloy.j2", "\nodd \"x\" {}\n")
    check("odd" in fleet.render("--host", "oberon.incus", status=1)[1], "checked")
    check('odd "x" {}' in fleet.render("--host", "oberon.incus", "--raw")[0], "--raw")

    fleet = Fleet()
    fleet.write("password", "one")
    variable, _ = fleet.run("vault", "encrypt-string", "--vault-password-file", "password", "--stdin-name", "pin", given="4711x")
    fleet.append("group_vars/all.yml", variable)
    fleet.append("templates/oberon/config.alloy.j2", "\n// {{ pin | upper }} and 4711X\n// password = \"4711\"\n")
    words = ("--host", "oberon.incus", "--vault-password-file", "password")
    check("4711X and 4711X" in fleet.render(*words)[0], "in clear")
    shown, _ = fleet.render(*words, "--mask")
    check("// (secret) and (secret)\n" in shown and "4711X" not in shown, shown)
    fleet.render(*words, "--mask", "--output", "out")
    check((fleet.tree / "out/oberon.incus/config.alloy").read_text() == shown, "another text in the folder")
    check([path.name for path in (fleet.tree / "out/oberon.incus").iterdir()] == ["config.alloy"], "something was left")
    check(fleet.render(*words, "--mask", "--output", "out", "--diff", "--exit-code")[0] == "", "the same text differs")


def selects():
    """Only hosts with alloy in their services; a host that is named without it is told so; unknown names are errors."""
    fleet = Fleet()
    shown, _ = fleet.render()
    check("==> prospero.incus <==" in shown and "sycorax" not in shown, shown)
    _, said = fleet.render("--limit", "sycorax.incus", status=1)
    check("sycorax.incus is not managed, its services do not hold 'alloy': left alone" in said, said)
    _, said = fleet.render("--limit", "sycorax.incus,caliban.incus")
    check("sycorax.incus is not managed" in said, said)
    _, said = fleet.render("--limit", "pucc.incus", status=1)
    check("no host and no group of the inventory is named 'pucc.incus'; did you mean 'puck.incus'?" in said, said)
    shown, _ = fleet.render("--limit", "caliban")
    check(shown == (GOLDEN / "caliban.incus/config.alloy").read_text(), shown)
    fleet.write("templates/puck.incus/config.alloy.j2", "// the full name comes first\n")
    shown, _ = fleet.render("--limit", "puck.incus")
    check(shown == "// the full name comes first\n", shown)


def reports_every_problem():
    """All problems of all hosts in one run, each pointing into its template; nothing is written."""
    fleet = Fleet()
    fleet.append("templates/config.alloy.j2", "// {{ no_such_variable }}\n// {{ loki_urk }}\n")
    fleet.append("templates/oberon/config.alloy.j2", "{% if %}\n")
    fleet.append("templates/titania/config.alloy.j2", '\nloki.write "x" { endpoint { url = } }\n')
    fleet.append("templates/neo4j.alloy.j2", "{{ 1 / 0 }}\n")
    fleet.write("host_vars/puck.incus.yml", "services: [alloy\n")
    shown, said = fleet.render("--output", fleet.folder / "out", status=1)
    check(shown == "" and not (fleet.folder / "out").exists(), "something was written")
    lines = {name: len((fleet.tree / f"templates/{name}").read_text().splitlines())
             for name in ("config.alloy.j2", "oberon/config.alloy.j2", "titania/config.alloy.j2", "neo4j.alloy.j2")}
    for wanted in (f"prospero.incus, caliban.incus: templates/config.alloy.j2:{lines['config.alloy.j2'] - 1}:",
                   "'no_such_variable' is undefined", "loki_url",
                   f"templates/config.alloy.j2:{lines['config.alloy.j2']}:",
                   f"oberon.incus: templates/oberon/config.alloy.j2:{lines['oberon/config.alloy.j2']}",
                   f"titania.incus: templates/titania/config.alloy.j2:{lines['titania/config.alloy.j2']}:35: ",
                   f"ariel.incus: templates/neo4j.alloy.j2:{lines['neo4j.alloy.j2']}:",
                   "puck.incus: host_vars/puck.incus.yml:"):
        check(wanted in said, f"{wanted!r} is missing in:\n{said}")
    check("\n  " + str(lines["oberon/config.alloy.j2"]) + " | {% if %}\n" in said, said)


def vaulted_values():
    """An encrypted value matters only when a template reads it; then it needs the password."""
    if not ansible_is_there():
        return
    fleet = Fleet()
    (fleet.folder / "password").write_text("swordfish\n")
    text = subprocess.run(["/usr/bin/ansible-vault", "encrypt_string", "--vault-password-file", fleet.folder / "password",
                           "--name", "loki_password", "s3cret"], env={**SYSTEM, "HOME": str(fleet.folder)}, text=True,
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    fleet.append("group_vars/all.yml", "\n" + text + "\nindirect: \"{{ loki_password }}!\"\n")
    fleet.render()
    fleet.append("templates/oberon/config.alloy.j2", "// {{ indirect }}\n")
    _, said = fleet.render(status=1)
    check("oberon.incus: " in said and "variable 'loki_password' (group_vars/all.yml:" in said and
          "no vault password was given; --vault-password-file names one" in said, said)
    check("undefined" not in said, said)
    shown, _ = fleet.render("--limit", "oberon.incus", "--vault-password-file", fleet.folder / "password")
    check(shown.endswith("// s3cret!\n"), shown)
    # Ansible renders no template inside a value that is encrypted by itself, only inside a file that is.
    value, _ = fleet.run("vault", "encrypt-string", "--vault-password-file", fleet.folder / "password", "--stdin-name", "inner", given="{{ indirect }}")
    fleet.append("group_vars/all.yml", value + "outer: \"{{ inner }}\"\ninside: {list: [\"<{{ inner }}>\"]}\n")
    fleet.write("host_vars/oberon.incus/vault.yml", "whole: \"{{ indirect }}\"\n")
    fleet.run("vault", "encrypt", "--vault-password-file", fleet.folder / "password", "host_vars/oberon.incus/vault.yml")
    fleet.write("templates/oberon/config.alloy.j2", "// {{ inner }} {{ outer }} {{ inside.list[0] }} {{ whole }}\n")
    shown, _ = fleet.render("--limit", "oberon.incus", "--vault-password-file", fleet.folder / "password")
    check(shown == "// {{ indirect }} {{ indirect }} <{{ indirect }}> s3cret!\n", shown)
    (fleet.folder / "password").write_text("wrong\n")
    _, said = fleet.render("--vault-password-file", fleet.folder / "password", status=1)
    check("none of the vault passwords fits" in said, said)


def other_trees():
    """-i, --templates and -e; several inventories; INI; no inventory at all."""
    fleet = Fleet()
    fleet.write("other/hosts.ini", "[lab]\nlab1 services=\"['alloy']\" name=ini\nlab2 services=\"['alloy']\"\n")
    fleet.write("other/alloy/config.alloy.j2", "// {{ name | default('none') }} {{ inventory_hostname }} {{ level }}\n")
    fleet.write("other/alloy/group_vars/lab.yml", "level: beside the templates\n")
    fleet.write("other/group_vars/lab.yml", "level: beside the inventory\n")
    words = ("-i", "other/hosts.ini", "--templates", "other/alloy", "--limit", "lab1")
    shown, _ = fleet.render(*words)
    check(shown == "// ini lab1 beside the templates\n", shown)
    shown, _ = fleet.render(*words, "-e", "name=extra", "-e", "{level: yaml}")
    check(shown == "// extra lab1 yaml\n", shown)
    fleet.write("vars.yml", "name: \"{{ inventory_hostname | upper }}\"\n")
    shown, _ = fleet.render(*words, "-e", "@vars.yml")
    check(shown == "// LAB1 lab1 beside the templates\n", shown)
    shown, _ = fleet.render("-i", "other/hosts.ini", "-i", "inventory", "--limit", "lab1,caliban.incus")
    check("==> lab1 <==" in shown and "==> caliban.incus <==" in shown, shown)
    _, said = fleet.render(cwd=fleet.folder, status=1)
    check(f"there is no inventory: {fleet.folder}/inventory does not exist; " in said, said)
    fleet.write("inventory/broken.yml", "all: {{ x }}\n")
    _, said = fleet.render(status=1)
    check("inventory/broken.yml:1:6: " in said and "has to be quoted" in said, said)


def ansible_configuration():
    """ansible.cfg says where the inventory is; what would change the meaning of variables is refused."""
    fleet = Fleet()
    (fleet.tree / "inventory").rename(fleet.tree / "hosts_are_here")
    _, said = fleet.render("--limit", "caliban", status=1)
    check("there is no inventory" in said, said)
    fleet.write("ansible.cfg", "# here\n[defaults]\ninventory = hosts_are_here ; with a comment\nforks=5\n"
                               "[ssh_connection]\npipelining=1\n")
    shown, _ = fleet.render("--limit", "caliban")
    check("caliban.incus" in shown, shown)
    fleet.write("limit.txt", "caliban.incus\n\nariel.incus\n")
    shown, _ = fleet.render("--limit", "@limit.txt")
    check("==> ariel.incus <==" in shown and "==> caliban.incus <==" in shown and "puck" not in shown, shown)
    fleet.write("ansible.cfg", "[defaults]\ninventory = hosts_are_here\nhash_behaviour = mix\n")
    _, said = fleet.render("--limit", "caliban", status=1)
    check("hash_behaviour = mix: it is replace or merge" in said, said)


def playbook():
    """--playbook: vars, vars_files, defaults and vars of roles, and merged maps, as Ansible has them."""
    fleet = Fleet()
    fleet.write("ansible.cfg", "[defaults]\nhash_behaviour = merge\n")
    fleet.append("group_vars/all.yml", "from_group: group\nover_default: group\nmap: {a: 1, deep: {x: [1]}}\n"
                 "seen: {all: '{{ from_group }}', no_play: '{{ over_play }}', no_hostvars: \"{{ hostvars['caliban.incus'].from_group }}\"}\n")
    fleet.write("host_vars/caliban.incus.yml", "map: {b: 2, deep: {y: host}}\nover_host: host\n")
    fleet.write("roles/base/defaults/main.yml", "over_default: base\nfrom_base: base {{ from_group }}\nboth: base\n")
    fleet.write("roles/base/vars/main.yml", "role_var: base\n")
    fleet.write("roles/agent/meta/main.yml", "dependencies:\n  - role: base\n    base_param: given\n")
    fleet.write("roles/agent/defaults/main.yml", "both: agent\nonly_default: agent\nover_play: agent\n")
    fleet.write("roles/agent/vars/main.yml", "role_var: agent\nover_files: role\n")
    fleet.write("roles/agent/tasks/main.yml", "- set_fact: {later: 1}\n  when: false\n")
    fleet.write("vars/site.yml", "from_file: site\nover_play: file\nover_files: file\nmap: {c: 3}\n")
    fleet.write("more-agent.yml", "from_more: more\n")
    fleet.write("deploy.yml", """
- hosts: caliban.incus
  gather_facts: false
  connection: local
  vars: {over_play: play, over_host: play, which: agent}
  vars_files:
    - site.yml
    - ["nothing-{{ which }}.yml", "more-{{ which }}.yml"]
  roles: [{role: agent, agent_param: here}]
  tasks:
    - template: {src: templates/config.alloy.j2, dest: "{{ playbook_dir }}/../ansible.alloy"}
""")
    fleet.write("templates/config.alloy.j2", "// {{ [from_group, over_default, from_base, both, only_default, over_play, over_host, role_var,"
                " over_files, from_file, from_more, agent_param | default('none')] | join(' ') }}\n// {{ map }} {{ playbook_dir | basename }}\n"
                # Through hostvars nothing of a play is seen, and no hostvars.
                "// {{ seen.no_play }} {{ hostvars['caliban.incus'].over_play | default('none') }} {{ hostvars[inventory_hostname].over_default }}"
                " {{ hostvars[inventory_hostname].from_base is defined }}\n// {{ hostvars['caliban.incus'].seen }}\n"
                "// {{ hostvars['caliban.incus'].map }} {{ hostvars['ariel.incus'].only_default | default('none') }}\n")
    shown, said = fleet.render("--limit", "caliban", "--playbook", "deploy.yml")
    check("roles/agent/tasks/main.yml:1: tasks are not run" in said, said)
    check("agent file play agent role site more none" in shown and "'y': 'host'" in shown and "'c': 3" in shown, shown)
    check("// file none group False\n// {'all': 'group', 'no_play': '{{ over_play }}', 'no_hostvars': \"{{ hostvars[" in shown, shown)
    _, said = fleet.render("--limit", "caliban", "--playbook", "none.yml", status=1)
    check("playbook: " in said and "none.yml" in said, said)
    if not ansible_is_there():
        return
    fleet.write("roles/agent/tasks/main.yml", "")
    play = subprocess.run(["/usr/bin/ansible-playbook", "-i", "inventory", "deploy.yml", "-e",
                           "ansible_python_interpreter=/usr/bin/python3"], cwd=fleet.tree, text=True,
                          env={**SYSTEM, "HOME": str(fleet.folder)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(play.returncode == 0, play.stdout)
    theirs = (fleet.folder / "ansible.alloy").read_text()
    check(shown == theirs, f"ours\n{shown}\nAnsible\n{theirs}")


def facts():
    """Facts are asked for by `fleetctl facts` and read by --facts; without them a template that names one says so."""
    fleet = Fleet()
    fleet.write("inventory/local.yml", "all: {hosts: {here: {ansible_connection: local, services: [alloy]}}}\n")
    names = ("architecture kernel nodename hostname fqdn domain distribution distribution_version distribution_major_version"
             " distribution_release os_family service_mgr processor_vcpus processor_count processor_cores processor_nproc memtotal_mb"
             " swaptotal_mb machine_id pkg_mgr user_id user_uid system machine userspace_bits").split()
    fleet.write("templates/here/config.alloy.j2", "// {{ ansible_facts['architecture'] }} {{ ansible_default_ipv4.address | default('none') }}"
                "\n" + "".join(f"// {name} {{{{ ansible_{name} }}}}\n" for name in names))
    fleet.write("templates/config.alloy.j2", "// {{ ansible_os_family | default('?') }}\n")
    _, said = fleet.render("--limit", "here", status=1)
    check("'ansible_facts' is undefined" in said and "of here; `fleetctl facts --output FILE` asks the hosts" in said, said)
    shown, said = fleet.render("--limit", "caliban")
    check(shown == "// ?\n" and "facts are asked for and not known of caliban.incus" in said, said)
    fleet.run("facts", "--limit", "here", "--output", "facts.json")
    shown, said = fleet.render("--limit", "here", "--facts", "facts.json")
    check("warning" not in said, said)
    told = json.loads((fleet.tree / "facts.json").read_text())["here"]
    ours = dict(line[3:].split(" ", 1) for line in shown.splitlines()[1:])
    check(ours["architecture"] == os.uname().machine == told["architecture"] and ours["kernel"] == os.uname().release, shown)
    if not ansible_is_there():
        return
    setup = subprocess.run(["/usr/bin/ansible", "here", "-i", "inventory", "-m", "setup", "-e",
                            "ansible_python_interpreter=/usr/bin/python3"], cwd=fleet.tree, text=True,
                           env={**SYSTEM, "HOME": str(fleet.folder)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    theirs = json.loads("{" + setup.stdout.split("{", 1)[1])["ansible_facts"]
    for name in names:
        check(ours[name] == str(theirs["ansible_" + name]), f"{name}: ours {ours[name]}, Ansible's {theirs['ansible_' + name]}")
    for name, value in theirs["ansible_default_ipv4"].items():
        if name not in ("type", "alias"):
            check(told["default_ipv4"].get(name) == value, f"default_ipv4.{name}: {told['default_ipv4']}, Ansible's {value}")
    # Other tests' networks come and go: asked before and after Ansible, one of both answers is Ansible's.
    fleet.run("facts", "--limit", "here", "--output", "after.json")
    after = json.loads((fleet.tree / "after.json").read_text())["here"]
    check(set(theirs["ansible_all_ipv4_addresses"]) in [set(some["all_ipv4_addresses"]) for some in (told, after)],
          [theirs["ansible_all_ipv4_addresses"], told["all_ipv4_addresses"], after["all_ipv4_addresses"]])


def warns():
    """What is allowed and hardly meant is shown once with its line in the template, and stops nothing."""
    fleet = Fleet()
    fleet.append("templates/config.alloy.j2", "\nloki.relabel \"{{ 'unused' }}\" {\n  forward_to = []\n  rule {\n"
                                              "    regex        = \"x\"\n    target_label = \"y\"\n  }\n}\n")
    shown, said = fleet.render("--limit", "caliban,prospero")
    check("==> caliban.incus <==" in shown and "==> prospero.incus <==" in shown, shown)
    first = len((ROOT / "templates/config.alloy.j2").read_text().splitlines()) + 2
    check(said == f"warning: templates/config.alloy.j2:{first}:1: nothing refers to loki.relabel.unused: it does nothing\n"
                  f"  {first} | loki.relabel \"{{{{ 'unused' }}}}\" {{\n     | ^\n"
                  f"warning: templates/config.alloy.j2:{first + 2}:3: this rule has no effect: without source_labels it looks at an "
                  "empty value, which its regex does not match\n"
                  f"  {first + 2} |   rule {{\n     |   ^\n", said)


def chosen_hosts():
    """Who gets an agent: where nobody has services everybody, or those of the playbook's plays; as `select` of fleet.yaml says, of which errors have the line."""
    fleet = Fleet()
    tree = fleet.folder / "plain"
    for path, text in (("inventory/hosts", "[web]\nw1\nw2\n[db]\nd1\n"), ("templates/config.alloy.j2", "// {{ inventory_hostname }}\n"),
                       ("play.yml", "- hosts: db\n"), ("host_vars/w1.yml", "wanted: 'yes'\nflag: true\n"), ("host_vars/w2.yml", "flag: false\n"),
                       ("host_vars/d1.yml", "flag: false\n")):
        fleet.write(tree / path, text)
    everybody = ["w1", "w2", "d1"]

    def chosen(*words, status=0, said="", rules=None):
        (tree / "fleet.yaml").unlink(missing_ok=True)
        if rules is not None:
            fleet.write(tree / "fleet.yaml", rules)
        shown, err = fleet.render(*words, cwd=tree, status=status)
        check(said in err and (said or not err), err)
        return re.findall("^// (.*)", shown, re.M)

    check(chosen() == everybody, "nobody has services")
    check(chosen("--playbook", "play.yml") == ["d1"], "of the playbook's plays")
    chosen("--playbook", "play.yml", "--limit", "w1", status=1, said="w1 is not managed, no play of the playbook is for it: left alone")
    fleet.write(tree / "host_vars/w2.yml", "flag: false\nservices: [alloy]\n")
    check(chosen() == ["w2"] == chosen("--playbook", "play.yml"), "one has services")
    chosen("--limit", "d1", status=1, said="d1 is not managed, its services do not hold 'alloy': left alone")
    # Another host's file that cannot be read leaves it open whether services count.
    fleet.write(tree / "host_vars/w2.yml", "flag: [\n")
    chosen("--limit", "d1", status=1, said="host_vars/w2.yml")
    fleet.write(tree / "host_vars/w2.yml", "flag: false\nservices: [alloy]\n")
    for rules, hosts in (("select: \"'web' in group_names\"\n", ["w1", "w2"]), ("# two\nselect: flag\n", ["w1"]), ("select: true\n", everybody),
                         ("select: not wanted is defined and inventory_hostname in groups.all\n", ["w2", "d1"])):
        check(chosen(rules=rules) == hosts, rules)
    chosen("--limit", "d1", rules="# two\nselect: flag\n", status=1, said="d1 is not managed, select of fleet.yaml:2 does not hold: left alone")
    chosen(rules="select: false\n", status=1, said="no selected host is managed: select of fleet.yaml:1 does not hold")
    for rules, said in (("forks: 1\nselect: nothing\n", "w1, w2, d1: fleet.yaml:2: select: 'nothing' is undefined"),
                        ("select: wanted | default(true)\n", "w1: fleet.yaml:1: select: it is to be true or false for a host, this is a str"),
                        ("docker-when: group_names\n", "fleet.yaml:1: docker-when: it is to be true or false")):
        chosen(rules=rules, status=1, said=said)
    for rules, said in (("select: a in\n", "fleet.yaml:1: select: unexpected"), ("\nselect: [a]\n", "fleet.yaml:2: select: it is an expression, as of `when:`"),
                        ("select: '{{ flag }}'\n", "leave the braces out"), ("docker-when:\n", "fleet.yaml:1: docker-when: it is an expression"),
                        ("render:\n  select: true\n", "fleet.yaml:2: there is no option --select")):
        chosen(rules=rules, status=64, said=said)


def files_beside():
    """`files` of fleet.yaml: templates and copies, of all hosts or a host's own, where `when` holds; vaults are opened; what is wrong has its place."""
    fleet = Fleet()
    tree, out = fleet.folder / "plain", fleet.folder / "out"
    rules = """files:
  - {template: endpoints.json.j2, path: /etc/fleet-agent/endpoints.json}
  - {copy: parts/limits.conf, path: /etc/systemd/system/fleet-agent.service.d/limits.conf, when: first}
  - {copy: ca.pem, path: /etc/fleet-agent/ca.pem, mode: "0444", when: "'web' in group_names"}
"""
    secret = "-----BEGIN SOMETHING-----\nMIIB\n"
    for path, text in (("inventory/hosts", "[web]\nw1\nw2.example.com\n[db]\nd1\n"), ("templates/config.alloy.j2", "// {{ inventory_hostname }}\n"),
                       ("group_vars/all.yml", "first: \"{{ inventory_hostname == 'w1' }}\"\n"), ("fleet.yaml", rules), ("password", "one"),
                       ("templates/endpoints.json.j2", '{"of": "{{ inventory_hostname }}", "pin": "{{ pin }}"}\n'),
                       ("templates/w2/endpoints.json.j2", "[2]\n"), ("templates/parts/limits.conf", "[Service]\n# {{ as it is }}\n"),
                       ("templates/ca.pem", secret)):
        fleet.write(tree / path, text)
    fleet.run("vault", "encrypt", "--vault-password-file", "password", "templates/ca.pem", cwd=tree)
    pin, _ = fleet.run("vault", "encrypt-string", "--vault-password-file", "password", "--stdin-name", "pin", cwd=tree, given="4711-0815")
    fleet.append(tree / "group_vars/all.yml", pin)
    words = ("--vault-password-file", "password")
    wanted = {"w1/config.alloy": "// w1\n", "w1/endpoints.json": '{"of": "w1", "pin": "4711-0815"}\n', "w1/ca.pem": secret,
              "w1/fleet-agent.service.d/limits.conf": "[Service]\n# {{ as it is }}\n", "w2.example.com/config.alloy": "// w2.example.com\n",
              "w2.example.com/endpoints.json": "[2]\n", "w2.example.com/ca.pem": secret, "d1/config.alloy": "// d1\n",
              "d1/endpoints.json": '{"of": "d1", "pin": "4711-0815"}\n'}

    def rendered(*more):
        _, said = fleet.render("--output", out, *words, *more, cwd=tree)
        return {name: text.decode() for name, text in files_below(out).items()}, said

    found, said = rendered()
    check(found == wanted and "3 hosts, 3 written" in said, f"{found}\n{said}")
    shown, said = fleet.render("--output", out, "--diff", *words, cwd=tree)
    check(shown == "" and "3 hosts, 0 would change" in said, shown + said)
    fleet.write(tree / "templates/w2/endpoints.json.j2", "[3]\n")
    shown, said = fleet.render("--output", out, "--diff", *words, cwd=tree)
    check("-[2]\n+[3]\n" in shown and "3 hosts, 1 would change" in said, shown + said)
    masked, _ = rendered("--mask")
    check(masked["w1/endpoints.json"] == '{"of": "w1", "pin": "(secret)"}\n' and masked["w1/ca.pem"] == "(secret)", masked)
    check(fleet.render("--limit", "w1", *words, cwd=tree)[0] == "// w1\n", "only the configuration is printed")

    def refused(said, status=1, more=words):
        shown = fleet.render(*more, cwd=tree, status=status)[1]
        check(said in shown, shown)

    refused("templates/ca.pem: it is vault-encrypted and no vault password was given", more=())
    fleet.write(tree / "templates/w2/endpoints.json.j2", "[\n  {{ nothing_here }}]\n")
    refused("w2.example.com: templates/w2/endpoints.json.j2:2:6: ")
    fleet.write(tree / "templates/w2/endpoints.json.j2", "{{ 'x' * 1048577 }}")
    refused("w2.example.com: fleet.yaml:2: files: templates/w2/endpoints.json.j2 comes to more than 1 MiB")
    fleet.write(tree / "templates/w2/endpoints.json.j2", "{{ 'x' * 1048576 }}")
    check(len(rendered()[0]["w2.example.com/endpoints.json"]) == 1 << 20, "1 MiB may be")
    for more, said, status in (("- {copy: none, path: /etc/fleet-agent/none}", "fleet.yaml:5: files: there is no such file: neither templates/w1/none nor templates/none exists", 1),
                               ("- {copy: ca.pem, path: /etc/fleet-agent/x, when: 1}", "fleet.yaml:5: files, when: ", 64),
                               ("- {copy: ca.pem, path: /etc/fleet-agent/x, when: '[1]'}", "fleet.yaml:5: files, when: it is to be true or false", 1),
                               ("- {copy: ca.pem, path: /etc/passwd}", "fleet.yaml:5: files: path is a name", 64)):
        fleet.write(tree / "fleet.yaml", rules + "  " + more + "\n")
        refused(said, status)


if __name__ == "__main__":
    main(golden, equals_ansible, prints, one_host, writes_and_compares, selects, chosen_hosts, reports_every_problem, vaulted_values, other_trees,
         ansible_configuration, playbook, facts, warns, files_beside)
