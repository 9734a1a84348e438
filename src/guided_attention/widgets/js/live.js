// Live network: the network itself runs in the page; paint on a slice and see its answer change.

import { bytes, floats } from "./arrays.js";
import { attentionRow, halfMass, positionOf } from "./attention.js";
import { colourise, viridis, viridisGradient } from "./colours.js";
import { announcer, button, change, clamp, digits, follow, frame, h, radios, slider } from "./dom.js";
import { Engine, LoadProblem } from "./engine.js";
import { currentMap, mapChoices } from "./explorer.js";
import { FileProblem } from "./dicom.js";
import { readFile, toInput } from "./intake.js";
import { Picture, greyTile, marker, outline, tile } from "./picture.js";
import { Sheet } from "./sheet.js";

const OWN = -1;
const PAINTING = [["erase", "Erase"], ["brighten", "Brighten"], ["darken", "Darken"], ["draw", "Draw"]];
const megabytes = (count) => `${digits(count / 1e6, 3)} MB`;

// The class of each pixel: the one with the largest logit.
function classesOf(logits, count, pixels) {
  return Uint8Array.from({ length: pixels }, (_, i) => {
    let best = 0;
    for (let k = 1; k < count; k += 1) if (logits[k * pixels + i] > logits[best * pixels + i]) best = k;
    return best;
  });
}

function countsOf(labels, classes) {
  const counts = new Array(classes).fill(0);
  for (const label of labels) counts[label] += 1;
  return counts;
}

// One slice of the widget: what is painted on it, and what the network says to it.
function makePage({ name, values, window, prediction }, size) {
  return { name, sheet: new Sheet(values, size, window), first: prediction, labels: prediction, answer: null };
}

