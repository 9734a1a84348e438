"""A pooch downloader for large files on busy servers: goes on where it was cut, waits when told to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from guided_attention.errors import DataError
from guided_attention.progress import progress_bar

__all__ = ["ResumingDownloader"]

_BUSY = (429, 500, 502, 503, 504)
_CHUNK = 1 << 14  # what a cut can cost: the chunk that was under way


@dataclass(frozen=True)
class ResumingDownloader:
    """Download over HTTP into a file that outlives a failure; for ``pooch.retrieve(..., downloader=...)``.

    pooch throws an unfinished file away. This one keeps it at ``partial`` and asks only for what is missing the next
    time, in this call or in a later one. Whether the parts fit together, pooch's checksum decides.

    Parameters
    ----------
    partial : Path
        The unfinished file.
    size : int
        Expected bytes of the whole.
    attempts : int
        How often in a row the server may fail without sending anything new.
    longest_wait : float
        Seconds; a server that asks for more is not waited for.
    timeout : float
        Seconds without a byte after which the connection counts as cut.
    progress : bool
        Show a bar.
    sleep : callable
        Waits some seconds; tests replace it.
    """

    partial: Path
    size: int
    attempts: int = 6
    longest_wait: float = 600.0
    timeout: float = 60.0
    progress: bool = True
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, url: str, output_file: str, pooch: Any = None) -> None:
        """Fetch ``url`` and move it to ``output_file``.

        Raises
        ------
        DataError
            If the server refuses, has another file, or keeps failing. What has arrived stays for the next call.
        """
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        self.partial.touch()
        whole = {"total": self.size, "unit": "B", "unit_scale": True}
        with progress_bar(show=self.progress, initial=self._here(), desc="downloading", **whole) as bar:
            failures = 0
            while (before := self._here()) < self.size:
                trouble, wait = self._attempt(url, bar)
                if self._here() > self.size:
                    self.partial.unlink()
                    raise DataError(
                        f"{url}: expected {self.size:,} bytes, the server sends more. Is it the right file?"
                    )
                if trouble is None:
                    continue
                failures = 1 if self._here() > before else failures + 1
                wait = float(2**failures) if wait is None else wait
                if failures >= self.attempts or wait > self.longest_wait:
                    raise DataError(
                        f"{url}: {trouble}. {self._here():,} of {self.size:,} bytes have arrived and are kept; "
                        f"run the same command again later{f' (in {wait:.0f} s)' if wait > self.longest_wait else ''}."
                    )
                bar.set_postfix_str(f"{trouble}; again in {wait:.0f} s")
                self.sleep(wait)
        self.partial.replace(output_file)

    def _here(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _attempt(self, url: str, bar: Any) -> tuple[str | None, float | None]:
        """Take one connection as far as it goes; return what went wrong, if anything, and for how long to wait."""
        import requests

        # no transfer compression: bytes on the wire must be bytes of the file, or resuming makes no sense
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={self._here()}-"}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
                if response.status_code in _BUSY:
                    return f"the server answers {response.status_code}", _retry_after(response.headers)
                if response.status_code not in (200, 206):
                    raise DataError(
                        f"{url}: expected the file, the server answers {response.status_code} {response.reason}. "
                        "Check the address, or fetch the file by hand."
                    )
                start = self._start(url, response)
                bar.reset(total=self.size)
                bar.update(start)
                with self.partial.open("r+b") as file:
                    file.seek(start)
                    file.truncate()
                    for chunk in response.iter_content(_CHUNK):
                        file.write(chunk)
                        bar.update(len(chunk))
        except requests.RequestException as error:
            return f"the connection failed ({type(error).__name__})", None
        return (None, None) if self._here() >= self.size else ("the connection was cut", None)

    def _start(self, url: str, response: Any) -> int:
        """Return the byte at which the answer starts: 0 from a server that cannot resume."""
        if response.status_code == 200:
            start, total = 0, response.headers.get("Content-Length", self.size)
        else:
            span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            start = int(span.split("-")[0]) if span.split("-")[0].isdigit() else -1
        if start not in (0, self._here()) or str(total) not in (str(self.size), "*"):
            raise DataError(
                f"{url}: expected {self.size:,} bytes from byte {self._here():,} on, the server offers "
                f"{total} bytes from {start}. Is it the right file?"
            )
        return start


def _retry_after(headers: Any) -> float | None:
    """Seconds that a busy server asks for: given as a number or as a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
