"""What the DAG itself costs: the wall time of a finished run less the time in which it was busy with the cluster.

    python -m benchmarks.overhead --demo .demo                       # the newest run of the demo's Airflow
    python -m benchmarks.overhead --url https://airflow.example.com --user admin --password-file secret \
        --dag greenplum_expand --run manual__2026-11-20T12:00:00+00:00

Busy is every moment in which a command on a host, a statement, a job or a move was under way for one of its tasks, as
they have recorded themselves (XCom "step", hooks/busy.py), or a person was asked. The rest is Airflow's and our own:
starting processes, scheduling, polling, deciding. It is printed per task and as a ratio, and then what it went into:
moments in which no task was in flight are Airflow's scheduling, all others are shared by the tasks in flight.

What is not recorded counts as overhead: the commands before a task's deferral, and those of a task that failed.
Goals, on two cores: at most 2 s a task; at most 1.15 times the busy time where that is ten minutes or more.
"""

from __future__ import annotations

import argparse
import getpass
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from demo.airflow_api import RUN_ENDED, AirflowApi, TaskInstance
from demo.airflow_stack import AirflowStack

SECONDS_A_TASK, RATIO = 2.0, 1.15  # goals
LONG = 600.0  # seconds of busy time from which on the ratio counts
BETWEEN = "(no task in flight: scheduling)"
_ASKING = {"approve_plan", "approve_edit", "approve_forward"}
_SHOWN = 12

Span = tuple[float, float]


@dataclass(frozen=True)
class Task:
    """One task instance that ran.

    :param flight: from its first start to its last end, seconds since 1970
    :param busy: spans in which it was busy with the cluster
    """

    name: str
    flight: Span
    busy: tuple[Span, ...]


@dataclass(frozen=True)
class Overhead:
    """Of one run, seconds.

    :param charged: what the overhead went into, by task name or BETWEEN
    """

    wall: float
    busy: float
    tasks: int
    charged: Mapping[str, float]

    @property
    def seconds(self) -> float:
        return self.wall - self.busy

    @property
    def per_task(self) -> float:
        return self.seconds / self.tasks if self.tasks else 0.0

    @property
    def ratio(self) -> float:
        return self.wall / self.busy if self.busy else float("inf")

    @property
    def missed(self) -> list[str]:
        """Goals that are not reached."""
        found = [] if self.per_task <= SECONDS_A_TASK else [f"{self.per_task:.1f} s a task, goal {SECONDS_A_TASK}"]
        if self.busy >= LONG and self.ratio > RATIO:
            found.append(f"{self.ratio:.2f} times the busy time, goal {RATIO}")
        return found


def union(spans: Iterable[Span]) -> list[Span]:
    """The same moments, as spans that neither touch nor overlap."""
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def measure(run: Span, tasks: Sequence[Task]) -> Overhead:
    """What of a run was overhead, and whose.

    :param run: its start and end
    """

    def inside(spans: Iterable[Span]) -> list[Span]:
        return union((max(start, run[0]), min(end, run[1])) for start, end in spans)

    busy = inside(span for task in tasks for span in task.busy)
    flights = {task: inside([task.flight]) for task in tasks}
    moments = sorted({*run, *(edge for spans in (busy, *flights.values()) for span in spans for edge in span)})
    charged: dict[str, float] = defaultdict(float)
    for start, end in itertools.pairwise(moments):
        if _covers(busy, start):
            continue
        flying = [task.name for task in tasks if _covers(flights[task], start)]
        for name in flying or [BETWEEN]:
            charged[name] += (end - start) / max(1, len(flying))
    wall, spent = run[1] - run[0], sum(end - start for start, end in busy)
    return Overhead(wall, spent, len(tasks), dict(sorted(charged.items(), key=lambda pair: -pair[1])))


def _covers(spans: Sequence[Span], moment: float) -> bool:
    return any(start <= moment < end for start, end in spans)


def read_run(api: AirflowApi, dag_id: str, run_id: str | None) -> tuple[str, Span, list[Task]]:
    """A finished run as Airflow remembers it: id, start and end, tasks.

    :param run_id: None: the newest that has ended
    """
    runs = [run for run in api.runs(dag_id) if run["state"] in RUN_ENDED and run_id in (None, run["dag_run_id"])]
    if not runs:
        raise SystemExit(f"{dag_id} has no finished run{f' {run_id}' if run_id else ''} in {api.base_url}")
    found = str(runs[0]["dag_run_id"])
    tasks = [
        Task(task.name, (task.started.timestamp(), task.ended.timestamp()), _busy(api, dag_id, found, task))
        for task in api.tasks(dag_id, found)
        if task.started and task.ended
    ]
    return found, (_seconds(runs[0]["start_date"]), _seconds(runs[0]["end_date"])), tasks


def _busy(api: AirflowApi, dag_id: str, run_id: str, task: TaskInstance) -> tuple[Span, ...]:
    assert task.started is not None
    assert task.ended is not None
    if task.task_id in _ASKING:
        return ((task.started.timestamp(), task.ended.timestamp()),)
    step: dict[str, Any] = api.xcom(dag_id, run_id, task.task_id, "step", task.map_index) or {}
    return tuple((float(start), float(end)) for start, end in step.get("busy", ()))


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def say(run_id: str, found: Overhead) -> list[str]:
    """For a terminal."""
    lines = [
        f"run {run_id}",
        f"  {found.wall:8.1f} s wall time",
        f"  {found.busy:8.1f} s busy with the cluster",
        (
            f"  {found.seconds:8.1f} s overhead: {found.per_task:.2f} s a task over {found.tasks} tasks, "
            f"wall time {found.ratio:.2f} times the busy time"
        ),
        "it went into",
    ]
    lines += [f"  {seconds:8.1f} s {name}" for name, seconds in list(found.charged.items())[:_SHOWN]]
    rest = sum(list(found.charged.values())[_SHOWN:])
    if rest:
        lines.append(f"  {rest:8.1f} s {len(found.charged) - _SHOWN} others")
    return [*lines, *(f"GOAL MISSED: {words}" for words in found.missed)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.overhead", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--demo", type=Path, help="state directory of a demo that is up (.demo)")
    where.add_argument("--url", help="base URL of any Airflow")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password-file", type=Path, help="without it the password is asked for")
    parser.add_argument("--dag", default="greenplum_expand")
    parser.add_argument("--run", help="id of a finished run (default: the newest)")
    given = parser.parse_args(arguments)
    with _api(given) as api:
        run_id, span, tasks = read_run(api, given.dag, given.run)
    found = measure(span, tasks)
    print("\n".join(say(run_id, found)))
    return 1 if found.missed else 0


def _api(given: argparse.Namespace) -> AirflowApi:
    if given.demo:
        return AirflowStack(given.demo / "airflow").api()
    password = given.password_file.read_text().strip() if given.password_file else getpass.getpass()
    return AirflowApi(given.url, given.user, password)


if __name__ == "__main__":
    sys.exit(main())
