// Live network: the network itself runs in the page; paint on a slice and see its answer change.

import { Answer } from "./answer.js";
import { bytes } from "./arrays.js";
import { attentionRow, positionOf } from "./attention.js";
import { FileProblem } from "./dicom.js";
import { announcer, button, change, clamp, digits, follow, frame, h, radios, slider } from "./dom.js";
import { Engine, LoadProblem } from "./engine.js";
import { currentMap, mapChoices } from "./explorer.js";
import { readFile, toInput } from "./intake.js";
import { LivePictures } from "./livepictures.js";
import { Tally } from "./tally.js";

const OWN = -1;
const TOOLS = [["look", "Look"], ["erase", "Erase"], ["brighten", "Brighten"], ["darken", "Darken"], ["draw", "Draw"]];

function render({ model, el }) {
  const data = model.get("data");
  const { size } = data;
  const answers = new Map(data.slices.map((slice, i) => [i, Answer.from(slice, data)]));
  const engine = new Engine();
  const tally = new Tally(data);
  const state = { ready: false, loading: false, busy: false, again: false, gone: false, bytes: 0, answers: 0, milliseconds: null, row: null, brush: null };
  const total = data.bytes.reduce((sum, count) => sum + count, 0);
  const present = () => answers.get(model.get("slice")) ?? answers.get(0);
  const painting = () => state.ready && model.get("tool") !== "look";

  // ---- what the reader does
  const stroke = (pixel) => {
    const { sheet } = present();
    if (!sheet.stroke) sheet.begin();
    sheet.paint(pixel, model.get("tool"), model.get("brush"), model.get("grey"));
    show();
    run();
  };
  const lift = () => {
    present().sheet.stroke = null;
  };
  const pick = (pixel, how) => {
    state.brush = pixel;
    if (how === "click" && painting()) stroke(pixel);
    else if (how === "click") change(model, { position: pixel });
    else pictures.slice.draw();
  };
  const move = (rows, columns) => {
    const [row, column] = model.get("position");
    state.brush = [clamp(row + rows, 0, size[0] - 1), clamp(column + columns, 0, size[1] - 1)];
    change(model, { position: state.brush });
  };
  const press = () => {
    if (!painting()) return;
    state.brush = model.get("position");
    lift();
    stroke(state.brush);
    lift();
  };
  const back = (way) => {
    present().sheet[way]();
    show();
    run();
  };
  const now = () => ({
    answer: present(), row: state.row, map: currentMap(model, data), position: model.get("position"),
    brush: state.brush, radius: model.get("brush"), painting: painting(), ready: state.ready,
  });
  const pictures = new LivePictures(data, now, { pick, move, press });
  pictures.slice.canvas.addEventListener("pointerdown", lift, true);
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) pictures.slice.canvas.addEventListener(name, lift);

  // ---- the network
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
    const asked = present();
    try {
      const { values, milliseconds } = await engine.run(asked.sheet.values.slice(), [1, 1, ...size]);
      asked.take(values);
      state.milliseconds = milliseconds;
      state.answers += 1;
    } catch (error) {
      failed(error);
    } finally {
      state.busy = false;
      root.removeAttribute("aria-busy");
    }
    if (state.gone) return;
    show();
    if (state.again) await run();
    else tell();
  };
  const tell = () => {
    const counts = present().counts();
    if (!counts) return;
    if (model.get("counts").join() !== counts.join()) change(model, { counts });
    live.say(tally.words(present()));
  };
  const load = async () => {
    fine();
    Object.assign(state, { loading: true, bytes: 0 });
    starter.disabled = true;
    progress.hidden = false;
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
    } finally {
      state.loading = false;
      progress.hidden = true;
      starter.disabled = false;
      starter.hidden = state.ready;
    }
    if (!state.ready || state.gone) return;
    for (const part of tools) part.hidden = false;
    promise.textContent = "The network runs in this page. Nothing that you paint or open leaves the browser.";
    await run();
  };
  const open = async (file) => {
    fine();
    try {
      const values = toInput(await readFile(file), size, data.normalisation);
      const window = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
      answers.set(OWN, new Answer({ name: file.name, values, size, window, prediction: null, classes: data.classes.length }));
    } catch (error) {
      failed(error);
      return;
    }
    ownChoice.hidden = false;
    if (model.get("slice") !== OWN) change(model, { slice: OWN });
    else run();
  };

  // ---- controls
  const starter = button(`Load the network (${digits(total / 1e6, 3)} MB)`, load, { "data-act": "load" });
  const progress = h("progress", { max: "1", value: "0", "aria-label": "Loading the network" });
  const promise = h("p", { class: "ga-note" }, "It then runs in this page; nothing that you paint or open leaves the browser. Until then: what PyTorch computed when the page was made.");
  const problem = h("p", { class: "ga-problem", role: "alert" });
  const slices = radios(model, "slice", "Slice", [...data.slices.map(({ name }, i) => [i, name]), [OWN, "your own"]]);
  const ownChoice = slices.querySelector(`input[value="${OWN}"]`).closest("label");
  const undo = button("Undo", () => back("undo"), { "data-act": "undo" });
  const reset = button("Reset", () => back("reset"), { "data-act": "reset" });
  const chooser = h("input", {
    type: "file", accept: "image/*,.dcm,application/dicom", class: "ga-hidden", tabindex: "-1", "aria-label": "Your own picture or DICOM slice",
    on: { change: () => {
      if (chooser.files.length) open(chooser.files[0]);
      chooser.value = "";
    } },
  });
  const brush = slider(model, "brush", "Brush", { min: 0, max: Math.max(...size) / 8, step: 1, words: (radius) => `${2 * radius + 1} px` });
  const grey = slider(model, "grey", "Grey of the pen", { min: 0, max: 1, step: 0.05, words: (value) => digits(value, 2) });
  const painters = [radios(model, "tool", "Tool", TOOLS), brush, grey];
  const maps = mapChoices(model, data);
  const tools = [
    h("div", { class: "ga-controls" }, ...painters),
    h("div", { class: "ga-controls" }, undo, reset, button("Open your own picture or DICOM slice", () => chooser.click(), { "data-act": "open" }), chooser),
  ];
  for (const part of [progress, problem, ownChoice, ...tools]) part.hidden = true;
  const live = announcer();
  const root = frame(
    el, "live", "Live network",
    h("div", { class: "ga-controls" }, slices, ...maps),
    h("div", { class: "ga-controls" }, starter, progress, promise),
    problem, ...tools, pictures.element, tally.facts, tally.table, live,
  );
  const over = (event, yes) => {
    event.preventDefault();
    root.classList.toggle("ga-live-over", yes);
  };
  root.addEventListener("dragover", (event) => over(event, true));
  root.addEventListener("dragleave", (event) => over(event, false));
  root.addEventListener("drop", (event) => {
    over(event, false);
    const [file] = event.dataTransfer.files;
    if (file && state.ready) open(file);
    else if (file) failed(new FileProblem("Load the network first, then drop the file again."));
  });

  // ---- what is shown
  function show() {
    const { sheet, values } = present();
    const map = currentMap(model, data);
    state.row = values && map
      ? attentionRow(values[`query.${map.index}`], values[`key.${map.index}`], map.depth, positionOf(model.get("position"), size, map.grid))
      : null;
    pictures.draw();
    tally.show(present(), { position: model.get("position"), milliseconds: state.milliseconds, row: state.row });
    for (const way of [undo, reset]) way.disabled = !sheet.steps.length;
    brush.hidden = !painting();
    grey.hidden = model.get("tool") !== "draw";
    root.classList.toggle("ga-live-own", model.get("slice") === OWN); // nobody knows the sides of a foreign picture
  }
  let shown = model.get("slice");
  const stops = [
    follow(model, ["slice", "position", "scale", "step", "tool", "brush"], () => {
      show();
      if (model.get("slice") !== shown || !present().values) run();
      shown = model.get("slice");
    }),
    ...[slices, ...painters, ...maps].map((choice) => choice.stop),
  ];
  root.inspect = () => {
    const { sheet, values } = present();
    const { ready, answers: count, milliseconds, row } = state;
    return {
      ready, milliseconds, answers: count, busy: state.busy || state.loading, bytes: state.bytes, slice: model.get("slice"),
      logits: values ? Array.from(values.logits) : null, row: row ? Array.from(row) : null, image: Array.from(sheet.values),
      counts: present().counts(), differing: present().differing(), changed: sheet.changed(), problem: problem.textContent,
    };
  };
  return () => {
    state.gone = true;
    for (const stop of stops) stop();
    pictures.stop();
    engine.stop();
    root.remove();
  };
}

export default { render };
