// Dice and volume similarity (eq. 12, 13) from counts of voxels.

// For each class: how many pixels are predicted, in the reference, and in both. Either may be missing.
export function count(predicted, reference, classes) {
  const found = Array.from({ length: classes }, () => ({ predicted: 0, reference: 0, common: 0 }));
  const length = (predicted ?? reference ?? []).length;
  for (let i = 0; i < length; i += 1) {
    if (predicted) found[predicted[i]].predicted += 1;
    if (reference) found[reference[i]].reference += 1;
    if (predicted && reference && predicted[i] === reference[i]) found[predicted[i]].common += 1;
  }
  return found;
}

export function sum(all) {
  return all[0].map((_, value) => Object.fromEntries(["predicted", "reference", "common"].map((name) =>
    [name, all.reduce((total, found) => total + found[value][name], 0)])));
}

// The metrics of one class; null where it is in neither.
export function agreement(counts, value) {
  const { predicted, reference, common } = counts[value];
  const both = predicted + reference;
  return {
    dice: both ? (2 * common) / both : null,
    vs: both ? 1 - Math.abs(predicted - reference) / both : null,
    size: Math.max(predicted, reference),
  };
}
