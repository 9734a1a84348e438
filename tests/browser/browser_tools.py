"""What the tests of widgets ask a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from playwright.sync_api import Locator, Page


def settle(page: Page) -> None:
    """Wait until two frames were drawn: whatever followed from the last input is there."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def inspect(page: Page) -> dict:
    """Return what the widget on the page says it shows."""
    settle(page)
    return page.eval_on_selector("section.ga", "root => root.inspect()")


def pixels(canvas: Locator) -> str:
    """Return a canvas as text: another picture is another text."""
    settle(canvas.page)
    return canvas.evaluate("canvas => canvas.toDataURL()")


def proportions(part: Locator) -> list[tuple[str, float]]:
    """Return every picture in a part of a page: what it shows, and width over height as drawn, over that of its file.

    Pictures that wait for their reader are fetched, and what is folded is opened; one that never comes, or that
    nobody can see, is an error.
    """
    found = part.evaluate(
        """async part => {
        const pictures = [...part.querySelectorAll("img")];
        for (const box of part.querySelectorAll("details")) box.open = true;
        for (const box of part.querySelectorAll(".toggle-hidden")) box.classList.remove("toggle-hidden");
        for (const img of pictures) img.loading = "eager";
        await Promise.all(pictures.map(img => img.decode()));
        return pictures.map(img => {
          const look = getComputedStyle(img);
          const inner = (length, sides) => sides.reduce((left, side) =>
            left - parseFloat(look[`padding${side}`]) - parseFloat(look[`border${side}Width`]), length);
          const box = [inner(img.offsetWidth, ["Left", "Right"]), inner(img.offsetHeight, ["Top", "Bottom"])];
          return [img.alt, ...box, img.naturalWidth, img.naturalHeight];
        });
        }"""
    )
    assert all(min(sizes) > 0 for _, *sizes in found), found
    return [(alt, width * high / (height * wide)) for alt, width, height, wide, high in found]


def choose(page: Page, trait: str, value: object) -> None:
    """Choose a value of a group of radio buttons."""
    page.locator(f'[data-trait="{trait}"] input[value="{value}"]').check()
    settle(page)


def click_all(canvas: Locator, pixels: Iterable[tuple[int, int]], size: tuple[int, int]) -> Iterator[dict]:
    """Click pixels (row, col) of a picture of a size one by one; after each, say what the widget shows."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for row, col in pixels:
        canvas.page.mouse.click(
            box["x"] + (col + 0.5) / size[1] * box["width"], box["y"] + (row + 0.5) / size[0] * box["height"]
        )
        yield inspect(canvas.page)


def at(canvas: Locator, pixel: tuple[float, float], size: tuple[int, int]) -> dict[str, float]:
    """Place on a canvas, for `Locator.click` and `tap`, in the middle of a pixel (row, col) of a picture of a size."""
    box = canvas.bounding_box()
    return {"x": (pixel[1] + 0.5) / size[1] * box["width"], "y": (pixel[0] + 0.5) / size[0] * box["height"]}
