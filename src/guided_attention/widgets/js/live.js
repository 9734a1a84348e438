// Live network: the network itself runs in the page; paint on a slice and see its answer change.

import { Answer } from "./answer.js";
import { attentionRow, positionOf } from "./attention.js";
import { FileProblem } from "./dicom.js";
import { announcer, button, change, clamp, closing, digits, follow, frame, h, radios, slider } from "./dom.js";
import { LoadProblem } from "./engine.js";
import { currentMap, mapChoices } from "./explorer.js";
import { readFile, toInput } from "./intake.js";
import { knockedOut } from "./knock.js";
import { LivePictures } from "./livepictures.js";
import { Runner } from "./runner.js";
import { Tally } from "./tally.js";

const OWN = -1;
const TOOLS = [["look", "Look"], ["erase", "Erase"], ["brighten", "Brighten"], ["darken", "Darken"], ["draw", "Draw"]];
const SHOWN = ["slice", "position", "scale", "step", "tool", "brush"];

// The line about loading, and what went wrong.
class Notice {
  constructor(total, load) {
    this.starter = button(`Load the network (${digits(total / 1e6, 3)} MB)`, load, { "data-act": "load" });
    this.progress = h("progress", { max: "1", value: "0", "aria-label": "Loading the network", hidden: true });
    this.promise = h("p", { class: "ga-note" }, "It then runs in this page; nothing that you paint or open leaves the browser. Until then: what PyTorch computed when the page was made.");
    this.problem = h("p", { class: "ga-problem", role: "alert", hidden: true });
    this.element = h("div", { class: "ga-controls" }, this.starter, this.progress, this.promise);
  }

  loading(yes, ready) {
    this.starter.disabled = yes;
    this.starter.hidden = ready;
    this.progress.hidden = !yes;
    if (ready) this.promise.textContent = "The network runs in this page. Nothing that you paint or open leaves the browser.";
  }

  // Errors that are not for people go on to the console.
  failed(error) {
    if (!(error instanceof LoadProblem || error instanceof FileProblem)) throw error;
    this.problem.textContent = error.message;
    this.problem.hidden = false;
  }

  fine() {
    this.problem.hidden = true;
    this.problem.textContent = "";
  }
}

// A chooser of files that nobody sees; `open(file)` gets what was chosen.
function fileChooser(open) {
  const chooser = h("input", {
    type: "file", accept: "image/*,.dcm,application/dicom", class: "ga-hidden", tabindex: "-1", "aria-label": "Your own picture or DICOM slice",
    on: { change: () => {
      if (chooser.files.length) open(chooser.files[0]);
      chooser.value = "";
    } },
  });
  return chooser;
}

class Controls {
  constructor(model, data, { back, open, knock }) {
    this.slices = radios(model, "slice", "Slice", [...data.slices.map(({ name }, i) => [i, name]), [OWN, "your own"]]);
    this.own = this.slices.querySelector(`input[value="${OWN}"]`).closest("label");
    this.maps = mapChoices(model, data);
    this.brush = slider(model, "brush", "Brush", { min: 0, max: Math.max(...data.size) / 8, step: 1, words: (radius) => `${2 * radius + 1} px` });
    this.grey = slider(model, "grey", "Grey of the pen", { min: 0, max: 1, step: 0.05, words: (value) => digits(value, 2) });
    this.painters = [radios(model, "tool", "Tool", TOOLS), this.brush, this.grey];
    this.ways = ["Undo", "Reset"].map((name) => button(name, () => back(name.toLowerCase()), { "data-act": name.toLowerCase() }));
    this.knocks = [["Erase what it attends to", "loudest"], ["Erase as much elsewhere", "elsewhere"]]
      .map(([name, which]) => button(name, () => knock(which === "loudest"), { "data-act": which }));
    const chooser = fileChooser(open);
    const opener = button("Open your own picture or DICOM slice", () => chooser.click(), { "data-act": "open" });
    this.views = h("div", { class: "ga-controls" }, this.slices, ...this.maps);
    this.tools = [this.painters, [...this.knocks, ...this.ways, opener, chooser]].map((parts) => h("div", { class: "ga-controls" }, ...parts));
    for (const part of [this.own, ...this.tools]) part.hidden = true;
  }

  show({ changed, painting, tool, attends }) {
    for (const way of this.ways) way.disabled = !changed;
    for (const knock of this.knocks) knock.disabled = !attends;
    this.brush.hidden = !painting;
    this.grey.hidden = tool !== "draw";
  }

  stop() {
    for (const choice of [this.slices, ...this.painters, ...this.maps]) choice.stop();
  }
}

// The widget: which slice is looked at, what the reader does to it, and what is shown of it.
class Live {
  constructor(model, el) {
    const data = model.get("data");
    Object.assign(this, { model, data, size: data.size, row: null, brush: null, shown: model.get("slice"), speaker: announcer() });
    this.answers = new Map(data.slices.map((slice, i) => [i, Answer.from(slice, data)]));
    this.runner = new Runner(model, this);
    this.tally = new Tally(data);
    this.notice = new Notice(this.runner.total, () => this.load());
    this.controls = new Controls(model, data, {
      back: (way) => this.back(way), open: (file) => this.open(file), knock: (loudest) => this.knock(loudest),
    });
    this.pictures = new LivePictures(data, () => this.now(), {
      pick: (pixel, how) => this.pick(pixel, how), move: (rows, columns) => this.move(rows, columns), press: () => this.press(),
    });
    this.root = frame(el, "live", "Live network", this.controls.views, this.notice.element, this.notice.problem,
      ...this.controls.tools, this.pictures.element, this.tally.facts, this.tally.table, this.speaker);
    this.listen();
  }

