"""A network on disk: safetensors for its weights, JSON for what they mean and their digest."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.data.prepare import InputSettings
from guided_attention.errors import CheckpointError, DamagedError, DataError, SettingsError
from guided_attention.files import digest, read_json, write_bytes, write_text
from guided_attention.models.stored.tensors import as_bytes, load_weights, weights_of
from guided_attention.paths import weights_file

__all__ = ["ModelSpec", "in_half_precision", "load_network", "save_network", "weights_bytes"]

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
    channels : tuple of str
        Their names, in order; empty where nobody said.
    label_set : LabelSet
        The classes it tells apart.
    notes : dict
        Where the weights come from: data set, preset, fold, seed, epoch.
    """

    name: str
    options: dict[str, Any]
    inputs: InputSettings
    in_channels: int = 1
    label_set: LabelSet = CHAOS_LABELS
    notes: dict[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()

    def require_channels(self, names: tuple[str, ...], where: str | Path) -> str:
        """Refuse images of other channels than the network was trained with.

        Parameters
        ----------
        names : tuple of str
            One for each channel; numbers (``"0000"``) are no names, and are compared in number only.
        where : path
            Of the images, for the message.

        Returns
        -------
        str
            What to warn of: a network of one channel may be tried on images that are called otherwise. Else empty.

        Raises
        ------
        DataError
            If there are more or fewer channels, or several with other names.
        """
        own = self.channels or ("not named",) * self.in_channels
        known = bool(self.channels) and not any(name.isdecimal() for name in (*own, *names))
        same = [name.casefold() for name in own] == [name.casefold() for name in names]
        said = f"{where}: expected the channels that the network was trained with, {_counted(own)}"
        said += f", found {_counted(names)}"
        if len(own) != len(names) or (known and not same and len(own) > 1):
            raise DataError(said)
        return said if known and not same else ""

    def build(self) -> nn.Module:
        """Build the network with fresh weights."""
        from guided_attention.models import build_model

        options = {k: tuple(v) if isinstance(v, list) else v for k, v in self.options.items()}
        return build_model(self.name, self.in_channels, len(self.label_set), **options)


def _counted(names: tuple[str, ...]) -> str:
    return f"{len(names)} ({', '.join(names)})"


def save_network(path: str | Path, model: nn.Module, spec: ModelSpec, *, half: bool = False) -> Path:
    """Write weights to ``path`` (.safetensors) and the spec to the same name with .json, with the weights' digest.

    Parameters
    ----------
    path : path
        The .safetensors file.
    model, spec
        The network, and how to build it.
    half : bool
        Store the parameters in half precision, to be downloaded: the file is about half as large, see
        `in_half_precision`. `load_network` reads both.

    Returns
    -------
    Path

    Raises
    ------
    NotFiniteError
        If a weight is NaN or infinite; nothing is written then.
    SettingsError
        If half precision does not reach as far as a weight.
    """
    path, content = Path(path), weights_bytes(model, half=half)
    described = {**asdict(spec), "classes": spec.label_set.names, _DIGEST: digest(content)}
    if spec.label_set == CHAOS_LABELS:  # whose names are enough, as in older files
        del described["label_set"]
    if not spec.channels:
        del described["channels"]
    write_text(path.with_suffix(".json"), json.dumps(described, indent=2) + "\n")
    return write_bytes(path, content)


def weights_bytes(model: nn.Module, *, half: bool) -> bytes:
    """Return the content of the .safetensors file that `save_network` writes."""
    return as_bytes(_half_weights(model) if half else weights_of(model))


def in_half_precision(model: nn.Module) -> nn.Module:
    """Return a copy that computes with what a file in half precision holds: rounded parameters, in float32 as before.

    Buffers (the statistics of batch norm) stay as they are: they are few, and a variance may be smaller than half
    precision can hold.

    Raises
    ------
    SettingsError
        If half precision does not reach as far as a weight.
    """
    copy, rounded = deepcopy(model).eval(), _half_weights(model)
    with torch.no_grad():
        for name, value in weights_of(copy).items():
            value.copy_(rounded[name])
    return copy


def _half_weights(model: nn.Module) -> dict[str, Tensor]:
    weights = weights_of(model)
    for name, value in model.named_parameters():
        if value.dtype == torch.float32:
            weights[name] = value.detach().half()
            if value.isfinite().all() and not weights[name].isfinite().all():
                raise SettingsError(f"{name} holds {value.abs().max():.3g}; half precision ends at 65504.")
    return weights


def load_network(path: str | Path, device: str = "cpu", written: str | None = None) -> tuple[nn.Module, ModelSpec]:
    """Build a trained network from what `save_network` wrote.

    Parameters
    ----------
    path : path
        The .safetensors file, or the folder of a run.
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
        or the classes are none that a network could tell apart.
    """
    path = weights_file(path)
    found = read_json(path.with_suffix(".json"))
    try:
        own = found.pop(_DIGEST, None)
        inputs = InputSettings(**{"size": found["inputs"]["size"], **found["inputs"]})  # a size is never guessed
        names = tuple(found.pop("classes"))
        label_set = LabelSet(**{"names": names, **found.pop("label_set", {})})
        spec = ModelSpec(**{**found, "inputs": inputs, "label_set": label_set})
        spec = replace(spec, channels=tuple(spec.channels))
    except (TypeError, KeyError, AttributeError, SettingsError) as error:
        raise CheckpointError(f"{path.with_suffix('.json')}: not the description of a network ({error}).") from error
    model = spec.build()
    try:
        load_weights(model, path, written or own)
    except DamagedError as error:
        raise DamagedError(f"{error} {_AGAIN}") from error
    return model.eval().to(device), spec
