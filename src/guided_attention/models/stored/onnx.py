"""A network for the browser: its graph as ONNX, its weights in the file that Python reads too.

An ONNX file usually holds a copy of the weights. Here it holds none: it says where in a ``.safetensors`` file each of
them stands, and turns half precision into single precision when the graph is loaded. So the graph is small enough to
travel in a page, the weights are fetched when a reader asks for them, and there is one file of them.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.errors import require_extra
from guided_attention.models.attention import PositionAttention
from guided_attention.models.stored.onnx_weights import WEIGHTS, first_names, point_into, strip
from guided_attention.models.stored.weights import ModelSpec, load_network, weights_bytes
from guided_attention.paths import weights_file

__all__ = ["Exported", "export_network", "export_weights", "run_exported"]


@dataclass(frozen=True, eq=False)
class Exported:
    """A network for one size of image.

    Parameters
    ----------
    graph : bytes
        ONNX, without weights. Input ``image``, float32 (1, C, H, W); outputs ``logits``, float32 (1, K, H, W), and for
        the i-th attention module ``query.i`` and ``key.i``, float32 (1, d, h w).
    weights : bytes
        The ``.safetensors`` file that the graph points into.
    shape : tuple of 3 ints
        C, H and W of the image.
    classes : int
        K, background included.
    modules : tuple of dict
        The position attention modules: ``path`` (name in ``named_modules()``), ``grid`` (h, w), ``depth`` (d).
    label_set : LabelSet
        What the classes are; the graph's metadata hold their names, ids and colours.
    """

    graph: bytes
    weights: bytes
    shape: tuple[int, int, int]
    classes: int
    modules: tuple[dict[str, Any], ...]
    label_set: LabelSet = CHAOS_LABELS


def export_weights(
    path: str | Path, size: int | tuple[int, int] | None = None
) -> tuple[Exported, nn.Module, ModelSpec]:
    """Export a network from its file of weights, which stays as it is: it becomes the browser's download.

    Parameters
    ----------
    path : path
        What `save_network` wrote, or the folder of a run.
    size : int or (H, W), optional
        Size of the image; default the one that the network was trained with.

    Returns
    -------
    (Exported, nn.Module, ModelSpec)
        And the network, in evaluation mode, with what is known about it.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged.
    MissingExtraError, SettingsError
        As for `export_network`.
    """
    path = weights_file(path)
    model, spec = load_network(path)
    size = spec.inputs.size if size is None else size
    return _export(model, size, spec.in_channels, path.read_bytes(), spec.label_set), model, spec


def export_network(
    model: nn.Module, size: int | tuple[int, int], in_channels: int = 1, label_set: LabelSet = CHAOS_LABELS
) -> Exported:
    """Export any network whose forward pass returns logits (B, K, H, W), or an object that has ``logits``.

    Parameters
    ----------
    model : nn.Module
        On the CPU. Its weights are stored as `guided_attention.models.stored.weights.in_half_precision` rounds them.
    size : int or (H, W)
        Of the image, in pixels; the browser runs this size only.
    in_channels : int
        Channels of the image.
    label_set : LabelSet
        What it tells apart.

    Raises
    ------
    MissingExtraError
        If onnx or onnxscript is missing.
    SettingsError
        If a weight is beyond the range of half precision.

    Notes
    -----
    Shown by `guided_attention.widgets.LiveNetwork`.
    """
    return _export(model, size, in_channels, weights_bytes(model, half=True), label_set)


def run_exported(exported: Exported, image: np.ndarray) -> dict[str, np.ndarray]:
    """Run an exported network with ONNX Runtime in Python, one thread; return the outputs by name.

    Parameters
    ----------
    exported : Exported
        The network.
    image : ndarray of float32, (1, C, H, W)
        Its input.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with TemporaryDirectory() as folder:  # weights in memory are something that only later runtimes take
        graph = Path(folder, "graph.onnx")
        graph.write_bytes(exported.graph)
        graph.with_name(WEIGHTS).write_bytes(exported.weights)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


class _Shown(nn.Module):
    """A network whose queries and keys are outputs too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(network).eval()
        self.paths = [name for name, m in self.network.named_modules() if isinstance(m, PositionAttention)]
        for path in self.paths:  # the one way that a graph of simple operators can follow
            self.network.get_submodule(path).implementation = "plain"
        self.grids: dict[str, tuple[int, int]] = {}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        kept: dict[tuple[str, str], Tensor] = {}
        hooks = []
        for path in self.paths:
            module = self.network.get_submodule(path)
            for part in ("query", "key"):

                def keep(module: nn.Module, given: object, out: Tensor, place: tuple[str, str] = (path, part)) -> None:
                    self.grids[place[0]] = tuple(int(n) for n in out.shape[2:])
                    kept[place] = out.flatten(2)

                hooks.append(getattr(module, part).register_forward_hook(keep))
        output = self.network(image)
        for hook in hooks:
            hook.remove()
        logits = getattr(output, "logits", output)
        return (logits, *(kept[path, part] for path in self.paths for part in ("query", "key")))


def _export(
    model: nn.Module, size: int | tuple[int, int], in_channels: int, weights: bytes, label_set: LabelSet
) -> Exported:
    require_extra("widgets", "onnx", "onnxscript")
    shape = (in_channels, *((size, size) if isinstance(size, int) else size))
    shown = _Shown(model)
    image = torch.zeros(1, *shape)
    with torch.no_grad():
        example = shown(image)
    numbers = range(len(shown.paths))
    outputs = ["logits", *(f"{part}.{i}" for i in numbers for part in ("query", "key"))]
    with _quiet():
        program = torch.onnx.export(
            shown, (image,), dynamo=True, input_names=["image"], output_names=outputs, optimize=False, verbose=False
        )
    graph = program.model_proto
    strip(graph)
    for key, value in asdict(label_set).items():
        graph.metadata_props.add(key=key, value=json.dumps(value))
    point_into(graph.graph, weights, first_names(shown.network), prefix="network.")
    modules = tuple(
        {"path": path, "grid": shown.grids[path], "depth": int(example[1 + 2 * i].shape[1])}
        for i, path in enumerate(shown.paths)
    )
    return Exported(graph.SerializeToString(), weights, shape, int(example[0].shape[1]), modules, label_set)


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch's exporter names packages that it could use, and warns of its own use of PyTorch: not for readers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
