// Eq. 2 for one asking position, and what its row says.

// softmax over all keys of their product with one query. query, key: (d, N) row by row.
export function attentionRow(query, key, depth, asker, temperature = 1) {
  const count = key.length / depth;
  const row = new Float64Array(count);
  for (let c = 0; c < depth; c += 1) {
    const q = query[c * count + asker] / temperature;
    for (let i = 0, k = c * count; i < count; i += 1, k += 1) row[i] += q * key[k];
  }
  let most = -Infinity;
  for (const logit of row) if (logit > most) most = logit;
  let sum = 0;
  for (let i = 0; i < count; i += 1) {
    row[i] = Math.exp(row[i] - most);
    sum += row[i];
  }
  for (let i = 0; i < count; i += 1) row[i] /= sum;
  return row;
}

// Entropy in bits: log2 of the number of positions if all get the same, 0 if one gets all.
export function entropy(row) {
  let bits = 0;
  for (const weight of row) if (weight > 0) bits -= weight * Math.log2(weight);
  return bits;
}

// The effective receptive field: the fewest positions that hold half of the attention, largest first (ties: in order).
export function halfMass(row) {
  const order = Array.from(row.keys()).sort((a, b) => row[b] - row[a] || a - b);
  let sum = 0;
  let count = 0;
  while (count < order.length && sum < 0.5) {
    sum += row[order[count]];
    count += 1;
  }
  return order.slice(0, count);
}

// Mean distance of positions from the asker, in the units of `pitch`: [height, width] of one position.
export function meanDistance(positions, asker, columns, pitch) {
  const r = Math.floor(asker / columns);
  const c = asker % columns;
  const far = (i) => Math.hypot((Math.floor(i / columns) - r) * pitch[0], ((i % columns) - c) * pitch[1]);
  return positions.reduce((sum, i) => sum + far(i), 0) / positions.length;
}

// Which feature position lies over a pixel: as `PositionMaps.positions` has it.
export function positionOf(pixel, image, grid) {
  return Math.floor((pixel[0] * grid[0]) / image[0]) * grid[1] + Math.floor((pixel[1] * grid[1]) / image[1]);
}

// The block of pixels of the position over a pixel: [top, left, height, width].
export function blockOf(pixel, image, grid) {
  const start = (axis) => Math.floor((pixel[axis] * grid[axis]) / image[axis]) * (image[axis] / grid[axis]);
  return [start(0), start(1), image[0] / grid[0], image[1] / grid[1]];
}

// For each class the share of every position's pixels that belong to it: classes x N.
export function classShares(labels, image, grid, classes) {
  const count = grid[0] * grid[1];
  const pixels = new Float64Array(count);
  const shares = Array.from({ length: classes }, () => new Float64Array(count));
  for (let r = 0; r < image[0]; r += 1) {
    for (let c = 0; c < image[1]; c += 1) {
      const i = positionOf([r, c], image, grid);
      pixels[i] += 1;
      const label = labels[r * image[1] + c];
      if (label < classes) shares[label][i] += 1;
    }
  }
  for (const share of shares) for (let i = 0; i < count; i += 1) share[i] /= pixels[i] || 1;
  return shares;
}

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
}
