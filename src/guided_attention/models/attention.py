"""Position and channel attention (DANet, Fu et al. 2019; eq. 2 to 5 of the paper).

The equations, as loops and as matrix products, are in the chapters *Position attention* and *Channels ask channels*.
Here they are arranged so that training never stores the N x N map of position attention:
`guided_attention.models.exact` says how.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from guided_attention.errors import SettingsError, require_choice
from guided_attention.models.brick import ConvNormAct
from guided_attention.models.exact import Implementation, attend

__all__ = ["ChannelAttention", "DualAttention", "Energy", "PositionAttention", "attention_weights"]

Energy = Literal["paper", "released", "scaled"]


def attention_weights(query: Tensor, key: Tensor) -> Tensor:
    """Eq. 2 for chosen positions: what each query attends to.

    Parameters
    ----------
    query : Tensor, (B, d, M)
        Queries of the M positions that ask.
    key : Tensor, (B, d, N)
        Keys of all N positions.

    Returns
    -------
    Tensor, (B, M, N), float32 or float64
        Row m adds up to 1 over the positions attended to. Stores M x N numbers: ask for few positions, or mean it.
    """
    query, key = _at_least_float32(query), _at_least_float32(key)
    return torch.softmax(query.transpose(1, 2) @ key, dim=-1)


class PositionAttention(nn.Module):
    """Every position attends to every other: PAM, eq. 2 and 3.

    ``F + lam * sum_i S_ij value_i`` with ``S_ij = softmax_i(key_i . query_j)`` and a learnt ``lam`` that starts at
    0. There is no 1 / sqrt(d), as in DANet and the paper.

    Parameters
    ----------
    channels : int
        Channels C of the features.
    reduction : int
        Queries and keys have C // reduction channels (the paper: 8).
    implementation : {"auto", "plain", "fused", "chunked"}
        How the sum is computed; all give the same numbers up to rounding. See `guided_attention.models.exact.attend`.

    Attributes
    ----------
    query, key, value : nn.Conv2d
        The 1x1 convolutions.
    lam : nn.Parameter, (1,)
        The lambda of eq. 3.

    Raises
    ------
    SettingsError
        If ``reduction`` leaves no channel for the queries, or ``implementation`` is unknown.

    Notes
    -----
    Shape (B, C, H, W) -> same. Eq. 3 in print has the value of j inside the sum over i, which would be no attention
    at all (the weights add up to 1); the value of i is meant. Built in the chapter *Position attention*.

    The bias of the keys cannot learn. It adds ``bias . query_j`` to every logit of asker j, the same number for all
    i, and softmax drops it: the output does not depend on it, and its gradient is zero but for rounding. It stays
    because DANet's published module has it, and so has the paper's code: the parameters counted are theirs, and
    weights travel in both directions without a special case. What Adam makes of the rounding moves it a little on
    one processor and not at all on another, so a test that wants every parameter to move must leave it out.
    """

    def __init__(self, channels: int, reduction: int = 8, implementation: Implementation = "auto") -> None:
        super().__init__()
        if channels // reduction < 1:
            raise SettingsError(
                f"PositionAttention: channels={channels} over reduction={reduction} leaves no channel for the "
                f"queries; choose reduction <= {channels}."
            )
        require_choice("implementation", implementation, get_args(Implementation))
        self.query = nn.Conv2d(channels, channels // reduction, 1)
        self.key = nn.Conv2d(channels, channels // reduction, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.lam = nn.Parameter(torch.zeros(1))
        self.implementation = implementation

    def forward(self, x: Tensor) -> Tensor:
        """Return lam * attended + x, the shape of x."""
        query, key, value = (conv(x).flatten(2) for conv in (self.query, self.key, self.value))
        summed = attend(query, key, value, self.implementation)  # (B, C, N)
        return self.lam * summed.view_as(x) + x

    def weights(self, x: Tensor, at: Tensor | None = None) -> Tensor:
        """What positions attend to, on demand.

        Parameters
        ----------
        x : Tensor, (B, C, H, W)
            The features that the module gets.
        at : Tensor of int64, (M,), optional
            Flat indices ``row * W + col`` of the positions that ask; None for all H W of them.

        Returns
        -------
        Tensor, (B, M, H, W)
            For each asking position its weights over the map, which add up to 1.
        """
        query, key = self.query(x).flatten(2), self.key(x).flatten(2)
        if at is not None:
            query = query[:, :, at]
        return attention_weights(query, key).unflatten(2, x.shape[2:])


class ChannelAttention(nn.Module):
    """Every channel attends to every other: CAM, eq. 4 and 5.

    There are no convolutions: the C x C energies are the products of the channels themselves, each a vector of N
    values.

    Parameters
    ----------
    energy : {"paper", "released", "scaled"}
        What the softmax sees, with the Gram matrix G = F F^T. ``"paper"``: G, as eq. 4 says. ``"released"``: max(G) -
        G, as in DANet's and the paper's code: the softmax of -G, which prefers the *least* similar channel.
        ``"scaled"``: G / sqrt(N), our remedy. The sums run over N positions, so for the first two the softmax is close
        to one-hot (at 64 x 64 features G spreads by hundreds): with ``"paper"`` a channel hears itself, or one that is
        like it and louder; with ``"released"`` one that is unlike it. The default is the equation; the chapter
        *Channels ask channels* compares all three.

    Attributes
    ----------
    lam : nn.Parameter, (1,)
        The lambda of eq. 5; starts at 0.

    Raises
    ------
    SettingsError
        If ``energy`` is unknown.

    Notes
    -----
    Shape (B, C, H, W) -> same. Energies and softmax are float32 even under autocast: in bfloat16 sums over N
    positions err by tens, in float16 they overflow. Built in the chapter *Channels ask channels*.
    """

    def __init__(self, energy: Energy = "paper") -> None:
        super().__init__()
        require_choice("energy", energy, get_args(Energy))
        self.energy = energy
        self.lam = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return lam * attended + x, the shape of x."""
        values = x.flatten(2)  # (B, C, N)
        summed = self.weights(x).to(values.dtype) @ values
        return self.lam * summed.view_as(x) + x

    def weights(self, x: Tensor) -> Tensor:
        """Return the map, (B, C, C) in float32 or float64: row j is whom channel j listens to, and adds up to 1."""
        with torch.autocast(x.device.type, enabled=False):
            f = _at_least_float32(x.flatten(2))
            energy = f @ f.transpose(1, 2)
            if self.energy == "released":
                energy = energy.amax(-1, keepdim=True) - energy
            elif self.energy == "scaled":
                energy = energy / f.shape[-1] ** 0.5
            return torch.softmax(energy, dim=-1)


