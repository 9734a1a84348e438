"""A network on disk: safetensors for its weights, JSON for what they mean and their digest."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from guided_attention.data.prepare import InputSettings
from guided_attention.data.volume import CLASSES
from guided_attention.errors import CheckpointError, DamagedError, SettingsError
from guided_attention.files import digest, read_json, write_bytes, write_text
from guided_attention.models.stored.tensors import as_bytes, load_weights, weights_of

__all__ = ["ModelSpec", "load_network", "save_network", "write_network"]

#: Key of the digest in the JSON beside the weights; files written before there was one are believed without.
_DIGEST = "digest"
_AGAIN = "Delete it and make it again (a training's command, given again, writes it from its checkpoint), or fetch it."


@dataclass(frozen=True)
class ModelSpec:
    """What it takes to build a network again and to feed it.

    Parameters
    ----------
    name : str
        One of `guided_attention.models.MODELS`.
    options : dict
        Further arguments of `build_model`.
    inputs : InputSettings
        Those it was trained with.
    in_channels : int
        Channels of the image.
    classes : tuple of str
        Names of the classes, background first.
    notes : dict
        Where the weights come from: data set, preset, fold, seed, epoch.
    """

    name: str
    options: dict[str, Any]
    inputs: InputSettings
    in_channels: int = 1
    classes: tuple[str, ...] = CLASSES
    notes: dict[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Build the network with fresh weights."""
        from guided_attention.models import build_model

        options = {k: tuple(v) if isinstance(v, list) else v for k, v in self.options.items()}
        return build_model(self.name, self.in_channels, len(self.classes), **options)


def save_network(path: str | Path, model: nn.Module, spec: ModelSpec) -> Path:
    """Write weights to ``path`` (.safetensors) and the spec to the same name with .json; return the path.

    Raises
    ------
    NotFiniteError
        If a weight is NaN or infinite; nothing is written then.
    """
    return write_network(Path(path), as_bytes(weights_of(model)), spec)


def write_network(path: Path, content: bytes, spec: ModelSpec) -> Path:
    """Write the content of a .safetensors file, and beside it the spec with the digest of that content."""
    described = {**asdict(spec), _DIGEST: digest(content)}
    write_text(path.with_suffix(".json"), json.dumps(described, indent=2) + "\n")
    return write_bytes(path, content)


def load_network(path: str | Path, device: str = "cpu", written: str | None = None) -> tuple[nn.Module, ModelSpec]:
    """Build a trained network from what `save_network` wrote.

    Parameters
    ----------
    path : path
        The .safetensors file, or the folder of a run, in which it is called ``model.safetensors``.
    device : str
        Where to put it.
    written : str, optional
        The digest of the weights, from a source that knows it; default the one in the description, if it has one.

    Returns
    -------
    (nn.Module, ModelSpec)
        In evaluation mode.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, weights and description do not fit each other, a weight is NaN or infinite,
        or the network tells other classes apart than `CLASSES`.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "model.safetensors"
    found = read_json(path.with_suffix(".json"))
    try:
        own = found.pop(_DIGEST, None)
        inputs = InputSettings(**{"size": found["inputs"]["size"], **found["inputs"]})  # a size is never guessed
        spec = ModelSpec(**{**found, "inputs": inputs, "classes": tuple(found["classes"])})
    except (TypeError, KeyError, AttributeError, SettingsError) as error:
        raise CheckpointError(f"{path.with_suffix('.json')}: not the description of a network ({error}).") from error
    if spec.classes != CLASSES:
        raise CheckpointError(
            f"{path.with_suffix('.json')}: expected the classes {', '.join(CLASSES)} in this order, found "
            f"{', '.join(map(str, spec.classes))}: its labels would get the wrong names."
        )
    model = spec.build()
    try:
        load_weights(model, path, written or own)
    except DamagedError as error:
        raise DamagedError(f"{error} {_AGAIN}") from error
    return model.eval().to(device), spec
