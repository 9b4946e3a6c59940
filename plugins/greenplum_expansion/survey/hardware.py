"""The figures of the hosts as a section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenplum_expansion.planning.measured import METRICS
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.section import Section
from greenplum_expansion.planning.trials import Group


def hardware_section(result: Mapping[str, Any]) -> Section:
    """The table for log and report, from what `Measured.to_dict` or `not_measured` made."""
    if not result.get("measured"):
        return Section("Hardware", (f"not measured: {result['why']}",))
    size = f", {human_bytes(result['file_bytes'])} written on each host" if result["file_bytes"] else ""
    lines = []
    if result["read_from_memory"]:
        lines.append("What was written fits into memory, so the figure of reading is not that of the disk alone.")
    between = [link for link in result["links"] if link["group"] == Group.BETWEEN]
    if between:
        least = min(between, key=lambda link: link["mb_s"])
        pair = f"{least['source']} -> {least['target']}"
        lines.append(f"Between new and existing hosts at least {least['mb_s']:,.0f} MB/s ({pair}).")
    rows = []
    for host in result["hosts"]:
        slowest = [metric.title for metric in METRICS if result["slowest"].get(metric.key) == host["hostname"]]
        note = f"slowest new: {', '.join(slowest)}" if slowest and host["group"] == Group.NEW else ""
        rows.append((host["hostname"], host["group"], *_cells(host), note))
    if any(value is not None for value in result["existing_median"].values()):
        rows.append(("median", "existing", *_cells(result["existing_median"]), ""))
    columns = ("host", "", *(metric.title for metric in METRICS), "")
    return Section(f"Hardware, MB/s (gpcheckperf{size})", tuple(lines), columns, tuple(rows))


def _cells(values: Mapping[str, Any]) -> list[str]:
    return ["" if values[metric.key] is None else f"{values[metric.key]:,.0f}" for metric in METRICS]
