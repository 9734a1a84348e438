// Metric playground: a copy of a mask with mistakes, and what DSC, VS and surface distances say of it.

import { bytes } from "./arrays.js";
import { Chart, swatch } from "./chart.js";
import { announcer, button, change, checkbox, clamp, closing, digits, fact, follow, frame, h, percent, radios, slider } from "./dom.js";
import { measure } from "./distances.js";
import { dragged } from "./dragged.js";
import { cutOff, grown, moved, rim, withSpeck } from "./masks.js";
import { area, stroke } from "./overlay.js";
import { Picture, greyTile, outline } from "./picture.js";

const SHOWN = ["organ", "rows", "cols", "grow", "cut", "speck", "speck_at", "absent", "held"];
const SAMPLES = 32;
const PAUSE = 30; // milliseconds before the charts follow

const score = (value) => (value === null ? "NaN" : value.toFixed(3));

// Everything that follows from the data and the traits, without a page.
class Masks {
  constructor(model) {
    const data = model.get("data");
    const { size, spacing } = data;
    Object.assign(this, { model, data, size, spacing, labels: bytes(data.labels), kept: {} });
    this.spacings = spacing ? [[1, 1, 1], spacing] : [[1, 1, 1]];
    this.unit = spacing ? "mm" : "voxels";
  }

  get(name) {
    return this.model.get(name);
  }

  get organ() {
    return this.data.organs.find(({ value }) => value === this.get("organ"));
  }

  // What changes seldom is made once: the last value for each name.
  once(name, key, make) {
    if (!this.kept[name] || this.kept[name].key !== key) this.kept[name] = { key, value: make() };
    return this.kept[name].value;
  }

  whole() {
    return this.once("whole", this.get("organ"), () => this.labels.map((value) => (value === this.get("organ") ? 1 : 0)));
  }

  // The copy before it is shifted.
  shaped() {
    const [organ, grow, cut] = ["organ", "grow", "cut"].map((name) => this.get(name));
    return this.once("shaped", `${organ} ${grow} ${cut}`, () => cutOff(grown(this.whole(), this.size, grow), cut));
  }

  shifted(down, right) {
    return withSpeck(moved(this.shaped(), this.size, down, right), this.size, this.get("speck_at"), this.get("speck"));
  }

  reference() {
    const absent = this.get("absent");
    return this.once("reference", `${this.get("organ")} ${absent}`, () => (absent ? new Uint8Array(this.labels.length) : this.whole()));
  }

  judge(prediction, units) {
    const edge = this.once("edge", `${this.get("organ")} ${this.get("absent")}`, () => rim(this.reference(), this.size));
    return measure(prediction, this.reference(), this.size, units, edge);
  }

  // The present prediction, and what is found of it.
  look() {
    const prediction = this.shifted(this.get("rows"), this.get("cols"));
    return { prediction, reference: this.reference(), found: this.judge(prediction, this.spacings) };
  }

  // The metrics along the direction of the shift (to the right if there is none), from no shift to far beyond the organ.
  path() {
    const [down, right] = [this.get("rows"), this.get("cols")];
    const length = Math.hypot(down, right);
    const way = length ? [down / length, right / length] : [0, 1];
    const end = this.once("end", this.get("organ"), () => Math.ceil(2.4 * Math.sqrt(this.whole().reduce((a, b) => a + b, 0) / Math.PI)));
    const far = Math.max(end, Math.ceil(length));
    const points = [];
    for (let i = 0; i <= SAMPLES; i += 1) {
      const shift = way.map((part) => Math.round((part * far * i) / SAMPLES));
      const at = Math.hypot(...shift);
      if (points.length && at === points[points.length - 1].at) continue;
      points.push({ at, ...this.judge(this.shifted(...shift), this.spacings.slice(-1)) });
    }
    return { points, at: length, end: Math.max(points[points.length - 1].at, length) };
  }
}

// What is held, by mouse, finger or keys, and where it is put: the copy ("mask") or the speck.
class Hand {
  constructor(masks) {
    this.masks = masks;
  }

