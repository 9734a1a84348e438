"""Read, compute and write side by side: while the network has one volume, a thread reads the next and one writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["stream"]

Item, Read, Done = TypeVar("Item"), TypeVar("Read"), TypeVar("Done")
#: Items read ahead, and items waiting to be written, at most: so three are held, with the one that is computed.
_AHEAD = 1


def stream(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Read], Done],
    write: Callable[[Item, Done], None],
    expected: tuple[type[Exception], ...],
) -> Iterator[tuple[Item, Exception | None]]:
    """Take every item through three stages, each in a thread of its own; computing stays in the caller's.

    Parameters
    ----------
    items : iterable
    read : callable (item) -> what was read
    compute : callable (what was read) -> result
    write : callable (item, result)
    expected : tuple of Exception types
        What may happen to one item; the others go on. Any other error ends the stream, and is raised.

    Yields
    ------
    item, error
        In the order of ``items``, when it is written; or the error that kept it from that.
    """
    left, reading, writing = iter(items), deque(), deque()
    reader, writer = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "write")

    def read_ahead() -> None:
        while len(reading) < _AHEAD and (item := next(left, None)) is not None:
            reading.append((item, reader.submit(read, item)))

    def computed() -> tuple[Item, Future[None]]:  # what it holds of an item goes with its end
        item, waiting = reading.popleft()
        try:
            found = waiting.result()
            del waiting
            read_ahead()
            return item, writer.submit(write, item, compute(found))
        except expected as error:
            read_ahead()
            return item, _failed(error)

    try:
        read_ahead()
        while reading:
            writing.append(computed())
            while len(writing) > (_AHEAD if reading else 0):
                item, waiting = writing.popleft()
                yield item, _error_of(waiting, expected)
    finally:
        for pool in (reader, writer):
            pool.shutdown(cancel_futures=True)


def _failed(error: Exception) -> Future[None]:
    future: Future[None] = Future()
    future.set_exception(error)
    return future


def _error_of(waiting: Future[None], expected: tuple[type[Exception], ...]) -> Exception | None:
    try:
        waiting.result()
    except expected as error:
        return error
    return None
