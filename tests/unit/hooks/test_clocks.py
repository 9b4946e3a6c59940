"""Clocks compared over a connection that takes its time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.clocks import compare_clocks


class World:
    """A steady clock, and hosts whose answers take seconds of it."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def host(self, name, ahead, seconds, said=None):
        trips = iter(seconds)

        def run(command):
            assert command == ["date", "+%s.%N"]
            trip = next(trips)
            text = said or f"{self.time + trip / 2 + ahead:.9f}"
            self.time += trip
            return SimpleNamespace(stdout=f"{text}\n")

        return SimpleNamespace(hostname=name, run=run)


def test_the_quickest_of_several_answers_counts():
    world = World()
    found = compare_clocks(world.host("sdw3", 2.5, [3.0, 0.2, 4.0]), world.host("mdw", 1.0, [0.1] * 3), world.now)
    assert found.hostname == "sdw3"
    assert found.ahead == pytest.approx(1.5)
    assert found.uncertainty == pytest.approx(0.15)


def test_whole_seconds_are_as_uncertain_as_they_are():
    world = World()
    found = compare_clocks(world.host("sdw3", 0, [0.0] * 3, "1000.%N"), world.host("mdw", 0, [0.0] * 3), world.now)
    assert found.ahead == pytest.approx(0.5)
    assert found.uncertainty == pytest.approx(0.5)


def test_a_host_that_does_not_tell_the_time():
    world = World()
    with pytest.raises(RemoteError, match="Clock of sdw3"):
        compare_clocks(world.host("sdw3", 0, [0.1] * 3, "no idea"), world.host("mdw", 0, [0.1] * 3), world.now)
