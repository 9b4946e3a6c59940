"""Patterns that a person writes for databases, schemas and tables."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(r'(?:"(?:[^"]|"")*"|[^."])+')
_LEVELS = 3


@dataclass(frozen=True)
class Pattern:
    """``database``, ``database.schema`` or ``database.schema.table``, each part a regular expression.

    :param text: as it was written, for messages
    """

    text: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read what a person wrote; `*` and `?` match, except inside double quotes.

        :raises ValueError: says what is wrong with it
        """
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            raise ValueError(f"{text!r} contains a control character")
        if text.count('"') % 2:
            raise ValueError(f"{text!r} has a double quote that is not closed")
        parts: list[str] = []
        rest = text
        while True:
            found = _PART.match(rest)
            if not found:
                raise ValueError(f"{text!r} is not database, database.schema or database.schema.table")
            parts.append(_regex(found.group()))
            rest = rest[found.end() :]
            if not rest:
                break
            rest = rest[1:]  # the dot: nothing else ends a part
        if len(parts) > _LEVELS:
            raise ValueError(f"{text!r} has more than three parts; put names that contain a dot in double quotes")
        return cls(text, tuple(parts))

    def matches(self, *names: str) -> bool:
        """Whether database, schema, table (as many as the pattern has, at least) are meant."""
        return all(re.fullmatch(part, name) for part, name in zip(self.parts, names, strict=False))


def _regex(part: str) -> str:
    made = []
    for token in re.findall(r'"(?:[^"]|"")*"|[^"]', part):
        if token.startswith('"'):
            made.append(re.escape(token[1:-1].replace('""', '"')))
        else:
            made.append({"*": ".*", "?": "."}.get(token) or re.escape(token))
    return "(?s:" + "".join(made) + ")"
