"""What the task that moves tables does next, given what a window came to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.errors import ActionRefused, RemoteError, StepFailed
from greenplum_expansion.operators import redistribution
from greenplum_expansion.operators.redistribution import RedistributeOperator
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.moves import Move
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.redistribution import engines
from greenplum_expansion.redistribution.direct.mover import Moved
from greenplum_expansion.redistribution.steering import Steering
from greenplum_expansion.request import Engine
from greenplum_expansion.triggers.steering import AllMovedTrigger, ResumedTrigger

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
ENDLESS = Window(NOW - HOUR, datetime.max.replace(tzinfo=UTC))
OPEN = Window(NOW - HOUR, NOW + HOUR)
TOMORROW = Window(NOW + 24 * HOUR, NOW + 25 * HOUR)
TABLE = Move("demo", 1, "public.t", 1000)


class Calendar:
    """Windows in order."""

    def __init__(self, *windows: Window) -> None:
        self.windows = windows

    def next_window(self, now: datetime) -> Window | None:
        return next((window for window in self.windows if window.end > now), None)


class Scene:
    """A cluster whose windows come to what is given here; after the last result nothing is left."""

    def __init__(self, *results: Moved | engines.Follow, windows: tuple[Window, ...] = (ENDLESS,)) -> None:
        self.results = list(results)
        self.ran: list[Window] = []
        self.scheduled: list[datetime] = []
        self.told: list[tuple[str, Window]] = []
        self.engine: Engine | None = None
        self.stopped = False
        self.xcoms: dict[str, Any] = {}
        self.phase = Phase.READY
        self.job_runs = False
        self.request = SimpleNamespace(engine=Engine.DIRECT, greenplum_conn_id="practice", only_tables=())
        self.windows = windows
        self.waits_for_schedule = False
        self.steering = Steering()

    def run_window(self, window: Window) -> Moved | engines.Follow:
        self.ran.append(window)
        result = self.results.pop(0)
        if not self.results and isinstance(result, Moved) and not result.left and not result.failed:
            self.phase = Phase.COMPLETE
        return result

    def finish(self, job_log: str) -> Moved:
        self.phase = Phase.COMPLETE
        return Moved(moved=1)

    def stop(self) -> None:
        self.stopped = True

    # --- as much of an ExpansionRun as the operator uses -------------------------------------------------------------

    def calendar(self) -> Calendar:
        return Calendar(*self.windows)

    subject = "Expansion x"
    expansion_id = "x"

    @property
    def hook(self) -> Any:
        return SimpleNamespace(job=lambda job_dir: SimpleNamespace(read_log_tail=lambda most: ""))

    @property
    def directory(self) -> Any:
        plan = SimpleNamespace(presence=lambda topology: Presence.ALL)
        return SimpleNamespace(job_runs=lambda name: self.job_runs, require_plan=lambda: plan)

    def require_claim(self) -> None:
        return None

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    task_id = "redistribute.move_tables"

    def play(self, operator: RedistributeOperator | None = None) -> Any:
        return (operator or RedistributeOperator(task_id="move_tables")).execute({"ti": self})


@pytest.fixture(autouse=True)
def staged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the cluster is answered by the scene of the test."""

    @contextmanager
    def expansion_run(context: dict[str, Any]) -> Iterator[Scene]:
        yield context["ti"]

    def make_engine(run: Scene, choice: Engine, steering: Steering | None = None) -> Scene:
        run.engine = choice
        return run

    monkeypatch.setattr(redistribution, "expansion_run", expansion_run)
    monkeypatch.setattr(redistribution, "make_engine", make_engine)
    monkeypatch.setattr(redistribution, "leave_record", lambda context, run: None)  # test_recording.py
    monkeypatch.setattr(redistribution, "tell_window_opened", lambda run, window: run.told.append(("opened", window)))
    monkeypatch.setattr(
        redistribution, "tell_window_closed", lambda run, window, moved: run.told.append(("closed", window))
    )
    monkeypatch.setattr(redistribution, "read_topology", lambda hook: None)
    monkeypatch.setattr(
        redistribution.engine,
        "read_progress",
        lambda hook: Progress(tables_done=7, tables_total=7, bytes_done=9, bytes_total=9),
    )
    monkeypatch.setattr(redistribution.engine, "read_tables_to_move", lambda hook: [TABLE, TABLE])


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scene]:
    current: dict[str, Scene] = {}
    original = Scene.require_claim

    def remember(scene: Scene) -> None:
        current["scene"] = scene
        original(scene)

    monkeypatch.setattr(Scene, "require_claim", remember)
    monkeypatch.setattr(
        redistribution,
        "read_expansion_state",
        lambda hook: ExpansionState(current["scene"].phase, "the list says so", "go on"),
    )
    monkeypatch.setattr(redistribution, "read_steering", lambda hook, expansion_id: current["scene"].steering)
    monkeypatch.setattr(
        redistribution.history, "note_schedule", lambda hook, name, begins: current["scene"].scheduled.append(begins)
    )
    return current


