"""What the direct engine writes down: in gpexpand's own list, so that gpexpand, gpstate -x and the views stay right,
and in the history, which knows more states and outlives ``gpexpand -c``."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.moves import Move
from greenplum_expansion.redistribution.direct.session import Attempt, Outcome

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Described:
    """How a table is stored, and the name of the root it is a leaf partition of (None: it is none)."""

    move: Move
    root_name: str | None


class ExpansionBooks:
    """Writes for one expansion, over one session of its own that is opened again when it was lost.

    Losing the books for a while stops no move: what could not be written is kept and written with what comes next, and
    what never is written is found by the reconciliation. Each statement is a transaction of its own and waits for one
    table only, so it can wait for the move of the history itself, and never for each other.
    """

    def __init__(self, hook: GreenplumHook, expansion_id: str) -> None:
        self._hook = hook
        self._expansion_id = expansion_id
        self._connection: Any = None
        self._failures: dict[tuple[str, int], int] = {}  # not yet written
        self._owed: dict[tuple[str, int], tuple[Any, ...]] = {}
        self.families: Mapping[tuple[str, int], Sequence[Move]] = {}
        """What is recorded along with a move, as it moves with it."""

    def describe(self, dbname: str, tables: Sequence[Described]) -> None:
        """How tables of one database are stored; told once each, at the first time.

        :raises RemoteError: the books cannot be written
        """
        if tables:
            given = {
                "expansion_id": self._expansion_id,
                "dbname": dbname,
                "oids": [table.move.table_oid for table in tables],
                "storages": [table.move.storage.value for table in tables],
                "bytes": [table.move.bytes for table in tables],
                "index_bytes": [table.move.index_bytes for table in tables],
                "roots": [table.root_name for table in tables],
            }
            self._hook.query("describe_history", given, connection=self.session())

    def begin(self, moves: Sequence[Move]) -> None:
        """These are under way."""
        for move in moves:
            self._owe(move, "IN PROGRESS", "IN PROGRESS", time.time(), None, None)
        self._pay()

    def record(self, attempts: Sequence[Attempt], given_up: Sequence[Attempt]) -> None:
        """These have ended; the ones given up are not tried again in this run."""
        lost = {attempt.move.key for attempt in given_up}
        for attempt in attempts:
            move, ended = attempt.move, attempt.began + attempt.seconds
            if attempt.outcome is Outcome.MOVED:
                self._owe(move, "COMPLETED", "COMPLETED", attempt.began, ended, None)
            elif attempt.outcome is Outcome.GONE:
                self._owe(move, "NO LONGER EXISTS", "COMPLETED", None, ended, "no longer exists")
            elif attempt.outcome is Outcome.CANCELLED:
                self._owe(move, "NOT STARTED", "PENDING", None, None, None)
            elif attempt.outcome is Outcome.UNREACHABLE:
                self._owe(move, "NOT STARTED", "PENDING", None, None, attempt.error)
            else:
                self._failures[move.key] = self._failures.get(move.key, 0) + 1
                # gpexpand knows no failure: to it such a table is one that was not moved yet.
                if move.key in lost:
                    self._owe(move, "NOT STARTED", "FAILED", attempt.began, ended, attempt.error)
                else:
                    self._owe(move, "NOT STARTED", "RETRYING", attempt.began, None, attempt.error)
        self._pay()

    def settle(self) -> None:
        """Write what is owed, if that is possible."""
        self._pay()

    def close(self) -> None:
        """Write what is owed, if that is possible, and end the session."""
        self.settle()
        if self._owed:
            log.warning("%d tables could not be written down; the next run finds out about them", len(self._owed))
        if self._connection is not None:
            self._connection.close()

    def _owe(
        self, move: Move, plain: str, full: str, began: float | None, ended: float | None, error: str | None
    ) -> None:
        for member in (move, *self.families.get(move.key, ())):
            self._owed[member.key] = (plain, full, began, ended, self._failures.get(move.key, 0), error)

    def _pay(self) -> None:
        if not self._owed:
            return
        keys, rows = list(self._owed), list(self._owed.values())
        plain, full, began, ended, failures, errors = map(list, zip(*rows, strict=True))
        wanted = {"dbnames": [dbname for dbname, _ in keys], "oids": [oid for _, oid in keys]}
        # gpexpand's rows of what was not moved have no times.
        kept = [status != "NOT STARTED" for status in plain]
        times = {
            "began": [moment if keep else None for moment, keep in zip(began, kept, strict=True)],
            "ended": [moment if keep else None for moment, keep in zip(ended, kept, strict=True)],
        }
        try:
            connection = self.session()
            self._hook.query("update_books", {**wanted, **times, "statuses": plain}, connection=connection)
            self._hook.query(
                "update_history",
                {
                    **wanted,
                    "expansion_id": self._expansion_id,
                    "statuses": full,
                    "began": began,
                    "ended": ended,
                    "failures": failures,
                    "errors": errors,
                },
                connection=connection,
            )
        except RemoteError as error:
            log.warning("The books could not be written, which is tried again: %s", error.cause)
            return
        self._owed, self._failures = {}, {}

    def session(self) -> Any:
        """The session of the books, for what else is asked of gpexpand's list: each new one costs a session everywhere.

        :raises RemoteError: the cluster does not answer
        """
        if self._connection is None or self._connection.closed:
            self._connection = self._hook.connect(
                SCHEMA_DATABASE, application_name="greenplum_expansion books", options={"lock_timeout": "10s"}
            )
        return self._connection
