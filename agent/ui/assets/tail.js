// Entries as they pass a component: what comes in, what leaves, or what each step makes of them. The agent shows them while
// this page asks for them, and only where its configuration allows it.
import { h, setText } from "./dom.js";
import { count } from "./format.js";
import { link, onOverview } from "./live.js";

const KEPT = 300;
const AGAIN_MS = 3000;
const LETTERS = 4000; // of a line

export function show(main, _, signal) {
  const asked = new URLSearchParams(location.search);
  const component = h("select", { "aria-label": "Component", onchange: () => begin() });
  const point = h("select", { "aria-label": "Where", onchange: () => begin() },
    h("option", { value: "" }, "every step"), h("option", { value: "in" }, "what comes in"), h("option", { value: "out" }, "what goes out"));
  let typing = 0;
  const filter = h("input", { type: "search", class: "filter", placeholder: "Only lines or label values with …", "aria-label": "Filter", value: asked.get("filter") ?? "",
    oninput: () => { clearTimeout(typing); typing = setTimeout(() => begin(), 400); } });
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    setText(pause, paused ? "Go on" : "Pause");
    if (!paused) flush();
  } }, "Pause");
  const clear = h("button", { type: "button", onclick: () => { reset(); } }, "Clear");
  const state = h("span", { class: "quiet", role: "status" });
  const help = h("div", { hidden: true });
  const list = h("ol", { class: "lines", tabindex: "0", "aria-label": "Entries" });
  main.append(h("h1", {}, "Live tail"), h("div", { class: "bar" }, component, point, filter, pause, clear, state), help, list);

  let paused = false;
  let waiting = [];
  let entries = new Map();
  let skipped = 0;
  let seen = 0;
  let stop = new AbortController();
  signal.addEventListener("abort", () => { stop.abort(); clearTimeout(typing); });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop.abort() : begin(false)), { signal });

  function reset() {
    waiting = [];
    entries = new Map();
    skipped = 0;
    seen = 0;
    list.replaceChildren();
    tell();
  }
  function tell() {
    setText(state, `${count(seen)} seen` + (skipped > 0 ? `, ${count(skipped)} more than can be shown` : ""));
  }
  function flush() {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    for (const sighting of waiting) put(sighting);
    waiting = [];
    while (list.childElementCount > KEPT) {
      entries.delete(list.firstElementChild.dataset.key);
      list.firstElementChild.remove();
    }
    if (atEnd) list.scrollTop = list.scrollHeight;
    tell();
  }
  function put(sighting) {
    const key = `${sighting.component} ${sighting.entry ?? ""}`;
    let entry = sighting.entry ? entries.get(key) : undefined;
    if (!entry) {
      entry = { element: h("li", { "data-key": key }), last: null };
      if (sighting.entry) entries.set(key, entry);
      list.append(entry.element);
    }
    entry.element.append(...(point.value === "" ? [step(sighting, entry.last)] : line(sighting)));
    entry.last = sighting;
  }
  function take(sighting) {
    if (sighting.skipped !== undefined) {
      skipped += sighting.skipped;
      return;
    }
    ++seen;
    waiting.push(sighting);
    if (waiting.length > 4 * KEPT) skipped += waiting.splice(0, KEPT).length;
  }

  async function begin(anew = true) {
    stop.abort();
    if (signal.aborted || document.hidden) return;
    stop = new AbortController();
    const own = stop.signal;
    if (anew) reset();
    help.hidden = true;
    if (component.value === "") return;
    const query = new URLSearchParams();
    if (point.value !== "") query.set("stage", point.value);
    if (filter.value.trim() !== "") query.set("filter", filter.value.trim());
    history.replaceState(null, "", link("tail") + "?" + new URLSearchParams({ component: component.value, at: point.value, filter: filter.value.trim() }));
    const path = "api/v0/web/tap/" + component.value.split("/").map(encodeURIComponent).join("/");
    while (!own.aborted) {
      try {
        const answer = await fetch(link(path) + "?" + query, { signal: own, cache: "no-store" });
        if (!answer.ok) {
          refuse(answer.status, await answer.text());
        } else {
          help.hidden = true;
          await read(answer.body.getReader(), own);
        }
      } catch (error) {
        if (own.aborted) return;
        setText(state, "the agent does not answer: " + error.message);
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  function refuse(status, text) {
    help.hidden = false;
    if (status === 403) {
      help.replaceChildren(h("p", {}, "The configuration does not allow looking at lines. Allow it, and reload the agent:"),
        h("pre", { tabindex: "0" }, "livedebugging {\n  enabled = true\n}"));
    } else {
      help.replaceChildren(h("p", { class: "message" }, text.trim() || "the agent answers " + status));
    }
  }
  async function read(reader, own) {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || own.aborted) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const text of lines) if (text !== "") take(JSON.parse(text));
      if (!paused) flush();
    }
  }

  let known = "";
  onOverview(signal, (overview) => {
    const ids = overview.components.map((one) => one.id).filter((id) =>
      overview.edges.some((edge) => edge.kind !== "values" && (edge.from === id || edge.to === id)));
    if (known === ids.join()) return;
    const first = known === "";
    const chosen = first ? asked.get("component") : component.value;
    known = ids.join();
    component.replaceChildren(...ids.map((id) => h("option", { value: id, selected: id === chosen }, id)));
    if (!first) return;
    point.value = asked.get("at") ?? (component.value.includes(".process.") ? "" : component.value.includes("write.") ? "in" : "out");
    begin();
  });
}