class DualAttention(nn.Module):
    """Position and channel attention side by side, summed: one dual attention module (Fig. 2 of the paper).

    ``conv(PAM(conv(x))) + conv(CAM(conv(x)))``: each branch first brings x to ``channels`` by a 3x3 convolution of
    its own (so does the released code; the paper's figure draws one before both, which the network adds by
    ``entry="conv"``) and ends in another.

    Parameters
    ----------
    channels : int
        Channels of the output, and of the features that attend.
    in_channels : int, optional
        Channels of the input; default ``channels``.
    position, channel : bool
        Which of the two branches exist: the paper's PAM and CAM rows have one, DualNet both.
    reduction, implementation, energy
        Passed on to `PositionAttention` and `ChannelAttention`.

    Notes
    -----
    Shape (B, in_channels, H, W) -> (B, channels, H, W). Used in the chapter *Training the network*.
    """

    def __init__(
        self,
        channels: int,
        in_channels: int | None = None,
        *,
        position: bool = True,
        channel: bool = True,
        reduction: int = 8,
        energy: Energy = "paper",
        implementation: Implementation = "auto",
    ) -> None:
        super().__init__()
        if not (position or channel):
            raise SettingsError("DualAttention: position and channel are both False; at least one must be True.")
        inputs = channels if in_channels is None else in_channels
        self.position = self.channel = None
        if position:
            self.position = nn.Sequential(
                ConvNormAct(inputs, channels),
                PositionAttention(channels, reduction, implementation),
                ConvNormAct(channels, channels),
            )
        if channel:
            self.channel = nn.Sequential(
                ConvNormAct(inputs, channels), ChannelAttention(energy), ConvNormAct(channels, channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the branches, (B, channels, H, W)."""
        branches = [branch(x) for branch in (self.position, self.channel) if branch is not None]
        return sum(branches[1:], start=branches[0])


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
