// Which blocks of the image go when a reader takes away what a position attends to.

import { blockOf } from "./attention.js";

// The share of all positions that goes.
export const SHARE = 0.1;

// Blocks [top, left, height, width] under the loudest tenth of a row or, for comparison, under as many of the others.
export function knockedOut(row, image, grid, loudest, random = Math.random) {
  const order = Array.from(row.keys()).sort((a, b) => row[b] - row[a] || a - b);
  const count = Math.max(1, Math.round(SHARE * order.length));
  const chosen = loudest ? order.slice(0, count) : drawn(order.slice(count), count, random);
  return chosen.map((i) => blockOf(middle(i, image, grid), image, grid));
}

// A pixel of position i.
function middle(i, image, grid) {
  return [((Math.floor(i / grid[1]) + 0.5) * image[0]) / grid[0], (((i % grid[1]) + 0.5) * image[1]) / grid[1]];
}

// `count` of some values, none twice.
function drawn(values, count, random) {
  for (let i = 0; i < count; i += 1) {
    const j = i + Math.floor(random() * (values.length - i));
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values.slice(0, count);
}
