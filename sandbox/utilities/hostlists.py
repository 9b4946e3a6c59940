"""Host lists of gpssh, gpssh-exkeys and gpcheckperf: ``-h`` names and ``-f`` files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .errors import UtilityError


def read_host_file(path: str) -> list[str]:
    """Names of a file, one a line, ``#`` comments and blanks aside, each once.

    :raises UtilityError: the file cannot be read
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise UtilityError(f"error reading host file {path}: {problem.strerror}") from None
    return unique(line.split("#")[0].strip() for line in text.splitlines())


def unique(names: Iterable[str]) -> list[str]:
    """Names in their order, blanks and repetitions left out."""
    return list(dict.fromkeys(name for name in names if name))
