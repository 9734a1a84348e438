// A picture that is one of a stack: wheel (only when focused), keys, and dragging to the side go through it.

import { clamp } from "./dom.js";

const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 };
const NOTCH = 40; // of the wheel, in pixels, for one slice
const LONG = 14; // of a drag, in CSS pixels, for one slice

// Make a canvas a slider from 0 to last; `get()` and `set(place)` know the place, `words(place)` names it.
export function scrolled(canvas, last, get, set, words) {
  const go = (place) => {
    const next = clamp(place, 0, last);
    if (next !== get()) set(next);
  };
  for (const [name, value] of Object.entries({ role: "slider", tabindex: 0, "aria-valuemin": 1, "aria-valuemax": last + 1 })) canvas.setAttribute(name, value);
  canvas.classList.add("ga-scrolled");
  let turned = 0;
  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey || canvas.getRootNode().activeElement !== canvas) return;
    event.preventDefault();
    turned -= event.deltaY * (event.deltaMode ? NOTCH : 1);
    const steps = Math.trunc(turned / NOTCH);
    turned -= steps * NOTCH;
    go(get() + steps);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const end = { Home: 0, End: last }[event.key];
    const steps = KEYS[event.key];
    if ((steps === undefined && end === undefined) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    go(end ?? get() + steps);
  });
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    drag = { from: event.clientX, place: get() };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) go(drag.place + Math.round((event.clientX - drag.from) / LONG));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { drag = null; });
  return () => {
    canvas.setAttribute("aria-valuenow", get() + 1);
    canvas.setAttribute("aria-valuetext", words(get()));
  };
}
