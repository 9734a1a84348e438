"""From a trained network to scores: whole volumes in, metrics out (chapter *Evaluating the network*)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from guided_attention.data.labels import LabelSet
from guided_attention.data.prepare import InputSettings
from guided_attention.data.volume import Volume
from guided_attention.evaluation.predict import predict_with_confidence
from guided_attention.evaluation.scores import SubjectScores, evaluate_subject
from guided_attention.progress import progress_bar

__all__ = ["evaluate"]


def evaluate(
    model: nn.Module,
    volumes: Iterable[Volume],
    inputs: InputSettings,
    *,
    batch_size: int = 8,
    device: str | torch.device = "cpu",
    precision: str = "32-true",
    label_set: LabelSet | None = None,
    on_prediction: Callable[[Volume], None] | None = None,
    progress: bool = True,
) -> tuple[SubjectScores, ...]:
    """Predict and score volumes one after the other, with a progress bar.

    Parameters
    ----------
    model, inputs, batch_size, device, precision, label_set
        As for `predict_volume`.
    volumes : iterable of Volume
        Each with reference labels. A sequence that reads them (`DataSource.volumes`), or a generator, holds one of
        them in memory.
    on_prediction : callable, optional
        Is given each predicted volume, for example to write it.
    progress : bool
        Show the bar.

    Returns
    -------
    tuple of SubjectScores
        In the order of ``volumes``; `summarise` averages them.

    Raises
    ------
    DataError
        If a volume has no labels, or none of the organs that the model knows.
    NotFiniteError
        If the network gives NaN or infinity.
    """

    def one(volume: Volume) -> SubjectScores:  # what it holds of a volume goes with its end
        prediction, confidence = predict_with_confidence(
            model,
            volume,
            inputs,
            batch_size=batch_size,
            device=device,
            precision=precision,
            label_set=label_set,
        )
        scored = evaluate_subject(prediction, volume, confidence)
        if on_prediction is not None:
            on_prediction(prediction)
        return scored

    scores = []
    total = len(volumes) if hasattr(volumes, "__len__") else None
    with progress_bar(show=progress, total=total, desc="evaluating", unit="volume") as bar:
        for volume in volumes:
            scores.append(one(volume))
            bar.set_postfix(subject=volume.subject, dsc=f"{scores[-1].mean('dsc'):.3f}")
            bar.update()
            del volume  # before the next one is read
    return tuple(scores)
