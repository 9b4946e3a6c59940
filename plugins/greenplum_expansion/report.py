"""The report: what was done, how long it took, and what is proven. Pure: built from what the tasks left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.planning.progress import human_seconds
from greenplum_expansion.planning.proof import unproven
from greenplum_expansion.planning.section import Section, render_section


@dataclass(frozen=True)
class Report:
    """One expansion at its end.

    :param segments: what AddSegmentsOperator returned; None if it was not reached
    :param proof: what VerifyDistributionOperator left; None if it was not reached
    :param steps: ``{task_id, seconds, outcome}`` in the order of the runbook
    :param sections: what steps found out, in the same order
    :param failure: why the expansion is not complete; empty if it is, or was rejected
    :param next_action: what a person does now; empty if nothing
    """

    expansion_id: str
    connection: str
    outcome: str
    segments: dict[str, Any] | None
    proof: dict[str, Any] | None
    steps: tuple[dict[str, Any], ...]
    sections: tuple[Section, ...]
    failure: str
    next_action: str
    is_over: bool

    @classmethod
    def build(
        cls,
        *,
        expansion_id: str,
        connection: str,
        state: ExpansionState,
        dry_run: bool,
        rejected: bool,
        rolled_back: bool | None,
        gpexpand_said: str,
        segments: dict[str, Any] | None,
        proof: dict[str, Any] | None,
        expect_writes: bool,
        cleaned_up: bool,
        steps: Sequence[dict[str, Any]],
        sections: Sequence[Section] = (),
    ) -> Report:
        """Judge how the expansion ended.

        :param state: of the cluster now
        :param dry_run: the request asked to change nothing, and everything it asked for was looked at
        :param rolled_back: greenplum_rollback came to its end, and proved it; None if it was not triggered
        :param gpexpand_said: its errors when adding the segments failed; empty if it said none
        :param expect_writes: differing rows are no failure; tables that did not move are
        :param cleaned_up: schema gpexpand should be gone by now
        """
        if dry_run:
            outcome, failure, next_action = "dry run", "", ""
        elif rejected:
            outcome, failure, next_action = "rejected", "", ""
        elif segments is None:
            outcome, failure, next_action = _judge_beginning(state, rolled_back, gpexpand_said)
        else:
            outcome, failure, next_action = _judge_end(state, proof, expect_writes, cleaned_up)
        return cls(
            expansion_id=expansion_id,
            connection=connection,
            outcome=outcome,
            segments=segments,
            proof=proof,
            steps=tuple(steps),
            sections=tuple(sections),
            failure=failure,
            next_action=next_action,
            # Nothing of this expansion is left in the cluster's hands, so the next one may begin.
            is_over=state.phase is Phase.IDLE and rolled_back is not False,
        )

    @property
    def is_proven(self) -> bool:
        """Complete, every table on all segments, every row and checksum as before."""
        return self.outcome == "complete" and bool(self.proof and self.proof["proven"])

    def facts(self) -> list[str]:
        """What a notice says of it."""
        facts = [self.failure] if self.failure else []
        if self.segments:
            facts.append(
                f"Segments: {self.segments['segments_before']} before, {self.segments['segments_after']} after"
            )
        if self.proof:
            facts.append(_proof(self.proof)[0])
        return facts

    def to_dict(self) -> dict[str, Any]:
        sections = [section.to_dict() for section in self.sections]
        return {**asdict(self), "steps": list(self.steps), "sections": sections, "is_proven": self.is_proven}


def _judge_beginning(state: ExpansionState, rolled_back: bool | None, gpexpand_said: str) -> tuple[str, str, str]:
    if state.phase is not Phase.IDLE:
        return "stopped", f"the cluster is '{state.phase}': {state.because}", state.next_action
    if rolled_back is False:
        return (
            "stopped",
            "adding the segments failed, and greenplum_rollback has not proven that all of it is taken back",
            "see the report of greenplum_rollback, mend what it names, and trigger it again",
        )
    if rolled_back:
        return (
            "rolled back",
            "adding the segments failed and was taken back; the cluster is as it was"
            + (f". gpexpand had said: {gpexpand_said}" if gpexpand_said else ""),
            "see the log of add_segments, mend the cause, and trigger again",
        )
    return (
        "not begun",
        "a task before add_segments failed; no segment was added",
        "see the findings of judge_findings and the log of the failed task, mend the cause, and trigger again",
    )


def _judge_end(
    state: ExpansionState, proof: dict[str, Any] | None, expect_writes: bool, cleaned_up: bool
) -> tuple[str, str, str]:
    if proof is None:
        return "not proven", f"the cluster is '{state.phase}': {state.because}", state.next_action
    wrong = unproven(proof, expect_writes=expect_writes)
    if wrong:
        return "not proven", f"{len(wrong)} things are not as they should be", "see the log of verify_distribution"
    expected = Phase.IDLE if cleaned_up else Phase.COMPLETE
    if state.phase is not expected:
        return "not cleaned up", f"the cluster is '{state.phase}': {state.because}", state.next_action
    return "complete", "", ""


def render_text(report: Report) -> str:
    """The report for a log, a terminal or a mail, 100 columns at most."""
    lines = [f"Expansion {report.expansion_id} of {report.connection}: {report.outcome}", ""]
    if report.segments:
        lines += _segments(report.segments)
    if report.proof:
        lines += _proof(report.proof)
    for section in report.sections:
        lines += [*render_section(section), ""]
    if report.steps:
        width = max(len(step["task_id"]) for step in report.steps)
        lines.append("Steps")
        for step in report.steps:
            lines.append(f"  {step['task_id']:<{width}}  {human_seconds(step['seconds']):>10}  {step['outcome']}")
        lines.append("")
    if report.failure:
        lines += [f"Cause: {report.failure}.", f"Next: {report.next_action}.", ""]
    return "\n".join(lines)


def _segments(segments: dict[str, Any]) -> list[str]:
    lines = [f"Segments: {segments['segments_before']} before, {segments['segments_after']} after"]
    before, after = segments["hosts_before"], segments["hosts_after"]
    for host in after:
        lines.append(f"  {host:<20} {before.get(host, 0):>3} -> {after[host]}")
    return [*lines, ""]


def _proof(proof: dict[str, Any]) -> list[str]:
    what = "rows and checksums" if proof["checksums"] else "rows"
    count = len(proof["differences"])
    verdict = "all equal before and after" if not count else f"{count} differ"
    lines = [
        f"Proof: {proof['tables']} tables, {proof['rows']} rows; {what} {verdict}",
        "  "
        + (
            f"{len(proof['not_moved'])} tables do not lie on all segments"
            if proof["not_moved"]
            else "every table lies on all segments"
        ),
        *_further_proof(proof),
        *(f"  {sentence}" for sentence in unproven(proof, expect_writes=False)),
    ]
    if proof["appeared"]:
        lines.append(f"  new meanwhile: {', '.join(proof['appeared'])}")
    lines += ["", "Rows per segment (fullest over average; 1 is even)"]
    for moment in ("before", "after"):
        skew = proof[f"skew_{moment}"]
        rows = "  ".join(f"{content}:{rows}" for content, rows in skew["rows_by_content"].items())
        lines.append(f"  {moment:<7} {skew['worst_ratio']:.3f}   {rows}")
    tables = proof.get("skew_tables", ())
    if tables:
        width = max(len(name) for name, *_ in tables)
        lines.append("  of the tables with most rows, before and after:")
        lines += [f"    {name:<{width}}  {then:.3f}  {now:.3f}  {rows} rows" for name, rows, then, now in tables]
    worst = [f"{name} {ratio:.2f}" for name, ratio in proof["skew_after"]["worst_tables"] if ratio > 1.5]
    if worst:
        lines.append(f"  least even now: {', '.join(worst)}")
    return [*lines, ""]


def _further_proof(proof: dict[str, Any]) -> list[str]:
    """One line a part; none of a proof made by a version that did not look."""
    if "places" not in proof:
        return []
    places = proof["places"]
    looked = "every row" if places["full"] else "a sample of each table"
    parts = [
        (
            "misplaced",
            f"{looked}, {places['rows']} rows in {places['tables']} tables, lies where its hash says",
            "tables hold rows on a wrong segment",
        ),
        ("scattered", "no table became random", "tables became random"),
        ("invalid_indexes", "all indexes are as valid as before", "indexes became invalid"),
        ("mirrors", "all instances are up and in sync", "instances are not up and in sync"),
    ]
    return [f"  {len(proof[part])} {wrong}" if proof[part] else f"  {right}" for part, right, wrong in parts]
