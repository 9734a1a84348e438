// A small chart: lines or stacked areas against one number, with a cursor that can be moved.

import { clamp, digits, h } from "./dom.js";

const MARGIN = { left: 44, right: 12, top: 10, bottom: 34 };
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];

// The parser knows the name of SVG's namespace, so no address stands in a page.
const NAMESPACE = (() => {
  const holder = document.createElement("template");
  holder.innerHTML = "<svg></svg>";
  return holder.content.firstChild.namespaceURI;
})();

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Round numbers between two ends, about `count` of them, with their words.
function ticks([low, high], count, log) {
  if (log) {
    const powers = [];
    for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high) + 1e-9; power += 1) powers.push([10 ** power, digits(10 ** power, 1)]);
    return powers;
  }
  const rough = (high - low) / count || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough * 0.999);
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i += 1) found.push([i * step, (i * step).toFixed(places)]);
  return found;
}

// A short line in the style of a series, for legends.
export function swatch(index, filled = false) {
  const mark = filled
    ? svg("rect", { class: `ga-area ga-series-${index}`, x: 0, y: 1, width: 14, height: 10, rx: 2 })
    : svg("line", { class: `ga-series ga-series-${index}`, x1: 0, x2: 26, y1: 6, y2: 6, "stroke-dasharray": DASHES[index] });
  return svg("svg", { class: "ga-swatch-line", width: filled ? 14 : 26, height: 12, "aria-hidden": "true" }, mark);
}

// What `Chart.draw` puts together. plot: what is shown, X and Y from values to pixels, and the edges.
function axes({ what, X, Y, width, height, right, bottom }) {
  const parts = [];
  for (const [y, words] of ticks(what.ys, 4, what.log)) {
    parts.push(svg("line", { class: "ga-grid", x1: MARGIN.left, x2: right, y1: Y(y), y2: Y(y) }));
    parts.push(svg("text", { x: MARGIN.left - 6, y: Y(y) + 4, "text-anchor": "end" }, words));
  }
  for (const [x, words] of ticks(what.xs, Math.max(2, Math.floor(width / 80)), false)) {
    parts.push(svg("text", { x: X(x), y: bottom + 15, "text-anchor": "middle" }, words));
  }
  parts.push(svg("text", { class: "ga-axis", x: right, y: height - 3, "text-anchor": "end" }, what.x));
  parts.push(svg("text", { class: "ga-axis", x: 2, y: height - 3 }, what.y));
  return parts;
}

// Areas, then lines; a line is broken where y is null.
function series({ what, X, Y }) {
  const areas = (what.areas ?? []).map(({ index, points }) => {
    const there = points.map(([x, , high]) => `${X(x)},${Y(high)}`);
    const back = points.map(([x, low]) => `${X(x)},${Y(low)}`).reverse();
    return svg("polygon", { class: `ga-area ga-series-${index}`, points: [...there, ...back].join(" ") });
  });
  const lines = (what.lines ?? []).map(({ index, points }) => {
    const path = points.map(([x, y], i) =>
      (y === null ? "" : `${i && points[i - 1][1] !== null ? "L" : "M"}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`)).join("");
    return svg("path", { class: `ga-series ga-series-${index}`, d: path || "M0 0", "stroke-dasharray": DASHES[index] });
  });
  return [...areas, ...lines];
}

function marks({ what, X, Y, bottom }) {
  const parts = [];
  if (what.cursor !== null && what.cursor !== undefined) {
    parts.push(svg("line", { class: "ga-cursor", x1: X(what.cursor), x2: X(what.cursor), y1: MARGIN.top, y2: bottom }));
  }
  for (const [x, y, index] of what.dots ?? []) {
    if (y !== null) parts.push(svg("circle", { class: `ga-dot ga-series-${index}`, cx: X(x), cy: Y(y), r: 4.5 }));
  }
  return parts;
}

// lines: [{ index, points: [[x, y]] }], areas: [{ index, points: [[x, low, high]] }]; y null leaves a gap.
// With `pick(x)` a press or a drag chooses the nearest x of the first series; `keys(step)` hears of arrow keys.
export class Chart {
  constructor({ label, height = 170, pick = null, keys = null }) {
    this.height = height;
    this.pick = pick;
    this.view = svg("svg", { class: pick ? "ga-chart ga-active" : "ga-chart", height, "aria-label": label, role: pick ? "slider" : "img" });
    if (pick) this.listen(keys);
    this.element = h("div", { class: "ga-chart-box" }, this.view);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
  }

  listen(keys) {
    const { view } = this;
    view.setAttribute("tabindex", "0");
    let down = false;
    const choose = (event) => {
      const box = view.getBoundingClientRect();
      const share = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
      const [low, high] = this.what.xs;
      this.pick(low + clamp(share, 0, 1) * (high - low));
    };
    view.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      down = true;
      view.setPointerCapture(event.pointerId);
      choose(event);
    });
    view.addEventListener("pointermove", (event) => {
      if (down) choose(event);
    });
    for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, () => { down = false; });
    view.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5, Home: -Infinity, End: Infinity }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      keys(step);
    });
  }

  // what: { xs: [low, high], ys: [low, high], log, lines, areas, cursor: x or null, dots: [[x, y, index]], x, y }
  show(what) {
    this.what = what;
    this.draw();
  }

  draw() {
    const { what, height } = this;
    const width = this.element.clientWidth;
    if (!what || !width) return;
    const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
    const scale = (value, [low, high], from, to) => from + ((value - low) / (high - low || 1)) * (to - from);
    const X = (x) => scale(x, what.xs, MARGIN.left, right);
    const lift = what.log ? (y) => Math.log10(Math.max(y, what.ys[0])) : (y) => y;
    const Y = (y) => clamp(scale(lift(y), what.ys.map(lift), bottom, MARGIN.top), MARGIN.top, bottom);
    const plot = { what, X, Y, width, height, right, bottom };
    this.view.setAttribute("width", width);
    this.view.replaceChildren(...axes(plot), ...series(plot), ...marks(plot));
  }

  stop() {
    this.observer.disconnect();
  }
}
