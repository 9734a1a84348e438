// A picture in which the reader chooses a pixel: by mouse, finger or arrow keys.

import { arrow, clamp, h } from "./dom.js";

// A canvas as small as the array, to be drawn at any size.
export function tile(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// Grey values (uint8) as a tile.
export function greyTile(values, width, height) {
  const image = new ImageData(width, height);
  for (let i = 0; i < values.length; i += 1) {
    image.data.fill(values[i], 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  }
  return tile(image);
}

// The outline of one class, along the edges of its pixels, in pixel coordinates.
export function outline(labels, width, height, value) {
  const path = new Path2D();
  const at = (r, c) => r >= 0 && c >= 0 && r < height && c < width && labels[r * width + c] === value;
  const trace = (lines, places, differs, draw) => {
    for (let line = 0; line <= lines; line += 1) {
      let start = -1;
      for (let place = 0; place <= places; place += 1) {
        const edge = place < places && differs(line, place);
        if (edge && start < 0) start = place;
        if (!edge && start >= 0) {
          draw(line, start, place);
          start = -1;
        }
      }
    }
  };
  trace(height, width, (r, c) => at(r, c) !== at(r - 1, c), (r, from, to) => {
    path.moveTo(from, r);
    path.lineTo(to, r);
  });
  trace(width, height, (c, r) => at(r, c) !== at(r, c - 1), (c, from, to) => {
    path.moveTo(c, from);
    path.lineTo(c, to);
  });
  return path;
}

// size: [height, width] in pixels; pitch: [height, width] of a pixel. `paint(context, unit)` draws in pixel
// coordinates; unit is how many of them make one CSS pixel. Without `pick` the picture is only looked at.
//   pick(pixel, how)   pixel: [row, col]; how: "hover", "click", or null when the mouse has left
//   move(rows, cols)   arrow keys; with shift, five at a time
//   press()            Enter or space
export class Picture {
  constructor({ size, pitch = [1, 1], label, caption = null, paint, pick = null, move = null, press = null, letters = true }) {
    this.size = size;
    this.paint = paint;
    const role = pick ? { role: "application", tabindex: "0", "aria-roledescription": "picture to choose from" } : { role: "img" };
    this.canvas = h("canvas", { ...role, "aria-label": label, class: pick ? "ga-canvas ga-active" : "ga-canvas" });
    this.canvas.style.aspectRatio = `${size[1] * pitch[1]} / ${size[0] * pitch[0]}`;
    const sides = letters ? [h("span", { class: "ga-side", "aria-hidden": "true" }, "R"), h("span", { class: "ga-side ga-left", "aria-hidden": "true" }, "L")] : [];
    this.element = h("figure", { class: "ga-figure" }, caption && h("figcaption", {}, caption), h("div", { class: "ga-stage" }, this.canvas, ...sides));
    if (pick) this.listen(pick, move, press);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
  }

  listen(pick, move, press) {
    const { canvas } = this;
    const at = (event) => this.pixel(event);
    let down = false;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      down = true;
      pick(at(event), "click");
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && !down) pick(at(event), "hover");
      else if (down) pick(at(event), "click");
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { down = false; });
    canvas.addEventListener("pointerleave", () => {
      down = false;
      pick(null, null);
    });
    canvas.addEventListener("keydown", (event) => {
      const steps = arrow(event);
      if (steps && move) move(...steps);
      else if ((event.key === "Enter" || event.key === " ") && press) press();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    const place = (offset, length, count) => clamp(Math.floor((offset / length) * count), 0, count - 1);
    return [place(event.clientY - box.top, box.height, this.size[0]), place(event.clientX - box.left, box.width, this.size[1])];
  }

  draw() {
    const { canvas, size } = this;
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 3);
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(width / size[1], 0, 0, height / size[0], 0, 0);
    context.clearRect(0, 0, size[1], size[0]);
    this.paint(context, (size[1] / width) * ratio);
  }

  stop() {
    this.observer.disconnect();
  }
}

// A frame around a position of the map, white with a dark rim, seen on any ground; with a letter if it is pinned.
export function marker(context, unit, [top, left, height, width], letter = "") {
  const grow = Math.max(0, (9 * unit - Math.min(height, width)) / 2);
  const box = [left - grow, top - grow, width + 2 * grow, height + 2 * grow];
  context.lineWidth = 4.5 * unit;
  context.strokeStyle = "#000c";
  context.strokeRect(...box);
  context.lineWidth = 2 * unit;
  context.strokeStyle = "#fff";
  context.strokeRect(...box);
  if (!letter) return;
  context.font = `bold ${13 * unit}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.lineWidth = 3.5 * unit;
  context.lineJoin = "round";
  context.strokeStyle = "#000d";
  const place = [box[0] + box[2] + 4 * unit, box[1] + box[3] / 2];
  context.strokeText(letter, ...place);
  context.fillStyle = "#fff";
  context.fillText(letter, ...place);
}
