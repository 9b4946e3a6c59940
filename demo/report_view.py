"""The report of an expansion as the demo shows it, and the demo's own judgement whether it proves everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from demo.screen import seconds


def unproven(report: Mapping[str, Any]) -> list[str]:
    """What the report leaves open, in sentences; empty if everything is proven.

    Judged from the report's figures, not from the verdict it gives itself, so that the one checks the other.
    """
    missing = []
    if report["outcome"] != "complete":
        missing.append(f"the expansion is '{report['outcome']}': {report['failure'] or 'no reason given'}")
    segments, proof = report["segments"], report["proof"]
    if not segments:
        missing.append("no segments were added")
    else:
        if segments["segments_after"] <= segments["segments_before"]:
            missing.append(f"{segments['segments_before']} segments before, {segments['segments_after']} after")
        empty = sorted(
            set(segments["hosts_after"]) - {host for host, count in segments["hosts_after"].items() if count}
        )
        missing += [f"host {host} has no segment" for host in empty]
    if not proof:
        missing.append("nothing was compared")
    else:
        if not proof["checksums"]:
            missing.append("rows were counted, but no checksums compared")
        if not proof["tables"] or not proof["rows"]:
            missing.append("there was nothing to compare")
        missing += [f"not on all segments: {table}" for table in proof["not_moved"]]
        missing += [f"differs: {difference}" for difference in proof["differences"]]
    if not missing and not report["is_proven"]:
        missing.append("the report calls itself not proven")
    return missing


def render(report: Mapping[str, Any]) -> RenderableType:
    """The whole report, for a terminal of 80 columns or more."""
    parts: list[RenderableType] = [Text("")]
    open_points = unproven(report)
    verdict = Text("PROVEN", "bold green") if not open_points else Text("NOT PROVEN", "bold red")
    parts.append(Text.assemble(f"Expansion {report['expansion_id']}: {report['outcome']}, ", verdict))
    parts += [Text(f"  {point}", "red") for point in open_points]
    if report["segments"]:
        parts += [Text(""), _segments(report["segments"])]
    if report["proof"]:
        parts += [Text(""), *_proof(report["proof"]), Text(""), _skew(report["proof"])]
    parts += [Text(""), _steps(report["steps"])]
    return Group(*parts)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", header_style="dim")
    return table


def _segments(segments: Mapping[str, Any]) -> Table:
    table = _table("Segments (primaries)", "host", "before", "after")
    before, after = segments["hosts_before"], segments["hosts_after"]
    for host in after:
        table.add_row(host, str(before.get(host, 0)), str(after[host]))
    table.add_row("cluster", str(segments["segments_before"]), str(segments["segments_after"]), style="bold")
    return table


def _proof(proof: Mapping[str, Any]) -> list[Text]:
    what = "rows and checksums" if proof["checksums"] else "rows"
    equal = not proof["differences"]
    placed = not proof["not_moved"]
    return [
        Text("Proof", "bold"),
        _checked(equal, f"{proof['tables']} tables with {proof['rows']:,} rows: {what} equal before and after"),
        _checked(placed, "every table lies on all segments"),
    ]


def _checked(true: bool, sentence: str) -> Text:
    return Text.assemble(("✓ ", "green") if true else ("✗ not: ", "red"), sentence)


def _skew(proof: Mapping[str, Any]) -> Table:
    """Rows on each segment before and after; the last line tells how full the fullest is against the average."""
    before, after = proof["skew_before"], proof["skew_after"]
    contents = sorted({*before["rows_by_content"], *after["rows_by_content"]}, key=int)
    table = _table("Rows on each segment", "segment", "before", "after")
    for content in contents:
        cells = (skew["rows_by_content"].get(content) for skew in (before, after))
        table.add_row(content, *("" if rows is None else f"{rows:,}" for rows in cells))
    ratios = (f"{skew['worst_ratio']:.3f}" for skew in (before, after))
    table.add_row("fullest : average", *ratios, style="bold")
    return table


def _steps(steps: list[Mapping[str, Any]]) -> Table:
    table = Table(title="Time", title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for step in steps:
        table.add_row(step["task_id"], seconds(step["seconds"]), step["outcome"])
    return table
