"""Whether a run is one of these data, and the name under which their runs are kept (chapter *Ablation*).

A data set is named by its folder, and folders of different data can have the same name. So the first data that get
runs or records under a name keep it; any other data of that name, a folder of another site or the same folder with a
corrected label, are kept as ``NAME-DIGEST``. Nobody has to think of a name before training, nothing is mixed, and
the command that is given again finds its own runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from guided_attention.data import DataSource
from guided_attention.data.digest import Fingerprint, set_digest
from guided_attention.data.labels import BACKGROUND
from guided_attention.errors import GuidedAttentionError
from guided_attention.experiments.record import read_record
from guided_attention.experiments.run_record import DataSet, Record
from guided_attention.files import read_json
from guided_attention.paths import RunFolder

__all__ = ["data_difference", "dataset_difference", "name_by_data"]

_NAMED = 3


def data_difference(record: Record, here: Mapping[str, Fingerprint]) -> str:
    """Say in which subjects the data of a record differ from others; empty where they are the same.

    A record that was made before there were digests is compared by what it does hold: its subjects, and the number
    of reference voxels of every organ of the test subjects. Equal numbers mean the same labels; that the grey values
    are the same as well, such a record cannot say.

    Parameters
    ----------
    record : Record
    here : mapping from subject to Fingerprint
        Of a whole data set, from `guided_attention.data.DataSource.verified`.
    """
    if record.dataset.digests is not None:
        return _difference(record.dataset.digests, _digests(here))
    split = record.split
    there: dict[str, object] = dict.fromkeys((*split.train, *split.validation, *split.test), "known by name only")
    now: dict[str, object] = dict.fromkeys(here, "known by name only")
    for score in record.scores:
        wanted = {organ.organ: organ.reference_voxels for organ in score.organs}
        there[score.subject] = _counts(wanted)
        if score.subject in here:
            voxels = dict(zip((BACKGROUND, *record.dataset.organs), here[score.subject].voxels, strict=False))
            now[score.subject] = _counts({organ: voxels.get(organ, 0) for organ in wanted})
    return _difference(there, now)


def dataset_difference(dataset: DataSet, source: DataSource) -> str:
    """Say in what a data source differs from the data that records were made of; empty where it is the same.

    Without digests in the records only the names are compared.
    """
    if dataset.digests is not None:
        return _difference(dataset.digests, _digests(source.verified().fingerprints))
    return "" if source.name == dataset.name else f"is {source.name}; the records are of {dataset.name}"


def name_by_data(source: DataSource, *roots: str | Path) -> tuple[DataSource, str]:
    """Check a data set completely and give it the name under which its runs and records belong.

    Parameters
    ----------
    source : DataSource
    roots : paths
        Folders of runs and of records, ``ROOT/DATASET/MODEL/...``.

    Returns
    -------
    source : DataSource
        Verified. Its name is its own, or ``NAME-DIGEST`` where a run or record of other data has that name.
    notice : str
        What to tell the user about that; empty where the name is its own. Unreadable records do not decide here:
        whoever needs one of them says what is wrong with it.

    Raises
    ------
    DataError
        If the check finds anything; the message is the whole report.
    """
    source = source.verified()
    digest = set_digest(_digests(source.fingerprints))
    own = f"{source.name}-{digest[:8]}"
    renamed = replace(source, name=own)
    for root in map(Path, roots):
        if (root / own).is_dir():
            return renamed, f"{source.path} has runs of its own name here: they are kept as {own}"
    for root in map(Path, roots):
        for path in _runs_and_records(root / source.name):
            if different := _difference_of_file(path, source.fingerprints):
                return renamed, (
                    f"{path} is of other data than {source.path} ({different}), though both are called {source.name}: "
                    f"these runs are kept as {own}"
                )
    return source, ""


def _runs_and_records(folder: Path) -> list[Path]:
    run = RunFolder("*/*")
    patterns = ("*/fold*-seed*.json", str(run.record), str(run.checkpoints / "epoch-*" / "state.json"))
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def _difference_of_file(path: Path, here: Mapping[str, Fingerprint]) -> str:
    try:
        if path.name != "state.json":
            return data_difference(read_record(path), here)
        # A checkpoint knows whom it trains and validates with; older ones know no digests, and cannot be asked.
        state = read_json(path)
    except GuidedAttentionError:
        return ""
    there = state.get("data", {}) if isinstance(state, dict) else {}
    return _difference(there, {subject: digest for subject, digest in _digests(here).items() if subject in there})


def _digests(fingerprints: Mapping[str, Fingerprint]) -> dict[str, str]:
    return {subject: found.digest for subject, found in fingerprints.items()}


def _counts(voxels: Mapping[str, int]) -> str:
    return ", ".join(f"{count} voxels of {organ}" for organ, count in voxels.items())


def _difference(there: Mapping[str, object], here: Mapping[str, object]) -> str:
    differing = [subject for subject in {**there, **here} if there.get(subject) != here.get(subject)]
    said = [
        f"subject {subject!r} is {there.get(subject, 'absent')} there, {here.get(subject, 'absent')} here"
        for subject in islice(differing, _NAMED)
    ]
    if len(differing) > _NAMED:
        said.append(f"and {len(differing) - _NAMED} more subjects differ")
    return "; ".join(said)