  get held() {
    return this.masks.get("held") === "speck" && this.masks.get("speck") ? "speck" : "mask";
  }

  // What lies under a pixel of the present prediction.
  grab([row, col], prediction) {
    const [height, width] = this.masks.size;
    const [down, right] = this.masks.get("speck_at");
    if (this.masks.get("speck") && Math.hypot(row - down, col - right) < Math.max(5, height / 28)) return "speck";
    return prediction[row * width + col] ? "mask" : null;
  }

  start(name) {
    return name === "speck" ? [...this.masks.get("speck_at")] : [this.masks.get("rows"), this.masks.get("cols")];
  }

  put(name, place) {
    const { model, size } = this.masks;
    const least = name === "speck" ? [0, 0] : size.map((length) => 1 - length);
    const [down, right] = place.map((value, axis) => clamp(value, least[axis], size[axis] - 1));
    change(model, name === "speck" ? { held: name, speck_at: [down, right] } : { held: name, rows: down, cols: right });
  }

  step(down, right) {
    const [row, col] = this.start(this.held);
    this.put(this.held, [row + down, col + right]);
  }

  press() {
    if (this.masks.get("speck")) change(this.masks.model, { held: this.held === "speck" ? "mask" : "speck" });
  }
}

// The slice with the reference, the copy and the longest distance between them.
class Slice {
  constructor(masks, hand) {
    const { data, size, spacing } = masks;
    const [, rows, columns] = data.phases[0].shape;
    Object.assign(this, { masks, now: null, extent: [columns * data.shrink, rows * data.shrink] });
    this.grey = greyTile(bytes(data.phases[0]).map((level) => Math.round((255 * level) / (data.levels - 1))), columns, rows);
    this.picture = new Picture({
      size, pitch: spacing ? spacing.slice(1) : [1, 1],
      label: "Slice with the reference outlined in white and a copy in colour. Arrow keys move the copy, with shift five pixels; Enter changes between copy and speck.",
      caption: h("span", {}, h("strong", {}, "Drag the mask. "), "White: the reference; colour: the copy"),
      paint: (context, unit) => this.paint(context, unit),
    });
    dragged(this.picture, {
      grab: (pixel) => hand.grab(pixel, this.now.prediction), held: () => hand.held, start: (name) => hand.start(name),
      move: (name, place) => hand.put(name, place), step: (down, right) => hand.step(down, right), press: () => hand.press(),
    });
  }

  paint(context, unit) {
    context.imageSmoothingEnabled = true;
    context.drawImage(this.grey, 0, 0, ...this.extent);
    if (!this.now) return;
    const [height, width] = this.masks.size;
    const { prediction, reference, found } = this.now;
    const { colour } = this.masks.organ;
    context.fillStyle = `${colour}78`;
    context.fill(area(width, height, (i) => prediction[i]));
    stroke(context, unit, outline(prediction, width, height, 1), [["#000b", 3.4], [colour, 1.8]]);
    stroke(context, unit, outline(reference, width, height, 1), [["#000b", 3.4], ["#fff", 1.7]]);
    this.farthest(context, unit, found.distances[0]);
  }

  farthest(context, unit, { farthest, maximum }) {
    if (!farthest || !maximum) return;
    const line = new Path2D();
    for (const [row, col] of farthest) line.lineTo(col + 0.5, row + 0.5);
    context.lineCap = "round";
    stroke(context, unit, line, [["#000c", 4.6]]);
    context.setLineDash([5 * unit, 4 * unit]);
    stroke(context, unit, line, [["#fff", 2.2]]);
    context.setLineDash([]);
  }

  show(now) {
    this.now = now;
    this.picture.draw();
  }
}

