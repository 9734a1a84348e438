// Refinement stepper: F_MS, two attention steps and the prediction as a flow, for one network or several.

import { bytes, floats } from "./arrays.js";
import { attentionRow, entropy, halfMass, positionOf } from "./attention.js";
import { colourise, viridis, viridisGradient } from "./colours.js";
import { announcer, change, clamp, digits, follow, frame, h, radios } from "./dom.js";
import { currentNetwork, mapChoices } from "./explorer.js";
import { area, stroke } from "./overlay.js";
import { Picture, greyTile, marker, outline, tile } from "./picture.js";

const SHOWN = ["network", "scale", "step", "shown", "channel", "position"];
const KINDS = [
  ["features", "attention features"],
  ["rebuilt", "reconstruction"],
  ["passed", "after guidance"],
];

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
  const labels = data.labels && bytes(data.labels);
  const organs = labels ? data.classes.map(({ colour }, value) => value && [outline(labels, size[1], size[0], value), colour]).filter(Boolean) : [];

  const scaleOf = (network) => network.scales.find((found) => found.scale === model.get("scale")) ?? network.scales[0];
  const stepOf = (network, step) => network.maps.find((map) => map.scale === scaleOf(network).scale && map.step === step);
  // What a step shows: without guidance nothing is rebuilt, and the features themselves go on.
  const shownOf = (map) => map[model.get("shown")] ?? map.features;
  const view = () => (model.get("channel") < 0 ? 0 : 1 + data.channels.indexOf(model.get("channel")));

  const rowOf = (map) => {
    if (!map.attention) return null;
    const { query, key, grid } = map.attention;
    return attentionRow(once(query, () => floats(query)), once(key, () => floats(key)), query.shape[0], positionOf(model.get("position"), size, grid));
  };
  const block = (grid) => {
    const at = (axis) => Math.floor((model.get("position")[axis] * grid[axis]) / size[axis]) * (size[axis] / grid[axis]);
    return [at(0), at(1), size[0] / grid[0], size[1] / grid[1]];
  };

  const drawFeatures = (context, packed) => {
    const [, rows, columns] = packed.steps.shape;
    const steps = once(packed.steps, () => bytes(packed.steps)).subarray(view() * rows * columns, (view() + 1) * rows * columns);
    context.imageSmoothingEnabled = false;
    context.drawImage(tile(colourise(steps, columns, rows, (step) => [...viridis(step / 255), 255])), 0, 0, size[1], size[0]);
  };
  const drawPrediction = (context, unit, packed) => {
    context.drawImage(grey, 0, 0);
    const classes = once(packed, () => bytes(packed));
    data.classes.forEach(({ colour }, value) => {
      if (!value) return;
      context.fillStyle = `${colour}90`;
      context.fill(area(size[1], size[0], (i) => classes[i] === value));
    });
    for (const [path] of organs) stroke(context, unit, path, [["#000a", 2.6], ["#fff", 1.2]]);
  };
  const wrong = (packed) => {
    const classes = once(packed, () => bytes(packed));
    return labels ? labels.reduce((sum, label, i) => sum + (label !== classes[i]), 0) : null;
  };

  const choose = (pixel) => change(model, { position: pixel.map((place, axis) => clamp(place, 0, size[axis] - 1)) });
  const move = (rows, columns) => {
    const { attention } = stepOf(currentNetwork(model, data), 1);
    const grid = attention ? attention.grid : size;
    const [top, left, height, width] = block(grid);
    choose([Math.floor(top + (rows + 0.5) * height), Math.floor(left + (columns + 0.5) * width)]);
  };

  // One network: six pictures in the order of the flow.
  const lane = (network) => {
    const title = (words) => h("span", {}, words);
    const small = (name, words, label, paint, chosen = null) => {
      const pick = chosen && ((pixel, how) => { if (how === "click") change(model, { network: network.name, step: chosen }); });
      const step = (rows, columns) => change(model, { network: network.name, step: clamp(chosen + rows + columns, 1, 2) });
      const made = new Picture({
        size, pitch, letters: name.endsWith("head"), label: `${network.name}: ${label}`, caption: words, paint, pick, move: chosen && step,
      });
      const range = h("span", { class: "ga-note" });
      made.element.append(range);
      made.element.classList.add(`ga-stage-${name}`);
      return { picture: made, range, element: made.element };
    };
    const steps = [1, 2].map((number) => {
      const words = title("");
      const made = small(`step${number}`, words, `step ${number}. Arrow keys choose the step.`, (context) => drawFeatures(context, shownOf(stepOf(network, number))), number);
      return { ...made, words, number };
    });
    const raw = small("raw", "F′, of this scale", "features of the scale", (context) => drawFeatures(context, scaleOf(network).features));
    const fused = small("fused", "F_MS, of all scales", "fused features of all scales", (context) => drawFeatures(context, network.fused));
    const heads = [["raw", "Raw prediction"], ["refined", "Refined prediction"]].map(([name, words]) =>
      small(`${name}head`, words, words, (context, unit) => drawPrediction(context, unit, scaleOf(network)[name])));
    const bridge = h("div", { class: "ga-bridge" });
    const pictures = [raw, fused, ...steps, ...heads];
    const element = h("div", { class: "ga-lane", role: "group", "aria-label": network.name },
      data.networks.length > 1 ? h("h4", {}, network.name) : null, raw.element, bridge, heads[0].element, fused.element, steps[0].element, steps[1].element, heads[1].element);

    const show = () => {
      const scale = scaleOf(network);
      for (const { picture } of pictures) picture.draw();
      const span = (made, packed) => { made.range.textContent = `${digits(packed.low[view()], 2)} to ${digits(packed.high[view()], 2)}`; };
      span(raw, scale.features);
      span(fused, network.fused);
      for (const made of steps) {
        const map = stepOf(network, made.number);
        const present = map[model.get("shown")] || model.get("shown") === "features";
        made.words.textContent = `Step ${made.number}`;
        span(made, shownOf(map));
        if (!present) made.range.textContent += ", not guided";
        made.element.classList.toggle("ga-chosen", network.name === currentNetwork(model, data).name && made.number === model.get("step"));
      }
      [scale.raw, scale.refined].forEach((packed, i) => {
        const count = wrong(packed);
        heads[i].range.textContent = count === null ? "" : `${count} pixels wrong`;
      });
      bridge.replaceChildren(...(network.guided
        ? [h("span", {}, "encoders of both steps"), h("strong", {}, digits(scale.latents)), h("small", {}, "mean squared distance of their latents (eq. 6)")]
        : [h("span", {}, "no guidance"), h("small", {}, "nothing ties the two steps together")]));
    };
    return { element, show, pictures };
  };
  const lanes = data.networks.map(lane);

  const attends = [1, 2].map((step) => {
    const words = h("span");
    return { step, words, picture: new Picture({
      size, pitch, move, caption: words,
      label: `Slice with what the chosen position attends to in step ${step}. Click or use arrow keys to choose the position.`,
      pick: (pixel, how) => { if (how === "click") choose(pixel); },
      paint: (context, unit) => {
        context.imageSmoothingEnabled = true;
        context.drawImage(grey, 0, 0);
        const map = stepOf(currentNetwork(model, data), step);
        const row = rowOf(map);
        if (!row) return;
        const { grid } = map.attention;
        const most = Math.max(2 / row.length, ...row);
        context.imageSmoothingEnabled = false;
        context.drawImage(tile(colourise(row, grid[1], grid[0], (weight) => [...viridis(weight / most), 255 * (0.2 + 0.65 * Math.sqrt(weight / most))])), 0, 0, size[1], size[0]);
        for (const [path, colour] of organs) stroke(context, unit, path, [["#0008", 3.4], [colour, 1.8]]);
        marker(context, unit, block(grid));
      },
    }) };
  });
  const withAttention = data.networks.some(({ maps }) => maps.some((map) => map.attention));

  const guided = data.networks.some((network) => network.guided);
  const choices = [
    ...mapChoices(model, data),
    guided && radios(model, "shown", "Steps show", KINDS),
    data.channels.length > 0 && radios(model, "channel", "Of the features", [[-1, "norm"], ...data.channels.map((channel) => [channel, `channel ${channel}`])]),
  ].filter(Boolean);
  const facts = h("dl", { class: "ga-facts" });
  const legend = h("div", { class: "ga-legend" }, ...data.classes.slice(1).map(({ name, colour }) => {
    const patch = h("i");
    patch.style.background = colour;
    return h("span", {}, patch, name);
  }), labels && h("span", {}, "white line: reference"));
  const ramp = h("i");
  ramp.style.background = viridisGradient();
  const note = h("p", { class: "ga-note ga-block" });
  const live = announcer();
  const root = frame(el, "stepper", "Refinement stepper",
    h("div", { class: "ga-controls" }, ...choices), ...lanes.map(({ element }) => element), legend,
    withAttention ? h("div", { class: "ga-columns ga-block" }, ...attends.map(({ picture }) => picture.element)) : null,
    withAttention ? h("div", { class: "ga-ramp" }, h("span", {}, "0"), ramp, h("span", {}, "the largest weight of each")) : null, facts, note, live);

  const fact = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, " ", h("small", {}, more)));

  function show() {
    const network = currentNetwork(model, data);
    const map = stepOf(network, model.get("step"));
    const row = rowOf(map);
    for (const one of lanes) one.show();
    for (const { step, words, picture } of attends) {
      words.replaceChildren(h("strong", {}, `Attention in step ${step}`), data.networks.length > 1 ? ` of ${network.name}` : "");
      picture.draw();
    }
    facts.replaceChildren(...[
      row && fact(`Entropy, step ${map.step}`, digits(entropy(row)), `of ${digits(Math.log2(row.length))} bits`),
      row && fact("Half of the attention", String(halfMass(row).length), `of ${row.length} positions`),
      map.error !== null && fact("Reconstruction", digits(map.error), "mean squared error (eq. 7)"),
      scaleOf(network).latents !== null && fact("Latents of both steps", digits(scaleOf(network).latents), "apart (eq. 6)"),
    ].filter(Boolean));
    note.textContent = network.guided
      ? "Guided: what the decoder rebuilds of a step’s input multiplies, through one convolution, the step’s attention features."
      : "Not guided: the attention features of each step go on as they are.";
    live.say(`${network.name}, scale ${map.scale}, step ${map.step}.${row ? ` Half of the attention on ${halfMass(row).length} of ${row.length} positions.` : ""}`);
  }

  const stops = [follow(model, SHOWN, show), ...choices.map((choice) => choice.stop)];
  const numbers = (packed) => {
    const [, rows, columns] = packed.steps.shape;
    const [low, high] = [packed.low[view()], packed.high[view()]];
    return Array.from(bytes(packed.steps).subarray(view() * rows * columns, (view() + 1) * rows * columns), (step) => low + ((high - low) * step) / 255);
  };
  root.inspect = () => ({ network: currentNetwork(model, data).name, scale: model.get("scale"), step: model.get("step"), position: model.get("position"),
    networks: data.networks.map((network) => ({ name: network.name, latents: scaleOf(network).latents, raw: numbers(scaleOf(network).features), fused: numbers(network.fused),
      wrong: [wrong(scaleOf(network).raw), wrong(scaleOf(network).refined)],
      steps: [1, 2].map((step) => ({ shown: numbers(shownOf(stepOf(network, step))), error: stepOf(network, step).error, row: Array.from(rowOf(stepOf(network, step)) ?? []) })) })) });
  return () => {
    for (const stop of stops) stop();
    for (const { picture } of [...attends, ...lanes.flatMap(({ pictures }) => pictures)]) picture.stop();
    root.remove();
  };
}

export default { render };
