"""torchvision's ImageNet weights, from a file into a backbone.

Nothing is downloaded: whoever wants these weights gives the file, and knows its licence.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from guided_attention.errors import CheckpointError

__all__ = ["load_imagenet_weights"]


def load_imagenet_weights(backbone: nn.Module, name: str, path: str | Path) -> None:
    """Copy torchvision's ImageNet weights from a file into a backbone, by name.

    The classifier ``fc`` is left out. The first convolution has three input channels there; for another number each
    channel gets the sum over red, green and blue divided by that number, so that a grey picture excites the filters
    as before.

    Parameters
    ----------
    backbone : nn.Module
        A `guided_attention.models.backbone.ResNetFeatures`; left untouched if the file does not fit.
    name : str
        Its name, one of `guided_attention.models.backbone.BACKBONES`.
    path : path
        ``.pth`` with a plain dictionary of tensors (code in it is refused), or ``.safetensors``.

    Raises
    ------
    CheckpointError
        If the file is missing or unreadable, or a weight is missing, unknown or of another shape.
    """
    path = Path(path)
    state = {name: value for name, value in _read_weights(path, name).items() if not name.startswith("fc.")}
    own = backbone.state_dict()
    first, wanted = state.get("conv1.weight"), own["conv1.weight"].shape
    if isinstance(first, Tensor) and first.shape[1:2] == (3,) and wanted[1] != 3:
        state["conv1.weight"] = (first.sum(1, keepdim=True) / wanted[1]).expand(wanted).clone()
    # Old files lack the counters of batch norm, which carry no weight.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    shapes = [name for name in own if name in state and own[name].shape != getattr(state[name], "shape", None)]
    if missing or unknown or shapes:
        raise CheckpointError(
            f"{path}: these are not the weights of {name}: {len(missing)} missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}, {len(shapes)} of another shape {shapes[:3]}."
        )
    backbone.load_state_dict(state, strict=False)


def _read_weights(path: Path, name: str) -> dict[str, Tensor]:
    """Read names and tensors of a file, and nothing else: code in a pickle is refused."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; give torchvision's weights of {name}.") from None
    except pickle.UnpicklingError:
        # torch's own message explains how to run the code inside all the same: not what we want to advise.
        raise CheckpointError(
            f"{path}: not a file of plain weights, or one with code inside, which is refused; download "
            f"torchvision's weights of {name} again."
        ) from None
    except (OSError, EOFError, RuntimeError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: cannot be read as weights ({type(error).__name__}: {error}); download it again."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(k, str) for k in state):
        raise CheckpointError(f"{path}: expected a dictionary from names to weights, found {type(state).__name__}.")
    return state
