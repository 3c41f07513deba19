// What a kind of component takes and exports, from the schemas of this very program.
import { h } from "./dom.js";
import { ask, link } from "./live.js";

export function show(main, name, signal) {
  const content = h("div");
  main.append(h("p", { class: "crumbs" }, h("a", { href: link("") }, "Components")), h("h1", {}, name), content);
  ask("reference/" + encodeURIComponent(name)).then((reference) => {
    if (signal.aborted) return;
    if (reference === null) return content.append(h("p", {}, "This agent knows no such component."));
    content.append(h("p", {}, reference.doc), ...fields("Arguments and blocks", reference.fields));
    if (reference.exports.length > 0) {
      content.append(h("h2", {}, "Exports"), table(["Name", "Type", "What it is"],
        reference.exports.map((item) => [item.name, item.type, item.doc])));
    }
  }, (error) => content.append(h("p", { class: "message" }, error.message)));
}

function table(heads, rows) {
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row", class: "mono" }, row[0]),
      row.slice(1).map((cell) => h("td", {}, cell)))))));
}

function fields(title, all) {
  if (all.length === 0) return [h("p", {}, "It takes no arguments.")];
  const own = table(["Name", "Type", "Default", "What it does"], all.map((field) =>
    [field.name, field.block ? "block" : field.type, field.required ? "required" : field.default, field.doc]));
  const nested = all.filter((field) => field.block && field.fields.length > 0).map((field) =>
    h("details", {}, h("summary", {}, h("code", {}, field.name), " block"), ...fields(field.name, field.fields)));
  return [h("h2", {}, title), own, ...nested];
}
