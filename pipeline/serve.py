"""Show the finished pages on this machine, text compressed as web hosts send it (page *How to use this book*)."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO

from pipeline.layout import BookError

__all__ = ["PageHandler", "serve", "serving"]

#: Endings of files that become much smaller.
TEXT = {".html", ".js", ".mjs", ".css", ".json", ".svg", ".txt"}


class PageHandler(SimpleHTTPRequestHandler):
    """`http.server`'s handler, which also compresses text for who accepts it. It prints nothing."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send the headers of a file, and return what follows them."""
        path = Path(self.translate_path(self.path))
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        if not (accepted and path.suffix in TEXT and path.is_file()):
            return super().send_head()
        facts = path.stat()
        content = _compressed(path, facts.st_mtime_ns, facts.st_size)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", self.date_time_string(facts.st_mtime))
        self.end_headers()
        return io.BytesIO(content)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@contextmanager
def serving(folder: str | Path, port: int = 0) -> Iterator[str]:
    """Serve a folder on loopback while the block runs; give its address.

    Parameters
    ----------
    folder : path
        The pages.
    port : int
        0: any that is free.

    Raises
    ------
    BookError
        If the port is taken.
    """
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(PageHandler, directory=str(folder)))
    except OSError as error:
        raise BookError(f"port {port} cannot be used ({error.strerror}); take another: make PORT=8001 serve") from error
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serve(html: Path, port: int) -> None:
    """Serve the built book until somebody presses Ctrl-C.

    Raises
    ------
    BookError
        If there is no built book, or the port is taken.
    """
    if not (html / "index.html").is_file():
        raise BookError(f"{html / 'index.html'} is missing: run `make book` first.")
    with serving(html, port) as address:
        print(f"{address}/ (stop with Ctrl-C)", flush=True)
        try:
            Event().wait()
        except KeyboardInterrupt:
            print()


@lru_cache(maxsize=256)
def _compressed(path: Path, changed: int, size: int) -> bytes:
    """Content of a file in this state, compressed; ``changed`` and ``size`` make a changed file another one."""
    return gzip.compress(path.read_bytes(), 6)
