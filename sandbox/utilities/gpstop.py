"""gpstop: the whole cluster, the coordinator alone (``-m``), restart (``-r``), reload (``-u``)."""

from __future__ import annotations

import optparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from .console import Console, ask_yes_no
from .database import read_array, session
from .environment import Environment, read_environment
from .instances import instance
from .program import Failure, Parser, run
from .remote import RemoteCommand, Result, in_parallel
from .segments import Array, Segment
from .version import LOCAL

RULE = "-" * 52


@dataclass
class Stop:
    """One run of gpstop."""

    environment: Environment
    options: optparse.Values
    console: Console
    mode: str

    def run(self) -> int:
        """Exit codes: 0 done, 2 not running or some segment did not stop."""
        console = self.console
        console.info("Gathering information and validating the environment...")
        if not (self.environment.data_directory / "postmaster.pid").exists():
            raise Failure("postmaster.pid file does not exist.  is Greenplum instance already stopped?")
        console.info("Obtaining Greenplum Master catalog information")
        console.info("Obtaining Segment details from master...")
        with session(self.environment, "template1", utility=True) as connection:
            array = read_array(connection)
        console.info(f"Greenplum Version: '{LOCAL}'")
        if self.options.reload:
            return self._reload(array)
        self._confirm(array)
        self._stop_coordinator(array.coordinator)
        if self.options.coordinator_only:
            return 0
        code = self._stop_rest(array)
        if code == 0 and self.options.restart:
            console.info("Restarting System...")
            return os.spawnvp(os.P_WAIT, "gpstart", ["gpstart", "-a"])
        return code

    def _reload(self, array: Array) -> int:
        self.console.info("Signalling all postmaster processes to reload")
        command = "kill -HUP $(head -1 {}/postmaster.pid)"
        up = [s for s in array.segments if s.is_up]
        results = in_parallel(
            lambda s: RemoteCommand(s.address, command.format(s.datadir)).run(), up, self.options.batch
        )
        return 2 if any(result.code for result in results) else 0

    def _confirm(self, array: Array) -> None:
        if self.options.no_prompt:
            return
        say = self.console.info
        say("-" * 43)
        say("Master instance parameters")
        say("-" * 43)
        coordinator = array.coordinator
        for name, value in (
            ("Master Greenplum instance process active PID", _pid(self.environment)),
            ("Database", "template1"),
            ("Master port", coordinator.port),
            ("Master directory", coordinator.datadir),
            ("Shutdown mode", self.mode),
            ("Timeout", "120"),
            ("Shutdown Master standby host", "Off" if array.standby is None else "On"),
        ):
            say(f"   {name:<46} = {value}")
        say("-" * 43)
        if not ask_yes_no("\nContinue with Greenplum instance shutdown", "N"):
            raise Failure("User canceled")

    def _stop_coordinator(self, coordinator: Segment) -> None:
        console = self.console
        console.info(f"Commencing Master instance shutdown with mode='{self.mode}'")
        console.info(f"Master segment instance directory={coordinator.datadir}")
        result = instance(self.environment, coordinator, "stop", "--mode", self.mode)
        if result.code != 0:
            raise Failure(result.stderr.strip())
        console.info("Attempting forceful termination of any leftover master process")
        console.info(f"Terminating processes for segment {coordinator.datadir}")

    def _stop_rest(self, array: Array) -> int:
        console = self.console
        standby = array.standby
        if standby is not None and not self.options.leave_standby:
            console.info(f"Stopping master standby host {standby.hostname} mode=fast")
            if instance(self.environment, standby, "stop", "--mode", "fast").code == 0:
                console.info(f"Successfully shutdown standby process on {standby.hostname}")
            else:
                console.error(f"Failed to stop standby process on {standby.hostname}")
        targets = array.segment_instances
        console.info(f"Targeting dbid {[s.dbid for s in targets]} for shutdown")
        results = self._stop_all("primary", array.primaries)
        if array.mirrors:
            results += self._stop_all("mirror", array.mirrors)
        failed = sum(result.code != 0 for result in results)
        console.info(RULE)
        console.info(f"   Segments stopped successfully      = {len(results) - failed}")
        console.info(f"   Segments with errors during stop   = {failed}")
        console.info(RULE)
        console.info(f"Successfully shutdown {len(results) - failed} of {len(results)} segment instances ")
        if failed:
            console.error("Database shutdown with errors reported")
            return 2
        console.info("Database successfully shutdown with no errors reported")
        for text in (
            "Cleaning up leftover gpmmon process",
            "No leftover gpmmon process found",
            "Cleaning up leftover gpsmon processes",
            "No leftover gpsmon processes on some hosts. not attempting forceful termination on these hosts",
            "Cleaning up leftover shared memory",
        ):
            console.info(text)
        return 0

    def _stop_all(self, kind: str, segments: Sequence[Segment]) -> list[Result]:
        console = self.console
        console.info(f"Commencing parallel {kind} segment instance shutdown, please wait...")
        console.info("0.00% of jobs completed")
        results = in_parallel(
            lambda s: instance(self.environment, s, "stop", "--mode", self.mode), segments, self.options.batch
        )
        console.info("100.00% of jobs completed")
        return results


def _pid(environment: Environment) -> str:
    return (environment.data_directory / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = Parser("gpstop", "Stops a Greenplum Array")
    parser.flags(
        "-a no_prompt", "-m coordinator_only", "-r restart", "-u --reload reload", "-y leave_standby",
        "-f fast", "-i immediate", "-s smart", "-z skip_validation",
    )  # fmt: skip
    parser.add_option("-M", dest="mode", default=None, metavar="fast|immediate|smart")
    parser.add_option("-t", dest="timeout", type="int", default=120)
    parser.add_option("--host", dest="only_host", default=None)
    options = parser.read(given)
    if options.only_host:
        parser.error("--host is not part of the sandbox; stop instances one by one with pg_ctl")
    mode = options.mode or ("fast" if options.fast else "immediate" if options.immediate else "smart")
    if mode not in ("fast", "immediate", "smart"):
        parser.error(f"Invalid mode: {mode}")
    console = Console("gpstop", quiet=options.quiet, verbose=options.verbose)
    console.info(f"Starting gpstop with args: {' '.join(given)}")
    return run(console, lambda: Stop(read_environment(), options, console, mode).run())
