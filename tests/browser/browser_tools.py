"""What the tests of widgets ask a page."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

_DIGEST = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 1) sum = (sum * 31 + data[i]) % 4294967291;
  return `${canvas.width} x ${canvas.height}: ${sum}`;
}"""


def settle(page: Page) -> None:
    """Wait until two frames were drawn: whatever followed from the last input is there."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def inspect(page: Page) -> dict:
    """Return what the widget on the page says it shows."""
    settle(page)
    return page.eval_on_selector("section.ga", "root => root.inspect()")


def pixels(canvas: Locator) -> str:
    """Return a digest of a canvas: another picture has another one."""
    settle(canvas.page)
    return canvas.evaluate(_DIGEST)


def choose(page: Page, trait: str, value: object) -> None:
    """Choose a value of a group of radio buttons."""
    page.locator(f'[data-trait="{trait}"] input[value="{value}"]').check()
    settle(page)


def at(canvas: Locator, pixel: tuple[float, float], size: tuple[int, int]) -> dict[str, float]:
    """Place on a canvas, for `Locator.click` and `tap`, in the middle of a pixel (row, col) of a picture of a size."""
    box = canvas.bounding_box()
    return {"x": (pixel[1] + 0.5) / size[1] * box["width"], "y": (pixel[0] + 0.5) / size[0] * box["height"]}
