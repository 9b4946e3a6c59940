"""When a process was busy with the cluster: once, whatever was under way at the same time."""

from __future__ import annotations

import threading

from greenplum_expansion.hooks.busy import Busy, merged


def test_what_overlaps_counts_once_and_is_taken_once() -> None:
    busy, inside, leave = Busy(), threading.Event(), threading.Event()

    def other() -> None:
        with busy:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with busy:
        thread.start()
        inside.wait()
    assert busy.take() == []  # the other goes on
    leave.set()
    thread.join()
    ((start, end),) = busy.take()
    assert start <= end
    assert busy.take() == []


def test_an_error_ends_it_as_well() -> None:
    busy = Busy()
    try:
        with busy:
            raise ValueError
    except ValueError:
        busy.note(10.0, 20.0)
    assert busy.take()[0] == [10.0, 20.0]


def test_of_too_many_spans_those_with_the_shortest_pauses_are_joined() -> None:
    spans = [(0.0, 1.0), (1.01, 2.0), (5.0, 6.0), (6.5, 7.0), (20.0, 21.0)]
    assert merged(spans, 10) == [(0.0, 2.0), (5.0, 6.0), (6.5, 7.0), (20.0, 21.0)]
    assert merged(spans, 2) == [(0.0, 7.0), (20.0, 21.0)]
    assert merged(spans, 1) == [(0.0, 21.0)]
