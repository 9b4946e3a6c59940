"""The command line of gpexpand 6.24.3, its traps included.

Values out of range print the whole help and end with a traceback and exit code 1, because the real one fails in its
own clean-up (recording 22e); a malformed ``-d`` or ``-e`` is optparse's, usage on stderr and exit code 2.
"""

from __future__ import annotations

import datetime
import optparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ..console import Console, say
from ..version import announce
from .times import parse_duration, parse_moment

MAX_BATCH = 128
MAX_PARALLEL = 96

USAGE = """[-f hosts_file]

gpexpand -i input_file [-B batch_size] [-t segment_tar_dir] [-S]

gpexpand [-d duration[hh][:mm[:ss]] | [-e 'YYYY-MM-DD hh:mm:ss']]
         [-a] [-n parallel_processes]

gpexpand -r

gpexpand -c

gpexpand -? | -h | --help | --verbose | -v
"""

_TRACEBACK = """\
Traceback (most recent call last):
  File "{gphome}/bin/gpexpand", line 2676, in <module>
    main(options, args, parser)
  File "{gphome}/bin/gpexpand", line 2667, in main
    remove_pid_file(options.master_data_directory)
AttributeError: Values instance has no attribute 'master_data_directory'
"""


@dataclass(frozen=True)
class Options:
    """What was asked for; ``end`` is already the earlier of ``-d`` and ``-e`` as the real one combines them."""

    clean: bool = False
    rollback: bool = False
    analyze: bool = False
    verbose: bool = False
    simple_progress: bool = False
    hba_hostnames: bool = False
    end: datetime.datetime | None = None
    input_file: str | None = None
    hosts_file: str | None = None
    batch_size: int = 16
    parallel: int = 1
    tar_directory: str = "."


class _Parser(optparse.OptionParser):
    """optparse with gpexpand's own help file behind -h, and usage before each error."""

    def error(self, msg: str) -> NoReturn:
        sys.stderr.write(f"Usage: gpexpand {USAGE}\ngpexpand: error: {msg}\n")
        raise SystemExit(2)


def _take_duration(option: optparse.Option, _name: str, value: str, parser: optparse.OptionParser) -> None:
    assert parser.values is not None
    try:
        parser.values.duration = parse_duration(value)
    except ValueError as problem:
        parser.error(f'"{_short(option)} {value}" ... {problem}')


def _take_end(option: optparse.Option, _name: str, value: str, parser: optparse.OptionParser) -> None:
    assert parser.values is not None
    try:
        parser.values.end = parse_moment(value)
    except ValueError as problem:
        parser.error(f'"{_short(option)} {value}" ... {problem}')


def _short(option: optparse.Option) -> str:
    return str(option._short_opts[0])


def _parser() -> _Parser:
    parser = _Parser(prog="gpexpand", usage=USAGE, add_help_option=False)

    def flag(*names: str, dest: str) -> None:
        parser.add_option(*names, action="store_true", default=False, dest=dest)

    flag("-c", "--clean", dest="clean")
    flag("-r", "--rollback", dest="rollback")
    flag("-a", "--analyze", dest="analyze")
    parser.add_option("-d", "--duration", type="string", action="callback", callback=_take_duration)
    parser.add_option("-e", "--end", type="string", action="callback", callback=_take_end)
    parser.add_option("-i", "--input", dest="input_file")
    parser.add_option("-f", "--hosts-file", dest="hosts_file")
    parser.add_option("-B", "--batch-size", dest="batch_size", type="int", default=16)
    parser.add_option("-n", "--parallel", dest="parallel", type="int", default=1)
    flag("-v", "--verbose", dest="verbose")
    flag("-S", "--simple-progress", dest="simple_progress")
    # Parsed and never read, in the real one too.
    flag("-s", "--silent", dest="silent")
    parser.add_option("-t", "--tardir", dest="tar_directory", default=".")
    flag("--hba-hostnames", dest="hba_hostnames")
    flag("-h", "-?", "--help", dest="help")
    flag("--usage", dest="usage")
    flag("--version", dest="version")
    parser.set_defaults(duration=None, end=None)
    return parser


def parse(arguments: list[str]) -> Options:
    """Options from the command line; what cannot be obeyed ends the process as the real gpexpand does."""
    values, rest = _parser().parse_args(arguments)
    if values.help:
        say(help_text(), end="\n")
        raise SystemExit(0)
    if values.usage:
        say(f"Usage: gpexpand {USAGE}")
        raise SystemExit(0)
    if values.version:
        say(announce("gpexpand"))
        raise SystemExit(0)
    console = Console("gpexpand", verbose=values.verbose)
    if rest:
        console.error(f"Unknown argument {rest[0]}")
        _end_like_the_real_one()
    if values.rollback and values.clean:
        console.error("-r and -c options cannot be specified together.")
        _end_like_the_real_one()
    if not 1 <= values.parallel <= MAX_PARALLEL:
        console.error(f"Invalid argument.  parallel value must be >= 1 and <= {MAX_PARALLEL}")
        _help_and_end()
    if not 1 <= values.batch_size <= MAX_BATCH:
        console.error(f"Invalid argument.  -B value must be >= 1 and <= {MAX_BATCH}")
        _help_and_end()
    now = datetime.datetime.now()
    end = values.end
    if end is not None and end < now:
        console.error("End time occurs in the past")
        _help_and_end()
    if values.duration is not None:
        by_duration = now + values.duration
        if end is not None:
            console.warning("Both end and duration options were given.")
            word = "end" if end <= by_duration else "duration"
            console.warning(f"The {word} argument will be used for the expansion end time.")
            end = min(end, by_duration)
        else:
            end = by_duration
    batch = int(os.environ.get("GP_MGMT_PROCESS_COUNT", 16)) if values.batch_size == 16 else values.batch_size
    return Options(
        clean=values.clean,
        rollback=values.rollback,
        analyze=values.analyze,
        verbose=values.verbose,
        simple_progress=values.simple_progress,
        hba_hostnames=values.hba_hostnames,
        end=end,
        input_file=values.input_file,
        hosts_file=values.hosts_file,
        batch_size=batch,
        parallel=values.parallel,
        tar_directory=values.tar_directory,
    )


def help_text() -> str:
    """The help file of Greenplum 6.24.3; it still shows a few options that the program lost."""
    return (_gphome() / "docs" / "cli_help" / "gpexpand_help").read_text(encoding="utf-8")


def _gphome() -> Path:
    here = Path(__file__).resolve().parents[2] / "gphome"
    return here if here.is_dir() else Path(os.environ.get("GPHOME", "/usr/local/greenplum-db"))


def _help_and_end() -> NoReturn:
    say(help_text())
    _end_like_the_real_one()


def _end_like_the_real_one() -> NoReturn:
    gphome = os.environ.get("GPHOME", "/usr/local/greenplum-db")
    sys.stderr.write(_TRACEBACK.format(gphome=gphome))
    raise SystemExit(1)
