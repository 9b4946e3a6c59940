"""drain_sessions on the practice cluster: who is waited for, who is ended, and who never is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from airflow.sdk.exceptions import AirflowFailException

from greenplum_expansion.triggers.sessions import SessionsDrainedTrigger
from tests.support.in_process import run_tasks
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

REQUEST = {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]}
DRAIN = "drain_sessions"
Drain = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def people(practice: Practice, rows: Callable[..., list[tuple[Any, ...]]]) -> None:
    """Two roles that are no superusers."""
    for role in ("reader", "loader"):
        rows(f"CREATE ROLE {role} LOGIN PASSWORD 'p'")


@pytest.fixture
def drain(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> Drain:
    """Run the sensor to its end, its deferrals without Airflow's delays; what it left for others."""
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
    monkeypatch.setattr("greenplum_expansion.planning.sessions.BRIEF", 0.0)
    monkeypatch.setattr("greenplum_expansion.sensors.sessions._GRACE", (0.5,))

    def run(**request: Any) -> dict[str, Any]:
        done = run_tasks({**REQUEST, **request}, "check_cluster.claim", DRAIN)
        return done[DRAIN]

    return run


@pytest.fixture
def session(practice: Practice) -> Callable[..., Any]:
    """A transaction of a role in database demo, as a context."""
    known = json.loads(practice.state.connection.read_text())

    @contextmanager
    def begin(role: str = "reader", statement: str = "SELECT 1") -> Iterator[Any]:
        password = known["password"] if role == known["login"] else "p"
        connection = psycopg2.connect(
            host=known["host"], port=known["port"], user=role, password=password, dbname="demo", application_name="app"
        )
        with closing(connection):
            connection.cursor().execute(statement)
            yield connection

    return begin


def outcome(left: dict[str, Any]) -> str:
    text: str = left["step"]["outcome"]
    return text


def is_open(connection: Any) -> bool:
    try:
        connection.cursor().execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


def test_go_on_waits_for_nobody_and_ends_nobody(drain: Drain, session: Callable[..., Any]) -> None:
    with session() as connection:
        assert outcome(drain()) == "not asked for; 1 are in a transaction"
        assert is_open(connection)


def once_looked_at(monkeypatch: pytest.MonkeyPatch, event: Callable[[], None]) -> None:
    """Let something happen when the trigger has found somebody to wait for."""
    look = SessionsDrainedTrigger.look

    def look_then(self: SessionsDrainedTrigger) -> Any:
        found = look(self)
        event()
        return found

    monkeypatch.setattr(SessionsDrainedTrigger, "look", look_then)


def test_wait_goes_on_when_the_transaction_is_over(
    drain: Drain, session: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with session() as connection:
        once_looked_at(monkeypatch, connection.commit)
        left = drain(sessions="wait")
        assert outcome(left) == "nobody is in a transaction, 0 sessions were ended"
        assert is_open(connection)


def test_patience_ends_with_the_names_of_those_in_the_way(
    drain: Drain, session: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.time
    with session() as connection:
        monkeypatch.setattr("greenplum_expansion.sensors.sessions.started_now", _hurrying(clock))
        with pytest.raises(AirflowFailException, match=r"of reader from .*\(app\) in demo, idle in transaction"):
            drain(sessions="wait", sessions_patience=1)
        assert is_open(connection)


def _hurrying(clock: Callable[[], float]) -> Callable[[], float]:
    """A clock that is nearly a minute further each time it is asked."""
    asked = [0]

    def now() -> float:
        asked[0] += 1
        return clock() + 59 * asked[0]

    return now


def test_end_ends_who_stays_in_a_transaction(drain: Drain, session: Callable[..., Any]) -> None:
    with session() as connection:
        left = drain(sessions="end")
        assert outcome(left) == "nobody is in a transaction, 1 sessions were ended"
        assert "of reader" in left["ended_sessions"][0]
        assert not is_open(connection)
    assert outcome(drain(sessions="end")) == "nobody is in a transaction", "a second time does no harm"


def test_end_only_cancels_who_goes_out_of_the_transaction_then(drain: Drain, session: Callable[..., Any]) -> None:
    with session() as connection:
        connection.rollback()
        connection.autocommit = True
        said: list[str] = []

        def sleep() -> None:
            try:
                connection.cursor().execute("SELECT pg_sleep(600)")
            except psycopg2.Error as error:
                said.append(str(error))

        sleeping = threading.Thread(target=sleep)
        sleeping.start()
        while not connection.info.transaction_status:  # until the server has it
            time.sleep(0.01)
        left = drain(sessions="end")
        sleeping.join()
        assert "canceling statement due to user request" in said[0]
        assert left["ended_sessions"] == []
        assert is_open(connection)


def test_protected_roles_are_neither_waited_for_nor_ended(drain: Drain, session: Callable[..., Any]) -> None:
    with session("loader") as protected, session("reader") as other:
        left = drain(sessions="end", protected_roles=["loader"])
        assert outcome(left) == "nobody is in a transaction, 1 sessions were ended"
        assert is_open(protected)
        assert not is_open(other)


def test_superusers_are_waited_for_but_never_ended(
    drain: Drain, session: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def third_look() -> None:
        looks.append(1)
        if len(looks) == 3:  # by then it was cancelled and should have been ended, were it somebody else's
            connection.commit()

    with session("gpadmin") as connection:
        once_looked_at(monkeypatch, third_look)
        left = drain(sessions="end")
        assert outcome(left) == "nobody is in a transaction, 0 sessions were ended"
        assert is_open(connection)


def test_a_dry_run_ends_nobody(drain: Drain, session: Callable[..., Any]) -> None:
    with session() as connection:
        assert outcome(drain(sessions="end", dry_run=True)) == "dry run: nobody is waited for or ended"
        assert is_open(connection)


def test_nothing_is_done_when_preparation_has_begun(
    drain: Drain, session: Callable[..., Any], practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain()  # the claim is taken before
    with session() as connection:
        practice.run("echo UNINITIALIZED:None > $MASTER_DATA_DIRECTORY/gpexpand.status")
        try:
            left = run_tasks({**REQUEST, "sessions": "end"}, DRAIN)[DRAIN]
        finally:
            practice.run("rm $MASTER_DATA_DIRECTORY/gpexpand.status")
        assert outcome(left) == "preparation has begun"
        assert is_open(connection)
