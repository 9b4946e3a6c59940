"""Comparing clocks over a connection that takes its time."""

from __future__ import annotations

import time
from collections.abc import Callable

from greenplum_expansion.checks.host_system import ClockFacts
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.remote import RemoteHost

_TRIES = 3


def compare_clocks(new: RemoteHost, coordinator: RemoteHost, now: Callable[[], float] = time.time) -> ClockFacts:
    """Ask both for the time; each answer is taken to belong to the middle of its round trip, and the quickest counts.

    :param now: this machine's clock, which need not be right, only steady
    :raises RemoteError: one of them does not tell the time
    """
    theirs, their_doubt = _offset(new, now)
    coordinators, coordinators_doubt = _offset(coordinator, now)
    return ClockFacts(new.hostname, theirs - coordinators, their_doubt + coordinators_doubt)


def _offset(host: RemoteHost, now: Callable[[], float]) -> tuple[float, float]:
    """Seconds by which its clock is ahead of this machine's, and by which that may be wrong."""
    best = (0.0, float("inf"))
    for _ in range(_TRIES):
        sent = now()
        said = host.run(["date", "+%s.%N"]).stdout.strip()
        received = now()
        whole, _, fraction = said.partition(".")
        if not whole.isdigit():
            raise RemoteError(f"Clock of {host.hostname}", f"date says {said!r}", "see what 'date +%s.%N' gives there")
        doubt = (received - sent) / 2
        if fraction.isdigit():
            told = float(said)
        else:  # a date without nanoseconds (busybox): somewhere within that second
            told, doubt = int(whole) + 0.5, doubt + 0.5
        if doubt < best[1]:
            best = (told - (sent + received) / 2, doubt)
    return best
