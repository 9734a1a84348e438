// Pinned positions side by side: a small map and the numbers of each.

import { button, change, digits, h, percent } from "./dom.js";
import { Picture } from "./picture.js";

export const LETTERS = "ABCD";

// `it` is the Explorer; `paint(context, unit, pixel, row)` draws one small map.
export class PinTable {
  constructor(model, it, unit, paint) {
    Object.assign(this, { model, it, unit, paint, pictures: [], shown: "" });
    this.element = h("div", { class: "ga-block" });
  }

  // Made anew only when something in it has changed, so that nobody loses their place in it.
  show() {
    const names = ["pinned", "network", "scale", "step", "temperature", "overlay", "colours"];
    const wanted = JSON.stringify(names.map((name) => this.model.get(name)));
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.stop();
    const pinned = this.model.get("pinned");
    this.element.replaceChildren(...(pinned.length ? [this.table(pinned)] : []));
  }

  table(pinned) {
    const facts = pinned.map((pixel) => this.it.facts(pixel));
    const organs = facts[0].shares.slice(1).map(({ name }) => name);
    const heads = ["", "attention", "asks", "entropy", "half held by", "mean distance", ...organs, ""];
    return h("div", { class: "ga-scroll", tabindex: "0", role: "region", "aria-label": "Pinned positions" }, h("table", {},
      h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...facts.map((fact, i) => this.line(fact, i, pinned))),
    ));
  }

  line(fact, i, pinned) {
    const letter = LETTERS[i];
    const map = new Picture({
      size: this.it.size, pitch: this.it.pitch, letters: false, label: `Attention of position ${letter}`,
      paint: (context, unit) => this.paint(context, unit, fact.pixel, fact.row),
    });
    map.element.classList.add("ga-thumb");
    this.pictures.push(map);
    const remove = () => {
      change(this.model, { pinned: pinned.filter((_, k) => k !== i) });
      this.element.closest(".ga").querySelector("canvas").focus();
    };
    const cells = [
      map.element, fact.under ?? fact.pixel.join(", "), digits(fact.entropy), String(fact.half.length),
      `${digits(fact.distance)} ${this.unit}`, ...fact.shares.slice(1).map(({ share }) => percent(share)),
      button("Remove", remove, { "aria-label": `Remove pin ${letter}` }),
    ];
    return h("tr", {}, h("th", { scope: "row" }, letter), ...cells.map((cell) => h("td", {}, cell)));
  }

  stop() {
    for (const picture of this.pictures.splice(0)) picture.stop();
  }
}
