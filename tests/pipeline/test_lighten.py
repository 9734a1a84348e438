"""Pages become lighter, and show the same: every pixel, every icon, every word."""

import re

import numpy as np
import pytest
from PIL import Image

from pipeline.lighten import lighten

PAGE = """<html><head>
<link rel="stylesheet" href="../_static/styles/theme.css" />
  <script defer src="../_static/scripts/fontawesome.js?digest=5"></script>
<script defer src="../_static/scripts/theme.js"></script></head>
<body><i class="fas fa-bars"></i>
<img alt="A disc, width 3." src="../_images/disc.png" />
<a href="../_images/noise.png"><img alt="Noise." src="../_images/noise.png" style="width: 90px" /></a>
<img alt="A drawing." src="../_images/drawing.svg" /><img alt="Within." src="data:image/png;base64,AAAA" />
<img alt="From elsewhere." src="../other/disc.png" /></body></html>"""


@pytest.fixture
def html(tmp_path):
    for folder in ("_images", "_static/scripts", "chapters"):
        (tmp_path / folder).mkdir(parents=True)
    inside = np.hypot(*np.ogrid[-40:40, -60:60]) < 30
    disc = np.where(inside[..., None], np.uint8([200, 30, 10, 255]), np.uint8([255, 255, 255, 0]))
    Image.fromarray(disc).save(tmp_path / "_images" / "disc.png")
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "_images" / "noise.png")
    (tmp_path / "_images" / "drawing.svg").write_text("<svg/>")
    for script in ("fontawesome.js", "theme.js"):
        (tmp_path / "_static" / "scripts" / script).write_text("0")
    (tmp_path / "chapters" / "page.html").write_text(PAGE)
    return tmp_path


def pixels(path):
    with Image.open(path) as picture:
        return np.array(picture.convert("RGBA"))


def test_pictures_are_the_same_in_fewer_bytes(html):
    before = {path.stem: (pixels(path), path.stat().st_size) for path in (html / "_images").glob("*.png")}
    lighten(html)
    for name, (picture, size) in before.items():
        (after,) = (path for path in (html / "_images").iterdir() if path.stem == name)
        np.testing.assert_array_equal(pixels(after), picture)
        assert after.stat().st_size <= size
    assert (html / "_images" / "disc.webp").is_file()
    assert (html / "_images" / "drawing.svg").is_file()


def test_every_address_on_a_page_leads_to_a_file(html):
    lighten(html)
    text = (html / "chapters" / "page.html").read_text()
    named = re.findall(r'"\.\./_images/([^"]+)"', text)
    assert len(named) == 4  # two pictures, a link to one of them, a drawing
    for name in named:
        assert (html / "_images" / name).is_file()


def test_a_picture_says_how_large_it_is_and_waits_for_its_reader(html):
    lighten(html)
    tags = dict(re.findall(r'<img ([^>]*alt="([^"]*)"[^>]*)>', (html / "chapters" / "page.html").read_text()))
    words = {alt: tag for tag, alt in tags.items()}
    assert 'loading="lazy"' in words["Noise."]
    assert "height=" not in words["Noise."]  # it had a size of its own
    assert "loading" not in words["A drawing."]
    assert words["Within."] == 'alt="Within." src="data:image/png;base64,AAAA" /'
    assert words["From elsewhere."] == 'alt="From elsewhere." src="../other/disc.png" /'
    assert 'width="120" height="80"' in words["A disc, width 3."]


def test_icons_are_left_to_their_fonts(html):
    lighten(html)
    text = (html / "chapters" / "page.html").read_text()
    assert "fontawesome.js" not in text
    assert not (html / "_static" / "scripts" / "fontawesome.js").exists()
    assert "theme.js" in text
    assert '<i class="fas fa-bars"></i>' in text


def test_once_more_changes_nothing(html):
    lighten(html)
    before = {path: path.read_bytes() for path in html.rglob("*") if path.is_file()}
    lighten(html)
    assert {path: path.read_bytes() for path in html.rglob("*") if path.is_file()} == before