  listen() {
    const { canvas } = this.pictures.slice;
    const lift = () => this.lift();
    canvas.addEventListener("pointerdown", lift, true);
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) canvas.addEventListener(name, lift);
    const over = (event, yes) => {
      event.preventDefault();
      this.root.classList.toggle("ga-live-over", yes);
    };
    this.root.addEventListener("dragover", (event) => over(event, true));
    this.root.addEventListener("dragleave", (event) => over(event, false));
    this.root.addEventListener("drop", (event) => {
      over(event, false);
      this.dropped(event.dataTransfer.files[0]);
    });
  }

  // ---- what the reader does
  stroke(pixel) {
    const { sheet } = this.present();
    if (!sheet.stroke) sheet.begin();
    sheet.paint(pixel, this.model.get("tool"), this.model.get("brush"), this.model.get("grey"));
    this.show();
    this.runner.run();
  }

  lift() {
    this.present().sheet.stroke = null;
  }

  pick(pixel, how) {
    this.brush = pixel;
    if (how === "click" && this.painting) this.stroke(pixel);
    else if (how === "click") change(this.model, { position: pixel });
    else this.pictures.slice.draw();
  }

  move(rows, columns) {
    const [row, column] = this.model.get("position");
    this.brush = [clamp(row + rows, 0, this.size[0] - 1), clamp(column + columns, 0, this.size[1] - 1)];
    change(this.model, { position: this.brush });
  }

  press() {
    if (!this.painting) return;
    this.brush = this.model.get("position");
    this.lift();
    this.stroke(this.brush);
    this.lift();
  }

  back(way) {
    this.present().sheet[way]();
    this.show();
    this.runner.run();
  }

  // Take away a tenth of the picture: what the chosen position attends to most, or anything else.
  knock(loudest) {
    const { grid } = currentMap(this.model, this.data);
    this.present().sheet.black(knockedOut(this.row, this.size, grid, loudest));
    this.show();
    this.runner.run();
  }

  async load() {
    this.notice.fine();
    await this.runner.load();
    if (!this.runner.ready || this.runner.gone) return;
    for (const part of this.controls.tools) part.hidden = false;
    await this.runner.run();
  }

  async open(file) {
    this.notice.fine();
    try {
      const values = toInput(await readFile(file), this.size, this.data.normalisation);
      const window = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
      this.answers.set(OWN, new Answer({ name: file.name, values, size: this.size, window, prediction: null, classes: this.data.classes.length }));
    } catch (error) {
      this.failed(error);
      return;
    }
    this.controls.own.hidden = false;
    if (this.model.get("slice") !== OWN) change(this.model, { slice: OWN });
    else this.runner.run();
  }

  dropped(file) {
    if (file && this.runner.ready) this.open(file);
    else if (file) this.failed(new FileProblem("Load the network first, then drop the file again."));
  }

  // ---- what the runner asks and tells
  present() {
    return this.answers.get(this.model.get("slice")) ?? this.answers.get(0);
  }

  loading(yes) {
    this.notice.loading(yes, this.runner.ready);
  }

  arrived(share) {
    this.notice.progress.value = share;
  }

  busy(yes) {
    if (yes) this.root.setAttribute("aria-busy", "true");
    else this.root.removeAttribute("aria-busy");
  }

  failed(error) {
    this.notice.failed(error);
  }

  answered() {
    this.show();
  }

  settled() {
    const counts = this.present().counts();
    if (!counts) return;
    if (this.model.get("counts").join() !== counts.join()) change(this.model, { counts });
    this.speaker.say(this.tally.words(this.present()));
  }

  // ---- what is shown
  get painting() {
    return this.runner.ready && this.model.get("tool") !== "look";
  }

  now() {
    const { model, row, brush, painting } = this;
    return { answer: this.present(), row, map: currentMap(model, this.data), position: model.get("position"),
      brush, radius: model.get("brush"), painting, ready: this.runner.ready };
  }

  // What the chosen position attends to, once the network has run.
  attention() {
    const { values } = this.present();
    const map = currentMap(this.model, this.data);
    if (!values || !map) return null;
    const asker = positionOf(this.model.get("position"), this.size, map.grid);
    return attentionRow(values[`query.${map.index}`], values[`key.${map.index}`], map.depth, asker);
  }

  show() {
    const { model, painting } = this;
    this.row = this.attention();
    this.pictures.draw();
    this.tally.show(this.present(), { position: model.get("position"), milliseconds: this.runner.milliseconds, row: this.row });
    this.controls.show({ changed: this.present().sheet.steps.length > 0, painting, tool: model.get("tool"), attends: this.row !== null });
    this.root.classList.toggle("ga-live-own", model.get("slice") === OWN); // nobody knows the sides of a foreign picture
  }

  // A slice that is shown for the first time waits for its answer.
  update() {
    this.show();
    const slice = this.model.get("slice");
    if (slice !== this.shown || !this.present().values) this.runner.run();
    this.shown = slice;
  }

  inspect() {
    const { runner, row } = this;
    const answer = this.present();
    return {
      ready: runner.ready, milliseconds: runner.milliseconds, answers: runner.answers, busy: runner.computing || runner.fetching,
      bytes: runner.bytes, slice: this.model.get("slice"), logits: answer.values ? Array.from(answer.values.logits) : null,
      row: row ? Array.from(row) : null, image: Array.from(answer.sheet.values), counts: answer.counts(),
      differing: answer.differing(), changed: answer.sheet.changed(), problem: this.notice.problem.textContent,
    };
  }
}

function render({ model, el }) {
  const live = new Live(model, el);
  const followed = follow(model, SHOWN, () => live.update());
  live.root.inspect = () => live.inspect();
  return closing(live.root, live.runner, followed, live.controls, live.pictures);
}

export default { render };
