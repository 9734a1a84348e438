// Position attention explorer: choose a position, see what it attends to. Rows are computed here, from queries and keys.

import { bytes } from "./arrays.js";
import { positionOf } from "./attention.js";
import { colourise, viridis, viridisGradient } from "./colours.js";
import { announcer, button, change, clamp, digits, follow, frame, h, percent, radios, slider } from "./dom.js";
import { Explorer, mapChoices } from "./explorer.js";
import { Picture, greyTile, marker, outline, tile } from "./picture.js";
import { LETTERS, PinTable } from "./pins.js";

const SHOWN = ["position", "pinned", "network", "scale", "step", "temperature", "overlay", "colours"];

// The end of the colours: twice uniform at least, so that a uniform row looks as dull as it is.
const top = (row) => Math.max(2 / row.length, ...row);

// Place of a weight on the colours, 0 to 1: even, or over three powers of ten.
const place = (weight, most, colours) =>
  colours === "logarithmic" ? clamp(1 + Math.log10(weight / most) / 3, 0, 1) : weight / most;

function heat(row, grid, colours) {
  const most = top(row);
  return tile(colourise(row, grid[1], grid[0], (weight) => {
    const share = place(weight, most, colours);
    return [...viridis(share), 255 * (0.2 + 0.65 * Math.sqrt(share))];
  }));
}

