"""Aligned output of gpstate: columns three blanks apart, conspicuous values as WARNING, ``<<<<<<<<`` behind them."""

from __future__ import annotations

from collections.abc import Sequence

from ..console import Console

MARK = "<<<<<<<<"


class Table:
    """Lines that are written together, when all widths are known."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.lines: list[tuple[str, list[str]]] = []

    def info(self, *cells: object) -> None:
        """An ordinary line."""
        self.lines.append(("INFO", [str(cell) for cell in cells]))

    def warn(self, *cells: object) -> None:
        """A line that somebody should look at."""
        self.lines.append(("WARNING", [str(cell) for cell in cells]))

    def value(self, name: str, value: object, *, bad: bool = False) -> None:
        """``name = value``."""
        (self.warn if bad else self.info)(name, f"= {value}")

    def rule(self, width: int = 52) -> None:
        """A line of dashes, outside the columns."""
        self.lines.append(("RULE", ["-" * width]))

    def title(self, text: str) -> None:
        """A heading, outside the columns."""
        self.lines.append(("INFO", [text]))

    @property
    def warnings(self) -> bool:
        """Whether anything is conspicuous."""
        return any(level == "WARNING" for level, _ in self.lines)

    def write(self) -> None:
        """Write all lines. WARNING is three letters longer than INFO, so its text starts three columns earlier."""
        widths = self._widths()
        for level, cells in self.lines:
            if level == "RULE":
                self.console.info(cells[0])
            elif level == "INFO":
                self.console.info("   " + _join(cells, widths))
            else:
                padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
                self.console.warning("   ".join([*padded, MARK]))

    def _widths(self) -> list[int]:
        rows = [cells for level, cells in self.lines if level != "RULE" and len(cells) > 1]
        columns = max((len(row) for row in rows), default=0)
        return [max((len(row[i]) for row in rows if i < len(row)), default=0) for i in range(columns)]


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    if len(cells) == 1:
        return cells[0]
    head = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False)]
    return "   ".join([*head, cells[-1]])
