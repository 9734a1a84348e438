"""Three stages side by side: the order, what runs beside what, and whom an error stops."""

from __future__ import annotations

import threading

import pytest

from guided_attention.cli.stream import stream


def nothing(*_):
    return None


def test_items_come_in_order_and_every_one_goes_through_all_stages():
    kept = []
    out = list(stream(range(1, 8), lambda i: 10 * i, lambda r: r + 1, lambda i, d: kept.append((i, d)), ()))
    assert out == [(i, None) for i in range(1, 8)]
    assert kept == [(i, 10 * i + 1) for i in range(1, 8)]


def test_the_next_is_read_and_the_last_written_while_one_is_computed():
    """Computing 2 waits until 3 is being read and 1 is being written: one after the other would wait for ever."""
    reading, writing = threading.Event(), threading.Event()
    met = []

    def read(item):
        if item == 3:
            reading.set()
        return item

    def compute(item):
        if item == 2:
            met.append(reading.wait(30) and writing.wait(30))
        return item

    list(stream([1, 2, 3], read, compute, lambda item, _: writing.set() if item == 1 else None, ()))
    assert met == [True]


def test_no_more_is_read_than_the_queue_holds():
    read, most = [], []
    steps = stream(range(1, 21), lambda i: read.append(i), nothing, nothing, ())
    for item, _ in steps:
        most.append(max(read) - item)
    assert max(most) <= 3


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
def test_an_error_of_one_item_stops_no_other(stage):
    def fails(name):
        def act(item, *_):
            if name == stage and item == 2:
                raise ValueError(f"{name} {item}")
            return item

        return act

    found = list(stream([1, 2, 3, 4], fails("read"), fails("compute"), fails("write"), (ValueError,)))
    assert [(item, error and str(error)) for item, error in found] == [
        (1, None),
        (2, f"{stage} 2"),
        (3, None),
        (4, None),
    ]


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
def test_any_other_error_is_raised(stage):
    stages = {name: nothing for name in ("read", "compute", "write")}
    stages[stage] = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        list(stream([1, 2], *stages.values(), (ValueError,)))
