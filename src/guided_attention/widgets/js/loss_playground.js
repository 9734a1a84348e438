// Loss playground: recorded terms of eq. 11 times weights that the reader chooses.

import { Chart, swatch } from "./chart.js";
import { announcer, button, change, clamp, digits, follow, frame, h, percent, radios, slider } from "./dom.js";

const SHOWN = ["alpha", "beta", "gamma", "epoch", "view"];
const GREEK = { alpha: "α", beta: "β", gamma: "γ" };
const FAR = 10; // powers of two on either side of the paper's weight; beyond the left end: 0
const DECADES = 5; // that a logarithmic axis shows at most

function render({ model, el }) {
  const { epochs, terms, dice, paper, name } = model.get("data");
  const last = epochs.length - 1;
  const trained = epochs.map((_, i) => terms.reduce((sum, { values, trained: weight }) => sum + weight * values[i], 0));
  const weighted = () => terms.map(({ values, weight }) => values.map((value) => model.get(weight) * value));
  const at = () => Math.max(0, epochs.indexOf(model.get("epoch")));
  const go = (place) => change(model, { epoch: epochs[clamp(place, 0, last)] });
  let now = null;

  const chart = new Chart({
    label: "Epoch", height: 240,
    pick: (x) => go(epochs.reduce((best, epoch, i) => (Math.abs(epoch - x) < Math.abs(epochs[best] - x) ? i : best), 0)),
    keys: (step) => go(at() + step),
  });
  const legend = h("div", { class: "ga-legend" });
  const weights = terms.map(({ weight, name: term, equation }) => slider(model, weight, `${GREEK[weight]}: ${term} (eq. ${equation})`, {
    min: -FAR - 1, max: FAR, step: 0.5,
    to: (place) => (place <= -FAR - 1 ? 0 : paper[weight] * 2 ** place),
    from: (value) => (value > 0 ? Math.log2(value / paper[weight]) : -FAR - 1),
    words: (value) => digits(value),
  }));
  const views = radios(model, "view", "Curves", [["stacked", "stacked"], ["shares", "shares"], ["lines", "lines, log"]]);

  const set = (choose) => () => change(model, Object.fromEntries(terms.map((term, i) => [term.weight, choose(term, i)])));
  // Every term as large as the first at the chosen epoch.
  const even = () => {
    const first = model.get(terms[0].weight) || paper[terms[0].weight];
    change(model, Object.fromEntries(terms.map(({ weight, values }) => [weight, values[at()] ? (first * terms[0].values[at()]) / values[at()] : model.get(weight)])));
  };
  const differs = terms.some(({ weight, trained: used }) => used !== paper[weight]);
  const buttons = [
    button("The paper's weights", set(({ weight }) => paper[weight]), { "data-act": "paper" }),
    differs && button("Weights of this run", set(({ trained: used }) => used), { "data-act": "trained" }),
    button("All 1", set(() => 1), { "data-act": "ones" }),
    button("Segmentation alone", set((_, i) => (i ? 0 : paper[terms[0].weight])), { "data-act": "alone" }),
    button("Even shares at this epoch", even, { "data-act": "even" }),
  ].filter(Boolean);
  const facts = h("dl", { class: "ga-facts" });
  const bars = h("div", { class: "ga-bars ga-block", role: "group", "aria-label": "Share of each term at the epoch" });
  const warning = h("p", { class: "ga-note ga-block" }, name ? `Recorded: ${name}. ` : "",
    h("strong", {}, "Re-weighting a recording does not retrain the network. "),
    "The terms are those of the training that was done. With other weights the network would have taken another way, and the terms would have come out differently.");
  const live = announcer();
  const root = frame(el, "loss_playground", "Loss playground",
    h("div", { class: "ga-controls" }, ...weights, views),
    h("div", { class: "ga-play-buttons ga-block" }, ...buttons),
    h("figure", { class: "ga-figure ga-block" }, chart.element, legend),
    facts, bars, warning, live);

  function lines(rows, total) {
    const curve = (values, index, log) => ({ index, points: epochs.map((epoch, i) => [epoch, log && !(values[i] > 0) ? null : values[i]]) });
    if (model.get("view") === "lines") {
      const all = [...rows.flat(), ...total, ...trained].filter((value) => value > 0);
      const high = 10 ** Math.ceil(Math.log10(Math.max(...all)));
      const low = Math.max(10 ** Math.floor(Math.log10(Math.min(...all))), high / 10 ** DECADES);
      return { log: true, ys: [low, high], lines: [...rows.map((row, i) => curve(row, i, true)), curve(total, 3, true)], areas: [] };
    }
    const shares = model.get("view") === "shares";
    const base = epochs.map(() => 0);
    const areas = rows.map((row, index) => ({ index, points: epochs.map((epoch, i) => {
      const part = shares ? (total[i] ? (100 * row[i]) / total[i] : 0) : row[i];
      base[i] += part;
      return [epoch, base[i] - part, base[i]];
    }) }));
    if (shares) return { log: false, ys: [0, 100], y: "share, %", areas };
    return { log: false, ys: [0, 1.05 * Math.max(...total, ...trained)], areas, lines: [curve(trained, 3, false)] };
  }

  function show() {
    const rows = weighted();
    const total = epochs.map((_, i) => rows.reduce((sum, row) => sum + row[i], 0));
    const i = at();
    const shares = rows.map((row) => (total[i] ? row[i] / total[i] : null));
    now = { rows, total, shares };
    const view = model.get("view");
    chart.show({ xs: [epochs[0], epochs[last]], cursor: epochs[i], x: "epoch", y: "weighted loss", ...lines(rows, total) });
    for (const [attribute, value] of Object.entries({ valuemin: epochs[0], valuemax: epochs[last], valuenow: epochs[i],
      valuetext: `epoch ${epochs[i]}, total ${digits(total[i])}` })) chart.view.setAttribute(`aria-${attribute}`, value);
    legend.replaceChildren(
      ...terms.map(({ name: term, weight }, k) => h("span", {}, swatch(k, view !== "lines"), ` ${GREEK[weight]} × ${term}`)),
      ...(view === "shares" ? [] : [h("span", {}, swatch(3), view === "stacked" ? " total that was minimised" : " total")]));
    const fact = (words, value, more = "") => h("div", {}, h("dt", {}, words), h("dd", {}, value, " ", h("small", {}, more)));
    facts.replaceChildren(...[
      fact("Epoch", String(epochs[i]), `of ${epochs[last]}`),
      fact("Total with these weights", digits(total[i])),
      fact("Total that was minimised", digits(trained[i])),
      dice && fact("Validation DSC", dice[i].toFixed(3), "recorded"),
    ].filter(Boolean));
    bars.replaceChildren(...terms.flatMap(({ name: term }, k) => {
      const fill = h("div", { class: `ga-fill ga-series-${k}` });
      Object.assign(fill.style, { width: `${100 * (shares[k] ?? 0)}%`, background: "var(--ga-series)" });
      return [h("span", {}, term), h("div", { class: "ga-track", "aria-hidden": "true" }, fill), h("span", {}, shares[k] === null ? "–" : percent(shares[k]))];
    }));
    const words = shares.map((share, k) => `${terms[k].name} ${share === null ? "nothing" : percent(share)}`).join(", ");
    live.say(total[i] ? `Epoch ${epochs[i]}. Total ${digits(total[i])}: ${words}.` : "Every weight is 0: there is nothing to minimise.");
  }

  const stops = [follow(model, SHOWN, show), ...[...weights, views].map((control) => control.stop)];
  root.inspect = () => ({ ...Object.fromEntries(SHOWN.map((trait) => [trait, model.get(trait)])), weighted: now.rows, total: now.total, shares: now.shares,
    names: terms.map((term) => term.name), dice: dice ? dice[at()] : null });
  return () => {
    for (const stop of stops) stop();
    chart.stop();
    root.remove();
  };
}

export default { render };
