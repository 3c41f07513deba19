#!/usr/bin/python3
"""pages_test.py CASE | --list: the agent's pages in a real Chromium, driven by Selenium; each case is a function below."""

import contextlib
import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import fleetlab
from fleetlab import Agent, Judge, check, eventually, scratch_dir

PATIENCE = 60  # seconds; the machine may be busy
HOSTILE = """<img src=x onerror="document.title='taken over'"><script>alert(1)</script>&lt;b&gt;"""

WRITE = """
livedebugging {{
  enabled = true
}}

loki.write "out" {{
  endpoint {{
    url        = "{push_url}"
    batch_wait = "50ms"
    basic_auth {{
      username = "me"
      password = "canary-4711"
    }}
  }}
}}
"""

SMALL = WRITE + """
loki.process "names" {{
  stage.regex {{
    expression = "^(?P<word>\\\\w+) (?P<rest>.*)$"
  }}
  stage.labels {{
    values = {{ word = "" }}
  }}
  stage.replace {{
    expression = "(secret\\\\S*)"
    replace    = "***"
  }}
  stage.drop {{
    expression = ".*unwanted.*"
  }}
  forward_to = [loki.write.out.receiver]
}}

loki.enrich "owners" {{
  targets            = []
  target_match_label = "owner"
  forward_to         = [loki.process.names.receiver]
}}

loki.source.file "lines" {{
  targets    = [{{ __path__ = {path}, owner = {hostile} }}]
  forward_to = [loki.enrich.owners.receiver]
}}

prometheus.exporter.self "agent" {{ }}

prometheus.scrape "agent" {{
  targets         = concat(prometheus.exporter.self.agent.targets, [{{ __address__ = "127.0.0.1:1", owner = {hostile} }}])
  scrape_interval = "2s"
  scrape_timeout  = "1s"
  forward_to      = []
}}
"""


def large(push_url):
    """200 components, and a scrape of 500 targets that nobody answers for."""
    text = WRITE.format(push_url=push_url)
    for i in range(99):
        text += (f'loki.relabel "r{i}" {{\n  forward_to = [loki.write.out.receiver]\n}}\n\n'
                 f'loki.process "p{i}" {{\n  forward_to = [loki.relabel.r{i}.receiver]\n}}\n\n')
    targets = ", ".join(f'{{ __address__ = "127.0.{i // 250}.{i % 250 + 1}:1", number = "{i}" }}' for i in range(500))
    return text + (f'prometheus.scrape "many" {{\n  targets         = [{targets}]\n  scrape_interval = "5s"\n  scrape_timeout  = "1s"\n'
                   "  forward_to      = []\n}\n")


