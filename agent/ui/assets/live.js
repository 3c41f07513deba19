// What the agent says now. One poll of the overview feeds every page: rates are the difference of two answers, and the
// plots' past lives in this tab. Nothing is asked while nobody looks at it.

const ROOT = new URL(document.body.dataset.root, location.href);
const EVERY_MS = 2000;
const KEPT = 150;

export function link(path) {
  return new URL(path, ROOT).pathname;
}

export function componentLink(id) {
  return link("component/" + id.split("/").map(encodeURIComponent).join("/"));
}

// Where a path of this site leads: "graph", "component/loki.write.default".
export function pageOf(url) {
  const path = new URL(url, location.href).pathname;
  return path.startsWith(ROOT.pathname) ? decodeURIComponent(path.slice(ROOT.pathname.length)) : null;
}

export async function ask(path) {
  const answer = await fetch(link("api/v0/ui/" + path), { cache: "no-store" });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error("the agent answers " + answer.status);
  return answer.json();
}

// Calls `use` with what `path` says, now and every few seconds, until the signal.
export function poll(path, everyMs, signal, use, failed = () => {}) {
  let timer = 0;
  const turn = async () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    if (!document.hidden) {
      try {
        const answer = await ask(path);
        if (signal.aborted) return;
        use(answer);
      } catch (error) {
        if (!signal.aborted) failed(error);
      }
    }
    if (!signal.aborted) timer = setTimeout(turn, everyMs);
  };
  document.addEventListener("visibilitychange", () => document.hidden || turn(), { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  turn();
}

export const past = { cpu: [], memory: [], lines: [], samples: [], bytes: [], dropped: [] };
export let now = null; // the last overview, with rates

const listeners = new Set();

// Until the signal; at once when something is known already.
export function onOverview(signal, use) {
  listeners.add(use);
  signal.addEventListener("abort", () => listeners.delete(use));
  if (now) use(now);
}

function perSecond(before, after, seconds) {
  if (before === null || before === undefined || after === null || seconds <= 0) return null;
  return Math.max(0, after - before) / seconds; // a component that began anew counts from 0
}

function keep(name, value) {
  past[name].push(value);
  if (past[name].length > KEPT) past[name].shift();
}

function take(overview) {
  overview.at = performance.now() / 1000;
  const before = now && now.start === overview.start ? now : null;
  const seconds = before ? overview.at - before.at : 0;
  const old = new Map((before?.components ?? []).map((component) => [component.id, component]));
  const total = { lines: 0, samples: 0, bytes: 0, dropped: 0 };
  for (const component of overview.components) {
    const last = old.get(component.id);
    component.rate = perSecond(last?.out, component.out, seconds);
    component.bytesRate = perSecond(last?.bytes, component.bytes, seconds);
    component.droppedRate = perSecond(last?.dropped, component.dropped, seconds);
    if (component.name === "loki.write") total.lines += component.rate ?? 0;
    if (component.name === "prometheus.remote_write") total.samples += component.rate ?? 0;
    total.bytes += component.bytesRate ?? 0;
    total.dropped += component.droppedRate ?? 0;
  }
  overview.byId = new Map(overview.components.map((component) => [component.id, component]));
  overview.rates = before ? { ...total, cpu: perSecond(before.cpu_seconds, overview.cpu_seconds, seconds) } : null;
  now = overview;
  keep("memory", overview.resident_bytes);
  for (const name of ["cpu", "lines", "samples", "bytes", "dropped"]) keep(name, overview.rates?.[name] ?? null);
  for (const use of [...listeners]) use(overview);
}

export function start(failed, well) {
  poll("overview", EVERY_MS, new AbortController().signal, (overview) => {
    well();
    take(overview);
  }, failed);
}
