// Small plots of the last minutes. They are redrawn by the page that polls; an area, its last value and its highest.
import { h, s, setText } from "./dom.js";
import { bytes, rate } from "./format.js";
import { onOverview, past } from "./live.js";

const WIDTH = 160;
const HEIGHT = 36;
const PLOTS = [
  { name: "cpu", title: "CPU", text: (v) => (v === null ? "–" : (v * 100).toFixed(v < 0.1 ? 2 : 1) + " %") },
  { name: "memory", title: "Memory", text: bytes },
  { name: "lines", title: "Lines sent", text: rate },
  { name: "samples", title: "Samples sent", text: rate },
  { name: "bytes", title: "Bytes sent", text: (v) => (v === null ? "–" : bytes(v) + "/s") },
  { name: "dropped", title: "Dropped", text: rate, bad: true },
];

// The outline of `values` (null: a gap), the newest at the right edge, from 0 to the highest.
export function outline(values, slots, width, height) {
  const highest = Math.max(...values.filter((value) => value !== null), 1e-9);
  const step = width / (slots - 1);
  const from = width - (values.length - 1) * step;
  let line = "";
  let area = "";
  let begin = null;
  let x = 0;
  const close = () => {
    if (begin !== null) area += `V${height}H${begin.toFixed(1)}Z`;
    begin = null;
  };
  values.forEach((value, i) => {
    if (value === null) return close();
    x = from + i * step;
    const y = height - 1 - (value / highest) * (height - 3);
    const point = `${x.toFixed(1)} ${y.toFixed(1)}`;
    line += (begin === null ? "M" : "L") + point;
    area += begin === null ? `M${x.toFixed(1)} ${height}L${point}` : "L" + point;
    begin ??= x;
  });
  close();
  return { line, area, highest };
}

export function plots(signal) {
  const cards = PLOTS.map((plot) => {
    const area = s("path", { class: "area" });
    const line = s("path", { class: "line" });
    const value = h("strong", {}, "–");
    const most = h("span", { class: "most" });
    const picture = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, area, line);
    return { plot, area, line, value, most,
      card: h("li", { class: "plot", "data-plot": plot.name }, h("span", { class: "title" }, plot.title), most, value, picture) };
  });
  onOverview(signal, () => {
    for (const { plot, area, line, value, most, card } of cards) {
      const values = past[plot.name];
      const last = values[values.length - 1] ?? null;
      const drawn = outline(values, Math.max(values.length, 30), WIDTH, HEIGHT);
      area.setAttribute("d", drawn.area);
      line.setAttribute("d", drawn.line);
      setText(value, plot.text(last));
      setText(most, values.some((v) => v !== null) ? "max " + plot.text(Math.max(...values.filter((v) => v !== null))) : "");
      card.classList.toggle("alarm", Boolean(plot.bad && last > 0));
    }
  });
  return h("ul", { class: "plots", "aria-label": "At a glance" }, cards.map((entry) => entry.card));
}
