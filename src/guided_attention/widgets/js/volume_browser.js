// Volume browser: slices of a volume, prediction against reference, errors, and the metrics of what is seen.

import { bytes } from "./arrays.js";
import { announcer, change, checkbox, closing, digits, follow, frame, h, radios, slider } from "./dom.js";
import { patch } from "./legend.js";
import { area, hatched, stroke } from "./overlay.js";
import { Picture, greyTile, outline } from "./picture.js";
import { scrolled } from "./scroll.js";
import { agreement, count, sum } from "./voxels.js";

const SHOWN = ["slice", "organs", "predicted", "reference", "errors", "phase"];
const MISSED = { colour: "#D55E00", slope: 1 };
const INVENTED = { colour: "#F0E442", slope: -1 };
const WAYS = [["fill", "filled"], ["outline", "outline"], ["hide", "hidden"]];

const score = (value) => (value === null ? "–" : value.toFixed(3));
const total = (mask) => mask.reduce((a, b) => a + b, 0);

// Everything that follows from the data and the traits, without a page.
class Stack {
  constructor(model) {
    const data = model.get("data");
    const [depth, height, width] = data.shape;
    Object.assign(this, { model, data, depth, height, width, pixels: height * width });
    this.masks = { reference: data.labels && bytes(data.labels), predicted: data.prediction && bytes(data.prediction) };
    this.both = Boolean(data.labels && data.prediction);
    this.counts = Array.from({ length: depth }, (_, z) => count(this.of("predicted", z), this.of("reference", z), data.classes.length));
    this.whole = sum(this.counts);
  }

  get at() {
    return this.model.get("slice");
  }

  // Whether errors are drawn instead of masks.
  get errors() {
    return this.model.get("errors") && this.both;
  }

  // A slice of the reference or the prediction, if there is one.
  of(name, z) {
    return this.masks[name] ? this.masks[name].subarray(z * this.pixels, (z + 1) * this.pixels) : null;
  }

  chosen(value) {
    return value > 0 && this.model.get("organs").includes(value);
  }

  toggle(value) {
    const organs = this.model.get("organs");
    change(this.model, { organs: organs.includes(value) ? organs.filter((one) => one !== value) : [...organs, value].sort((a, b) => a - b) });
  }

  // Pixels of the slice that are missed, and that are invented.
  wrong() {
    const [missed, invented] = [new Uint8Array(this.pixels), new Uint8Array(this.pixels)];
    if (!this.both) return { missed, invented };
    const [predicted, reference] = [this.of("predicted", this.at), this.of("reference", this.at)];
    for (let i = 0; i < this.pixels; i += 1) {
      if (predicted[i] === reference[i]) continue;
      if (this.chosen(reference[i])) missed[i] = 1;
      else if (this.chosen(predicted[i])) invented[i] = 1;
    }
    return { missed, invented };
  }

  // What stands in the line of a class.
  numbers(value) {
    const [here, all] = [this.counts[this.at], this.whole].map((found) => agreement(found, value));
    return { slice: here, volume: { ...all, msd: this.data.distances ? this.data.distances[value] : null } };
  }
}

// The slice, as wheel, keys and dragging go through the volume.
class Slice {
  constructor(stack) {
    const { data, depth, height, width, model } = stack;
    [, this.rows, this.columns] = data.phases[0].shape;
    this.stack = stack;
    this.grey = data.phases.map((packed) => bytes(packed).map((level) => Math.round((255 * level) / (data.levels - 1))));
    this.picture = new Picture({
      size: [height, width],
      pitch: data.spacing.slice(1),
      label: "Slice of the volume. Arrow keys, Page Up and Page Down, the wheel when focused, or dragging to the side go through the slices.",
      paint: (context, unit) => this.paint(context, unit),
    });
    this.told = scrolled(this.picture.canvas, depth - 1, () => stack.at, (z) => change(model, { slice: z }), (z) => `slice ${z + 1} of ${depth}`);
  }

  paint(context, unit) {
    this.phases(context);
    if (this.stack.errors) {
      const { missed, invented } = this.stack.wrong();
      const size = [this.stack.width, this.stack.height];
      hatched(context, unit, size, missed, MISSED);
      hatched(context, unit, size, invented, INVENTED);
    } else for (const name of ["predicted", "reference"]) this.mask(context, unit, name);
  }

  phases(context) {
    const { rows, columns, stack } = this;
    const [start, { shrink }] = [stack.at * rows * columns, stack.data];
    context.imageSmoothingEnabled = true;
    this.grey.forEach((values, number) => {
      context.globalAlpha = number ? stack.model.get("phase") : 1;
      context.drawImage(greyTile(values.subarray(start, start + rows * columns), columns, rows), 0, 0, columns * shrink, rows * shrink);
    });
    context.globalAlpha = 1;
  }

  mask(context, unit, name) {
    const { stack } = this;
    const labels = stack.of(name, stack.at);
    const way = stack.model.get(name);
    if (!labels || way === "hide") return;
    const white = name === "reference" && stack.both && stack.model.get("predicted") !== "hide";
    stack.data.classes.forEach(({ colour }, value) => {
      if (!stack.chosen(value)) return;
      if (way === "fill") {
        context.fillStyle = `${colour}80`;
        context.fill(area(stack.width, stack.height, (i) => labels[i] === value));
      } else stroke(context, unit, outline(labels, stack.width, stack.height, value), [["#000b", 3.4], [white ? "#fff" : colour, 1.7]]);
    });
  }

  show() {
    this.picture.draw();
    this.told();
  }
}

