"""A small network that learnt a little, and slices for it: what the tests of the live network share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from guided_attention.data import InputSettings, make_phantom
from guided_attention.data.phantom import phantom_settings
from guided_attention.models import build_model
from guided_attention.widgets.shared.inputs import Slice, as_slice

SIZE = 64
INPUTS = InputSettings(SIZE, "resample")
OPTIONS = {"backbone": "resnet18", "backbone_width": 8, "channels": 8, "reduction": 2}


def phantom_slices() -> list[Slice]:
    """Return nine slices of one synthetic subject."""
    volume = make_phantom(7, phantom_settings("tiny")).in_phase
    with_organs = [index for index, labels in enumerate(volume.labels) if labels.any()]
    return [as_slice(volume, index=index, inputs=INPUTS) for index in with_organs[:9]]


def trained(slices: list[Slice], steps: int = 40) -> nn.Module:
    """Return a network with two steps of attention that says more than background."""
    torch.manual_seed(0)
    network = build_model("ms-dual", **OPTIONS)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    images = torch.cat([one.x for one in slices])
    labels = torch.stack([torch.from_numpy(one.labels).long() for one in slices])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".lam"):
                parameter.fill_(0.3)
            if ".query." in name:
                parameter.mul_(3)  # rows of attention that are far from uniform
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images).logits, labels).backward()
        optimiser.step()
    return network.eval()


@torch.no_grad()
def logits_of(network: nn.Module, x: Tensor) -> Tensor:
    """Return the logits of one slice, (K, H, W)."""
    return network(x).logits[0]
