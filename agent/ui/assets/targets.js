// What prometheus.scrape asks, and how the last time went.
import { h, healthBadge, keyedRows, search, setText } from "./dom.js";
import { ago } from "./format.js";
import { componentLink, poll } from "./live.js";

export function show(main, _, signal) {
  let wanted = "";
  let targets = [];
  const body = h("tbody");
  const shown = h("span", { class: "quiet", role: "status" });
  const onlyDown = h("input", { type: "checkbox", onchange: () => draw() });
  const draw = () => {
    const fits = targets.filter((target) => (!onlyDown.checked || target.up !== "true") &&
      (wanted === "" || [target.url, target.labels, target.last_error, target.scrape].some((text) => text?.toLowerCase().includes(wanted))));
    keyedRows(body, fits, (target) => target.key, row, update);
    const down = targets.filter((target) => target.up === "false").length;
    setText(shown, `${fits.length} of ${targets.length} targets, ${down} down`);
  };
  main.append(
    h("h1", {}, "Scrape targets"),
    h("div", { class: "bar" }, search("Filter by address, label or error", (text) => { wanted = text; draw(); }),
      h("label", {}, onlyDown, " down only"), shown),
    h("div", { class: "scroll" }, h("table", { class: "cards" },
      h("thead", {}, h("tr", {}, ["Target", "State", "Last scrape", "Took", "Samples", "Scraped by"].map((head) => h("th", { scope: "col", class: head === "Samples" ? "number" : null }, head)))),
      body)));
  poll("targets", 4000, signal, (answer) => {
    targets = answer.flatMap(targetsOf);
    draw();
  });
}

// "target.3.url" and so on, put together again.
function targetsOf(component) {
  const all = new Map();
  for (const [name, text] of component.rows) {
    const match = /^target\.(\d+)\.(\w+)$/.exec(name);
    if (!match) continue;
    if (!all.has(match[1])) all.set(match[1], { scrape: component.id });
    all.get(match[1])[match[2]] = text;
  }
  const seen = new Map();
  return [...all.values()].map((target) => {
    const name = `${component.id} ${target.url} ${target.labels}`;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return { ...target, key: `${name} ${seen.get(name)}` };
  });
}

function row(target) {
  return h("tr", {},
    h("th", { scope: "row" }, h("div", {}, target.url), h("div", { class: "quiet" }), h("div", { class: "message" })),
    h("td", { "data-label": "State" }, healthBadge(true)),
    h("td", { "data-label": "Last scrape" }), h("td", { "data-label": "Took" }), h("td", { "data-label": "Samples", class: "number" }),
    h("td", { "data-label": "Scraped by" }, h("a", { href: componentLink(target.scrape) }, target.scrape)));
}

function update(element, target) {
  const [name, state, when, took, samples] = element.cells;
  setText(name.children[1], target.labels ?? "");
  setText(name.children[2], target.last_error ?? "");
  const badge = state.firstElementChild;
  const word = { true: "up", false: "down" }[target.up] ?? "not yet";
  setText(badge, word);
  badge.className = "badge " + (word === "down" ? "bad" : "good");
  setText(when, target.last_scrape_unix_seconds ? ago(Number(target.last_scrape_unix_seconds)) : "");
  setText(took, target.last_scrape_duration ?? "");
  setText(samples, target.samples ?? "");
}
