"""The commands that use a trained network: ``guided-attention evaluate | predict``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from guided_attention.cli.masks import find_masks, match, score_masks
from guided_attention.cli.options import Data, Inference, Scan
from guided_attention.cli.stream import stream
from guided_attention.data import DataSource, Volume, write_nifti
from guided_attention.data.digest import Fingerprint
from guided_attention.data.integrity import Findings
from guided_attention.data.layout import SubjectFiles, find_images
from guided_attention.data.read.chaos import inspect_chaos_subject
from guided_attention.data.read.described import write_labels
from guided_attention.data.read.names import format_of
from guided_attention.data.read.nifti import inspect_nifti
from guided_attention.data.read.write import ending_like
from guided_attention.data.splits import patients_of
from guided_attention.errors import DataError, DataWarning, MissingExtraError, NotFiniteError, SettingsError
from guided_attention.evaluation.precision import Precision, choose_precision
from guided_attention.evaluation.predict import predict_volume
from guided_attention.evaluation.summary import subject_table, summarise, summary_table
from guided_attention.evaluation.volumes import evaluate as score
from guided_attention.experiments.record import write_scores
from guided_attention.experiments.seen import Seen, seen_by
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
        score_masks(network, Path(data.data), subjects, out=out, progress=progress)
        return
    require_device(inference.device)
    model, spec = load_network(network, inference.device)
    source = data.open()
    _warn(spec.require_channels(source.channels, source.path))
    if fold is not None and subjects:
        raise SettingsError("fold and subjects exclude each other; give one of them.")
    notice = match(network, spec.label_set, source.path, source.label_set)
    chosen = subjects or (source.subjects if fold is None else choose_fold(source, fold).test)
    report = source.check(chosen, inputs=spec.inputs)
    report.raise_if_bad()
    report.warn()
    familiar = _familiar(network, spec, source, report.fingerprints)
    if not (seen or subjects):
        chosen = tuple(subject for subject in chosen if subject not in familiar.parts)
        if not chosen:
            raise SettingsError(
                f"{network} has seen every subject that was chosen in {source.path}:\n{familiar}\nTheir scores say "
                "nothing about new patients; give --seen for them all the same, or other data."
            )
    for line in filter(None, (notice, str(familiar))):
        print(line)
    scored = {subject: part for subject, part in familiar.parts.items() if subject in chosen}
    if familiar.parts:
        print("scored all the same" if scored else "left out; --seen scores them too", end=": ")
        print("these scores say nothing about new patients")
    precision = _precision(inference, network, spec)
    scores = score(
        model,
        replace(source, fingerprints=report.fingerprints).volumes(chosen),  # one at a time; its warnings are told
        spec.inputs,
        batch_size=inference.batch_size,
        device=inference.device,
        precision=precision,
        label_set=spec.label_set,
        progress=progress,
    )
    print(subject_table(scores, scored))
    print(summary_table(summarise(scores)))
    if out is not None:
        print(f"scores: {write_scores(scores, out, inference.device, scored, precision=precision)}")


def _familiar(network: Path, spec: ModelSpec, source: DataSource, chosen: Mapping[str, Fingerprint]) -> Seen:
    """Say which of the chosen subjects the network has seen, themselves or in another scan of the same patient."""
    patients = patients_of(source)
    whose = {patients[subject] for subject in chosen if subject in patients}
    others = [subject for subject, patient in patients.items() if patient in whose and subject not in chosen]
    scans = source.check(others, need_labels=False, inputs=None).fingerprints if others else {}
    found = seen_by(network, spec.notes, {**chosen, **scans}, patients)
    parts = {subject: part for subject, part in found.parts.items() if subject in chosen}
    return replace(found, parts=parts, alike=_in(chosen, found.alike), kin=_in(chosen, found.kin))


def _in(chosen: Mapping[str, Fingerprint], subjects: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(subject for subject in subjects if subject in chosen)


def predict(
    network: Positional[Path],
    images: Positional[tuple[Path, ...]],
    out: Path,
    scan: OmitArgPrefixes[Scan] = Scan(),
    inference: OmitArgPrefixes[Inference] = Inference(),
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Segment volumes, one after the other, and write the labels in the format and geometry of their images.

    The numbers are those of the files that the network was trained with; a labels.json beside them says what they mean.
    Labels of DICOM images are written as NIfTI.

    While the network has one volume, the next is read and the last is written.

    A volume that cannot be read or segmented is named at the end, with status 1; the others are done.

    Args:
        network: Folder of a run, or its model.safetensors.
        images: NIfTI, NRRD or MetaImage files, folders of DICOM files or of CHAOS subjects; or folders of many such.
        out: Folder for the results, SUBJECT_prediction.nii.gz (.nrrd, .mha) each.
        overwrite: Replace results that exist.
        progress: Show a progress bar, where there is more than one.
    """
    if not images:
        raise SettingsError("images: none given; name files, or folders of DICOM or many files, after the network.")
    require_device(inference.device)
    model, spec = load_network(network, inference.device)
    found = [find_images(path, spec.in_channels) for path in images]
    subjects = [files for inside, _ in found for files in inside]
    targets = [out / f"{files.name}_prediction{ending_like(files.first)}" for files in subjects]
    for target in targets:
        if target.exists() and not overwrite:
            raise SettingsError(f"{target} exists; give --overwrite, or another --out.")
        if targets.count(target) > 1:
            raise SettingsError(f"two images would be written to {target}; predict them into different folders.")
    precision = _precision(inference, network, spec)

    def read(files: SubjectFiles) -> Volume:
        return _read(files, spec, scan)

    def segment(volume: Volume) -> Volume:
        how = {"batch_size": inference.batch_size, "device": inference.device, "precision": precision}
        return predict_volume(model, volume, spec.inputs, label_set=spec.label_set, **how)

    def write(files: SubjectFiles, labels: Volume) -> None:
        write_nifti(labels, written[files], like=files.first if format_of(files.first) else None)

    failed, written = [], dict(zip(subjects, targets, strict=True))
    for ignored in (other for _, others in found for other in others):
        print(f"ignored: {ignored}", file=sys.stderr)
    out.mkdir(parents=True, exist_ok=True)
    write_labels(spec.label_set, out)
    steps = stream(subjects, read, segment, write, expected=(DataError, MissingExtraError, NotFiniteError))
    show = progress and len(subjects) > 1
    with progress_bar(steps, show=show, total=len(subjects), desc="predicting", unit="volume") as bar:
        for files, error in bar:
            if error is None:
                print(written[files], flush=True)
            else:
                failed.append(f"{files.first}: {error}")
    if failed:
        print(f"error: {len(failed)} of {len(subjects)} could not be predicted:", file=sys.stderr)
        print("\n".join(failed), file=sys.stderr)
        raise SystemExit(1)


def _read(files: SubjectFiles, spec: ModelSpec, scan: Scan) -> Volume:
    """Read a subject's images, say what is odd or not read, and refuse them if they are not what the network takes."""
    findings = Findings(files.name)
    if files.is_chaos:
        volume = inspect_chaos_subject(files.first, scan.sequence, scan.phase, findings)
    else:
        own = spec.channels or tuple(f"{number:04d}" for number in range(spec.in_channels))
        allowed = own if len(files.images) == 1 and len(own) > 1 else ()
        volume = inspect_nifti(files.images, None, findings, channels=allowed, series=scan.series)
    findings.raise_if_any()
    for ignored in findings.ignored:
        print(f"ignored: {ignored}", file=sys.stderr)
    names = volume.channel_names or tuple(f"{number:04d}" for number in range(volume.channels))
    _warn(spec.require_channels(names, files.first))
    return volume


def _warn(message: str) -> None:
    if message:
        warnings.warn(message, DataWarning, stacklevel=2)


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
