"""What the live network hands over to the browser: graph, slices, and what PyTorch computed for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from guided_attention.data import InputSettings, Volume
from guided_attention.errors import SettingsError
from guided_attention.models import capture_positions
from guided_attention.models.stored.onnx import Exported
from guided_attention.models.stored.onnx_weights import WEIGHTS
from guided_attention.paths import REPOSITORY, carried
from guided_attention.widgets.shared.first_view import FirstView, first_view
from guided_attention.widgets.shared.inputs import Slice, as_slice, class_list, grey_values, place_of, predicted
from guided_attention.widgets.shared.pack import pack, unpack
from guided_attention.widgets.shared.rows import pack_maps

__all__ = ["RUNTIME_FILES", "Image", "input_of", "live_data", "require_one_channel", "runtime_folder", "slices_of"]

Image = Volume | Slice | np.ndarray | Tensor

#: What the page fetches beside the weights: ONNX Runtime Web.
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.gz")


def runtime_folder() -> Path:
    """Return the folder of ONNX Runtime Web: ``book/_vendor/onnxruntime-web``, which a wheel carries along.

    Raises
    ------
    SettingsError
        If its files are not there.
    """
    folder = carried("book/_vendor/onnxruntime-web")
    if missing := [name for name in RUNTIME_FILES if not (folder / name).is_file()]:
        raise SettingsError(
            f"{folder}: {' and '.join(missing)}, with which the browser runs networks, not found. The installation is "
            f'not whole; repeat it: pip install --force-reinstall --no-deps "guided-attention @ git+{REPOSITORY}".'
        )
    return folder


def slices_of(
    images: Mapping[str, Image] | Sequence[Image] | Image, inputs: InputSettings | None
) -> list[tuple[str, Slice]]:
    """Return the slices with their names; volumes are prepared with ``inputs``, as `as_slice` does."""
    if isinstance(images, Volume | Slice | np.ndarray | Tensor):
        images = [images]
    if not isinstance(images, Mapping):
        images = {str(number): image for number, image in enumerate(images, 1)}
    if not images:
        raise SettingsError("images: expected at least one slice, found none.")
    return [(name, as_slice(image, inputs=inputs)) for name, image in images.items()]


def require_one_channel(channels: int) -> None:
    """Raise a `SettingsError` unless a network takes one channel: the tools that draw on a slice change one."""
    if channels != 1:
        raise SettingsError(
            f"model: expected a network of one channel, which is what the browser's drawing tools change, found one of "
            f"{channels}."
        )


def input_of(packed: dict[str, Any], size: Sequence[int]) -> np.ndarray:
    """Return a packed slice as the network gets it in the browser, float32 (1, 1, H, W)."""
    return unpack(packed).reshape(1, 1, *size)


def live_data(
    exported: Exported,
    model: nn.Module,
    images: Mapping[str, Image] | Sequence[Image] | Image,
    inputs: InputSettings | None,
) -> tuple[dict[str, Any], FirstView]:
    """Return the ``data`` of a `guided_attention.widgets.LiveNetwork`, and where it opens on the first slice.

    Parameters
    ----------
    exported : Exported
        The network for the browser.
    model : nn.Module
        The same network; it computes what is shown before the browser's is loaded.
    images, inputs
        As for `slices_of`.

    Raises
    ------
    SettingsError
        If a slice is no input of the network, or its output no map of classes.
    """
    require_one_channel(exported.shape[0])
    size = exported.shape[1:]
    found = slices_of(images, inputs)
    slices = []
    for name, one in found:
        if tuple(one.x.shape[1:]) != exported.shape:
            raise SettingsError(
                f"slice {name!r}: expected an input of the network, 1 x {size[0]} x {size[1]}, found "
                f"{' x '.join(map(str, one.x.shape[1:]))}."
            )
        image = pack(one.x[0, 0].numpy(), "float32")  # rounded, it would cost more than all else together
        x = torch.from_numpy(input_of(image, size))
        mask = predicted(model, x)
        if mask is None:
            raise SettingsError("model: expected logits (1, K, H, W), as large as the image, with K of 2 or more.")
        window = [float(x.min()), float(x.max())]
        if window[0] == window[1]:
            raise SettingsError(f"slice {name!r}: all its pixels are equally grey.")
        slices.append({"name": name, "image": image, "window": window, "prediction": pack(mask, "uint8")})
    data = {
        "size": list(size),
        "graph": pack(np.frombuffer(exported.graph, np.uint8), "uint8"),
        "weights": WEIGHTS,
        "bytes": [*((runtime_folder() / name).stat().st_size for name in RUNTIME_FILES), len(exported.weights)],
        "classes": class_list(np.array([exported.classes - 1]), label_set=exported.label_set)[: exported.classes],
        "slices": slices,
        "normalisation": (inputs or InputSettings()).normalisation,
        **_maps(exported),
    }
    return data, _opening(model, slices[0], size)


def _opening(model: nn.Module, shown: dict[str, Any], size: Sequence[int]) -> FirstView:
    x = torch.from_numpy(input_of(shown["image"], size))
    maps = []
    for number, (path, captured) in enumerate(capture_positions(model, x).items()):
        _, scale, step, _ = place_of(path, number)
        maps.append({"scale": scale, "step": step, **pack_maps(captured)})
    return first_view(maps, grey_values(x[0, 0]), unpack(shown["prediction"]))


def _maps(exported: Exported) -> dict[str, Any]:
    """Scale, step and sizes of each attention module, as the choices of `AttentionExplorer` want them."""
    maps, family = [], True
    for number, module in enumerate(exported.modules):
        own, scale, step, label = place_of(module["path"], number)
        family = family and own
        sizes = {"grid": list(module["grid"]), "depth": module["depth"]}
        maps.append({"scale": scale, "step": step, "label": label, "index": number, **sizes})
    return {"networks": [{"name": "network", "maps": maps}], "family": family}
