"""Cut SQL into tokens without understanding it: quotes, dollar quotes, comments, names, statement ends. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$)
  | (?P<string>(?:[eEbBxXnN]|[uU]&)?')
  | (?P<quoted>(?:[uU]&)?")
  | (?P<word>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
  | (?P<number>\d[\w.]*)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """`kind`: word, quoted, string, number, other (one character). `text` as written; `start`, `end`: its place."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        """The word in lower case; a quoted name or string never equals a keyword."""
        return self.text.lower() if self.kind == "word" else self.text

    @property
    def is_name(self) -> bool:
        """Whether it can be (part of) the name of an object."""
        return self.kind in ("word", "quoted")


def tokens(sql: str) -> Iterator[Token]:
    """All tokens but spaces and comments. An unfinished quote ends with the text: the server will say what is wrong."""
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        assert match is not None  # the last alternative takes any character
        kind, text = str(match.lastgroup), match.group()
        end = match.end()
        if kind == "comment":
            position = _end_of_comment(sql, end)
            continue
        if kind == "dollar":
            closing = sql.find(text, end)
            end = len(sql) if closing < 0 else closing + len(text)
            kind = "string"
        elif kind == "string":
            end = _end_of_quote(sql, end, "'", backslash=text[0] in "eE")
        elif kind == "quoted":
            end = _end_of_quote(sql, end, '"', backslash=False)
        if kind != "space":
            yield Token(kind, sql[position:end], position, end)
        position = end


def statements(sql: str) -> list[list[Token]]:
    """The tokens of each statement, without the semicolons that end them; empty statements are left out."""
    found: list[list[Token]] = [[]]
    for token in tokens(sql):
        if token.text == ";" and token.kind == "other":
            found.append([])
        else:
            found[-1].append(token)
    return [statement for statement in found if statement]


def unquote(token: Token) -> str:
    """The name that a token means: folded to lower case unless quoted."""
    if token.kind == "quoted":
        return token.text[1:-1].replace('""', '"')
    return token.text.lower()


def closing_bracket(items: list[Token], opening: int) -> int:
    """Index of the bracket that closes the one at `opening`; the length of `items` when it is missing."""
    depth = 0
    for index in range(opening, len(items)):
        if items[index].kind == "other":
            depth += {"(": 1, ")": -1}.get(items[index].text, 0)
            if depth == 0:
                return index
    return len(items)


def _end_of_comment(sql: str, position: int) -> int:
    depth = 1  # comments nest in PostgreSQL
    for match in re.compile(r"/\*|\*/").finditer(sql, position):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(sql)


def _end_of_quote(sql: str, position: int, quote: str, *, backslash: bool) -> int:
    while position < len(sql):
        if backslash and sql[position] == "\\":
            position += 2
        elif sql[position] == quote:
            if sql[position + 1 : position + 2] != quote:
                return position + 1
            position += 2
        else:
            position += 1
    return len(sql)
