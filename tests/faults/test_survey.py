"""survey_before and survey_after on the practice cluster: what they find, and what they do when kept waiting."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.survey import take_survey
from greenplum_expansion.operators.checks.cluster import ClaimClusterOperator
from greenplum_expansion.operators.survey import SurveyOperator
from greenplum_expansion.survey.facts import Survey
from tests.support.one_task import OneRun
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

Rows = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def hook(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> Iterator[GreenplumHook]:
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
    made = GreenplumHook("practice")
    yield made
    made.close()


def demo(survey: Survey) -> Any:
    return next(database for database in survey.databases if database.name == "demo")


def test_every_kind_of_object_is_counted_and_sizes_are_those_of_the_server(hook: GreenplumHook, rows: Rows) -> None:
    survey = take_survey(hook)
    found = demo(survey)

    assert found.not_known == {}
    assert {database.name for database in survey.databases} >= {"demo", "postgres", "template1"}
    kinds = rows("select relstorage, count(*) from pg_class where relkind = 'r' and oid >= 16384 and relstorage in "
                 "('a', 'c') and not relhassubclass and relnamespace <> (select oid from pg_namespace "
                 "where nspname = 'gp_toolkit') group by 1")  # fmt: skip
    stored = {"a": "append-optimised rows", "c": "append-optimised columns"}
    assert {stored[kind]: number for kind, number in kinds} == {
        kind: number for kind, number in found.objects.items() if kind in stored.values()
    }
    largest = found.largest[0]
    assert largest.row_bytes == rows(f"select pg_relation_size('{largest.name}')")[0][0]
    sales = next(schema for schema in found.schemas if schema.name == "sales")
    assert sales.row_bytes > largest.row_bytes
    assert sales.roots == 2
    assert "sales.facts" in found.partitioned.some
    assert "hr.bloaty" in [bloat.name for bloat in found.heap_bloat]
    # Where an external table reads from may hold secrets: only the protocol is kept.
    assert found.external.total == len(found.external.some)
    assert not any("/" in word for word in found.external.some.values())


def test_skew_and_deleted_rows_are_found(hook: GreenplumHook, rows: Rows) -> None:
    rows("create table hr.one_sided as select 1 as id, repeat('x', 1000) as filler from generate_series(1, 6000) "
         "distributed by (id)")  # fmt: skip
    rows("create table hr.deleted (id int, filler text) with (appendonly=true) distributed by (id)")
    rows("insert into hr.deleted select i, 'x' from generate_series(1, 4000) i")
    rows("delete from hr.deleted where id % 2 = 0")
    try:
        deadline = time.monotonic() + 60
        while True:  # the server's statistics come a little later
            found = demo(take_survey(hook))
            if "hr.deleted" in [bloat.name for bloat in found.append_optimised_bloat]:
                break
            assert time.monotonic() < deadline
        assert found.uneven[0].name == "hr.one_sided"
        assert found.uneven[0].skew == pytest.approx(4, abs=0.1)
        bloat = next(bloat for bloat in found.append_optimised_bloat if bloat.name == "hr.deleted")
        assert bloat.percent == pytest.approx(50, abs=1)
    finally:
        rows("drop table hr.one_sided, hr.deleted")


def test_what_is_too_slow_or_missing_is_noted_and_the_rest_is_surveyed(hook: GreenplumHook, rows: Rows) -> None:
    rows("alter view gp_toolkit.gp_bloat_diag rename to kept_bloat")
    rows("create view gp_toolkit.gp_bloat_diag as select k.* from gp_toolkit.kept_bloat k, "
         "(select pg_sleep(600)) as too_long")  # fmt: skip
    rows("alter view gp_toolkit.gp_stats_missing rename to kept_missing")
    try:
        found = demo(take_survey(hook, statement_seconds=5))
    finally:
        rows("drop view gp_toolkit.gp_bloat_diag")
        rows("alter view gp_toolkit.kept_bloat rename to gp_bloat_diag")
        rows("alter view gp_toolkit.kept_missing rename to gp_stats_missing")

    assert found.not_known["heap bloat"] == "too slow"
    assert "does not exist" in found.not_known["statistics"]
    assert set(found.not_known) == {"heap bloat", "statistics"}
    assert found.tables > 40


def test_what_became_fewer_is_told_and_both_surveys_are_kept(
    hook: GreenplumHook, rows: Rows, practice: Practice
) -> None:
    run = OneRun({"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]}, "survey")
    run.xcoms["connection", "return_value"] = True
    run.run(ClaimClusterOperator(task_id="claim", connection_task="connection"))
    before, after = (SurveyOperator(task_id=f"survey_{moment}", moment=moment) for moment in ("before", "after"))
    rows("create view hr.passing as select 1 as one")
    summary = run.run(before)
    rows("drop view hr.passing")

    run.run(after)

    losses = [change for change in run.left(after, "comparison")["changes"] if change["is_loss"]]
    assert [(loss["database"], loss["what"]) for loss in losses] == [("demo", "views")]
    assert run.left(after, "section")["columns"] == ["database", "what", "before", "after"]
    assert summary["databases"] >= 3
    for moment in ("before", "after"):
        kept = json.loads(practice.run(f"cat greenplum-expansions/survey-*/survey_{moment}.json").stdout)
        assert Survey.from_dict(kept).segments == 4