function render({ model, el }) {
  const data = model.get("data");
  const { size } = data;
  const pixels = size[0] * size[1];
  const classes = data.classes.length;
  const pages = new Map(data.slices.map((slice, i) => [i, makePage({
    name: slice.name, values: Float32Array.from(floats(slice.image)), window: slice.window, prediction: bytes(slice.prediction),
  }, size)]));
  const engine = new Engine();
  const state = { ready: false, loading: false, busy: false, again: false, gone: false, bytes: 0, answers: 0, milliseconds: null, row: null, brush: null };

  const page = () => pages.get(model.get("slice")) ?? pages.get(0);
  const painting = () => state.ready && model.get("tool") !== "look";
  const map = () => currentMap(model, data);

  // ---- pictures
  const drawSlice = (context) => {
    context.imageSmoothingEnabled = true;
    context.drawImage(greyTile(page().sheet.greys(), size[1], size[0]), 0, 0);
  };
  const drawOutlines = (context, unit) => {
    const { labels } = page();
    if (!labels) return;
    data.classes.forEach(({ colour }, value) => {
      if (!value) return;
      const path = outline(labels, size[1], size[0], value);
      for (const [style, width] of [["#000a", 3.6], [colour, 2]]) {
        context.strokeStyle = style;
        context.lineWidth = width * unit;
        context.stroke(path);
      }
    });
  };
  const drawBrush = (context, unit) => {
    if (!painting() || !state.brush) return;
    for (const [style, width] of [["#000c", 4], ["#fff", 1.8]]) {
      context.beginPath();
      context.arc(state.brush[1] + 0.5, state.brush[0] + 0.5, model.get("brush") + 0.5, 0, 2 * Math.PI);
      context.strokeStyle = style;
      context.lineWidth = width * unit;
      context.stroke();
    }
  };
  const block = ([row, column]) => {
    const { grid } = map();
    const step = [0, 1].map((axis) => size[axis] / grid[axis]);
    return [Math.floor(row / step[0]) * step[0], Math.floor(column / step[1]) * step[1], ...step];
  };
  const drawHeat = (context) => {
    const { grid } = map();
    const most = Math.max(...state.row);
    context.imageSmoothingEnabled = false;
    context.drawImage(tile(colourise(state.row, grid[1], grid[0], (weight) => [...viridis(weight / most), 255 * (0.2 + 0.65 * Math.sqrt(weight / most))])), 0, 0, size[1], size[0]);
  };

  // ---- what the reader does
  const pick = (pixel, how) => {
    state.brush = pixel;
    if (how === "click" && !painting()) change(model, { position: pixel });
    else if (how === "click") stroke(pixel);
    else pictures[0].draw();
  };
  const stroke = (pixel) => {
    const { sheet } = page();
    if (!sheet.stroke) sheet.begin();
    sheet.paint(pixel, model.get("tool"), model.get("brush"), model.get("grey"));
    show();
    run();
  };
  const move = (rows, columns) => {
    const [row, column] = model.get("position");
    const position = [clamp(row + rows, 0, size[0] - 1), clamp(column + columns, 0, size[1] - 1)];
    state.brush = position;
    change(model, { position });
  };
  const press = () => {
    if (!painting()) return;
    state.brush = model.get("position");
    page().sheet.stroke = null;
    stroke(state.brush);
    page().sheet.stroke = null;
  };
  const lift = () => {
    page().sheet.stroke = null;
  };
  const keys = "Arrow keys move the position, with shift five pixels at a time; Enter uses the tool there.";
  const say = h("span");
  const listens = h("span");
  const pictures = [
    new Picture({
      size, pick, move, press, label: `Slice with the network's segmentation. ${keys}`, caption: say,
      paint: (context, unit) => {
        drawSlice(context);
        drawOutlines(context, unit);
        if (state.row) marker(context, unit, block(model.get("position")));
        drawBrush(context, unit);
      },
    }),
    new Picture({
      size, label: "Slice with the attention of the chosen position over it.", caption: listens,
      paint: (context, unit) => {
        drawSlice(context);
        if (!state.row) return;
        drawHeat(context);
        drawOutlines(context, unit);
        marker(context, unit, block(model.get("position")));
      },
    }),
  ];
  const { canvas } = pictures[0];
  canvas.addEventListener("pointerdown", lift, true);
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) canvas.addEventListener(name, lift);

  // ---- the network
  const show = () => {
    const { sheet, answer } = page();
    const chosen = map();
    state.row = null;
    if (answer && chosen) {
      const asker = positionOf(model.get("position"), size, chosen.grid);
      state.row = attentionRow(answer[`query.${chosen.index}`], answer[`key.${chosen.index}`], chosen.depth, asker);
    }
    for (const picture of pictures) picture.draw();
    undo.disabled = !sheet.steps.length;
    reset.disabled = !sheet.steps.length;
    canvas.style.touchAction = painting() ? "none" : ""; // a finger that paints does not scroll
    brush.hidden = !painting();
    grey.hidden = model.get("tool") !== "draw";
    root.classList.toggle("ga-live-own", model.get("slice") === OWN);
    showNumbers();
  };
  const failed = (error) => {
    if (!(error instanceof LoadProblem || error instanceof FileProblem)) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
  };
  const fine = () => {
    problem.hidden = true;
    problem.textContent = "";
  };
  // While it computes, further changes wait; the last of them is computed next.
  const run = async () => {
    state.again = state.busy;
    if (!state.ready || state.busy) return;
    state.busy = true;
    root.setAttribute("aria-busy", "true");
    const asked = page();
    try {
      const { values, milliseconds } = await engine.run(asked.sheet.values.slice(), [1, 1, ...size]);
      asked.answer = values;
      asked.labels = classesOf(values.logits, classes, pixels);
      asked.first ??= asked.labels;
      state.milliseconds = milliseconds;
      state.answers += 1;
    } catch (error) {
      failed(error);
    }
    state.busy = false;
    root.removeAttribute("aria-busy");
    if (state.gone) return;
    show();
    if (state.again) await run();
    else tell();
  };
  const load = async () => {
    fine();
    state.loading = true;
    state.bytes = 0;
    starter.disabled = true;
    progress.hidden = false;
    const total = data.bytes.reduce((sum, count) => sum + count, 0);
    const arrived = (count) => {
      state.bytes += count;
      progress.value = state.bytes / total;
    };
    const { runtime, weights } = model.get("urls");
    const urls = [`${runtime}ort.wasm.bundle.min.mjs`, `${runtime}ort-wasm-simd-threaded.wasm.gz`, weights];
    try {
      await engine.load(model, { urls, sizes: data.bytes, graph: bytes(data.graph), name: data.weights, arrived });
      state.ready = true;
    } catch (error) {
      failed(error);
    }
    state.loading = false;
    progress.hidden = true;
    starter.disabled = false;
    starter.hidden = state.ready;
    if (!state.ready) return;
    for (const part of tools) part.hidden = false;
    promise.textContent = "The network runs in this page. Nothing that you paint or open leaves the browser.";
    await run();
  };

  // ---- own files
  const open = async (file) => {
    fine();
    try {
      const values = toInput(await readFile(file), size, data.normalisation);
      const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
      pages.set(OWN, makePage({ name: file.name, values, window: [low, high], prediction: null }, size));
      if (ownChoice) ownChoice.hidden = false;
      if (model.get("slice") === OWN) {
        show();
        await run();
      } else {
        change(model, { slice: OWN });
      }
    } catch (error) {
      failed(error);
    }
  };
  const chooser = h("input", { type: "file", accept: "image/*,.dcm,application/dicom", class: "ga-hidden", tabindex: "-1", "aria-label": "Your own picture or DICOM slice",
    on: { change: () => {
      if (chooser.files.length) open(chooser.files[0]);
      chooser.value = "";
    } } });

  // ---- controls
  const starter = button(`Load the network (${megabytes(data.bytes.reduce((sum, count) => sum + count, 0))})`, load, { "data-act": "load" });
  const progress = h("progress", { max: "1", value: "0", "aria-label": "Loading the network" });
  progress.hidden = true;
  const promise = h("p", { class: "ga-note" }, "It then runs in this page; nothing that you paint or open leaves the browser. Until then: what PyTorch computed when the page was made.");
  const problem = h("p", { class: "ga-problem", role: "alert" });
  problem.hidden = true;
  const slices = radios(model, "slice", "Slice", [...data.slices.map(({ name }, i) => [i, name]), [OWN, "your own"]]);
  const ownChoice = slices.querySelector(`input[value="${OWN}"]`).closest("label");
  ownChoice.hidden = true;
  const undo = button("Undo", () => {
    page().sheet.undo();
    show();
    run();
  }, { "data-act": "undo" });
  const reset = button("Reset", () => {
    page().sheet.reset();
    show();
    run();
  }, { "data-act": "reset" });
  const brush = slider(model, "brush", "Brush", { min: 0, max: Math.max(...size) / 8, step: 1, words: (radius) => `${2 * radius + 1} px` });
  const grey = slider(model, "grey", "Grey of the pen", { min: 0, max: 1, step: 0.05, words: (value) => digits(value, 2) });
  const choices = [slices, radios(model, "tool", "Tool", [["look", "Look"], ...PAINTING]), brush, grey, ...mapChoices(model, data)];
  const tools = [
    h("div", { class: "ga-controls" }, ...choices.slice(1, 4)),
    h("div", { class: "ga-controls" }, undo, reset, button("Open your own picture or DICOM slice", () => chooser.click(), { "data-act": "open" }), chooser),
  ];
  for (const part of tools) part.hidden = true;
  const most = h("span");
  const ramp = h("i");
  ramp.style.background = viridisGradient();
  const scale = h("div", { class: "ga-ramp" }, h("span", {}, "0"), ramp, most);
  pictures[1].element.append(scale);
  const facts = h("dl", { class: "ga-facts" });
  const table = h("div", { class: "ga-scroll ga-block", tabindex: "0", role: "region", "aria-label": "Pixels of each organ" });
  const live = announcer();
  const root = frame(
    el, "live", "Live network",
    h("div", { class: "ga-controls" }, slices, ...choices.slice(4)),
    h("div", { class: "ga-controls" }, starter, progress, promise),
    problem, ...tools,
    h("div", { class: "ga-columns" }, ...pictures.map(({ element }) => element)),
    facts, table, live,
  );
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("ga-live-over");
  });
  for (const name of ["dragleave", "drop"]) root.addEventListener(name, () => root.classList.remove("ga-live-over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (!file) return;
    if (state.ready) open(file);
    else failed(new FileProblem("Load the network first, then drop the file again."));
  });

  // ---- numbers
  const now = () => (page().labels ? countsOf(page().labels, classes) : null);
  const before = () => (page().first ? countsOf(page().first, classes) : null);
  const differing = () => {
    const { first, labels } = page();
    return first && labels ? labels.reduce((sum, label, i) => sum + (label !== first[i]), 0) : 0;
  };
  const share = (count) => `${digits((100 * count) / pixels, 2)} %`;
  const fact = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, " ", h("small", {}, more)));
  function showNumbers() {
    const { sheet, labels } = page();
    const [row, column] = model.get("position");
    const under = labels ? data.classes[labels[row * size[1] + column]].name : "";
    const half = state.row ? halfMass(state.row).length : 0;
    say.replaceChildren(h("strong", {}, state.ready ? "The network's answer" : "PyTorch's answer"), painting() ? ": paint here" : ": choose a position");
    listens.replaceChildren(h("strong", {}, "Attention"), !map() ? ": this network has none of positions" : state.row ? " of the chosen position" : ": load the network to see it");
    scale.hidden = !state.row;
    facts.replaceChildren(
      fact("Time", state.milliseconds === null ? "–" : `${digits(state.milliseconds, 3)} ms`, "for one slice"),
      fact("You changed", String(sheet.changed()), `of ${pixels} pixels`),
      fact("Its answer changed", String(differing()), `pixels, ${share(differing())}`),
      fact("Chosen position", under, `pixel ${row}, ${column}`),
      ...(state.row ? [fact("Half of its attention", String(half), `of ${state.row.length} positions`)] : []),
    );
    if (state.row) most.textContent = `${digits(Math.max(...state.row) * state.row.length, 3)} × uniform`;
    const [counts, first] = [now(), before()];
    if (!counts) return table.replaceChildren();
    const line = ({ name, colour }, value) => {
      const patch = h("i", { class: "ga-swatch" });
      patch.style.background = colour;
      const difference = counts[value] - first[value];
      const cells = [String(counts[value]), String(first[value]), `${difference > 0 ? "+" : ""}${difference}`.replace("-", "−")];
      return h("tr", {}, h("th", { scope: "row" }, patch, name), ...cells.map((cell) => h("td", {}, cell)));
    };
    table.replaceChildren(h("table", {},
      h("thead", {}, h("tr", {}, ...["organ", "pixels now", "at first", "difference"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...data.classes.map(line).slice(1))));
    return undefined;
  }
  const tell = () => {
    const counts = now();
    if (!counts) return;
    if (model.get("counts").join() !== counts.join()) change(model, { counts });
    live.say(`${page().name}: ${data.classes.slice(1).map(({ name }, i) => `${name} ${counts[i + 1]} pixels`).join(", ")}. The answer changed at ${differing()} pixels.`);
  };

  let shown = model.get("slice");
  const stops = [
    follow(model, ["slice", "position", "scale", "step", "tool", "brush"], () => {
      show();
      if (model.get("slice") !== shown || !page().answer) run();
      shown = model.get("slice");
    }),
    ...choices.map((choice) => choice.stop),
  ];
  root.inspect = () => ({
    ready: state.ready, busy: state.busy || state.loading, bytes: state.bytes, answers: state.answers, milliseconds: state.milliseconds, slice: model.get("slice"),
    logits: page().answer ? Array.from(page().answer.logits) : null, row: state.row ? Array.from(state.row) : null,
    image: Array.from(page().sheet.values), counts: now(), differing: differing(), changed: page().sheet.changed(), problem: problem.textContent,
  });
  return () => {
    state.gone = true;
    for (const stop of stops) stop();
    for (const picture of pictures) picture.stop();
    engine.stop();
    root.remove();
  };
}

export default { render };
