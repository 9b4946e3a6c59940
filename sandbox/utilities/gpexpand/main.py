"""gpexpand itself: what is found decides what runs.

==========================  =====================================  ==============================================
status file                 newest row of gpexpand.status          what happens
==========================  =====================================  ==============================================
none                        no schema                              interview, or with ``-i`` the preparation
before UPDATE_CATALOG_DONE  (not read)                             refusal with exit code 0; ``-r`` undoes it
from UPDATE_CATALOG_DONE    (not read)                             the rest of the preparation again; no rollback
none                        schema without a row                   failure: a person must drop the schema
none                        SETUP DONE, EXPANSION STOPPED          redistribution, even for ``gpexpand -i file``
none                        EXPANSION STARTED                      the same, after a word about the crash
none                        EXPANSION COMPLETE                     a word, exit code 0
==========================  =====================================  ==============================================
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ..console import Console
from ..environment import Environment, read_environment
from ..errors import UserAborted, UtilityError, ValidationError
from ..segments import Array
from ..version import LOCAL
from . import options as command_line
from .options import Options
from .statusfile import StatusFile

PID_FILE = "gpexpand.pid"


class Gpexpand:
    """One run, from the pid file to its removal."""

    def __init__(self, options: Options, environment: Environment, console: Console) -> None:
        self.options = options
        self.environment = environment
        self.console = console
        self.status = StatusFile(environment.data_directory)
        self.redistribution: Any = None

    @property
    def pid_file(self) -> Path:
        """Tells other runs that this one is alive."""
        return self.environment.data_directory / PID_FILE

    def is_running(self) -> bool:
        """A pid file is stale when its process is gone; when the pid was reused it counts, as in the real one."""
        try:
            pid = int(self.pid_file.read_text(encoding="utf-8").split(":")[0])
            os.kill(pid, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return False
        except PermissionError:
            pass
        return pid != os.getpid()

    def run(self) -> None:
        """Look, then act. Returns for exit code 0."""
        from .. import database

        self.console.info(f"local Greenplum Version: '{LOCAL}'")
        array = self._read_catalog()
        self.status.standby = array.standby
        if self.status.read():
            self._with_status_file(array)
            return
        self.console.info("Querying gpexpand schema for current expansion state")
        from . import schema

        with database.session(self.environment, schema.DATABASE) as connection:
            status = schema.last_status(connection) if schema.exists(connection) else None
            if status is None and schema.exists(connection):
                raise UtilityError(
                    "Existing expansion state could not be determined, but a gpexpand schema already exists."
                    " Cannot proceed."
                )
            if self.options.rollback:
                self._refuse_rollback(status)
            if self.options.clean and status is not None:
                from .cleanup import clean_up

                clean_up(self.environment, connection, status, self.console)
                return
            self._check_connections(connection)
            if not array.balanced and status is None and self.options.input_file:
                self.console.warning("One or more segments are either down or not in preferred role.")
            self._by_database_status(status, array, connection)
        self.console.info("Exiting...")

    def _read_catalog(self) -> Array:
        import psycopg2

        from .. import database

        try:
            with database.session(self.environment, "template1", utility=True) as connection:
                self.console.info(f"master Greenplum Version: '{database.server_version(connection)}'")
                return database.read_array(connection)
        except psycopg2.OperationalError:
            self.console.error("Failed to connect to database.  Make sure the")
            self.console.error("Greenplum instance you wish to expand is running")
            self.console.error("and that your environment is correct, then rerun")
            self.console.error("gexpand " + " ".join(sys.argv[1:]))  # so spelled by the real one
            raise SystemExit(1) from None

    def _with_status_file(self, array: Array) -> None:
        if self.options.rollback:
            if self.status.cannot_roll_back:
                self.console.error("Catalog has been changed, the cluster can not rollback.")
                raise SystemExit(1)
            from .rollback import roll_back

            roll_back(self.environment, self.status, self.console)
            return
        if self.status.cannot_roll_back:
            self.console.warning("The last gpexpand setup did not complete successfully.")
            self.console.warning("But you can not rollback to the original state, for new segments have been online.")
            self.console.warning("So retry the failing work again in gpexpand setup.")
            from .prepare import Preparation

            Preparation(self.environment, self.options, array, self.status, self.console).retry()
            self._say_prepared()
        else:
            self.console.error("The last gpexpand setup did not complete successfully.")
            self.console.error("Please run gpexpand -r to rollback to the original state.")
        self.console.info("Exiting...")

    def _refuse_rollback(self, status: str | None) -> NoReturn:
        if status is None:
            self.console.error("There is no partially completed setup to rollback.")
        else:
            self.console.error("A previous expansion is either in progress or has")
            self.console.error("completed.  Since the setup portion of the expansion")
            self.console.error("has finished successfully there is nothing to rollback.")
        raise SystemExit(1)

    def _check_connections(self, connection: Any) -> None:
        """Two connections for each worker and one for the run. Too few is an error that exits with 0."""
        from ..database import scalar

        allowed = int(scalar(connection, "SHOW max_connections"))
        needed = 2 * self.options.parallel + 1
        if allowed < needed:
            raise ValidationError(
                f"-n argument ({self.options.parallel}) given would require {needed} connections but "
                f"max_connections is {allowed}"
            )

    def _by_database_status(self, status: str | None, array: Array, connection: Any) -> None:
        from . import schema

        if status is None:
            self._begin(array, connection)
        elif status == schema.COMPLETE:
            self.console.info("Expansion has already completed.")
            self.console.info("If you want to expand again, run gpexpand -c to remove")
            self.console.info("the gpexpand schema and begin a new expansion")
        else:
            if status == schema.STARTED:
                self.console.info("It appears the last run of gpexpand did not exit cleanly.")
                self.console.info("Resuming the expansion process...")
            from .redistribute import Redistribution

            self.redistribution = Redistribution(self.environment, self.options, self.console, connection)
            self.redistribution.run()

    def _begin(self, array: Array, connection: Any) -> None:
        if self.options.input_file is None:
            from .interview import interview
            from .tablespaces import user_tablespaces

            interview(array, self.options.hosts_file, self.console, user_tablespaces(connection))
            return
        from .prepare import Preparation

        Preparation(self.environment, self.options, array, self.status, self.console).run()
        self._say_prepared()

    def _say_prepared(self) -> None:
        self.console.info("*" * 48)
        self.console.info("Initialization of the system expansion complete.")
        self.console.info("To begin table expansion onto the new segments")
        self.console.info("rerun gpexpand")
        self.console.info("*" * 48)

    def shut_down(self) -> None:
        """Leave things so that a later run knows where it is: nothing to do but for a redistribution."""
        self.console.info("Shutting down gpexpand...")
        if self.redistribution is not None:
            # A server that has gone cannot be told; the newest status then stays EXPANSION STARTED.
            with contextlib.suppress(Exception):
                self.redistribution.shut_down()

    def explain_failure(self) -> None:
        """What a person can do now."""
        if self.status.stage is None:
            return
        if self.status.cannot_roll_back:
            self.console.error(
                "gpexpand is past the point of rollback. Any remaining issues must be addressed outside of gpexpand."
            )
        else:
            self.console.error("Please run 'gpexpand -r' to rollback to the original state.")


def main(arguments: list[str] | None = None) -> int:
    """The command: exit code 0 also after refusals and failed tables, 1 interrupted or refused, 3 failed."""
    options = command_line.parse(sys.argv[1:] if arguments is None else arguments)
    console = Console("gpexpand", verbose=options.verbose)
    try:
        environment = read_environment()
    except UtilityError as problem:
        console.error(f"gpexpand failed: {problem} \n\nExiting...")
        return 3
    program = Gpexpand(options, environment, console)
    if program.is_running():
        console.error("gpexpand is already running.  Only one instance")
        console.error("of gpexpand is allowed at a time.")
        return 1
    program.pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
    _handle_signals(program)
    try:
        return _run(program)
    finally:
        program.pid_file.unlink(missing_ok=True)


def _run(program: Gpexpand) -> int:
    console = program.console
    try:
        program.run()
        return 0
    except UserAborted:
        console.info("User Aborted. Exiting...")
        return 0
    except ValidationError as problem:
        console.info(str(problem))
        return 0
    except KeyboardInterrupt:
        # A second Ctrl-C must not interrupt the clean-up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        program.shut_down()
        sys.stderr.write("\nUser Interrupted\n")
        return 1
    except SystemExit:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever it is becomes exit code 3 and a line
        console.error(f"gpexpand failed: {problem} \n\nExiting...")
        program.explain_failure()
        program.shut_down()
        return 3


def _handle_signals(program: Gpexpand) -> None:
    """SIGTERM and SIGHUP: shut down, then die of the signal. The pid file stays behind, as it does in the real one."""

    def end(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        program.shut_down()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    # SIGINT stays as Python found it: a job that a shell started with '&' ignores it, the real gpexpand's, too.
