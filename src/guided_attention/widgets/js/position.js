// Position attention explorer: choose a position, see what it attends to. Rows are computed here, from queries and keys.

import { bytes } from "./arrays.js";
import { positionOf } from "./attention.js";
import { announcer, button, change, clamp, closing, digits, fact, follow, frame, h, percent, radios, slider } from "./dom.js";
import { Explorer, mapChoices } from "./explorer.js";
import { bar, named, ramp } from "./legend.js";
import { heat, outlines, stroke } from "./overlay.js";
import { Picture, greyTile, marker } from "./picture.js";
import { LETTERS, PinTable } from "./pins.js";

const SHOWN = ["position", "pinned", "network", "scale", "step", "temperature", "overlay", "colours"];
const KEYS = "Arrow keys move, with shift five positions at a time; Enter pins.";

// The end of the colours: twice uniform at least, so that a uniform row looks as dull as it is.
const top = (row) => Math.max(2 / row.length, ...row);

// Place of a weight on the colours, 0 to 1: even, or over three powers of ten.
const place = (weight, most, colours) =>
  colours === "logarithmic" ? clamp(1 + Math.log10(weight / most) / 3, 0, 1) : weight / most;

// What the reader does: where the mouse is, and what becomes of the traits.
class Hand {
  constructor(it) {
    Object.assign(this, { it, model: it.model, hovered: null });
  }

  // The pixel that asks.
  get pixel() {
    return this.hovered ?? this.model.get("position");
  }

  choose(pixel) {
    change(this.model, { position: pixel });
  }

  move(rows, cols) {
    const { grid } = this.it.map();
    const at = positionOf(this.model.get("position"), this.it.size, grid);
    this.choose(this.it.centre(clamp(Math.floor(at / grid[1]) + rows, 0, grid[0] - 1), clamp((at % grid[1]) + cols, 0, grid[1] - 1)));
  }

  pin() {
    const pinned = this.model.get("pinned");
    if (pinned.length < LETTERS.length) change(this.model, { pinned: [...pinned, [...this.model.get("position")]] });
  }
}

// The slice that is asked, and the same with what the position attends to. `now` is what `Explorer.facts` found.
class Pictures {
  constructor(it, { pick, move, press }) {
    Object.assign(this, { it, now: null, grey: greyTile(bytes(it.data.image), it.size[1], it.size[0]) });
    const common = { size: it.size, pitch: it.pitch, pick, move, press };
    this.asks = new Picture({
      ...common,
      label: `Slice. Choose the position that asks. ${KEYS}`,
      caption: h("span", {}, h("strong", {}, "Asks: "), "choose a position"),
      paint: (context, unit) => this.paintAsks(context, unit),
    });
    this.answers = new Picture({
      ...common,
      label: `Slice with the attention of the chosen position over it. ${KEYS}`,
      caption: h("span", {}, h("strong", {}, "Answers: "), "what it attends to"),
      paint: (context, unit) => this.paintAnswers(context, unit),
    });
    this.least = h("span");
    this.most = h("span");
    this.legend = h("div", { class: "ga-legend" });
    this.answers.element.append(ramp(this.least, this.most));
    this.asks.element.append(this.legend);
    this.element = h("div", { class: "ga-columns" }, this.asks.element, this.answers.element);
  }

  paintAsks(context, unit) {
    this.slice(context);
    this.outlines(context, unit, (colour) => [[colour, 1.6]]);
    if (this.now) this.markers(context, unit);
  }

  paintAnswers(context, unit) {
    this.slice(context);
    if (!this.now) return;
    this.heat(context, this.now.row);
    this.outlines(context, unit, (colour) => [["#0008", 4], [colour, 2.2]]);
    this.markers(context, unit);
  }

  paintPin(context, unit, pixel, row) {
    this.slice(context);
    this.heat(context, row);
    marker(context, unit, this.it.block(pixel));
  }

  slice(context) {
    context.imageSmoothingEnabled = true;
    context.drawImage(this.grey, 0, 0);
  }

  heat(context, row) {
    const [most, colours] = [top(row), this.it.model.get("colours")];
    heat(context, this.it.size, row, this.it.map().grid, (weight) => place(weight, most, colours));
  }

  outlines(context, unit, layers) {
    const { it } = this;
    const labels = it.drawn();
    if (!labels) return;
    const found = it.once(`${it.model.get("overlay")} ${it.model.get("network")}`, () => outlines(labels, it.size, it.data.classes));
    for (const [path, colour] of found) stroke(context, unit, path, layers(colour));
  }

  markers(context, unit) {
    this.it.model.get("pinned").forEach((pixel, i) => marker(context, unit, this.it.block(pixel), LETTERS[i]));
    marker(context, unit, this.it.block(this.now.pixel));
  }

