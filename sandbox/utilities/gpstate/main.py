"""The command gpstate: one report per run, chosen by a single option."""

from __future__ import annotations

import optparse
import sys
from typing import Any

from ..console import Console
from ..database import read_array, server_version, session
from ..environment import Environment, read_environment
from ..program import Parser, run
from ..segments import Array
from ..version import LOCAL
from . import gather, reports, summary

GATHERING = ("brief", "everything", "errors", "")


def _report(console: Console, environment: Environment, options: optparse.Values, wanted: str) -> int:
    console.info(f"local Greenplum Version: '{LOCAL}'")
    with session(environment, "template1", utility=True) as connection:
        version = server_version(connection)
        console.info(f"master Greenplum Version: '{version}'")
        console.info("Obtaining Segment details from master...")
        array = read_array(connection)
    by_catalog = {"quick": reports.quick, "mirrors": reports.mirrors, "pairs": reports.pairs, "ports": reports.ports}
    if wanted in by_catalog:
        return by_catalog[wanted](console, array)
    if wanted == "expansion":
        with session(environment, "postgres", utility=True) as connection:
            return reports.expansion(console, environment, connection)
    return _with_hosts(console, environment, options, wanted, array, version)


def _with_hosts(
    console: Console, environment: Environment, options: optparse.Values, wanted: str, array: Array, version: str
) -> int:
    if wanted in GATHERING:
        console.info("Gathering data from segments...")
    everybody = list(array.segments)
    chosen = [s for s in everybody if s is array.standby] if wanted == "standby" else everybody
    running = gather.processes(environment, chosen, options.batch)
    with session(environment, "postgres", utility=True) as connection:
        if wanted == "standby":
            found = gather.replication(connection).get(-1)
            process = running[array.standby.dbid] if array.standby else None
            return reports.standby(console, array, process, found)
        if wanted == "versions":
            return reports.versions(console, array, running, version)
        if wanted == "errors":
            return reports.errors(console, array, running, connection)
        expanding = _expanding(environment, connection)
        if wanted == "everything":
            return summary.everything(console, environment, array, running, connection, version, expanding=expanding)
        return summary.summary(console, array, running, expanding=expanding)


def _expanding(environment: Environment, connection: Any) -> bool:
    """While the schema gpexpand exists, even when the expansion is complete (recording 42e)."""
    return reports.expansion_state(environment, connection) is not None


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0, 1 for what -e, -s and -Q found, 2 failed."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = Parser("gpstate", "Display system state")
    names = {
        "-b": "brief", "-c": "pairs", "-e": "errors", "-f": "standby", "-i": "versions", "-m": "mirrors",
        "-p": "ports", "-Q": "quick", "-s": "everything", "-x": "expansion",
    }  # fmt: skip
    parser.flags("-a no_prompt", *(f"{option} {name}" for option, name in names.items()))
    options = parser.read(given)
    wanted = [name for name in names.values() if getattr(options, name)]
    if len(wanted) > 1:
        parser.error("only one of the options -b, -c, -e, -f, -i, -m, -p, -Q, -s and -x may be specified")
    console = Console("gpstate", quiet=options.quiet, verbose=options.verbose)
    console.info(f"Starting gpstate with args: {' '.join(given)}")
    return run(console, lambda: _report(console, read_environment(), options, wanted[0] if wanted else ""))
