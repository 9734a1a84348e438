"""The channels of a data set, and one subject's files read as its volume (chapter *From scanner to tensor*)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guided_attention.data.integrity import Findings
from guided_attention.data.labels import LabelSet
from guided_attention.data.layout import SubjectFiles
from guided_attention.data.read.names import format_of
from guided_attention.data.read.nifti import inspect_nifti
from guided_attention.data.volume import Volume

__all__ = ["Channels", "kind_of"]


@dataclass(frozen=True)
class Channels:
    """What the images of a data set, or a network's input, consist of.

    Parameters
    ----------
    names : tuple of str
        One for each channel; its number (``"0000"``) where nothing names it.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, files: Mapping[str, SubjectFiles], described: tuple[str, ...]) -> Channels:
        """Return those that ``dataset.json`` describes, or all that any subject has a file of."""
        numbers = {number for its in files.values() for number in its.numbers} or {0}
        return cls(described or tuple(f"{number:04d}" for number in sorted(numbers)))

    def complaint(self, files: SubjectFiles) -> str:
        """Say which channels a subject's files lack, or have beyond these; one file may hold all of them."""
        wanted = [int(name) if name.isdecimal() else place for place, name in enumerate(self.names)]
        lacking = [f"_{number:04d}" for number in wanted if number not in files.numbers]
        further = [f"_{number:04d}" for number in files.numbers if number not in wanted]
        apart = len(files.numbers) > 1 or self.names[0].isdecimal()
        lacking = lacking if apart and len(wanted) > 1 else []
        found = [f"found no {', '.join(lacking)}"] if lacking else []
        found += [f"found {', '.join(further)} as well"] if further else []
        return f"expected the channels {', '.join(self.names)} of the data set, {' and '.join(found)}" if found else ""

    def inspect(
        self, files: SubjectFiles, findings: Findings, need_labels: bool, label_set: LabelSet, series: str = ""
    ) -> Volume | None:
        """Read a subject's files; note what is wrong, and return the volume only if nothing is."""
        if not files.images:
            findings.add(files.label, "is a label without an image")
            return None
        if files.label is None and need_labels:
            findings.add(files.first, "has no label file beside it")
        if wrong := self.complaint(files):
            findings.add(files.first, wrong)
            return None
        named = self.names if len(self.names) > 1 or not self.names[0].isdecimal() else ()
        return inspect_nifti(files.images, files.label, findings, label_set, named, series)


def kind_of(files: Mapping[str, SubjectFiles]) -> str:
    """Return the format of all images, in small letters; ``"files"`` where there are several."""
    kinds = {(format_of(its.first) or "DICOM").lower() for its in files.values()}
    return kinds.pop() if len(kinds) == 1 else "files"
