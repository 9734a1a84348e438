// The metrics of eq. 12 to 15 for two masks of one slice, as guided_attention.evaluation.overlap and
// guided_attention.evaluation.surfaces define them. null stands for NaN: nothing to measure.

import { rim } from "./masks.js";

// For points [row, col] of two surfaces: distances of each to the nearest of the other, and the farthest such pair.
function between(a, b, [dy, dx]) {
  const nearest = [new Float64Array(a.length).fill(Infinity), new Float64Array(b.length).fill(Infinity)];
  const partner = [new Int32Array(a.length), new Int32Array(b.length)];
  const [rows, cols] = [0, 1].map((axis) => Int32Array.from(b, (point) => point[axis]));
  for (let i = 0; i < a.length; i += 1) {
    const [row, col] = a[i];
    for (let j = 0; j < b.length; j += 1) {
      const down = (row - rows[j]) * dy;
      const right = (col - cols[j]) * dx;
      const squared = down * down + right * right;
      if (squared < nearest[0][i]) {
        nearest[0][i] = squared;
        partner[0][i] = j;
      }
      if (squared < nearest[1][j]) {
        nearest[1][j] = squared;
        partner[1][j] = i;
      }
    }
  }
  let [sum, maximum, farthest] = [0, -1, null];
  [[a, b], [b, a]].forEach(([from, to], side) => from.forEach((point, i) => {
    const distance = Math.sqrt(nearest[side][i]);
    sum += distance;
    if (distance > maximum) [maximum, farthest] = [distance, [point, to[partner[side][i]]]];
  }));
  return { msd: sum / (a.length + b.length), maximum, farthest };
}

// spacing: [dz, dy, dx]. Without a surface on one side every distance is the diagonal of the slice.
function surfaceDistances(masks, counts, surfaces, size, spacing) {
  if (!counts[0] && !counts[1]) return { msd: null, maximum: null, farthest: null };
  const [a, b] = surfaces;
  if (a.length && b.length) return between(a, b, spacing.slice(1));
  const equal = masks[0].every((value, i) => value === masks[1][i]);
  const diagonal = Math.hypot(spacing[0], size[0] * spacing[1], size[1] * spacing[2]);
  const all = !a.length && !b.length && equal ? 0 : diagonal;
  return { msd: all, maximum: all, farthest: null };
}

// Sizes, DSC and VS, and the surface distances in each of the spacings. `edge`: the rim of the reference.
export function measure(prediction, reference, size, spacings, edge) {
  let [a, b, common] = [0, 0, 0];
  for (let i = 0; i < prediction.length; i += 1) {
    a += prediction[i];
    b += reference[i];
    common += prediction[i] & reference[i];
  }
  const masks = [prediction, reference];
  const surfaces = [rim(prediction, size), edge];
  return {
    predicted: a, reference: b, common, surfaces: surfaces.map((found) => found.length),
    dsc: a + b ? (2 * common) / (a + b) : null,
    vs: a + b ? 1 - Math.abs(a - b) / (a + b) : null,
    distances: spacings.map((spacing) => surfaceDistances(masks, [a, b], surfaces, size, spacing)),
  };
}
