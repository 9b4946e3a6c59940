"""The trigger beside the moves: says how far they are, and fires when the task that moves has ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.triggers import progress
from greenplum_expansion.triggers.progress import ProgressTrigger


def a_trigger() -> ProgressTrigger:
    return ProgressTrigger("practice", "dag", "run", "move", progress_interval=0.0, initial_delay=0.0)


async def first(trigger: ProgressTrigger) -> Any:
    async for event in trigger.run():
        return event
    raise AssertionError("it ended without an event")


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Airflow says of the task, one after another."""
    said: list[Any] = ["running", "deferred", None, "up_for_retry", "running", "failed"]

    def get_task_states(dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, Any]]:
        assert (dag_id, task_ids, run_ids) == ("dag", ["move"], ["run"])
        return {"run": {"move": said.pop(0)}}

    monkeypatch.setattr(progress.RuntimeTaskInstance, "get_task_states", staticmethod(get_task_states))
    return said


def test_it_fires_when_the_task_has_ended_and_not_before(states: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress._Reporter, "_read", lambda self: Progress(1, 2, 10, 20))
    assert asyncio.run(first(a_trigger())) == TriggerEvent({"state": "failed"})
    assert states == []


def test_a_cluster_that_cannot_be_asked_is_no_reason_to_end(states: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(self: Any) -> Progress:
        raise RemoteError("Connection", "refused", "start it")

    monkeypatch.setattr(progress._Reporter, "_read", unreachable)
    assert asyncio.run(first(a_trigger())) == TriggerEvent({"state": "failed"})


def test_what_is_serialized_makes_the_same_trigger_again() -> None:
    path, arguments = a_trigger().serialize()
    assert path == "greenplum_expansion.triggers.progress.ProgressTrigger"
    assert ProgressTrigger(**arguments).serialize() == (path, arguments)
