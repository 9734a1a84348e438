"""Unpack a zip that comes from elsewhere: nothing leaves its folder, and it is there whole or not at all."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from guided_attention.errors import DataError
from guided_attention.progress import progress_bar

__all__ = ["demand_space", "unpack"]


def unpack(archive: Path, folder: Path, progress: bool = True) -> int:
    """Unpack all of ``archive`` into ``folder``, which must not exist.

    Parameters
    ----------
    archive : Path
        A zip file. Every name in it is looked at before the first byte is written.
    folder : Path
        Made; removed again if anything fails.
    progress : bool
        Show a bar.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    DataError
        If the archive is damaged, holds a name that leads out of ``folder``, a link or an encrypted file, or if the
        disk is too small for what it unpacks to.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = zipped.infolist()
            _demand_harmless(archive, members)
            total = sum(member.file_size for member in members)
            demand_space(folder.parent, total, f"to unpack {archive.name}")
            folder.mkdir(parents=True)
            with progress_bar(show=progress, total=total, unit="B", unit_scale=True, desc="unpacking") as bar:
                for member in members:
                    zipped.extract(member, folder)
                    bar.update(member.file_size)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise DataError(
            f"{archive}: expected a whole zip file, found {error}. Delete it and fetch it again."
        ) from error
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return sum(not member.is_dir() for member in members)


def _demand_harmless(archive: Path, members: Iterable[zipfile.ZipInfo]) -> None:
    bad = []
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if _leads_out(member.filename):
            bad.append(f"{member.filename!r} leads out of the folder")
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            bad.append(f"{member.filename!r} is a link or a device")
        elif member.flag_bits & 1:
            bad.append(f"{member.filename!r} is encrypted")
    if bad:
        raise DataError(
            f"{archive}: expected plain files and folders only, found that {'; '.join(bad)}. Nothing was unpacked."
        )


def _leads_out(name: str) -> bool:
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    return not name or path.is_absolute() or bool(windows.anchor) or ".." in path.parts or ".." in windows.parts


def demand_space(folder: Path, needed: int, purpose: str) -> None:
    """Raise a `DataError` unless ``needed`` bytes are free on the disk of ``folder``, which need not exist yet."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DataError(
            f"{folder}: expected {needed / 1e9:.2f} GB of free disk space {purpose}, found {free / 1e9:.2f} GB. "
            "Make room, or choose a folder on another disk."
        )
