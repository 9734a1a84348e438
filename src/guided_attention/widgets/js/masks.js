// Masks with known mistakes, pixel by pixel as metric_data.py makes them. A mask: Uint8Array of 0 and 1, row by row.

const REACH = 8; // of a speck: half the side of the square whose pixels it may take

// Pixels [row, col] with a face neighbour on the other side. The edge of the slice is no other side.
export function rim(mask, [height, width], value = 1) {
  const found = [];
  for (let row = 0; row < height; row += 1) {
    for (let col = 0; col < width; col += 1) {
      const i = row * width + col;
      if (mask[i] !== value) continue;
      const inner = (!row || mask[i - width] === value) && (row === height - 1 || mask[i + width] === value)
        && (!col || mask[i - 1] === value) && (col === width - 1 || mask[i + 1] === value);
      if (!inner) found.push([row, col]);
    }
  }
  return found;
}

// Dilated by a disc, or eroded if the radius is negative.
export function grown(mask, size, radius) {
  const out = mask.slice();
  const reach = Math.abs(radius);
  if (!reach) return out;
  const value = radius > 0 ? 1 : 0; // what spreads
  const [height, width] = size;
  for (const [row, col] of rim(mask, size, value)) {
    for (let r = Math.max(0, row - reach); r <= Math.min(height - 1, row + reach); r += 1) {
      const half = Math.floor(Math.sqrt(reach * reach - (r - row) * (r - row)));
      out.fill(value, r * width + Math.max(0, col - half), r * width + Math.min(width - 1, col + half) + 1);
    }
  }
  return out;
}

// Without so many per cent of its pixels (rounded down), from the bottom up.
export function cutOff(mask, percent) {
  const out = mask.slice();
  let left = Math.floor((mask.reduce((a, b) => a + b, 0) * percent) / 100);
  for (let i = out.length - 1; left > 0; i -= 1) {
    left -= out[i];
    out[i] = 0;
  }
  return out;
}

// Shifted down and to the right; what leaves the slice is lost.
export function moved(mask, [height, width], rows, cols) {
  const out = new Uint8Array(mask.length);
  const [from, to] = [Math.max(0, -cols), Math.min(width, width - cols)];
  for (let row = Math.max(0, rows); from < to && row < Math.min(height, height + rows); row += 1) {
    const start = (row - rows) * width;
    out.set(mask.subarray(start + from, start + to), row * width + from + cols);
  }
  return out;
}

// Offsets [row, col] of a speck, the nearest first.
const OFFSETS = (() => {
  const found = [];
  for (let r = -REACH; r <= REACH; r += 1) for (let c = -REACH; c <= REACH; c += 1) found.push([r, c]);
  return found.sort((a, b) => a[0] ** 2 + a[1] ** 2 - b[0] ** 2 - b[1] ** 2 || a[0] - b[0] || a[1] - b[1]);
})();

// The same mask with a round island of so many pixels.
export function withSpeck(mask, [height, width], [row, col], pixels) {
  const out = mask.slice();
  for (const [r, c] of OFFSETS.slice(0, pixels)) {
    if (row + r >= 0 && row + r < height && col + c >= 0 && col + c < width) out[(row + r) * width + col + c] = 1;
  }
  return out;
}
