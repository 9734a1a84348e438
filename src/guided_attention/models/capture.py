"""Look at the attention inside any network, without storing it in every step.

A row of the position attention map needs one query and all keys: 4096 x 8 numbers instead of 4096 x 4096. So the
modules are asked for their input features during one forward pass, and rows are computed when somebody wants to see
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import torch
from torch import Tensor, nn

from guided_attention.errors import SettingsError
from guided_attention.models.attention import ChannelAttention, PositionAttention, attention_weights

__all__ = ["PositionMaps", "attention_of", "capture_channels", "capture_features", "capture_positions"]


@dataclass(frozen=True, eq=False)
class PositionMaps:
    """Queries and keys of one position attention module for one batch: every row of its map, exactly.

    Parameters
    ----------
    query, key : Tensor, (B, d, N)
        N = h w positions, row by row.
    grid : (h, w)
        Size of the feature map.
    image : (H, W)
        Size of the network's input, in which pixels are given.
    lam : float
        The module's lambda: 0 means that its map has no effect.
    """

    query: Tensor
    key: Tensor
    grid: tuple[int, int]
    image: tuple[int, int]
    lam: float

    def positions(self, pixels: Sequence[tuple[int, int]]) -> Tensor:
        """Flat indices of the feature positions over the given input pixels (row, col)."""
        flat = []
        for row, col in pixels:
            if not (0 <= row < self.image[0] and 0 <= col < self.image[1]):
                raise SettingsError(
                    f"at=({row}, {col}) lies outside the image of {self.image[0]} x {self.image[1]} pixels."
                )
            flat.append(row * self.grid[0] // self.image[0] * self.grid[1] + col * self.grid[1] // self.image[1])
        return torch.tensor(flat, dtype=torch.int64, device=self.query.device)

    def rows(self, pixels: Sequence[tuple[int, int]] | None = None) -> Tensor:
        """What the positions under the given pixels attend to, (B, M, h, w); all N positions where None."""
        query = self.query if pixels is None else self.query[:, :, self.positions(pixels)]
        return attention_weights(query, self.key).unflatten(2, self.grid)


def capture_positions(model: nn.Module, x: Tensor) -> dict[str, PositionMaps]:
    """Run a network once and keep queries and keys of every `PositionAttention` inside it.

    Parameters
    ----------
    model : nn.Module
        Any network; it is run in evaluation mode, without gradients, and left as it was.
    x : Tensor, (B, C, H, W)
        Its input.

    Returns
    -------
    dict str -> PositionMaps
        By the module's name in ``model.named_modules()``; empty if there is none.
    """

    def keep(module: PositionAttention, features: Tensor) -> PositionMaps:
        query, key = module.query(features).flatten(2), module.key(features).flatten(2)
        return PositionMaps(query, key, tuple(features.shape[2:]), tuple(x.shape[2:]), module.lam.item())

    return _capture(model, x, PositionAttention, keep)


def capture_channels(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Run a network once and return the (B, C, C) map of every `ChannelAttention` inside it, by name."""
    return _capture(model, x, ChannelAttention, lambda module, features: module.weights(features))


def capture_features(model: nn.Module, x: Tensor, kind: type[nn.Module]) -> dict[str, Tensor]:
    """Run a network once and return the features (B, C, h, w) that every module of a kind gets, by its name."""
    return _capture(model, x, kind, lambda module, features: features)


def attention_of(
    model: nn.Module,
    x: Tensor,
    at: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
    kind: Literal["position", "channel"] = "position",
) -> dict[str, Tensor]:
    """Attention maps of any network by module name; arguments and shapes as in `MultiScaleAttentionNet.attention`."""
    if kind == "channel":
        if at is not None:
            raise SettingsError("kind='channel' takes no `at`: a channel map has no positions.")
        return capture_channels(model, x)
    if kind != "position":
        raise SettingsError(f"kind={kind!r} is unknown; choose 'position' or 'channel'.")
    maps = capture_positions(model, x)
    if at is not None and len(at) == 2 and all(isinstance(v, Integral) for v in at):
        return {name: m.rows([at]).squeeze(1) for name, m in maps.items()}
    return {name: m.rows(at) for name, m in maps.items()}


@torch.no_grad()
def _capture(model: nn.Module, x: Tensor, kind: type[nn.Module], keep: Callable) -> dict:
    found, modes = {}, {module: module.training for module in model.modules()}
    hooks = [
        module.register_forward_pre_hook(
            lambda module, inputs, name=name: found.__setitem__(name, keep(module, inputs[0]))
        )
        for name, module in model.named_modules()
        if isinstance(module, kind)
    ]
    try:
        model.eval()
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return found
