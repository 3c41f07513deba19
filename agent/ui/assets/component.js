// One component: what it was told, what it says, how it has been.
import { h, healthBadge, keyedRows, setBadge, setText } from "./dom.js";
import { ago, rate, time } from "./format.js";
import { componentLink, link, onOverview, poll } from "./live.js";

export function show(main, id, signal) {
  const badge = healthBadge(true);
  const message = h("span", { class: "message" });
  const doc = h("p");
  const facts = h("dl", { class: "facts" });
  const parts = h("div");
  main.append(h("p", { class: "crumbs" }, h("a", { href: link("") }, "Components")), h("h1", {}, id),
    h("p", { class: "bar" }, badge, message), doc, facts, parts);

  let sections = null;
  const draw = (component) => {
    if (component === null) {
      badge.hidden = true;
      setText(message, "There is no such component; a reload may have removed it.");
      parts.replaceChildren();
      sections = null;
      return;
    }
    badge.hidden = false;
    setBadge(badge, component.healthy);
    setText(message, component.message);
    setText(doc, component.doc);
    if (!sections) {
      sections = build(component);
      facts.replaceChildren(...sections.facts);
      parts.replaceChildren(...sections.parts);
    }
    sections.update(component);
  };
  poll("component/" + id.split("/").map(encodeURIComponent).join("/"), 3000, signal, draw);
  onOverview(signal, (overview) => sections?.flow(overview.byId.get(id)));
}

function links(ids) {
  return ids.length === 0 ? "none" : ids.map((other) => h("a", { class: "chip", href: componentLink(other) }, other));
}

function section(title, ...content) {
  return h("section", {}, h("h2", {}, title), ...content);
}

function pairs(first, second, label) {
  const body = h("tbody");
  const table = h("div", { class: "scroll" }, h("table", { "aria-label": label }, h("thead", {}, h("tr", {},
    h("th", { scope: "col" }, first), h("th", { scope: "col" }, second))), body));
  const update = (rows) => keyedRows(body, rows.map(([name, text], i) => ({ name, text, key: i + " " + name })),
    (row) => row.key,
    (row) => h("tr", {}, h("th", { scope: "row" }, row.name), h("td")),
    (element, row) => setText(element.cells[1], row.text));
  return { table, update };
}

function build(component) {
  const flow = h("dd", {}, "–");
  const facts = [
    h("dt", {}, "Kind"), h("dd", {}, h("a", { href: link("reference/" + component.name) }, component.name + " – reference")),
    h("dt", {}, "Declared at"), h("dd", { class: "mono" }, component.place),
    h("dt", {}, "Flows out"), flow,
    h("dt", {}, "Refers to"), h("dd", {}, links(component.references)),
    h("dt", {}, "Referred to by"), h("dd", {}, links(component.referenced_by)),
    h("dt", {}, "Look"), h("dd", {}, h("a", { class: "chip", href: link("graph") + "?near=" + encodeURIComponent(component.id) }, "in the graph"),
      component.name.startsWith("loki.") ? h("a", { class: "chip", href: link("tail") + "?component=" + encodeURIComponent(component.id) }, "live tail") : null),
  ];
  const text = h("pre", { tabindex: "0", "aria-label": "Arguments" });
  const exported = h("div");
  const debug = pairs("What", "Now", "Debug information");
  const metrics = pairs("Series", "Value", "Metrics");
  const history = h("ol", { class: "history" });
  const debugSection = section("Now", debug.table);
  const exportSection = section("Exports", exported);
  const metricSection = section("Metrics", metrics.table);
  const update = (now) => {
    setText(text, now.arguments === "" ? "(none)" : now.arguments);
    exportSection.hidden = now.exports.length === 0;
    if (exported.shown !== JSON.stringify(now.exports)) {
      exported.shown = JSON.stringify(now.exports);
      exported.replaceChildren(...now.exports.map(([name, value]) => h("pre", { tabindex: "0" }, name + " = " + value)));
    }
    debugSection.hidden = now.rows.length === 0;
    debug.update(now.rows);
    metricSection.hidden = now.metrics.length === 0;
    metrics.update(now.metrics.map((series) => [series.labels === "" ? series.name : `${series.name}{${series.labels}}`, series.value]));
    const turns = now.history.map((turn) => h("li", {}, healthBadge(turn.healthy), " ",
      h("time", { title: time(turn.since) }, ago(turn.since)), " ", h("span", { class: "message" }, turn.message))).reverse();
    history.replaceChildren(...(turns.length > 0 ? turns : [h("li", {}, "It has been healthy since it started.")]));
  };
  return {
    facts, update,
    flow: (now) => setText(flow, !now || now.out === null ? "it counts nothing" : rate(now.rate)),
    parts: [section("Arguments", text), exportSection, debugSection, section("Health history", history), metricSection],
  };
}