def test_without_windows_everything_moves_at_once() -> None:
    scene = Scene(Moved(moved=7))
    assert scene.play() == {"tables": 7, "bytes": 9}
    assert scene.ran == [ENDLESS]
    assert scene.xcoms["step"]["outcome"] == "7 tables moved"


def test_a_window_to_come_is_waited_for_without_a_worker() -> None:
    scene = Scene(windows=(TOMORROW,))
    with pytest.raises(TaskDeferred) as deferred:
        scene.play()
    assert deferred.value.trigger.moment == TOMORROW.start
    assert deferred.value.method_name == "window_opened"
    assert scene.scheduled == [TOMORROW.start]
    assert scene.ran == []


def test_what_a_window_has_left_waits_for_the_next_even_if_this_one_is_still_open() -> None:
    scene = Scene(Moved(moved=3, left=[TABLE]), windows=(OPEN, TOMORROW))
    with pytest.raises(TaskDeferred) as deferred:
        scene.play()
    assert scene.ran == [OPEN]
    assert scene.told == [("opened", OPEN), ("closed", OPEN)]
    assert deferred.value.trigger.moment == TOMORROW.start


def test_failed_tables_fail_the_task_once_nothing_else_is_left_and_are_named() -> None:
    scene = Scene(Moved(moved=3, failed={"demo.public.bad": "disk error"}))
    with pytest.raises(StepFailed, match=r"demo\.public\.bad: disk error"):
        scene.play()
    assert scene.xcoms["failed_tables"] == [{"table": "demo.public.bad", "status": "FAILED", "error": "disk error"}]


def test_failed_tables_are_tried_again_in_the_next_window_while_others_are_left() -> None:
    scene = Scene(Moved(moved=3, failed={"demo.public.bad": "disk error"}, left=[TABLE]), windows=(OPEN, TOMORROW))
    with pytest.raises(TaskDeferred):
        scene.play()


def test_tables_that_fit_no_window_are_not_waited_for_for_ever() -> None:
    scene = Scene(Moved(left=[TABLE], oversize=[TABLE]), windows=(OPEN, TOMORROW))
    with pytest.raises(StepFailed, match=r"take longer than any window: demo.public.t"):
        scene.play()


def test_when_no_window_comes_any_more_the_task_fails_with_what_is_left() -> None:
    scene = Scene(Moved(moved=1, left=[TABLE]), windows=(OPEN,))
    with pytest.raises(StepFailed, match="2 tables have not moved, and no window comes any more"):
        scene.play()


def test_if_only_some_were_to_move_the_expansion_stays_open_for_the_others() -> None:
    scene = Scene(Moved(moved=1), Moved())
    scene.results.append(Moved())  # so that the list is not empty, and the expansion not complete
    with pytest.raises(StepFailed, match="2 tables are left, as only some were asked for"):
        scene.play()
    assert len(scene.ran) == 1


def test_a_cluster_that_does_not_answer_is_worth_another_try_and_a_takeover_is_not() -> None:
    with pytest.raises(RemoteError):
        Scene(Moved(left=[TABLE], stopped="no answer", unreachable=True)).play()
    with pytest.raises(StepFailed, match="gpexpand has begun"):
        Scene(Moved(left=[TABLE], stopped="gpexpand has begun")).play()


def test_told_to_end_it_stops_the_engine_and_ends_as_something_to_be_tried_again() -> None:
    operator = RedistributeOperator(task_id="move_tables")

    class Killed(Scene):
        def run_window(self, window: Window) -> Moved:
            operator.on_kill()
            return Moved(left=[TABLE])

    scene = Killed()
    with pytest.raises(RemoteError, match="told to end"):
        scene.play(operator)
    assert scene.stopped


