"""Write a whole synthetic set in CHAOS's layout, once, and whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from guided_attention.data.phantom.dicom import write_subject
from guided_attention.data.phantom.settings import PhantomSettings, phantom_settings, subject_ids
from guided_attention.data.phantom.subject import make_phantom
from guided_attention.errors import DataError, SettingsError
from guided_attention.progress import progress_bar

__all__ = ["VERSION", "is_written", "phantom_record", "write_phantom"]

#: Raised whenever the same seed gives other images than before.
VERSION = 2
_RECORD = "phantom.json"


def write_phantom(
    root: str | Path,
    subjects: int | None = None,
    seed: int = 0,
    preset: str = "full",
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Write a synthetic set as ``root/Train_Sets/MR/ID/...``, with ``root/phantom.json`` to say what it is.

    The set is built beside ``root`` and renamed at the end, so that ``root`` is never half a set. A set with the same
    settings that is already there is left as it is.

    Parameters
    ----------
    root : str or Path
        Where; must not exist, be empty, or hold the same set already.
    subjects : int, optional
        How many; default: the preset's number. They get CHAOS's numbers (1, 2, 3, 5, 8, ...).
    seed : int, default 0
        Of everything; the same seed writes the same bytes, on every processor (see `make_phantom`).
    preset : {"full", "small", "tiny"}
        Size and resolution, see `PRESETS`.
    workers : int, optional
        Processes; default: the number of processors, at most 8. With more than one, a plain script must guard its own
        work by ``if __name__ == "__main__":``, as always with Python's multiprocessing; notebooks need no guard.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Path
        ``root``.

    Raises
    ------
    SettingsError
        If the preset is unknown or a number cannot work.
    DataError
        If ``root`` holds something else.
    """
    root = Path(root)
    settings = phantom_settings(preset)
    if subjects is not None:
        settings = replace(settings, subjects=subjects)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SettingsError(f"seed must be an integer of 0 or more, found {seed!r}.")
    if workers is not None and workers < 1:
        raise SettingsError(f"workers must be at least 1, found {workers!r}.")
    record = phantom_record(settings, seed, preset)
    if is_written(root, record):
        return root
    _demand_free(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        made = temporary / root.name
        _write_subjects(made / "Train_Sets" / "MR", record, settings, workers, progress)
        (made / _RECORD).write_text(json.dumps(record, indent=1) + "\n")
        if root.exists():
            root.rmdir()
        os.replace(made, root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return root


def phantom_record(settings: PhantomSettings, seed: int, preset: str) -> dict:
    """Return what ``phantom.json`` says: that the set is synthetic, and all that it follows from."""
    ids = subject_ids(settings.subjects)
    seeds = np.random.SeedSequence(seed).generate_state(len(ids), np.uint32)
    record = {
        "what": "Synthetic abdominal MR images (digital phantom). Not images of people.",
        "version": VERSION,
        "preset": preset,
        "seed": seed,
        "settings": asdict(settings),
        "subjects": {str(i): int(s) for i, s in zip(ids, seeds, strict=True)},
    }
    return json.loads(json.dumps(record))


def is_written(root: str | Path, record: dict) -> bool:
    """Say whether ``root`` holds the set that ``record`` (of `phantom_record`) describes."""
    path = Path(root) / _RECORD
    if not path.is_file():
        return False
    try:
        return json.loads(path.read_text()) == record
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: expected the JSON record of a synthetic set, found {error}. Delete the folder."
        ) from error


def _demand_free(root: Path) -> None:
    if root.is_dir() and not any(root.iterdir()):
        return
    if root.exists():
        raise DataError(
            f"{root}: expected a free place or the same synthetic set, found something else there "
            "(another seed, preset, version or number of subjects?). Delete it or choose another folder."
        )


def _write_subjects(folder: Path, record: dict, settings: PhantomSettings, workers: int | None, progress: bool) -> None:
    jobs = [(folder / name, name, seed, settings) for name, seed in record["subjects"].items()]
    workers = min(workers or min(os.cpu_count() or 1, 8), len(jobs))
    pool = None if workers == 1 else _pool(workers)
    with progress_bar(show=progress, total=len(jobs), desc="drawing the phantom", unit="subject") as bar:
        if pool is None:
            for job in jobs:
                _write_one(job)
                bar.update()
            return
        with _one_thread_each(), pool:
            for _ in pool.map(_write_one, jobs):
                bar.update()


def _pool(workers: int) -> ProcessPoolExecutor | None:
    """Processes side by side; None where the system has no locks to share (small containers without /dev/shm)."""
    try:  # a fresh process each: forking a process in which torch runs threads can hang
        return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    except (OSError, ImportError, NotImplementedError):
        return None


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let children started meanwhile run numpy on one thread: many processes with many threads slow each other."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _write_one(job: tuple[Path, str, int, PhantomSettings]) -> None:
    folder, name, seed, settings = job
    write_subject(make_phantom(seed, settings, subject=name), folder, seed)
