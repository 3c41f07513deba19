// Elements, built and updated. Text from outside only ever becomes a text node or an attribute's value; the pages'
// Content-Security-Policy forbids everything that would parse it as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

// Changes nothing when it says so already: readers and selections are not disturbed.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Rows of a <tbody>, one per item, kept by key from call to call: `make` builds one, `update` puts an item into it.
export function keyedRows(body, items, key, make, update) {
  const old = body.keyed ?? new Map();
  const next = new Map();
  let before = body.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const row = old.get(name) ?? make(item);
    update(row, item);
    next.set(name, row);
    if (row === before) before = before.nextElementSibling;
    else body.insertBefore(row, before);
  }
  for (const [name, row] of old) if (!next.has(name)) row.remove();
  body.keyed = next;
}

export function healthBadge(healthy) {
  return h("span", { class: healthy ? "badge good" : "badge bad" }, healthy ? "healthy" : "unhealthy");
}

export function setBadge(badge, healthy) {
  setText(badge, healthy ? "healthy" : "unhealthy");
  badge.className = healthy ? "badge good" : "badge bad";
}

export function search(label, onInput) {
  return h("input", {
    type: "search", class: "filter", placeholder: label, "aria-label": label, autocomplete: "off", spellcheck: "false",
    oninput: (event) => onInput(event.target.value.trim().toLowerCase()),
  });
}