class Browser:
    """A Chromium at one agent's pages."""

    def __init__(self, base):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        self.base = base
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "disable-dev-shm-usage", "no-first-run",
                     "disable-background-networking", "disable-component-update", "disable-sync"):
            options.add_argument("--" + word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_script_timeout(PATIENCE)
        self.size(1280, 900)

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def scheme(self, name):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def open(self, page):
        self.driver.get(self.base + "/" + page)

    def ask(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, what, *arguments):
        """Until the expression is true; its value."""
        return eventually(lambda: self.ask("return " + script, *arguments), PATIENCE,
                          lambda: f"{what}; the page says: {self.ask('return document.body.innerText')[:1500]}", 0.1)

    def heading(self, text):
        self.wait("document.querySelector('main h1')?.textContent === arguments[0]", f"the page {text}", text)

    def click(self, selector, text=None):
        found = self.wait("[...document.querySelectorAll(arguments[0])].find((e) => arguments[1] === null || e.textContent.includes(arguments[1]))",
                          f"{selector} with {text}", selector, text)
        self.ask("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()

    def type(self, selector, text):
        field = self.wait("document.querySelector(arguments[0])", selector, selector)
        field.clear()
        field.send_keys(text)

    def press(self, *keys):
        from selenium.webdriver import ActionChains
        ActionChains(self.driver).send_keys(*keys).perform()

    def verdict(self):
        """What a browser holds against the pages."""
        complaints = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        check(not complaints, f"the browser's console: {complaints}")
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] != "Network.requestWillBeSent":
                continue
            url = message["params"]["request"]["url"]
            check(url.startswith((self.base + "/", "chrome:", "data:,")), f"a request to elsewhere: {url}")


@contextlib.contextmanager
def browsing(folder, config):
    with Agent(config, folder / "agent") as agent:
        agent.start().wait_ready(PATIENCE)
        browser = Browser(agent.url)
        try:
            yield browser
            browser.verdict()
        finally:
            browser.driver.quit()


class Lines(threading.Thread):
    """Writes to a file until the end of the with."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.over = path, threading.Event()

    def run(self):
        with open(self.path, "a", encoding="utf-8") as file:
            number = 0
            while not self.over.wait(0.05):
                number += 1
                word = ("plain", "hostile", "unwanted")[number % 3]
                file.write(f"{word} {number} secret{number} {HOSTILE if word == 'hostile' else ''}\n")
                file.flush()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


@contextlib.contextmanager
def small_world():
    with scratch_dir("fleet-browser") as folder, Judge() as judge:
        path = folder / HOSTILE.replace("/", "|")
        path.write_text("")
        config = SMALL.format(push_url=judge.push_url, path=json.dumps(str(path)), hostile=json.dumps(HOSTILE))
        with Lines(path), browsing(folder, config) as browser:
            yield browser


def not_taken_over(browser):
    check(browser.ask("return document.querySelectorAll('main img, main script, main b, main [style]').length") == 0,
          "something from outside became an element")
    check("taken over" not in browser.driver.title, "a script from outside ran")


def clicking_through():
    """list -> component -> reference, graph -> filter, delivery, targets, tail: figures move, secrets are masked, hostile text is text."""
    with small_world() as browser:
        browser.open("")
        browser.heading("Components")
        browser.wait("document.querySelectorAll('tbody tr').length === 6", "six components")
        browser.wait("/\\d/.test(document.querySelector('.plot[data-plot=lines] strong').textContent)", "a rate of lines")
        browser.wait("document.querySelector('.plot[data-plot=memory] .line').getAttribute('d').length > 20", "a plot")
        browser.type("input[type=search]", "source")
        browser.wait("document.querySelectorAll('tbody tr').length === 1", "one component is left")

        browser.click("tbody a", "loki.source.file.lines")
        browser.heading("loki.source.file.lines")
        browser.wait("document.body.innerText.includes(arguments[0])", "the hostile label in the arguments", json.dumps(HOSTILE))
        browser.wait("document.body.innerText.includes('loki_source_file_read_lines_total')", "its metrics")
        browser.wait("document.body.innerText.includes('It has been healthy')", "its health's past")
        browser.wait("/\\d\\/s/.test(document.querySelector('.facts').textContent)", "what flows out")
        not_taken_over(browser)
        browser.click(".facts a", "reference")
        browser.heading("loki.source.file")
        browser.wait("document.body.innerText.includes('forward_to')", "the argument's table")
        browser.driver.back()
        browser.heading("loki.source.file.lines")
        browser.open("component/loki.write.out")
        browser.wait("document.body.innerText.includes('password = (secret)')", "the masked password")
        check("canary" not in browser.ask("return document.body.innerText"), "the password is shown")

        browser.click("nav a", "Graph")
        browser.heading("Graph")
        browser.wait("document.querySelectorAll('.node').length === 6", "six nodes")
        check(browser.ask("return document.querySelectorAll('.edge.logs').length") == 3, "three edges of log lines")
        browser.wait("(() => { const r = [...document.querySelectorAll('.rate')]; return r.length === 3 && r.every((e) => /[1-9]/.test(e.textContent)); })()",
                     "a live rate on every edge, also behind a component that does not count")
        browser.type("input[type=search]", "scrape")
        browser.wait("document.querySelectorAll('.node').length === 2", "what is looked for, and its neighbour")

        browser.click("nav a", "Delivery")
        browser.heading("Delivery")
        browser.wait("/now|ago/.test(document.querySelector('[data-label=\"Last delivery\"]')?.textContent)", "a last delivery")
        browser.click("nav a", "Targets")
        browser.heading("Scrape targets")
        browser.wait("[...document.querySelectorAll('tbody tr')].some((e) => e.innerText.includes('down') && e.innerText.includes('onnect'))",
                     "the error of the target that is down")
        browser.wait("document.body.innerText.includes(\"taken over\")", "the hostile label of a target")
        not_taken_over(browser)

        browser.click("nav a", "Live tail")
        browser.heading("Live tail")
        browser.ask("const s = document.querySelector('select'); s.value = 'loki.process.names'; s.dispatchEvent(new Event('change'))")
        browser.ask("const s = document.querySelectorAll('select')[1]; s.value = ''; s.dispatchEvent(new Event('change'))")
        browser.wait("[...document.querySelectorAll('.step.changed')].some((e) => e.querySelector('del')?.textContent.includes('secret') "
                     "&& e.querySelector('ins').textContent.includes('***'))", "before and after the replacing stage")
        browser.wait("document.querySelector('.step.gone')?.textContent.includes('dropped')", "a dropped line")
        browser.wait("document.querySelector('.lines').textContent.includes(arguments[0])", "the hostile line", HOSTILE)
        browser.type(".bar input[type=search]", "hostile")
        browser.wait("document.querySelector('.lines li') && ![...document.querySelectorAll('.lines li')].some((e) => e.textContent.includes('unwanted'))",
                     "only what the filter lets through")
        not_taken_over(browser)


def without_a_mouse():
    """By keyboard alone: skip link, pages, a node of the graph, the colours; focus is visible, landmarks and names are there."""
    from selenium.webdriver.common.keys import Keys
    with small_world() as browser:
        browser.open("")
        browser.wait("document.querySelectorAll('tbody tr').length === 6", "the components")
        browser.press(Keys.TAB)
        check(browser.ask("return document.activeElement.className") == "skip", "the skip link comes first")
        browser.press(Keys.ENTER)
        check(browser.ask("return document.activeElement.id") == "main", "it leads to the content")
        browser.ask("document.querySelector('.skip').focus()")

        def tab_to(expression, what):
            for _ in range(60):
                browser.press(Keys.TAB)
                if browser.ask("return Boolean(" + expression + ")"):
                    return
            check(False, f"Tab does not reach {what}")

        tab_to("document.activeElement.textContent === 'Graph'", "the page Graph")
        check(browser.ask("return getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus can be seen")
        browser.press(Keys.ENTER)
        browser.heading("Graph")
        browser.wait("document.querySelectorAll('.node').length === 6", "the nodes")
        tab_to("document.activeElement.dataset?.id === 'loki.process.names'", "a node")
        check("healthy" in browser.ask("return document.activeElement.getAttribute('aria-label')"), "a node has a name")
        browser.press(Keys.ENTER)
        browser.heading("loki.process.names")
        check(browser.ask("return document.querySelector('main').contains(document.activeElement)"), "the focus is at the new page")
        browser.ask("document.querySelector('.skip').focus()")
        tab_to("document.activeElement.id === 'theme'", "the colours")
        background = "return getComputedStyle(document.body).backgroundColor"
        browser.scheme("light")
        light = browser.ask(background)
        browser.scheme("dark")
        check(browser.ask(background) != light, "the system's colours are taken")
        browser.press(Keys.ENTER)
        check(browser.ask(background) == light, "light was chosen")
        browser.press(Keys.ENTER)
        check(browser.ask(background) != light, "dark was chosen")
        browser.driver.refresh()
        browser.heading("loki.process.names")
        check(browser.ask("return document.documentElement.dataset.theme") == "dark", "the choice is remembered")
        nameless = browser.ask("return [...document.querySelectorAll('a, button, input, select')].filter((e) => "
                               "!(e.textContent.trim() || e.getAttribute('aria-label') || e.closest('label'))).map((e) => e.outerHTML)")
        check(not nameless, f"controls without a name: {nameless}")


CONTRAST = """
const light = (c) => { const v = c.map((x) => { x /= 255; return x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
  return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; }
  return [255, 255, 255]; };
return [...document.querySelectorAll('h1, th, td, a, .quiet, .badge, .message, button, dt, pre')].filter((e) => e.innerText && e.offsetWidth > 0).map((e) => {
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
  return [(a + .05) / (b + .05), e.className || e.tagName, e.innerText.slice(0, 30)]; }).filter((row) => row[0] < 4.5);
"""


def many_on_a_small_screen():
    """200 components and 500 targets, wide and 360 px narrow, light and dark: no nodes overlap, nothing is cut off, all has contrast."""
    with scratch_dir("fleet-browser") as folder, Judge() as judge, browsing(folder, large(judge.push_url)) as browser:
        browser.open("graph")
        for width in (1280, 360):
            browser.size(width, 800)
            browser.open("graph")
            browser.wait("document.querySelectorAll('.node').length === 200", "200 nodes")
            boxes = browser.ask("return [...document.querySelectorAll('.node .box')].map((e) => { const r = e.getBoundingClientRect(); "
                                "return [r.left, r.top, r.right, r.bottom]; })")
            check(all(right - left > 60 for left, _, right, _ in boxes), "nodes can be read")
            boxes.sort()
            for i, (_, top, right, bottom) in enumerate(boxes):
                for left2, top2, _, bottom2 in boxes[i + 1:]:
                    if left2 >= right:
                        break
                    check(top2 >= bottom or bottom2 <= top, f"two nodes overlap at {left2} {top2}")
        elements = {"": 3000, "graph": 3000, "sources": 1000, "targets": 10000, "tail": 1000, "component/loki.process.p7": 1000,
                    "component/prometheus.scrape.many": 12000, "reference/loki.process": 4000}
        for page, most in elements.items():
            browser.open(page)
            browser.wait("document.querySelector('main h1')", page)
            if page == "":
                browser.wait("document.querySelectorAll('tbody tr').length === 200", "200 rows")
            if page == "targets":
                browser.wait("document.querySelectorAll('tbody tr').length === 500 && document.body.innerText.includes('500 down')", "500 targets")
            count, width = browser.ask("return [document.querySelectorAll('*').length, document.documentElement.scrollWidth]")
            check(count < most, f"{page} has {count} elements")
            check(width <= 360, f"{page} is {width} px wide")
            if page in ("", "component/loki.process.p7", "sources"):
                for scheme in ("light", "dark"):
                    browser.scheme(scheme)
                    pale = browser.ask(CONTRAST)
                    check(not pale, f"{page} in {scheme}: {pale[:5]}")
        browser.open("targets")
        browser.type("input[type=search]", "127.0.1.250:")
        browser.wait("document.querySelectorAll('tbody tr').length === 1", "one target is left")


if __name__ == "__main__":
    fleetlab.main([clicking_through, without_a_mouse, many_on_a_small_screen])
