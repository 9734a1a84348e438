"""Files that are whole or not there."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from guided_attention.errors import DamagedError

__all__ = ["digest", "read_json", "sync_folder", "write_bytes", "write_text"]

#: What systems answer that cannot flush a folder: Windows opens none, some network drives flush none.
_CANNOT = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}


def digest(content: bytes) -> str:
    """Return ``"sha256:..."`` of the content of a file, as it is kept beside it."""
    return f"sha256:{sha256(content).hexdigest()}"


def write_text(path: Path, text: str) -> Path:
    """Write a file completely or not at all, and return its path; folders are made, an older file is replaced."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file completely or not at all, and return its path; folders are made, an older file is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp keeps everybody else out; what we write is meant to be read
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path


def sync_folder(folder: Path) -> None:
    """Wait until names made or changed in a folder are on the disk, where the system can; elsewhere it does so itself.

    Files need more, and get it: `write_bytes` flushes them through the handle that wrote them.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def read_json(path: Path) -> Any:
    """Read JSON, or raise a `DamagedError` that names the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DamagedError(f"{path}: no such file; expected the JSON written beside the weights.") from None
    except (OSError, ValueError) as error:
        raise DamagedError(f"{path}: not readable as JSON ({error}); the file is damaged.") from error
