"""What there is to be watched: the windows of the expansion, or those of a run that somebody triggered for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from greenplum_expansion.operators import recording
from greenplum_expansion.operators.recording import read_watched
from greenplum_expansion.operators.window.run import WindowRun
from greenplum_expansion.planning.windows import FOREVER, Window
from greenplum_expansion.request import ExpansionRequest, parse_request

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run of greenplum_redistribute, as its task sees it; nothing of the cluster is asked."""
    rates = SimpleNamespace(rates=SimpleNamespace(to_dict=dict))
    monkeypatch.setattr(recording, "read_believed", lambda run, plan: rates)
    made = object.__new__(WindowRun)
    made.request = made.expansion_asked = parse_request(ExpansionRequest, {"new_hosts": ["sdw3"]})
    made.directory = SimpleNamespace(require_plan=lambda: None)  # type: ignore[assignment]
    made.expansion_id = "e1"
    return made


@pytest.mark.parametrize(
    ("run_type", "end", "expected"),
    [
        ("manual", NOW + timedelta(hours=3), NOW + timedelta(hours=3)),
        ("manual", FOREVER, None),
        ("scheduled", NOW + timedelta(hours=3), None),  # further windows come
    ],
)
def test_a_run_that_was_triggered_for_a_while_has_one_window_that_ends(run, run_type, end, expected) -> None:
    run.context = {"dag_run": SimpleNamespace(run_type=run_type)}
    run.window = Window(NOW, end)
    assert read_watched(run).calendar().last_end == expected
