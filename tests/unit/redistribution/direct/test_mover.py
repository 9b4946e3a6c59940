"""The mover against a server of a few lines: what runs at a time, what is tried again, what a window's end does."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import psycopg2
import pytest
from psycopg2 import errorcodes

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.planning.moves import Move
from greenplum_expansion.planning.scheduler import MoveQueue, WindowRules
from greenplum_expansion.redistribution.direct import mover as mover_module
from greenplum_expansion.redistribution.direct.mover import Control, Mover, MoverSettings
from greenplum_expansion.redistribution.direct.session import Kind, Outcome, Target


class ServerError(psycopg2.Error):
    """What the server says; `pgcode` is read-only in psycopg2's own classes."""

    pgcode = None


def server_error(code: str, words: str = "no") -> ServerError:
    error = ServerError(words)
    error.pgcode = code
    return error


class Server:
    """Executes moves by calling `behave(table, server)`; counts what runs at a time."""

    def __init__(self, behave: Callable[[str, "Server"], None] = lambda table, server: None) -> None:
        self.behave = behave
        self.moved: list[str] = []
        self.tried: Counter[str] = Counter()
        self.connections = 0
        self.running = 0
        self.most_running = 0
        self.guard = threading.Lock()
        self.places: dict[int, tuple[str, str]] = {}

    def connect(self, dbname: str) -> "Connection":
        with self.guard:
            self.connections += 1
        return Connection(self, dbname)


class Connection:
    """As much of psycopg2's as a session uses."""

    def __init__(self, server: Server, dbname: str) -> None:
        self.server = server
        self.info = SimpleNamespace(dbname=dbname, server_version=90426)
        self.closed = 0
        self.autocommit = True
        self.cancelled = threading.Event()
        self.uncommitted: list[str] = []

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def fetchone(self):
        return self.answer

    def execute(self, statement, given=None) -> None:
        if isinstance(statement, str) and not given:
            return
        if given:
            self.answer = self.server.places.get(given["oid"])
            return
        self.answer = (0,)
        table = statement.seq[1].strings[1]
        server = self.server
        with server.guard:
            server.tried[table] += 1
            server.running += 1
            server.most_running = max(server.most_running, server.running)
        try:
            server.behave(table, self)
        finally:
            with server.guard:
                server.running -= 1
        if self.autocommit:
            server.moved.append(table)
        else:
            self.uncommitted.append(table)

    def commit(self) -> None:
        self.server.moved += self.uncommitted
        self.uncommitted = []

    def rollback(self) -> None:
        self.uncommitted = []

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.closed = 1


