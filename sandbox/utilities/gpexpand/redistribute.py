"""The redistribution: tables of status_detail in the order of their rank, by ``-n`` threads, until done or stopped.

Bookkeeping and moving happen in two connections, in two databases, so they are not atomic: a crash between them leaves
a table moved and listed as NOT STARTED, and the next run fails on it with "table has already been expanded" for ever.
That is the real gpexpand's weakness and kept here.
"""

from __future__ import annotations

import contextlib
import datetime
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..console import Console
from ..database import connect, describe, execute, read_array, rows, scalar, session
from ..environment import Environment
from . import schema
from .options import Options

WAKE_SECONDS = 0.25
"""How often the end time is looked at. The real one looks every five seconds; nothing hangs on that but patience."""


@dataclass(frozen=True)
class Table:
    """A row of status_detail."""

    oid: int
    dbname: str
    name: str
    root: int | None
    external_writable: bool
    storage: str | None

    @property
    def full_name(self) -> str:
        """As in the log."""
        return f"{self.dbname}.{self.name}"


class Worker(threading.Thread):
    """A thread that moves tables.

    `ended` tells whether it has. `is_alive` does not: Ctrl-C while Python waits in `join` makes the thread that is
    waited for count as ended, though it goes on (CPython 3.11, through its remedy of bpo-45274).
    """

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._done = threading.Event()

    def run(self) -> None:
        """Until there is nothing more to do."""
        try:
            self._work()
        finally:
            self._done.set()

    def ended(self, seconds: float = 0.0) -> bool:
        """Whether it has ended, after waiting so long at the most; one that was never started has."""
        return self.ident is None or self._done.wait(seconds)


