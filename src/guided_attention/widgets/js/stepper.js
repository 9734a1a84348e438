// Refinement stepper: F_MS, two attention steps and the prediction as a flow, for one network or several.

import { bytes, floats, keeper } from "./arrays.js";
import { attentionRow, blockOf, entropy, halfMass, positionOf } from "./attention.js";
import { colourise, viridis } from "./colours.js";
import { announcer, change, clamp, closing, digits, fact, follow, frame, h, radios } from "./dom.js";
import { currentNetwork, mapChoices } from "./explorer.js";
import { named, ramp } from "./legend.js";
import { area, heat, outlines, stroke } from "./overlay.js";
import { Picture, greyTile, marker, tile } from "./picture.js";

const SHOWN = ["network", "scale", "step", "shown", "channel", "position"];
const KINDS = [
  ["features", "attention features"],
  ["rebuilt", "reconstruction"],
  ["passed", "after guidance"],
];

// Everything that follows from the data and the traits, without a page.
class Flow {
  constructor(model) {
    const data = model.get("data");
    Object.assign(this, { model, data, size: data.image.shape, pitch: data.spacing ?? [1, 1], once: keeper() });
    this.labels = data.labels && bytes(data.labels);
  }

  get network() {
    return currentNetwork(this.model, this.data);
  }

  scaleOf(network) {
    return network.scales.find((found) => found.scale === this.model.get("scale")) ?? network.scales[0];
  }

  stepOf(network, step) {
    return network.maps.find((map) => map.scale === this.scaleOf(network).scale && map.step === step);
  }

  // What a step shows: without guidance nothing is rebuilt, and the features themselves go on.
  shownOf(map) {
    return map[this.model.get("shown")] ?? map.features;
  }

  // Which picture of a stack: 0 is the norm, then the single channels.
  get view() {
    return this.model.get("channel") < 0 ? 0 : 1 + this.data.channels.indexOf(this.model.get("channel"));
  }

  classes(packed) {
    return this.once(packed, () => bytes(packed));
  }

  // The present picture of a stack, in 256 steps between `low` and `high`.
  steps(packed) {
    const [, rows, columns] = packed.steps.shape;
    const count = rows * columns;
    const values = this.classes(packed.steps).subarray(this.view * count, (this.view + 1) * count);
    return { rows, columns, values, low: packed.low[this.view], high: packed.high[this.view] };
  }

  numbers(packed) {
    const { values, low, high } = this.steps(packed);
    return Array.from(values, (step) => low + ((high - low) * step) / 255);
  }

  row(map) {
    if (!map.attention) return null;
    const { query, key, grid } = map.attention;
    const [queries, keys] = [query, key].map((packed) => this.once(packed, () => floats(packed)));
    return attentionRow(queries, keys, query.shape[0], positionOf(this.model.get("position"), this.size, grid));
  }

  block(grid) {
    return blockOf(this.model.get("position"), this.size, grid);
  }

  // How many pixels of a prediction differ from the labels.
  wrong(packed) {
    const classes = this.classes(packed);
    return this.labels ? this.labels.reduce((sum, label, i) => sum + (label !== classes[i]), 0) : null;
  }

  choose(pixel) {
    change(this.model, { position: pixel.map((place, axis) => clamp(place, 0, this.size[axis] - 1)) });
  }

  move(rows, columns) {
    const { attention } = this.stepOf(this.network, 1);
    const [top, left, height, width] = this.block(attention ? attention.grid : this.size);
    this.choose([Math.floor(top + (rows + 0.5) * height), Math.floor(left + (columns + 0.5) * width)]);
  }

  inspect() {
    const step = (map) => ({ shown: this.numbers(this.shownOf(map)), error: map.error, row: Array.from(this.row(map) ?? []) });
    const networks = this.data.networks.map((network) => {
      const scale = this.scaleOf(network);
      return {
        name: network.name, latents: scale.latents, raw: this.numbers(scale.features), fused: this.numbers(network.fused),
        wrong: [this.wrong(scale.raw), this.wrong(scale.refined)], steps: [1, 2].map((number) => step(this.stepOf(network, number))),
      };
    });
    const [scale, number, position] = ["scale", "step", "position"].map((name) => this.model.get(name));
    return { network: this.network.name, scale, step: number, position, networks };
  }
}

// How features, predictions and attention are drawn.
class Brush {
  constructor(flow) {
    const { data, size, labels } = flow;
    this.flow = flow;
    this.grey = greyTile(bytes(data.image), size[1], size[0]);
    this.organs = labels ? outlines(labels, size, data.classes) : [];
  }

