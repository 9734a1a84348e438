"""What every widget relies on: the loader of static pages, its themes, its failures."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets
from browser_tools import choose, settle
from matplotlib import pyplot as plt

from guided_attention.widgets.channel import ChannelExplorer
from guided_attention.widgets.shared.base import GuidedWidget
from guided_attention.widgets.shared.pack import pack, pack_pictures, pack_rows
from guided_attention.widgets.shared.page import page as whole_page


@pytest.fixture(scope="module")
def widget() -> ChannelExplorer:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(4), 4)
    found = {
        "weights": {"paper": pack(weights, "float16"), "scaled": pack(weights[::-1], "float16")},
        "features": pack(rng.integers(0, 256, (4, 3, 3)), "uint8"),
        "low": [0.0] * 4, "high": [1.0] * 4, "energy": "paper", "lam": 0.5, "scale": 0, "step": 1, "label": None,
    }  # fmt: skip
    data = {
        "image": pack(rng.integers(0, 256, (6, 6)), "uint8"),
        "labels": None,
        "classes": [],
        "spacing": None,
        "family": True,
        "networks": [{"name": "only", "maps": [found]}],
    }
    return ChannelExplorer(data=data, channel=1, network="only", energy="paper")


def ground(page) -> str:
    return page.eval_on_selector("section.ga", "root => getComputedStyle(root).backgroundColor")


def test_the_page_s_own_theme_comes_before_the_system_s(show, widget):
    light, dark = ground(show(widget, scheme="light")), ground(show(widget, scheme="dark"))
    assert light != dark
    for scheme in ("light", "dark"):
        page = show(widget, scheme=scheme)
        for theme, expected in (("light", light), ("dark", dark)):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            assert ground(page) == expected


def test_two_widgets_on_one_page_do_not_hear_each_other(show, widget):
    (show.folder / "two.html").write_text(whole_page(widget.to_html() * 2, "Two"))
    page = show.open("two.html")
    page.wait_for_function("document.querySelectorAll('[data-state=ready]').length === 2")
    first, second = page.locator("section.ga").all()
    first.locator('input[value="scaled"]').check()
    settle(page)
    assert second.locator('input[value="paper"]').is_checked()
    rows = page.evaluate("[...document.querySelectorAll('section.ga')].map(root => root.inspect().row)")
    assert rows[0] != rows[1]


def test_a_page_opened_from_a_folder(browser, widget, tmp_path):
    path = widget.save(tmp_path / "alone.html")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector('.ga-mount[data-state="ready"]')
    choose(page, "energy", "scaled")
    page.close()


def test_a_browser_too_old_shows_the_picture(show, widget):
    page = show(widget, wait=False, before="delete window.DecompressionStream")
    page.wait_for_selector('.ga-mount[data-state="failed"]')
    assert page.locator(".ga-mount > img").evaluate("img => img.naturalWidth") > 300
    assert "DecompressionStream" in show.complaints.pop()


def test_reduced_motion_moves_nothing(show, widget):
    page = show(widget, reduced_motion="reduce")
    lasting = (
        "() => [...document.querySelectorAll('.ga *')].filter(e => getComputedStyle(e).transitionDuration !== '0s')"
    )
    assert page.evaluate(f"({lasting})().length") == 0


class Numbers(GuidedWidget):
    """Arrays of every kind; its page is only read, not looked at."""

    _script = "channel"

    kind = traitlets.Unicode("all").tag(sync=True)
    alt = "nothing"

    def picture(self):
        return plt.figure(figsize=(1, 1))


def test_arrays_arrive_as_they_were_packed(show):
    rng = np.random.default_rng(0)
    halves = np.concatenate([rng.normal(0, 100, 200), [0, -0.0, 6e-8, -6.1e-5, 65504]]).astype(np.float16)
    arrays = {
        "half": (halves, pack(halves, "float16")),
        "single": (rng.normal(size=7).astype(np.float32), None),
        "byte": (np.arange(256), pack(np.arange(256), "uint8")),
        "fixed": (rng.normal(size=(2, 5)), None),
        "pictures": (rng.integers(0, 256, (3, 4, 5)), None),
    }
    data = {
        "half": arrays["half"][1],
        "single": pack(arrays["single"][0], "float32"),
        "byte": arrays["byte"][1],
        "fixed": pack_rows(arrays["fixed"][0]),
        "pictures": pack_pictures(arrays["pictures"][0]),
    }
    text = Numbers(data=data).to_html()
    start = text.index("$start(", text.index("const $start = ") + 20)
    script = "document.ready = $mount.decode(document.querySelector('script[type]').textContent).then(({data}) => "
    script += "Object.fromEntries(Object.entries(data).map(([name, a]) => [name, [...$arrays.floats(a)]])));"
    (show.folder / "numbers.html").write_text(text[:start] + script + "</script></div>")
    page = show.open("numbers.html")
    page.wait_for_function("document.ready")
    found = page.evaluate("document.ready")
    for name, (array, _) in arrays.items():
        np.testing.assert_allclose(found[name], array.ravel(), atol=1e-4 if name == "fixed" else 0, rtol=1e-7)


def test_the_style_changes_nothing_outside(show, widget):
    (show.folder / "beside.html").write_text(whole_page(f"<p id=other>words</p>{widget.to_html()}", "Beside"))
    page = show.open("beside.html")
    page.wait_for_selector('.ga-mount[data-state="ready"]')
    look = "e => JSON.stringify([...getComputedStyle(e)].map(name => [name, getComputedStyle(e)[name]]))"
    before = page.locator("#other").evaluate(look)
    page.evaluate("document.querySelector('style ~ noscript').previousElementSibling.remove()")
    assert page.locator("#other").evaluate(look) == before
