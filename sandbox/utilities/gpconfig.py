"""gpconfig: show (``-s``), list (``-l``), change (``-c -v``), reset (``-r``) settings of coordinator and segments."""

from __future__ import annotations

import optparse
import sys
from typing import Any

from .console import Console, say
from .database import connect, read_array, rows, scalar, session
from .environment import Environment, read_environment
from .program import Failure, Parser, run
from .remote import RemoteCommand, in_parallel
from .segments import Array, Segment

GREENPLUM_ONLY = {
    "gp_max_slices": "0",
    "gp_enable_global_deadlock_detector": "off",
    "optimizer": "on",
    "gp_interconnect_type": "udpifc",
}
"""Settings that PostgreSQL does not know; they are shown with Greenplum's default and cannot be changed."""


def show(environment: Environment, array: Array, name: str) -> int:
    """``-s``: one value for the coordinator, one for all segments, or each when they differ."""
    with session(environment, "template1") as connection:
        own = _value(connection, name)
    if own is None:
        raise Failure(f'Failed to retrieve GUC information: unrecognized configuration parameter "{name}"')
    up = [s for s in array.primaries if s.is_up]

    def ask(segment: Segment) -> str:
        connection = connect(environment, "postgres", host=segment.address, port=segment.port)
        try:
            return str(_value(connection, name))
        finally:
            connection.close()

    values = dict(zip(up, in_parallel(ask, up), strict=True))
    if len(set(values.values())) == 1:
        say("Values on all segments are consistent")
        say(f"GUC          : {name}")
        say(f"Master  value: {own}")
        say(f"Segment value: {next(iter(values.values()))}")
        return 0
    say("WARNING: GUC does not have the same value on all segments")
    say(f"GUC          : {name}")
    say(f"[context: -1] [dbid: 1] [name: {name}] [value: {own}]")
    for segment, value in values.items():
        say(f"[context: {segment.content}] [dbid: {segment.dbid}] [name: {name}] [value: {value}]")
    return 0


def _value(connection: Any, name: str) -> str | None:
    if name in GREENPLUM_ONLY:
        return GREENPLUM_ONLY[name]
    if not scalar(connection, "SELECT count(*) FROM pg_settings WHERE name = %s", (name,)):
        return None
    return str(scalar(connection, "SELECT current_setting(%s)", (name,)))


def list_all(environment: Environment) -> int:
    """``-l``."""
    with session(environment, "template1") as connection:
        found = rows(connection, "SELECT name, unit, context, vartype, min_val, max_val FROM pg_settings ORDER BY 1")
    for name, unit, context, kind, least, most in found:
        say(
            f"[name: {name}] [unit: {unit}] [context: {context}] [vartype: {kind}] [min_val: {least}] [max_val: {most}]"
        )
    return 0


def change(environment: Environment, array: Array, options: optparse.Values, console: Console) -> int:
    """``-c name -v value`` or ``-r name``: a line in each postgresql.conf, effective after reload or restart."""
    if (environment.data_directory / "gpexpand.status").exists():
        raise Failure("Usage of gpconfig is not supported while the cluster is in a reconfiguration state")
    name = options.change or options.remove
    if name in GREENPLUM_ONLY:
        raise Failure(f"{name} is a setting of Greenplum alone; the sandbox's PostgreSQL servers do not know it")
    if options.change and options.value is None and options.master_value is None:
        raise Failure("change requested but value not specified")
    drop = f"sed -i '/^{name}[ =].*# gpconfig$/d' "

    def edit(segment: Segment) -> int:
        value = options.master_value if segment.content == -1 and options.master_value is not None else options.value
        path = f"{segment.datadir}/postgresql.conf"
        add = "" if options.remove else f'; echo "{name} = {_quoted(value)} # gpconfig" >> {path}'
        return RemoteCommand(segment.address, f"{drop}{path}{add}").run().code

    chosen = [s for s in array.segments if not options.master_only or s.content == -1]
    codes = in_parallel(edit, chosen)
    what = "removal" if options.remove else "change"
    if any(codes):
        console.error(f"finished with errors: parameter {what} failed on {sum(map(bool, codes))} instances")
        return 1
    console.info(f"completed successfully with parameters '{' '.join(sys.argv[1:])}'")
    return 0


def _quoted(value: str) -> str:
    return value if value.replace(".", "").isalnum() else "'" + value.replace("'", "''") + "'"


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = Parser("gpconfig", "Show and change server settings")
    parser.remove_option("-v")
    parser.add_option("-v", dest="value", default=None)
    parser.add_option("-c", "--change", dest="change", default=None)
    parser.add_option("-m", "--mastervalue", dest="master_value", default=None)
    parser.add_option("-r", "--remove", dest="remove", default=None)
    parser.add_option("-s", "--show", dest="show", default=None)
    parser.remove_option("-l")
    parser.flags("-l --list list", "--masteronly master_only", "--skipvalidation skip", "--file file")
    options = parser.read(given)
    console = Console("gpconfig", quiet=options.quiet)

    def work() -> int:
        environment = read_environment()
        if options.list:
            return list_all(environment)
        with session(environment, "template1", utility=True) as connection:
            array = read_array(connection)
        if options.show:
            return show(environment, array, options.show)
        if options.change or options.remove:
            return change(environment, array, options, console)
        raise Failure("one of -s, -l, -c or -r is needed")

    return run(console, work)
