"""One standing session that moves tables, and what its failures mean."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    """How a move is said in SQL: names as the catalog has them now, not as when gpexpand listed them."""

    kind: Kind
    schema_name: str
    table_name: str
    distributed_by: str = ""


class Outcome(StrEnum):
    """What an attempt came to."""

    MOVED = "moved"
    CANCELLED = "cancelled"
    LOCKED = "locked"
    """Somebody else held the table for longer than we wait; nothing was lost."""
    GONE = "gone"
    """No such table, or by another name."""
    LOST = "lost"
    """The session ended in the middle: it may have moved or not."""
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
    errorcodes.UNDEFINED_TABLE: Outcome.GONE,
    errorcodes.INVALID_SCHEMA_NAME: Outcome.GONE,
}
# The state of this error is that of any wrong use; only its words tell it (Greenplum 6 and 7, tablecmds.c).
_ALREADY = "has already been expanded"


class MoverSession:
    """Moves tables one after another over one connection, which it opens again when it was lost.

    Used by one thread, but for `cancel`.

    :param connect: opens a session to a database, with its settings
    :param targets: how each move is said
    """

    def __init__(self, connect: Connect, targets: Mapping[tuple[str, int], Target]) -> None:
        self._connect = connect
        self._targets = targets
        self._connection: Any = None
        self._guard = threading.Lock()
        self._stopped = False

    def run(self, moves: Sequence[Move]) -> list[Attempt]:
        """Move these tables of one database; several share a transaction, and are tried one by one if it fails."""
        if len(moves) > 1:
            attempts = self._together(moves)
            if attempts is not None:
                return attempts
        return [self._alone(move) for move in moves]

    def cancel(self) -> None:
        """Cancel what it does at this moment, in the server, and let it begin nothing more. From another thread."""
        with self._guard:
            self._stopped = True
            if self._connection is not None and not self._connection.closed:
                try:
                    self._connection.cancel()
                except psycopg2.Error as error:
                    log.warning("A move could not be cancelled: %s", str(error).strip())

    def resume(self) -> None:
        """It may begin moves again."""
        with self._guard:
            self._stopped = False

    def close(self) -> None:
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _alone(self, move: Move) -> Attempt:
        began = time.time()
        try:
            connection = self._open(move.dbname)
            if connection is None:
                return Attempt(move, began, 0.0, Outcome.CANCELLED, "its window was over")
            self._execute(connection, move)
        except (psycopg2.Error, RemoteError) as error:
            return _failed(move, began, error, lost=self._connection is None or bool(self._connection.closed))
        return Attempt(move, began, time.time() - began, Outcome.MOVED)

    def _together(self, moves: Sequence[Move]) -> list[Attempt] | None:
        """All in one transaction; None if that failed: then none has moved."""
        attempts = []
        try:
            connection = self._open(moves[0].dbname)
            if connection is None:
                return None
            connection.autocommit = False
            for move in moves:
                began = time.time()
                self._execute(connection, move)
                attempts.append(Attempt(move, began, time.time() - began, Outcome.MOVED))
            connection.commit()
        except (psycopg2.Error, RemoteError) as error:
            log.info("%d tables in one transaction failed (%s); each is tried by itself", len(moves), _words(error))
            return None
        finally:
            self._end_transaction()
        return attempts

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
        """The connection to this database; None if the session was told to stop."""
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
        return opened

    def _execute(self, connection: Any, move: Move) -> None:
        target = self._targets[move.key]
        statement = composed.SQL(sql.load(target.kind.value, sql_variant(connection.info.server_version))).format(
            table=composed.Identifier(target.schema_name, target.table_name),
            distributed_by=composed.SQL(target.distributed_by),  # the server's own words, quoted by it
        )
        with connection.cursor() as cursor:
            cursor.execute(statement)


def _failed(move: Move, began: float, error: Exception, *, lost: bool) -> Attempt:
    seconds = time.time() - began
    if _ALREADY in str(error):
        return Attempt(move, began, seconds, Outcome.MOVED, "it had been moved before")
    if lost:
        return Attempt(move, began, seconds, Outcome.LOST, _words(error))
    meaning = _MEANING.get(getattr(error, "pgcode", None) or "", Outcome.FAILED)
    return Attempt(move, began, seconds, meaning, _words(error))


def _words(error: Exception) -> str:
    """The server's message on one line, without its prefix."""
    lines = (line.strip() for line in str(error).removeprefix("ERROR:").splitlines())
    return "; ".join(line for line in lines if line)
