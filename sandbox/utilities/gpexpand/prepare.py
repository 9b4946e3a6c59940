"""``gpexpand -i``: the preparation, from the checks of the input file to the new mirrors.

The order of steps, the stages noted in the status file and what a failure leaves behind are the real gpexpand's
(main, 6.24.3 lines 2572-2623). Up to UPDATE_CATALOG_DONE a failure is undone by ``gpexpand -r``; after it the only way
is forward, by running gpexpand again.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..console import Console
from ..database import connect, execute, read_array, rows, session
from ..environment import Environment, fault
from ..errors import ExpansionError
from ..segments import Array, Segment
from . import inputfile, schema
from .build import SegmentBuilder
from .checksums import check_heap_checksums
from .options import Options
from .packages import sync_packages
from .statusfile import POINT_OF_NO_RETURN, StatusFile
from .tablespaces import read_locations, user_tablespaces


@dataclass
class Preparation:
    """One run of the preparation.

    :param status: the status file, empty or, for a retry, past the point of no return
    """

    environment: Environment
    options: Options
    array: Array
    status: StatusFile
    console: Console
    _catalog_lock: Any = field(default=None, init=False)

    def run(self) -> None:
        """All steps for a cluster without an expansion."""
        path = str(self.options.input_file)
        check_heap_checksums(self.environment, self.array, self.console)
        new = inputfile.read(path, self.array)
        sync_packages(inputfile.new_hosts(self.array, new), self.console)
        self.reach("UNINITIALIZED")
        self.reach("EXPANSION_PREPARE_STARTED", Path(path).absolute())
        self._lock_catalog()
        self._build(path, new)
        self._update_catalog(new)
        self._unlock_catalog()
        self._finish()

    def retry(self) -> None:
        """Everything after the point of no return once more: schema, tables, mirrors."""
        with session(self.environment, schema.DATABASE) as connection:
            execute(connection, "DROP SCHEMA IF EXISTS gpexpand CASCADE")
        self.status.rewind(POINT_OF_NO_RETURN)
        self._finish()

    def reach(self, stage: str, value: object = None) -> None:
        """Note a stage, then let a fault strike that was set for it (``sandbox fault set gpexpand.<stage>``)."""
        self.status.write(stage, value)
        self.strike(stage)

    def strike(self, moment: str) -> None:
        """Let the fault strike that was set for a stage, or for the moment the real one has a fault point at, too."""
        wanted = fault(f"gpexpand.{moment}")
        if wanted == "fail":
            raise ExpansionError(f"Fault Injection gpexpand.{moment}")
        if wanted == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while wanted == "hang":
            time.sleep(0.2)
            wanted = fault(f"gpexpand.{moment}")

    def _lock_catalog(self) -> None:
        """Waits without limit for transactions that changed a catalog; the lock ends with this connection."""
        connection = connect(self.environment, schema.DATABASE, utility=True)
        self.console.info("Locking catalog")
        connection.autocommit = False
        execute(connection, "SELECT gp_expand_lock_catalog()")
        execute(connection, "CHECKPOINT")
        self._catalog_lock = connection
        self.console.info("Locked catalog")

    def _unlock_catalog(self) -> None:
        self.console.info("Unlocking catalog")
        self._catalog_lock.commit()
        self._catalog_lock.close()
        self._catalog_lock = None
        self.console.info("Unlocked catalog")

    def _build(self, path: str, new: list[Segment]) -> None:
        with session(self.environment, schema.DATABASE) as connection:
            tablespaces = user_tablespaces(connection)
        locations = read_locations(path, tablespaces)
        builder = SegmentBuilder(self.environment, self.options, self.array, new, tablespaces, locations, self.console)
        builder.check_hosts()
        self.reach("BUILD_SEGMENT_TEMPLATE_STARTED", builder.template)
        builder.build_template()
        self.reach("BUILD_SEGMENT_TEMPLATE_DONE")
        self.reach("BUILD_SEGMENTS_STARTED", builder.remote_tar)
        builder.distribute()
        builder.configure()
        self.reach("BUILD_SEGMENTS_DONE", len(new))
        self.console.info("Cleaning up temporary template files")
        builder.remove_template()
        self.console.info("Cleaning up databases in new segments.")
        builder.start_and_ask()

    def _update_catalog(self, new: list[Segment]) -> None:
        # The copy first: a rollback from this stage refuses without it.
        self.status.backup.write_text("".join(f"{s}\n" for s in self.array.segments), encoding="utf-8")
        self.reach("UPDATE_CATALOG_STARTED", self.status.backup)
        self.status.copy_to_standby(self.status.backup)
        with session(self.environment, schema.DATABASE, utility=True) as connection:
            connection.autocommit = False
            for segment in sorted(new, key=lambda s: (s.role == "m", s.dbid)):
                execute(
                    connection,
                    "SELECT gp_add_segment(%s::int2, %s::int2, %s, %s, 'n', %s, %s, %s, %s, %s)",
                    (
                        segment.dbid,
                        segment.content,
                        segment.role,
                        segment.role,
                        segment.status,
                        segment.port,
                        segment.hostname,
                        segment.address,
                        segment.datadir,
                    ),
                )
            connection.commit()
            connection.autocommit = True
            execute(connection, "CHECKPOINT")
        execute(self._catalog_lock, "SELECT gp_expand_bump_version()")
        self.strike("UPDATE_CATALOG_COMMITTED")
        self.reach(POINT_OF_NO_RETURN)

    def _finish(self) -> None:
        self._set_up_schema()
        self._list_tables()
        self.reach("EXPANSION_PREPARE_DONE")
        self.status.remove()
        self._sync_new_mirrors()

    def _set_up_schema(self) -> None:
        self.reach("SETUP_EXPANSION_SCHEMA_STARTED")
        self.console.info("Creating expansion schema")
        with session(self.environment, schema.DATABASE) as connection:
            connection.autocommit = False
            for statement in schema.TABLES:
                execute(connection, statement)
            execute(connection, schema.PROGRESS_SIMPLE if self.options.simple_progress else schema.PROGRESS)
            connection.commit()
        # The one fault point of the real utility that a recording uses (70), spelled as there.
        injected = "gpexpand retry after releaseing catalog lock fault injection"
        if os.environ.get("GPMGMT_FAULT_POINT") == injected:
            raise ExpansionError(f"Fault Injection {injected}")
        self.reach("SETUP_EXPANSION_SCHEMA_DONE")

    def _list_tables(self) -> None:
        self.reach("PREPARE_EXPANSION_SCHEMA_STARTED")
        # Written and read by the server: the working directory must be writable for the coordinator's postgres.
        data = Path.cwd() / "status_detail.dat"
        with session(self.environment, schema.DATABASE) as connection:
            schema.record(connection, schema.SETUP)
            for dbname in schema.databases(connection):
                self.console.info(f"Populating gpexpand.status_detail with data from database {dbname}")
                with session(self.environment, dbname) as source:
                    self._copy_listing(source, connection, data, leaves=False)
                    for _, root in rows(source, schema.ROOTS):
                        execute(source, f"ALTER TABLE {root} EXPAND PARTITION PREPARE")
                    self._copy_listing(source, connection, data, leaves=True)
            schema.record(connection, schema.SETUP_DONE)
        data.unlink(missing_ok=True)
        self.reach("PREPARE_EXPANSION_SCHEMA_DONE")

    def _copy_listing(self, source: Any, target: Any, data: Path, *, leaves: bool) -> None:
        listing = schema.listing(leaves=leaves, with_sizes=not self.options.simple_progress)
        self.console.debug(f"status_detail data file: {data}")
        execute(source, f"COPY ({listing}) TO '{data}'")
        execute(target, f"COPY gpexpand.status_detail FROM '{data}'")

    def _sync_new_mirrors(self) -> None:
        """``gprecoverseg -a -F`` over the whole cluster: it also brings back segments that are no business of ours."""
        with session(self.environment, schema.DATABASE) as connection:
            array = read_array(connection)
        if not array.mirrored:
            return
        self.console.info("Starting new mirror segment synchronization")
        from .mirrors import recover_mirrors

        recover_mirrors()
