"""What gpstate, gpstart, gpstop, gprecoverseg and their like have in common: options, errors, exit codes."""

from __future__ import annotations

import optparse
import sys
from collections.abc import Callable
from typing import NoReturn

from .console import Console, say
from .database import describe
from .version import announce


class Failure(Exception):
    """Ends a utility with ``<tool> error: <text>`` and exit code 2."""


class Parser(optparse.OptionParser):
    """optparse as gppylib sets it up: ``-?``, ``--help``, ``--version``, usage on stderr, exit code 2."""

    def __init__(self, tool: str, description: str) -> None:
        super().__init__(prog=tool, usage=f"{tool} [options]", description=description, add_help_option=False)
        self.add_option("-h", "-?", "--help", action="store_true", dest="help", help="show this help message and exit")
        self.add_option("--version", action="store_true", dest="version", help="show the version and exit")
        self.add_option("-v", "--verbose", action="store_true", dest="verbose", default=False)
        self.add_option("-q", "--quiet", action="store_true", dest="quiet", default=False)
        self.add_option("-l", dest="log_directory", metavar="<directory>", default=None)
        self.add_option("-d", dest="data_directory", metavar="<directory>", default=None)
        self.add_option("-B", "--parallel", dest="batch", type="int", default=16, metavar="<number>")

    def flags(self, *names: str) -> None:
        """Switches; the last name given becomes the attribute."""
        for name in names:
            *options, attribute = name.split()
            self.add_option(*options, action="store_true", default=False, dest=attribute)

    def read(self, arguments: list[str]) -> optparse.Values:
        """Parse; help and version end the process with 0, errors and stray arguments with 2."""
        values, rest = self.parse_args(arguments)
        if values.help:
            say(self.format_help(), end="")
            raise SystemExit(0)
        if values.version:
            say(announce(str(self.prog)))
            raise SystemExit(0)
        if rest:
            self.error("too many arguments: only options may be specified")
        return values

    def error(self, msg: str) -> NoReturn:
        sys.stderr.write(f"Usage: {self.usage}\n\n{self.prog}: error: {msg}\n")
        raise SystemExit(2)


def run(console: Console, work: Callable[[], int]) -> int:
    """Call ``work`` and turn what it raises into the last line and the exit code of a gp utility."""
    try:
        return work()
    except Failure as problem:
        console.critical(f"{console.tool} error: {problem}")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nUser Interrupted\n")
        return 1
    except SystemExit:
        raise
    except Exception as problem:  # noqa: BLE001 - every cause becomes the one line that a person reads
        console.critical(f"{console.tool} failed. (Reason='{_in_old_words(describe(problem))}') exiting...")
        return 2


def _in_old_words(text: str) -> str:
    """A refused connection as libpq of 9.4 tells it; PostgreSQL's of today names host and port in other words."""
    import re

    found = re.findall(
        r'connection to server at "([^"]+)" \(([^)]+)\), port (\d+) failed: (Connection refused)\n', text
    )
    if not found:
        return text
    return "".join(
        f'could not connect to server: {cause}\n\tIs the server running on host "{host}" ({address}) and accepting\n'
        f"\tTCP/IP connections on port {port}?\n"
        for host, address, port, cause in found
    )
