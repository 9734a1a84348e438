// Small pieces of a page: elements, controls with labels, words for screen readers.

// h("p", { class: "ga-note" }, "words", element): an element with attributes; `on` holds listeners.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

// A number with so many digits that matter, without an exponent where it can be avoided.
export function digits(value, count = 3) {
  if (!Number.isFinite(value)) return "–";
  const size = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (size < -4) return value.toExponential(Math.max(0, count - 1));
  return value.toFixed(clamp(count - 1 - size, 0, 6));
}

export const percent = (share) => `${digits(100 * share, 2)} %`;

let serial = 0;
export function uniqueId(stem) {
  serial += 1;
  return `ga-${stem}-${serial}-${Math.random().toString(36).slice(2, 7)}`;
}

// Give a trait a new value; Python hears of it where there is a kernel.
export function change(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// Call `update` now and whenever one of the traits changes, at most once for each frame. Returns how to stop.
export function follow(model, names, update) {
  let waiting = 0;
  const run = () => {
    waiting = 0;
    update();
  };
  const later = () => {
    if (!waiting) waiting = requestAnimationFrame(run);
  };
  for (const name of names) model.on(`change:${name}`, later);
  update();
  return () => {
    cancelAnimationFrame(waiting);
    for (const name of names) model.off(`change:${name}`, later);
  };
}

// Buttons of which one is chosen, bound to a trait. options: [[value, words, title], ...]
export function radios(model, trait, label, options) {
  const name = uniqueId(trait);
  const inputs = options.map(([value, words, title]) => {
    const input = h("input", { type: "radio", name, value: String(value), on: { change: () => change(model, { [trait]: value }) } });
    return h("label", { class: "ga-choice", title }, input, h("span", {}, words));
  });
  const group = h("fieldset", { class: "ga-radios", "data-trait": trait }, h("legend", {}, label), h("div", {}, ...inputs));
  const show = () => {
    for (const input of group.querySelectorAll("input")) input.checked = input.value === String(model.get(trait));
  };
  group.stop = follow(model, [trait], show);
  return group;
}

// A slider bound to a trait. `to` and `from` turn places on the slider into values and back; `words` shows a value.
export function slider(model, trait, label, { min, max, step, to = Number, from = Number, words = String }) {
  const shown = h("output", { class: "ga-value" });
  const input = h("input", {
    type: "range", min, max, step, "data-trait": trait, "aria-label": label,
    on: { input: () => change(model, { [trait]: to(Number(input.value)) }) },
  });
  const whole = h("label", { class: "ga-slider" }, h("span", {}, label), input, shown);
  const show = () => {
    const value = model.get(trait);
    input.value = from(value);
    shown.textContent = words(value);
    input.setAttribute("aria-valuetext", words(value));
  };
  whole.stop = follow(model, [trait], show);
  return whole;
}

// A box to tick, bound to a trait that is true or false.
export function checkbox(model, trait, label) {
  const input = h("input", { type: "checkbox", "data-trait": trait, on: { change: () => change(model, { [trait]: input.checked }) } });
  const whole = h("label", { class: "ga-check" }, input, h("span", {}, label));
  whole.stop = follow(model, [trait], () => {
    input.checked = Boolean(model.get(trait));
  });
  return whole;
}

// One number among others: what it is, its value, and more about it in small letters.
export const fact = (name, value, more = "") => h("div", {}, h("dt", {}, name), h("dd", {}, value, " ", h("small", {}, more)));

export function button(words, act, attributes = {}) {
  return h("button", { type: "button", class: "ga-button", ...attributes, on: { click: act } }, words);
}

// The way of an arrow key, [rows, columns], with shift five at a time; null for other keys, and with ctrl, meta or alt.
export function arrow(event) {
  const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!way || event.ctrlKey || event.metaKey || event.altKey) return null;
  return way.map((one) => one * (event.shiftKey ? 5 : 1));
}

// Words for screen readers: said when the reader pauses, not at every step of the way.
export function announcer(pause = 400) {
  const region = h("p", { class: "ga-hidden", "aria-live": "polite", role: "status" });
  let timer = 0;
  region.say = (words) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (region.textContent !== words) region.textContent = words;
    }, pause);
  };
  return region;
}

// The frame of every widget: named for screen readers, cleaned up when it goes. reveal.js takes every section for a
// slide; there it is another element with the same meaning.
export function frame(el, name, label, ...children) {
  const [tag, role] = el.closest(".reveal") ? ["div", "region"] : ["section", null];
  const root = h(tag, { class: `ga ga-${name}`, role, "aria-label": label, "data-widget": name, "data-lm-suppress-shortcuts": "true" }, ...children);
  el.append(root);
  return root;
}

// What a widget returns: how to end it. parts: what `follow` returns, and whatever has `stop()`.
export const closing = (root, ...parts) => () => {
  for (const part of parts.flat()) {
    if (typeof part === "function") part();
    else part.stop();
  }
  root.remove();
};
