"""What is made equal before recording and replay are compared, and why.

Every rule names the reason for which nobody could decide anything by what it hides. Nothing else is hidden: after these
rules texts are compared line by line. `test_normal.py` holds counterexamples: differences that must stay visible.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A substitution with its reason."""

    reason: str
    apply: Callable[[str], str]


def _sub(pattern: str, replacement: str, flags: int = re.MULTILINE) -> Callable[[str], str]:
    compiled = re.compile(pattern, flags)
    return lambda text: compiled.sub(replacement, text)


_CONTROL_DATA = re.compile(
    r"^\S+ gp\w+:\w+:gpadmin-\[INFO\]:-Successfully finished pg_controldata (\S+) for dbid (\d+):\n"
    r"stdout: .*?\nstderr: ?\n",
    re.MULTILINE | re.DOTALL,
)


def _control_data(text: str) -> str:
    """Blocks of pg_controldata become one sorted line each run of them."""
    marked = _CONTROL_DATA.sub(lambda found: f"<pg_controldata {found.group(1)} dbid {found.group(2)}>\n", text)
    return _sort_runs(marked, lambda line: line.startswith("<pg_controldata "))


def _sort_runs(text: str, belongs: Callable[[str], bool]) -> str:
    """Sort each run of consecutive lines that belong together."""
    result: list[str] = []
    run: list[str] = []
    for line in text.split("\n"):
        if belongs(line):
            run.append(line)
            continue
        result += sorted(run)
        run = []
        result.append(line)
    return "\n".join([*result, *sorted(run)])


def _python2_dict(text: str) -> str:
    """``{'sdw4': …, 'sdw3': …}`` with its keys in order."""

    def sort(found: re.Match[str]) -> str:
        pairs = re.findall(r"'(sdw\d+)': ('[^']*')", found.group(0))
        return "{" + ", ".join(f"'{host}': {value}" for host, value in sorted(pairs)) + "}"

    return re.sub(r"\{'sdw\d+': .*\}", sort, text)


def _tracebacks(text: str) -> str:
    """A Python traceback shrinks to its first line; what follows it is the error itself and stays."""
    return re.sub(r"(Traceback \(most recent call last\):\n)(?:  .*\n)+", r"\1", text)


def _cells(text: str) -> str:
    """psql's aligned output: cells without padding, no separator lines."""
    lines = []
    for line in text.split("\n"):
        if re.fullmatch(r"[-+]+", line) and "-" in line and not line.startswith("-----------"):
            continue
        if re.fullmatch(r"-[-+]*-", line) and "+" in line:
            continue
        if " | " in line or line.endswith(" |"):
            line = " | ".join(cell.strip() for cell in line.split("|"))
        lines.append(line)
    return "\n".join(lines)


