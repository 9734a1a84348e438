// Channel attention explorer: whom a channel listens to, under three energies, and what comes back to it.

import { bytes, floats } from "./arrays.js";
import { entropy, halfMass } from "./attention.js";
import { colourise, viridis, viridisGradient } from "./colours.js";
import { announcer, change, clamp, digits, follow, frame, h, radios } from "./dom.js";
import { currentMap, mapChoices } from "./explorer.js";
import { Picture, greyTile, outline, tile } from "./picture.js";

const SHOWN = ["channel", "other", "network", "scale", "step", "energy"];
const ENERGIES = [
  ["paper", "E", "the equation"],
  ["released", "max E − E", "the released code"],
  ["scaled", "E / √N", "our remedy"],
];
const LISTED = 6;

function render({ model, el }) {
  const data = model.get("data");
  const size = data.image.shape;
  const pitch = data.spacing ?? [1, 1];
  const kept = new Map();
  const once = (key, make) => {
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key);
  };
  const grey = greyTile(bytes(data.image), size[1], size[0]);
  const organs = data.labels
    ? data.classes.map(({ colour }, value) => value && [outline(bytes(data.labels), size[1], size[0], value), colour]).filter(Boolean)
    : [];

  const map = () => currentMap(model, data);
  const count = () => map().features.shape[0];
  const weights = () => once(map().weights[model.get("energy")], () => floats(map().weights[model.get("energy")]));
  const row = (j) => weights().subarray(j * count(), (j + 1) * count());
  const channel = () => clamp(model.get("channel"), 0, count() - 1);
  const other = () => clamp(model.get("other"), 0, count() - 1);

  // One channel's values, as far as 256 steps between its least and its greatest can tell.
  const values = (i) => {
    const { features, low, high } = map();
    const [, rows, columns] = features.shape;
    const steps = once(features, () => bytes(features)).subarray(i * rows * columns, (i + 1) * rows * columns);
    return Float32Array.from(steps, (step) => low[i] + ((high[i] - low[i]) * step) / 255);
  };
  // What comes back to channel j: all channels, each times its weight.
  const mixed = (j) => {
    const sum = new Float32Array(map().features.shape[1] * map().features.shape[2]);
    row(j).forEach((weight, i) => {
      if (weight > 0) values(i).forEach((value, n) => { sum[n] += weight * value; });
    });
    return sum;
  };
  const view = (numbers) => {
    const [, rows, columns] = map().features.shape;
    const least = Math.min(...numbers);
    const span = Math.max(...numbers) - least || 1;
    return tile(colourise(numbers, columns, rows, (value) => [...viridis((value - least) / span), 255]));
  };
  const draw = (context, scale, numbers) => {
    context.imageSmoothingEnabled = false;
    context.drawImage(view(numbers), 0, 0, size[1], size[0]);
    for (const [path, colour] of organs) {
      for (const [style, width] of [["#0008", 2.6], [colour, 1.5]]) {
        context.strokeStyle = style;
        context.lineWidth = width * scale;
        context.stroke(path);
      }
    }
  };

  const choose = (j, i) => change(model, { channel: clamp(j, 0, count() - 1), other: clamp(i, 0, count() - 1) });
  const say = (pixel) => {
    const [j, i] = pixel ?? [channel(), other()];
    cell.textContent = `Channel ${j} listens to channel ${i} with weight ${digits(row(j)[i])}`;
  };
  const cell = h("p", { class: "ga-note" });
  const titles = { asks: h("strong"), heard: h("strong"), back: h("strong", {}, "What comes back"), slice: h("strong", {}, "Slice") };
  const matrix = new Picture({
    size: [count(), count()],
    letters: false,
    label: "Channel attention map: rows listen, columns are listened to. Arrow keys choose a cell.",
    caption: h("span", {}, h("strong", {}, "Map: "), "row j listens to column i"),
    pick: (pixel, how) => (how === "click" ? choose(...pixel) : say(pixel)),
    move: (rows, columns) => choose(channel() + rows, other() + columns),
    press: () => choose(channel(), loudest(channel())[0]),
    paint: (context, scale) => {
      const n = count();
      const most = Math.max(...weights());
      context.imageSmoothingEnabled = false;
      context.drawImage(tile(colourise(weights(), n, n, (weight) => [...viridis(weight / most), 255])), 0, 0);
      const width = 1.5 * scale;
      for (const [style, line] of [["#000c", 2.4 * width], ["#fff", width]]) {
        context.strokeStyle = style;
        context.lineWidth = line;
        context.strokeRect(line / 2, channel(), n - line, 1);
        context.strokeRect(other() - 0.2, channel() - 0.2, 1.4, 1.4);
      }
    },
  });
  const picture = (title, label, numbers) => new Picture({
    size, pitch, label, caption: title, paint: (context, scale) => draw(context, scale, numbers()),
  });
  const asks = picture(titles.asks, "Features of the channel that listens", () => values(channel()));
  const heard = picture(titles.heard, "Features of the channel that is listened to", () => values(other()));
  const back = picture(titles.back, "Sum of all channels, each times its weight", () => mixed(channel()));
  const slice = new Picture({
    size, pitch, label: "The slice", caption: titles.slice,
    paint: (context, scale) => {
      context.drawImage(grey, 0, 0);
      context.lineWidth = 1.6 * scale;
      for (const [path, colour] of organs) {
        context.strokeStyle = colour;
        context.stroke(path);
      }
    },
  });
  const pictures = [matrix, asks, heard, back, slice];
  const most = h("span");
  const ramp = h("i");
  ramp.style.background = viridisGradient();
  matrix.element.append(h("div", { class: "ga-ramp" }, h("span", {}, "0"), ramp, most), cell);

  const energies = ENERGIES.filter(([name]) => data.networks[0].maps[0].weights[name]);
  const choices = [...mapChoices(model, data), radios(model, "energy", "Softmax of", energies)];
  const facts = h("dl", { class: "ga-facts" });
  const list = h("div", { class: "ga-bars ga-block", role: "group", "aria-label": "Channels that are listened to most" });
  const note = h("p", { class: "ga-note ga-block" });
  const live = announcer();
  const root = frame(
    el, "channel", "Channel attention explorer",
    h("div", { class: "ga-controls" }, ...choices),
    h("div", { class: "ga-columns ga-block" }, matrix.element, h("div", { class: "ga-four" }, ...[asks, heard, back, slice].map((p) => p.element))),
    facts, list, note, live,
  );

  const loudest = (j) => Array.from(row(j).keys()).sort((a, b) => row(j)[b] - row(j)[a] || a - b);
  const fact = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, " ", h("small", {}, more)));

  function show() {
    const [j, i, n] = [channel(), other(), count()];
    const listens = row(j);
    matrix.size = [n, n];
    titles.asks.textContent = `Channel ${j} listens`;
    titles.heard.textContent = `Channel ${i} is heard`;
    for (const one of pictures) one.draw();
    say(null);
    most.textContent = digits(Math.max(...weights()));
    const [first] = loudest(j);
    const diagonal = Array.from({ length: n }, (_, k) => row(k)[k]).reduce((a, b) => a + b, 0) / n;
    facts.replaceChildren(
      fact("Listens most to", `channel ${first}`, digits(listens[first])),
      fact("To itself", digits(listens[j]), `mean of all: ${digits(diagonal)}`),
      fact("Entropy", digits(entropy(listens)), `of ${digits(Math.log2(n))} bits`),
      fact("Half of the weight", String(halfMass(listens).length), `of ${n} channels`),
    );
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.channel : null;
    list.replaceChildren(...loudest(j).slice(0, LISTED).flatMap((k) => {
      const fill = h("div", { class: "ga-fill" });
      Object.assign(fill.style, { width: `${(100 * listens[k]) / listens[first]}%`, background: "var(--ga-bar)" });
      const name = h("button", { type: "button", class: "ga-button ga-plain", "data-channel": k, "aria-pressed": String(k === i),
        on: { click: () => choose(j, k) } }, `channel ${k}${k === j ? " (itself)" : ""}`);
      return [name, h("div", { class: "ga-track", "aria-hidden": "true" }, fill), h("span", {}, digits(listens[k]))];
    }));
    if (focused !== null) list.querySelector(`[data-channel="${focused}"]`)?.focus();
    const own = ENERGIES.find(([name]) => name === map().energy);
    const [, , source] = ENERGIES.find(([name]) => name === model.get("energy"));
    const use = map().lam === 0
      ? "λ = 0: the network does not use this map yet"
      : `λ = ${digits(map().lam, 3)}: the network adds λ times what comes back`;
    note.textContent = `Shown: ${source}. This module uses ${own[1]} (${own[2]}). ${use}.`;
    live.say(`${cell.textContent}. It listens most to channel ${first}, ${digits(listens[first])}; to itself ${digits(listens[j])}.`);
  }

  const stops = [follow(model, SHOWN, show), ...choices.map((choice) => choice.stop)];
  root.inspect = () => ({ channel: channel(), other: other(), row: Array.from(row(channel())), values: Array.from(values(other())),
    back: Array.from(mixed(channel())), listed: loudest(channel()).slice(0, LISTED) });
  return () => {
    for (const stop of stops) stop();
    for (const one of pictures) one.stop();
    root.remove();
  };
}

export default { render };