  show(now) {
    this.now = now;
    this.asks.draw();
    this.answers.draw();
    const count = now.row.length;
    this.most.textContent = `${digits(top(now.row) * count, 3)} × uniform`;
    this.least.textContent = this.it.model.get("colours") === "logarithmic" ? digits((top(now.row) * count) / 1000, 2) : "0";
    this.legend.replaceChildren(...(this.it.drawn() ? this.it.data.classes.slice(1) : []).map(named));
  }

  stop() {
    this.asks.stop();
    this.answers.stop();
  }
}

// The numbers below the pictures.
class Numbers {
  constructor(it, unit) {
    Object.assign(this, { it, unit });
    this.facts = h("dl", { class: "ga-facts" });
    this.bars = h("div", { class: "ga-bars ga-block", role: "group", "aria-label": "Share of attention for each organ" });
    this.barNote = h("p", { class: "ga-note" });
    this.note = h("p", { class: "ga-note ga-block" });
  }

  show(now) {
    const { lam } = this.it.map();
    const count = now.row.length;
    this.facts.replaceChildren(
      fact("Asks", now.under ?? "", `pixel ${now.pixel.join(", ")}`),
      fact("Entropy", digits(now.entropy), `of ${digits(Math.log2(count), 3)} bits`),
      fact("Half of the attention", String(now.half.length), `of ${count} positions`),
      fact("Their mean distance", digits(now.distance), this.unit),
    );
    this.bars.replaceChildren(...now.shares.flatMap(({ name, colour, share, area }) =>
      [h("span", {}, name), bar(100 * share, colour, { tick: 100 * area }), h("span", {}, percent(share))]));
    this.barNote.textContent = now.shares.length ? `Share of attention by ${this.it.classes().name}; the line: the organ's share of the slice.` : "";
    this.note.textContent = lam === 0
      ? "λ = 0: the network does not use this map yet; it adds nothing to the features."
      : `λ = ${digits(lam, 3)}: the network adds λ times what is attended to.`;
  }

  // The same in a sentence, for screen readers.
  words(now) {
    const organs = now.shares.slice(1).map(({ name, share }) => `${name} ${percent(share)}`).join(", ");
    return `Row ${now.pixel[0]}, column ${now.pixel[1]}${now.under ? `, ${now.under}` : ""}. Half of the attention on ${now.half.length} of ` +
      `${now.row.length} positions, mean distance ${digits(now.distance)} ${this.unit}. ${organs}`;
  }
}

function choicesOf(model, data) {
  const overlays = [["none", "nothing"]];
  if (data.networks.some((network) => network.prediction)) overlays.unshift(["prediction", "prediction"]);
  if (data.labels) overlays.unshift(["labels", "labels"]);
  return [
    ...mapChoices(model, data),
    overlays.length > 1 && radios(model, "overlay", "Outlines", overlays),
    radios(model, "colours", "Colours", [["linear", "linear"], ["logarithmic", "log"]]),
  ].filter(Boolean);
}

function pinControls(model, hand) {
  return {
    pin: button("Pin this position", () => hand.pin(), { "data-act": "pin" }),
    clear: button("Remove pins", () => change(model, { pinned: [] }), { "data-act": "clear" }),
    temperature: slider(model, "temperature", "Temperature", {
      min: -2, max: 2, step: 0.25, to: (power) => 2 ** power, from: Math.log2, words: (value) => digits(value, 2),
    }),
  };
}

function render({ model, el }) {
  const it = new Explorer(model);
  const unit = it.data.spacing ? "mm" : "pixels";
  const hand = new Hand(it);
  const numbers = new Numbers(it, unit);
  const show = () => {
    const now = it.facts(hand.pixel);
    pictures.show(now);
    numbers.show(now);
  };
  const pick = (pixel, how) => {
    hand.hovered = how === "hover" ? pixel : null;
    if (how === "click") hand.choose(pixel);
    else show();
  };
  const pictures = new Pictures(it, { pick, move: (rows, cols) => hand.move(rows, cols), press: () => hand.pin() });
  const pins = new PinTable(model, it, unit, (...what) => pictures.paintPin(...what));
  const choices = choicesOf(model, it.data);
  const { pin, clear, temperature } = pinControls(model, hand);
  const live = announcer();
  const root = frame(
    el, "position", "Position attention explorer",
    h("div", { class: "ga-controls" }, ...choices), pictures.element, h("div", { class: "ga-controls" }, pin, clear, temperature),
    numbers.facts, numbers.bars, numbers.barNote, pins.element, numbers.note, live,
  );
  const showAll = () => {
    show();
    pins.show();
    pin.disabled = model.get("pinned").length >= LETTERS.length;
    clear.disabled = !model.get("pinned").length;
    live.say(numbers.words(pictures.now));
  };
  const followed = follow(model, SHOWN, showAll);
  root.inspect = () => {
    const { row, pixel, entropy, half, distance, shares } = pictures.now;
    return { row: Array.from(row), position: [...pixel], grid: it.map().grid, entropy, half: half.length, distance, shares: shares.map(({ share }) => share) };
  };
  return closing(root, followed, choices, temperature, pictures, pins);
}

export default { render };
