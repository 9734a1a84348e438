// Things on a picture that can be dragged by mouse or finger and moved by arrow keys.

import { arrow } from "./dom.js";

function keyed(event, step, press) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const steps = arrow(event);
  if (steps) step(...steps);
  else if (event.key === "Enter" || event.key === " ") press();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

// grab(pixel): the name of what lies there, or null; held(): what keys move; move(name, rows, cols) from where it was
// grabbed, whose place `start(name)` returns; step(rows, cols) for arrow keys; press() for Enter and space.
// A finger that does not meet a thing scrolls the page; a mouse then drags what is held.
export function dragged(picture, { grab, held, start, move, step, press }) {
  const { canvas } = picture;
  const described = { role: "application", tabindex: 0, "aria-roledescription": "picture with things to move" };
  for (const [name, value] of Object.entries(described)) canvas.setAttribute(name, value);
  canvas.classList.add("ga-grab");
  let drag = null;
  canvas.addEventListener("touchstart", (event) => {
    const [touch] = event.touches;
    if (event.touches.length === 1 && grab(picture.pixel(touch))) event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || drag) return;
    const pixel = picture.pixel(event);
    const name = grab(pixel) ?? (event.pointerType === "touch" ? null : held());
    if (!name) return;
    drag = { id: event.pointerId, pixel, name, from: start(name) };
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("ga-grabbed");
    move(name, drag.from);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    const pixel = picture.pixel(event);
    move(drag.name, drag.from.map((place, axis) => place + pixel[axis] - drag.pixel[axis]));
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(name, () => {
      drag = null;
      canvas.classList.remove("ga-grabbed");
    });
  }
  canvas.addEventListener("keydown", (event) => keyed(event, step, press));
}
