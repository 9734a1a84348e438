"""A network for the browser: its graph as ONNX, its weights in the file that Python reads too.

An ONNX file usually holds a copy of the weights. Here it holds none: it says where in a ``.safetensors`` file each of
them stands, and turns half precision into single precision when the graph is loaded. So the graph is small enough to
travel in a page, the weights are fetched when a reader asks for them, and there is one file of them.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from guided_attention.errors import CheckpointError, SettingsError
from guided_attention.files import write_bytes, write_text
from guided_attention.models.attention import PositionAttention
from guided_attention.weights import ModelSpec, load_network

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["WEIGHTS", "Exported", "export_network", "export_weights", "halved", "run_exported", "save_half"]

#: What the graph calls the file with the weights.
WEIGHTS = "weights.safetensors"


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
    modules : tuple of dict
        The position attention modules: ``path`` (name in ``named_modules()``), ``grid`` (h, w), ``depth`` (d).
    """

    graph: bytes
    weights: bytes
    shape: tuple[int, int, int]
    modules: tuple[dict[str, Any], ...]


def halved(model: nn.Module) -> nn.Module:
    """Return a copy whose matrices and kernels are rounded to half precision, as `save_half` stores them.

    It computes in single precision as before. Vectors (biases, batch norm) stay as they are: they are few, and a
    variance may be smaller than half precision can hold.

    Raises
    ------
    SettingsError
        If a weight is beyond the range of half precision.
    """
    copy = deepcopy(model).eval()
    with torch.no_grad():
        for name, value in copy.named_parameters():
            value.copy_(_rounded(name, value))
    return copy


def save_half(path: str | Path, model: nn.Module, spec: ModelSpec) -> Path:
    """Write a network as `guided_attention.weights.save_network` does, but about half as large; see `halved`.

    `guided_attention.weights.load_network` reads it.

    Parameters
    ----------
    path : path
        The .safetensors file; the spec goes into the same name with .json.
    model, spec
        The network, and how to build it.

    Returns
    -------
    Path

    Raises
    ------
    SettingsError
        If a weight is beyond the range of half precision.
    """
    path = Path(path)
    content = _stored(model)
    write_text(path.with_suffix(".json"), json.dumps(asdict(spec), indent=2) + "\n")
    return write_bytes(path, content)


def export_weights(path: str | Path, size: int | tuple[int, int] | None = None) -> tuple[Exported, nn.Module]:
    """Export a network from its file of weights, which stays as it is: it becomes the browser's download.

    Parameters
    ----------
    path : path
        What `save_half` or `guided_attention.weights.save_network` wrote, or the folder of a run.
    size : int or (H, W), optional
        Size of the image; default the one that the network was trained with.

    Returns
    -------
    (Exported, nn.Module)
        And the network, in evaluation mode.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged.
    SettingsError
        As for `export_network`.
    """
    path = Path(path)
    path = path / "model.safetensors" if path.is_dir() else path
    model, spec = load_network(path)
    size = spec.inputs.get("size") if size is None else size
    if size is None:
        raise SettingsError(f"size: {path.with_suffix('.json')} does not say it; give the size of the image.")
    return _export(model, size, spec.in_channels, path.read_bytes()), model


def export_network(model: nn.Module, size: int | tuple[int, int], in_channels: int = 1) -> Exported:
    """Export any network whose forward pass returns logits (B, K, H, W), or an object that has ``logits``.

    Parameters
    ----------
    model : nn.Module
        On the CPU. Its weights are stored as `halved` rounds them.
    size : int or (H, W)
        Of the image, in pixels; the browser runs this size only.
    in_channels : int
        Channels of the image.

    Raises
    ------
    SettingsError
        If a package is missing, or a weight is beyond the range of half precision.

    Notes
    -----
    Shown by `guided_attention.widgets.LiveNetwork`.
    """
    return _export(model, size, in_channels, _stored(model))


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
    options.add_external_initializers_from_files_in_memory([WEIGHTS], [exported.weights], [len(exported.weights)])
    session = onnxruntime.InferenceSession(exported.graph, options, providers=["CPUExecutionProvider"])
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


def _export(model: nn.Module, size: int | tuple[int, int], in_channels: int, weights: bytes) -> Exported:
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
    _strip(graph)
    _point_into(graph.graph, weights, _first_names(shown.network))
    modules = tuple(
        {"path": path, "grid": shown.grids[path], "depth": int(example[1 + 2 * i].shape[1])}
        for i, path in enumerate(shown.paths)
    )
    return Exported(graph.SerializeToString(), weights, shape, modules)


def _point_into(graph: GraphProto, weights: bytes, names: dict[str, str]) -> None:
    """Replace the initialisers of a graph by places in a .safetensors file, and casts to float32 where needed."""
    from onnx import StringStringEntryProto, TensorProto, helper

    start = 8 + int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8:start])
    types = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
    casts = []
    for tensor in graph.initializer:
        own = tensor.name.removeprefix("network.")
        if own not in names:
            continue
        entry = header.get(names[own], {})
        if entry.get("dtype") not in types or entry["shape"] != list(tensor.dims):
            raise CheckpointError(f"{names[own]}: expected {list(tensor.dims)} in F16 or F32, found {entry or 'nothing'}.")
        used, name = tensor.name, tensor.name
        if entry["dtype"] == "F16":
            name = f"{used}.half"
            casts.append(helper.make_node("Cast", [name], [used], to=TensorProto.FLOAT))
        first, last = entry["data_offsets"]
        _clear(tensor)
        tensor.name, tensor.data_type, tensor.data_location = name, types[entry["dtype"]], TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", start + first), ("length", last - first)):
            tensor.external_data.append(StringStringEntryProto(key=key, value=str(value)))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _clear(tensor: TensorProto) -> None:
    for field in ("raw_data", "float_data", "int64_data", "int32_data", "double_data", "external_data"):
        tensor.ClearField(field)


def _strip(model: ModelProto) -> None:
    """Remove names of files and lines of Python, and whatever else only helps to debug an export."""
    model.ClearField("metadata_props")
    for function in model.functions:
        function.ClearField("metadata_props")
    for what in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        what.ClearField("metadata_props")
        what.ClearField("doc_string")
    model.graph.ClearField("value_info")


def _first_names(model: nn.Module) -> dict[str, str]:
    """For each parameter and buffer, under all its names, the one in the file: a shared module is stored once."""
    first: dict[int, str] = {}
    everything = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name: first.setdefault(id(value), name) for name, value in everything}


def _stored(model: nn.Module) -> bytes:
    from safetensors.torch import save

    kept = set(model.state_dict())
    named = (*model.named_parameters(), *model.named_buffers())
    return save({name: _rounded(name, value, store=True) for name, value in named if name in kept})


def _rounded(name: str, value: Tensor, store: bool = False) -> Tensor:
    value = value.detach()
    if value.ndim < 2 or value.dtype != torch.float32:
        return value.contiguous()
    half = value.half()
    if not half.isfinite().all():
        raise SettingsError(f"{name} holds {value.abs().max():.3g}; half precision ends at 65504.")
    return half.contiguous() if store else half.float()


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
