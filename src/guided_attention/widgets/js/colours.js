// Colour maps that colour-blind readers can read. Organs have the colours that Python sends with the data.

// Every 15th of the 256 colours of viridis (Smith and van der Walt, CC0).
const VIRIDIS = [
  "440154", "481769", "472a7a", "433d84", "3d4e8a", "355e8d", "2e6d8e", "297b8e", "23898e", "1f978b", "21a585", "2eb37c",
  "46c06f", "65cb5e", "89d548", "b0dd2f", "d8e219", "fde725",
];

const TABLE = (() => {
  const stops = VIRIDIS.map((text) => [0, 2, 4].map((i) => parseInt(text.slice(i, i + 2), 16)));
  const table = new Uint8ClampedArray(3 * 256);
  for (let i = 0; i < 256; i += 1) {
    const k = Math.min(Math.floor(i / 15), stops.length - 2);
    const f = i / 15 - k;
    for (let c = 0; c < 3; c += 1) table[3 * i + c] = stops[k][c] + f * (stops[k + 1][c] - stops[k][c]);
  }
  return table;
})();

// Red, green and blue (0 to 255) of a share between 0 and 1.
export function viridis(share) {
  const i = 3 * Math.max(0, Math.min(255, Math.round(share * 255)));
  return [TABLE[i], TABLE[i + 1], TABLE[i + 2]];
}

// The whole map as a CSS gradient, for a legend.
export function viridisGradient() {
  return `linear-gradient(to right, ${VIRIDIS.map((text) => `#${text}`).join(", ")})`;
}

// An ImageData with one colour for each number; `colour(value, i)` returns [red, green, blue, alpha].
export function colourise(values, width, height, colour) {
  const image = new ImageData(width, height);
  for (let i = 0; i < values.length; i += 1) image.data.set(colour(values[i], i), 4 * i);
  return image;
}
