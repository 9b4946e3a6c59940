"""The judge of all checks: a check that has left nothing has not passed."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.operators.checks.judge import JudgeFindingsOperator

PLACES = [{"hostname": "sdw3"}, {"hostname": "sdw4"}, {"hostname": "sdw5"}]


class Left:
    """What tasks have left, as Airflow answers: a list over a mapped task has no gap where an instance left nothing."""

    task_id = "judge"

    def __init__(self, places: Any, *hosts: Any, places_findings: Any = ()) -> None:
        self.single = {("places", "return_value"): places, ("places", "findings"): places_findings}
        self.hosts = hosts

    def xcom_push(self, key: str, value: Any) -> None:
        self.single["judge", key] = value

    def xcom_pull(self, task_ids: str | list[str], key: str = "return_value", map_indexes: int | None = None) -> Any:
        if map_indexes is not None:
            assert task_ids == "host"
            return self.hosts[map_indexes] if map_indexes < len(self.hosts) else None
        if isinstance(task_ids, str):
            return self.single.get((task_ids, key))
        found: list[Any] = []
        for task in task_ids:
            mapped = [value for value in self.hosts if value is not None]
            found += mapped if task == "host" else [self.single.get((task, key))]
        return found


def judge(left: Left) -> Any:
    with DAG("checks", schedule=None):
        places, host = BaseOperator(task_id="places"), BaseOperator(task_id="host")
        task = JudgeFindingsOperator(task_id="judge", mapped_checks={"host": "places"})
        places >> host >> task
    return task.execute({"ti": left})


def test_one_host_of_three_that_left_nothing_is_named() -> None:
    with pytest.raises(AirflowFailException, match="host of sdw4 ended without a result") as caught:
        judge(Left(PLACES, [], None, []))
    assert "sdw3" not in str(caught.value)
    assert "sdw5" not in str(caught.value)


def test_the_last_of_them_counts_too() -> None:
    with pytest.raises(AirflowFailException, match="host of sdw5 ended without a result"):
        judge(Left(PLACES, [], []))


def test_all_hosts_looked_at_pass_with_what_they_found() -> None:
    note = Finding.note("sdw4", "an old kernel").to_dict()
    assert judge(Left(PLACES, [], [note], [])) == [note]


def test_over_no_hosts_nothing_has_to_be_found() -> None:
    assert judge(Left([])) == []


def test_a_check_of_places_that_died_is_named_itself() -> None:
    with pytest.raises(AirflowFailException, match="host, places ended without a result"):
        judge(Left(None, places_findings=None))
