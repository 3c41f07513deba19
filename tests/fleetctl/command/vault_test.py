#!/usr/bin/python3
"""vault_test.py CASE | --list: `fleetctl vault`, the real program, and the real ansible-vault on the same files. Each case is a function below."""

import os
import pty
import select
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from example_fleet import BIN, SYSTEM, ansible_is_there, check, fleetctl, main

SECRET = b"loki_password: s3cret\n"


class Desk:
    """A folder with passwords, fleetctl and ansible-vault in it."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="vault-test")
        self.folder = Path(self.scratch.name)
        for name in ("one", "two"):
            self.write(name + ".txt", f"password {name}\n")

    def write(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    def read(self, name):
        return (self.folder / name).read_bytes()

    def vault(self, *words, **more):
        return fleetctl("vault", *words, cwd=self.folder, **more)

    def ansible(self, *words, given=None, env=None):
        done = subprocess.run(["/usr/bin/ansible-vault", *words], cwd=self.folder, input=given, env={**SYSTEM, "HOME": str(self.folder), **(env or {})},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(done.returncode == 0, done.stderr.decode())
        return done.stdout

    def typed(self, words, answers, env=None):
        """On a terminal of its own, answering each `password`/`encrypt`/`name` question. -> everything shown."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            os.execve(BIN / "fleetctl", ["fleetctl", *words], {**SYSTEM, **(env or {})})
        shown, answers, deadline = b"", list(answers), time.monotonic() + 60
        while time.monotonic() < deadline:
            ready, _, _ = select.select([terminal], [], [], 1)
            if not ready:
                continue
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
            if answers and shown.endswith(b": "):
                os.write(terminal, answers.pop(0).encode() + b"\n")
        _, status = os.waitpid(child, 0)
        check(os.waitstatus_to_exitcode(status) == 0, shown.decode())
        return shown.decode()


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def both_ways():
    """Files: what one encrypts the other decrypts, without and with vault ids."""
    if not ansible_is_there():
        return
    desk = Desk()
    binary = bytes(range(256)) * 40
    for options, version in ((("--vault-password-file", "one.txt"), b"$ANSIBLE_VAULT;1.1;AES256\n"),
                             (("--vault-id", "prod@one.txt"), b"$ANSIBLE_VAULT;1.2;AES256;prod\n")):
        for text in (SECRET, binary, b"x"):
            ours, theirs = desk.write("ours.yml", text, 0o644), desk.write("theirs.yml", text)
            desk.vault("encrypt", *options, "ours.yml")
            desk.ansible("encrypt", *options, "theirs.yml")
            check(ours.read_bytes().startswith(version) and theirs.read_bytes().startswith(version), ours.read_bytes())
            check(len(ours.read_bytes()) == len(theirs.read_bytes()), "the envelopes differ in length")
            check(mode_of(ours) == 0o600, oct(mode_of(ours)))
            check(desk.ansible("decrypt", *options, "--output", "-", "ours.yml") == text, "ansible-vault cannot read ours")
            desk.vault("decrypt", *options, "theirs.yml")
            check(theirs.read_bytes() == text and mode_of(theirs) == 0o600, "fleetctl cannot read theirs")
    _, said = desk.vault("decrypt", "--vault-password-file", "two.txt", "ours.yml", status=1)
    check(said == "ours.yml: none of the vault passwords fits (its vault id is prod)\n", said)
    _, said = desk.vault("decrypt", "--vault-password-file", "two.txt", "theirs.yml", status=1)
    check(said == "theirs.yml: it is not encrypted with ansible-vault\n", said)
    _, said = desk.vault("encrypt", "--vault-password-file", "two.txt", "ours.yml", status=1)
    check(said == "ours.yml: it is already encrypted\n", said)


