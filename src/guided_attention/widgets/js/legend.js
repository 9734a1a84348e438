// Patches of colour, the scale of a map, and bars.

import { viridisGradient } from "./colours.js";
import { h } from "./dom.js";

export function patch(colour, attributes = {}) {
  const element = h("i", attributes);
  element.style.background = colour;
  return element;
}

// A colour with the name of what has it.
export const named = ({ name, colour }) => h("span", {}, patch(colour), name);

// The colours of a map between its ends, which are elements.
export const ramp = (least, most) => h("div", { class: "ga-ramp" }, least, patch(viridisGradient()), most);

// A bar so many per cent long, with a thin line at so many per cent if `tick` is given.
export function bar(length, background, { tick = null, kind = "" } = {}) {
  const fill = h("div", { class: `ga-fill${kind}` });
  Object.assign(fill.style, { width: `${length}%`, background });
  const line = tick === null ? null : h("div", { class: "ga-tick" });
  if (line) line.style.left = `${tick}%`;
  return h("div", { class: "ga-track", "aria-hidden": "true" }, fill, line);
}
