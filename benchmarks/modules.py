"""Position and channel attention alone, forward and backward, and how they grow with the number of positions."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.case import Case, Job, Work
from benchmarks.literal import Channel, Position
from guided_attention.models.attention import ChannelAttention, PositionAttention

LITERAL, PACKAGE, BF16 = "literal", "package", "package, bf16"
CHANNELS = 64


def contenders(device: str) -> tuple[str, ...]:
    return (LITERAL, PACKAGE, BF16)


def sizes(quick: bool) -> tuple[int, ...]:
    """Positions N: maps of 16 x 16 to 128 x 128."""
    return (8**2, 16**2, 24**2) if quick else (16**2, 32**2, 64**2, 128**2)


def work_of(module: nn.Module, job: Job, positions: int, products: float) -> Work:
    """Forward and backward of one image, as autograd does it.

    Parameters
    ----------
    products : float
        Operations of the products of one forward pass; backward has twice as many.
    """
    side = round(positions**0.5)
    module = module.to(job.device)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, CHANNELS, side, side, generator=generator).to(job.device)
    bf16 = job.contender == BF16
    if bf16:
        x = x.to(memory_format=torch.channels_last)
    x.requires_grad_()
    with torch.no_grad():
        module.lam.fill_(0.5)
    wanted = [x, *module.parameters()]

    def once() -> object:
        with torch.autocast(job.device, torch.bfloat16, enabled=bf16):
            out = module(x)
        return torch.autograd.grad(out, wanted, torch.ones_like(out))

    return Work(once, operations=3 * products, precision="bfloat16" if bf16 else "float32", count=True, alone=True)


def prepare_position(job: Job, size: int | None) -> Work:
    torch.manual_seed(0)
    module = Position(CHANNELS) if job.contender == LITERAL else PositionAttention(CHANNELS)
    narrow = CHANNELS // 8
    products = 2 * size * CHANNELS * (2 * narrow + CHANNELS) + 2 * size**2 * (narrow + CHANNELS)
    return work_of(module, job, size, products)


def prepare_channel(job: Job, size: int | None) -> Work:
    module = Channel() if job.contender == LITERAL else ChannelAttention("released")
    return work_of(module, job, size, 4 * CHANNELS**2 * size)


def settings(quick: bool, device: str) -> dict[str, str | int | float | bool]:
    return {"batch": 1, "channels": CHANNELS, "pass": "forward and backward"}


POSITION = Case("pam", "Position attention alone", prepare_position, contenders, settings, sizes, peaks=True)
CHANNEL = Case("cam", "Channel attention alone", prepare_channel, contenders, settings, sizes, peaks=True)
