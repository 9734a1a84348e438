// A reader's own picture becomes an input of the network: grey, of its size, on its scale of greys.

import { FileProblem, isDicom, readDicom } from "./dicom.js";

const LARGEST = 64e6;
const MOST_PIXELS = 40e6;

async function readPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new FileProblem(`${file.name} is neither a picture that this browser can read (PNG, JPEG, WebP) nor a DICOM file.`);
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) throw new FileProblem(`${file.name} has ${width} × ${height} pixels: too many.`);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, width, height); // black where the picture is transparent
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const values = Float32Array.from({ length: width * height }, (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
  return { height, width, values };
}

// { height, width, values } of a PNG (or whatever picture the browser reads) or an uncompressed DICOM file.
export async function readFile(file) {
  if (file.size > LARGEST) throw new FileProblem(`${file.name} has ${Math.round(file.size / 1e6)} MB; expected one slice.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  return isDicom(bytes) ? readDicom(bytes) : readPicture(file);
}

// Weights of a triangle filter from `from` to `to` samples: [first, weights] for each new one, as PyTorch's antialias.
function filter(from, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = scale * (i + 0.5);
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const weights = Array.from({ length: last - first }, (__, k) => Math.max(0, 1 - Math.abs((first + k - centre + 0.5) / reach)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return [first, weights.map((weight) => weight / sum)];
  });
}

export function resample({ height, width, values }, [rows, columns]) {
  const across = filter(width, columns);
  const wide = new Float64Array(height * columns);
  for (let r = 0; r < height; r += 1) {
    across.forEach(([first, weights], c) => {
      for (let k = 0; k < weights.length; k += 1) wide[r * columns + c] += weights[k] * values[r * width + first + k];
    });
  }
  const result = new Float32Array(rows * columns);
  filter(height, rows).forEach(([first, weights], r) => {
    for (let c = 0; c < columns; c += 1) {
      let sum = 0;
      for (let k = 0; k < weights.length; k += 1) sum += weights[k] * wide[(first + k) * columns + c];
      result[r * columns + c] = sum;
    }
  });
  return result;
}

// Padded by its darkest grey, about its centre, to the proportions of the network's input.
function padded({ height, width, values }, [rows, columns]) {
  const high = Math.max(height, Math.round((width * rows) / columns));
  const wide = Math.max(width, Math.round((height * columns) / rows));
  let least = Infinity;
  for (const value of values) if (value < least) least = value;
  const result = new Float32Array(high * wide).fill(least);
  const top = Math.floor((high - height) / 2);
  const left = Math.floor((wide - width) / 2);
  for (let r = 0; r < height; r += 1) result.set(values.subarray(r * width, (r + 1) * width), (r + top) * wide + left);
  return { height: high, width: wide, values: result };
}

// As NumPy's, with linear interpolation.
function percentile(sorted, percent) {
  const place = ((sorted.length - 1) * percent) / 100;
  const low = Math.floor(place);
  return sorted[low] + (place - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

// Of what is brighter than half the mean; 0 of nothing.
function bodyMedian(grey) {
  const half = grey.length ? mean(grey) / 2 : 0;
  const body = grey.filter((value) => value > half);
  return body.length ? percentile(body.sort(), 50) : 0;
}

// Grey that becomes 0, and the distance from there to the grey that becomes 1: data/greys.py says what each is.
function scaleOf(values, how, columns) {
  const at = (some, percent) => percentile(Float32Array.from(some).sort(), percent);
  if (how === "ct") return [-160, 400];
  if (how === "zscore" || how === "nonzero") {
    const counted = how === "zscore" ? values : values.filter((value) => value !== 0);
    const low = mean(counted);
    return [low, Math.sqrt(mean(Float64Array.from(counted, (value) => (value - low) ** 2)))];
  }
  const low = at(values, how === "minmax" ? 0 : 0.5);
  if (how === "minmax") return [low, at(values, 100) - low];
  if (how === "percentile") return [low, at(values, 99.5) - low];
  if (how === "halves") {
    const middle = Math.ceil(columns / 2);
    const sides = [(column) => column < middle, (column) => column >= columns - middle];
    return [low, Math.min(...sides.map((side) => at(values.filter((_, i) => side(i % columns)), 99.9))) - low];
  }
  let counted = values.map((value) => value - low);
  let middle = bodyMedian(counted);
  if (how === "arcsinh") return [low, middle];
  for (;;) {
    const kept = counted.filter((value) => value <= 4.5 * middle);
    if (kept.length === counted.length) return [low, counted.length ? at(counted, 99.5) : 0];
    counted = kept;
    middle = bodyMedian(kept);
  }
}

// The scale of greys that the network was trained with, from this slice alone.
export function normalise(values, how, columns) {
  const [low, scale] = scaleOf(values, how, columns);
  if (!(scale > 0)) throw new FileProblem("All pixels of this picture are equally grey: there is nothing to see.");
  const scaled = values.map((value) => (value - low) / scale);
  if (how === "robust" || how === "arcsinh") return scaled.map(how === "robust" ? Math.tanh : Math.asinh);
  if (how === "nonzero") return scaled.map((value, i) => (values[i] === 0 ? 0 : value));
  return ["percentile", "halves", "ct"].includes(how) ? scaled.map((value) => Math.max(0, Math.min(1, value))) : scaled;
}

export function toInput(picture, size, how) {
  return normalise(resample(padded(picture, size), size), how, size[1]);
}