function render({ model, el }) {
  const it = new Explorer(model);
  const { data, size, pitch } = it;
  const unit = data.spacing ? "mm" : "pixels";
  const grey = greyTile(bytes(data.image), size[1], size[0]);
  const outlines = (labels) => it.once(`${model.get("overlay")} ${model.get("network")}`, () =>
    data.classes.map(({ colour }, value) => value && [outline(labels, size[1], size[0], value), colour]).filter(Boolean));
  let hovered = null;
  let now = null;

  const drawOutlines = (context, scale, rim) => {
    const labels = it.drawn();
    if (!labels) return;
    for (const [path, colour] of outlines(labels)) {
      for (const [style, width] of rim ? [["#0008", 4], [colour, 2.2]] : [[colour, 1.6]]) {
        context.strokeStyle = style;
        context.lineWidth = width * scale;
        context.stroke(path);
      }
    }
  };
  const drawSlice = (context) => {
    context.imageSmoothingEnabled = true;
    context.drawImage(grey, 0, 0);
  };
  const drawHeat = (context, row) => {
    const { grid } = it.map();
    context.imageSmoothingEnabled = false;
    context.drawImage(heat(row, grid, model.get("colours")), 0, 0, size[1], size[0]);
  };
  const drawMarkers = (context, scale) => {
    model.get("pinned").forEach((pixel, i) => marker(context, scale, it.block(pixel), LETTERS[i]));
    marker(context, scale, it.block(now.pixel));
  };

  const choose = (pixel) => change(model, { position: pixel });
  const pick = (pixel, how) => {
    hovered = how === "hover" ? pixel : null;
    if (how === "click") choose(pixel);
    else show();
  };
  const move = (rows, cols) => {
    const { grid } = it.map();
    const at = positionOf(model.get("position"), size, grid);
    choose(it.centre(clamp(Math.floor(at / grid[1]) + rows, 0, grid[0] - 1), clamp((at % grid[1]) + cols, 0, grid[1] - 1)));
  };
  const pin = () => {
    const pinned = model.get("pinned");
    if (pinned.length < LETTERS.length) change(model, { pinned: [...pinned, [...model.get("position")]] });
  };
  const common = { size, pitch, pick, move, press: pin };
  const keys = "Arrow keys move, with shift five positions at a time; Enter pins.";
  const asks = new Picture({
    ...common,
    label: `Slice. Choose the position that asks. ${keys}`,
    caption: h("span", {}, h("strong", {}, "Asks: "), "choose a position"),
    paint: (context, scale) => {
      drawSlice(context);
      drawOutlines(context, scale, false);
      if (now) drawMarkers(context, scale);
    },
  });
  const answers = new Picture({
    ...common,
    label: `Slice with the attention of the chosen position over it. ${keys}`,
    caption: h("span", {}, h("strong", {}, "Answers: "), "what it attends to"),
    paint: (context, scale) => {
      drawSlice(context);
      if (!now) return;
      drawHeat(context, now.row);
      drawOutlines(context, scale, true);
      drawMarkers(context, scale);
    },
  });
  const least = h("span");
  const most = h("span");
  const ramp = h("i");
  ramp.style.background = viridisGradient();
  answers.element.append(h("div", { class: "ga-ramp" }, least, ramp, most));
  const legend = h("div", { class: "ga-legend" });
  asks.element.append(legend);

  const overlays = [["none", "nothing"]];
  if (data.networks.some((network) => network.prediction)) overlays.unshift(["prediction", "prediction"]);
  if (data.labels) overlays.unshift(["labels", "labels"]);
  const choices = [
    ...mapChoices(model, data),
    overlays.length > 1 && radios(model, "overlay", "Outlines", overlays),
    radios(model, "colours", "Colours", [["linear", "linear"], ["logarithmic", "log"]]),
  ].filter(Boolean);
  const temperature = slider(model, "temperature", "Temperature", {
    min: -2, max: 2, step: 0.25, to: (power) => 2 ** power, from: Math.log2, words: (value) => digits(value, 2),
  });
  const pinButton = button("Pin this position", pin, { "data-act": "pin" });
  const clear = button("Remove pins", () => change(model, { pinned: [] }), { "data-act": "clear" });
  const facts = h("dl", { class: "ga-facts" });
  const bars = h("div", { class: "ga-bars ga-block", role: "group", "aria-label": "Share of attention for each organ" });
  const barNote = h("p", { class: "ga-note" });
  const pins = new PinTable(model, it, unit, (context, scale, pixel, row) => {
    drawSlice(context);
    drawHeat(context, row);
    marker(context, scale, it.block(pixel));
  });
  const note = h("p", { class: "ga-note ga-block" });
  const live = announcer();
  const root = frame(
    el, "position", "Position attention explorer",
    h("div", { class: "ga-controls" }, ...choices),
    h("div", { class: "ga-columns" }, asks.element, answers.element),
    h("div", { class: "ga-controls" }, pinButton, clear, temperature),
    facts, bars, barNote, pins.element, note, live,
  );

  const fact = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, " ", h("small", {}, more)));

  function showNumbers() {
    const map = it.map();
    const count = now.row.length;
    facts.replaceChildren(
      fact("Asks", now.under ?? "", `pixel ${now.pixel.join(", ")}`),
      fact("Entropy", digits(now.entropy), `of ${digits(Math.log2(count), 3)} bits`),
      fact("Half of the attention", String(now.half.length), `of ${count} positions`),
      fact("Their mean distance", digits(now.distance), unit),
    );
    bars.replaceChildren(...now.shares.flatMap(({ name, colour, share, area }) => {
      const fill = h("div", { class: "ga-fill" });
      Object.assign(fill.style, { width: `${100 * share}%`, background: colour });
      const tick = h("div", { class: "ga-tick" });
      tick.style.left = `${100 * area}%`;
      return [h("span", {}, name), h("div", { class: "ga-track", "aria-hidden": "true" }, fill, tick), h("span", {}, percent(share))];
    }));
    barNote.textContent = now.shares.length ? `Share of attention by ${it.classes().name}; the line: the organ's share of the slice.` : "";
    most.textContent = `${digits(top(now.row) * count, 3)} × uniform`;
    least.textContent = model.get("colours") === "logarithmic" ? digits((top(now.row) * count) / 1000, 2) : "0";
    note.textContent = map.lam === 0
      ? "λ = 0: the network does not use this map yet; it adds nothing to the features."
      : `λ = ${digits(map.lam, 3)}: the network adds λ times what is attended to.`;
  }

  function show() {
    now = it.facts(hovered ?? model.get("position"));
    asks.draw();
    answers.draw();
    showNumbers();
  }

  function showAll() {
    show();
    pins.show();
    pinButton.disabled = model.get("pinned").length >= LETTERS.length;
    clear.disabled = !model.get("pinned").length;
    const classes = it.drawn() ? data.classes.slice(1) : [];
    legend.replaceChildren(...classes.map(({ name, colour }) => {
      const patch = h("i");
      patch.style.background = colour;
      return h("span", {}, patch, name);
    }));
    const organs = now.shares.slice(1).map(({ name, share }) => `${name} ${percent(share)}`).join(", ");
    live.say(
      `Row ${now.pixel[0]}, column ${now.pixel[1]}${now.under ? `, ${now.under}` : ""}. Half of the attention on ${now.half.length} of ` +
      `${now.row.length} positions, mean distance ${digits(now.distance)} ${unit}. ${organs}`,
    );
  }

  const stops = [follow(model, SHOWN, showAll), ...[...choices, temperature].map((control) => control.stop)];
  root.inspect = () => ({ row: Array.from(now.row), position: [...now.pixel], grid: it.map().grid, entropy: now.entropy,
    half: now.half.length, distance: now.distance, shares: now.shares.map(({ share }) => share) });
  return () => {
    for (const stop of stops) stop();
    for (const picture of [asks, answers, pins]) picture.stop();
    root.remove();
  };
}

export default { render };
