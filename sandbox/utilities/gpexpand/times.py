"""The two time formats of gpexpand: ``-d`` durations and ``-e`` end times."""

from __future__ import annotations

import datetime
import re

_DURATION = re.compile(r"\s*([+-])?(\d+)?(?::(\d+)(?::(\d+)(\.\d+)?)?)?\s*")
_MOMENT = re.compile(
    r"\s*(?:(\d{4})-(\d\d?)-(\d\d?)|(\d{4})(\d\d)(\d\d))"
    r"(?:(?:\s+|T)(?:(\d\d?):(\d\d?)(?::(\d\d?)(?:\.(\d+))?)?|(\d\d)(\d\d)(?:(\d\d)(?:\.(\d+))?)?))?\s*"
)


def parse_duration(text: str) -> datetime.timedelta:
    """``[hours][:minutes[:seconds]]``: a bare number is hours.

    :raises ValueError: in the words of gppylib
    """
    found = _DURATION.fullmatch(text)
    if not found or not text.strip(" +-"):
        raise ValueError("Specify duration as [+|-][hours][:minutes[:seconds[.fraction]]]")
    sign, hours, minutes, seconds, fraction = found.groups()
    if sign == "-":
        raise ValueError("Duration must not be negative")
    return datetime.timedelta(
        hours=int(hours or 0), minutes=int(minutes or 0), seconds=int(seconds or 0) + float(fraction or 0)
    )


def parse_moment(text: str) -> datetime.datetime:
    """``YYYY-MM-DD[ HH:MM[:SS]]`` or ``YYYYMMDD[ HHMM[SS]]``, blank or T between, in the coordinator's local time.

    :raises ValueError: in the words of gppylib
    """
    found = _MOMENT.fullmatch(text)
    if found:
        parts = found.groups()
        day = [int(part) for part in (parts[0:3] if parts[0] else parts[3:6])]
        clock = [int(part or 0) for part in (parts[6:9] if parts[6] else parts[10:13])]
        try:
            return datetime.datetime(*day, *clock)  # type: ignore[arg-type]
        except ValueError:
            pass
    raise ValueError(
        'Specify date and time as "YYYY-MM-DD[ HH:MM[:SS[.S]]" or "YYYYMMDD[ HHMM[SS[.S]]]".  '
        'If both date and time are given, a space or letter "T" must separate them.'
    )
