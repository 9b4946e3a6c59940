"""What stands still in Airflow itself, so that a page that does not change says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow.configuration import conf

from greenplum_expansion.pages.access import EXPAND, LOOK, ROLL_BACK, STEER
from greenplum_expansion.pages.records import Records

_NEEDED = {
    EXPAND: "expansions that are started wait",
    ROLL_BACK: "an expansion whose segments cannot be added is not taken back",
    LOOK: "clusters and new hosts are not looked at",
    STEER: "moves cannot be paused, resumed or changed",
}
"""What comes of it if one of our DAGs is switched off. greenplum_redistribute is, until somebody wants its schedule."""
_JOBS = {
    "SchedulerJob": ("scheduler", "no task begins"),
    "TriggererJob": (
        "triggerer",
        "what waits without a worker goes on waiting, and progress is not brought up to date",
    ),
}


@dataclass(frozen=True)
class Trouble:
    """One thing that stands still.

    :param what: a sentence without its full stop
    :param dag_id: the DAG to be switched on; empty if it is none
    :param since: when it was heard of last
    """

    what: str
    dag_id: str = ""
    since: datetime | None = None


def read_troubles(records: Records) -> tuple[Trouble, ...]:
    """By two small questions."""
    return (*_silent(records.heartbeats(_JOBS)), *_switched_off(records.switched_off(_NEEDED)))


def _silent(heard: Mapping[str, datetime]) -> list[Trouble]:
    now = datetime.now(UTC)
    found = []
    for job, (name, comes_of_it) in _JOBS.items():
        patience = timedelta(seconds=conf.getfloat(name, f"{name}_health_check_threshold", fallback=30.0))
        last = heard.get(job)
        if last is None or now - last > patience:
            found.append(Trouble(f"Airflow's {name} does not answer: {comes_of_it}", since=last))
    return found


def _switched_off(dag_ids: set[str]) -> list[Trouble]:
    return [
        Trouble(f"{dag_id} is switched off (paused) in Airflow: {comes_of_it}", dag_id)
        for dag_id, comes_of_it in _NEEDED.items()
        if dag_id in dag_ids
    ]