class Books:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, Outcome]] = []
        self.given_up: list[str] = []

    def begin(self, moves) -> None:
        self.begun += [move.fq_name for move in moves]

    def record(self, attempts, given_up) -> None:
        self.ended += [(attempt.move.fq_name, attempt.outcome) for attempt in attempts]
        self.given_up += [attempt.move.fq_name for attempt in given_up]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """No test waits for what a person would."""
    monkeypatch.setattr(mover_module, "_WAIT_AFTER_FAILURE", (0.0,))
    monkeypatch.setattr(mover_module, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr(mover_module, "_WRITE_EVERY", 0.0)


def moves(*names: str, dbname: str = "demo", size: int = 10_000_000) -> list[Move]:
    return [Move(dbname, number, name, size) for number, name in enumerate(names, start=1)]


def a_mover(
    server: Server, wanted: list[Move], *, sessions: int = 2, books=None, settings=None, control=Control, **rules
):
    targets = {move.key: Target(Kind.TABLE, "public", move.fq_name) for move in wanted}
    server.places = {move.table_oid: ("public", move.fq_name) for move in wanted} | server.places
    queue = MoveQueue(wanted, WindowRules(sessions, **rules))
    return Mover(queue, targets, server.connect, books or Books(), settings=settings, control=control)


def test_all_tables_move_over_as_many_standing_sessions_as_allowed():
    server, books = Server(), Books()
    wanted = moves(*(f"t{number}" for number in range(50)))
    moved = a_mover(server, wanted, sessions=3, books=books).run(None)
    assert sorted(server.moved) == sorted(move.fq_name for move in wanted)
    assert (moved.moved, moved.failed) == (50, {})
    assert server.connections <= 3
    assert server.most_running <= 3
    assert sorted(books.ended) == sorted((move.fq_name, Outcome.MOVED) for move in wanted)


def test_a_session_changes_its_database_by_a_new_connection_and_closes_the_old():
    server = Server()
    wanted = [*moves("a", "b"), *moves("c", "d", dbname="other")]
    a_mover(server, wanted, sessions=1).run(None)
    assert server.moved == ["a", "b", "c", "d"]
    assert server.connections == 2


def test_a_table_that_is_locked_is_tried_again_and_the_others_go_on():
    def behave(table, connection):
        if table == "busy" and connection.server.tried["busy"] < 3:
            raise server_error(errorcodes.LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout")

    server, books = Server(behave), Books()
    moved = a_mover(server, moves("busy", "free"), sessions=1, books=books).run(None)
    assert server.moved == ["free", "busy"]
    assert moved.failed == {}
    assert [outcome for name, outcome in books.ended if name == "busy"] == [
        Outcome.LOCKED, Outcome.LOCKED, Outcome.MOVED,
    ]  # fmt: skip


def test_a_table_that_fails_six_times_is_given_up_with_its_error():
    def behave(table, connection):
        if table == "broken":
            raise server_error(errorcodes.DISK_FULL, "ERROR:  could not extend file\nHINT:  Check free disk space.\n")

    server, books = Server(behave), Books()
    moved = a_mover(server, moves("broken", "whole"), books=books).run(None)
    assert server.tried["broken"] == 6
    assert moved.failed == {"demo.broken": "could not extend file; HINT:  Check free disk space."}
    assert books.given_up == ["broken"]
    assert server.moved == ["whole"]


def test_a_table_that_was_moved_before_counts_as_moved():
    def behave(table, connection):
        raise server_error(
            errorcodes.FEATURE_NOT_SUPPORTED,
            'ERROR:  cannot expand table "t"\nDETAIL:  table has already been expanded',
        )

    moved = a_mover(Server(behave), moves("t")).run(None)
    assert (moved.moved, moved.failed) == (1, {})


def test_a_session_that_is_lost_is_opened_again():
    def behave(table, connection):
        if connection.server.tried[table] == 1:
            connection.close()
            raise psycopg2.OperationalError("server closed the connection unexpectedly")

    server = Server(behave)
    moved = a_mover(server, moves("a", "b"), sessions=1).run(None)
    assert sorted(server.moved) == ["a", "b"]
    assert moved.failed == {}


def test_what_is_under_way_at_the_end_of_the_grace_is_cancelled_and_stays_to_be_moved():
    def behave(table, connection):
        assert connection.cancelled.wait(30)
        raise server_error(errorcodes.QUERY_CANCELED, "canceling statement due to user request")

    server, books = Server(behave), Books()
    made = a_mover(server, moves("long", "next"), sessions=1, books=books, grace=0.05)
    moved = made.run(time.time() + 60.0 - 59.9)
    assert server.moved == []
    assert [move.fq_name for move in moved.cancelled] in (["long"], [])
    assert not moved.failed


def test_stopping_cancels_everything_in_the_server_and_begins_nothing_more():
    under_way = threading.Event()

    def behave(table, connection):
        under_way.set()
        assert connection.cancelled.wait(30)
        raise server_error(errorcodes.QUERY_CANCELED)

    server = Server(behave)
    made = a_mover(server, moves("a", "b", "c"), sessions=2)
    stopper = threading.Thread(target=lambda: (under_way.wait(30), made.stop()))
    stopper.start()
    moved = made.run(None)
    stopper.join()
    assert server.moved == []
    assert server.running == 0
    assert 1 <= len(moved.cancelled) <= 2


def test_while_paused_nothing_begins_and_resuming_takes_effect_at_once():
    pause = threading.Event()
    looks = 0

    def control() -> Control:
        nonlocal looks
        looks += 1
        return Control(paused=looks < 20)

    server = Server(lambda table, connection: pause.set())
    moved = a_mover(server, moves("a"), control=control).run(None)
    assert looks >= 20
    assert moved.moved == 1


def test_paused_for_long_it_ends_once_nothing_is_under_way_and_keeps_what_is_left():
    paused = threading.Event()
    server = Server(lambda table, connection: paused.set())
    settings = MoverSettings(paused_patience=0.0)
    moved = a_mover(
        server, moves("a", "b", "c"), sessions=1, settings=settings, control=lambda: Control(paused=paused.is_set())
    ).run(None)
    assert server.moved == ["a"]  # it was under way, and ended as it would
    assert (moved.paused, moved.moved, moved.cancelled) == (True, 1, [])
    assert [move.fq_name for move in moved.left] == ["b", "c"]


def test_paused_with_nothing_left_it_is_done():
    moved = a_mover(Server(), [], control=lambda: Control(paused=True)).run(None)
    assert (moved.paused, moved.left) == (False, [])


def test_fewer_sessions_may_be_asked_for_while_it_runs():
    server = Server(lambda table, connection: time.sleep(0.001))
    a_mover(server, moves(*(f"t{n}" for n in range(20))), sessions=4, control=lambda: Control(sessions=1)).run(None)
    assert server.most_running == 1


def test_tiny_tables_share_a_transaction():
    server = Server()
    wanted = moves(*(f"t{n}" for n in range(10)), size=100)
    a_mover(server, wanted, sessions=1, tiny=1000, batch=4).run(None)
    assert server.moved == [move.fq_name for move in wanted]


def test_if_one_of_several_in_a_transaction_fails_each_is_tried_by_itself():
    def behave(table, connection):
        if table == "t2":
            raise server_error(errorcodes.LOCK_NOT_AVAILABLE)

    server = Server(behave)
    moved = a_mover(
        server, moves("t1", "t2", "t3", size=100), sessions=1, tiny=1000, batch=3, settings=MoverSettings(attempts=2)
    ).run(None)
    assert sorted(server.moved) == ["t1", "t3"]
    assert list(moved.failed) == ["demo.t2"]


def test_an_error_nobody_has_thought_of_fails_the_table_not_the_run():
    def behave(table, connection):
        if table == "odd":
            raise RuntimeError("never seen")

    moved = a_mover(Server(behave), moves("odd", "even")).run(None)
    assert moved.failed == {"demo.odd": "RuntimeError: never seen"}
    assert moved.moved == 1


def test_a_table_that_was_renamed_is_moved_by_its_new_name():
    def behave(table, connection):
        if table == "old":
            raise server_error(errorcodes.UNDEFINED_TABLE, 'relation "public.old" does not exist')

    server = Server(behave)
    made = a_mover(server, moves("old"))
    server.places[1] = ("public", "new")
    assert made.run(None).moved == 1
    assert server.moved == ["new"]


def test_a_table_that_was_dropped_is_no_failure():
    def behave(table, connection):
        raise server_error(errorcodes.UNDEFINED_TABLE, 'relation "public.t" does not exist')

    server, books = Server(behave), Books()
    made = a_mover(server, moves("t"), books=books)
    server.places.clear()
    moved = made.run(None)
    assert (moved.moved, moved.gone, moved.failed) == (0, 1, {})
    assert books.ended == [("t", Outcome.GONE)]


def test_a_cluster_that_does_not_answer_costs_no_table_its_tries(monkeypatch):
    monkeypatch.setattr(mover_module, "_WAIT_UNREACHABLE", 0.01)
    server = Server()
    refused = iter(range(20))
    connect = server.connect

    def sometimes(dbname: str):
        if next(refused, None) is not None:
            raise RemoteError("Connection", "connection refused", "start it")
        return connect(dbname)

    server.connect = sometimes  # type: ignore[method-assign]
    moved = a_mover(server, moves("a", "b", "c")).run(None)
    assert sorted(server.moved) == ["a", "b", "c"]
    assert (moved.moved, moved.failed, moved.stopped) == (3, {}, "")


def test_a_cluster_that_never_answers_ends_the_run_and_leaves_the_tables(monkeypatch):
    monkeypatch.setattr(mover_module, "_WAIT_UNREACHABLE", 0.01)
    server = Server()

    def refuse(dbname: str):
        raise RemoteError("Connection", "connection refused", "start it")

    server.connect = refuse  # type: ignore[method-assign]
    moved = a_mover(server, moves("a", "b"), settings=MoverSettings(patience=0.05)).run(None)
    assert moved.stopped == "the cluster has not answered for 0.05 s"
    assert sorted(move.fq_name for move in moved.left) == ["a", "b"]


def test_told_to_stop_by_the_control_everything_ends_with_the_reason():
    server = Server()
    moved = a_mover(server, moves("a"), control=lambda: Control(stop="gpexpand has begun")).run(None)
    assert (moved.moved, moved.stopped, len(moved.left)) == (0, "gpexpand has begun", 1)


def test_a_move_that_somebody_else_cancels_is_tried_again():
    def behave(table, connection):
        if connection.server.tried[table] == 1:
            raise server_error(errorcodes.QUERY_CANCELED, "canceling statement due to user request")

    moved = a_mover(Server(behave), moves("a")).run(None)
    assert (moved.moved, moved.cancelled) == (1, [])


def test_more_sessions_may_be_asked_for_while_it_runs():
    barrier = threading.Barrier(3, timeout=30)
    server = Server(lambda table, connection: barrier.wait() and None)
    a_mover(server, moves("a", "b", "c"), sessions=1, control=lambda: Control(sessions=3)).run(None)
    assert server.most_running == 3
