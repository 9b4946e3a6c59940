"""A marked block of our lines in a file that belongs to others."""

from __future__ import annotations

import re

BEGIN = "# BEGIN greenplum-expansion"
END = "# END greenplum-expansion"
_BLOCK = re.compile(rf"^{BEGIN}.*?^{END}[^\n]*\n?", re.DOTALL | re.MULTILINE)


def inside(text: str) -> list[str]:
    """Lines of our block, without its marks; empty if there is none."""
    found = _BLOCK.search(text)
    return found.group().splitlines()[1:-1] if found else []


def without(text: str) -> str:
    """The text as others wrote it."""
    return _BLOCK.sub("", text)


def with_block(text: str, lines: list[str], *, first: bool = False) -> str:
    """The text with our block replaced where it stands, else at the end (or `first`); without lines, without block."""
    block = (
        "".join(f"{line}\n" for line in (f"{BEGIN} (edits between these lines are lost)", *lines, END)) if lines else ""
    )
    if _BLOCK.search(text):
        return _BLOCK.sub(lambda _: block, text, count=1)
    if first:
        return block + text
    return text + ("" if text.endswith("\n") or not text else "\n") + block
