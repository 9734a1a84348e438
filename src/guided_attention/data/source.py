"""A set of subjects on disk, whatever its layout (chapter *From scanner to tensor*)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from guided_attention.data.channels import Channels, kind_of
from guided_attention.data.digest import Fingerprint, fingerprint
from guided_attention.data.integrity import Findings, IntegrityReport, Problem
from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.data.layout import EXPECTED, SubjectFiles, find_pairs, find_subjects
from guided_attention.data.oddities import oddities
from guided_attention.data.patients import dicom_identity
from guided_attention.data.portrait import Portrait, portrait, set_oddities
from guided_attention.data.prepare import InputSettings
from guided_attention.data.read.chaos import PHASES, SEQUENCES, channel_names, inspect_chaos_subject
from guided_attention.data.read.described import describe_folder
from guided_attention.data.read.names import natural_order
from guided_attention.data.volume import Volume
from guided_attention.errors import DataError, SettingsError, require_choice

__all__ = ["DataSource", "open_source"]


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
    groups : mapping from subject to str
        Whose scan it is, where somebody said so.
    splits : tuple of Fold
        Folds of one's own; empty for those that are drawn (`guided_attention.data.splits.folds_of`).
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
    groups: Mapping[str, str] = field(default_factory=dict, repr=False)
    splits: tuple[Any, ...] = field(default=(), repr=False)
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
        findings.raise_if_any(tell=not self.fingerprints)  # a check has told already
        return volume

    def volumes(self, subjects: Iterable[str]) -> Sequence[Volume]:
        """Return some subjects as a sequence that reads each volume when it is asked for, and keeps none."""
        return _Reading(self, tuple(subjects))

    def image_of(self, subject: str) -> Path:
        """Return the subject's first file, or its folder."""
        return self._files[subject].first

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
        chosen, problems, odd = tuple(self.subjects if subjects is None else subjects), [], []
        found: dict[str, Fingerprint] = {}
        portraits: dict[str, Portrait] = {}
        for subject in chosen:
            findings = Findings(subject)
            volume = self._inspect(subject, findings, need_labels)
            if volume is not None and not findings:
                found[subject] = fingerprint(volume)
                portraits[subject] = portrait(volume, dicom_identity(self.image_of(subject)))
                for oddity in oddities(volume, inputs):
                    findings.warn(self.image_of(subject), oddity)
            problems += findings.problems
            odd += findings.warnings
            ignored += findings.ignored
        among = set_oddities(portraits, self.label_set, self.groups)
        odd += [Problem(subject, self.image_of(subject), said) for subject, said in among]
        return IntegrityReport(tuple(problems), chosen, found, tuple(odd), tuple(ignored), portraits)

    def verified(self) -> DataSource:
        """Check everything, once: return the set with its fingerprints, or itself if it has them.

        Raises
        ------
        DataError
            If the check finds anything; the message is the whole report.

        Warns
        -----
        DataWarning
            If something is odd: once, in short.
        """
        if self.fingerprints:
            return self
        report = self.check(inputs=None)  # what a run loses in its crop, its own preparation says
        report.raise_if_bad()
        report.warn()
        return replace(self, fingerprints=report.fingerprints)

    def _inspect(self, subject: str, findings: Findings, need_labels: bool) -> Volume | None:
        if subject not in self._files:
            raise SettingsError(f"subject={subject!r} is not in {self.path}; choose one of {', '.join(self.subjects)}.")
        files = self._files[subject]
        if self.kind in ("chaos", "phantom"):
            return inspect_chaos_subject(files.first, self.sequence, self.phase, findings, need_labels)
        volume = Channels(self.channels).inspect(files, findings, need_labels, self.label_set, self.series)
        return volume and replace(volume, subject=subject)


@dataclass(frozen=True)
class _Reading(Sequence[Volume]):
    source: DataSource
    subjects: tuple[str, ...]

    def __getitem__(self, index: int) -> Volume:
        return self.source.read(self.subjects[index])

    def __iter__(self) -> Iterator[Volume]:  # the one that every sequence has would hold the last while it reads on
        yield from map(self.source.read, self.subjects)

    def __len__(self) -> int:
        return len(self.subjects)


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
        raise DataError(f"{path}: is not a folder; {EXPECTED}.")
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
        about, kind = describe_folder(path), kind_of(files)
        channels = Channels.of(files, about.channels).names
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
    raise DataError(f"{path}: found no subjects; {EXPECTED}.{found}")
