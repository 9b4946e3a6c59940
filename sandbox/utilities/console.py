"""Log lines as the gp utilities write them: to stdout and to ``~/gpAdminLogs/<tool>_YYYYMMDD.log``.

``20261120:07:08:22:005822 gpstate:mdw:gpadmin-[INFO]:-Starting gpstate with args: -e``
"""

from __future__ import annotations

import datetime
import getpass
import os
import socket
import sys
import threading
from pathlib import Path

_LOCK = threading.Lock()


class Console:
    """Writes the log of one run of a utility.

    :param tool: the name in the line, ``gpexpand``
    :param quiet: ``-q``, nothing on stdout; the file is written all the same
    :param verbose: ``-v``, DEBUG lines as well
    :param directory: where the log file goes, default ``~/gpAdminLogs``; created if missing
    """

    def __init__(self, tool: str, *, quiet: bool = False, verbose: bool = False, directory: Path | None = None) -> None:
        self.tool = tool
        self.quiet = quiet
        self.verbose = verbose
        self.host = socket.gethostname().split(".")[0]
        self.user = getpass.getuser()
        self.directory = directory or Path.home() / "gpAdminLogs"
        self.directory.mkdir(parents=True, exist_ok=True)
        # One file for the whole run: the real log keeps the day on which it started, even past midnight.
        self.path = self.directory / f"{tool}_{datetime.datetime.now():%Y%m%d}.log"

    def line(self, level: str, text: str) -> str:
        """The line for a message, stamped now."""
        now = datetime.datetime.now()
        return f"{now:%Y%m%d:%H:%M:%S}:{os.getpid():06d} {self.tool}:{self.host}:{self.user}-[{level}]:-{text}"

    def write(self, level: str, text: str) -> None:
        """One message; whole lines even when several threads write."""
        line = self.line(level, text)
        with _LOCK:
            with self.path.open("a", encoding="utf-8", errors="replace") as log:
                log.write(line + "\n")
            if not self.quiet:
                say(line)

    def debug(self, text: str) -> None:
        """DEBUG, only with ``-v``."""
        if self.verbose:
            self.write("DEBUG", text)

    def info(self, text: str) -> None:
        """INFO."""
        self.write("INFO", text)

    def warning(self, text: str) -> None:
        """WARNING."""
        self.write("WARNING", text)

    def error(self, text: str) -> None:
        """ERROR."""
        self.write("ERROR", text)

    def critical(self, text: str) -> None:
        """CRITICAL."""
        self.write("CRITICAL", text)


def say(text: str, *, end: str = "\n") -> None:
    """Print without a stamp, at once.

    A reader that went away (a lost SSH session) must not end the utility: Python's logging, which the real ones use,
    reports the failure and goes on, so the work continues and the log file keeps the record.
    """
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except (BrokenPipeError, OSError):
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends


def ask(question: str, background: str | None = "") -> str:
    """A question as gppylib asks it: background, question with ':', ``> `` on the next line; one line of stdin.

    Piped answers are not echoed, so output goes on right behind the ``> ``, as in the recordings.

    :param background: printed on its own line first, None for nothing at all
    :raises EOFError: ``EOF when reading a line``, when stdin has ended
    """
    if background is not None:
        say(background)
    say(f"{question}:\n> ", end="")
    answer = sys.stdin.readline()
    if not answer:
        raise EOFError("EOF when reading a line")
    return answer.rstrip("\n")


def ask_yes_no(question: str, default: str, background: str | None = "") -> bool:
    """A ``Yy|Nn`` question; asked again until the answer is one of them or empty."""
    while True:
        answer = ask(f"{question} Yy|Nn (default={default})", background).strip() or default
        if answer.upper() in ("Y", "YES"):
            return True
        if answer.upper() in ("N", "NO"):
            return False