function text(pairs) {
  return Object.entries(pairs ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(" ");
}

function clock(sighting) {
  return sighting.time_ns ? new Date(Number(BigInt(sighting.time_ns) / 1000000n)).toISOString().slice(11, 23) : "";
}

function what(sighting) {
  if (sighting.samples !== undefined) return `${sighting.samples} samples`;
  return sighting.value !== undefined ? sighting.value : shorten(sighting.line) + (sighting.cut ? " …" : "");
}

function shorten(line) {
  return line.length <= LETTERS ? line : line.slice(0, LETTERS) + " …";
}

function line(sighting) {
  return [h("time", {}, clock(sighting)), " ", h("span", { class: "labels" }, text(sighting.labels)), " ",
    h("span", { class: "text" }, what(sighting))];
}

// What a step made of the entry; of what it left alone nothing is said.
function step(now, before) {
  const rows = [];
  if (!before || before.line !== now.line) rows.push(h("div", { class: "text" }, before ? marked(shorten(before.line ?? ""), shorten(now.line ?? "")) : what(now)));
  // What was extracted ends with the last stage.
  for (const kind of now.at === "out" ? ["labels", "metadata"] : ["labels", "metadata", "extracted"]) {
    const changes = before ? changed(before[kind] ?? {}, now[kind] ?? {}) : text(now[kind]);
    if (changes.length > 0) rows.push(h("div", {}, h("span", { class: "labels" }, kind + " "), changes));
  }
  if (now.dropped) rows.push(h("div", { class: "gone" }, "dropped: " + now.dropped));
  if (now.held) rows.push(h("div", { class: "labels" }, "held back, or made a part of another"));
  const class_ = now.dropped ? "step gone" : rows.length > 0 && before ? "step changed" : "step";
  return h("div", { class: class_ }, h("div", { class: "at" }, now.at, " ", before ? null : h("time", {}, clock(now))),
    h("div", {}, rows.length > 0 ? rows : h("span", { class: "labels" }, "no change")));
}

function changed(before, now) {
  const out = [];
  for (const [name, value] of Object.entries(now)) {
    if (before[name] === value) continue;
    if (name in before) out.push(h("del", {}, `${name}=${JSON.stringify(before[name])}`), " ");
    out.push(h("ins", {}, `${name}=${JSON.stringify(value)}`), " ");
  }
  for (const [name, value] of Object.entries(before)) if (!(name in now)) out.push(h("del", {}, `${name}=${JSON.stringify(value)}`), " ");
  return out;
}

// The part in the middle that differs, struck out and put in.
function marked(before, now) {
  let head = 0;
  while (head < Math.min(before.length, now.length) && before[head] === now[head]) ++head;
  let tail = 0;
  while (tail < Math.min(before.length, now.length) - head && before[before.length - 1 - tail] === now[now.length - 1 - tail]) ++tail;
  return [now.slice(0, head), h("del", {}, before.slice(head, before.length - tail)), h("ins", {}, now.slice(head, now.length - tail)),
    now.slice(now.length - tail)];
}
