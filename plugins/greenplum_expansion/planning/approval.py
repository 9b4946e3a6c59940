"""What a person reads before approving a plan, as Markdown.

Names come from the cluster and from the request: none of them may form markup, so each stands in a code span or has
its special characters escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from greenplum_expansion.checks.finding import Finding, Severity
from greenplum_expansion.planning import layout
from greenplum_expansion.planning.plan import Plan, human_bytes
from greenplum_expansion.planning.section import Section

_ROWS_SHOWN = 30  # of what an earlier step found out; all of it is in the report
_MARKUP = re.compile(r"[\\`*_\[\]|<>&~#]")

_WHILE_ADDING = (
    "While `add_segments` runs, minutes on most clusters, no table can be created, altered or dropped in any database, "
    "temporary ones included: such statements fail with *gpexpand in progress, catalog changes are disallowed*. "
    "Stop ETL that makes tables meanwhile; reading and writing rows goes on."
)
_UNDOING = """\
- Up to here no segment was added and no table moved. Changed, as far as it was asked for: the new hosts; on the \
existing ones `/etc/hosts` and the keys that `gpssh-exkeys` entered. `gpcheckcat` may have dropped temporary schemas \
that ended sessions had left.
- Rejecting ends the run and takes nothing of that back. `greenplum_rollback` with *Undo the preparation of the hosts* \
takes back what was changed on hosts, but for the keys.
- Until gpexpand has changed the catalog, some minutes into `add_segments`, a failure is rolled back: \
`greenplum_rollback` runs.
- **From there on the way is forward only.** No rollback and no backup brings the old layout back in place. \
Until their tables have moved they stay usable where they are; tables that fail to move can be tried again.
- Backups taken before cannot be restored to the grown cluster with plain gprestore."""
_STEERING = (
    "`greenplum_steer` pauses and resumes the moves and changes how many run at a time, while they run; "
    "`greenplum_redistribute` moves what this run leaves."
)
_EDITING = (
    "The input file below may be changed before approving: segments moved among these hosts, left out, or numbered "
    "otherwise. It is checked again; if something is wrong, task `approve_edit` asks again and says what. A host, a "
    "port or a directory that was not checked needs a new run."
)


def approval_text(
    plan: Plan, findings: Sequence[Finding], sections: Sequence[Section] = (), edit_refused: Sequence[Finding] = ()
) -> str:
    """The whole text.

    :param findings: of the plan and of all tasks before it, worst first
    :param sections: what earlier steps found out: capacity, hardware, what the backup can restore
    :param edit_refused: what is to be said of the text that was entered last; empty if none was
    """
    return "\n\n".join(
        [
            *_refusal(edit_refused),
            *_summary(plan),
            "### What can be undone",
            _UNDOING,
            "### While tables move",
            _STEERING,
            *_findings(findings),
            "### Layout",
            _layout(plan),
            *_tablespaces(plan),
            *(part for section in sections for part in _section(section)),
            "### Editing",
            _EDITING,
        ]
    )


def _refusal(findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return []
    if any(finding.severity is Severity.ERROR for finding in findings):
        said = "## The edited plan cannot be carried out\n\nNothing was done. Correct it below and approve again."
    else:
        said = "## The edited plan differs from the pattern\n\nNothing was done yet. Approve once more if it is meant."
    return [said, _list(findings)]


def _summary(plan: Plan) -> list[str]:
    total = sum(database.size_bytes for database in plan.databases)
    tables = sum(database.tables for database in plan.databases)
    there = {instance.hostname for instance in plan.before.segments}
    added = [_plain(host) for host in plan.new_hosts if host not in there]
    grown = [_plain(host) for host in plan.new_hosts if host in there]
    where = " and ".join(
        [*([f"by the hosts {', '.join(added)}"] if added else []), *([f"on {', '.join(grown)}"] if grown else [])]
    )
    size = f"{tables} tables, {human_bytes(total)} in {len(plan.databases)} databases"
    return [
        f"**{_plain(plan.version)}** grows from {plan.before.segment_count} to {plan.segments_after} segments {where}.",
        f"{size}, are rewritten one after another. A table cannot be read or written while it moves.",
        _WHILE_ADDING,
    ]


def _findings(findings: Sequence[Finding]) -> list[str]:
    weighty = [finding for finding in findings if finding.severity is not Severity.NOTE]
    notes = [finding for finding in findings if finding.severity is Severity.NOTE]
    parts = ["### Findings", _list(weighty) if weighty else "No warnings."]
    if notes:
        parts += [f"For information ({len(notes)}):", _list(notes)]
    return parts


def _list(findings: Iterable[Finding]) -> str:
    return "\n".join(f"- `{_code(str(finding))}`" for finding in findings)


def _layout(plan: Plan) -> str:
    return _table(layout.COLUMNS, layout.rows(layout.lay_out(plan.before, plan.new)))


def _tablespaces(plan: Plan) -> list[str]:
    if not plan.tablespaces:
        return []
    primaries = {i.dbid: i for i in plan.new if i.is_primary}
    rows = [
        (tablespace.name, tablespace.location, where, ", ".join(str(primaries[dbid].content) for dbid in dbids))
        for position, tablespace in enumerate(plan.tablespaces)
        for where, dbids in _by_location(plan, position, primaries).items()
    ]
    return [
        "### Tablespaces",
        _table(("Tablespace", "On the coordinator", "On new segments", "Contents"), rows),
        "Mirrors have them in the same directory as their primary. The directories are made where they are missing.",
    ]


def _by_location(plan: Plan, position: int, primaries: Iterable[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for dbid in sorted(set(primaries) & set(plan.locations)):
        found.setdefault(plan.locations[dbid][position], []).append(dbid)
    return found


def _section(section: Section) -> list[str]:
    parts = [f"### {_plain(section.title)}", *(_plain(line) for line in section.lines)]
    if section.columns:
        parts.append(_table(section.columns, section.rows[:_ROWS_SHOWN]))
        if len(section.rows) > _ROWS_SHOWN:
            parts.append(f"and {len(section.rows) - _ROWS_SHOWN} more rows, which the report shows")
    return parts


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell if number == 1 else _plain(cell) for cell in line) + " |"
        for number, line in enumerate(lines)
    )


def _plain(text: str) -> str:
    """Text as it stands, whatever characters it has; line ends would end a table's row."""
    return _MARKUP.sub(lambda found: f"\\{found.group()}", " ".join(text.split()))


def _code(text: str) -> str:
    """For a code span: on one line, without the character that would end it."""
    return " ".join(text.replace("`", "'").split())
