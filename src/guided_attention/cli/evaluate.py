"""The commands that use a trained network: ``guided-attention evaluate | predict``."""

from __future__ import annotations

import sys
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from guided_attention.cli.masks import find_masks, score_masks
from guided_attention.cli.options import Data, Inference, Scan
from guided_attention.cli.stream import stream
from guided_attention.data import Volume, read_chaos_subject, read_nifti, write_nifti
from guided_attention.data.layout import find_images
from guided_attention.data.read.names import subject_name
from guided_attention.errors import DataError, NotFiniteError, SettingsError
from guided_attention.evaluation.precision import Precision, choose_precision
from guided_attention.evaluation.predict import predict_volume
from guided_attention.evaluation.summary import subject_table, summarise, summary_table
from guided_attention.evaluation.volumes import evaluate as score
from guided_attention.experiments.record import write_scores
from guided_attention.experiments.seen import seen_by
from guided_attention.experiments.trial import choose_fold
from guided_attention.files import read_json
from guided_attention.models.stored.weights import ModelSpec, load_network
from guided_attention.paths import RunFolder, weights_file
from guided_attention.progress import progress_bar
from guided_attention.training.devices import require_device

__all__ = ["evaluate", "predict"]


def evaluate(
    network: Positional[Path],
    data: OmitArgPrefixes[Data] = Data(),
    fold: int | None = None,
    subjects: tuple[str, ...] = (),
    seen: bool = False,
    out: Path | None = None,
    inference: OmitArgPrefixes[Inference] = Inference(),
    progress: bool = True,
) -> None:
    """Score a trained network on whole volumes: DSC, VS, MSD and the CHAOS metrics, by organ and subject.

    Subjects that the network was trained on, or its epoch was chosen with, are named and left out, because their
    scores say nothing about new patients.

    Args:
        network: Folder of a run, or its model.safetensors; or a folder of label files, as for score.
        fold: Evaluate the test subjects of this fold.
        subjects: Evaluate these subjects, seen in training or not (all of the others, if neither is given).
        seen: Evaluate those seen in training as well.
        out: Write the scores to this JSON file.
        progress: Show a progress bar.
    """
    if network.is_dir() and not weights_file(network).exists() and find_masks(network):
        if fold is not None:
            raise SettingsError(f"{network} holds label files, not a network: name --subjects instead of a fold.")
        score_masks(network, Path(data.data), subjects, out, progress)
        return
    require_device(inference.device)
    model, spec = load_network(network, inference.device)
    source = data.open()
    if fold is not None and subjects:
        raise SettingsError("fold and subjects exclude each other; give one of them.")
    chosen = subjects or (source.subjects if fold is None else choose_fold(source, fold).test)
    report = source.check(chosen, inputs=spec.inputs)
    report.raise_if_bad()
    familiar = seen_by(network, spec.notes, report.fingerprints)
    if not (seen or subjects):
        chosen = tuple(subject for subject in chosen if subject not in familiar.parts)
        if not chosen:
            raise SettingsError(
                f"{network} has seen every subject that was chosen in {source.path}:\n{familiar}\nTheir scores say "
                "nothing about new patients; give --seen for them all the same, or other data."
            )
    if str(familiar):
        print(familiar)
    scored = {subject: part for subject, part in familiar.parts.items() if subject in chosen}
    if familiar.parts:
        print("scored all the same" if scored else "left out; --seen scores them too", end=": ")
        print("these scores say nothing about new patients")
    volumes = [source.read(subject) for subject in chosen]
    precision = _precision(inference, network, spec)
    scores = score(
        model,
        volumes,
        spec.inputs,
        batch_size=inference.batch_size,
        device=inference.device,
        precision=precision,
        progress=progress,
    )
    print(subject_table(scores, scored))
    print(summary_table(summarise(scores)))
    if out is not None:
        print(f"scores: {write_scores(scores, out, inference.device, scored, precision)}")


def predict(
    network: Positional[Path],
    images: Positional[tuple[Path, ...]],
    out: Path,
    scan: OmitArgPrefixes[Scan] = Scan(),
    inference: OmitArgPrefixes[Inference] = Inference(),
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Segment volumes, one after the other, and write the labels as NIfTI, in the geometry of their images.

    While the network has one volume, the next is read and the last is written.

    A volume that cannot be read or segmented is named at the end, with status 1; the others are done.

    Args:
        network: Folder of a run, or its model.safetensors.
        images: NIfTI files, folders of CHAOS subjects, or folders that hold many of either.
        out: Folder for the results, SUBJECT_prediction.nii.gz each.
        overwrite: Replace results that exist.
        progress: Show a progress bar, where there is more than one.
    """
    if not images:
        raise SettingsError("images: none given; name NIfTI files or folders of CHAOS subjects after the network.")
    found = [find_images(path) for path in images]
    paths = [path for inside, _ in found for path in inside]
    targets = [out / f"{path.name if path.is_dir() else subject_name(path)}_prediction.nii.gz" for path in paths]
    for target in targets:
        if target.exists() and not overwrite:
            raise SettingsError(f"{target} exists; give --overwrite, or another --out.")
        if targets.count(target) > 1:
            raise SettingsError(f"two images would be written to {target}; predict them into different folders.")
    require_device(inference.device)
    model, spec = load_network(network, inference.device)
    precision = _precision(inference, network, spec)

    def read(path: Path) -> Volume:
        return read_chaos_subject(path, scan.sequence, scan.phase) if path.is_dir() else read_nifti(path)

    def segment(volume: Volume) -> Volume:
        how = {"batch_size": inference.batch_size, "device": inference.device, "precision": precision}
        return predict_volume(model, volume, spec.inputs, **how)

    def write(path: Path, labels: Volume) -> None:
        write_nifti(labels, written[path], like=None if path.is_dir() else path)

    failed, written = [], dict(zip(paths, targets, strict=True))
    for ignored in (other for _, others in found for other in others):
        print(f"ignored: {ignored}", file=sys.stderr)
    out.mkdir(parents=True, exist_ok=True)
    steps = stream(paths, read, segment, write, expected=(DataError, NotFiniteError))
    show = progress and len(paths) > 1
    with progress_bar(steps, show=show, total=len(paths), desc="predicting", unit="volume") as bar:
        for path, error in bar:
            if error is None:
                print(written[path], flush=True)
            else:
                failed.append(f"{path}: {error}")
    if failed:
        print(f"error: {len(failed)} of {len(paths)} could not be predicted:", file=sys.stderr)
        print("\n".join(failed), file=sys.stderr)
        raise SystemExit(1)


def _precision(inference: Inference, network: Path, spec: ModelSpec) -> Precision:
    chosen = choose_precision(inference.precision or precision_of(network, spec), inference.device)
    if inference.precision == "auto":
        print(f"precision: {chosen}, which this machine multiplies fastest")
    return chosen


def precision_of(network: Path, spec: ModelSpec) -> str:
    """Return the precision that a network was trained and tested with: its notes say it, or its run's record.

    Networks written before the notes said it, and without a record beside them, count as single precision.
    """
    record = RunFolder(network if network.is_dir() else network.parent).record
    if "precision" not in spec.notes and record.is_file():
        return read_json(record)["settings"].get("precision", "32-true")
    return spec.notes.get("precision", "32-true")
