// The frame around the pages: which one is shown, the health of all, the colours.
import { setText } from "./dom.js";
import { link, onOverview, pageOf, start } from "./live.js";

const VIEWS = {
  "": () => import("./components.js"),
  graph: () => import("./graph.js"),
  sources: () => import("./sources.js"),
  targets: () => import("./targets.js"),
  tail: () => import("./tail.js"),
  component: () => import("./component.js"),
  reference: () => import("./reference.js"),
};
const main = document.getElementById("main");
const notice = document.getElementById("notice");
let leave = new AbortController();

function say(text, bad = true) {
  setText(notice, text);
  notice.hidden = text === "";
  notice.classList.toggle("bad", bad);
}

async function show(page, focus) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const slash = page.indexOf("/");
  const name = slash < 0 ? page : page.slice(0, slash);
  for (const anchor of document.querySelectorAll("nav a")) {
    if (anchor.dataset.page === name) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  let view;
  try {
    view = await (VIEWS[name] ?? VIEWS[""])();
  } catch {
    say("This page's files are gone: the agent was updated. Load the page again.");
    return;
  }
  if (signal.aborted) return;
  main.replaceChildren();
  main.className = "page-" + (name || "components");
  view.show(main, slash < 0 ? "" : page.slice(slash + 1), signal);
  document.title = (main.querySelector("h1")?.textContent ?? "fleet-agent") + " – fleet-agent";
  if (focus) main.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href]");
  if (!anchor || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const href = anchor.getAttribute("href");
  if (href.startsWith("#")) {
    event.preventDefault();
    document.getElementById(href.slice(1))?.focus();
    return;
  }
  if (anchor.getAttribute("target")) return;
  const page = pageOf(href);
  if (page === null || !((page.split("/")[0].split("?")[0]) in VIEWS)) return;
  event.preventDefault();
  history.pushState(null, "", href);
  show(pageOf(location.href), true);
  scrollTo(0, 0);
});
addEventListener("popstate", () => show(pageOf(location.href), true));

// --- colours: the system's, or the reader's choice ---

const theme = document.getElementById("theme");
const THEMES = ["system", "light", "dark"];

function stored() {
  try {
    const choice = localStorage.getItem("theme");
    return THEMES.includes(choice) ? choice : "system";
  } catch {
    return "system"; // storage is forbidden
  }
}

function paint(choice) {
  document.documentElement.dataset.theme = choice;
  theme.setAttribute("aria-label", "Colours: " + choice);
  theme.title = "Colours: " + choice;
  setText(theme, { system: "◐", light: "○", dark: "●" }[choice]);
}

theme.addEventListener("click", () => {
  const choice = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  try {
    localStorage.setItem("theme", choice);
  } catch {
    // It holds for this page.
  }
  paint(choice);
});
paint(stored());

// --- the health of all, on every page ---

const health = document.getElementById("health");
onOverview(new AbortController().signal, (overview) => {
  setText(document.getElementById("version"), overview.version);
  const ill = overview.components.filter((component) => !component.healthy).length;
  setText(health, ill === 0 ? "all healthy" : ill + " unhealthy");
  health.className = ill === 0 ? "badge good" : "badge bad";
  if (overview.pages !== document.body.dataset.version) say("The agent was updated. Load the page again.", false);
});
for (const anchor of document.querySelectorAll("header a")) anchor.href = link(anchor.dataset.page);
start((error) => say("The agent does not answer: " + error.message), () => say(""));
show(pageOf(location.href), false);
