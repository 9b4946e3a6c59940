"""One standing session that moves tables, and what its failures mean."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import psycopg2
from psycopg2 import errorcodes
from psycopg2 import sql as composed

from greenplum_expansion import sql
from greenplum_expansion.cluster.flavors import sql_variant
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.planning.moves import Move

log = logging.getLogger(__name__)

Connect = Callable[[str], Any]
"""Opens a connection to a database, in autocommit."""


class Kind(StrEnum):
    """Which statement moves it."""

    TABLE = "move_table"
    LEAF = "move_leaf"
    EXTERNAL = "move_external_table"


@dataclass(frozen=True, slots=True)
class Target:
    """How a move is said in SQL: names as the catalog has them now, not as when gpexpand listed them.

    :param table_oid: what must bear that name when it is moved; 0: whatever does
    """

    kind: Kind
    schema_name: str
    table_name: str
    distributed_by: str = ""
    table_oid: int = 0


class Outcome(StrEnum):
    """What an attempt came to."""

    MOVED = "moved"
    CANCELLED = "cancelled"
    LOCKED = "locked"
    """Somebody else held the table for longer than we wait; nothing was lost."""
    GONE = "gone"
    """There is no such table any more."""
    LOST = "lost"
    """The session ended in the middle: it may have moved or not."""
    UNREACHABLE = "unreachable"
    """No session could be opened; nothing was tried."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One move tried: when it began (seconds since 1970), how long it took, what came of it."""

    move: Move
    began: float
    seconds: float
    outcome: Outcome
    error: str = ""


_MEANING = {
    errorcodes.QUERY_CANCELED: Outcome.CANCELLED,
    errorcodes.LOCK_NOT_AVAILABLE: Outcome.LOCKED,
    errorcodes.DEADLOCK_DETECTED: Outcome.LOCKED,
}
_NOT_THERE = (errorcodes.UNDEFINED_TABLE, errorcodes.INVALID_SCHEMA_NAME)
# The state of this error is that of any wrong use; only its words tell it (Greenplum 6 and 7, tablecmds.c).
_ALREADY = "has already been expanded"


class _Elsewhere(Exception):
    """Another table bears the name by now."""