// The metrics against the shift; they follow when the hand rests for a moment.
class Charts {
  constructor(masks) {
    Object.assign(this, { masks, waiting: 0, now: null });
    const charts = [
      ["Dice and volume similarity against the shift", ["DSC", "VS"]],
      [`Mean and maximum surface distance against the shift, in ${masks.unit}`, ["MSD", "maximum"]],
    ];
    this.charts = charts.map(([label]) => new Chart({ label }));
    const figures = charts.map(([, names], i) => h("figure", { class: "ga-figure" }, this.charts[i].element,
      h("div", { class: "ga-legend" }, ...names.map((name, j) => h("span", {}, swatch(2 * i + j), ` ${name}`)))));
    this.element = h("div", { class: "ga-columns ga-play-charts" }, ...figures);
  }

  show(now) {
    this.now = now;
    if (!this.waiting) this.waiting = setTimeout(() => this.draw(), PAUSE);
  }

  draw() {
    this.waiting = 0;
    const { points, at, end } = this.masks.path();
    const { found } = this.now;
    const here = found.distances[this.masks.spacings.length - 1];
    const both = [
      [[({ dsc }) => dsc, found.dsc], [({ vs }) => vs, found.vs]],
      [[({ distances }) => distances[0].msd, here.msd], [({ distances }) => distances[0].maximum, here.maximum]],
    ];
    const most = Math.max(here.maximum ?? 0, ...points.map(({ distances }) => distances[0].maximum ?? 0), 1);
    this.charts.forEach((chart, i) => chart.show({
      xs: [0, end], ys: i ? [0, most * 1.05] : [0, 1], cursor: at, x: "shift, pixels", y: i ? this.masks.unit : "",
      lines: both[i].map(([value], j) => ({ index: 2 * i + j, points: points.map((point) => [point.at, value(point)]) })),
      dots: both[i].map(([, value], j) => [at, value, 2 * i + j]),
    }));
  }

  stop() {
    clearTimeout(this.waiting);
    for (const chart of this.charts) chart.stop();
  }
}

// Mistakes to try: a button for each of the organ's, pressed where the traits are as it sets them.
class Situations {
  constructor(masks) {
    this.masks = masks;
    this.element = h("div", { class: "ga-play-buttons", role: "group", "aria-label": "Mistakes to try" });
  }

  list() {
    const { masks } = this;
    return masks.once("situations", masks.get("organ"), () => {
      const made = masks.organ.situations.map((one) => ({ ...one, element: button(one.name, () => change(masks.model, one.set), { "data-act": one.name }) }));
      this.element.replaceChildren(...made.map(({ element }) => element));
      return made;
    });
  }

  // Returns the present situation, if it is one of them.
  show() {
    const list = this.list();
    const same = (set) => Object.entries(set).every(([name, value]) => String(this.masks.get(name)) === String(value));
    const present = list.find(({ set }) => same(set));
    for (const one of list) one.element.setAttribute("aria-pressed", one === present);
    return present;
  }
}

// What a number is worth, in words, where one needs them.
function meaning(found, situation, unit) {
  const { predicted, reference: wanted, dsc, vs, distances } = found;
  const far = `DSC and VS are 0; every surface distance is the diagonal of the slice, ${digits(distances.at(-1).msd, 4)} ${unit}.`;
  if (!predicted && !wanted) return "The organ is in neither mask. There is nothing to measure: NaN. Averages leave it out, and count it.";
  if (!predicted) return `An organ that was missed. ${far}`;
  if (!wanted) return `An organ that was invented. ${far}`;
  if (situation?.words) return situation.words;
  if (!dsc) return `Not one pixel in common. DSC is 0 from here on, however far; only the distances go on growing. VS: ${score(vs)}.`;
  const larger = Math.round((100 * (predicted - wanted)) / wanted);
  const sizes = larger ? `${Math.abs(larger)} % ${larger > 0 ? "larger" : "smaller"} than` : "as large as";
  return `${percent(found.common / wanted)} of the reference is found. The prediction is ${sizes} the reference.`;
}

// The numbers beside the slice.
class Numbers {
  constructor(masks) {
    this.masks = masks;
    this.facts = h("dl", { class: "ga-facts" });
    this.note = h("p", { class: "ga-play-note" });
    this.small = h("p", { class: "ga-note" });
  }

