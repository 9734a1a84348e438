// Metric playground: a copy of a mask with mistakes, and what DSC, VS and surface distances say of it.

import { bytes } from "./arrays.js";
import { Chart, swatch } from "./chart.js";
import { announcer, button, change, checkbox, clamp, digits, follow, frame, h, percent, radios, slider } from "./dom.js";
import { measure } from "./distances.js";
import { dragged } from "./dragged.js";
import { cutOff, grown, moved, rim, withSpeck } from "./masks.js";
import { area, stroke } from "./overlay.js";
import { Picture, greyTile, outline } from "./picture.js";

const SHOWN = ["organ", "rows", "cols", "grow", "cut", "speck", "speck_at", "absent", "held"];
const SAMPLES = 32;

const score = (value) => (value === null ? "NaN" : value.toFixed(3));

function render({ model, el }) {
  const data = model.get("data");
  const { size, spacing } = data;
  const [height, width] = size;
  const labels = bytes(data.labels);
  const [, rows, columns] = data.phases[0].shape;
  const grey = greyTile(bytes(data.phases[0]).map((level) => Math.round((255 * level) / (data.levels - 1))), columns, rows);
  const spacings = spacing ? [[1, 1, 1], spacing] : [[1, 1, 1]];
  const unit = spacing ? "mm" : "voxels";
  const get = (name) => model.get(name);
  const organ = () => data.organs.find(({ value }) => value === get("organ"));
  let now = null;

  // What changes seldom is made once: the organ, and its copy before it is shifted.
  const kept = {};
  const once = (name, key, make) => {
    if (!kept[name] || kept[name].key !== key) kept[name] = { key, value: make() };
    return kept[name].value;
  };
  const whole = () => once("whole", get("organ"), () => labels.map((value) => (value === get("organ") ? 1 : 0)));
  const shaped = () => once("shaped", `${get("organ")} ${get("grow")} ${get("cut")}`, () => cutOff(grown(whole(), size, get("grow")), get("cut")));
  const shifted = (down, right) => withSpeck(moved(shaped(), size, down, right), size, get("speck_at"), get("speck"));
  const reference = () => once("reference", `${get("organ")} ${get("absent")}`, () => (get("absent") ? new Uint8Array(labels.length) : whole()));
  const edge = () => once("edge", `${get("organ")} ${get("absent")}`, () => rim(reference(), size));
  const judge = (prediction, units) => measure(prediction, reference(), size, units, edge());

  const picture = new Picture({
    size, pitch: spacing ? spacing.slice(1) : [1, 1],
    label: "Slice with the reference outlined in white and a copy in colour. Arrow keys move the copy, with shift five pixels; Enter changes between copy and speck.",
    caption: h("span", {}, h("strong", {}, "Drag the mask. "), "White: the reference; colour: the copy"),
    paint: (context, scale) => {
      context.imageSmoothingEnabled = true;
      context.drawImage(grey, 0, 0, columns * data.shrink, rows * data.shrink);
      if (!now) return;
      const { colour } = organ();
      context.fillStyle = `${colour}78`;
      context.fill(area(width, height, (i) => now.prediction[i]));
      stroke(context, scale, outline(now.prediction, width, height, 1), [["#000b", 3.4], [colour, 1.8]]);
      stroke(context, scale, outline(now.reference, width, height, 1), [["#000b", 3.4], ["#fff", 1.7]]);
      const { farthest, maximum } = now.found.distances[0];
      if (!farthest || !maximum) return;
      const line = new Path2D();
      for (const [row, col] of farthest) line.lineTo(col + 0.5, row + 0.5);
      context.lineCap = "round";
      stroke(context, scale, line, [["#000c", 4.6]]);
      context.setLineDash([5 * scale, 4 * scale]);
      stroke(context, scale, line, [["#fff", 2.2]]);
      context.setLineDash([]);
    },
  });

  const within = (value, axis) => clamp(value, 1 - size[axis], size[axis] - 1);
  const put = (name, [down, right]) => change(model, name === "speck"
    ? { held: name, speck_at: [clamp(down, 0, height - 1), clamp(right, 0, width - 1)] }
    : { held: name, rows: within(down, 0), cols: within(right, 1) });
  const held = () => (get("held") === "speck" && get("speck") ? "speck" : "mask");
  const start = (name) => (name === "speck" ? [...get("speck_at")] : [get("rows"), get("cols")]);
  dragged(picture, {
    grab: ([row, col]) => {
      const [down, right] = get("speck_at");
      if (get("speck") && Math.hypot(row - down, col - right) < Math.max(5, height / 28)) return "speck";
      return now.prediction[row * width + col] ? "mask" : null;
    },
    held, start, move: put,
    step: (down, right) => put(held(), start(held()).map((place, axis) => place + [down, right][axis])),
    press: () => get("speck") && change(model, { held: held() === "speck" ? "mask" : "speck" }),
  });

  const pixelsOf = (value) => `${value} px`;
  const controls = [
    data.organs.length > 1 && radios(model, "organ", "Organ", data.organs.map(({ value, name }) => [value, name])),
    slider(model, "cols", "Shift right", { min: 1 - width, max: width - 1, step: 1, words: pixelsOf }),
    slider(model, "rows", "Shift down", { min: 1 - height, max: height - 1, step: 1, words: pixelsOf }),
    slider(model, "grow", "Thinner, fatter", { min: -12, max: 12, step: 1, words: (value) => (value > 0 ? `+${value} px` : pixelsOf(value)) }),
    slider(model, "cut", "Cut off", { min: 0, max: 100, step: 1, words: (value) => `${value} %` }),
    slider(model, "speck", "Stray speck", { min: 0, max: 80, step: 1, words: pixelsOf }),
    radios(model, "held", "Arrow keys move", [["mask", "mask"], ["speck", "speck"]]),
    checkbox(model, "absent", "The reference has no such organ"),
  ].filter(Boolean);
  const situations = h("div", { class: "ga-play-buttons", role: "group", "aria-label": "Mistakes to try" });
  const facts = h("dl", { class: "ga-facts" });
  const note = h("p", { class: "ga-play-note" });
  const small = h("p", { class: "ga-note" });
  const charts = [
    { chart: new Chart({ label: "Dice and volume similarity against the shift" }), names: ["DSC", "VS"] },
    { chart: new Chart({ label: `Mean and maximum surface distance against the shift, in ${unit}` }), names: ["MSD", "maximum"] },
  ];
  const figures = charts.map(({ chart, names }, i) => h("figure", { class: "ga-figure" }, chart.element,
    h("div", { class: "ga-legend" }, ...names.map((name, j) => h("span", {}, swatch(2 * i + j), ` ${name}`)))));
  const live = announcer();
  const root = frame(el, "metric_playground", "Metric playground",
    h("div", { class: "ga-play-parts" }, picture.element, h("div", { class: "ga-play-side" }, situations, facts, note, small)),
    h("div", { class: "ga-controls ga-block" }, ...controls),
    h("p", { class: "ga-note ga-block" }, "The same mistakes, with the mask pushed farther and farther in the direction of its shift; the line is where it is now:"),
    h("div", { class: "ga-columns ga-play-charts" }, ...figures), live);

  // The metrics along the direction of the shift (to the right if there is none), from no shift to far beyond the organ.
  function path() {
    const [down, right] = [get("rows"), get("cols")];
    const length = Math.hypot(down, right);
    const way = length ? [down / length, right / length] : [0, 1];
    const end = once("end", get("organ"), () => Math.ceil(2.4 * Math.sqrt(whole().reduce((a, b) => a + b, 0) / Math.PI)));
    const far = Math.max(end, Math.ceil(length));
    const points = [];
    for (let i = 0; i <= SAMPLES; i += 1) {
      const shift = way.map((part) => Math.round((part * far * i) / SAMPLES));
      const at = Math.hypot(...shift);
      if (points.length && at === points[points.length - 1].at) continue;
      points.push({ at, ...judge(shifted(...shift), spacings.slice(-1)) });
    }
    return { points, at: length, end: Math.max(points[points.length - 1].at, length) };
  }

  let waiting = 0;
  function drawPath() {
    waiting = 0;
    const { points, at, end } = path();
    const here = now.found.distances[spacings.length - 1];
    const both = [
      [[({ dsc }) => dsc, now.found.dsc], [({ vs }) => vs, now.found.vs]],
      [[({ distances }) => distances[0].msd, here.msd], [({ distances }) => distances[0].maximum, here.maximum]],
    ];
    const most = Math.max(here.maximum ?? 0, ...points.map(({ distances }) => distances[0].maximum ?? 0), 1);
    charts.forEach(({ chart }, i) => chart.show({
      xs: [0, end], ys: i ? [0, most * 1.05] : [0, 1], cursor: at, x: "shift, pixels", y: i ? unit : "",
      lines: both[i].map(([value], j) => ({ index: 2 * i + j, points: points.map((point) => [point.at, value(point)]) })),
      dots: both[i].map(([, value], j) => [at, value, 2 * i + j]),
    }));
  }

  // What a number is worth, in words, where one needs them.
  function words(situation) {
    const { predicted, reference: wanted, dsc, vs, distances } = now.found;
    if (!predicted && !wanted) return "The organ is in neither mask. There is nothing to measure: NaN. Averages leave it out, and count it.";
    if (!predicted) return `An organ that was missed. DSC and VS are 0; every surface distance is the diagonal of the slice, ${digits(distances.at(-1).msd, 4)} ${unit}.`;
    if (!wanted) return `An organ that was invented. DSC and VS are 0; every surface distance is the diagonal of the slice, ${digits(distances.at(-1).msd, 4)} ${unit}.`;
    if (situation?.words) return situation.words;
    if (!dsc) return `Not one pixel in common. DSC is 0 from here on, however far; only the distances go on growing. VS: ${score(vs)}.`;
    const larger = Math.round((100 * (predicted - wanted)) / wanted);
    const sizes = larger ? `${Math.abs(larger)} % ${larger > 0 ? "larger" : "smaller"} than` : "as large as";
    return `${percent(now.found.common / wanted)} of the reference is found. The prediction is ${sizes} the reference.`;
  }

  function show() {
    const prediction = shifted(get("rows"), get("cols"));
    now = { prediction, reference: reference(), found: judge(prediction, spacings) };
    const { found } = now;
    picture.draw();
    const fact = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, " ", h("small", {}, more)));
    const long = (name) => {
      const [voxels, mm] = found.distances.map((one) => one[name]);
      const text = (value) => (value === null ? "NaN" : value.toFixed(2));
      return spacing ? [`${text(mm)} mm`, `${text(voxels)} voxels`] : [text(voxels), "voxels"];
    };
    facts.replaceChildren(fact("Dice (DSC)", score(found.dsc), "1: equal"), fact("Volume similarity (VS)", score(found.vs), "1: same size"),
      fact("Mean surface distance (MSD)", ...long("msd")), fact("Maximum surface distance", ...long("maximum")));
    const same = (set) => Object.entries(set).every(([name, value]) => String(get(name)) === String(value));
    const list = once("situations", get("organ"), () => {
      const made = organ().situations.map((one) => ({ ...one, element: button(one.name, () => change(model, one.set), { "data-act": one.name }) }));
      situations.replaceChildren(...made.map(({ element }) => element));
      return made;
    });
    const situation = list.find(({ set }) => same(set));
    for (const one of list) one.element.setAttribute("aria-pressed", one === situation);
    note.textContent = words(situation);
    small.textContent = `Prediction ${found.predicted} pixels, reference ${found.reference}, in common ${found.common}. Surfaces ${found.surfaces.join(" and ")} pixels.` +
      `${found.distances[0].farthest && found.distances[0].maximum ? " Dashed: the maximum distance." : ""}`;
    controls.find((one) => one.dataset.trait === "held").hidden = !get("speck");
    if (!waiting) waiting = setTimeout(drawPath, 30);
    live.say(`DSC ${score(found.dsc)}, VS ${score(found.vs)}, MSD ${long("msd")[0]}, maximum ${long("maximum")[0]}. ${note.textContent}`);
  }

  const stops = [follow(model, SHOWN, show), ...controls.map((control) => control.stop)];
  root.inspect = () => ({ ...now.found, rows: get("rows"), cols: get("cols"), speck_at: get("speck_at"), held: get("held"), note: note.textContent,
    prediction: Array.from(now.prediction.keys()).filter((i) => now.prediction[i]), path: path().points.map(({ at, dsc, vs, distances }) => [at, dsc, vs, distances[0].msd]) });
  return () => {
    clearTimeout(waiting);
    for (const stop of stops) stop();
    for (const part of [picture, ...charts.map(({ chart }) => chart)]) part.stop();
    root.remove();
  };
}

export default { render };