  features(context, packed) {
    const { size } = this.flow;
    const { rows, columns, values } = this.flow.steps(packed);
    context.imageSmoothingEnabled = false;
    context.drawImage(tile(colourise(values, columns, rows, (step) => [...viridis(step / 255), 255])), 0, 0, size[1], size[0]);
  }

  prediction(context, unit, packed) {
    const { data, size } = this.flow;
    const classes = this.flow.classes(packed);
    context.drawImage(this.grey, 0, 0);
    data.classes.forEach(({ colour }, value) => {
      if (!value) return;
      context.fillStyle = `${colour}90`;
      context.fill(area(size[1], size[0], (i) => classes[i] === value));
    });
    for (const [path] of this.organs) stroke(context, unit, path, [["#000a", 2.6], ["#fff", 1.2]]);
  }

  attention(context, unit, map) {
    context.imageSmoothingEnabled = true;
    context.drawImage(this.grey, 0, 0);
    const row = this.flow.row(map);
    if (!row) return;
    const { grid } = map.attention;
    const most = Math.max(2 / row.length, ...row);
    heat(context, this.flow.size, row, grid, (weight) => weight / most);
    for (const [path, colour] of this.organs) stroke(context, unit, path, [["#0008", 3.4], [colour, 1.8]]);
    marker(context, unit, this.flow.block(grid));
  }
}

// One network: six pictures in the order of the flow.
class Lane {
  constructor(flow, brush, network) {
    Object.assign(this, { flow, brush, network });
    const features = (find) => (context) => brush.features(context, find());
    const head = (name) => (context, unit) => brush.prediction(context, unit, flow.scaleOf(network)[name]);
    this.raw = this.picture("raw", "F′, of this scale", "features of the scale", features(() => flow.scaleOf(network).features));
    this.fused = this.picture("fused", "F_MS, of all scales", "fused features of all scales", features(() => network.fused));
    this.steps = [1, 2].map((number) => this.picture(`step${number}`, `Step ${number}`, `step ${number}. Arrow keys choose the step.`,
      features(() => flow.shownOf(flow.stepOf(network, number))), number));
    this.heads = [["raw", "Raw prediction"], ["refined", "Refined prediction"]].map(([name, words]) =>
      this.picture(`${name}head`, words, words, head(name)));
    this.pictures = [this.raw, this.fused, ...this.steps, ...this.heads];
    this.bridge = h("div", { class: "ga-bridge" });
    this.element = h("div", { class: "ga-lane", role: "group", "aria-label": network.name },
      flow.data.networks.length > 1 ? h("h4", {}, network.name) : null, this.raw.element, this.bridge, this.heads[0].element,
      this.fused.element, this.steps[0].element, this.steps[1].element, this.heads[1].element);
  }

  // A picture with a line of words below it; a click chooses its step, if it has one.
  picture(name, caption, label, paint, step = null) {
    const { size, pitch, model } = this.flow;
    const choose = (number) => change(model, { network: this.network.name, step: number });
    const pick = step && ((pixel, how) => { if (how === "click") choose(step); });
    const move = step && ((rows, columns) => choose(clamp(step + rows + columns, 1, 2)));
    const made = new Picture({ size, pitch, letters: name.endsWith("head"), label: `${this.network.name}: ${label}`, caption, paint, pick, move });
    made.below = h("span", { class: "ga-note" });
    made.element.append(made.below);
    made.element.classList.add(`ga-stage-${name}`);
    return made;
  }

  show() {
    const scale = this.flow.scaleOf(this.network);
    for (const picture of this.pictures) picture.draw();
    this.raw.below.textContent = this.range(scale.features);
    this.fused.below.textContent = this.range(this.network.fused);
    this.steps.forEach((picture, i) => this.showStep(picture, i + 1));
    this.heads.forEach((picture, i) => {
      const count = this.flow.wrong([scale.raw, scale.refined][i]);
      picture.below.textContent = count === null ? "" : `${count} pixels wrong`;
    });
    this.bridge.replaceChildren(...(this.network.guided
      ? [h("span", {}, "encoders of both steps"), h("strong", {}, digits(scale.latents)), h("small", {}, "mean squared distance of their latents (eq. 6)")]
      : [h("span", {}, "no guidance"), h("small", {}, "nothing ties the two steps together")]));
  }

