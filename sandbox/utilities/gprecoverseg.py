"""gprecoverseg: bring back instances that are down (``-a``, ``-F``), or give everybody the preferred role (``-r``).

An instance that was a mirror and has not run ahead is only started ("no rewind required"); any other is copied anew
from the acting primary, where Greenplum would rewind it: the outcome is the same, at the sandbox's size in a second.
"""

from __future__ import annotations

import optparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .console import Console, ask_yes_no, say
from .database import execute, read_array, server_version, session
from .environment import Environment, fault, read_environment
from .instances import create_mirror, follow, instance
from .program import Failure, Parser, run
from .remote import ExecutionError, RemoteCommand, Result, in_parallel
from .segments import Array, Segment
from .version import LOCAL

RULE = "-" * 57
SYNC_SECONDS = 60


@dataclass
class Recovery:
    """One run of gprecoverseg."""

    environment: Environment
    options: optparse.Values
    console: Console

    def run(self) -> int:
        """Recover or rebalance; exit code 0 also when there was nothing to do."""
        self._strike()
        with session(self.environment, "template1") as connection:
            array = self._begin(connection)
            if self.options.rebalance:
                self._rebalance(connection, array)
            else:
                self._recover(connection, array, full=self.options.full)
        return 0

    def _strike(self) -> None:
        """``sandbox fault set gprecoverseg fail|hang|kill``."""
        wanted = fault("gprecoverseg")
        if wanted == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if wanted and wanted != "hang":
            raise RuntimeError("Fault Injection gprecoverseg")
        while fault("gprecoverseg") == "hang":
            time.sleep(0.2)

    def _begin(self, connection: Any) -> Array:
        self.console.info(f"local Greenplum Version: '{LOCAL}'")
        self.console.info(f"master Greenplum Version: '{server_version(connection)}'")
        self.console.info("Obtaining Segment details from master...")
        return read_array(connection)

    def _recover(self, connection: Any, array: Array, *, full: bool) -> None:
        failed = [s for s in array.segment_instances if not s.is_up]
        if not failed:
            self.console.info("No segments to recover")
            return
        pairs = [(segment, self._source(array, segment)) for segment in failed]
        self._show_control_data(pairs)
        self._describe(pairs, full=full)
        if not self.options.no_prompt and not ask_yes_no("\nContinue with segment recovery procedure", "N"):
            raise Failure("User canceled")
        self._restore(connection, pairs, full=full)
        self.console.info("Triggering FTS probe")
        self._wait_until_in_sync(connection, [segment.dbid for segment in failed])
        self.console.info("*" * 32)
        self.console.info("Segments successfully recovered.")
        self.console.info("*" * 32)
        self.console.info("Recovered mirror segments need to sync WAL with primary segments.")
        self.console.info("Use 'gpstate -e' to check progress of WAL sync remaining bytes")

    def _source(self, array: Array, segment: Segment) -> Segment:
        source = array.pair(segment)
        if source is None or not source.is_up:
            raise RuntimeError(f"Segments with dbid {segment.dbid}: its content {segment.content} has no live instance")
        return source

    def _show_control_data(self, pairs: Sequence[tuple[Segment, Segment]]) -> None:
        def show(segment: Segment) -> None:
            result = RemoteCommand(segment.hostname, f"$GPHOME/bin/pg_controldata {segment.datadir}").run()
            if result.code == 0:
                self.console.info(
                    f"Successfully finished pg_controldata {segment.datadir} for dbid {segment.dbid}:\n"
                    f"stdout: {result.stdout}\nstderr: {result.stderr}"
                )

        in_parallel(show, [segment for pair in pairs for segment in pair], self.options.batch)
        self.console.info(
            "Heap checksum setting is consistent between master and the segments that are candidates for recoverseg"
        )

    def _describe(self, pairs: Sequence[tuple[Segment, Segment]], *, full: bool) -> None:
        say_ = self.console.info
        say_("Greenplum instance recovery parameters")
        say_(RULE)
        say_("Recovery type              = Standard")
        for number, (segment, source) in enumerate(pairs, start=1):
            say_(RULE)
            say_(f"Recovery {number} of {len(pairs)}")
            say_(RULE)
            for name, value in (
                ("Synchronization mode", "Full" if full else "Incremental"),
                ("Failed instance host", segment.hostname),
                ("Failed instance address", segment.address),
                ("Failed instance directory", segment.datadir),
                ("Failed instance port", segment.port),
                ("Recovery Source instance host", source.hostname),
                ("Recovery Source instance address", source.address),
                ("Recovery Source instance directory", source.datadir),
                ("Recovery Source instance port", source.port),
                ("Recovery Target", "in-place"),
            ):
                say_(f"   {name:<36} = {value}")
        say_(RULE)

    def _restore(self, connection: Any, pairs: Sequence[tuple[Segment, Segment]], *, full: bool) -> None:
        count = len(pairs)
        for text in (
            "Starting to create new pg_hba.conf on primary segments",
            "Successfully modified pg_hba.conf on primary segments to allow replication connections",
            f"{count} segment(s) to recover",
            f"Ensuring {count} failed segment(s) are stopped",
            "Ensuring that shared memory is cleaned up for stopped segments",
            "Setting up the required segments for recovery",
            "Updating configuration for mirrors",
            "Initiating segment recovery. Upon completion, will start the successfully recovered segments",
            f"era is {_era(self.environment)}",
        ):
            self.console.info(text)
        for segment, source in pairs:
            if segment.role != "m":
                execute(
                    connection,
                    "UPDATE gp_segment_configuration SET role = CASE dbid WHEN %s THEN 'm' ELSE 'p' END::\"char\""
                    " WHERE dbid IN (%s, %s)",
                    (segment.dbid, segment.dbid, source.dbid),
                )
        results = in_parallel(lambda pair: self._restore_one(*pair, full=full), pairs, self.options.batch)
        for (segment, _), result in zip(pairs, results, strict=True):
            if result.code != 0:
                raise ExecutionError("Error Executing Command: ", f"recover dbid {segment.dbid}", result)

    def _restore_one(self, segment: Segment, source: Segment, *, full: bool) -> Result:
        where = f"{segment.hostname} (dbid {segment.dbid})"
        if not full and self._can_follow(segment):
            say(f"{where}: no rewind required")
            return follow(self.environment, segment, source)
        copied = create_mirror(self.environment, segment, source)
        if copied.code != 0:
            return copied
        say(f"{where}: pg_basebackup: base backup completed" if full else f"{where}: Done!\n{where}: Done!")
        return instance(self.environment, segment, "start")

    def _can_follow(self, segment: Segment) -> bool:
        """Whether a directory holds nothing that the acting primary lacks.

        It was a replica to the end, or it was shut down cleanly, and then its mirror had followed to the last record.
        """
        command = (
            f"test -e '{segment.datadir}/standby.signal' || $GPHOME/bin/pg_controldata '{segment.datadir}'"
            " | grep -q 'cluster state: *shut down$'"
        )
        return RemoteCommand(segment.address, command).run().code == 0

    def _wait_until_in_sync(self, connection: Any, dbids: list[int]) -> None:
        deadline = time.monotonic() + SYNC_SECONDS
        while time.monotonic() < deadline:
            execute(connection, "SELECT gp_request_fts_probe_scan()")
            waiting = [
                s for s in read_array(connection).segments if s.dbid in dbids and (s.status, s.mode) != ("u", "s")
            ]
            if not waiting:
                return
            time.sleep(0.2)
        self.console.warning("FTS probe: mirrors are not in sync yet")

    def _rebalance(self, connection: Any, array: Array) -> None:
        unbalanced = [s for s in array.segment_instances if s.role != s.preferred_role]
        if not unbalanced:
            self.console.info("No segments are running in their non-preferred role and need to be rebalanced.")
            return
        if any(not s.is_up or s.mode != "s" for s in unbalanced):
            self.console.warning("The unbalanced segment pairs are not all up and in sync; run gprecoverseg -a first.")
            return
        unbalanced.sort(key=lambda s: (s.content, s.role != "p"))
        self._describe_rebalance(unbalanced)
        if not self.options.no_prompt and not ask_yes_no("\nContinue with segment rebalance procedure", "N"):
            raise Failure("User canceled")
        self.console.info("Determining primary and mirror segment pairs to rebalance")
        self.console.info("Stopping unbalanced primary segments...")
        primaries = [s for s in unbalanced if s.role == "p"]
        in_parallel(lambda s: instance(self.environment, s, "stop", "--mode", "fast"), primaries, self.options.batch)
        say("." * 2)
        self.console.info("Triggering segment reconfiguration")
        self._wait_until_promoted(connection, {s.content for s in primaries})
        self.console.info("Starting segment synchronization")
        self.console.info("=============================START ANOTHER RECOVER=========================================")
        self._recover(connection, self._begin(connection), full=False)
        self.console.info("==============================END ANOTHER RECOVER==========================================")
        self.console.info("*" * 66)
        self.console.info("The rebalance operation has completed successfully.")
        self.console.info("*" * 66)

    def _describe_rebalance(self, unbalanced: Sequence[Segment]) -> None:
        words = {"p": "Primary", "m": "Mirror"}
        say_ = self.console.info
        say_("Greenplum instance recovery parameters")
        say_(RULE)
        say_("Recovery type              = Rebalance")
        for number, segment in enumerate(unbalanced, start=1):
            say_(RULE)
            say_(f"Unbalanced segment {number} of {len(unbalanced)}")
            say_(RULE)
            for name, value in (
                ("Unbalanced instance host", segment.hostname),
                ("Unbalanced instance address", segment.address),
                ("Unbalanced instance directory", segment.datadir),
                ("Unbalanced instance port", segment.port),
                ("Balanced role", words[segment.preferred_role]),
                ("Current role", words[segment.role]),
            ):
                say_(f"   {name:<31} = {value}")
        say_(RULE)

    def _wait_until_promoted(self, connection: Any, contents: set[int]) -> None:
        deadline = time.monotonic() + SYNC_SECONDS
        while time.monotonic() < deadline:
            execute(connection, "SELECT gp_request_fts_probe_scan()")
            waiting = [
                s for s in read_array(connection).primaries if s.content in contents and s.role != s.preferred_role
            ]
            if not waiting:
                return
            time.sleep(0.2)
        raise RuntimeError("mirrors were not promoted in time")


def _era(environment: Environment) -> str:
    """Changes with every start of the coordinator; written by gpstart."""
    path = environment.data_directory / "gp_era"
    return path.read_text(encoding="utf-8").strip() if path.exists() else "none"


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done or nothing to do, 2 failed."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = Parser("gprecoverseg", "Recover a failed segment")
    parser.flags("-a no_prompt", "-F full", "-r rebalance", "--differential differential", "-s show_progress")
    parser.add_option("-i", dest="input_file")
    parser.add_option("-o", dest="output_file")
    parser.add_option("-p", dest="new_hosts")
    parser.add_option("-b", dest="segment_batch", type="int", default=64)
    options = parser.read(given)
    if options.input_file or options.output_file or options.new_hosts:
        parser.error("recovery to other hosts (-i, -o, -p) is not part of the sandbox; use -a, -F or -r")
    console = Console("gprecoverseg", quiet=options.quiet, verbose=options.verbose)
    console.info(f"Starting gprecoverseg with args: {' '.join(given)}")
    return run(console, lambda: Recovery(read_environment(), options, console).run())
