"""The fixture host: a /proc, a /sys, a root and udev's data of invented values, written out from tests/fixtures/host/*.txt.

A text of these is files one after the other: a line "== path", then the file's lines. "== path -> target" is a symbolic link,
"== path/" a folder.
"""

from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "fixtures/host"


def write_out(folder):
    """The fixture host as files below `folder`: proc, sys, root, udev."""
    for archive in sorted(SOURCE.glob("*.txt")):
        path, lines = None, []

        def finish():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(lines))
        for line in archive.read_text().splitlines(keepends=True):
            if not line.startswith("== "):
                lines.append(line)
                continue
            finish()
            name, _, target = line[3:].rstrip("\n").partition(" -> ")
            path, lines = folder / name, []
            if path.exists() and not name.endswith("/"):
                raise ValueError(f"{archive.name}: {name} is in another text already")
            if target or name.endswith("/"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(target) if target else path.mkdir(exist_ok=True)
                path = None
        finish()
