// The two pictures of the live network: the slice with its segmentation, and the attention of the chosen position.

import { blockOf } from "./attention.js";
import { digits, h } from "./dom.js";
import { ramp } from "./legend.js";
import { heat, outlines, stroke } from "./overlay.js";
import { Picture, greyTile, marker } from "./picture.js";

export class LivePictures {
  // now(): { answer, row, map, position, brush, radius, painting, ready }. pick, move, press: as for Picture.
  constructor(data, now, { pick, move, press }) {
    Object.assign(this, { data, now, size: data.size });
    const keys = "Arrow keys move the position, with shift five pixels at a time; Enter uses the tool there.";
    this.says = h("span");
    this.listens = h("span");
    this.slice = new Picture({
      size: data.size, pick, move, press, label: `Slice with the network's segmentation. ${keys}`, caption: this.says,
      paint: (context, unit) => {
        this.grey(context);
        this.outlines(context, unit);
        if (now().row) this.chosen(context, unit);
        this.brush(context, unit);
      },
    });
    this.attention = new Picture({
      size: data.size, label: "Slice with the attention of the chosen position over it.", caption: this.listens,
      paint: (context, unit) => {
        this.grey(context);
        if (!now().row) return;
        this.heat(context);
        this.outlines(context, unit);
        this.chosen(context, unit);
      },
    });
    this.most = h("span");
    this.scale = ramp(h("span", {}, "0"), this.most);
    this.attention.element.append(this.scale);
    this.element = h("div", { class: "ga-columns" }, this.slice.element, this.attention.element);
  }

  draw() {
    const { row, map, painting, ready } = this.now();
    for (const picture of [this.slice, this.attention]) picture.draw();
    this.slice.canvas.style.touchAction = painting ? "none" : ""; // a finger that paints does not scroll
    this.says.replaceChildren(h("strong", {}, ready ? "The network's answer" : "PyTorch's answer"), painting ? ": paint here" : ": choose a position");
    const about = !map ? ": this network has none of positions" : row ? " of the chosen position" : ": load the network to see it";
    this.listens.replaceChildren(h("strong", {}, "Attention"), about);
    this.scale.hidden = !row;
    if (row) this.most.textContent = `${digits(Math.max(...row) * row.length, 3)} × uniform`;
  }

  grey(context) {
    context.imageSmoothingEnabled = true;
    context.drawImage(greyTile(this.now().answer.sheet.greys(), this.size[1], this.size[0]), 0, 0);
  }

  outlines(context, unit) {
    const { labels } = this.now().answer;
    if (!labels) return;
    for (const [path, colour] of outlines(labels, this.size, this.data.classes)) stroke(context, unit, path, [["#000a", 3.6], [colour, 2]]);
  }

  heat(context) {
    const { row, map } = this.now();
    const most = Math.max(...row);
    heat(context, this.size, row, map.grid, (weight) => weight / most);
  }

  chosen(context, unit) {
    const { position, map } = this.now();
    marker(context, unit, blockOf(position, this.size, map.grid));
  }

  brush(context, unit) {
    const { brush, radius, painting } = this.now();
    if (!painting || !brush) return;
    const circle = new Path2D();
    circle.arc(brush[1] + 0.5, brush[0] + 0.5, radius + 0.5, 0, 2 * Math.PI);
    stroke(context, unit, circle, [["#000c", 4], ["#fff", 1.8]]);
  }

  stop() {
    for (const picture of [this.slice, this.attention]) picture.stop();
  }
}
