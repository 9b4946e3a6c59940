"""An edited plan, judged: what an approver has made of the input file, against the cluster and what was checked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from greenplum_expansion.checks.edited_plan import check_edited
from greenplum_expansion.checks.finding import Finding, Severity, errors, worst_first
from greenplum_expansion.checks.input_file import check_input_file, check_tablespace_locations
from greenplum_expansion.checks.layout import check_layout
from greenplum_expansion.cluster import input_file, tablespaces
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.planning.layout import lay_out
from greenplum_expansion.planning.plan import Plan


@dataclass(frozen=True)
class Edit:
    """What came of an edit.

    :param plan: the edited plan; None if the texts cannot be read or cannot be carried out
    :param errors: why not
    :param deviations: how it deviates from the cluster's pattern where the plan did not
    """

    plan: Plan | None
    errors: tuple[Finding, ...] = ()
    deviations: tuple[Finding, ...] = ()


def judge_edit(topology: Topology, planned: Plan, input_text: str, tablespace_text: str) -> Edit:
    """Read and judge an edited plan.

    :param topology: the cluster now
    :param planned: the plan as it was made, whose hosts, ports and directories were checked
    """
    problems = []
    new, locations = planned.new, dict(planned.locations)
    try:
        new = input_file.parse(input_text)
    except ValueError as error:
        problems.append(Finding.error("input file", str(error), "correct this line"))
    try:
        locations = tablespaces.parse(tablespace_text, planned.tablespaces)
    except ValueError as error:
        problems.append(Finding.error("tablespace file", str(error), "correct this line"))
    if problems:
        return Edit(None, tuple(problems))
    found = errors(
        [
            *check_input_file(topology, new),
            *check_edited(planned.new, planned.locations, new, locations),
            *check_tablespace_locations(new, planned.tablespaces, locations),
        ]
    )
    if found:
        return Edit(None, tuple(dict.fromkeys(found)))
    findings = tuple(worst_first(check_layout(lay_out(topology, new))))
    plan = replace(planned, new=new, locations=locations, findings=findings)
    known = set(planned.findings)
    return Edit(plan, (), tuple(f for f in findings if f.severity is not Severity.NOTE and f not in known))
