"""Less memory for more time: features of whole blocks are forgotten, and made again going backward (Chen et al. 2016).

For small GPUs. The step computes the same, batch norm's running statistics included: they are counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

from torch import Tensor, is_grad_enabled, nn
from torch.utils.checkpoint import checkpoint

from guided_attention.models.backbone import Block
from guided_attention.models.guidance import SemanticAutoencoder

__all__ = ["recomputing"]


@contextmanager
def recomputing(model: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Inside the block, residual blocks and semantic encoder-decoders keep their inputs alone in a training step.

    Parameters
    ----------
    model : nn.Module
        Any network; one without such parts stays as it is.
    wanted : bool
        False changes nothing.
    """
    parts = [module for module in model.modules() if wanted and isinstance(module, (Block, SemanticAutoencoder))]
    for part in parts:
        part.forward = partial(_forward, part, part.forward)
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _forward(part: nn.Module, forward: Callable, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    if not (part.training and is_grad_enabled()):
        return forward(x)

    def contexts() -> tuple:
        return nullcontext(), _statistics_kept(part)

    return checkpoint(forward, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)


@contextmanager
def _statistics_kept(part: nn.Module) -> Iterator[None]:
    """The second time the same batch goes through, running statistics have seen it already."""
    norms = [module for module in part.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)
