"""A set of subjects on disk, whatever its layout (chapter *From scanner to tensor*)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from guided_attention.data.digest import Fingerprint, fingerprint
from guided_attention.data.integrity import Findings, IntegrityReport, Problem
from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.data.layout import SubjectFiles, find_pairs, find_subjects
from guided_attention.data.oddities import oddities
from guided_attention.data.prepare import InputSettings
from guided_attention.data.read.chaos import PHASES, SEQUENCES, channel_names, inspect_chaos_subject
from guided_attention.data.read.described import describe_folder
from guided_attention.data.read.names import format_of
from guided_attention.data.read.nifti import inspect_nifti
from guided_attention.data.volume import Volume
from guided_attention.errors import DataError, SettingsError, require_choice

__all__ = ["DataSource", "natural_order", "open_source"]

_EXPECTED = (
    "expected either CHAOS's layout (Train_Sets/MR/ID/T1DUAL/..., the folder Train_Sets or MR itself), or files "
    "SUBJECT_image.nii.gz with SUBJECT_label.nii.gz (.nrrd, .mha), or folders SUBJECT of DICOM files with "
    "SUBJECT_label.nii.gz, or nnU-Net's folders imagesTr and labelsTr"
)


@dataclass(frozen=True)
class DataSource:
    """Subjects that can be read by name. Made by `open_source`.

    Parameters
    ----------
    name : str
        For folders and records: ``"chaos-t1dual-in"``, ``"chaos-t2spir"``, ``"phantom-..."``, ``"nifti-FOLDER"``.
    kind : {"chaos", "phantom", "nifti", "nrrd", "metaimage", "dicom", "files"}
        Layout; a phantom is in CHAOS's, with ``phantom.json`` at its root. Otherwise the format of the images, or
        ``"files"`` where they have several.
    path : Path
        As given.
    subjects : tuple of str
        In natural order ("2" before "10").
    sequence, phase : str
        As for `read_chaos_subject`; of no meaning for other layouts.
    channels : tuple of str
        Name of each channel of the images; its number (``"0000"``) where nothing names it.
    series : str
        Which of the series in folders of DICOM files.
    fingerprints : mapping from subject to Fingerprint
        What the volumes hold; empty unless the set is `verified`.
    ignored : tuple of Problem
        Files in the folder that belong to no subject, and why they are not read.
    label_set : LabelSet
        What the labels mean: from ``labels.json`` or ``dataset.json`` in the folder, or CHAOS's classes.
    described : Path or None
        The file that says so.
    """

    name: str
    kind: str
    path: Path
    subjects: tuple[str, ...]
    sequence: str = "T1DUAL"
    phase: str = "in"
    channels: tuple[str, ...] = ("0000",)
    series: str = ""
    _files: Mapping[str, SubjectFiles] = field(default_factory=dict, repr=False, compare=False)
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict, repr=False, compare=False)
    ignored: tuple[Problem, ...] = field(default=(), repr=False, compare=False)
    label_set: LabelSet = CHAOS_LABELS
    described: Path | None = field(default=None, repr=False, compare=False)

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

    def check(
        self,
        subjects: Iterable[str] | None = None,
        need_labels: bool = True,
        inputs: InputSettings | None = InputSettings(),  # noqa: B008 (frozen)
    ) -> IntegrityReport:
        """Read every file of every subject completely and report everything that is wrong, odd or not read.

        Parameters
        ----------
        subjects : iterable of str, optional
            Only these.
        need_labels : bool
            Whether an image without labels is a problem: for training and evaluation it is.
        inputs : InputSettings
            How the volumes would be prepared; organs that do not survive that are odd. By default as the paper's
            preset does; None asks nothing.

        Returns
        -------
        IntegrityReport
            ``report.raise_if_bad()`` turns problems into an error.
        """
        ignored = list(self.ignored if subjects is None else ())
        chosen, problems, odd, found = tuple(self.subjects if subjects is None else subjects), [], [], {}
        for subject in chosen:
            findings = Findings(subject)
            volume = self._inspect(subject, findings, need_labels)
            if volume is not None and not findings:
                found[subject] = fingerprint(volume)
                for oddity in oddities(volume, inputs):
                    findings.warn(self._files[subject].first, oddity)
            problems += findings.problems
            odd += findings.warnings
            ignored += findings.ignored
        return IntegrityReport(tuple(problems), chosen, found, tuple(odd), tuple(ignored))

    def verified(self) -> DataSource:
        """Check everything, once: return the set with its fingerprints, or itself if it has them.

        Raises
        ------
        DataError
            If the check finds anything; the message is the whole report.
        """
        if self.fingerprints:
            return self
        report = self.check(inputs=None)  # what a run loses in its crop, its own preparation says
        report.raise_if_bad()
        return replace(self, fingerprints=report.fingerprints)

    def _inspect(self, subject: str, findings: Findings, need_labels: bool) -> Volume | None:
        if subject not in self._files:
            raise SettingsError(f"subject={subject!r} is not in {self.path}; choose one of {', '.join(self.subjects)}.")
        files = self._files[subject]
        if self.kind in ("chaos", "phantom"):
            return inspect_chaos_subject(files.first, self.sequence, self.phase, findings, need_labels)
        if not files.images:
            findings.add(files.label, "is a label without an image")
            return None
        if files.label is None and need_labels:
            findings.add(files.first, "has no label file beside it")
        wanted = _numbers(self.channels)
        lacking = [f"_{number:04d}" for number in wanted if number not in files.numbers]
        further = [f"_{number:04d}" for number in files.numbers if number not in wanted]
        apart = len(files.numbers) > 1 or self.channels[0].isdecimal()  # else one file may hold all channels
        if (lacking and apart and len(wanted) > 1) or further:
            absent = f", found no {', '.join(lacking)}" if lacking else ""
            absent += f", found {', '.join(further)} as well" if further else ""
            findings.add(files.first, f"expected the channels {', '.join(self.channels)} of the data set{absent}")
            return None
        named = self.channels if len(self.channels) > 1 or not self.channels[0].isdecimal() else ()
        volume = inspect_nifti(files.images, files.label, findings, self.label_set, named, self.series)
        return volume and replace(volume, subject=subject)


def open_source(path: str | Path, sequence: str = "T1DUAL", phase: str = "in", series: str = "") -> DataSource:
    """Recognise the layout of a folder and list its subjects; nothing is read yet.

    Parameters
    ----------
    path : str or Path
        A CHAOS tree (the folder that holds ``Train_Sets``, or any folder from there down to ``MR``), a folder of
        NIfTI, NRRD or MetaImage files, one with a folder of DICOM files for each subject, or such a folder.
    sequence : {"T1DUAL", "T2SPIR"}
        Which scan of a CHAOS tree.
    phase : {"in", "out", "both"}
        Which echo of T1DUAL; both are two channels.
    series : str
        Which series where folders of DICOM files hold several: a number or a description, as the error lists them.

    Returns
    -------
    DataSource

    Raises
    ------
    DataError
        If the folder does not exist or is neither, or its ``labels.json`` or ``dataset.json`` cannot be followed.
    SettingsError
        If sequence or phase is unknown.
    """
    require_choice("sequence", sequence, SEQUENCES)
    require_choice("phase", phase, PHASES)
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path}: is not a folder; {_EXPECTED}.")
    folders, ignored = find_subjects(path)
    if folders:
        root = folders[0].parent
        kind = "phantom" if any((p / "phantom.json").is_file() for p in (root, *root.parents[:2], path)) else "chaos"
        name = f"{kind}-t1dual-{phase}" if sequence == "T1DUAL" else f"{kind}-t2spir"
        files = {folder.name: SubjectFiles((folder,)) for folder in folders}
        scan = (sequence, phase, channel_names(sequence, phase), series)
        return DataSource(name, kind, path, natural_order(files), *scan, files, ignored=tuple(ignored))
    files, ignored = find_pairs(path)
    if files:
        kinds = {(format_of(one) or "DICOM").lower() for its in files.values() for one in (*its.images, its.label)[:1]}
        kind = kinds.pop() if len(kinds) == 1 else "files"
        numbers = {number for its in files.values() for number in its.numbers} or {0}
        about = describe_folder(path)
        channels = about.channels or tuple(f"{number:04d}" for number in sorted(numbers))
        name, scan = f"{kind}-{path.resolve().name}", (sequence, phase, channels, series)
        return DataSource(
            name,
            kind,
            path,
            natural_order(files),
            *scan,
            files,
            ignored=tuple(other for other in ignored if other.path not in about.files),
            label_set=about.label_set,
            described=next(iter(about.files), None),
        )
    found = "".join(f"\n  {other}" for other in ignored[:20])
    raise DataError(f"{path}: found no subjects; {_EXPECTED}.{found}")


def _numbers(channels: tuple[str, ...]) -> tuple[int, ...]:
    """Numbers of channels in names of files: those that name them, or their places in ``dataset.json``."""
    return tuple(int(name) if name.isdecimal() else place for place, name in enumerate(channels))


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names so that numbers in them count as numbers: "2" before "10"."""
    return tuple(sorted(names, key=lambda name: [(int(p), "") if p.isdigit() else (-1, p) for p in _parts(name)]))


def _parts(name: str) -> list[str]:
    return re.findall(r"[0-9]+|[^0-9]+", name)
