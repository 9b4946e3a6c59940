"""Waiting for a window, on a clock that the test turns."""

import pytest

from greenplum_expansion.triggers import windows
from greenplum_expansion.triggers.windows import WindowTrigger


@pytest.fixture
def clock(monkeypatch):
    """Time passes only while somebody sleeps."""

    class Clock:
        now = 1_000_000.0
        naps: list[float] = []  # noqa: RUF012 - one a test

    clock = Clock()
    clock.naps = []

    async def sleep(seconds: float) -> None:
        clock.naps.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(windows.time, "time", lambda: clock.now)
    monkeypatch.setattr(windows.asyncio, "sleep", sleep)
    return clock


async def fired(trigger: WindowTrigger):
    return (await anext(trigger.run())).payload


async def test_it_fires_when_the_window_opens(clock):
    moment = clock.now + 10_000
    assert await fired(WindowTrigger(moment)) == {"opened": moment}
    assert clock.now == moment


async def test_a_window_that_is_open_fires_after_the_worker_has_left(clock):
    began = clock.now
    await fired(WindowTrigger(clock.now - 500))
    assert clock.now == began + 10


async def test_a_clock_that_is_set_is_noticed(clock):
    await fired(WindowTrigger(clock.now + 86_400))
    assert max(clock.naps) <= 60


async def test_another_triggerer_goes_on_waiting_for_the_same_moment(clock):
    trigger = WindowTrigger(clock.now + 7200)
    path, arguments = trigger.serialize()
    assert path == "greenplum_expansion.triggers.windows.WindowTrigger"
    clock.now += 3600
    assert await fired(WindowTrigger(**arguments)) == {"opened": trigger.moment}
    assert clock.now == trigger.moment
