"""Live network in a browser: logits are PyTorch's, painting and own files change them, faults are explained."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from browser_tools import at, choose, inspect, pixels
from PIL import Image
from playwright.sync_api import Page
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1, generate_uid
from torch.nn import functional

from guided_attention.data import normalise
from guided_attention.data.greys import NORMALISATIONS
from guided_attention.models.stored.weights import ModelSpec, load_network, save_network
from guided_attention.widgets import LiveNetwork
from guided_attention.widgets.shared.bundle import SCRIPTS
from small_live import INPUTS, OPTIONS, SIZE, logits_of, phantom_slices, trained

WHOLE = (SIZE, SIZE)


@pytest.fixture(scope="module")
def slices():
    return phantom_slices()


@pytest.fixture(scope="module")
def weights(slices, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    return save_network(path, trained(slices), ModelSpec("ms-dual", OPTIONS, INPUTS), half=True)


@pytest.fixture(scope="module")
def network(weights):
    return load_network(weights)[0]


@pytest.fixture(scope="module")
def live(weights, slices) -> LiveNetwork:
    return LiveNetwork.from_weights(weights, {f"slice {i}": one for i, one in enumerate(slices[4:])})


def wait(page: Page) -> dict:
    """Wait until the network has answered; return what is shown."""
    page.wait_for_function(
        "() => { const it = document.querySelector('section.ga').inspect(); return it.logits && !it.busy; }",
        timeout=60_000,
    )
    return inspect(page)


def load(page: Page) -> dict:
    page.click('[data-act="load"]')
    return wait(page)


def logits(found: dict) -> np.ndarray:
    return np.array(found["logits"]).reshape(5, *WHOLE)


def problem(page: Page) -> str:
    page.wait_for_selector(".ga-problem:not([hidden])")
    return page.inner_text(".ga-problem")


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    places = [at(canvas, pixel, WHOLE) for pixel in (start, end)]
    page.mouse.move(box["x"] + places[0]["x"], box["y"] + places[0]["y"])
    page.mouse.down()
    page.mouse.move(box["x"] + places[1]["x"], box["y"] + places[1]["y"], steps=4)
    page.mouse.up()


def test_logits_and_attention_are_pytorchs_on_five_slices(show, live, slices, network):
    page = show(live)
    load(page)
    for i, one in enumerate(slices[4:]):
        choose(page, "slice", i)
        found = wait(page)
        expected = logits_of(network, one.x).numpy()
        assert expected.max() > 1
        np.testing.assert_allclose(logits(found), expected, atol=1e-4)  # the claim is 1e-3
        assert found["counts"] == np.bincount(expected.argmax(0).ravel(), minlength=5).tolist()
        assert found["differing"] == 0
        row, col = live.position
        for scale, step in ((0, 1), (3, 2)):
            choose(page, "scale", scale)
            choose(page, "step", step)
            attended = network.attention(one.x, at=(row, col))[scale, step].flatten().numpy()
            assert attended.max() > 1.5 / attended.size
            np.testing.assert_allclose(inspect(page)["row"], attended, atol=1e-3)
    assert found["milliseconds"] > 0


def test_chapters_fetch_from_beside_their_folder(live, weights):
    assert live.urls == {"runtime": "../onnxruntime-web/", "weights": f"../{weights.parent.name}/net.safetensors"}


def test_nothing_is_fetched_before_the_reader_asks_and_then_what_was_said(show, live):
    page = show(live)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    before = inspect(page)
    assert before["logits"] is None
    assert sum(before["counts"]) == SIZE * SIZE  # PyTorch's answer is there already
    promised = float(re.search(r"\(([\d.]+) MB\)", page.inner_text('[data-act="load"]'))[1])
    found = load(page)
    assert found["bytes"] == sum(live.data["bytes"]) == pytest.approx(promised * 1e6, rel=0.01)
    named = [url.rsplit("/", 1)[-1] for url in asked if not url.startswith("blob:")]  # a blob is the page's own
    assert sorted(named) == sorted(
        [
            "ort.wasm.bundle.min.mjs",
            "ort-wasm-simd-threaded.wasm.gz",
            page.url.rsplit("/", 1)[-1].replace(".html", ".safetensors"),
        ]
    )


def test_painting_changes_slice_answer_and_pictures(show, live, network):
    page = show(live)
    before = load(page)
    pictures = [page.locator("canvas").nth(i) for i in (0, 1)]
    first = np.array(before["image"]).reshape(WHOLE)
    inside = np.hypot(*(np.indices(WHOLE) - np.array([[[32]], [[22]]]))) < 3
    does = {
        "erase": lambda painted: painted < first,
        "darken": lambda painted: painted < first,
        "brighten": lambda painted: painted > first,
        "draw": lambda painted: painted == np.float32(0.8),
    }
    for tool, did in does.items():
        seen = [pixels(picture) for picture in pictures]
        choose(page, "tool", tool)
        drag(page, (24, 14), (40, 30))
        page.wait_for_function("() => document.querySelector('section.ga').inspect().changed > 50")
        after = wait(page)
        image = np.array(after["image"], np.float32).reshape(WHOLE)
        assert did(image)[inside].mean() > 0.9, tool
        assert (image[:8] == first[:8]).all(), tool  # far from the stroke
        expected = logits_of(network, torch.from_numpy(image)[None, None]).numpy()
        np.testing.assert_allclose(logits(after), expected, atol=1e-3)
        labels = [logits(found).argmax(0) for found in (before, after)]
        assert after["differing"] == (labels[0] != labels[1]).sum() > 0, tool
        assert [pixels(picture) == old for picture, old in zip(pictures, seen, strict=True)] == [False, False], tool
        page.click('[data-act="undo"]')
        undone = wait(page)
        assert (undone["image"], undone["changed"], undone["differing"]) == (before["image"], 0, 0), tool


def test_what_a_position_attends_to_is_erased_and_as_much_elsewhere(show, live, network):
    page = show(live)
    before = load(page)
    first = np.array(before["image"], np.float32).reshape(WHOLE)
    row = np.array(before["row"])
    side = round(len(row) ** 0.5)
    count = round(len(row) / 10)
    loudest = np.zeros(len(row), bool)
    loudest[np.lexsort((np.arange(len(row)), -row))[:count]] = True
    expected = loudest.reshape(side, side).repeat(WHOLE[0] // side, 0).repeat(WHOLE[1] // side, 1)
    for act in ("loudest", "elsewhere"):
        page.click(f'[data-act="{act}"]')
        after = wait(page)
        image = np.array(after["image"], np.float32).reshape(WHOLE)
        black = image == first.min()
        if act == "loudest":
            np.testing.assert_array_equal(image, np.where(expected, first.min(), first))
        else:
            assert (image[expected] == first[expected]).all()  # others, and as many of them
            assert black[~expected].sum() >= expected.sum() > 0
        answer = logits_of(network, torch.from_numpy(image)[None, None]).numpy()
        np.testing.assert_allclose(logits(after), answer, atol=1e-3)
        page.click('[data-act="undo"]')
        assert wait(page)["image"] == before["image"]


def test_keys_paint_too_and_reset_takes_everything_back(show, live):
    page = show(live)
    before = load(page)
    choose(page, "tool", "erase")
    canvas = page.locator("canvas").first
    canvas.focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        page.keyboard.press("Shift+ArrowRight")
    after = wait(page)
    assert after["changed"] > 60
    assert after["row"] != before["row"]
    assert page.locator('[data-act="reset"]').is_enabled()
    page.click('[data-act="reset"]')
    assert wait(page)["image"] == before["image"]
    assert page.locator('[data-act="undo"]').is_disabled()


def test_a_finger_paints_on_a_phone_in_the_dark(show, live):
    page = show(live, width=390, scheme="dark", touch=True)
    page.locator('[data-act="load"]').tap()
    wait(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    canvas = page.locator("canvas").first
    canvas.tap(position=at(canvas, (20, 20), WHOLE))
    looked = inspect(page)
    assert looked["changed"] == 0
    choose(page, "tool", "draw")
    canvas.tap(position=at(canvas, (30, 30), WHOLE))
    assert wait(page)["changed"] > 20


def test_it_works_under_a_path_of_its_own(show, served, live):
    live.save(served[0] / "some" / "where" / "page.html")
    page = show.open("some/where/page.html")
    page.wait_for_selector('.ga-mount[data-state="ready"]')
    assert load(page)["ready"]


def prepared(values: np.ndarray) -> np.ndarray:
    """Pad, resample and scale a slice as the network's input, by PyTorch and NumPy."""
    side = max(values.shape)
    before = [(side - length) // 2 for length in values.shape]
    around = [(first, side - length - first) for first, length in zip(before, values.shape, strict=True)]
    square = np.pad(values.astype(np.float64), around, constant_values=values.min())
    x = functional.interpolate(torch.from_numpy(square)[None, None], size=WHOLE, mode="bilinear", antialias=True)
    return normalise(x[0].numpy(), "percentile")[0]


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_a_page_brings_greys_to_the_scale_that_python_does(show, live, how):
    text = (SCRIPTS / "intake.js").read_text(encoding="utf-8")
    bare = re.sub(r"^(import .*\n|export )", "", text, flags=re.MULTILINE)
    page, image = show(live), np.append(picture(), np.full((6, 130), 255, np.uint8), axis=0).astype(np.float32)
    image = np.where(image < 60, 0, image) * (11.5 if how == "ct" else 1) + (image > 250) * 4000
    found = page.evaluate(
        "([text, values, how, columns]) => new Function('values', 'how', 'columns', "
        "`${text}; return Array.from(normalise(Float32Array.from(values), how, columns));`)(values, how, columns)",
        [bare, image.ravel().tolist(), how, image.shape[1]],
    )
    np.testing.assert_allclose(found, normalise(image[None], how).ravel(), atol=1e-4)


def picture(height: int = 90, width: int = 130) -> np.ndarray:
    rng = np.random.default_rng(5)
    rows, cols = np.mgrid[:height, :width]
    return (120 + 90 * np.sin(rows / 9) * np.cos(cols / 14) + rng.integers(0, 40, (height, width))).astype(np.uint8)


def png(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(values).save(content, "png")
    return content.getvalue()


def dicom(values: np.ndarray, syntax=ExplicitVRLittleEndian, **tags) -> bytes:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=["slice"])
    inner = Dataset()
    inner.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    data.ReferencedImageSequence = [inner]
    data["ReferencedImageSequence"].is_undefined_length = True
    data.Rows, data.Columns = values.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * values.dtype.itemsize
    data.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in tags.items():
        setattr(data, name, value)
    data.HighBit = data.BitsStored - 1
    data.PixelData = values.tobytes()
    content = io.BytesIO()
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(content, data, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    return content.getvalue()


def drop(page: Page, name: str, content: bytes) -> None:
    transfer = page.evaluate_handle(
        """([name, numbers]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(numbers)], name));
            return transfer;
        }""",
        [name, list(content)],
    )
    page.dispatch_event("section.ga", "drop", {"dataTransfer": transfer})


SIGNED = (picture().astype(np.int16) - 150) * 7
FILES = {
    "slice.png": (png(picture()), picture()),
    "explicit.dcm": (dicom(picture(40, 30).astype(np.uint16) * 16, BitsStored=12), picture(40, 30)),
    "implicit.dcm": (dicom(SIGNED, ImplicitVRLittleEndian, RescaleSlope="2.5", RescaleIntercept="-100"), SIGNED),
    "bytes": (dicom(picture(64, 64), PhotometricInterpretation="MONOCHROME1"), 255 - picture(64, 64)),
}


def test_a_slice_of_ones_own(show, live, network):
    page = show(live)
    load(page)
    for name, (content, values) in FILES.items():
        drop(page, name, content)
        page.wait_for_function("() => document.querySelector('section.ga').inspect().slice === -1")
        found = wait(page)
        image = np.array(found["image"], np.float32).reshape(WHOLE)
        # the browser's grey of a PNG is rounded
        np.testing.assert_allclose(image, prepared(values), atol=2e-3, err_msg=name)
        expected = logits_of(network, torch.from_numpy(image)[None, None]).numpy()
        np.testing.assert_allclose(logits(found), expected, atol=1e-3, err_msg=name)
        assert page.locator(".ga-side").first.is_hidden()  # nobody knows which side is whose
        choose(page, "slice", 0)
        assert page.locator(".ga-side").first.is_visible()
        wait(page)
    with page.expect_file_chooser() as chooser:
        page.click('[data-act="open"]')
    chooser.value.set_files({"name": "slice.png", "mimeType": "image/png", "buffer": FILES["slice.png"][0]})
    page.wait_for_function("() => document.querySelector('section.ga').inspect().slice === -1")


def compressed() -> bytes:
    whole = dicom(picture(16, 16))
    return whole.replace(ExplicitVRLittleEndian.encode() + b"\0", JPEGLosslessSV1.encode()[:19] + b"\0")


WRONG = {
    "words.txt": (b"no picture at all", "neither a picture that this browser can read"),
    "cut.dcm": (FILES["explicit.dcm"][0][:-100], "cut"),
    "short.dcm": (FILES["explicit.dcm"][0][:301], "ends inside a data element"),
    "grey.png": (png(np.full((20, 20), 7, np.uint8)), "equally grey"),
    "colour.dcm": (
        dicom(picture(16, 16), PhotometricInterpretation="RGB", SamplesPerPixel=3),
        "One grey slice is expected",
    ),
    "jpeg.dcm": (compressed(), "compressed or big-endian"),
}


def test_a_wrong_file_is_explained_and_changes_nothing(show, live):
    page = show(live)
    before = load(page)
    for name, (content, message) in WRONG.items():
        drop(page, name, content)
        page.wait_for_function(
            "old => document.querySelector('section.ga').inspect().problem.search(old) >= 0", arg=message
        )
        after = inspect(page)
        assert (after["slice"], after["image"]) == (before["slice"], before["image"]), name
        assert page.locator(".ga-problem").is_visible()
    drop(page, "slice.png", FILES["slice.png"][0])
    page.wait_for_function("() => document.querySelector('section.ga').inspect().slice === -1")
    assert page.locator(".ga-problem").is_hidden()


def test_without_its_files_the_page_says_so_and_still_shows_the_slices(show, served, live):
    live.save(served[0] / "alone" / "page.html")
    (served[0] / "alone" / "page.safetensors").unlink()
    page = show.open("alone/page.html")
    page.wait_for_selector('.ga-mount[data-state="ready"]')
    page.click('[data-act="load"]')
    assert "page.safetensors is missing: the server answered 404" in problem(page)
    first = pixels(page.locator("canvas").first)
    choose(page, "slice", 2)
    assert pixels(page.locator("canvas").first) != first
    assert page.locator('[data-act="load"]').is_enabled()
    assert all("404" in complaint for complaint in show.complaints)  # what Chromium itself says of it
    show.complaints.clear()


def test_a_browser_without_webassembly(show, live):
    page = show(live, wait=False)
    page.add_init_script("delete globalThis.WebAssembly")
    page.reload()
    page.wait_for_selector('.ga-mount[data-state="ready"]')
    page.click('[data-act="load"]')
    assert "no WebAssembly" in problem(page)


def test_opened_from_a_folder(browser, live, tmp_path):
    page_file = live.save(tmp_path / "page.html")
    context = browser.new_context()
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.wait_for_selector('.ga-mount[data-state="ready"]')
    page.click('[data-act="load"]')
    assert "opened from a folder" in problem(page)
    assert sum(inspect(page)["counts"]) == SIZE * SIZE
    context.close()


def test_without_javascript_there_is_a_picture(show, live):
    page = show(live, wait=False, java_script_enabled=False)
    seen = page.locator("img.ga-picture")
    assert seen.is_visible()
    assert "Right, the same slice with outlines of what the network finds" in seen.get_attribute("alt")