def test_a_job_of_gpexpand_that_is_at_work_is_followed_whatever_was_asked_for() -> None:
    scene = Scene(engines.Follow("/home/gpadmin/x/job"))
    scene.phase, scene.job_runs = Phase.REDISTRIBUTING, True
    with pytest.raises(TaskDeferred) as deferred:
        scene.play()
    assert scene.engine is Engine.GPEXPAND
    assert deferred.value.method_name == "job_ended"

    event = {"state": "FINISHED", "job_dir": "/home/gpadmin/x/job", "message": "ended"}
    operator = RedistributeOperator(task_id="move_tables")
    assert operator.job_ended({"ti": scene}, event, **deferred.value.kwargs) == {"tables": 7, "bytes": 9}
    assert [what for what, _ in scene.told] == ["closed"]  # who found it at work did not open the window


@pytest.mark.parametrize("result", [Moved(unreachable=True, stopped="no answer"), Moved(paused=True, left=[TABLE])])
def test_what_goes_on_in_the_same_window_does_not_close_it(result: Moved, state: dict[str, Scene]) -> None:
    scene = Scene(result, windows=(OPEN, TOMORROW))
    if result.paused:
        scene.results.append(Moved(moved=1))
        scene.play()
        assert [what for what, _ in scene.told].count("closed") == 1
    else:
        with pytest.raises(RemoteError):
            scene.play()
        assert [what for what, _ in scene.told] == ["opened"]


def test_with_nothing_left_nothing_is_touched() -> None:
    scene = Scene()
    scene.phase = Phase.COMPLETE
    assert scene.play() == {"tables": 7, "bytes": 9}
    assert scene.ran == []


@pytest.mark.parametrize("phase", [Phase.READY, Phase.REDISTRIBUTION_STOPPED, Phase.REDISTRIBUTING])
def test_what_greenplum_redistribute_moves_is_waited_for_without_a_worker(phase: Phase) -> None:
    scene = Scene()
    scene.waits_for_schedule, scene.phase = True, phase
    with pytest.raises(TaskDeferred) as deferred:
        scene.play()
    assert isinstance(deferred.value.trigger, AllMovedTrigger)
    assert deferred.value.timeout is None
    assert scene.ran == []

    scene.phase = Phase.COMPLETE
    operator = RedistributeOperator(task_id="move_tables")
    assert operator.looked_on({"ti": scene}, {}, **deferred.value.kwargs) == {"tables": 7, "bytes": 9}
    assert scene.ran == []


def test_what_stands_against_the_moves_of_the_other_is_told_and_not_waited_for() -> None:
    scene = Scene()
    scene.waits_for_schedule, scene.phase = True, Phase.STUCK
    with pytest.raises(ActionRefused, match="stuck"):
        scene.play()


def test_paused_before_it_begins_it_waits_without_a_worker_until_resumed_or_the_windows_end() -> None:
    scene = Scene(windows=(OPEN,))
    scene.steering = Steering(paused=True)
    with pytest.raises(TaskDeferred) as deferred:
        scene.play()
    trigger = deferred.value.trigger
    assert isinstance(trigger, ResumedTrigger)
    assert (trigger.expansion_id, trigger.until) == ("x", OPEN.end.timestamp())
    assert scene.ran == []


def test_paused_for_long_it_gives_its_worker_back_and_goes_on_in_the_same_window() -> None:
    scene = Scene(Moved(moved=2, left=[TABLE], paused=True), Moved(moved=5), windows=(OPEN, TOMORROW))

    run_window = scene.run_window

    def paused_in_it(window: Window) -> Moved | engines.Follow:
        scene.steering = Steering(paused=True)
        return run_window(window)

    scene.run_window = paused_in_it  # type: ignore[method-assign]
    with pytest.raises(TaskDeferred) as deferred:
        scene.play()
    assert isinstance(deferred.value.trigger, ResumedTrigger)

    scene.steering, scene.run_window = Steering(), run_window  # type: ignore[method-assign]
    operator = RedistributeOperator(task_id="move_tables")
    assert operator.resumed({"ti": scene}, {}, **deferred.value.kwargs) == {"tables": 7, "bytes": 9}
    assert scene.ran == [OPEN, OPEN]
