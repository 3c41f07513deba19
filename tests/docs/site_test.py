#!/usr/bin/python3
"""site_test.py ROOT: `make site` has no warning, its links lead somewhere, and its pages load nothing from elsewhere."""

import html.parser
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

# A list or a table right behind a paragraph, without an empty line: it would be shown as part of the text.
GLUED = re.compile(r"<p>(?:(?!</p>).)*\n(- |\d+\. |\| )", re.S)
LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class Page(html.parser.HTMLParser):
    """What a page names: its anchors, what it links to, what it loads."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loads = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if (tag, name) in LOADS and value:
                self.loads.add(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.add(value)


def findings(site):
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    if len(pages) < 20:
        yield f"{len(pages)} pages: this check checks nothing"
    for path, page in pages.items():
        where = path.relative_to(site)
        for one in page.loads:
            if urlsplit(one).netloc:
                yield f"{where}: loads {one}"
        if glued := GLUED.search(path.read_text()):
            yield f"{where}: an empty line is missing before {glued[0][-60:]!r}"
        if where.name == "404.html":  # its links begin with /
            continue
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{where}: links to {link}, which is not there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{where}: links to {link}, and there is no such heading"
    for style in site.rglob("*.css"):
        for scheme in ("url(http", "url(//", "@import"):
            if scheme in style.read_text().replace('"', "").replace("'", ""):
                yield f"{style.relative_to(site)}: {scheme}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder).resolve() / "site"
        done = subprocess.run(["/usr/bin/mkdocs", "build", "--strict", "--site-dir", str(site)], cwd=sys.argv[1],
                              capture_output=True, text=True, check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith(("INFO", "  - "))]
        found = said if done.returncode else list(findings(site))
    for one in found:
        print(one)
    print(f"docs/site: {len(found)} finding(s)")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
