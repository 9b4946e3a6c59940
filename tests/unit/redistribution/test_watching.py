"""Looking at a redistribution from outside: what is told, and when there is something to be told."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from greenplum_expansion.planning.moves import Rates
from greenplum_expansion.redistribution.watching import Watched, Watcher

NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
WATCHED = Watched("e1", 4, {"windows": ["22:00-06:00"], "time_zone": "UTC"}, Rates().to_dict())
VOLUME = {"status": "NOT STARTED", "storage": "heap", "tables": 7, "bytes": 700, "index_bytes": 0}


class Hook:
    """Answers as the cluster does, with what somebody has set."""

    def __init__(self) -> None:
        self.control: list[dict[str, Any]] = []
        self.listed = True

    @contextmanager
    def connected(self, *_: Any, **__: Any) -> Any:
        yield object()

    def query(self, name: str, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return {
            "expansion_schema_exists": [{"status_exists": self.listed}],
            "history_exists": [{"history_exists": True}],
            "redistribution_volumes": [VOLUME],
            "tables_being_moved": [],
            "moves_finished_since": [],
            "control_exists": [{"there": True}],
            "read_control": self.control,
        }[name]


def looked(watcher: Watcher, hook: Hook, minutes: int = 0) -> Any:
    return watcher.look(hook, NOW + timedelta(minutes=minutes))  # type: ignore[arg-type]


def test_a_pause_is_news_though_no_table_has_moved() -> None:
    hook, watcher = Hook(), Watcher(WATCHED)
    first = looked(watcher, hook)
    assert looked(watcher, hook, 1).news == first.news
    hook.control = [{"paused": True, "sessions": 2, "changed_by": "alice (run r1)", "changed_at": "22:01 UTC"}]
    paused = looked(watcher, hook, 2)
    assert paused.news != first.news
    assert paused.to_dict()["steered"] == {"paused": True, "by": "alice (run r1)", "since": "22:01 UTC"}
    assert (paused.sessions, paused.say().endswith("; paused")) == (2, True)
    hook.control = [{"paused": False, "sessions": 2, "changed_by": "bob", "changed_at": "22:09 UTC"}]
    assert looked(watcher, hook, 3).news != paused.news


@pytest.mark.parametrize("listed", [True, False])
def test_without_a_list_nothing_is_told(listed: bool) -> None:
    hook = Hook()
    hook.listed = listed
    assert (looked(Watcher(WATCHED), hook) is not None) == listed


def test_its_windows_are_those_of_the_request() -> None:
    assert Watched.from_dict(WATCHED.to_dict()).calendar().next_window(NOW - timedelta(hours=1)).start == NOW  # type: ignore[union-attr]
