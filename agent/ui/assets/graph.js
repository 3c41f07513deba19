// The graph of the components: dagre says where they lie, the overview how they are and what flows. It is laid out anew
// only when its components or edges are others.
import { h, s, search, setText } from "./dom.js";
import { rate } from "./format.js";
import { componentLink, onOverview } from "./live.js";

const NODE = { width: 190, height: 46 };
const STEPS = [0.4, 0.55, 0.75, 1, 1.3, 1.7];

export function show(main, _, signal) {
  const near = new URLSearchParams(location.search).get("near");
  let wanted = "";
  let zoom = null; // an index of STEPS; null: as the picture fits
  let drawn = null;
  let last = null;
  const area = h("div", { class: "graph", tabindex: "0", role: "group", "aria-label": "Graph of components; every component is a link" });
  const shown = h("span", { class: "quiet", role: "status" });
  const onlyNear = h("input", { type: "checkbox", checked: near !== null, onchange: () => draw(last) });
  const scale = () => {
    if (!drawn) return;
    const room = area.clientWidth - 8;
    const fit = Math.max(0.7, Math.min(1, room / drawn.width)); // smaller cannot be read
    const factor = zoom === null ? fit : STEPS[zoom];
    drawn.picture.setAttribute("width", drawn.width * factor);
    drawn.picture.setAttribute("height", drawn.height * factor);
    drawn.factor = factor;
  };
  const step = (by) => {
    if (zoom === null) zoom = STEPS.findIndex((value) => value >= (drawn?.factor ?? 1) - 1e-6);
    zoom = Math.min(STEPS.length - 1, Math.max(0, zoom + by));
    scale();
  };
  main.append(
    h("h1", {}, "Graph"),
    h("div", { class: "bar" },
      search("Show what is called …", (text) => { wanted = text; draw(last); }),
      near === null ? null : h("label", {}, onlyNear, " only around " + near),
      h("span", {}, h("button", { type: "button", "aria-label": "Smaller", onclick: () => step(-1) }, "−"), " ",
        h("button", { type: "button", onclick: () => { zoom = null; scale(); } }, "Fit"), " ",
        h("button", { type: "button", "aria-label": "Larger", onclick: () => step(1) }, "+")),
      shown),
    area,
    h("ul", { class: "legend" }, h("li", { class: "logs" }, "log lines"), h("li", { class: "metrics" }, "samples"),
      h("li", { class: "values" }, "targets, rules and other values")));
  addEventListener("resize", scale, { signal });

  const draw = async (overview) => {
    last = overview;
    if (!overview) return;
    const part = select(overview, wanted, near !== null && onlyNear.checked ? near : null);
    const key = JSON.stringify([part.nodes.map((node) => node.id), part.edges]);
    if (drawn?.key !== key) {
      await import("./dagre.min.js"); // a script of the old kind: it makes a global
      if (signal.aborted || last !== overview) return;
      drawn = lay(globalThis.dagre, part, wanted === "" ? near : null);
      drawn.key = key;
      area.replaceChildren(drawn.picture);
      setText(shown, part.nodes.length === overview.components.length ? `${part.nodes.length} components`
        : `${part.nodes.length} of ${overview.components.length} components`);
      scale();
    }
    for (const { id, element, title } of drawn.nodes) {
      const component = overview.byId.get(id);
      element.classList.toggle("ill", !component.healthy);
      setText(title, `${id}: ${component.healthy ? "healthy" : "unhealthy: " + component.message}`);
      element.setAttribute("aria-label", `${id}, ${component.healthy ? "healthy" : "unhealthy"}`);
    }
    for (const { from, element } of drawn.rates) {
      const component = overview.byId.get(from);
      setText(element, component.rate === null ? "" : rate(component.rate));
    }
  };
  onOverview(signal, draw);
}

// What is looked for, with its neighbours; all of `near`'s pipeline, up and down; or everything.
function select(overview, wanted, near) {
  let keep = null;
  if (wanted !== "") {
    const hits = new Set(overview.components.filter((component) => component.id.toLowerCase().includes(wanted)).map((c) => c.id));
    keep = new Set(hits);
    for (const edge of overview.edges) {
      if (hits.has(edge.from)) keep.add(edge.to);
      if (hits.has(edge.to)) keep.add(edge.from);
    }
  } else if (near !== null) {
    keep = new Set([near]);
    for (const [here, there] of [["from", "to"], ["to", "from"]]) {
      const todo = [near];
      while (todo.length > 0) {
        const id = todo.pop();
        for (const edge of overview.edges) {
          if (edge[here] !== id || keep.has(edge[there])) continue;
          keep.add(edge[there]);
          todo.push(edge[there]);
        }
      }
    }
  }
  return {
    nodes: overview.components.filter((component) => keep === null || keep.has(component.id)),
    edges: overview.edges.filter((edge) => keep === null || (keep.has(edge.from) && keep.has(edge.to))),
  };
}