  showStep(picture, number) {
    const { model } = this.flow;
    const map = this.flow.stepOf(this.network, number);
    const there = map[model.get("shown")] || model.get("shown") === "features";
    picture.below.textContent = `${this.range(this.flow.shownOf(map))}${there ? "" : ", not guided"}`;
    picture.element.classList.toggle("ga-chosen", this.network.name === this.flow.network.name && number === model.get("step"));
  }

  range(packed) {
    const { low, high } = this.flow.steps(packed);
    return `${digits(low, 2)} to ${digits(high, 2)}`;
  }

  stop() {
    for (const picture of this.pictures) picture.stop();
  }
}

// What the chosen position attends to in one step of the chosen network.
class Attends {
  constructor(flow, brush, step) {
    Object.assign(this, { flow, step, words: h("span") });
    this.picture = new Picture({
      size: flow.size, pitch: flow.pitch, caption: this.words,
      label: `Slice with what the chosen position attends to in step ${step}. Click or use arrow keys to choose the position.`,
      move: (rows, columns) => flow.move(rows, columns),
      pick: (pixel, how) => { if (how === "click") flow.choose(pixel); },
      paint: (context, unit) => brush.attention(context, unit, flow.stepOf(flow.network, step)),
    });
  }

  show() {
    const { data, network } = this.flow;
    this.words.replaceChildren(h("strong", {}, `Attention in step ${this.step}`), data.networks.length > 1 ? ` of ${network.name}` : "");
    this.picture.draw();
  }

  stop() {
    this.picture.stop();
  }
}

// Numbers of the chosen step.
class Numbers {
  constructor(flow) {
    Object.assign(this, { flow, facts: h("dl", { class: "ga-facts" }), note: h("p", { class: "ga-note ga-block" }), live: announcer() });
  }

  show() {
    const { network } = this.flow;
    const map = this.flow.stepOf(network, this.flow.model.get("step"));
    const { latents } = this.flow.scaleOf(network);
    const row = this.flow.row(map);
    this.facts.replaceChildren(...[
      row && fact(`Entropy, step ${map.step}`, digits(entropy(row)), `of ${digits(Math.log2(row.length))} bits`),
      row && fact("Half of the attention", String(halfMass(row).length), `of ${row.length} positions`),
      map.error !== null && fact("Reconstruction", digits(map.error), "mean squared error (eq. 7)"),
      latents !== null && fact("Latents of both steps", digits(latents), "apart (eq. 6)"),
    ].filter(Boolean));
    this.note.textContent = network.guided
      ? "Guided: what the decoder rebuilds of a step’s input multiplies, through one convolution, the step’s attention features."
      : "Not guided: the attention features of each step go on as they are.";
    const half = row ? ` Half of the attention on ${halfMass(row).length} of ${row.length} positions.` : "";
    this.live.say(`${network.name}, scale ${map.scale}, step ${map.step}.${half}`);
  }
}

function choicesOf(model, data) {
  const channels = data.channels.map((channel) => [channel, `channel ${channel}`]);
  return [
    ...mapChoices(model, data),
    data.networks.some((network) => network.guided) && radios(model, "shown", "Steps show", KINDS),
    channels.length > 0 && radios(model, "channel", "Of the features", [[-1, "norm"], ...channels]),
  ].filter(Boolean);
}

function render({ model, el }) {
  const flow = new Flow(model);
  const { data } = flow;
  const brush = new Brush(flow);
  const lanes = data.networks.map((network) => new Lane(flow, brush, network));
  const attends = [1, 2].map((step) => new Attends(flow, brush, step));
  const withAttention = data.networks.some(({ maps }) => maps.some((map) => map.attention));
  const attention = withAttention ? [
    h("div", { class: "ga-columns ga-block" }, ...attends.map(({ picture }) => picture.element)),
    ramp(h("span", {}, "0"), h("span", {}, "the largest weight of each")),
  ] : [];
  const legend = h("div", { class: "ga-legend" }, ...data.classes.slice(1).map(named), flow.labels && h("span", {}, "white line: reference"));
  const choices = choicesOf(model, data);
  const numbers = new Numbers(flow);
  const root = frame(el, "stepper", "Refinement stepper",
    h("div", { class: "ga-controls" }, ...choices), ...lanes.map(({ element }) => element), legend, ...attention, numbers.facts, numbers.note, numbers.live);
  const followed = follow(model, SHOWN, () => {
    for (const part of [...lanes, ...attends, numbers]) part.show();
  });
  root.inspect = () => flow.inspect();
  return closing(root, followed, choices, lanes, attends);
}

export default { render };
