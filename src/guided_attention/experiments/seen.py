"""Which subjects a trained network has seen: their scores say nothing about new patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guided_attention.data.digest import Fingerprint
from guided_attention.experiments.record import read_record
from guided_attention.experiments.run_record import Split
from guided_attention.paths import RunFolder

__all__ = ["Seen", "digests_seen", "seen_by"]

_PARTS = ("train", "validation")
_DID = {"train": "trained on", "validation": "epoch chosen with"}


@dataclass(frozen=True)
class Seen:
    """What is known of the subjects of a data set.

    Parameters
    ----------
    parts : dict from subject to {"train", "validation"}
        Those the network was trained on, or its epoch was chosen with.
    alike : tuple of str
        Those that have the name of such a subject, and other content.
    known : bool
        Whether anything was written down about the network's training.
    kin : tuple of str
        Those of ``parts`` that are another scan of a patient it has seen.
    """

    parts: dict[str, str] = field(default_factory=dict)
    alike: tuple[str, ...] = ()
    known: bool = True
    kin: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = []
        for part, did in _DID.items():
            if found := [subject for subject, its in self.parts.items() if its == part]:
                lines.append(f"{did}: {', '.join(found)}")
        if self.kin:
            lines.append(f"of these, another scan of a patient that it has seen: {', '.join(self.kin)}")
        if self.alike:
            lines.append(
                f"called as subjects the network was trained or chosen with, with other content: "
                f"{', '.join(self.alike)} (the same patients, with other labels or another scan?)"
            )
        if not self.known:
            lines.append("nothing is written down about the subjects this network was trained on")
        return "\n".join(lines)


def digests_seen(split: Split, digests: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what a network's notes say of its subjects: digests alone, since the network may leave its house."""
    return {part: sorted(digests[subject] for subject in getattr(split, part)) for part in _PARTS}


def seen_by(
    network: str | Path,
    notes: Mapping[str, Any],
    here: Mapping[str, Fingerprint],
    patients: Mapping[str, str] | None = None,
) -> Seen:
    """Say which subjects a network has seen: by their content, or by their name where only that was written down.

    Parameters
    ----------
    network : path
        Folder of a run, or its weights; the record beside them is asked as well.
    notes : mapping
        Of its `ModelSpec`.
    here : mapping from subject to Fingerprint
        Whom to look for.
    patients : mapping from subject to str, optional
        Whose scan it is: who has been seen in one scan has been seen.

    Raises
    ------
    DataError
        If there is a record and it cannot be read.
    """
    network = Path(network)
    path = RunFolder(network if network.is_dir() else network.parent).record
    record = read_record(path) if path.is_file() else None
    by_digest = {digest: part for part, digests in notes.get("seen", {}).items() for digest in digests}
    by_name: dict[str, str] = {}
    if record is not None:
        by_name = {subject: part for part in _PARTS for subject in getattr(record.split, part)}
        digests = record.dataset.digests or {}
        by_digest |= {digests[subject]: part for subject, part in by_name.items() if subject in digests}
    parts, alike = {}, []
    for subject, found in here.items():
        if found.digest in by_digest:
            parts[subject] = by_digest[found.digest]
        elif subject in by_name and not by_digest:
            parts[subject] = by_name[subject]
        elif subject in by_name:
            alike.append(subject)
    whose = {patients[subject]: part for subject, part in parts.items() if patients and subject in patients}
    kin = {s: whose[patients[s]] for s in here if whose and s not in parts and patients.get(s) in whose}
    alike = [subject for subject in alike if subject not in kin]
    return Seen(parts | kin, tuple(alike), bool(by_digest or by_name), tuple(kin))
