"""Waiting for others: looked at again and again, whatever the cluster answers, and said once."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.redistribution.steering import Steering
from greenplum_expansion.triggers import steering as module
from greenplum_expansion.triggers.steering import AllMovedTrigger, LookingTrigger, ResumedTrigger


class Hook:
    """A hook that is asked nothing; how often one was closed is counted."""

    closed = 0

    def __init__(self, greenplum_conn_id: str) -> None:
        assert greenplum_conn_id == "practice"

    def query(self, name: str) -> list[dict[str, int]]:
        assert name == "movers_alive"
        return [{"pid": 7}] if Hook.closed else []

    def close(self) -> None:
        Hook.closed += 1


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    Hook.closed = 0
    monkeypatch.setattr(module, "GreenplumHook", Hook)


async def fired(trigger: LookingTrigger) -> Any:
    trigger.poll_interval, trigger.initial_delay = 0.0, 0.0
    return (await anext(trigger.run())).payload


def answers(monkeypatch: pytest.MonkeyPatch, name: str, *given: Any) -> None:
    """One after the other; an exception is raised."""
    left = list(given)

    def answer(*_: Any) -> Any:
        now = left.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    monkeypatch.setattr(module, name, answer)


async def test_it_looks_until_nothing_is_left_and_says_what_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped, complete = (ExpansionState(p, "", "") for p in (Phase.REDISTRIBUTION_STOPPED, Phase.COMPLETE))
    away = RemoteError("coordinator", "no answer", "wait")
    answers(monkeypatch, "read_expansion_state", stopped, stopped, away, complete)
    progress = Progress(3, 7, 0, 0), Progress(3, 7, 0, 0, ("demo.s.t",)), Progress(7, 7, 0, 0)
    answers(monkeypatch, "read_progress", *progress)
    said: list[str] = []
    monkeypatch.setattr(AllMovedTrigger, "log", SimpleNamespace(info=lambda text, *values: said.append(text % values)))
    assert await fired(AllMovedTrigger("practice")) == {"said": "0 of 7 tables are left; the expansion is 'complete'"}
    assert said == [
        "4 of 7 tables are left; nothing moves now",
        "4 of 7 tables are left, moving demo.s.t; they are being moved",
        f"It cannot be looked at: {away}",
        "0 of 7 tables are left; the expansion is 'complete'",
    ]
    assert Hook.closed == 4


async def test_resumed_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "read_steering", Steering(paused=True), Steering(sessions=2, changed_by="a", changed_at="b"))
    assert await fired(ResumedTrigger("practice", "x")) == {"said": "Now not paused, 2 at a time; set by a, b"}


async def test_still_paused_at_the_windows_end_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "read_steering", Steering(paused=True))
    trigger = ResumedTrigger("practice", "x", until=time.time() - 1)
    assert await fired(trigger) == {"said": "The window is over"}


@pytest.mark.parametrize("trigger", [AllMovedTrigger("practice", 3.0, 4.0), ResumedTrigger("practice", "x", 5.0, 3.0)])
def test_another_triggerer_makes_the_same_of_it(trigger: LookingTrigger) -> None:
    path, arguments = trigger.serialize()
    made = getattr(module, path.rpartition(".")[2])(**arguments)
    assert made.serialize() == (path, arguments)
