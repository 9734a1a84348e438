// Loss playground: recorded terms of eq. 11 times weights that the reader chooses.

import { Chart, swatch } from "./chart.js";
import { announcer, button, change, clamp, closing, digits, fact, follow, frame, h, percent, radios, slider } from "./dom.js";
import { bar } from "./legend.js";

const SHOWN = ["alpha", "beta", "gamma", "epoch", "view"];
const GREEK = { alpha: "α", beta: "β", gamma: "γ" };
const FAR = 10; // powers of two on either side of the paper's weight; beyond the left end: 0
const DECADES = 5; // that a logarithmic axis shows at most

// Everything that follows from the recording and the traits, without a page.
class Recording {
  constructor(model) {
    const { epochs, terms, dice, paper, name } = model.get("data");
    Object.assign(this, { model, epochs, terms, dice, paper, name, last: epochs.length - 1 });
    this.trained = epochs.map((_, i) => terms.reduce((sum, { values, trained: weight }) => sum + weight * values[i], 0));
  }

  // Place of the chosen epoch.
  get at() {
    return Math.max(0, this.epochs.indexOf(this.model.get("epoch")));
  }

  go(place) {
    change(this.model, { epoch: this.epochs[clamp(place, 0, this.last)] });
  }

  nearest(x) {
    return this.epochs.reduce((best, epoch, i) => (Math.abs(epoch - x) < Math.abs(this.epochs[best] - x) ? i : best), 0);
  }

  // Give every term a weight: choose(term, place).
  set(choose) {
    change(this.model, Object.fromEntries(this.terms.map((term, i) => [term.weight, choose(term, i)])));
  }

  // Every term as large as the first at the chosen epoch.
  even() {
    const [{ weight: leading, values: lead }] = this.terms;
    const first = this.model.get(leading) || this.paper[leading];
    this.set(({ weight, values }) => (values[this.at] ? (first * lead[this.at]) / values[this.at] : this.model.get(weight)));
  }

  // The terms with their present weights: each by itself, their sum, and their shares at the chosen epoch.
  look() {
    const i = this.at;
    const rows = this.terms.map(({ values, weight }) => values.map((value) => this.model.get(weight) * value));
    const total = this.epochs.map((_, k) => rows.reduce((sum, row) => sum + row[k], 0));
    return { rows, total, shares: rows.map((row) => (total[i] ? row[i] / total[i] : null)) };
  }
}

// The curves, and what their lines mean.
class Curves {
  constructor(it) {
    this.it = it;
    this.chart = new Chart({ label: "Epoch", height: 240, pick: (x) => it.go(it.nearest(x)), keys: (step) => it.go(it.at + step) });
    this.legend = h("div", { class: "ga-legend" });
    this.element = h("figure", { class: "ga-figure ga-block" }, this.chart.element, this.legend);
  }

  curve(values, index, log) {
    return { index, points: this.it.epochs.map((epoch, i) => [epoch, log && !(values[i] > 0) ? null : values[i]]) };
  }

  logarithmic({ rows, total }) {
    const all = [...rows.flat(), ...total, ...this.it.trained].filter((value) => value > 0);
    const high = 10 ** Math.ceil(Math.log10(Math.max(...all)));
    const low = Math.max(10 ** Math.floor(Math.log10(Math.min(...all))), high / 10 ** DECADES);
    return { log: true, ys: [low, high], lines: [...rows.map((row, i) => this.curve(row, i, true)), this.curve(total, 3, true)], areas: [] };
  }

  // One term on top of the other, as they are or as parts of a hundred.
  stacked({ rows, total }, shares) {
    const { epochs, trained } = this.it;
    const base = epochs.map(() => 0);
    const areas = rows.map((row, index) => ({ index, points: epochs.map((epoch, i) => {
      const part = shares ? (total[i] ? (100 * row[i]) / total[i] : 0) : row[i];
      base[i] += part;
      return [epoch, base[i] - part, base[i]];
    }) }));
    if (shares) return { log: false, ys: [0, 100], y: "share, %", areas };
    return { log: false, ys: [0, 1.05 * Math.max(...total, ...trained)], areas, lines: [this.curve(trained, 3, false)] };
  }

