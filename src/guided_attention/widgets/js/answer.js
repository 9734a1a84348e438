// One slice of the live network: what is painted on it, and what the network says to it.

import { bytes, floats } from "./arrays.js";
import { Sheet } from "./sheet.js";

// The class of each pixel: the one with the largest logit.
function classesOf(logits, count, pixels) {
  return Uint8Array.from({ length: pixels }, (_, i) => {
    let best = 0;
    for (let k = 1; k < count; k += 1) if (logits[k * pixels + i] > logits[best * pixels + i]) best = k;
    return best;
  });
}

export class Answer {
  // prediction: classes of each pixel before anything is painted, or null if nobody knows them yet.
  constructor({ name, values, size, window, prediction, classes }) {
    Object.assign(this, { name, classes, sheet: new Sheet(values, size, window), first: prediction, labels: prediction, values: null });
  }

  // A slice as Python packs it.
  static from(slice, { size, classes }) {
    const values = Float32Array.from(floats(slice.image));
    return new Answer({ name: slice.name, values, size, window: slice.window, prediction: bytes(slice.prediction), classes: classes.length });
  }

  // Outputs of the network: { logits, "query.0", ... }.
  take(values) {
    this.values = values;
    this.labels = classesOf(values.logits, this.classes, this.sheet.values.length);
    this.first ??= this.labels;
  }

  counts(labels = this.labels) {
    if (!labels) return null;
    const counts = new Array(this.classes).fill(0);
    for (const label of labels) counts[label] += 1;
    return counts;
  }

  // At how many pixels the answer is another than at first.
  differing() {
    const { first, labels } = this;
    return labels ? labels.reduce((sum, label, i) => sum + (label !== first[i]), 0) : 0;
  }
}
