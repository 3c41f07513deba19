#!/usr/bin/python3
"""asking_test.py CASE | --list: the passwords of -k and -K, typed on a terminal or given as lines of standard input; a real sshd
that lets nobody in by password, and a sudo of our own that knows one. Each case is a function below."""

import signal
import subprocess
import termios

from example_fleet import Fleet, check, main
from fake_hosts import FakeHosts
from terminal_test import Session

SUDO = """#!/bin/sh
# -S -p PROMPT -u root -- COMMAND...: asks as sudo does, up to three times
[ "$1" != -n ] || { echo 'sudo: a password is required' >&2; exit 1; }
prompt=$3
shift 6
for _ in 1 2 3; do
  printf '%s' "$prompt" >&2
  read -r answer || exit 1
  [ "$answer" != 'open sesame' ] || exec "$@"
done
echo 'sudo: 3 incorrect password attempts' >&2
exit 1
"""
# Whoever runs the test: not root at first, so that sudo is called.
ID = '#!/bin/sh\ncase $1 in -un) echo guest ;; *) echo 0 ;; esac\n'
HERE = ("-e", "ansible_connection=local ansible_become=true", "--limit", "puck")


def with_sudo(fleet):
    """-> the environment in which sudo and id are ours"""
    for name, text in (("sudo", SUDO), ("id", ID)):
        fleet.write(f"../bin/{name}", text)
        (fleet.folder / "bin" / name).chmod(0o755)
    return {"PATH": f"{fleet.folder}/bin:/usr/bin:/bin"}


def become():
    """-K: what is typed is not shown, reaches sudo, and nobody else; a wrong one is said so, once."""
    fleet = Fleet()
    env = with_sudo(fleet)
    for password in ("open sesame", "open barley"):
        session = Session(fleet, "unlock", "--list", "-K", *HERE, PATH=env["PATH"])
        session.read_until(lambda: "BECOME password: " in session.raw, "asked")
        session.type(password + "\n")
        status = session.finish()
        check(password not in session.raw, f"the password is shown: {session.raw!r}")
        if password == "open barley":
            check(status == 3 and "sudo: wrong password" in session.raw, session.raw)
        else:  # whatever this machine's lock is
            check((status in (0, 75) or "not root" in session.raw) and "sudo" not in session.raw, f"{status} {session.raw!r}")
        shown, err = fleet.run("unlock", "--list", "-K", *HERE, env=env, given=password + "\n", status=status)
        check(("sudo: wrong password" in shown) == (password == "open barley") and password not in shown + err, shown + err)
    err = fleet.run("unlock", "--list", "-K", *HERE, env=env, given="", status=64)[1]
    check("BECOME" not in err, err)
    err = fleet.run("unlock", "--list", *HERE, env=env, status=3)[0]
    check("give -K or ansible_become_password" in err, err)
    # `become: true` of a play, as it is mostly written.
    fleet.write("deploy.yml", "- hosts: all\n  become: true\n")
    local = ("-e", "ansible_connection=local", "--limit", "puck")
    shown = fleet.run("unlock", "--list", *local, "--playbook", "deploy.yml", env=env, status=3)[0]
    check("give -K or ansible_become_password" in shown, shown)
    # ansible.cfg asks, too; only where hosts are reached.
    fleet.write("ansible.cfg", "[privilege_escalation]\nbecome_ask_pass = True\n")
    shown = fleet.run("unlock", "--list", *HERE, env=env, given="open barley\n", status=3)[0]
    check("sudo: wrong password" in shown, shown)
    fleet.run("inventory", "--graph", env=env, given="")


def login():
    """-k: one password, tried after the keys; with -K each is a line of standard input, in this order."""
    fleet = Fleet()
    with FakeHosts(fleet.folder / "ssh", passwords=True) as fakes:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", fakes.folder / "stranger"], check=True)
        fleet.write("../fakes", fakes.inventory(["first"], "stranger"))
        words = ("unlock", "--list", "-i", fleet.folder / "fakes")
        env = {"HOME": str(fleet.folder)}
        shown = fleet.run(*words, env=env, status=4)[0]
        check("permission denied" in shown and "password" not in shown, shown)
        shown = fleet.run(*words, "-k", "-K", env=env, given="one\ntwo\n", status=4)[0]
        check("password)" in shown and "one" not in shown.split() and "two" not in shown.split(), shown)
        fleet.run(*words, "-k", "-K", env=env, given="one\n", status=64)
        session = Session(fleet, *words, "-k")
        session.read_until(lambda: "SSH password: " in session.raw, "asked")
        session.type("swordfish\n")
        check(session.finish() == 4, session.raw)
        check("password)" in session.raw and "swordfish" not in session.raw, session.raw)


def interrupted():
    """Whoever ends fleetctl at a question sees again what is typed."""
    fleet = Fleet()
    for word in (signal.SIGINT, signal.SIGTERM):
        session = Session(fleet, "unlock", "--list", "-K", *HERE)
        session.read_until(lambda: "BECOME password: " in session.raw, "asked")
        check(not termios.tcgetattr(session.master)[3] & termios.ECHO, "what is typed is seen")
        session.process.send_signal(word)
        check(session.process.wait(60) == -word, session.process.returncode)
        check(termios.tcgetattr(session.master)[3] & termios.ECHO, f"{word} leaves the terminal mute")
        session.finish()


if __name__ == "__main__":
    main(become, login, interrupted)
