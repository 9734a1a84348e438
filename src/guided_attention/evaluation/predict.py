"""Whole volumes in, labels and confidence out (chapter *Evaluating the network*)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guided_attention.data import fit_in_plane, normalise
from guided_attention.data.prepare import HOW
from guided_attention.data.volume import CLASSES, Volume
from guided_attention.errors import NotFiniteError, SettingsError, require_choice

__all__ = ["PRECISIONS", "evaluating", "predict_volume", "predict_with_confidence", "restore_in_plane"]

#: Numbers to compute with, in Lightning's words: float32, or bfloat16 where autocast thinks it safe.
PRECISIONS = ("32-true", "bf16-mixed")


def predict_volume(
    model: nn.Module,
    volume: Volume,
    *,
    size: int,
    how: str = "crop",
    normalisation: str = "percentile",
    batch_size: int = 8,
    device: str | torch.device = "cpu",
    precision: str = "32-true",
) -> Volume:
    """Predict the labels of a whole volume at its own matrix size.

    The volume is prepared exactly as `SliceDataset` prepares it for training (without augmentation), its slices
    go through the network in batches, and the logits come back to the volume's matrix before the class is
    chosen: so a boundary is placed between the network's pixels, not along them.

    Parameters
    ----------
    model : nn.Module
        Takes (B, 1, size, size) and returns a `SegmentationOutput`. It is moved to ``device`` and put into
        evaluation mode; the mode of each of its modules is restored afterwards.
    volume : Volume
        Its labels are not looked at.
    size, how, normalisation
        As in training: slices are ``size`` x ``size``, made with ``how`` = ``"crop"`` or ``"resample"``.
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
        size=size,
        how=how,
        normalisation=normalisation,
        batch_size=batch_size,
        device=device,
        precision=precision,
    )[0]


def predict_with_confidence(
    model: nn.Module,
    volume: Volume,
    *,
    size: int,
    how: str = "crop",
    normalisation: str = "percentile",
    batch_size: int = 8,
    device: str | torch.device = "cpu",
    precision: str = "32-true",
) -> tuple[Volume, np.ndarray]:
    """As `predict_volume`, and how sure the network is.

    Parameters
    ----------
    model, volume, size, how, normalisation, batch_size, device, precision
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
    fitted = fit_in_plane(volume.with_labels(None), size, how)
    slices = torch.from_numpy(np.ascontiguousarray(normalise(fitted.image, normalisation), dtype=np.float32))
    labels, confidence = np.empty(volume.shape, np.uint8), np.empty(volume.shape, np.float32)
    numbers = _autocast(device, precision)
    model.to(device)
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
            own = restore_in_plane(logits, volume.shape[1:], how)  # (B, K, H, W)
            labels[start : start + batch_size] = own.argmax(dim=1).to("cpu", torch.uint8).numpy()
            confidence[start : start + batch_size] = own.softmax(dim=1).amax(dim=1).cpu().numpy()
    return volume.with_labels(labels), confidence


def restore_in_plane(logits: Tensor, shape: tuple[int, int], how: str) -> Tensor:
    """Undo `fit_in_plane` for logits: bring them back to the volume's own rows and columns.

    Parameters
    ----------
    logits : Tensor, (B, K, size, size)
    shape : (H, W)
        Rows and columns of the volume.
    how : {"crop", "resample"}
        What `fit_in_plane` did. After a crop, padding is cut off and what lay outside becomes background with
        certainty (logit 0, all others minus infinity); after resampling, logits are interpolated bilinearly.

    Returns
    -------
    Tensor, (B, K, H, W)

    Raises
    ------
    SettingsError
        If ``how`` is neither.
    """
    require_choice("how", how, HOW)
    if how == "resample":
        return F.interpolate(logits, size=shape, mode="bilinear", align_corners=False)
    whole = logits.new_full((*logits.shape[:2], *shape), float("-inf"))
    whole[:, 0] = 0.0
    here, there = zip(*(_overlap(n, size) for n, size in zip(shape, logits.shape[2:], strict=True)), strict=True)
    whole[(..., *here)] = logits[(..., *there)]
    return whole


def _overlap(own: int, fitted: int) -> tuple[slice, slice]:
    """Where a centred crop (or padding) to ``fitted`` pixels lies in ``own`` pixels, and the other way round."""
    common = min(own, fitted)
    first, second = (own - common) // 2, (fitted - common) // 2
    return slice(first, first + common), slice(second, second + common)


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


def _autocast(device: str | torch.device, precision: str) -> AbstractContextManager[None]:
    require_choice("precision", precision, PRECISIONS)
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16)