  show(now) {
    const { epochs, last, at, model, terms } = this.it;
    const view = model.get("view");
    const what = view === "lines" ? this.logarithmic(now) : this.stacked(now, view === "shares");
    this.chart.show({ xs: [epochs[0], epochs[last]], cursor: epochs[at], x: "epoch", y: "weighted loss", ...what });
    const spoken = { valuemin: epochs[0], valuemax: epochs[last], valuenow: epochs[at], valuetext: `epoch ${epochs[at]}, total ${digits(now.total[at])}` };
    for (const [attribute, value] of Object.entries(spoken)) this.chart.view.setAttribute(`aria-${attribute}`, value);
    this.legend.replaceChildren(
      ...terms.map(({ name, weight }, k) => h("span", {}, swatch(k, view !== "lines"), ` ${GREEK[weight]} × ${name}`)),
      ...(view === "shares" ? [] : [h("span", {}, swatch(3), view === "stacked" ? " total that was minimised" : " total")]));
  }

  stop() {
    this.chart.stop();
  }
}

// Numbers and shares of the chosen epoch.
class Numbers {
  constructor(it) {
    this.it = it;
    this.facts = h("dl", { class: "ga-facts" });
    this.bars = h("div", { class: "ga-bars ga-block", role: "group", "aria-label": "Share of each term at the epoch" });
  }

  show({ total, shares }) {
    const { epochs, last, at, trained, dice, terms } = this.it;
    this.facts.replaceChildren(...[
      fact("Epoch", String(epochs[at]), `of ${epochs[last]}`),
      fact("Total with these weights", digits(total[at])),
      fact("Total that was minimised", digits(trained[at])),
      dice && fact("Validation DSC", dice[at].toFixed(3), "recorded"),
    ].filter(Boolean));
    this.bars.replaceChildren(...terms.flatMap(({ name }, k) => [
      h("span", {}, name), bar(100 * (shares[k] ?? 0), "var(--ga-series)", { kind: ` ga-series-${k}` }),
      h("span", {}, shares[k] === null ? "–" : percent(shares[k])),
    ]));
  }

  // For screen readers.
  words({ total, shares }) {
    const { epochs, at, terms } = this.it;
    const parts = shares.map((share, k) => `${terms[k].name} ${share === null ? "nothing" : percent(share)}`).join(", ");
    return total[at] ? `Epoch ${epochs[at]}. Total ${digits(total[at])}: ${parts}.` : "Every weight is 0: there is nothing to minimise.";
  }
}

const weightSliders = (model, { terms, paper }) => terms.map(({ weight, name, equation }) =>
  slider(model, weight, `${GREEK[weight]}: ${name} (eq. ${equation})`, {
    min: -FAR - 1, max: FAR, step: 0.5,
    to: (place) => (place <= -FAR - 1 ? 0 : paper[weight] * 2 ** place),
    from: (value) => (value > 0 ? Math.log2(value / paper[weight]) : -FAR - 1),
    words: (value) => digits(value),
  }));

function buttonsOf(it) {
  const { terms, paper } = it;
  const differs = terms.some(({ weight, trained }) => trained !== paper[weight]);
  const set = (words, choose, act) => button(words, () => it.set(choose), { "data-act": act });
  return [
    set("The paper's weights", ({ weight }) => paper[weight], "paper"),
    differs && set("Weights of this run", ({ trained }) => trained, "trained"),
    set("All 1", () => 1, "ones"),
    set("Segmentation alone", (_, i) => (i ? 0 : paper[terms[0].weight]), "alone"),
    button("Even shares at this epoch", () => it.even(), { "data-act": "even" }),
  ].filter(Boolean);
}

const warning = (name) => h("p", { class: "ga-note ga-block" }, name ? `Recorded: ${name}. ` : "",
  h("strong", {}, "Re-weighting a recording does not retrain the network. "),
  "The terms are those of the training that was done. With other weights the network would have taken another way, and the terms would have come out differently.");

function inspect(it) {
  const traits = Object.fromEntries(SHOWN.map((trait) => [trait, it.model.get(trait)]));
  const { rows, total, shares } = it.look();
  return { ...traits, weighted: rows, total, shares, names: it.terms.map(({ name }) => name), dice: it.dice ? it.dice[it.at] : null };
}

function render({ model, el }) {
  const it = new Recording(model);
  const [curves, numbers] = [new Curves(it), new Numbers(it)];
  const controls = [...weightSliders(model, it), radios(model, "view", "Curves", [["stacked", "stacked"], ["shares", "shares"], ["lines", "lines, log"]])];
  const live = announcer();
  const root = frame(el, "loss_playground", "Loss playground",
    h("div", { class: "ga-controls" }, ...controls), h("div", { class: "ga-play-buttons ga-block" }, ...buttonsOf(it)),
    curves.element, numbers.facts, numbers.bars, warning(it.name), live);
  const followed = follow(model, SHOWN, () => {
    const now = it.look();
    curves.show(now);
    numbers.show(now);
    live.say(numbers.words(now));
  });
  root.inspect = () => inspect(it);
  return closing(root, followed, controls, curves);
}

export default { render };
