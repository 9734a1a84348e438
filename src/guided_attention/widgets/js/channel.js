// Channel attention explorer: whom a channel listens to, under three energies, and what comes back to it.

import { bytes, floats, keeper } from "./arrays.js";
import { entropy, halfMass } from "./attention.js";
import { colourise, viridis } from "./colours.js";
import { announcer, change, clamp, closing, digits, fact, follow, frame, h, radios } from "./dom.js";
import { currentMap, mapChoices } from "./explorer.js";
import { bar, ramp } from "./legend.js";
import { outlines, stroke } from "./overlay.js";
import { Picture, greyTile, tile } from "./picture.js";

const SHOWN = ["channel", "other", "network", "scale", "step", "energy"];
const ENERGIES = [
  ["paper", "E", "the equation"],
  ["released", "max E − E", "the released code"],
  ["scaled", "E / √N", "our remedy"],
];
const LISTED = 6;

// Everything that follows from the data and the traits, without a page.
class Channels {
  constructor(model) {
    const data = model.get("data");
    Object.assign(this, { model, data, size: data.image.shape, pitch: data.spacing ?? [1, 1], once: keeper() });
  }

  get map() {
    return currentMap(this.model, this.data);
  }

  get count() {
    return this.map.features.shape[0];
  }

  // The channel that listens, and the one that is listened to.
  get pair() {
    return ["channel", "other"].map((name) => clamp(this.model.get(name), 0, this.count - 1));
  }

  get weights() {
    const packed = this.map.weights[this.model.get("energy")];
    return this.once(packed, () => floats(packed));
  }

  row(j) {
    return this.weights.subarray(j * this.count, (j + 1) * this.count);
  }

  // The channels in the order in which channel j listens to them.
  loudest(j) {
    const row = this.row(j);
    return Array.from(row.keys()).sort((a, b) => row[b] - row[a] || a - b);
  }

  // Mean weight that channels give to themselves.
  diagonal() {
    return Array.from({ length: this.count }, (_, k) => this.row(k)[k]).reduce((a, b) => a + b, 0) / this.count;
  }

  // One channel's values, as far as 256 steps between its least and its greatest can tell.
  values(i) {
    const { features, low, high } = this.map;
    const [, rows, columns] = features.shape;
    const steps = this.once(features, () => bytes(features)).subarray(i * rows * columns, (i + 1) * rows * columns);
    return Float32Array.from(steps, (step) => low[i] + ((high[i] - low[i]) * step) / 255);
  }

  // What comes back to channel j: all channels, each times its weight.
  mixed(j) {
    const sum = new Float32Array(this.map.features.shape[1] * this.map.features.shape[2]);
    this.row(j).forEach((weight, i) => {
      if (weight > 0) this.values(i).forEach((value, n) => { sum[n] += weight * value; });
    });
    return sum;
  }

  choose(j, i) {
    change(this.model, { channel: clamp(j, 0, this.count - 1), other: clamp(i, 0, this.count - 1) });
  }

  inspect() {
    const [channel, other] = this.pair;
    return { channel, other, row: Array.from(this.row(channel)), values: Array.from(this.values(other)),
      back: Array.from(this.mixed(channel)), listed: this.loudest(channel).slice(0, LISTED) };
  }
}

// The map of all channels; its line of words says what the mouse is over.
class Matrix {
  constructor(it) {
    Object.assign(this, { it, words: h("p", { class: "ga-note" }), most: h("span") });
    this.picture = new Picture({
      size: [it.count, it.count],
      letters: false,
      label: "Channel attention map: rows listen, columns are listened to. Arrow keys choose a cell.",
      caption: h("span", {}, h("strong", {}, "Map: "), "row j listens to column i"),
      pick: (pixel, how) => (how === "click" ? it.choose(...pixel) : this.say(pixel)),
      move: (rows, columns) => it.choose(it.pair[0] + rows, it.pair[1] + columns),
      press: () => it.choose(it.pair[0], it.loudest(it.pair[0])[0]),
      paint: (context, unit) => this.paint(context, unit),
    });
    this.element = this.picture.element;
    this.element.append(ramp(h("span", {}, "0"), this.most), this.words);
  }

  paint(context, unit) {
    const { count, weights, pair: [j, i] } = this.it;
    const most = Math.max(...weights);
    context.imageSmoothingEnabled = false;
    context.drawImage(tile(colourise(weights, count, count, (weight) => [...viridis(weight / most), 255])), 0, 0);
    for (const [style, line] of [["#000c", 3.6 * unit], ["#fff", 1.5 * unit]]) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.strokeRect(line / 2, j, count - line, 1);
      context.strokeRect(i - 0.2, j - 0.2, 1.4, 1.4);
    }
  }

  say(pixel) {
    const [j, i] = pixel ?? this.it.pair;
    this.words.textContent = `Channel ${j} listens to channel ${i} with weight ${digits(this.it.row(j)[i])}`;
  }

  show() {
    this.picture.size = [this.it.count, this.it.count];
    this.picture.draw();
    this.say(null);
    this.most.textContent = digits(Math.max(...this.it.weights));
  }

  stop() {
    this.picture.stop();
  }
}

