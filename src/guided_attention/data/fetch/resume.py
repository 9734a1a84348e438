"""Fetch a large file from a busy server: goes on where it was cut, waits when told to, there verified or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from guided_attention.errors import DataError
from guided_attention.progress import progress_bar

__all__ = ["download", "is_file"]

_ATTEMPTS = 6  # in a row that bring nothing new
_BUSY = (429, 500, 502, 503, 504)
_CHUNK = 1 << 14  # bytes; what a cut can cost: the chunk that was under way
_LONGEST_WAIT = 600.0  # seconds; a server that asks for more is not waited for
_TIMEOUT = 60.0  # seconds without a byte after which a connection counts as cut


def download(
    url: str, path: Path, size: int, digest: str, *, progress: bool = True, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Fetch ``url`` into ``path``, which appears once all of it is there and verified.

    What has arrived stays in ``path`` + ``.part`` whatever happens, and this call or a later one asks only for the
    rest. Whether the parts fit together, the digest decides.

    Parameters
    ----------
    url : str
        Where it is.
    path : Path
        Where it goes; folders are made, an older file is replaced.
    size : int
        Bytes of the whole.
    digest : str
        Its SHA-256, in hexadecimal.
    progress : bool
        Show a bar.
    sleep : callable
        Waits some seconds; tests replace it.

    Raises
    ------
    DataError
        If the server refuses, has another file, or keeps failing.
    """
    partial = path.with_name(f"{path.name}.part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.touch()
    failures = 0
    with progress_bar(show=progress, total=size, unit="B", unit_scale=True, desc="downloading") as bar:
        while (before := partial.stat().st_size) < size:
            trouble, wait = _attempt(url, partial, size, bar)
            here = partial.stat().st_size
            if here >= size:
                break
            failures = 1 if here > before else failures + 1
            wait = float(2**failures) if wait is None else wait
            if failures >= _ATTEMPTS or wait > _LONGEST_WAIT:
                raise DataError(
                    f"{url}: {trouble}. {here:,} of {size:,} bytes have arrived and are kept; run the same command "
                    f"again later{f' (in {wait:.0f} s)' if wait > _LONGEST_WAIT else ''}."
                )
            bar.set_postfix_str(f"{trouble}; again in {wait:.0f} s")
            sleep(wait)
    if not is_file(partial, digest):
        partial.unlink()
        raise DataError(
            f"{url}: expected sha256 {digest}, the file that arrived has another one. It was deleted; try again, and "
            "if it stays so, the file on the server was changed."
        )
    partial.replace(path)


def is_file(path: Path, digest: str) -> bool:
    """Whether ``path`` is there and has this SHA-256."""
    if not path.exists():
        return False
    found = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest() == digest


def _attempt(url: str, partial: Path, size: int, bar: Any) -> tuple[str, float | None]:
    """Take one connection as far as it goes; return what went wrong, and for how long to wait if the server says so."""
    import requests
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    here = partial.stat().st_size
    # no transfer compression: bytes on the wire must be bytes of the file, or resuming makes no sense
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={here}-"}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code in _BUSY:
                trouble = f"the server answers {response.status_code}"
                try:
                    return trouble, Retry().get_retry_after(response.raw)
                except InvalidHeader:
                    return trouble, None
            if response.status_code not in (200, 206):
                raise DataError(
                    f"{url}: expected the file, the server answers {response.status_code} {response.reason}. "
                    "Check the address, or fetch the file by hand."
                )
            start = _start(url, response, here, size)
            bar.reset(total=size)
            bar.update(start)
            with partial.open("r+b") as file:
                file.seek(start)
                file.truncate()
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    except requests.RequestException as error:
        return f"the connection failed ({type(error).__name__})", None
    return "the connection was cut", None


def _start(url: str, response: Any, here: int, size: int) -> int:
    """Return the byte at which the answer starts: 0 from a server that cannot resume."""
    if response.status_code == 200:
        start, total = 0, response.headers.get("Content-Length", size)
    else:
        span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        start = int(span.split("-")[0]) if span.split("-")[0].isdigit() else -1
    if start not in (0, here) or str(total) not in (str(size), "*"):
        raise DataError(
            f"{url}: expected {size:,} bytes from byte {here:,} on, the server offers {total} bytes from {start}. Is "
            "it the right file?"
        )
    return start