def strings():
    """encrypt-string gives what ansible-vault and a tree read; it reads what ansible-vault gives."""
    if not ansible_is_there():
        return
    desk = Desk()
    words = ("--vault-id", "dev@one.txt", "--vault-id", "prod@two.txt", "--encrypt-vault-id", "prod")
    ours, _ = desk.vault("encrypt-string", *words, "--stdin-name", "first", given="tabs\tand lines\n")
    more, said = desk.vault("encrypt-string", *words, "-n", "second", "text", "no name")
    check("number 2, from the command line" in said and "text" not in said.replace("encrypted text", ""), said)
    check(ours.startswith("first: !vault |\n          $ANSIBLE_VAULT;1.2;AES256;prod\n"), ours)
    theirs = desk.ansible("encrypt_string", *words, "--name", "theirs", "from ansible").decode()
    desk.write("vars.yml", ours + more.split("!vault |\n          $ANSIBLE_VAULT")[0] + "!vault |\n          $ANSIBLE_VAULT" +
               more.split("!vault |\n          $ANSIBLE_VAULT")[1] + theirs + "\n")
    shown, _ = desk.vault("view", "--vault-id", "prod@two.txt", "vars.yml")
    check(shown == 'first: "tabs\\tand lines\\n"\nsecond: "text"\ntheirs: "from ansible"\n', shown)
    desk.write("hosts", "h first=x\n")
    desk.write("group_vars", "") and (desk.folder / "group_vars").unlink()
    (desk.folder / "group_vars").mkdir()
    (desk.folder / "vars.yml").rename(desk.folder / "group_vars/all.yml")
    debug = subprocess.run(["/usr/bin/ansible", "h", "-i", "hosts", "-c", "local", "--vault-id", "prod@two.txt", "-m", "debug", "-a",
                            "msg={{ second }}|{{ theirs }}"], cwd=desk.folder, env={**SYSTEM, "HOME": str(desk.folder)}, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    check('"msg": "text|from ansible"' in debug, debug)


def rekeys():
    """rekey: whole files and the values in a file; the mode is kept, and what else the file holds."""
    if not ansible_is_there():
        return
    desk = Desk()
    desk.write("whole.yml", SECRET)
    desk.ansible("encrypt", "--vault-password-file", "one.txt", "whole.yml")
    (desk.folder / "whole.yml").chmod(0o640)
    desk.vault("rekey", "--vault-password-file", "one.txt", "--new-vault-id", "prod@two.txt", "whole.yml")
    check(desk.read("whole.yml").startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n") and mode_of(desk.folder / "whole.yml") == 0o640, "rekey")
    check(desk.ansible("view", "--vault-password-file", "two.txt", "whole.yml").strip() == SECRET.strip(), "ansible-vault view")
    values = desk.ansible("encrypt_string", "--vault-password-file", "one.txt", "--name", "a", "first").decode()
    nested = "\n".join("    " + line for line in desk.ansible("encrypt_string", "--vault-password-file", "one.txt", "second").decode().splitlines()[1:])
    desk.write("vars.yml", f"# kept\nx: 1   # also kept\n{values}\nlist:\n- !vault |\n{nested}\ny: [2]\n", 0o644)
    desk.vault("rekey", "--vault-password-file", "one.txt", "--new-vault-password-file", "two.txt", "vars.yml")
    check(mode_of(desk.folder / "vars.yml") == 0o644, "mode")
    shown, _ = desk.vault("view", "--vault-password-file", "two.txt", "vars.yml")
    check(shown == '# kept\nx: 1   # also kept\na: "first"\nlist:\n- "second"\ny: [2]\n', shown)
    before = desk.read("vars.yml")
    _, said = desk.vault("rekey", "--vault-password-file", "one.txt", "--new-vault-password-file", "two.txt", "vars.yml", status=1)
    check(said == "vars.yml: line 4: none of the vault passwords fits\n" and desk.read("vars.yml") == before, said)


def edits():
    """edit and create: the editor gets a private file, of which nothing is left; an unchanged text is not written."""
    desk = Desk()
    editor = desk.write("editor", '#!/bin/sh\nfor file; do :; done\n{ stat -c "%a" "$file"; stat -c "%a" "$(dirname "$file")"; echo "$file"; cat "$file"; } >seen\n'
                                  'cp "$file" "$file.swp"\n[ -z "$CHANGE" ] || printf "$CHANGE" >"$file"\nexit ${RESULT:-0}\n', 0o700)
    env = {"EDITOR": f"'{editor}' --flag", "ANSIBLE_VAULT_PASSWORD_FILE": "one.txt"}
    desk.vault("create", "new/vault.yml", env={**env, "CHANGE": "a: 1\\n"})
    shown, _ = desk.vault("view", "new/vault.yml", env=env)
    check(shown == "a: 1\n" and mode_of(desk.folder / "new/vault.yml") == 0o600, shown)
    _, said = desk.vault("create", "new/vault.yml", env=env, status=1)
    check("exists" in said, said)
    (desk.folder / "link.yml").symlink_to("new/vault.yml")
    (desk.folder / "new/vault.yml").chmod(0o640)
    before = desk.read("new/vault.yml")
    desk.vault("edit", "link.yml", env=env)
    seen = desk.read("seen").decode().splitlines()
    check(seen[:2] == ["600", "700"] and seen[2].endswith(".yml") and seen[3:] == ["a: 1"], seen)
    check(not Path(seen[2]).parent.exists(), "the private folder is still there")
    check(desk.read("new/vault.yml") == before, "written without a change")
    desk.vault("edit", "link.yml", env={**env, "CHANGE": "a: 2\\n"})
    shown, _ = desk.vault("view", "link.yml", env=env)
    check(shown == "a: 2\n" and (desk.folder / "link.yml").is_symlink() and mode_of(desk.folder / "new/vault.yml") == 0o640, shown)
    before = desk.read("new/vault.yml")
    _, said = desk.vault("edit", "link.yml", env={**env, "CHANGE": "a: 3\\n", "RESULT": "1"}, status=1)
    check("failed: nothing was changed" in said and desk.read("new/vault.yml") == before, said)
    check(not Path(desk.read("seen").decode().splitlines()[2]).parent.exists(), "the private folder is still there")
    _, said = desk.vault("edit", "link.yml", env={**env, "EDITOR": "/nonexistent/editor"}, status=1)
    check("run the editor" in said, said)


def password_sources():
    """Files, programs, client programs, the environment, ansible.cfg, the terminal; a bad source beside a good one is a warning."""
    desk = Desk()
    desk.write("secret.yml", SECRET)
    desk.vault("encrypt", "--vault-id", "prod@one.txt", "secret.yml")
    program = desk.write("ask.sh", "#!/bin/sh\necho password one\n", 0o700)
    client = desk.write("ask-client.py", '#!/bin/sh\n[ "$*" = "--vault-id prod" ] && echo password one\n', 0o700)

    def views(*words, **more):
        shown, said = desk.vault("view", *words, "secret.yml", **more)
        check(shown.encode() == SECRET, shown + said)
        return said

    views("--vault-password-file", program)
    views("--vault-id", f"prod@{client}")
    views("--vault-id", "other@two.txt", "--vault-id", "prod@one.txt")
    views(env={"ANSIBLE_VAULT_PASSWORD_FILE": "one.txt"})
    views(env={"ANSIBLE_VAULT_IDENTITY_LIST": "dev@two.txt, prod@one.txt"})
    said = views(env={"ANSIBLE_VAULT_IDENTITY_LIST": "dev@missing.txt, prod@one.txt"})
    check(said.startswith("warning: vault password file: open missing.txt"), said)
    _, said = desk.vault("view", "--vault-password-file", "missing.txt", "secret.yml", status=1)
    check("open missing.txt" in said, said)
    desk.write("ansible.cfg", "[defaults]\nvault_password_file = two.txt\nvault_identity_list = prod@one.txt\nvault_id_match = yes\n")
    views()
    _, said = desk.vault("view", "secret.yml", env={"ANSIBLE_VAULT_IDENTITY_LIST": "dev@one.txt"}, status=1)
    check("none of the vault passwords fits" in said, said)
    (desk.folder / "ansible.cfg").unlink()
    for words in (["-J"], ["--vault-id", "prod@prompt"], []):
        shown = desk.typed(["vault", "view", *words, "secret.yml"], ["password one"])
        check("s3cret" in shown and "password one" not in shown, shown)
    desk.write("plain.yml", SECRET)
    shown = desk.typed(["vault", "encrypt", "--vault-id", "new@prompt", "plain.yml"], ["typed", "typed"])
    check("New vault password (new): " in shown and "Confirm" in shown, shown)
    desk.write("typed.txt", "typed")
    shown, _ = desk.vault("view", "--vault-password-file", "typed.txt", "plain.yml")
    check(shown.encode() == SECRET, shown)
    shown = desk.typed(["vault", "encrypt-string", "--vault-password-file", "one.txt", "--prompt"], ["name", "hidden text"])
    check("name: !vault |" in shown and "hidden text" not in shown.replace("hidden): ", ""), shown)
    _, said = desk.vault("encrypt", "--vault-id", "a@one.txt", "--vault-id", "b@two.txt", "typed.txt", status=1)
    check("of the vault ids a, b; --encrypt-vault-id" in said, said)
    _, said = desk.vault("encrypt", "--vault-id", "a;b@one.txt", "typed.txt", status=1)
    check("is no vault id" in said, said)


def streams():
    """Standard input and output; --output; what cannot be read or written changes nothing."""
    desk = Desk()
    env = {"ANSIBLE_VAULT_PASSWORD_FILE": "one.txt"}
    envelope, _ = desk.vault("encrypt", env=env, given="text")
    check(envelope.startswith("$ANSIBLE_VAULT;1.1;AES256\n"), envelope)
    shown, _ = desk.vault("decrypt", "-", env=env, given=envelope)
    check(shown == "text", shown)
    desk.write("file", "text")
    desk.vault("encrypt", "file", "--output", "out", env=env)
    check(desk.read("file") == b"text" and desk.read("out").startswith(b"$ANSIBLE_VAULT") and mode_of(desk.folder / "out") == 0o600, "--output")
    _, said = desk.vault("encrypt", "file", "out", "--output", "-", env=env, status=64)
    check(said == "fleetctl: --output goes with one file\n", said)
    _, said = desk.vault("decrypt", "missing", env=env, status=1)
    check(said.startswith("missing: open missing"), said)
    _, said = desk.vault("rekey", env=env, status=64)
    check("file is required" in said, said)
    _, said = desk.vault("encrypt-string", env=env, status=1)
    check("standard input is empty" in said, said)


if __name__ == "__main__":
    main(both_ways, strings, rekeys, edits, password_sources, streams)
