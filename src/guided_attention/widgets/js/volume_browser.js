// Volume browser: slices of a volume, prediction against reference, errors, and the metrics of what is seen.

import { bytes } from "./arrays.js";
import { announcer, change, checkbox, digits, follow, frame, h, radios, slider } from "./dom.js";
import { area, hatched, stroke } from "./overlay.js";
import { Picture, greyTile, outline } from "./picture.js";
import { scrolled } from "./scroll.js";
import { agreement, count, sum } from "./voxels.js";

const SHOWN = ["slice", "organs", "predicted", "reference", "errors", "phase"];
const MISSED = { colour: "#D55E00", slope: 1 };
const INVENTED = { colour: "#F0E442", slope: -1 };
const WAYS = [["fill", "filled"], ["outline", "outline"], ["hide", "hidden"]];

const score = (value) => (value === null ? "–" : value.toFixed(3));

function render({ model, el }) {
  const data = model.get("data");
  const [depth, height, width] = data.shape;
  const pixels = height * width;
  const both = Boolean(data.labels && data.prediction);
  const masks = { reference: data.labels && bytes(data.labels), predicted: data.prediction && bytes(data.prediction) };
  const [, rows, columns] = data.phases[0].shape;
  const grey = data.phases.map((packed) => bytes(packed).map((level) => Math.round((255 * level) / (data.levels - 1))));
  const counts = Array.from({ length: depth }, (_, z) => count(of("predicted", z), of("reference", z), data.classes.length));
  const whole = sum(counts);
  const voxel = data.spacing.reduce((a, b) => a * b, 1) / 1000;

  function of(name, z) {
    return masks[name] ? masks[name].subarray(z * pixels, (z + 1) * pixels) : null;
  }
  const at = () => model.get("slice");
  const chosen = (value) => value > 0 && model.get("organs").includes(value);

  const drawMask = (context, unit, name) => {
    const labels = of(name, at());
    const way = model.get(name);
    if (!labels || way === "hide") return;
    const white = name === "reference" && both && model.get("predicted") !== "hide";
    data.classes.forEach(({ colour }, value) => {
      if (!chosen(value)) return;
      if (way === "fill") {
        context.fillStyle = `${colour}80`;
        context.fill(area(width, height, (i) => labels[i] === value));
      } else stroke(context, unit, outline(labels, width, height, value), [["#000b", 3.4], [white ? "#fff" : colour, 1.7]]);
    });
  };
  const wrong = () => {
    const missed = new Uint8Array(pixels);
    const invented = new Uint8Array(pixels);
    if (both) {
      const [predicted, reference] = [of("predicted", at()), of("reference", at())];
      for (let i = 0; i < pixels; i += 1) {
        if (predicted[i] === reference[i]) continue;
        if (chosen(reference[i])) missed[i] = 1;
        else if (chosen(predicted[i])) invented[i] = 1;
      }
    }
    return { missed, invented };
  };
  const picture = new Picture({
    size: [height, width],
    pitch: data.spacing.slice(1),
    label: "Slice of the volume. Arrow keys, Page Up and Page Down, the wheel when focused, or dragging to the side go through the slices.",
    paint: (context, unit) => {
      context.imageSmoothingEnabled = true;
      grey.forEach((values, number) => {
        context.globalAlpha = number ? model.get("phase") : 1;
        const tile = greyTile(values.subarray(at() * rows * columns, (at() + 1) * rows * columns), columns, rows);
        context.drawImage(tile, 0, 0, columns * data.shrink, rows * data.shrink);
      });
      context.globalAlpha = 1;
      if (model.get("errors") && both) {
        const { missed, invented } = wrong();
        hatched(context, unit, [width, height], missed, MISSED);
        hatched(context, unit, [width, height], invented, INVENTED);
      } else for (const name of ["predicted", "reference"]) drawMask(context, unit, name);
    },
  });
  const where = (z) => `slice ${z + 1} of ${depth}`;
  const told = scrolled(picture.canvas, depth - 1, at, (z) => change(model, { slice: z }), where);

  const controls = [
    slider(model, "slice", "Slice, from feet to head", { min: 0, max: depth - 1, step: 1, words: (z) => `${z + 1} / ${depth}` }),
    grey.length > 1 && slider(model, "phase", "In phase to out of phase", { min: 0, max: 1, step: 0.05, words: (share) => `${Math.round(100 * share)} %` }),
    masks.predicted && radios(model, "predicted", "Prediction", WAYS),
    masks.reference && radios(model, "reference", "Reference", WAYS),
    both && checkbox(model, "errors", "Errors only"),
  ].filter(Boolean);
  const legend = h("div", { class: "ga-legend" });
  const kinds = [["missed", MISSED], ["invented", INVENTED]].map(([name, { colour, slope }]) => {
    const patch = h("i");
    patch.style.background = `repeating-linear-gradient(${slope > 0 ? 45 : -45}deg, ${colour} 0 3px, #000 3px 4px)`;
    const words = h("span");
    return { name, words, element: h("span", {}, patch, words) };
  });

  // The table is the legend too, and its boxes choose the organs.
  const toggle = (value) => {
    const organs = model.get("organs");
    change(model, { organs: organs.includes(value) ? organs.filter((one) => one !== value) : [...organs, value].sort((a, b) => a - b) });
  };
  const heads = both ? ["DSC", "VS", "DSC", "VS", "MSD, mm"] : masks.reference || masks.predicted ? ["cm²", "mL"] : [];
  const lines = data.classes.map(({ name, colour }, value) => {
    const box = h("input", { type: "checkbox", "data-organ": value, on: { change: () => toggle(value) } });
    const patch = h("i", { class: "ga-swatch" });
    patch.style.background = colour;
    const cells = heads.map(() => h("td"));
    return { box, cells, row: h("tr", {}, h("th", { scope: "row" }, h("label", { class: "ga-check" }, box, h("span", {}, patch, name))), ...cells) };
  });
  const parts = both ? [["this slice", 2], ["volume", 3]] : [["this slice", 1], ["volume", 1]];
  const table = heads.length ? h("div", { class: "ga-scroll" }, h("table", { class: "ga-volume-table" },
    h("thead", {},
      h("tr", {}, h("td"), ...parts.map(([words, span]) => h("th", { colspan: span, scope: "colgroup" }, words))),
      h("tr", {}, h("td"), ...heads.map((words) => h("th", { scope: "col" }, words)))),
    h("tbody", {}, ...lines.slice(1).map(({ row }) => row)))) : null;
  const fine = [
    data.shrink > 1 && `${data.shrink} × ${data.shrink} pixels averaged`,
    data.levels < 256 && `${data.levels} grey levels`,
  ].filter(Boolean);
  const note = h("p", { class: "ga-note" }, `Subject ${data.subject}. ${both ? "A metric of an organ that is in neither is shown as –. " : ""}` +
    `${fine.length ? `Grey values in this page: ${fine.join(", ")}; labels are exact.` : ""}`);
  const live = announcer();
  picture.element.append(legend);
  const root = frame(el, "volume_browser", "Volume browser",
    h("div", { class: "ga-volume-parts" }, picture.element, h("div", { class: "ga-volume-side" }, h("div", { class: "ga-controls" }, ...controls), table, note)), live);

  // What stands in the line of a class.
  const numbers = (value) => {
    const [here, all] = [counts[at()], whole].map((found) => agreement(found, value));
    return { slice: here, volume: { ...all, msd: data.distances ? data.distances[value] : null } };
  };

  function show() {
    picture.draw();
    told();
    lines.forEach(({ box, cells }, value) => {
      if (!value) return;
      box.checked = chosen(value);
      const { slice, volume } = numbers(value);
      const pixel = (data.spacing[1] * data.spacing[2]) / 100;
      const words = both
        ? [score(slice.dice), score(slice.vs), score(volume.dice), score(volume.vs), volume.msd === null ? "–" : digits(volume.msd)]
        : [digits(slice.size * pixel), digits(volume.size * voxel)];
      cells.forEach((cell, i) => { cell.textContent = words[i]; });
    });
    const errors = wrong();
    const total = (mask) => mask.reduce((a, b) => a + b, 0);
    for (const { name, words } of kinds) words.textContent = `${name}, ${total(errors[name])} pixels`;
    const drawn = model.get("errors") && both;
    const hint = both && model.get("predicted") !== "hide" && model.get("reference") === "outline" ? [h("span", {}, "colour: prediction; white line: reference")] : [];
    legend.replaceChildren(...(drawn ? kinds.map(({ element }) => element) : hint));
    live.say(`Slice ${at() + 1} of ${depth}.${drawn ? ` ${total(errors.missed)} pixels missed, ${total(errors.invented)} invented.` : ""}`);
  }

  const stops = [follow(model, SHOWN, show), ...controls.map((control) => control.stop)];
  root.inspect = () => {
    const errors = wrong();
    const total = (mask) => mask.reduce((a, b) => a + b, 0);
    return { slice: at(), organs: model.get("organs"), numbers: data.classes.map((_, value) => numbers(value)),
      missed: total(errors.missed), invented: total(errors.invented), shown: lines.map(({ cells }) => cells.map((cell) => cell.textContent)) };
  };
  return () => {
    for (const stop of stops) stop();
    picture.stop();
    root.remove();
  };
}

export default { render };