class MoverSession:
    """Moves tables one after another over one connection, which it opens again when it was lost.

    Used by one thread, but for `cancel`.

    :param connect: opens a session to a database, with its settings
    :param targets: how each move is said; corrected where a table was renamed
    :param analyze: gather statistics of each table after its move
    """

    def __init__(
        self, connect: Connect, targets: MutableMapping[tuple[str, int], Target], *, analyze: bool = False
    ) -> None:
        self._connect = connect
        self._targets = targets
        self._analyze = analyze
        self._connection: Any = None
        # A signal may interrupt the very thread that is cancelling, and cancel, too.
        self._guard = threading.RLock()
        self._stopped = False

    def run(self, moves: Sequence[Move]) -> list[Attempt]:
        """Move these tables of one database; several share a transaction, and are tried one by one if it fails."""
        attempts = self._together(moves) if len(moves) > 1 else None
        if attempts is None:
            attempts = [self._alone(move) for move in moves]
        if self._analyze:
            self._gather_statistics([attempt.move for attempt in attempts if attempt.outcome is Outcome.MOVED])
        return attempts

    def cancel(self) -> None:
        """Cancel what it does at this moment, in the server, and let it begin nothing more. From another thread."""
        with self._guard:
            self._stopped = True
            if self._connection is not None and not self._connection.closed:
                try:
                    self._connection.cancel()
                except psycopg2.Error as error:
                    log.warning("A move could not be cancelled: %s", str(error).strip())

    def close(self) -> None:
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _alone(self, move: Move) -> Attempt:
        began = time.time()
        try:
            connection = self._open(move.dbname)
        except RemoteError as error:
            gone = f'database "{move.dbname}" does not exist' in str(error.__cause__ or error)
            outcome = Outcome.GONE if gone else Outcome.UNREACHABLE
            return Attempt(move, began, time.time() - began, outcome, error.cause)
        if connection is None:
            return Attempt(move, began, 0.0, Outcome.CANCELLED, "its window was over")
        try:
            if not self._execute_by_oid(connection, move):
                return Attempt(move, began, time.time() - began, Outcome.GONE)
        except psycopg2.Error as error:
            return _failed(move, self._targets[move.key], began, error, lost=bool(connection.closed))
        except _Elsewhere as error:
            return Attempt(move, began, time.time() - began, Outcome.FAILED, str(error))
        return Attempt(move, began, time.time() - began, Outcome.MOVED)

    def _together(self, moves: Sequence[Move]) -> list[Attempt] | None:
        """All in one transaction; None if that failed: then none has moved."""
        began, marks = time.time(), []
        try:
            connection = self._open(moves[0].dbname)
            if connection is None:
                return None
            connection.autocommit = False
            with connection.cursor() as cursor:
                cursor.execute(sql.load("no_patience"))  # whoever waits keeps the others' tables locked
            for move in moves:
                self._execute(connection, move)
                marks.append(time.time())
            connection.commit()
        except (psycopg2.Error, RemoteError, _Elsewhere) as error:
            log.info("%d tables in one transaction failed (%s); each is tried by itself", len(moves), _words(error))
            return None
        finally:
            self._end_transaction()
        commit = (time.time() - marks[-1]) / len(moves)  # each has its share
        return [
            Attempt(move, start, end - start + commit, Outcome.MOVED)
            for move, start, end in zip(moves, [began, *marks], marks, strict=False)
        ]

    def _gather_statistics(self, moves: Sequence[Move]) -> None:
        """Each by itself; what fails is only said, as the table has moved."""
        for move in moves:
            try:
                connection = self._open(move.dbname)
                if connection is None:
                    return
                with connection.cursor() as cursor:
                    cursor.execute(composed.SQL(sql.load("analyze_table")).format(table=self._name(move)))
            except (psycopg2.Error, RemoteError) as error:
                log.warning("No statistics of %s.%s: %s", move.dbname, move.fq_name, _words(error))

    def _end_transaction(self) -> None:
        connection = self._connection
        if connection is None or connection.closed:
            return
        try:
            connection.rollback()
            connection.autocommit = True
        except psycopg2.Error:
            self.close()

    def _open(self, dbname: str) -> Any:
        """The connection to this database; None if the session was told to stop; :raises RemoteError: there is none."""
        with self._guard:
            if self._stopped:
                return None
            known = self._connection
        if known is not None and not known.closed and known.info.dbname == dbname:
            return known
        self.close()
        opened = self._connect(dbname)
        with self._guard:
            self._connection = opened
            # Told to stop while it was opened: what is not begun needs no cancelling.
            return None if self._is_told_to_stop() else opened

    def _is_told_to_stop(self) -> bool:
        return self._stopped

    def _execute_by_oid(self, connection: Any, move: Move) -> bool:
        """Move the table whatever it is called by now; False: it is gone."""
        try:
            self._execute(connection, move)
        except (_Elsewhere, psycopg2.Error) as error:
            if not _may_be_renamed(error):
                raise
            with connection.cursor() as cursor:
                cursor.execute(sql.load("table_place"), {"oid": move.table_oid})
                row = cursor.fetchone()
            if row is None:
                return False
            target = self._targets[move.key]
            if row == (target.schema_name, target.table_name):
                raise
        else:
            return True
        log.info("%s.%s is called %s.%s now", move.dbname, move.fq_name, *row)
        self._targets[move.key] = replace(self._targets[move.key], schema_name=row[0], table_name=row[1])
        self._execute(connection, move)
        return True

    def _execute(self, connection: Any, move: Move) -> None:
        """:raises _Elsewhere: the name is another table's; in autocommit that one has moved, which is no loss"""
        target = self._targets[move.key]
        statement = composed.SQL(sql.load(target.kind.value, sql_variant(connection.info.server_version))).format(
            table=self._name(move),
            distributed_by=composed.SQL(target.distributed_by),  # the server's own words, quoted by it
        )
        check = composed.SQL(sql.load("table_oid")).format(
            schema=composed.Literal(target.schema_name), table=composed.Literal(target.table_name)
        )
        with connection.cursor() as cursor:
            # One round trip. The table is still locked when it is looked at, so the answer is of what was moved.
            cursor.execute(statement + composed.SQL(";\n") + check)
            row = cursor.fetchone()
        if target.table_oid and (row is None or row[0] != target.table_oid):
            raise _Elsewhere(f"{target.schema_name}.{target.table_name} is another table by now")

    def _name(self, move: Move) -> composed.Identifier:
        target = self._targets[move.key]
        return composed.Identifier(target.schema_name, target.table_name)


def _may_be_renamed(error: Exception) -> bool:
    """The name is nobody's, or another table's, which may have been expanded."""
    return isinstance(error, _Elsewhere) or getattr(error, "pgcode", None) in _NOT_THERE or _ALREADY in str(error)


def _failed(move: Move, target: Target, began: float, error: psycopg2.Error, *, lost: bool) -> Attempt:
    seconds = time.time() - began
    words = str(error)
    # Of a family it may be a child that has been expanded, and then the parent has not.
    if _ALREADY in words and f'"{target.table_name}"' in words:
        return Attempt(move, began, seconds, Outcome.MOVED, "it had been moved before")
    if lost:
        return Attempt(move, began, seconds, Outcome.LOST, _words(error))
    meaning = _MEANING.get(error.pgcode or "", Outcome.FAILED)
    return Attempt(move, began, seconds, meaning, _words(error))


def _words(error: Exception) -> str:
    """The server's message on one line, without its prefix."""
    lines = (line.strip() for line in str(error).removeprefix("ERROR:").splitlines())
    return "; ".join(line for line in lines if line)
