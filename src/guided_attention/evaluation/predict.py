"""Whole volumes in, labels and confidence out (chapter *Evaluating the network*)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from guided_attention.data.prepare import InputSettings
from guided_attention.data.volume import CLASSES, Volume
from guided_attention.errors import NotFiniteError, SettingsError
from guided_attention.evaluation.precision import autocast

__all__ = ["evaluating", "predict_volume", "predict_with_confidence"]


def predict_volume(
    model: nn.Module,
    volume: Volume,
    inputs: InputSettings,
    *,
    batch_size: int = 8,
    device: str | torch.device = "cpu",
    precision: str = "32-true",
) -> Volume:
    """Predict the labels of a whole volume at its own matrix size.

    The volume is prepared exactly as for training (without augmentation), its slices
    go through the network in batches, and the logits come back to the volume's matrix before the class is
    chosen: so a boundary is placed between the network's pixels, not along them.

    Parameters
    ----------
    model : nn.Module
        Takes (B, 1, size, size) and returns a `SegmentationOutput`. It is moved to ``device``, its weights are laid
        out with channels last, and it is put into evaluation mode; the mode of each of its modules is restored
        afterwards.
    volume : Volume
        Its labels are not looked at.
    inputs : InputSettings
        Those of the network's training.
    batch_size : int
        Slices at a time. It changes memory and speed, not the prediction.
    device : str or torch.device
    precision : {"32-true", "bf16-mixed"}

    Returns
    -------
    Volume
        The same image with the predicted labels, uint8 (D, H, W). Outside a crop everything is background.

    Raises
    ------
    SettingsError
        If the batch size or the precision cannot work, or the model predicts other classes than `CLASSES`.
    NotFiniteError
        If a logit is NaN or infinite: there is no largest one then.
    """
    return predict_with_confidence(
        model,
        volume,
        inputs,
        batch_size=batch_size,
        device=device,
        precision=precision,
    )[0]


def predict_with_confidence(
    model: nn.Module,
    volume: Volume,
    inputs: InputSettings,
    *,
    batch_size: int = 8,
    device: str | torch.device = "cpu",
    precision: str = "32-true",
) -> tuple[Volume, np.ndarray]:
    """As `predict_volume`, and how sure the network is.

    Parameters
    ----------
    model, volume, inputs, batch_size, device, precision
        As for `predict_volume`.

    Returns
    -------
    (Volume, array)
        The predicted labels, and the softmax probability of the predicted class, float32 (D, H, W).

    Raises
    ------
    SettingsError, NotFiniteError
        As for `predict_volume`.
    """
    if batch_size < 1:
        raise SettingsError(f"batch_size: expected 1 or more, found {batch_size}.")
    slices = torch.from_numpy(inputs.prepare(volume.with_labels(None)).image)
    labels, confidence = np.empty(volume.shape, np.uint8), np.empty(volume.shape, np.float32)
    numbers = autocast(device, precision)
    model.to(device, memory_format=torch.channels_last)  # how convolutions like their numbers laid out
    with evaluating(model), torch.inference_mode(), numbers:
        for start in range(0, len(slices), batch_size):
            batch = slices[start : start + batch_size, None].to(device)  # (B, 1, size, size)
            logits = model(batch).logits.float()
            if logits.shape[1] != len(CLASSES):
                raise SettingsError(
                    f"model: expected logits of {len(CLASSES)} classes, found {logits.shape[1]}. Build it with "
                    f"num_classes={len(CLASSES)}."
                )
            if not logits.isfinite().all():
                raise NotFiniteError(
                    f"subject {volume.subject!r}: the network gives NaN or infinity for its slices {start} to "
                    f"{start + len(batch) - 1}; expected finite logits. Its weights are no use, or its numbers are too "
                    "large for the precision it computes with."
                )
            own = inputs.restore(logits, volume.shape[1:])  # (B, K, H, W)
            labels[start : start + batch_size] = own.argmax(dim=1).to("cpu", torch.uint8).numpy()
            confidence[start : start + batch_size] = own.softmax(dim=1).amax(dim=1).cpu().numpy()
    return volume.with_labels(labels), confidence


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards each module has its own mode back, frozen parts included."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
