// Masks over a picture: filled, outlined, or hatched, so that they differ by more than their colour.

import { colourise, viridis } from "./colours.js";
import { outline, tile } from "./picture.js";

// Runs of a mask as one path, in pixel coordinates. `inside(i)`: does pixel i belong to it?
export function area(width, height, inside) {
  const path = new Path2D();
  for (let row = 0; row < height; row += 1) {
    let start = -1;
    for (let column = 0; column <= width; column += 1) {
      const within = column < width && inside(row * width + column);
      if (within && start < 0) start = column;
      if (!within && start >= 0) {
        path.rect(start, row, column - start, 1);
        start = -1;
      }
    }
  }
  return path;
}

// The outlines of all classes but the background: [[path, colour], ...].
export const outlines = (labels, [height, width], classes) =>
  classes.map(({ colour }, value) => value && [outline(labels, width, height, value), colour]).filter(Boolean);

// A row of attention over a slice of a size: the more weight, the less of the slice shows. share(weight): 0 to 1.
export function heat(context, [height, width], row, grid, share) {
  const colour = (weight) => [...viridis(share(weight)), 255 * (0.2 + 0.65 * Math.sqrt(share(weight)))];
  context.imageSmoothingEnabled = false;
  context.drawImage(tile(colourise(row, grid[1], grid[0], colour)), 0, 0, width, height);
}

export function stroke(context, unit, path, layers) {
  for (const [style, width] of layers) {
    context.strokeStyle = style;
    context.lineWidth = width * unit;
    context.stroke(path);
  }
}

// One kind of error: its colour, dark stripes across (seen on any ground), and a rim. slope 1 falls, -1 rises.
export function hatched(context, unit, [width, height], mask, { colour, slope }) {
  const path = area(width, height, (i) => mask[i]);
  context.save();
  context.fillStyle = `${colour}b0`;
  context.fill(path);
  context.clip(path);
  context.beginPath();
  const far = Math.max(width, height);
  for (let start = -far; start < 2 * far; start += 6 * unit) {
    context.moveTo(start, slope > 0 ? 0 : far);
    context.lineTo(start + far, slope > 0 ? far : 0);
  }
  context.strokeStyle = "#000b";
  context.lineWidth = 1.3 * unit;
  context.stroke();
  context.restore();
  stroke(context, unit, outline(mask, width, height, 1), [["#000a", 2.6], [colour, 1.4]]);
}