// Both channels, what comes back, and the slice.
class Pictures {
  constructor(it) {
    this.it = it;
    this.grey = greyTile(bytes(it.data.image), it.size[1], it.size[0]);
    this.organs = it.data.labels ? outlines(bytes(it.data.labels), it.size, it.data.classes) : [];
    this.titles = [h("strong"), h("strong"), h("strong", {}, "What comes back"), h("strong", {}, "Slice")];
    const features = (find) => (context, unit) => this.features(context, unit, find());
    const parts = [
      ["Features of the channel that listens", features(() => it.values(it.pair[0]))],
      ["Features of the channel that is listened to", features(() => it.values(it.pair[1]))],
      ["Sum of all channels, each times its weight", features(() => it.mixed(it.pair[0]))],
      ["The slice", (context, unit) => this.slice(context, unit)],
    ];
    this.pictures = parts.map(([label, paint], i) => new Picture({ size: it.size, pitch: it.pitch, label, caption: this.titles[i], paint }));
    this.element = h("div", { class: "ga-four" }, ...this.pictures.map(({ element }) => element));
  }

  features(context, unit, numbers) {
    const [, rows, columns] = this.it.map.features.shape;
    const least = Math.min(...numbers);
    const span = Math.max(...numbers) - least || 1;
    context.imageSmoothingEnabled = false;
    context.drawImage(tile(colourise(numbers, columns, rows, (value) => [...viridis((value - least) / span), 255])), 0, 0, this.it.size[1], this.it.size[0]);
    for (const [path, colour] of this.organs) stroke(context, unit, path, [["#0008", 2.6], [colour, 1.5]]);
  }

  slice(context, unit) {
    context.drawImage(this.grey, 0, 0);
    for (const [path, colour] of this.organs) stroke(context, unit, path, [[colour, 1.6]]);
  }

  show() {
    const [j, i] = this.it.pair;
    this.titles[0].textContent = `Channel ${j} listens`;
    this.titles[1].textContent = `Channel ${i} is heard`;
    for (const picture of this.pictures) picture.draw();
  }

  stop() {
    for (const picture of this.pictures) picture.stop();
  }
}

// Facts, the list of the loudest, and which energy is shown.
class Numbers {
  constructor(it) {
    this.it = it;
    this.facts = h("dl", { class: "ga-facts" });
    this.list = h("div", { class: "ga-bars ga-block", role: "group", "aria-label": "Channels that are listened to most" });
    this.note = h("p", { class: "ga-note ga-block" });
  }

  show() {
    const { it } = this;
    const [j] = it.pair;
    const listens = it.row(j);
    const [first] = it.loudest(j);
    this.facts.replaceChildren(
      fact("Listens most to", `channel ${first}`, digits(listens[first])),
      fact("To itself", digits(listens[j]), `mean of all: ${digits(it.diagonal())}`),
      fact("Entropy", digits(entropy(listens)), `of ${digits(Math.log2(it.count))} bits`),
      fact("Half of the weight", String(halfMass(listens).length), `of ${it.count} channels`),
    );
    this.showList(j, listens);
    const [, own, whose] = ENERGIES.find(([name]) => name === it.map.energy);
    const [, , source] = ENERGIES.find(([name]) => name === it.model.get("energy"));
    const use = it.map.lam === 0
      ? "λ = 0: the network does not use this map yet"
      : `λ = ${digits(it.map.lam, 3)}: the network adds λ times what comes back`;
    this.note.textContent = `Shown: ${source}. This module uses ${own} (${whose}). ${use}.`;
  }

  // Whoever has the keyboard on a channel of the list keeps it, wherever the channel now stands.
  showList(j, listens) {
    const loudest = this.it.loudest(j);
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.channel : null;
    this.list.replaceChildren(...loudest.slice(0, LISTED).flatMap((k) => {
      const name = h("button", { type: "button", class: "ga-button ga-plain", "data-channel": k, "aria-pressed": String(k === this.it.pair[1]),
        on: { click: () => this.it.choose(j, k) } }, `channel ${k}${k === j ? " (itself)" : ""}`);
      return [name, bar((100 * listens[k]) / listens[loudest[0]], "var(--ga-bar)"), h("span", {}, digits(listens[k]))];
    }));
    if (focused !== null) this.list.querySelector(`[data-channel="${focused}"]`)?.focus();
  }

  // For screen readers.
  words() {
    const [j] = this.it.pair;
    const [first] = this.it.loudest(j);
    return `It listens most to channel ${first}, ${digits(this.it.row(j)[first])}; to itself ${digits(this.it.row(j)[j])}.`;
  }
}

function render({ model, el }) {
  const it = new Channels(model);
  const energies = ENERGIES.filter(([name]) => it.data.networks[0].maps[0].weights[name]);
  const choices = [...mapChoices(model, it.data), radios(model, "energy", "Softmax of", energies)];
  const matrix = new Matrix(it);
  const pictures = new Pictures(it);
  const numbers = new Numbers(it);
  const live = announcer();
  const root = frame(
    el, "channel", "Channel attention explorer",
    h("div", { class: "ga-controls" }, ...choices), h("div", { class: "ga-columns ga-block" }, matrix.element, pictures.element),
    numbers.facts, numbers.list, numbers.note, live,
  );
  const followed = follow(model, SHOWN, () => {
    for (const part of [matrix, pictures, numbers]) part.show();
    live.say(`${matrix.words.textContent}. ${numbers.words()}`);
  });
  root.inspect = () => it.inspect();
  return closing(root, followed, choices, matrix, pictures);
}

export default { render };
