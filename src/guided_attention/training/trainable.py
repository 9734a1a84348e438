"""Whether a network can be trained with some volumes: asked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from guided_attention.data import Volume
from guided_attention.data.volume import require_channels
from guided_attention.errors import SettingsError

__all__ = ["require_trainable"]


def require_trainable(model: nn.Module, train: Sequence[Volume], validation: Sequence[Volume]) -> None:
    """Raise unless there are volumes to train and to validate with, of what the network takes and tells apart.

    Raises
    ------
    DataError
        If volumes have other channels than the network takes.
    SettingsError
        If one of both has no volumes or one without labels, volumes label different organs, or the network has fewer
        classes than they do.
    """
    sets: dict[tuple[str, ...] | None, str] = {}
    for name, volumes in (("train", train), ("validation", validation)):
        sets |= {None if v.labels is None else v.label_set.names: v.subject for v in volumes}
        if not volumes or None in sets:
            raise SettingsError(f"fit: {name} needs one or more volumes, all with labels.")
        first = next(iter(volumes))
        require_channels(first, getattr(model, "in_channels", first.channels), "the network takes")
    if len(sets) > 1:
        said = "; ".join(f"{subject!r} has {', '.join(names[1:])}" for names, subject in sets.items())
        raise SettingsError(f"fit: expected volumes that label the same organs in the same order, found {said}.")
    classes, needed = getattr(model, "num_classes", len(first.label_set)), len(first.label_set)
    if classes < needed:
        organs = ", ".join(first.label_set.organs)
        raise SettingsError(
            f"fit: expected a network of {needed} classes, background and {organs} as in subject {first.subject!r}; "
            f"found one of {classes}. Build it with num_classes={needed}."
        )
