// A slice that a reader paints on: grey values, strokes, and the way back.

import { clamp } from "./dom.js";

const MOST_STEPS = 40;

// What a tool makes of a grey value; cover is 1 under the brush and falls to 0 at its rim.
const TOOLS = {
  erase: (grey, cover, { low }) => grey + cover * (low - grey),
  draw: (grey, cover, { low, high, pen }) => grey + cover * (low + pen * (high - low) - grey),
  brighten: (grey, cover, { low, high }) => clamp(grey + 0.15 * cover * (high - low), low, high),
  darken: (grey, cover, { low, high }) => clamp(grey - 0.15 * cover * (high - low), low, high),
};

export class Sheet {
  // values: Float32Array of rows x columns; window: [black, white].
  constructor(values, [rows, columns], window) {
    Object.assign(this, { first: values, values: values.slice(), rows, columns, window, steps: [], stroke: null });
  }

  begin() {
    this.steps.push(this.values);
    if (this.steps.length > MOST_STEPS) this.steps.shift();
    this.values = this.values.slice();
    this.stroke = { cover: new Float32Array(this.values.length), last: null };
  }

  // Go on to a pixel: everything between it and the last one is under the brush, but no pixel twice.
  paint([row, column], tool, radius, pen) {
    const { stroke } = this;
    const from = stroke.last ?? [row, column];
    const count = Math.max(1, Math.ceil(Math.hypot(row - from[0], column - from[1]) / Math.max(0.5, radius / 2)));
    for (let i = 1; i <= count; i += 1) this.stamp(from[0] + ((row - from[0]) * i) / count, from[1] + ((column - from[1]) * i) / count, tool, radius, pen);
    stroke.last = [row, column];
  }

  stamp(row, column, tool, radius, pen) {
    const [low, high] = this.window;
    const { cover } = this.stroke;
    const before = this.steps[this.steps.length - 1];
    for (let r = Math.max(0, Math.floor(row - radius)); r <= Math.min(this.rows - 1, Math.ceil(row + radius)); r += 1) {
      for (let c = Math.max(0, Math.floor(column - radius)); c <= Math.min(this.columns - 1, Math.ceil(column + radius)); c += 1) {
        const i = r * this.columns + c;
        const here = clamp(radius + 0.5 - Math.hypot(r - row, c - column), 0, 1);
        if (here > cover[i]) {
          cover[i] = here;
          this.values[i] = TOOLS[tool](before[i], here, { low, high, pen });
        }
      }
    }
  }

  // Paint blocks [top, left, height, width] black, as one stroke.
  black(blocks) {
    this.begin();
    for (const [top, left, height, width] of blocks) {
      for (let r = top; r < top + height; r += 1) {
        this.values.fill(this.window[0], r * this.columns + left, r * this.columns + left + width);
      }
    }
    this.stroke = null;
  }

  undo() {
    if (this.steps.length) this.values = this.steps.pop();
    this.stroke = null;
  }

  reset() {
    this.steps = [];
    this.stroke = null;
    this.values = this.first.slice();
  }

  // How many pixels are not what they were.
  changed() {
    let count = 0;
    for (let i = 0; i < this.values.length; i += 1) count += this.values[i] !== this.first[i];
    return count;
  }

  greys() {
    const [low, high] = this.window;
    return Uint8ClampedArray.from(this.values, (value) => (255 * (value - low)) / (high - low));
  }
}
