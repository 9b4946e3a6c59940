"""Triggers that look at the cluster again and again: once it is so, or patience is over, the last look is the event."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.triggers import mirrors, sessions
from greenplum_expansion.triggers.mirrors import ClusterHealthyTrigger
from greenplum_expansion.triggers.polling import Look, PollingTrigger
from greenplum_expansion.triggers.sessions import SessionsDrainedTrigger

AT_ONCE = {"poll_interval": 0.0, "initial_delay": 0.0}


class Countdown(PollingTrigger):
    """Reached at the third look."""

    left = 3

    def look(self) -> Look:
        self.left -= 1
        return Look(self.left == 0, f"{self.left} seconds old", ["a"] if self.left else [], {"left": self.left})


async def first(trigger: PollingTrigger) -> Any:
    async for event in trigger.run():
        return event
    raise AssertionError("it ended without an event")


def payload(trigger: PollingTrigger) -> dict[str, Any]:
    """Of its event, but for the time in which it waited, which must be one span."""
    told: dict[str, Any] = dict(asyncio.run(first(trigger)).payload)
    ((start, end),) = told.pop("busy")
    assert start <= end
    return told


def test_it_looks_until_it_is_reached_and_says_only_what_changed() -> None:
    trigger = Countdown("cluster", **AT_ONCE)
    trigger._log = mock.Mock()  # Airflow's logs reach no handler of pytest
    assert payload(trigger) == {"left": 0}
    assert trigger._log.info.call_args_list == [mock.call("%s", "2 seconds old"), mock.call("%s", "0 seconds old")]


def test_without_patience_the_first_look_is_told_as_it_is() -> None:
    assert payload(Countdown("cluster", patience=-1.0, **AT_ONCE)) == {"left": 2}


@pytest.mark.parametrize(
    ("trigger", "module", "asked", "expected"),
    [
        (ClusterHealthyTrigger("cluster"), mirrors, "read_probed_topology", {"healthy": False}),
        (SessionsDrainedTrigger("cluster", []), sessions, "read_sessions", {"drained": False}),
    ],
)
def test_a_coordinator_that_does_not_answer_is_something_seen(
    trigger: PollingTrigger, module: Any, asked: str, expected: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> Any:
        raise RemoteError("Connection", "refused", "start it")

    monkeypatch.setattr(module, "GreenplumHook", str)
    monkeypatch.setattr(module, asked, refuse)
    seen = trigger.look()
    assert not seen.reached
    assert expected.items() <= seen.payload.items()
    assert "refused" in seen.words


@pytest.mark.parametrize(
    "trigger",
    [
        ClusterHealthyTrigger("cluster", poll_interval=1.5, patience=7.0, initial_delay=2.0),
        SessionsDrainedTrigger("cluster", ["etl"], poll_interval=1.5, patience=7.0, initial_delay=2.0),
    ],
)
def test_what_is_serialized_makes_the_same_trigger_again(trigger: PollingTrigger) -> None:
    path, arguments = trigger.serialize()
    assert path == f"{type(trigger).__module__}.{type(trigger).__name__}"
    assert (arguments["poll_interval"], arguments["patience"], arguments["initial_delay"]) == (1.5, 7.0, 2.0)
    assert type(trigger)(**arguments).serialize() == (path, arguments)
