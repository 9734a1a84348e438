"""A set of subjects on disk, whatever its layout (chapter *From scanner to tensor*)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from guided_attention.data.digest import Fingerprint, fingerprint
from guided_attention.data.integrity import Findings, IntegrityReport
from guided_attention.data.read.chaos import PHASES, SEQUENCES, inspect_chaos_subject
from guided_attention.data.read.nifti import inspect_nifti, subject_name
from guided_attention.data.volume import Volume
from guided_attention.errors import DataError, SettingsError, require_choice

__all__ = ["DataSource", "natural_order", "open_source"]

_EXPECTED = (
    "expected either CHAOS's layout (Train_Sets/MR/ID/T1DUAL/..., the folder Train_Sets or MR itself), or NIfTI files "
    "SUBJECT_image.nii.gz with SUBJECT_label.nii.gz, or nnU-Net's folders imagesTr and labelsTr"
)


@dataclass(frozen=True)
class DataSource:
    """Subjects that can be read by name. Made by `open_source`.

    Parameters
    ----------
    name : str
        For folders and records: ``"chaos-t1dual-in"``, ``"chaos-t2spir"``, ``"phantom-..."``, ``"nifti-FOLDER"``.
    kind : {"chaos", "phantom", "nifti"}
        Layout; a phantom is in CHAOS's, with ``phantom.json`` at its root.
    path : Path
        As given.
    subjects : tuple of str
        In natural order ("2" before "10").
    sequence, phase : str
        As for `read_chaos_subject`; of no meaning for NIfTI.
    fingerprints : mapping from subject to Fingerprint
        What the volumes hold; empty unless the set is `verified`.
    """

    name: str
    kind: str
    path: Path
    subjects: tuple[str, ...]
    sequence: str = "T1DUAL"
    phase: str = "in"
    _files: Mapping[str, tuple[Path | None, Path | None]] = field(default_factory=dict, repr=False, compare=False)
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict, repr=False, compare=False)

    def read(self, subject: str) -> Volume:
        """Read one subject.

        Raises
        ------
        DataError
            If anything is wrong with any of its files.
        SettingsError
            If there is no such subject.
        """
        findings = Findings(subject)
        volume = self._inspect(subject, findings, need_labels=False)
        findings.raise_if_any()
        return volume

    def check(self, subjects: Iterable[str] | None = None, need_labels: bool = True) -> IntegrityReport:
        """Read every file of every subject completely and report everything that is wrong.

        Parameters
        ----------
        subjects : iterable of str, optional
            Only these.
        need_labels : bool
            Whether an image without labels is a problem: for training and evaluation it is.

        Returns
        -------
        IntegrityReport
            ``report.raise_if_bad()`` turns problems into an error.
        """
        chosen, problems, found, odd = tuple(self.subjects if subjects is None else subjects), [], {}, []
        for subject in chosen:
            findings = Findings(subject)
            volume = self._inspect(subject, findings, need_labels)
            problems += findings.problems
            odd += findings.warnings
            if volume is not None and not findings:
                found[subject] = fingerprint(volume)
        return IntegrityReport(tuple(problems), chosen, found, tuple(odd))

    def verified(self) -> DataSource:
        """Check everything, once: return the set with its fingerprints, or itself if it has them.

        Raises
        ------
        DataError
            If the check finds anything; the message is the whole report.
        """
        if self.fingerprints:
            return self
        report = self.check()
        report.raise_if_bad()
        return replace(self, fingerprints=report.fingerprints)

    def _inspect(self, subject: str, findings: Findings, need_labels: bool) -> Volume | None:
        if subject not in self._files:
            raise SettingsError(f"subject={subject!r} is not in {self.path}; choose one of {', '.join(self.subjects)}.")
        image, label = self._files[subject]
        if self.kind != "nifti":
            return inspect_chaos_subject(image, self.sequence, self.phase, findings, need_labels)
        if label is None and need_labels:
            findings.add(image, "has no label file beside it")
        if image is None:
            findings.add(label, "is a label without an image")
            return None
        return inspect_nifti(image, label, findings)


def open_source(path: str | Path, sequence: str = "T1DUAL", phase: str = "in") -> DataSource:
    """Recognise the layout of a folder and list its subjects; nothing is read yet.

    Parameters
    ----------
    path : str or Path
        A CHAOS tree (the folder that holds ``Train_Sets``, or any folder from there down to ``MR``), or a folder of
        NIfTI files.
    sequence : {"T1DUAL", "T2SPIR"}
        Which scan of a CHAOS tree.
    phase : {"in", "out"}
        Which echo of T1DUAL.

    Returns
    -------
    DataSource

    Raises
    ------
    DataError
        If the folder does not exist or is neither.
    SettingsError
        If sequence or phase is unknown.
    """
    require_choice("sequence", sequence, SEQUENCES)
    require_choice("phase", phase, PHASES)
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path}: is not a folder; {_EXPECTED}.")
    for root in (path / "Train_Sets" / "MR", path / "MR", path):
        subjects = _chaos_subjects(root)
        if subjects:
            kind = (
                "phantom" if any((p / "phantom.json").is_file() for p in (root, *root.parents[:2], path)) else "chaos"
            )
            name = f"{kind}-t1dual-{phase}" if sequence == "T1DUAL" else f"{kind}-t2spir"
            files = {s: (root / s, None) for s in subjects}
            return DataSource(name, kind, path, subjects, sequence, phase, files)
    files = _nifti_files(path)
    if files:
        return DataSource(f"nifti-{path.resolve().name}", "nifti", path, natural_order(files), sequence, phase, files)
    raise DataError(f"{path}: found no subjects; {_EXPECTED}.")


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names so that numbers in them count as numbers: "2" before "10"."""
    return tuple(sorted(names, key=lambda name: [(int(p), "") if p.isdigit() else (-1, p) for p in _parts(name)]))


def _parts(name: str) -> list[str]:
    return re.findall(r"[0-9]+|[^0-9]+", name)


def _chaos_subjects(root: Path) -> tuple[str, ...]:
    """Return the folders of ``root`` if any of them holds a scan; all count then, so that a check sees bad ones."""
    if not root.is_dir():
        return ()
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    if not any((p / sequence).is_dir() for p in folders for sequence in SEQUENCES):
        return ()
    return natural_order(p.name for p in folders)


def _nifti_files(path: Path) -> dict[str, tuple[Path | None, Path | None]]:
    if (path / "imagesTr").is_dir() or (path / "labelsTr").is_dir():
        images, labels = (list((path / part).glob("*.nii*")) for part in ("imagesTr", "labelsTr"))
    else:
        images, labels = (list(path.glob(f"*_{part}.nii*")) for part in ("image", "label"))
    images, labels = _by_subject(images), _by_subject(labels)
    return {name: (images.get(name), labels.get(name)) for name in {**images, **labels}}


def _by_subject(files: Iterable[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in sorted(files):
        name = subject_name(path)
        if path.name.startswith("."):
            continue
        if name in named:
            raise DataError(
                f"{named[name]} and {path}: expected one file each, found two of the same subject {name!r}."
            )
        named[name] = path
    return named
