"""What the live network costs a reader: bytes to download, time to start, time per slice; and whether it is right.

Five slices of a synthetic subject go through the network in a headless Chromium (ONNX Runtime Web, one thread) and
through PyTorch (one thread) on the same machine; the logits are compared.

    python -m benchmarks.live_network --weights book/weights/NAME.safetensors --out live.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import Browser

from benchmarks.browsing import add_browser, browser
from guided_attention.data import InputSettings, make_phantom
from guided_attention.data.phantom import phantom_settings
from guided_attention.files import write_text
from guided_attention.models.stored.weights import ModelSpec, load_network, save_network
from guided_attention.training.settings import get_preset
from guided_attention.widgets import LiveNetwork
from guided_attention.widgets.shared.inputs import Slice, as_slice
from pipeline.serve import serving

#: Whether the network in a page has given so many answers.
ANSWERED = (
    "count => { const it = document.querySelector('section.ga').inspect(); return it.answers >= count && !it.busy; }"
)


def untrained(folder: Path, name: str) -> Path:
    """Write fresh weights of a network of the preset ``widget``: sizes and times do not depend on training."""
    preset = get_preset("widget")
    torch.manual_seed(0)
    spec = ModelSpec(name, preset.model_options(name), preset.fit.inputs)
    return save_network(folder / f"{name}.safetensors", spec.build(), spec, half=True)


def slices_of(inputs: InputSettings) -> list[Slice]:
    """Return the five slices of one synthetic subject with the most organ pixels."""
    volume = make_phantom(7, phantom_settings("small")).in_phase
    most = np.argsort((volume.labels > 0).sum((1, 2)))[-5:]
    return [as_slice(volume, index=int(index), inputs=inputs) for index in sorted(most)]


def measure(running: Browser, folder: Path, widget: LiveNetwork, rounds: int) -> dict:
    """Run every slice in the browser ``rounds`` times; return logits, times and bytes."""
    widget.save(folder / "page.html")
    logits, milliseconds = [], []
    with serving(folder) as address:
        page = running.new_page()
        page.goto(f"{address}/page.html")
        page.wait_for_selector('.ga-mount[data-state="ready"]')
        start = time.perf_counter()
        page.click('[data-act="load"]')
        page.wait_for_function(ANSWERED, arg=1, timeout=120_000)
        started = time.perf_counter() - start
        count = len(widget.data["slices"])
        for turn in range(1, 1 + rounds * count):
            number = turn % count  # each time another than before: chosen anew, it is computed anew
            page.locator(f'[data-trait="slice"] input[value="{number}"]').check()
            page.wait_for_function(ANSWERED, arg=1 + turn, timeout=120_000)
            found = page.eval_on_selector("section.ga", "root => root.inspect()")
            milliseconds.append(found["milliseconds"])
            logits.append((number, found["logits"]))
    engine = f"Chromium {running.version}"
    return {"seconds_to_start": started, "logits": dict(logits), "milliseconds": milliseconds, "browser": engine}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a .safetensors file; default: an untrained network")
    parser.add_argument("--model", default="ms-dual-guided", help="which untrained network (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="times that each slice is computed (default: 4)")
    add_browser(parser)
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        weights = arguments.weights or untrained(Path(folder), arguments.model)
        network, spec = load_network(weights)
        slices = slices_of(spec.inputs)
        start = time.perf_counter()
        widget = LiveNetwork.from_weights(weights, slices)
        exporting = time.perf_counter() - start
        with browser(parser, arguments.browser) as running:
            found = measure(running, Path(folder), widget, arguments.rounds)
        page = (Path(folder) / "page.html").stat().st_size
    apart, own = 0.0, []
    with torch.no_grad():
        for _ in range(arguments.rounds):
            for number, one in enumerate(slices):
                start = time.perf_counter()
                expected = network(one.x).logits
                own.append(1000 * (time.perf_counter() - start))
                browsers = np.array(found["logits"][number]).reshape(expected.shape)
                apart = max(apart, float(np.abs(browsers - expected.numpy()).max()))
    script, wasm, stored = widget.data["bytes"]
    result = {
        "model": spec.name,
        "trained": spec.notes or None,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "size": list(widget.data["size"]),
        "bytes": {"page": page, "runtime": script + wasm, "weights": stored, "download": script + wasm + stored},
        "seconds_to_export": round(exporting, 1),
        "seconds_to_first_answer": round(found["seconds_to_start"], 2),
        "milliseconds_per_slice": {
            "browser": round(statistics.median(found["milliseconds"]), 1),
            "browser_fastest": round(min(found["milliseconds"]), 1),
            "pytorch": round(statistics.median(own), 1),
            "pytorch_fastest": round(min(own), 1),
        },
        "largest_difference_of_logits": apart,
        "slices": len(slices),
        "rounds": arguments.rounds,
        "software": {"browser": found["browser"], "onnxruntime_web": "1.30.0", "torch": version("torch")},
        "machine": platform.processor() or platform.machine(),
    }
    print(json.dumps(result, indent=1))
    if arguments.out:
        write_text(arguments.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
