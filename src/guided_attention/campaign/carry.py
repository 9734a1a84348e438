"""What a bare machine needs and lacks: the data in one file, a few wheels, and the commit of the code."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from guided_attention.campaign.packed import write_packed
from guided_attention.data import DataSource
from guided_attention.errors import DataError, SettingsError
from guided_attention.files import read_json, write_text
from guided_attention.provenance import provenance

__all__ = ["WHEELS", "carried_commit", "carried_packages", "code_digest", "pack"]

#: Pure-Python packages that a machine with PyTorch and Lightning alone may lack, and that a campaign uses. The last
#: jsonschema without compiled parts; MONAI, nibabel and pydicom are not needed where the data are packed.
WHEELS = ("filelock", "jsonschema==4.17.3", "attrs", "pyrsistent")
_PACKAGES, _CODE = "packages", "code.json"
_MIB = 2**20


def pack(source: DataSource, out: str | Path, wheels: bool = True, limit_mib: float = 64) -> int:
    """Put everything that a bare machine lacks into one folder.

    Parameters
    ----------
    source : DataSource
        Goes to ``volumes.npz``.
    out : path
        Gets a ``.gitignore`` of its own: what lies here is carried, never committed.
    wheels : bool
        Also fetch the packages of `WHEELS` with pip and unpack them to ``packages/``.
    limit_mib : float
        An error if the folder grows beyond this.

    Returns
    -------
    int
        Bytes of the folder.

    Raises
    ------
    SettingsError
        If pip cannot get a wheel.
    DataError
        If the folder is larger than allowed.
    """
    out = Path(out)
    write_text(out / ".gitignore", "*\n")
    write_packed(source, out)
    if wheels:
        _fetch(out / _PACKAGES)
    found = provenance()
    code = {"commit": found.commit, "dirty": found.dirty, "digest": code_digest()}
    write_text(out / _CODE, json.dumps(code, indent=1) + "\n")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if size > limit_mib * _MIB:
        raise DataError(
            f"{out}: expected at most {limit_mib:g} MiB to carry, found {size / _MIB:.1f}. Pack fewer data."
        )
    return size


def carried_packages(folder: str | Path) -> list[str]:
    """Return what a process adds to its path to find the carried packages: one folder, or nothing."""
    packages = Path(folder) / _PACKAGES
    return [str(packages.resolve())] if packages.is_dir() else []


def carried_commit(folder: str | Path) -> str | None:
    """Return the commit that this code is a clean copy of, if the folder says so and the code agrees, else None."""
    path = Path(folder) / _CODE
    if not path.is_file():
        return None
    code = read_json(path)
    same = code.get("digest") == code_digest() and code.get("dirty") is False
    return code.get("commit") if same else None


def code_digest() -> str:
    """SHA-256 over names and content of this package's files."""
    root, digest = Path(__file__).resolve().parents[1], hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".py", ".json", ".js", ".css")):
        if "__pycache__" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _fetch(folder: Path) -> None:
    wheels = folder.with_name("wheels")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation=py", "--abi=none", "--platform=any"]
    done = subprocess.run([*command, "--dest", str(wheels), *WHEELS], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SettingsError(f"pip could not get {', '.join(WHEELS)}: {done.stderr.strip()[-500:]}")
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        wheel.unlink()
    wheels.rmdir()
