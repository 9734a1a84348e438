"""The best networks in half precision, with everything that somebody who gets them has to know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from guided_attention.data import DataSource
from guided_attention.evaluation.scores import SubjectScores
from guided_attention.evaluation.volumes import evaluate
from guided_attention.experiments.record import read_record
from guided_attention.files import write_text
from guided_attention.models.stored.weights import load_network, save_network
from guided_attention.paths import RunFolder

__all__ = ["best_run", "export_half", "licence_of"]


def licence_of(source: DataSource) -> str:
    """Return the terms of weights that were trained on a data set: they follow from the data's."""
    if source.kind == "phantom":
        return "Apache-2.0 (synthetic data of this project)"
    if "chaos" in source.name.lower():
        return (
            "CC BY-NC-SA 4.0, as the CHAOS data they were trained on (Kavur et al., Zenodo record 3431873): name the "
            "authors, no commercial use, same terms. Not part of this project's repository."
        )
    return "not stated: the terms of the data set apply. Not part of this project's repository."


def best_run(folders: Sequence[Path]) -> Path | None:
    """Return the run with the best validation Dice (never the test score: that would be choosing by the answer)."""
    scored = []
    for folder in folders:
        if RunFolder(folder).complete:
            curve = read_record(RunFolder(folder).record).curve
            scored.append((max(entry["dice"] for entry in curve), folder))
    return max(scored, key=lambda pair: (pair[0], str(pair[1])))[1] if scored else None


def export_half(folder: Path, source: DataSource, out: Path, device: str = "cpu") -> dict[str, Any]:
    """Write ``out/DATASET/MODEL.safetensors`` in float16, evaluate it again, and say in its JSON what changed.

    Parameters
    ----------
    folder : path
        Of a finished run.
    source : DataSource
        That it was trained on.
    out : path
        Gets a ``.gitignore`` that keeps everything there out of git, unless the data are synthetic.
    device : str

    Returns
    -------
    dict
        The notes of the `ModelSpec`: data set, licence, commit, device, time, and Dice before and after.
    """
    record = read_record(RunFolder(folder).record)
    model, spec = load_network(folder)
    target = out / record.dataset.name / f"{spec.name}.safetensors"
    if source.kind != "phantom":
        write_text(target.parent / ".gitignore", "# Trained on patients' data: their terms apply.\n*\n")
    save_network(target, model, spec, half=True)
    again, _ = load_network(target)  # float32 numbers, rounded as in the file
    settings = record.settings
    scores = evaluate(
        again,
        source.volumes(record.split.test),
        spec.inputs,
        batch_size=settings["batch_size"],
        device=device,
        precision=settings["precision"],
        progress=False,
    )
    notes = {
        **spec.notes,
        "sequence": record.dataset.sequence,
        "licence": licence_of(source),
        "device": record.provenance.device,
        "training_seconds": record.cost.training_seconds,
        "created": record.created,
        "precision_of_weights": "float16",
        "precision_of_training": settings["precision"],
        **compare(record.scores, scores),
    }
    save_network(target, model, replace(spec, notes=notes), half=True)
    return notes


def compare(before: Sequence[SubjectScores], after: Sequence[SubjectScores]) -> dict[str, float]:
    """Dice of the test subjects before and after rounding: the means, and the largest change of any organ."""
    old, new = ({(s.subject, o.organ): o.dsc for s in scores for o in s.organs} for scores in (before, after))
    pairs = [(old[key], dsc) for key, dsc in new.items() if not math.isnan(old.get(key, math.nan) + dsc)]
    return {
        "test_dice_float32": sum(a for a, _ in pairs) / len(pairs),
        "test_dice_float16": sum(b for _, b in pairs) / len(pairs),
        "largest_dice_difference": max(abs(a - b) for a, b in pairs),
    }
