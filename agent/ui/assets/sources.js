// How far everything is with being delivered: what sources have read and nobody has acknowledged, what waits in writes.
import { h, healthBadge, keyedRows, setBadge, setText } from "./dom.js";
import { ago, bytes, count, duration, rate } from "./format.js";
import { componentLink, onOverview, poll } from "./live.js";

export function show(main, _, signal) {
  const tables = [
    part("Sources", (name) => name.includes(".source.") || name.includes(".receive_")),
    part("Writes", (name) => name === "loki.write" || name === "prometheus.remote_write"),
  ];
  let overview = null;
  let answer = [];
  const draw = () => tables.forEach((table) => table.draw(answer, overview));
  main.append(h("h1", {}, "Delivery"),
    h("p", { class: "quiet" }, "A source's position advances when its data was delivered. What is read and not acknowledged is its backlog."),
    ...tables.map((table) => table.element));
  onOverview(signal, (now) => { overview = now; draw(); });
  poll("sources", 3000, signal, (now) => { answer = now; draw(); });
}

function part(title, wanted) {
  const body = h("tbody");
  const element = h("section", {}, h("h2", {}, title), h("div", { class: "scroll" }, h("table", { class: "cards" },
    h("thead", {}, h("tr", {}, ["Component", "Health", "Rate", "Backlog", "Oldest unacknowledged", "Last delivery"].map((head) =>
      h("th", { scope: "col" }, head)))), body)));
  const draw = (answer, overview) => {
    const all = answer.filter((component) => wanted(component.name));
    element.hidden = all.length === 0;
    keyedRows(body, all, (component) => component.id, row, (tr, component) => update(tr, component, overview?.byId.get(component.id)));
  };
  return { element, draw };
}

function row(component) {
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: componentLink(component.id) }, component.id), h("div", { class: "message" })),
    h("td", { "data-label": "Health" }, healthBadge(true)),
    ["Rate", "Backlog", "Oldest waiting", "Last delivery"].map((head) => h("td", { "data-label": head })));
}

// Rows that name a figure of the whole component, or of one of its endpoints, added up or the worst of them.
function figure(component, names, join) {
  const all = component.rows.filter(([name]) => names.some((wanted) => name === wanted || name.endsWith("." + wanted)))
    .map(([, text]) => Number(text)).filter((value) => Number.isFinite(value));
  return all.length === 0 ? null : all.reduce((a, b) => join(a, b));
}
const sum = (a, b) => a + b;
const SIZES = ["backlog_bytes", "queue.bytes_in_memory", "queue.bytes_on_disk", "queued_bytes", "overflow_bytes", "waiting_bytes"];

function update(element, component, flow) {
  const [name, health, out, backlog, oldest, delivery] = element.cells;
  const errors = component.rows.filter(([row, text]) => row.endsWith("last_error") && text !== "").map(([, text]) => text);
  setText(name.lastElementChild, component.healthy ? errors.join("; ") : component.message);
  setBadge(health.firstElementChild, component.healthy);
  setText(out, flow && flow.out !== null ? rate(flow.rate) : "");
  const waiting = figure(component, ["queue.entries"], sum) ?? figure(component, ["unacknowledged_entries", "unacknowledged_samples", "waiting"], sum);
  const size = figure(component, SIZES, sum);
  const parts = [];
  if (waiting !== null) parts.push(count(waiting) + (component.name.startsWith("prometheus.") ? " samples" : " entries"));
  if (size !== null) parts.push(bytes(size));
  setText(backlog, parts.join(", "));
  const age = figure(component, ["oldest_unacknowledged_seconds", "oldest_queued_seconds"], Math.max);
  setText(oldest, age === null ? "" : age === 0 ? "nothing waits" : duration(age));
  const last = figure(component, ["last_delivery_unix_seconds"], Math.max);
  setText(delivery, last === null ? "" : last === 0 ? "none yet" : ago(last));
}
