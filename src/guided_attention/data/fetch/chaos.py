"""Fetch CHAOS: verified, resumable, unpacked safely, once (chapter *From scanner to tensor*)."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guided_attention.data.fetch.resume import download, is_file
from guided_attention.data.fetch.unpack import demand_space, unpack
from guided_attention.errors import DataError
from guided_attention.paths import data_folder

__all__ = ["CHAOS_TRAIN", "Archive", "fetch_chaos"]

#: In the unpacked folder: which archive it came from, under which licence.
RECORD = "SOURCE.json"


@dataclass(frozen=True)
class Archive:
    """A published zip file.

    Parameters
    ----------
    url, sha256 : str
        Where it is, and its checksum.
    size, unpacked : int
        Bytes of the file, and at most how many it unpacks to (an estimate; checked exactly once the file is here).
    top : str
        The folder in it.
    licence, citation : str
        Shown before the download and kept beside the data.
    """

    url: str
    sha256: str
    size: int
    unpacked: int
    top: str
    licence: str
    citation: str


CHAOS_TRAIN = Archive(
    url="https://zenodo.org/records/3431873/files/CHAOS_Train_Sets.zip?download=1",
    sha256="535f7d3417a0e0f0d9133fb3d962423d2a9cf3f103e4f09a3d8a1daf87d5d2fc",
    size=890_771_694,
    unpacked=2_500_000_000,
    top="Train_Sets",
    licence="CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/): name the authors, no commercial "
    "use, share alike. It also covers what is made from the data, trained networks among it",
    citation="A. E. Kavur et al., CHAOS: Combined (CT-MR) Healthy Abdominal Organ Segmentation, v1.03, Zenodo 2019, "
    "https://doi.org/10.5281/zenodo.3431873",
)


def fetch_chaos(
    out: str | Path | None = None,
    archive: Archive = CHAOS_TRAIN,
    *,
    keep_archive: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download, verify and unpack CHAOS's training sets (20 MR subjects with labels, and the CT part).

    A download that was cut goes on where it stopped when the call is repeated. The folder appears only when all of
    it is there. A second call does nothing.

    Parameters
    ----------
    out : str or Path, optional
        Default ``chaos`` in `guided_attention.paths.data_folder`.
        Gets the archive's folder, ``out/Train_Sets``; `open_source` takes ``out``.
    archive : Archive
        What to fetch.
    keep_archive : bool
        Keep the zip file in ``out`` after unpacking.
    progress : bool
        Show bars.
    say : callable
        Gets lines of text: the licence, and what happens.
    sleep : callable
        Waits some seconds when the server is busy.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    DataError
        If the disk is too small, the server refuses or keeps failing, the checksum is wrong, the archive would write
        outside ``out``, or ``out`` holds something else.
    """
    out = data_folder("chaos") if out is None else Path(out)
    target, zipped = out / archive.top, out / f"{archive.top}.zip"
    if target.exists():
        _demand_same(target, archive)
        say(f"{target}: already there, nothing to do")
        return out
    say(f"Licence: {archive.licence}.\nPlease cite: {archive.citation}.")
    partial = zipped.with_name(f"{zipped.name}.part")
    here = zipped if zipped.exists() else partial
    missing = max(0, archive.size - (here.stat().st_size if here.exists() else 0))
    demand_space(out, missing + archive.unpacked, f"for {archive.top} (zip and unpacked)")
    if not is_file(zipped, archive.sha256):
        download(archive.url, zipped, archive.size, archive.sha256, progress=progress, sleep=sleep)
    _unpack(archive, zipped, target, progress)
    if not keep_archive:
        zipped.unlink()
    say(f"{target}: unpacked")
    return out


def _unpack(archive: Archive, zipped: Path, target: Path, progress: bool) -> None:
    temporary = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)  # of a call that was killed
    try:
        unpack(zipped, temporary, progress)
        top = temporary / archive.top
        if not top.is_dir():
            found = ", ".join(sorted(p.name for p in temporary.iterdir()))
            raise DataError(f"{zipped}: expected the folder {archive.top} in it, found {found}.")
        record = {
            "archive": archive.url,
            "sha256": archive.sha256,
            "files": _count_files(top),
            "licence": archive.licence,
            "citation": archive.citation,
        }
        (top / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        os.replace(top, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _count_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*") if path.name != RECORD)


def _demand_same(target: Path, archive: Archive) -> None:
    record = target / RECORD
    try:
        noted = json.loads(record.read_text())
        expected, found = (archive.sha256, noted["files"]), (noted["sha256"], _count_files(target))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{target}: exists, but {RECORD}, which a complete set has, cannot be read in it ({error}). If it is your "
            "own copy, use it as it is; otherwise delete the folder, or choose another place."
        ) from error
    if expected != found:
        raise DataError(
            f"{target}: expected {expected[1]} files of archive {expected[0][:12]}..., found {found[1]} files of "
            f"archive {found[0][:12]}.... Delete the folder and fetch it again."
        )
