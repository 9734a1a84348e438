"""Weights of an ONNX graph that stay in a .safetensors file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from torch import nn

from guided_attention.errors import CheckpointError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["WEIGHTS", "first_names", "point_into", "strip"]

#: What a graph calls the file with its weights.
WEIGHTS = "weights.safetensors"


def point_into(graph: GraphProto, weights: bytes, names: dict[str, str], prefix: str = "") -> None:
    """Replace the initialisers of a graph by places in a file, and casts to single precision where needed.

    Parameters
    ----------
    graph : GraphProto
        Changed in place.
    weights : bytes
        A whole ``.safetensors`` file: eight bytes with the length of its JSON header, the header, the numbers.
    names : dict str -> str
        For each name of a weight its name in the file, see `first_names`; other initialisers stay.
    prefix : str
        What the graph puts before the names.

    Raises
    ------
    CheckpointError
        If the file has no such weight, or has it in another shape or precision.
    """
    from onnx import StringStringEntryProto, TensorProto, helper

    start = 8 + int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8:start])
    types = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
    casts = []
    for tensor in graph.initializer:
        own = tensor.name.removeprefix(prefix)
        if own not in names:
            continue
        entry = header.get(names[own], {})
        if entry.get("dtype") not in types or entry["shape"] != list(tensor.dims):
            raise CheckpointError(
                f"{names[own]}: expected {list(tensor.dims)} in F16 or F32, found {entry or 'nothing'} in the file."
            )
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


def strip(model: ModelProto) -> None:
    """Remove names of files and lines of Python, and whatever else only helps to debug an export."""
    model.ClearField("metadata_props")
    for function in model.functions:
        function.ClearField("metadata_props")
    for what in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        what.ClearField("metadata_props")
        what.ClearField("doc_string")
    model.graph.ClearField("value_info")


def first_names(model: nn.Module) -> dict[str, str]:
    """For each parameter and buffer, under all its names, the one in the file: a shared module is stored once."""
    first: dict[int, str] = {}
    everything = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name: first.setdefault(id(value), name) for name, value in everything}
