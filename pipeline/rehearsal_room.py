"""A room like a reader's on Google Colab: its versions, an empty home, and the repository's address answered from here.

One environment holds the packages of ``.ci/colab.txt``; it is made once. Each notebook gets a layer over it, an
environment that sees those packages and installs into itself. So what a notebook's own first cell brings is brought
anew each time, and a package that lies in the layer though the list has it has been replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from pipeline.layout import Book, BookError

__all__ = ["PINS", "Room", "base_environment", "origin", "read_pins", "replaced", "variables"]

#: Colab's versions, in the repository.
PINS = ".ci/colab.txt"

_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)")

#: What a rehearsal keeps of this process's environment; the rest is the home of somebody who is not there.
_KEPT = re.compile(
    r"LANG|LC_\w+|TZ|TMPDIR|PIP_\w+|SSL_\w+|\w+_CA_BUNDLE|\w+_(?:proxy|PROXY)|\w+_NUM_THREADS|OPENBLAS_\w+"
)


@dataclass(frozen=True)
class Room:
    """Where one notebook is rehearsed.

    Attributes
    ----------
    python : Path
        Interpreter of the layer.
    home, work : Path
        Empty folders: the reader's home, and where the notebook runs.
    """

    python: Path
    home: Path
    work: Path

    @classmethod
    def over(cls, base: Path, folder: Path) -> Room:
        """Make a layer over an environment, and two empty folders, in a folder that does not exist yet."""
        room = cls.within(folder)
        room.home.mkdir(parents=True)
        room.work.mkdir()
        _run([base / "bin" / "python", "-m", "venv", "--without-pip", room.layer])
        (packages(room.layer) / "colab.pth").write_text(f"import site; site.addsitedir({str(packages(base))!r})\n")
        return room

    @classmethod
    def within(cls, folder: Path) -> Room:
        """Return the room that was made in a folder."""
        return cls(folder / "env" / "bin" / "python", folder / "home", folder / "content")

    @property
    def layer(self) -> Path:
        """Folder of the layer."""
        return self.python.parents[1]


def read_pins(path: Path) -> dict[str, str]:
    """Return the versions of a list of ``name==version`` lines, by name in lower case with hyphens.

    Raises
    ------
    BookError
        If a line is something else, or a name stands twice.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pin = _PIN.fullmatch(line.strip())
        if pin is None or _plain(pin[1]) in found:
            raise BookError(f"{path}, line {number}: expected a new name==version, found {line!r}.")
        found[_plain(pin[1])] = pin[2]
    return found


def base_environment(book: Book, python: str | None = None) -> Path:
    """Make the environment with Colab's versions under ``_build/colab``, unless it is there; return its folder.

    Parameters
    ----------
    book : Book
        Whose list of versions is taken.
    python : str, optional
        Interpreter to make it with; default this one.

    Raises
    ------
    BookError
        If it cannot be made, or holds other versions than the list.
    """
    python = python or sys.executable
    pins = read_pins(book.root / PINS)
    version = _run([python, "-c", "import sys; print(sys.version)"])
    digest = hashlib.sha256((version + (book.root / PINS).read_text(encoding="utf-8")).encode()).hexdigest()
    base = book.build / "colab" / f"base-{digest[:10]}"
    if not (base / "complete").is_file():
        shutil.rmtree(base, ignore_errors=True)
        _run([python, "-m", "venv", base])
        _run([base / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", book.root / PINS])
        (base / "complete").touch()
    there = versions(packages(base))
    other = [
        f"{name} {there.get(name)}" for name, wanted in pins.items() if there.get(name, "").split("+")[0] != wanted
    ]
    if other:
        raise BookError(f"{base}: expected the versions of {PINS}, found {', '.join(other)}. Delete the folder.")
    return base


def replaced(base: Path, room: Room) -> list[str]:
    """List what a notebook installed over something that was there, ``name old -> new``."""
    before, own = versions(packages(base)), versions(packages(room.layer))
    return [f"{name} {before[name]} -> {own[name]}" for name in sorted(before.keys() & own.keys())]


def origin(book: Book, folder: Path) -> Path:
    """Clone what is committed here into ``folder``, as the branch that readers get; return the clone."""
    target = folder / "origin.git"
    _run(["git", "clone", "--quiet", "--bare", book.root, target])
    head = _run(["git", "-C", book.root, "rev-parse", "HEAD"]).strip()
    _run(["git", "-C", target, "update-ref", f"refs/heads/{book.branch}", head])
    return target


def variables(book: Book, room: Room, answer: Path, cache: Path) -> dict[str, str]:
    """Return the environment variables of a rehearsal.

    Parameters
    ----------
    book : Book
        Whose address is answered.
    room : Room
        Where.
    answer : Path
        The clone that answers it (`origin`).
    cache : Path
        Of pip's downloads: what one notebook fetched, the next need not fetch again.
    """
    own = Path(sys.prefix) / "bin"
    path = [part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != own]
    return {
        **{name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)},
        "HOME": str(room.home),
        "PATH": os.pathsep.join([str(room.python.parent), *path]),
        "PIP_CACHE_DIR": str(cache),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{answer.resolve().as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": book.repository,
    }


def packages(environment: Path) -> Path:
    """Return the ``site-packages`` of a virtual environment."""
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def versions(folder: Path) -> dict[str, str]:
    """Return the versions of the distributions in one folder, by name in lower case with hyphens."""
    return {_plain(found.metadata["Name"]): found.version for found in distributions(path=[str(folder)])}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(command: list[str | Path]) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BookError(f"{' '.join(map(str, command))} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout
