"""FTS: notices dead primaries and mirrors, promotes, and writes what it sees into gp_segment_configuration.

As Greenplum's fault tolerance service does, in its words (recordings 65 and 77). While a mirror streams, commits on its
primary wait for it (synchronous_standby_names); once it is gone, they no longer do. So a promoted mirror has every row
that was committed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from . import settings
from .schema import backend_connection

log = logging.getLogger("fts")

INTERVAL = 1.0
PRIMARY_PATIENCE = 5.0  # a server whose backend crashed is back within that time
MIRROR_PATIENCE = 5.0
STANDBY_NAME = "gp_walreceiver"


@dataclass(frozen=True)
class Instance:
    """A row of gp_segment_configuration, as far as FTS is concerned."""

    dbid: int
    content: int
    role: str
    mode: str
    status: str
    port: int
    address: str


@dataclass
class Pair:
    """What FTS remembers of one content: since when something has been missing (time.monotonic)."""

    primary_missing: float | None = None
    mirror_missing: float | None = None


class Fts:
    """Probes all segments in rounds."""

    def __init__(self, datadir: Path) -> None:
        self.datadir = datadir
        self.runtime = settings.runtime_directory(datadir)
        self.pairs: dict[int, Pair] = {}
        self.connections: dict[tuple[str, int], Any] = {}
        self.catalog: Any = None
        self.untold = True  # whether databases may not know who is primary now

    def run(self, stopped: Callable[[], bool]) -> None:
        """Rounds until `stopped`; a file named ``probe`` in the runtime directory asks for one at once."""
        request = self.runtime / "probe"
        requested = False
        while not stopped():
            if request.exists():
                requested = True
                request.unlink(missing_ok=True)
            try:
                self.round()
            except psycopg2.Error as error:
                log.warning("round given up: %s", str(error).strip())
                self._forget_catalog()
            if requested and not self._undecided():
                self._note_round()
                requested = False
            # Who asked waits for a verdict, as Greenplum's own scan tries again before it returns.
            until = time.monotonic() + (INTERVAL / 5 if requested else INTERVAL)
            while time.monotonic() < until and not stopped() and not request.exists():
                time.sleep(0.05)

    def _undecided(self) -> bool:
        """Whether something is missing for so short a time that it may come back."""
        now = time.monotonic()
        return any(
            missing is not None and now - missing < patience + INTERVAL
            for pair in self.pairs.values()
            for missing, patience in (
                (pair.primary_missing, PRIMARY_PATIENCE),
                (pair.mirror_missing, MIRROR_PATIENCE),
            )
        )

    def _note_round(self) -> None:
        """For gp_request_fts_probe_scan, which may read at any moment: the file appears whole."""
        fresh = self.runtime / "probed.new"
        fresh.write_text(str(time.time()))
        fresh.replace(self.runtime / "probed")

    def round(self) -> None:
        """Probe every content once and write down what changed."""
        instances = self._read()
        for content in sorted({i.content for i in instances}):
            pair = [i for i in instances if i.content == content]
            primary = next((i for i in pair if i.role == "p"), None)
            mirror = next((i for i in pair if i.role == "m"), None)
            if primary is None:
                continue
            if content == -1:
                self._look_after_standby()
            else:
                self._probe(self.pairs.setdefault(content, Pair()), primary, mirror)
        if self.untold:
            self._tell_databases()

    def _probe(self, memory: Pair, primary: Instance, mirror: Instance | None) -> None:
        now = time.monotonic()
        try:
            streaming, synchronous = self._ask(primary)
            memory.primary_missing = None
        except psycopg2.Error as error:
            self._disconnect(primary)
            if memory.primary_missing is None:
                memory.primary_missing = now
                log.info("primary of content %d does not answer: %s", primary.content, str(error).strip())
            if now - memory.primary_missing >= PRIMARY_PATIENCE:
                self._fail_over(primary, mirror)
            return
        if mirror is None:
            return
        if streaming:
            memory.mirror_missing = None
            if not synchronous:
                self._set_synchronous(primary, True)
            if (primary.mode, mirror.mode, mirror.status) != ("s", "s", "u"):
                self._write((primary, "p", "u", "s"), (mirror, "m", "u", "s"))
        elif mirror.status == "u" or synchronous:
            memory.mirror_missing = memory.mirror_missing or now
            if now - memory.mirror_missing >= MIRROR_PATIENCE:
                self._set_synchronous(primary, False)
                if (primary.mode, mirror.mode, mirror.status) != ("n", "n", "d"):
                    self._write((primary, "p", "u", "n"), (mirror, "m", "d", "n"))

    def _fail_over(self, primary: Instance, mirror: Instance | None) -> None:
        if mirror is None or mirror.status != "u" or mirror.mode != "s":
            return  # a double fault: nobody left who has all rows
        log.warning("content %d: promoting dbid %d", primary.content, mirror.dbid)
        try:
            promoted = self._one(mirror, "select not pg_is_in_recovery() or pg_promote(true, 30)")[0]
            if not promoted:
                return
            self._set_synchronous(mirror, False)
        except psycopg2.Error as error:
            self._disconnect(mirror)
            log.warning("content %d: the mirror cannot be promoted: %s", primary.content, str(error).strip())
            return
        self._write((primary, "m", "d", "n"), (mirror, "p", "u", "n"))
        self.untold = True

    def _tell_databases(self) -> None:
        """Let the foreign servers of every database try the new primary first."""
        with self._catalog().cursor() as cursor:
            cursor.execute("select datname from pg_database where datallowconn and not datistemplate")
            databases = [row[0] for row in cursor.fetchall()]
        for database in databases:
            with closing(backend_connection(self.datadir, database)) as connection, connection.cursor() as cursor:
                cursor.execute("select pg_sandbox.follow_roles()")
        self.untold = False

    def _look_after_standby(self) -> None:
        """The coordinator's commits wait for its standby while that streams; the configuration does not tell."""
        connection = self._catalog()
        with connection.cursor() as cursor:
            cursor.execute(_STREAMING)
            streaming, synchronous = cursor.fetchone()
            memory = self.pairs.setdefault(-1, Pair())
            if streaming:
                memory.mirror_missing = None
            elif synchronous:
                memory.mirror_missing = memory.mirror_missing or time.monotonic()
            if streaming != synchronous and (
                streaming or time.monotonic() - (memory.mirror_missing or 0) >= MIRROR_PATIENCE
            ):
                _set_synchronous(cursor, streaming)

    def _read(self) -> list[Instance]:
        with self._catalog().cursor() as cursor:
            cursor.execute("select dbid, content, role, mode, status, port, address from gp_segment_configuration")
            return [Instance(*row) for row in cursor.fetchall()]

    def _write(self, *changes: tuple[Instance, str, str, str]) -> None:
        """New role, status and mode, each with its line in the history; all or nothing."""
        with self._catalog().cursor() as cursor:
            cursor.execute("begin")
            for instance, role, status, mode in changes:
                cursor.execute(
                    "update gp_segment_configuration set role = %s, status = %s, mode = %s where dbid = %s",
                    (role, status, mode, instance.dbid),
                )
                said = (
                    f"FTS: update role, status, and mode for dbid {instance.dbid} with contentid {instance.content} to"
                )
                cursor.execute(
                    "select pg_sandbox.note(%s, %s)", (instance.dbid, f"{said} {role}, {status}, and {mode}")
                )
            cursor.execute("commit")

    def _ask(self, primary: Instance) -> tuple[bool, bool]:
        """Whether a mirror streams from it, and whether its commits wait for one."""
        streaming, synchronous = self._one(primary, _STREAMING)
        return bool(streaming), bool(synchronous)

    def _set_synchronous(self, instance: Instance, on: bool) -> None:
        with self._connect(instance).cursor() as cursor:
            _set_synchronous(cursor, on)

    def _one(self, instance: Instance, sql: str) -> tuple[Any, ...]:
        with self._connect(instance).cursor() as cursor:
            cursor.execute(sql)
            return tuple(cursor.fetchone())

    def _connect(self, instance: Instance) -> Any:
        key = (instance.address, instance.port)
        if key not in self.connections:
            connection = psycopg2.connect(
                host=instance.address, port=instance.port, dbname="postgres", user=settings.SUPERUSER,
                connect_timeout=3, tcp_user_timeout=3000, application_name="fts",
                options="-c statement_timeout=35s -c synchronous_commit=local",
            )  # fmt: skip
            connection.autocommit = True
            self.connections[key] = connection
        return self.connections[key]

    def _disconnect(self, instance: Instance) -> None:
        connection = self.connections.pop((instance.address, instance.port), None)
        if connection is not None:
            connection.close()

    def _catalog(self) -> Any:
        if self.catalog is None:
            self.catalog = backend_connection(self.datadir, "postgres")
            with self.catalog.cursor() as cursor:
                cursor.execute("set application_name = 'sandbox fts'")
        return self.catalog

    def _forget_catalog(self) -> None:
        if self.catalog is not None:
            self.catalog.close()
            self.catalog = None


_STREAMING = (
    "select exists (select from pg_stat_replication where application_name = 'gp_walreceiver' and state = 'streaming'),"
    " current_setting('synchronous_standby_names') <> ''"
)


def _set_synchronous(cursor: Any, on: bool) -> None:
    cursor.execute("alter system set synchronous_standby_names = %s", (STANDBY_NAME if on else "",))
    cursor.execute("select pg_reload_conf()")