@dataclass
class Redistribution:
    """One run over all tables that are NOT STARTED."""

    environment: Environment
    options: Options
    console: Console
    connection: Any
    _queue: queue.Queue[Table] = field(default_factory=queue.Queue, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _failed: threading.Event = field(default_factory=threading.Event, init=False)
    _running: dict[int, Any] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _workers: list[Worker] = field(default_factory=list, init=False)

    def run(self) -> None:
        """Move tables. Nothing is raised when tables fail: the log and status_detail tell, and the exit code is 0."""
        primaries = _acting_primaries(self.connection)
        schema.record(self.connection, schema.STARTED)
        # What an earlier run left IN PROGRESS did not finish, or finished without a record; both start again.
        execute(
            self.connection,
            "UPDATE gpexpand.status_detail SET status = 'NOT STARTED', expansion_started = NULL,"
            " expansion_finished = NULL WHERE status = 'IN PROGRESS'",
        )
        # The whole queue at once: ranks changed during the run count in the next one.
        for row in rows(
            self.connection,
            "SELECT table_oid::int8, dbname, fq_name, root_partition_oid::int8, external_writable, rel_storage"
            " FROM gpexpand.status_detail WHERE status = 'NOT STARTED' ORDER BY rank",
        ):
            self._queue.put(Table(*row))
        for _ in range(self.options.parallel):
            worker = Worker(self._work)
            self._workers.append(worker)
            worker.start()
        stopped = False
        while not all(worker.ended() for worker in self._workers):
            if self.options.end is not None and datetime.datetime.now() >= self.options.end:
                stopped = True
                break
            for worker in self._workers:
                worker.ended(WAKE_SECONDS / len(self._workers))
        if stopped:
            self._halt()
            schema.record(self.connection, schema.STOPPED)
            self.console.info("End time reached.  Stopping expansion.")
            self.console.info("You can resume expansion by running gpexpand again")
        elif self._failed.is_set():
            self.console.warning("*" * 50)
            self.console.warning("One or more tables failed to expand successfully.")
            self.console.warning("Please check the log file, correct the problem and")
            self.console.warning("run gpexpand again to finish the expansion process")
            self.console.warning("*" * 50)
            # A failover during the run breaks gpexpand's own session, so this row is never written and the newest
            # status stays EXPANSION STARTED (recording 77).
            if _acting_primaries(self.connection) == primaries:
                schema.record(self.connection, schema.STOPPED)
        else:
            schema.record(self.connection, schema.COMPLETE)
            self.console.info("EXPANSION COMPLETED SUCCESSFULLY")

    def shut_down(self) -> None:
        """For signals: cancel what runs, then note that the expansion stopped."""
        if self._workers:
            self._halt()
            # A connection of its own: whatever interrupted us may have ended the one of the run.
            with session(self.environment, schema.DATABASE) as connection:
                schema.record(connection, schema.STOPPED)

    def _halt(self) -> None:
        """No further table; ALTERs under way are cancelled, their work is lost."""
        self._stop.set()
        while not all(worker.ended() for worker in self._workers):
            with self._lock:
                for connection in self._running.values():
                    # An ALTER that has just ended leaves nothing to cancel.
                    with contextlib.suppress(Exception):
                        connection.cancel()
            for worker in self._workers:
                worker.ended(0.2)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                table = self._queue.get_nowait()
            except queue.Empty:
                return
            try:
                self._expand(table)
            except Exception as problem:  # noqa: BLE001 - whatever it was concerns this table alone
                if not self._stop.is_set():
                    self.console.error(f"error '{describe(problem)}' in 'SET CLIENT_MIN_MESSAGES='ERROR''")
                self._failed.set()

    def _expand(self, table: Table) -> None:
        with contextlib.ExitStack() as stack:
            status = connect(self.environment, schema.DATABASE)
            stack.callback(status.close)
            data = connect(self.environment, table.dbname)
            stack.callback(data.close)
            execute(data, "SET client_min_messages = 'error'")
            if not scalar(data, "SELECT count(*) FROM pg_class WHERE oid = %s", (table.oid,)):
                self.console.info(f"{table.name} no longer exists in database {table.dbname}")
                self._mark(status, table, schema.NO_LONGER_EXISTS, None, schema.now())
                return
            started = schema.now()
            self._mark_started(status, data, table, started)
            self.console.info(f"Expanding {table.full_name}")
            with self._lock:
                self._running[table.oid] = data
            try:
                self._alter(data, table)
            except Exception as problem:  # noqa: BLE001 - the same
                self._forget(table)
                self._report_failure(table, problem)
                self._reset(status, table)
                if _segment_lost(problem):
                    # Greenplum's dispatcher asks FTS when it loses a segment, and goes on when FTS has looked.
                    execute(status, "SELECT gp_request_fts_probe_scan()")
                return
            self._forget(table)
            self.console.info(f"Finished expanding {table.full_name}")
            self._mark(status, table, schema.COMPLETED, started, schema.now())

    def _forget(self, table: Table) -> None:
        with self._lock:
            self._running.pop(table.oid, None)

    def _alter(self, data: Any, table: Table) -> None:
        statement = self._statement(data, table)
        if statement is not None:
            self.console.debug(f"Expand SQL: {statement}")
            try:
                execute(data, statement)
            except Exception as problem:
                problem.statement = statement  # type: ignore[attr-defined]
                raise
        if self.options.analyze:
            execute(data, f"ANALYZE {table.name}")

    def _statement(self, data: Any, table: Table) -> str | None:
        """The ALTER of a table; None for external leaves, which need none."""
        external = "EXTERNAL" if table.external_writable else ""
        if table.root is None:
            return f"ALTER {external} TABLE ONLY {table.name} EXPAND TABLE"
        if table.storage == "x":
            return None
        policy = scalar(data, "SELECT pg_get_table_distributedby(%s::oid)", (table.root,))
        return f"ALTER TABLE {table.name} SET WITH (REORGANIZE=true) {policy}"

    def _report_failure(self, table: Table, problem: Exception) -> None:
        if self._stop.is_set():
            self.console.info(f"ALTER TABLE of {table.full_name} canceled")
            return
        self._failed.set()
        statement = getattr(problem, "statement", f"ANALYZE {table.name}")
        self.console.error(f"Table {table.full_name} failed to expand: error '{describe(problem)}' in '{statement}'")

    def _mark_started(self, status: Any, data: Any, table: Table, started: datetime.datetime) -> None:
        if self.options.simple_progress:
            return
        size = 0
        if table.storage != "x":
            size = scalar(data, "SELECT pg_relation_size(%s::oid)", (table.oid,)) or 0
        self.console.debug(f" Table: {table.name} has {size} bytes")
        execute(
            status,
            "UPDATE gpexpand.status_detail SET status = 'IN PROGRESS', expansion_started = %s, source_bytes = %s"
            " WHERE dbname = %s AND table_oid = %s",
            (started, size, table.dbname, table.oid),
        )

    def _mark(
        self, status: Any, table: Table, word: str, started: datetime.datetime | None, ended: datetime.datetime
    ) -> None:
        execute(
            status,
            "UPDATE gpexpand.status_detail SET status = %s, expansion_started = %s, expansion_finished = %s"
            " WHERE dbname = %s AND table_oid = %s",
            (word, started, ended, table.dbname, table.oid),
        )

    def _reset(self, status: Any, table: Table) -> None:
        """With ``-S`` the row never became IN PROGRESS."""
        self.console.info(f"Resetting status_detail for {table.full_name}")
        execute(
            status,
            "UPDATE gpexpand.status_detail SET status = 'NOT STARTED', expansion_started = NULL,"
            " expansion_finished = NULL WHERE dbname = %s AND table_oid = %s",
            (table.dbname, table.oid),
        )


def _segment_lost(problem: Exception) -> bool:
    """Neither cancelled nor refused: the connection to a segment broke or could not be made."""
    code = getattr(problem, "pgcode", None) or ""
    return code.startswith(("08", "57P", "XX", "HV")) or code == ""


def _acting_primaries(connection: Any) -> list[int]:
    return [segment.dbid for segment in read_array(connection).primaries]
