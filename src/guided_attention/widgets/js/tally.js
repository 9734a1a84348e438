// Numbers of the live network: time, what changed, and the pixels of each organ.

import { halfMass } from "./attention.js";
import { digits, fact, h } from "./dom.js";
import { patch } from "./legend.js";

export class Tally {
  constructor(data) {
    this.data = data;
    this.facts = h("dl", { class: "ga-facts" });
    this.table = h("div", { class: "ga-scroll ga-block", tabindex: "0", role: "region", "aria-label": "Pixels of each organ" });
  }

  // row: attention of the chosen position, or null.
  show(answer, { position, milliseconds, row }) {
    const { size, classes } = this.data;
    const pixels = size[0] * size[1];
    const differing = answer.differing();
    const under = answer.labels ? classes[answer.labels[position[0] * size[1] + position[1]]].name : "";
    this.facts.replaceChildren(
      fact("Time", milliseconds === null ? "–" : `${digits(milliseconds, 3)} ms`, "for one slice"),
      fact("You changed", String(answer.sheet.changed()), `of ${pixels} pixels`),
      fact("Its answer changed", String(differing), `pixels, ${digits((100 * differing) / pixels, 2)} %`),
      fact("Chosen position", under, `pixel ${position.join(", ")}`),
      ...(row ? [fact("Half of its attention", String(halfMass(row).length), `of ${row.length} positions`)] : []),
    );
    const [now, first] = [answer.counts(), answer.counts(answer.first)];
    if (!now) return this.table.replaceChildren();
    const line = ({ name, colour }, value) => {
      const difference = now[value] - first[value];
      const cells = [String(now[value]), String(first[value]), `${difference > 0 ? "+" : ""}${difference}`.replace("-", "−")];
      return h("tr", {}, h("th", { scope: "row" }, patch(colour, { class: "ga-swatch" }), name), ...cells.map((cell) => h("td", {}, cell)));
    };
    const heads = ["organ", "pixels now", "at first", "difference"].map((name) => h("th", { scope: "col" }, name));
    return this.table.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...classes.map(line).slice(1))));
  }

  // The same in a sentence, for screen readers.
  words(answer) {
    const counts = answer.counts();
    const organs = this.data.classes.slice(1).map(({ name }, i) => `${name} ${counts[i + 1]} pixels`);
    return `${answer.name}: ${organs.join(", ")}. The answer changed at ${answer.differing()} pixels.`;
  }
}
