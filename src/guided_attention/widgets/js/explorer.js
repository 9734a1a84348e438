// Which attention map is shown, and what its rows say.

import { bytes, floats, keeper } from "./arrays.js";
import { attentionRow, blockOf, classShares, dot, entropy, halfMass, meanDistance, positionOf } from "./attention.js";
import { radios } from "./dom.js";

export function currentNetwork(model, data) {
  return data.networks.find((network) => network.name === model.get("network")) ?? data.networks[0];
}

// The chosen map, or, where the network has none at that scale and step, its first.
export function currentMap(model, data) {
  const { maps } = currentNetwork(model, data);
  const scale = maps.filter((map) => map.scale === model.get("scale"));
  return scale.find((map) => map.step === model.get("step")) ?? scale[0] ?? maps[0];
}

// Buttons for network, scale and step, as far as there is a choice.
export function mapChoices(model, data) {
  const all = data.networks.flatMap(({ maps }) => maps);
  const values = (name) => [...new Set(all.map((map) => map[name]))].sort((a, b) => a - b);
  const named = (scale) => all.find((map) => map.scale === scale).label ?? String(scale);
  const choices = [
    ["network", "Network", data.networks.map(({ name }) => [name, name])],
    ["scale", data.family ? "Scale" : "Module", values("scale").map((scale) => [scale, named(scale)])],
    ["step", "Step", values("step").map((step) => [step, String(step)])],
  ];
  return choices.filter(([, , options]) => options.length > 1).map((choice) => radios(model, ...choice));
}

// Everything that follows from the data and the traits of the position explorer, without a page.
export class Explorer {
  constructor(model) {
    this.model = model;
    this.data = model.get("data");
    this.size = this.data.image.shape;
    this.pitch = this.data.spacing ?? [1, 1];
    this.once = keeper();
  }

  network() {
    return currentNetwork(this.model, this.data);
  }

  map() {
    return currentMap(this.model, this.data);
  }

  row(pixel) {
    const map = this.map();
    const query = this.once(map.query, () => floats(map.query));
    const key = this.once(map.key, () => floats(map.key));
    return attentionRow(query, key, map.query.shape[0], positionOf(pixel, this.size, map.grid), this.model.get("temperature"));
  }

  // The classes that shares are counted over: what is drawn, else what there is.
  classes() {
    const { labels } = this.data;
    const { prediction } = this.network();
    const packed = this.model.get("overlay") === "prediction" ? prediction ?? labels : labels ?? prediction;
    return packed ? { packed, values: this.once(packed, () => bytes(packed)), name: packed === labels ? "labels" : "prediction" } : null;
  }

  drawn() {
    const packed = { labels: this.data.labels, prediction: this.network().prediction }[this.model.get("overlay")];
    return packed ? this.once(packed, () => bytes(packed)) : null;
  }

  facts(pixel) {
    const map = this.map();
    const row = this.row(pixel);
    const asker = positionOf(pixel, this.size, map.grid);
    const half = halfMass(row);
    const pitch = [0, 1].map((axis) => (this.size[axis] / map.grid[axis]) * this.pitch[axis]);
    const classes = this.classes();
    let shares = [];
    if (classes) {
      const key = `${map.grid} ${classes.name} ${classes.name === "prediction" ? this.network().name : ""}`;
      const parts = this.once(key, () => classShares(classes.values, this.size, map.grid, this.data.classes.length));
      shares = this.data.classes.map(({ name, colour }, value) => ({
        name, colour, share: dot(row, parts[value]), area: parts[value].reduce((a, b) => a + b, 0) / row.length,
      }));
    }
    const under = classes ? this.data.classes[classes.values[pixel[0] * this.size[1] + pixel[1]]]?.name : null;
    return { pixel, row, asker, under, half, shares, entropy: entropy(row), distance: meanDistance(half, asker, map.grid[1], pitch) };
  }

  // The pixel in the middle of a position of the present map.
  centre(row, col) {
    const { grid } = this.map();
    return [row, col].map((place, axis) => Math.min(this.size[axis] - 1, Math.floor(((place + 0.5) * this.size[axis]) / grid[axis])));
  }

  // The block of pixels of the position over a pixel: [top, left, height, width].
  block(pixel) {
    return blockOf(pixel, this.size, this.map().grid);
  }
}
