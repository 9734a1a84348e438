"""The trained networks that travel with the book, for its widgets and for a first look (page *Model card*).

In a checkout they lie in ``book/weights``; elsewhere they are fetched once, checked, and kept. They were trained on
synthetic abdomens for minutes: to look into, not to use.
"""

from __future__ import annotations

import json
from pathlib import Path

from torch import nn

from guided_attention.errors import CheckpointError, require_choice
from guided_attention.models.stored.weights import ModelSpec, load_network
from guided_attention.paths import REPOSITORY, WEIGHTS, weights_folder

__all__ = ["PRETRAINED", "load_pretrained", "pretrained_path"]

#: Names that `load_pretrained` knows: with guidance, and without.
PRETRAINED = ("ms-dual-guided", "ms-dual")
_ADDRESS = f"{REPOSITORY}/raw/main/{WEIGHTS}/"


def pretrained_path(name: str = "ms-dual-guided", folder: str | Path | None = None, address: str = _ADDRESS) -> Path:
    """Return the file of weights that `load_pretrained` reads, fetched if need be; its description lies beside it.

    Parameters and errors are those of `load_pretrained`.
    """
    require_choice("name", name, PRETRAINED)
    folder = Path(folder) if folder is not None else weights_folder()
    return _fetch(name, address) if folder is None else folder / _file(name)


def load_pretrained(
    name: str = "ms-dual-guided", folder: str | Path | None = None, address: str = _ADDRESS
) -> tuple[nn.Module, ModelSpec]:
    """Load a trained network of the book.

    Parameters
    ----------
    name : str
        One of `PRETRAINED`.
    folder : path, optional
        Where ``NAME.safetensors`` and ``NAME.json`` lie. Default: the checkout's, or what was fetched before.
    address : str
        From where to fetch them if they are in neither.

    Returns
    -------
    (nn.Module, ModelSpec)
        In evaluation mode, in single precision. The specification says how a volume becomes its input.

    Raises
    ------
    SettingsError
        If the name is unknown.
    CheckpointError
        If the files cannot be fetched, or are not those that the package knows.
    """
    return load_network(pretrained_path(name, folder, address), written=None if folder else _digests()[_file(name)])


def _file(name: str) -> str:
    return f"{name}.safetensors"


def _digests() -> dict[str, str]:
    """Digests of the files by name, as they were published."""
    return json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


def _fetch(name: str, address: str) -> Path:
    import pooch
    from requests import RequestException

    registry = _digests()
    store = pooch.create(pooch.os_cache("guided-attention"), address, registry=registry, env="GUIDED_ATTENTION_CACHE")
    try:
        store.fetch(f"{name}.json")
        return Path(store.fetch(_file(name)))
    except (OSError, ValueError, RequestException) as error:
        raise CheckpointError(
            f"{name}: its weights could not be fetched from {address} ({error}). Check the connection and call again; "
            f"what is fetched once is kept. Without a connection, copy {name}.safetensors and {name}.json from "
            f"{WEIGHTS} of {REPOSITORY} into any folder, and name it: load_pretrained({name!r}, folder=...)."
        ) from error