  // A distance in mm with the voxels beside it, as far as the spacing is known.
  distance(found, name) {
    const text = (value) => (value === null ? "NaN" : value.toFixed(2));
    const [voxels, mm] = found.distances.map((one) => text(one[name]));
    return this.masks.spacing ? [`${mm} mm`, `${voxels} voxels`] : [voxels, "voxels"];
  }

  show({ found }, situation) {
    this.facts.replaceChildren(
      fact("Dice (DSC)", score(found.dsc), "1: equal"), fact("Volume similarity (VS)", score(found.vs), "1: same size"),
      fact("Mean surface distance (MSD)", ...this.distance(found, "msd")), fact("Maximum surface distance", ...this.distance(found, "maximum")),
    );
    this.note.textContent = meaning(found, situation, this.masks.unit);
    const dashed = found.distances[0].farthest && found.distances[0].maximum ? " Dashed: the maximum distance." : "";
    this.small.textContent = `Prediction ${found.predicted} pixels, reference ${found.reference}, in common ${found.common}. Surfaces ${found.surfaces.join(" and ")} pixels.${dashed}`;
  }

  // For screen readers.
  words({ found }) {
    const [msd, maximum] = ["msd", "maximum"].map((name) => this.distance(found, name)[0]);
    return `DSC ${score(found.dsc)}, VS ${score(found.vs)}, MSD ${msd}, maximum ${maximum}. ${this.note.textContent}`;
  }
}

function controlsOf(model, { size: [height, width], organs }) {
  const pixels = (value) => `${value} px`;
  return [
    organs.length > 1 && radios(model, "organ", "Organ", organs.map(({ value, name }) => [value, name])),
    slider(model, "cols", "Shift right", { min: 1 - width, max: width - 1, step: 1, words: pixels }),
    slider(model, "rows", "Shift down", { min: 1 - height, max: height - 1, step: 1, words: pixels }),
    slider(model, "grow", "Thinner, fatter", { min: -12, max: 12, step: 1, words: (value) => (value > 0 ? `+${value} px` : pixels(value)) }),
    slider(model, "cut", "Cut off", { min: 0, max: 100, step: 1, words: (value) => `${value} %` }),
    slider(model, "speck", "Stray speck", { min: 0, max: 80, step: 1, words: pixels }),
    radios(model, "held", "Arrow keys move", [["mask", "mask"], ["speck", "speck"]]),
    checkbox(model, "absent", "The reference has no such organ"),
  ].filter(Boolean);
}

function inspect(masks, { prediction, found }, numbers) {
  const [rows, cols, at, held] = ["rows", "cols", "speck_at", "held"].map((name) => masks.get(name));
  const path = masks.path().points.map((point) => [point.at, point.dsc, point.vs, point.distances[0].msd]);
  return { ...found, rows, cols, speck_at: at, held, note: numbers.note.textContent, prediction: Array.from(prediction.keys()).filter((i) => prediction[i]), path };
}

function render({ model, el }) {
  const masks = new Masks(model);
  const slice = new Slice(masks, new Hand(masks));
  const [situations, numbers, charts] = [new Situations(masks), new Numbers(masks), new Charts(masks)];
  const controls = controlsOf(model, masks.data);
  const live = announcer();
  const root = frame(el, "metric_playground", "Metric playground",
    h("div", { class: "ga-play-parts" }, slice.picture.element, h("div", { class: "ga-play-side" }, situations.element, numbers.facts, numbers.note, numbers.small)),
    h("div", { class: "ga-controls ga-block" }, ...controls),
    h("p", { class: "ga-note ga-block" }, "The same mistakes, with the mask pushed farther and farther in the direction of its shift; the line is where it is now:"),
    charts.element, live);
  const show = () => {
    const now = masks.look();
    slice.show(now);
    numbers.show(now, situations.show());
    controls.find((one) => one.dataset.trait === "held").hidden = !masks.get("speck");
    charts.show(now);
    live.say(numbers.words(now));
  };
  const followed = follow(model, SHOWN, show);
  root.inspect = () => inspect(masks, slice.now, numbers);
  return closing(root, followed, controls, slice.picture, charts);
}

export default { render };
