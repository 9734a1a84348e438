"""Records whose scores are chosen by hand, so that a report's numbers can be worked out on paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from guided_attention.data.volume import ORGANS
from guided_attention.evaluation.calibration import Reliability
from guided_attention.evaluation.scores import METRICS, OrganScore, SubjectScores
from guided_attention.experiments.record import record_path, write_record
from guided_attention.experiments.run_record import Cost, DataSet, Model, Record, Split, make_record

NAN = float("nan")
PHANTOM = DataSet("phantom-t1dual-in", "T1-DUAL in-phase", synthetic=True)
_COST = Cost(training_seconds=100.0, evaluation_seconds=20.0, peak_memory_bytes=2**30)


def scores(subject: str, dsc: float | dict[str, float], reliability: Reliability | None = None) -> SubjectScores:
    """Scores with this DSC (of all organs, or by organ); VS is (1 + DSC) / 2, MSD 10 (1 - DSC) voxels; NaN: absent."""
    by_organ = dsc if isinstance(dsc, dict) else dict.fromkeys(ORGANS, dsc)
    organs = []
    for organ in ORGANS:
        value = by_organ[organ]
        metrics = {**dict.fromkeys(METRICS, value), "vs": (1 + value) / 2, "msd_voxels": 10 * (1 - value)}
        organs.append(OrganScore(organ, 100, 100, **metrics))  # the reference is the same for every network
    return SubjectScores(subject, tuple(organs), reliability)


def small_record(
    model: str,
    dsc: dict[str, float | dict[str, float]],
    *,
    fold: int = 0,
    seed: int = 0,
    dataset: DataSet = PHANTOM,
    preset: str = "quick",
    curve: tuple[float, ...] = (0.2, 0.6, 0.5),
    cost: Cost = _COST,
    reliability: Reliability | None = None,
    size: int = 32,
    train: tuple[str, ...] = ("t1", "t2"),
) -> Record:
    """A record with these DSC by test subject."""
    encoder = {"unet": {"channels": 4}, "attention-unet": {"channels": 4}}
    record = make_record(
        dataset=dataset,
        model=Model(model, encoder.get(model, {"backbone": "resnet18"})),
        preset=preset,
        settings={"epochs": len(curve), "seed": seed, "inputs": {"size": size}},
        seed=seed,
        split=Split(fold, train, ("v1",), tuple(dsc)),
        scores=[scores(subject, value, reliability) for subject, value in dsc.items()],
        curve=[{"epoch": i, "dice": value} for i, value in enumerate(curve, start=1)],
        cost=cost,
    )
    # Where and when it was made is the same for all, so that reports can be compared byte by byte.
    where = replace(record.provenance, commit="0" * 40, dirty=False, device="a processor", threads=2)
    return replace(record, provenance=where, created="2026-01-02T03:04:05+00:00")


def write(root: Path, *records: Record) -> Path:
    """Write records where they belong."""
    for r in records:
        write_record(r, record_path(root, r.dataset.name, r.model.name, r.split.fold, r.seed))
    return root
