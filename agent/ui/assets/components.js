// The first page: the agent at a glance, and its components.
import { h, healthBadge, keyedRows, search, setBadge, setText } from "./dom.js";
import { ago, count, rate } from "./format.js";
import { componentLink, onOverview } from "./live.js";
import { plots } from "./plots.js";

export function show(main, _, signal) {
  let wanted = "";
  let last = null;
  const body = h("tbody");
  const shown = h("span", { class: "quiet", role: "status" });
  const onlyIll = h("input", { type: "checkbox", onchange: () => draw(last) });
  const draw = (overview) => {
    last = overview;
    if (!overview) return;
    const fits = overview.components.filter((component) =>
      (!onlyIll.checked || !component.healthy) &&
      (wanted === "" || component.id.toLowerCase().includes(wanted) || component.message.toLowerCase().includes(wanted)));
    keyedRows(body, fits, (component) => component.id, row, update);
    setText(shown, fits.length === overview.components.length ? `${fits.length} components`
      : `${fits.length} of ${overview.components.length} components`);
  };
  main.append(
    h("h1", {}, "Components"),
    plots(signal),
    h("div", { class: "bar" },
      search("Filter by name or message", (text) => { wanted = text; draw(last); }),
      h("label", {}, onlyIll, " unhealthy only"), shown),
    h("div", { class: "scroll" },
      h("table", { class: "cards" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Component"), h("th", { scope: "col" }, "Health"),
          h("th", { scope: "col", class: "number" }, "Out"), h("th", { scope: "col", class: "number" }, "Dropped"),
          h("th", { scope: "col" }, "Since"))),
        body)));
  onOverview(signal, draw);
}

function row(component) {
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: componentLink(component.id) }, component.id), h("div", { class: "message" })),
    h("td", { "data-label": "Health" }, healthBadge(component.healthy)),
    h("td", { "data-label": "Out", class: "number" }), h("td", { "data-label": "Dropped", class: "number" }),
    h("td", { "data-label": "Since" }));
}

function update(element, component) {
  const [name, health, out, dropped, since] = element.cells;
  setText(name.lastElementChild, component.healthy ? "" : component.message);
  setBadge(health.firstElementChild, component.healthy);
  setText(out, component.out === null ? "" : rate(component.rate));
  setText(dropped, component.dropped === 0 ? "" : count(component.dropped));
  setText(since, component.since === 0 ? "start" : ago(component.since));
}