// What the colours mean: the kinds of errors with their counts, or the white line.
class Legend {
  constructor(stack) {
    this.stack = stack;
    this.element = h("div", { class: "ga-legend" });
    this.kinds = [["missed", MISSED], ["invented", INVENTED]].map(([name, { colour, slope }]) => {
      const words = h("span");
      const stripes = patch(`repeating-linear-gradient(${slope > 0 ? 45 : -45}deg, ${colour} 0 3px, #000 3px 4px)`);
      return { name, words, element: h("span", {}, stripes, words) };
    });
  }

  show(wrong) {
    const { stack } = this;
    for (const { name, words } of this.kinds) words.textContent = `${name}, ${total(wrong[name])} pixels`;
    const white = stack.both && stack.model.get("predicted") !== "hide" && stack.model.get("reference") === "outline";
    const hint = white ? [h("span", {}, "colour: prediction; white line: reference")] : [];
    this.element.replaceChildren(...(stack.errors ? this.kinds.map(({ element }) => element) : hint));
  }
}

// The table is the legend of the organs too, and its boxes choose them.
class Table {
  constructor(stack) {
    const { data, both, masks } = stack;
    this.stack = stack;
    this.heads = both ? ["DSC", "VS", "DSC", "VS", "MSD, mm"] : masks.reference || masks.predicted ? ["cm²", "mL"] : [];
    this.lines = data.classes.map((one, value) => this.line(one, value));
    this.element = this.heads.length ? this.whole() : null;
  }

  line({ name, colour }, value) {
    const box = h("input", { type: "checkbox", "data-organ": value, on: { change: () => this.stack.toggle(value) } });
    const cells = this.heads.map(() => h("td"));
    const label = h("label", { class: "ga-check" }, box, h("span", {}, patch(colour, { class: "ga-swatch" }), name));
    return { box, cells, row: h("tr", {}, h("th", { scope: "row" }, label), ...cells) };
  }

  whole() {
    const parts = this.stack.both ? [["this slice", 2], ["volume", 3]] : [["this slice", 1], ["volume", 1]];
    return h("div", { class: "ga-scroll" }, h("table", { class: "ga-volume-table" },
      h("thead", {},
        h("tr", {}, h("td"), ...parts.map(([words, span]) => h("th", { colspan: span, scope: "colgroup" }, words))),
        h("tr", {}, h("td"), ...this.heads.map((words) => h("th", { scope: "col" }, words)))),
      h("tbody", {}, ...this.lines.slice(1).map(({ row }) => row))));
  }

  words(value) {
    const { slice, volume } = this.stack.numbers(value);
    const [thick, high, wide] = this.stack.data.spacing;
    if (!this.stack.both) return [digits((slice.size * high * wide) / 100), digits((volume.size * thick * high * wide) / 1000)];
    return [score(slice.dice), score(slice.vs), score(volume.dice), score(volume.vs), volume.msd === null ? "–" : digits(volume.msd)];
  }

  show() {
    this.lines.forEach(({ box, cells }, value) => {
      if (!value) return;
      const words = this.words(value);
      box.checked = this.stack.chosen(value);
      cells.forEach((cell, i) => { cell.textContent = words[i]; });
    });
  }
}

function controlsOf(model, { depth, data, masks, both }) {
  return [
    slider(model, "slice", "Slice, from feet to head", { min: 0, max: depth - 1, step: 1, words: (z) => `${z + 1} / ${depth}` }),
    data.phases.length > 1 && slider(model, "phase", data.blend || "In phase to out of phase", { min: 0, max: 1, step: 0.05, words: (share) => `${Math.round(100 * share)} %` }),
    masks.predicted && radios(model, "predicted", "Prediction", WAYS),
    masks.reference && radios(model, "reference", "Reference", WAYS),
    both && checkbox(model, "errors", "Errors only"),
  ].filter(Boolean);
}

// What was lost on the way into the page.
function noteOf({ data, both }) {
  const fine = [
    data.shrink > 1 && `${data.shrink} × ${data.shrink} pixels averaged`,
    data.levels < 256 && `${data.levels} grey levels`,
  ].filter(Boolean);
  return h("p", { class: "ga-note" }, `Subject ${data.subject}. ${both ? "A metric of an organ that is in neither is shown as –. " : ""}` +
    `${fine.length ? `Grey values in this page: ${fine.join(", ")}; labels are exact.` : ""}`);
}

function inspect(stack, table) {
  const { missed, invented } = stack.wrong();
  return { slice: stack.at, organs: stack.model.get("organs"), numbers: stack.data.classes.map((_, value) => stack.numbers(value)),
    missed: total(missed), invented: total(invented), shown: table.lines.map(({ cells }) => cells.map((cell) => cell.textContent)) };
}

function render({ model, el }) {
  const stack = new Stack(model);
  const [slice, legend, table] = [new Slice(stack), new Legend(stack), new Table(stack)];
  const controls = controlsOf(model, stack);
  const live = announcer();
  slice.picture.element.append(legend.element);
  const side = h("div", { class: "ga-volume-side" }, h("div", { class: "ga-controls" }, ...controls), table.element, noteOf(stack));
  const root = frame(el, "volume_browser", "Volume browser", h("div", { class: "ga-volume-parts" }, slice.picture.element, side), live);
  const followed = follow(model, SHOWN, () => {
    const wrong = stack.wrong();
    slice.show();
    table.show();
    legend.show(wrong);
    live.say(`Slice ${stack.at + 1} of ${stack.depth}.${stack.errors ? ` ${total(wrong.missed)} pixels missed, ${total(wrong.invented)} invented.` : ""}`);
  });
  root.inspect = () => inspect(stack, table);
  return closing(root, followed, controls, slice.picture);
}

export default { render };
