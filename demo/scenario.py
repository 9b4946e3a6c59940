"""The demo from beginning to end: make everything ready, expand, watch, show the proof."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from demo import progress_line, report_view
from demo.airflow_api import RUN_ENDED, AirflowApi, LogLine, TaskInstance
from demo.airflow_stack import AirflowStack
from demo.practice_cluster import PracticeCluster, new_hosts
from demo.screen import Board, Moves, Preparation, Screen, screen, seconds
from greenplum_expansion.request import ExpansionRequest

EXPAND, ROLLBACK = "greenplum_expand", "greenplum_rollback"
WATCH = "redistribute.watch_progress"
CONNECTION_ID = "greenplum_default"


class DemoFailed(Exception):
    """The demo did not reach its proof; the text is what a person reads, with what to do next."""


@dataclass(frozen=True)
class Options:
    """What can be chosen on the command line."""

    home: Path
    sandbox_home: Path | None = None
    size: int | None = None  # MB of practice data; None: the sandbox's default
    limit: float = 1800.0  # seconds a run may take before the demo gives up on it
    live: bool = True


class Demo:
    """One demo: an Airflow and a practice cluster that belong together."""

    def __init__(self, options: Options, console: Console) -> None:
        self.options = options
        self.console = console
        self.cluster = PracticeCluster(options.sandbox_home)
        self.airflow = AirflowStack(options.home / "airflow")
        self.began = time.monotonic()

    # --- the four commands -------------------------------------------------------------------------------------------

    def up(self) -> None:
        """Practice cluster and Airflow, made ready at the same time, and the connection between them."""
        with screen(self.console, live=self.options.live) as display:
            self._make_ready(Board(), display, fresh=False)
        self.console.print(self._where())

    def run(self) -> None:
        """`up`, then one expansion; returns only if the report proves it.

        :raises DemoFailed: it failed, or the report does not prove everything
        """
        board = Board()
        with screen(self.console, live=self.options.live) as display:
            self._make_ready(board, display, fresh=True)
            with self.airflow.api() as api:
                run_id = api.trigger(EXPAND, expansion_conf(), note="started by the demo")
                state = self._watch(api, run_id, board, display)
        with self.airflow.api() as api:
            if state != "success":
                raise DemoFailed(self._explain(api, run_id, board.tasks, state))
            report = api.xcom(EXPAND, run_id, "report")
        if not isinstance(report, dict):
            raise DemoFailed(f"The run succeeded, but its task `report` left no report.\n{self._where().plain}")
        self.console.print(report_view.render(report))
        self.console.print(f"\nThe whole demo took {seconds(time.monotonic() - self.began)}.\n")
        self.console.print(self._where())
        unproven = report_view.unproven(report)
        if unproven:
            raise DemoFailed("Not everything is proven: " + "; ".join(unproven))

    def down(self) -> None:
        """End every process of both; what they wrote stays."""
        self.airflow.stop()
        self.cluster.down()
        self.console.print("Airflow and the practice cluster are down.")

    def status(self) -> bool:
        """Say what is up; whether everything is."""
        cluster_up, words = self.cluster.status()
        airflow_up = self.airflow.is_up()
        self.console.print(words, markup=False, highlight=False)
        if airflow_up:
            self.console.print(self._where(), highlight=False)
        else:
            self.console.print("Airflow is down. Next: `python -m demo up`.", highlight=False)
        return cluster_up and airflow_up

    # --- make ready --------------------------------------------------------------------------------------------------

    def _make_ready(self, board: Board, display: Screen, *, fresh: bool) -> None:
        """Bring both up; `fresh` takes back what an earlier expansion did to them."""
        practice, airflow = Preparation("practice cluster", "starting"), Preparation("Airflow", "starting")
        board.preparations = [practice, airflow]

        def bring_up_cluster() -> None:
            self.cluster.up(self.options.size, lambda line: setattr(practice, "text", line), fresh=fresh)
            practice.finish("up: two segment hosts, and two empty ones waiting")

        def bring_up_airflow() -> None:
            if fresh:
                self.airflow.forget_runs()
            self.airflow.start()
            self.airflow.wait((EXPAND, ROLLBACK), on_wait=lambda what: setattr(airflow, "text", f"waits for {what}"))
            airflow.finish(f"up at {self.airflow.base_url}")

        with ThreadPoolExecutor() as pool:
            # Both are awaited after a failure too: what is half started could not be ended by `down`.
            coming = [pool.submit(bring_up_cluster), pool.submit(bring_up_airflow)]
            while not all(future.done() for future in coming):
                display.update(board)
                time.sleep(0.2)
        display.update(board)
        for future in coming:
            future.result()
        connection = Preparation("connection", f"testing {CONNECTION_ID}")
        board.preparations.append(connection)
        display.update(board)
        with self.airflow.api() as api:
            api.put_connection(CONNECTION_ID, self.cluster.connection())
            works, words = api.test_connection(CONNECTION_ID)
        if not works:
            raise DemoFailed(f"The connection to the practice cluster does not work: {words}")
        connection.finish(words)
        display.update(board)

    # --- watch -------------------------------------------------------------------------------------------------------

    def _watch(self, api: AirflowApi, run_id: str, board: Board, display: Screen) -> str:
        """Show the run until it ends; return its state."""
        order = {task_id: position for position, task_id in enumerate(api.task_order(EXPAND))}
        deadline = time.monotonic() + self.options.limit
        while True:
            state = api.run_state(EXPAND, run_id)
            tasks = api.tasks(EXPAND, run_id)
            board.tasks = sorted(tasks, key=lambda task: (order.get(task.task_id, len(order)), task.map_index))
            board.moves = _moves(api, run_id, board.tasks, board.moves)
            for task in board.tasks:
                if task.state == "success" and task.name not in board.outcomes:
                    step = api.xcom(EXPAND, run_id, task.task_id, "step", task.map_index)
                    board.outcomes[task.name] = step["outcome"] if isinstance(step, dict) else ""
            display.update(board)
            if state in RUN_ENDED:
                return state
            if time.monotonic() > deadline:
                return f"still {state} after {seconds(self.options.limit)}"
            time.sleep(1.0)

    def _explain(self, api: AirflowApi, run_id: str, tasks: list[TaskInstance], state: str) -> str:
        """The failing task, the end of its log, and what to do next."""
        lines = [f"The expansion is {state}."]
        failed = [task for task in tasks if task.state == "failed"] or [
            task for task in tasks if task.state in {"running", "deferred", "awaiting_input", "up_for_retry"}
        ]
        failed.sort(key=lambda task: task.ended.timestamp() if task.ended else 0.0)
        if failed:
            task = failed[0]
            log = [text for line in api.log(EXPAND, run_id, task) for text in _log_texts(line)]
            lines += [f"Task {task.name} is {task.state}, try {task.try_number}. The end of its log:", ""]
            lines += [f"  {text}" for text in log[-15:]]
            next_action = next((words for text in reversed(log) if (words := _next_action(text))), None)
            lines += [
                "",
                f"Next: {next_action or 'read the whole log in the UI, mend the cause and clear the task there'}",
            ]
        lines += [f"Rollback: run {run['dag_run_id']} is {run['state']}." for run in api.runs(ROLLBACK)[:1]]
        lines.append(self._where().plain)
        return "\n".join(lines)

    def _where(self) -> Text:
        airflow = self.airflow.base_url
        return Text(
            f"Airflow: {airflow}   user admin, password {self.airflow.password()}\n"
            f"Clusters, wizard, and the page of this expansion: {airflow}/plugin/greenplum\n"
            "End it with `make demo-down`."
        )


def expansion_conf() -> dict[str, Any]:
    """What the demo asks for, checked by the model the trigger form comes from: both empty hosts, no approval."""
    request = ExpansionRequest.model_validate(
        {"greenplum_conn_id": CONNECTION_ID, "new_hosts": new_hosts(), "approval": False}
    )
    return request.model_dump(mode="json", exclude_defaults=True)


def _moves(api: AirflowApi, run_id: str, tasks: list[TaskInstance], known: Moves | None) -> Moves | None:
    """What the watching task says; after it has succeeded, everything."""
    watch = next((task for task in tasks if task.task_id == WATCH), None)
    if watch is None or watch.state not in {"running", "deferred", "success"}:
        return known
    if watch.state == "success" and known is not None:
        return Moves(known.tables, known.tables, known.bytes, known.bytes)
    return progress_line.newest(line.event for line in api.log(EXPAND, run_id, watch)) or known


def _log_texts(line: LogLine) -> list[str]:
    """A line of log as people read it: no folding marks, and an exception with its causes."""
    if line.event.startswith("::"):
        return []
    return [f"{line.level:<8}{line.event}", *(f"{'':<8}{text}" for text in line.exceptions)]


def _next_action(text: str) -> str | None:
    """The sentence behind "Next:" of one of the project's errors."""
    _, found, words = text.rpartition("Next: ")
    return words.strip() if found else None
