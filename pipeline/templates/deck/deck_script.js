// Keys and fingers shared between the slides and the widgets on them; formulas.

const inWidget = (event) => event.target instanceof Element && event.target.closest(".ga");
const MOVES = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "Enter", " "]);
const TURNS = { PageDown: () => Reveal.next(), PageUp: () => Reveal.prev() };

// In a widget Escape gives the arrows back to the slides. A presenter's remote sends PageUp and PageDown; reveal.js
// hears no key at all while a button of a group has the focus.
document.addEventListener("keydown", (event) => {
  if (!inWidget(event)) return;
  if (event.key === "Escape") document.activeElement.blur();
  else if (event.target.matches("input") && TURNS[event.key]) TURNS[event.key]();
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);

// A finger that draws over a picture or pushes a slider turns no slide.
document.addEventListener("pointerdown", (event) => {
  const part = inWidget(event) && event.target.closest("canvas, input");
  if (part) part.setAttribute("data-prevent-swipe", "");
}, true);

// On a phone slides are not shrunk to unreadable letters: each is as wide as the screen, and scrolls. The small frames
// of the speaker's view are no phones.
const screen700 = matchMedia("(max-width: 700px)");
const phone = screen700.matches && window.parent === window;
if (window.parent === window) screen700.addEventListener("change", () => location.reload());
document.documentElement.classList.add(phone ? "deck-phone" : "deck-wide");

Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0.03,
  center: false,
  display: "grid",
  disableLayout: phone,
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  navigationMode: "linear",
  pdfSeparateFragments: false,
  pdfMaxPagesPerSlide: 1,
  keyboardCondition: (event) => !(event.target && inWidget(event) && MOVES.has(event.key)),
  plugins: [RevealNotes],
});
Reveal.on("slidechanged", () => document.activeElement?.blur());

window.MathJax = {
  tex: { inlineMath: [["$", "$"]], displayMath: [["$$", "$$"]] },
  options: { enableMenu: false, ignoreHtmlClass: "mathjax_ignore|notes" },
};
