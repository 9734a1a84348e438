"""Execute all chapters, and decks, two side by side; only those that changed (page *How long the chapters take*)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.execute import Cost
from pipeline.layout import Book, BookError

__all__ = ["execute_chapters", "execute_decks", "fingerprint", "processors", "read_cost"]

_PIPELINE = Path(__file__).resolve().parent

#: What a chapter's outputs can depend on, besides its own text and its data; widgets bring their scripts.
_INPUTS = (
    "src/**/*.py",
    "src/**/*.js*",
    "src/**/*.css",
    "pipeline/**/*.py",
    "results/**/*",
    "constraints.txt",
    "_build/data/phantom/phantom.json",
)


def execute_chapters(book: Book, preset: str = "quick", jobs: int | None = None) -> list[Cost]:
    """Execute every chapter of the table of contents into ``_build/chapters``, each in a process of its own.

    A chapter whose text, package, results and data are those of its last good run is not run again.

    Parameters
    ----------
    book : Book
        The book.
    preset : str
        Goes into each chapter's ``parameters`` cell.
    jobs : int, optional
        How many run side by side, with an equal share of the processors' threads. Default 2, or 1 where there is one
        processor: two that each use one sum up faster than one after the other with both.

    Returns
    -------
    list of Cost
        One for each chapter, in reading order.

    Raises
    ------
    BookError
        After all have run, if any failed: the names, and the end of each log.
    """
    _execute(book, book.chapters, "chapters", preset, jobs)
    return [read_cost(book.build / "chapters", stem) for stem in book.chapters]


def execute_decks(book: Book, preset: str = "quick", jobs: int | None = None) -> None:
    """Execute the decks of ``slides/`` into ``_build/slides``; parameters and errors as for `execute_chapters`."""
    _execute(book, book.decks, "decks", preset, jobs)


def _execute(book: Book, names: tuple[str, ...], kind: str, preset: str, jobs: int | None) -> None:
    jobs = jobs or min(2, processors())

    def run(queue: list[str]) -> list[str | None]:
        return [_run(book, name, preset, max(1, processors() // jobs)) for name in queue]

    with ThreadPoolExecutor(jobs) as pool:
        failures = [text for queue in pool.map(run, _queues(book, names)) for text in queue if text]
    if failures:
        raise BookError("\n\n".join([*failures, f"{len(failures)} of {len(names)} {kind} failed."]))


def processors() -> int:
    """Return how many processors this process may use: side by side, each job gets its share of as many threads."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _queues(book: Book, names: tuple[str, ...]) -> list[list[str]]:
    """Split chapters into queues that need not wait for each other.

    Those that use the folder of runs stand in one, in reading order, because one goes on with what another trained. It
    comes first: a training takes longer than anything else.
    """
    shared = [name for name in names if "runs_folder" in book.text(name).read_text(encoding="utf-8")]
    return [*([shared] if shared else []), *([name] for name in names if name not in shared)]


def _run(book: Book, name: str, preset: str, threads: int) -> str | None:
    """Run one chapter or deck unless nothing changed; return what to tell about a failure."""
    out, stem = book.executed(name), book.text(name).stem
    out.mkdir(parents=True, exist_ok=True)
    key, stamp, log = fingerprint(book, name, preset), out / f"{stem}.key", out / f"{stem}.log"
    if stamp.is_file() and stamp.read_text() == key and (out / f"{stem}.ipynb").is_file():
        print(f"  {name}: unchanged", flush=True)
        return None
    stamp.unlink(missing_ok=True)
    shutil.rmtree(out / stem, ignore_errors=True)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
        "TQDM_DISABLE": "1",  # progress bars are for terminals
        # The pipeline is not installed, and the book may lie elsewhere.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PIPELINE.parent), os.environ.get("PYTHONPATH")])),
        "GUIDED_ATTENTION_DATA": str(book.build / "data"),
        # Networks that other code trained must not answer for this one.
        "GUIDED_ATTENTION_RUNS": str(book.build / "runs" / _digest(book, preset, [])[:12]),
    }
    command = [sys.executable, "-m", "pipeline", "execute", name, "--preset", preset]
    start = time.perf_counter()
    with log.open("w", encoding="utf-8") as stream:
        code = subprocess.run(
            command, cwd=book.root, env=environment, stdout=stream, stderr=subprocess.STDOUT, check=False
        ).returncode
    print(f"  {name}: {'ok' if code == 0 else 'FAILED'}, {time.perf_counter() - start:.0f} s", flush=True)
    if code:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-60:]
        return "\n".join([f"{name} failed; end of {log.relative_to(book.root)}:", *tail])
    stamp.write_text(key)
    return None


def fingerprint(book: Book, stem: str, preset: str) -> str:
    """Hash of all that a chapter's outputs depend on: text, preset, package, results, versions, data, Python."""
    return _digest(book, preset, [book.text(stem)])


def _digest(book: Book, preset: str, files: Iterable[Path]) -> str:
    pipeline = book.root / "src" / "guided_attention" / "book"  # how pages are made changes no number on them
    inputs = {path for pattern in _INPUTS for path in book.root.glob(pattern) if path.is_file()}
    files = [*files, *sorted(path for path in inputs if pipeline not in path.parents)]
    digest = hashlib.sha256(f"{preset} {sys.version}".encode())
    for path in files:
        digest.update(f"{path.relative_to(book.root)} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read_cost(out: Path, stem: str) -> Cost:
    """Read what a chapter's last run took."""
    return Cost(**json.loads((out / f"{stem}.json").read_text(encoding="utf-8")))