RULES = (
    Rule("when and in which process a line was logged", _sub(r"\b\d{8}:\d\d:\d\d:\d\d:\d{6} (?=\S+:\w+:\w+-\[)", "T ")),
    Rule("the recorded installation kept its version in some paths", _sub(r"greenplum-db-6\.24\.3", "greenplum-db")),
    Rule("the compiler of the recorded build", _sub(r" on x86_64-unknown-linux-gnu, compiled by .*?2026 07:01:55", "")),
    Rule("pg_controldata shows a server's inner numbers, in the order in which threads ended", _control_data),
    Rule("Python 2 printed dictionaries in the order of its hash function", _python2_dict),
    Rule("line numbers inside Greenplum's Python", _tracebacks),
    Rule("a table's title is centred over it by psql", _sub(r"^ +(?=(?:List of|Table|View|Index) )", "")),
    Rule("padding of psql's tables depends on the widest value", _cells),
    Rule("blanks at the end of a line carry nothing", _sub(r"[ \t]+$", "")),
    Rule("positions in the write-ahead log", _sub(r"\b[0-9A-F]{1,8}/[0-9A-F]{5,8}\b", "LSN")),
    Rule("times of a row or a file", _sub(r"\b2026-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00)?", "TIME")),
    Rule("times in names", _sub(r"gpexpand_inputfile_\d{8}_\d{6}", "gpexpand_inputfile_TIME")),
    Rule("date and process in the template's name", _sub(r"gpexpand_\d{8}_\d+", "gpexpand_DATE_PID")),
    Rule("what `date` printed", _sub(
        r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d(?: [AP]M)? UTC \d{4}", "DATE")),
    Rule("process ids", _sub(r"(PID +|process ID +)= \d+$", r"\1= PID")),
    Rule("process ids of `pgrep -a`", _sub(r"^\d+ (?=(?:python|bash|/usr|/opt|postgres))", "PID ")),
    Rule("bytes on their way to a mirror at that moment", _sub(
        r"(Bytes \w+.*?(?:flush|replay|mirror) +)= \d+$", r"\1= N")),
    Rule("rates and forecasts", _sub(r"[\d.]+ MB/s$", "RATE MB/s")),
    Rule("a forecast of time", _sub(r"(Estimated Time to Completion \| ).*$", r"\1FORECAST")),
    Rule("a process's row in pg_stat_activity begins with its id", _sub(r"^\d+\|(?=select |ALTER |active\|)", "PID|")),
    Rule("login methods that an sshd offers", _sub(r"Permission denied \([a-z,-]+\)", "Permission denied (METHODS)")),
    Rule("hosts without a name server word a failed look-up otherwise", _sub(
        r"(Could not resolve hostname \w+: ).*$", r"\1UNKNOWN")),
    Rule("the practice coordinator's proxy keeps its files beside the data directory", _sub(
        r"^drwx-+ .* \.gpseg-1\n", "")),
    Rule("psql of today says to which server it could not connect", _sub(
        r"^psql: error: connection to server .*? failed: FATAL", "psql: FATAL")),
    Rule("where the interpreter lies", _sub(r"^PID \S*/python (?=/usr/local/greenplum-db)", "PID python ")),
    Rule("where a server's program lies, and with which of Greenplum's own options it runs", _sub(
        r"^PID \S*/postgres -D (\S+).*$", r"PID postgres -D \1")),
    Rule("progress of a copy", _sub(r"^\w+ \(dbid \d+\): +(?:\S+ kB .*|syncing target data directory)\n", "")),
    Rule("pgrep sees a fork of the shell it runs in, or is too early", _sub(r"^(PID bash -c .*\n)\1+", r"\1")),
    Rule("dots while waiting", _sub(r"^\.+\n", "")),
    Rule("an era is a hash and a time", _sub(r"era is \S+$", "era is ERA")),
    Rule("durations of the tests of gpcheckcat", _sub(r"\b0:00:\d\d(?:\.\d\d)?$", "DURATION")),
    Rule("sizes and dates of `ls -l`", _sub(
        r"^([-dl][-rwx]{9})\.? +\d+ (\w+) +(\w+) +\d+ +[A-Z][a-z]{2} +\d+ [\d:]+ ", r"\1 \2 \3 ")),
    Rule("blocks counted by `ls -l`", _sub(r"^total \d+$", "total N")),
)  # fmt: skip

TABLE_LINE = re.compile(
    r"-(?:Expanding|Finished expanding|Resetting status_detail for|ALTER TABLE of) |Table .* failed to expand|"
    r"^DETAIL:  table has already been expanded|^' in 'ALTER|no longer exists in database"
)


def normalise(text: str) -> str:
    """Apply all rules, then give the lines of threads that work side by side one order."""
    for rule in RULES:
        text = rule.apply(text)
    text = _sort_runs(text, lambda line: line.startswith("T gpconfigurenewsegment:") and "[INFO]" in line)
    text = _sort_runs(text, lambda line: line.startswith("PID postgres -D "))
    return _packages_first(text).strip("\n")


def _packages_first(text: str) -> str:
    """Two threads compare packages: what one says about its host may come before or after the other's complaint."""
    lines = text.split("\n")
    told = sorted(line for line in lines if "-The packages on " in line)
    if not told:
        return text
    lines = [line for line in lines if "-The packages on " not in line]
    place = next((i for i, line in enumerate(lines) if "-Syncing Greenplum Database extensions" in line), -1) + 1
    return "\n".join([*lines[:place], *told, *lines[place:]])


def join_messages(text: str) -> list[str]:
    """Lines, those of a failed table made one, so that threads cannot tear it apart."""
    text = re.sub(r"\nDETAIL:  (.*)\n' in '", r" DETAIL:  \1 ' in '", text)
    return text.split("\n")
