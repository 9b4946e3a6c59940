"""What the wizard says an expansion does, and what limits each step: as the DAG and the request really have it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from greenplum_expansion.operators.preparation.reboot import RebootHostOperator
from greenplum_expansion.pages.explained import Limit, explain, say_span
from greenplum_expansion.planning import limits
from greenplum_expansion.request import PreparationPart

EVERYTHING = {"preparation_parts": list(PreparationPart), "restart": True}
WATCHES_ONLY = "redistribute.watch_progress"


@pytest.fixture(scope="module")
def tasks():
    bag = DagBag(dag_folder=str(Path(__file__).resolve().parents[2] / "dags" / "greenplum_expand.py"))
    return bag.dags["greenplum_expand"].task_dict


def all_limits(draft: dict[str, object]) -> list[Limit]:
    return [limit for step in explain(draft) for limit in step.limits]


def test_each_limit_is_the_one_of_its_task(tasks):
    told = {limit.task_id: limit for limit in [*all_limits(EVERYTHING), *all_limits({"engine": "gpexpand"})]}
    real = {task_id: _patience(task) for task_id, task in tasks.items() if _patience(task) is not None}
    assert {task_id: limit.span for task_id, limit in told.items() if task_id} == {
        task_id: span for task_id, span in real.items() if task_id != WATCHES_ONLY
    }
    for task_id, limit in told.items():
        assert not task_id or limit.words.endswith((say_span(real[task_id]), f"{say_span(real[task_id])} a host"))


def _patience(task: object) -> timedelta | None:
    """Of a mapped task it is not given, so it has the operator's default."""
    kind = getattr(task, "operator_class", None)
    return getattr(kind(task_id="x", host={}) if kind is RebootHostOperator else task, "patience", None)


def test_retries_are_those_of_the_dag(tasks):
    assert {(task.retries, task.retry_delay) for task in tasks.values()} >= {(limits.RETRIES, limits.RETRY_DELAY)}


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        ({}, "Open transactions: none"),
        ({"sessions": "wait", "sessions_patience": 90}, "Open transactions: 90 minutes"),
        ({"sessions": "end"}, "Open transactions: 2 hours"),
        ({"windows": ["Mon-Fri 22:00-06:00"], "time_zone": "Europe/Berlin"}, "Mon-Fri 22:00-06:00 (Europe/Berlin)"),
        ({"last_end": "2026-12-20 06:00"}, "In all: 2026-12-20 06:00 (UTC)"),
        ({"lock_patience_seconds": 30}, "A lock on a table: 30 seconds, 6 times in a run"),
        ({"engine": "gpexpand"}, "One run of gpexpand: 14 days"),
        ({"moved_by": "greenplum_redistribute"}, "Windows: those of greenplum_redistribute"),
        ({"restart": True}, "The restart, and then its mirrors, each: 2 hours"),
        ({"lock_patience_seconds": "not yet right"}, "A lock on a table: 10 seconds"),
    ],
)
def test_what_the_draft_asks_for_is_what_limits_it(draft, said):
    assert any(said in limit.words for limit in all_limits(draft))


@pytest.mark.parametrize(
    ("draft", "gone"),
    [
        ({"catalog_check": "skip"}, "gpcheckcat"),
        ({"hardware_check": "none"}, "Measuring"),
        ({"preparation_parts": []}, "software"),
        ({"engine": "gpexpand"}, "A lock on a table"),
    ],
)
def test_what_is_not_asked_for_has_no_limit(draft, gone):
    assert any(gone in limit.words for limit in all_limits({}))
    assert not any(gone in limit.words for limit in all_limits(draft))


def test_without_backup_or_approval_the_steps_say_so():
    steps = {step.title: step for step in explain({"backup": "none", "approval": False})}
    assert "Not asked for" in steps["Back up"].what
    assert "nobody is asked" in steps["Plan"].what
    assert [step.title for step in explain({}) if step.no_return] == ["Add the segments"]


@pytest.mark.parametrize(
    ("minutes", "said"), [(1, "1 minute"), (45, "45 minutes"), (60, "1 hour"), (1440, "24 hours"), (10080, "7 days")]
)
def test_spans_are_said_as_people_do(minutes, said):
    assert say_span(timedelta(minutes=minutes)) == said
