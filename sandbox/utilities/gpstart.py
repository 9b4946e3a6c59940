"""gpstart: the whole cluster, the coordinator alone (``-m``), restricted to superusers (``-R``)."""

from __future__ import annotations

import hashlib
import optparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .console import Console, ask_yes_no, say
from .database import read_array, session
from .environment import Environment, read_environment
from .instances import INTERPRETER, instance
from .program import Failure, Parser, run
from .remote import Result, in_parallel
from .remote import run as run_here
from .segments import Array, Segment
from .version import CATALOG_VERSION, LOCAL

RULE = "-" * 52


@dataclass
class Start:
    """One run of gpstart."""

    environment: Environment
    options: optparse.Values
    console: Console

    @property
    def datadir(self) -> Path:
        """The coordinator's data directory: all that is known before it runs."""
        return self.environment.data_directory

    def run(self) -> int:
        """Exit codes: 0 started, 1 some segment did not start, 2 not started."""
        console, restricted = self.console, self.options.restricted
        console.info("Gathering information and validating the environment...")
        console.info(f"Greenplum Binary Version: '{LOCAL}'")
        console.info(f"Greenplum Catalog Version: '{CATALOG_VERSION}'")
        if self.options.coordinator_only:
            self._warn_of_split_brain()
        self._refuse_if_running()
        # A half-made expansion must be rolled back first; -R lets a person in to do that.
        if (self.datadir / "gpexpand.status").exists() and not restricted:
            raise Failure("Found a System Expansion Setup in progress. Please run 'gpexpand --rollback'")
        mode = " in admin and RESTRICTED mode" if restricted else " in admin mode"
        console.info(f"Starting Master instance{mode}")
        self._coordinator("start", "--mode", "utility")
        console.info("Obtaining Greenplum Master catalog information")
        console.info("Obtaining Segment details from master...")
        with session(self.environment, "template1", utility=True) as connection:
            array = read_array(connection)
        console.info("Setting new master era")
        _new_era(self.datadir)
        console.info("Master Started...")
        if self.options.coordinator_only:
            return 0
        return self._start_cluster(array)

    def _warn_of_split_brain(self) -> None:
        for text in (
            "*" * 76,
            "Master-only start requested. If a standby master is configured, this command",
            "may lead to a split-brain condition and possible unrecoverable data loss.",
            "Maintenance mode should only be used with direction from Greenplum Support.",
            "*" * 76,
        ):
            self.console.warning(text)
        if not self.options.no_prompt and not ask_yes_no("\nContinue with master-only startup", "N"):
            raise Failure("User canceled")

    def _refuse_if_running(self) -> None:
        if not (self.datadir / "postmaster.pid").exists():
            return
        self.console.warning("postmaster.pid file exists on Master, checking if recovery startup required")
        self.console.info("Commencing recovery startup checks")
        status = run_here([INTERPRETER, "-m", "sandbox.database.instance", "status", "--datadir", str(self.datadir)])
        if status.code == 0:
            port = self.environment.port
            self.console.info(f"Have lock file /tmp/.s.PGSQL.{port} and a process running on port {port}")
            raise Failure("Master instance process running")
        self.console.info("No socket connection or lock file in /tmp found for port=" + str(self.environment.port))
        self.console.info("Removing old postmaster.pid file")
        (self.datadir / "postmaster.pid").unlink(missing_ok=True)

    def _coordinator(self, action: str, *arguments: str) -> None:
        words = [INTERPRETER, "-m", "sandbox.database.instance", action, "--datadir", str(self.datadir), *arguments]
        result = run_here(words)
        if result.code != 0:
            raise Failure(result.stderr.strip())

    def _start_cluster(self, array: Array) -> int:
        console = self.console
        if not self.options.no_prompt and not self._confirmed(array):
            self._coordinator("stop", "--mode", "fast")
            raise Failure("User canceled")
        console.info("Shutting down master")
        self._coordinator("stop", "--mode", "fast")
        up = [s for s in array.segment_instances if s.is_up]
        skipped = len(array.segment_instances) - len(up)
        if skipped:
            for segment in (s for s in array.segment_instances if not s.is_up):
                console.warning(
                    f"Skipping startup of segment marked down in configuration: on {segment.hostname}"
                    f" directory {segment.datadir} <<<<<"
                )
        console.info("Commencing parallel primary and mirror segment instance startup, please wait...")
        # Primaries first: a mirror that starts before its primary only waits for it.
        up.sort(key=lambda s: s.role != "p")
        results = in_parallel(lambda s: instance(self.environment, s, "start"), up, self.options.batch)
        say(".")
        failed = self._report(up, results, skipped)
        restricted = " in RESTRICTED mode" if self.options.restricted else " "
        coordinator = array.coordinator
        console.info(f"Starting Master instance {coordinator.hostname} directory {coordinator.datadir}{restricted}")
        self._coordinator("start", *(("--mode", "restricted") if self.options.restricted else ()))
        console.info(f"Command pg_ctl reports Master {coordinator.hostname} instance active")
        console.info("Connecting to dbname='template1' connect_timeout=15")
        self._start_standby(array.standby)
        if failed:
            console.warning("Number of segments which failed to start:  " + str(failed))
        console.info("Database successfully started")
        return 1 if failed else 0

    def _confirmed(self, array: Array) -> bool:
        show = self.console.info
        show("-" * 26)
        show("Master instance parameters")
        show("-" * 26)
        show("Database                 = template1")
        show(f"Master Port              = {array.coordinator.port}")
        show(f"Master directory         = {array.coordinator.datadir}")
        show("Timeout                  = 600 seconds")
        show(f"Master standby           = {'On' if array.standby else 'Off'} ")
        show("-" * 38)
        show("Segment instances that will be started")
        show("-" * 38)
        show("   Host   Datadir   Port   Role")
        for segment in array.segment_instances:
            role = "Primary" if segment.role == "p" else "Mirror"
            show(f"   {segment.hostname}   {segment.datadir}   {segment.port}   {role}")
        return ask_yes_no("\nContinue with Greenplum instance startup", "N")

    def _report(self, segments: list[Segment], results: list[Result], skipped: int) -> int:
        console = self.console
        failed = [(s, r) for s, r in zip(segments, results, strict=True) if r.code != 0]
        console.info("Process results...")
        for segment, result in failed:
            console.warning(
                f"DBID:{segment.dbid}  FAILED  host:'{segment.hostname}' datadir:'{segment.datadir}'"
                f" with reason:'{result.stderr.strip()}'"
            )
        console.info(RULE)
        console.info(
            f"   Successful segment starts                                            = {len(segments) - len(failed)}"
        )
        level = console.warning if failed else console.info
        mark = "  <<<<<<<<" if failed else ""
        level(f"   Failed segment starts                                                = {len(failed)}{mark}")
        level = console.warning if skipped else console.info
        mark = "  <<<<<<<<" if skipped else ""
        level(f"   Skipped segment starts (segments are marked down in configuration)   = {skipped}{mark}")
        console.info(RULE)
        console.info(f"Successfully started {len(segments) - len(failed)} of {len(segments)} segment instances ")
        console.info(RULE)
        return len(failed)

    def _start_standby(self, standby: Segment | None) -> None:
        console = self.console
        if standby is None:
            console.info("No standby master configured.  skipping...")
            return
        console.info("Starting standby master")
        console.info(
            f"Checking if standby master is running on host: {standby.hostname}  in directory: {standby.datadir}"
        )
        if instance(self.environment, standby, "start").code != 0:
            console.warning("Could not start standby master")


def _new_era(datadir: Path) -> None:
    """``8ee3ebb3041964e3_261120072840``: a hash and the time of the start."""
    stamp = time.strftime("%y%m%d%H%M%S")
    digest = hashlib.sha256(f"{datadir}{stamp}".encode()).hexdigest()[:16]
    (datadir / "gp_era").write_text(f"{digest}_{stamp}\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = Parser("gpstart", "Starts a Greenplum Array")
    parser.flags("-a no_prompt", "-m coordinator_only", "-R restricted", "-y no_standby")
    parser.add_option("-t", dest="timeout", type="int", default=600)
    options = parser.read(given)
    console = Console("gpstart", quiet=options.quiet, verbose=options.verbose)
    console.info(f"Starting gpstart with args: {' '.join(given)}")
    return run(console, lambda: Start(read_environment(), options, console).run())