function shorten(text, letters) {
  const half = Math.floor((letters - 1) / 2);
  return text.length <= letters ? text : text.slice(0, half) + "…" + text.slice(-half);
}

function lay(dagre, part, sought) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  const down = innerWidth < 700;
  graph.setGraph({ rankdir: down ? "TB" : "LR", nodesep: 18, ranksep: down ? 42 : 64, edgesep: 12, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of part.nodes) graph.setNode(node.id, { ...NODE });
  part.edges.forEach((edge, i) => graph.setEdge(edge.from, edge.to, { kind: edge.kind }, String(i)));
  dagre.layout(graph);

  const edges = [];
  const rates = [];
  for (const edge of graph.edges()) {
    const { points, kind } = graph.edge(edge);
    // They leave and arrive at the middle of a side, whatever corner is nearer.
    const from = graph.node(edge.v);
    const to = graph.node(edge.w);
    points[0] = down ? { x: from.x, y: from.y + NODE.height / 2 } : { x: from.x + NODE.width / 2, y: from.y };
    points[points.length - 1] = down ? { x: to.x, y: to.y - NODE.height / 2 } : { x: to.x - NODE.width / 2, y: to.y };
    if (points.length === 3) points.splice(1, 1); // between neighbouring layers nothing is in the way
    edges.push(s("path", { class: "edge " + kind, d: curve(points, down), "marker-end": `url(#tip-${kind})` }));
    if (kind === "values") continue;
    // Every receiver gets all that is sent, so the figure stands once, where it leaves.
    if (rates.some((entry) => entry.from === edge.v)) continue;
    const text = s("text", { class: "rate", x: points[0].x + (down ? 26 : 32), y: points[0].y + (down ? 16 : -6) });
    rates.push({ from: edge.v, element: text });
  }
  const nodes = part.nodes.map((component) => {
    const at = graph.node(component.id);
    const title = s("title");
    const element = s("a", {
      class: "node" + (component.id === sought ? " sought" : ""), href: componentLink(component.id), "data-id": component.id,
      transform: `translate(${at.x - NODE.width / 2},${at.y - NODE.height / 2})`,
    }, title,
      s("rect", { class: "box", width: NODE.width, height: NODE.height, rx: 7 }),
      s("rect", { class: "mark", x: 0, y: 8, width: 4, height: NODE.height - 16, rx: 2 }),
      s("text", { class: "kind", x: 14, y: 19 }, shorten((component.module === "" ? "" : component.module + "/") + component.name, 28)),
      s("text", { class: "label", x: 14, y: 36 }, shorten(component.label || component.name, 20)));
    return { id: component.id, element, title };
  });
  const { width = 32, height = 32 } = graph.graph();
  const tips = ["logs", "metrics", "values"].map((kind) => s("marker", {
    id: "tip-" + kind, viewBox: "0 0 8 8", refX: 7.5, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto",
  }, s("path", { class: "tip " + kind, d: "M0 0L8 4L0 8Z" })));
  const finite = (size) => (Number.isFinite(size) ? size : 32);
  const picture = s("svg", { viewBox: `0 0 ${finite(width)} ${finite(height)}`, role: "list" },
    s("defs", {}, tips), s("g", { "aria-hidden": "true" }, edges), nodes.map((node) => node.element),
    s("g", { "aria-hidden": "true" }, rates.map((entry) => entry.element)));
  return { picture, nodes, rates, width: finite(width), height: finite(height) };
}

// Through the points, bent along the direction of flow.
function curve(points, down) {
  let path = `M${points[0].x} ${points[0].y}`;
  for (let i = 1; i < points.length; ++i) {
    const a = points[i - 1];
    const b = points[i];
    path += down ? `C${a.x} ${(a.y + b.y) / 2} ${b.x} ${(a.y + b.y) / 2} ${b.x} ${b.y}`
      : `C${(a.x + b.x) / 2} ${a.y} ${(a.x + b.x) / 2} ${b.y} ${b.x} ${b.y}`;
  }
  return path;
}
