"""Preparing one new host: look, decide, show, do, look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.errors import ActionRefused, StepFailed
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.preparation import ROOT_DIRECTORY, PreparedHost, note_prepared
from greenplum_expansion.operators.preparation.situation import Access, enter, read_situation
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    expansion_run,
    record_section,
    record_step,
    started_now,
)
from greenplum_expansion.planning.section import Section
from greenplum_expansion.preparation.change import Change, PartPlan
from greenplum_expansion.preparation.parts import OPERATING_SYSTEM, parts
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart

# Directories can be made by the cluster's user itself where it may; all else is root's.
_WITHOUT_ROOT = frozenset({PreparationPart.DIRECTORIES.value})


class PrepareHostOperator(BaseOperator):
    """Make one new host like the existing ones, as far as the request asks. Mapped over the hosts.

    Probes the new host, the coordinator and, for what is modelled on them, the existing segment hosts; each part says
    what differs, which is logged as a diff. What is like it should be is not touched: a second run has nothing to do.
    Each change is entered in a manifest on the host before it is made, with what was there; a retry finishes what a
    crash interrupted; ``greenplum_rollback`` can take it back. Afterwards everything is looked at again.

    Without root, a host that is ready passes; one that is not is refused with the parts that need root. With *Only
    look* nothing is done.

    :param host: ``{hostname, address, host_key, directories, tablespace_directories, ports}`` as CheckPlacesOperator
        returned it (templated)
    :param choices: parts this task takes care of, if they are chosen
    :return: ``{host, done, changes: [{part, subject, why, diff, needs_reboot}]}``
    :raises ActionRefused: no root where it is needed, or something a person has to decide
    :raises StepFailed: a change was made, but did not take
    """

    template_fields: Sequence[str] = ("host",)
    ui_color = "#f4ecd8"

    def __init__(self, *, host: dict[str, Any], choices: Sequence[PreparationPart], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.host = host
        self.choices = tuple(choices)

    def execute(self, context: Mapping[str, Any]) -> Any:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            chosen = [choice for choice in run.request.preparation_parts if choice in self.choices]
            if not chosen:
                self.log.info("Not asked for: %s", ", ".join(self.choices))
                record_step(context, started, "not asked for")
                return self._result((), done=False)
            if self.host["hostname"] in read_topology(run.hook).hostnames:
                # A task cleared after the expansion: a host with segments in use is no longer ours to change.
                self.log.info("%s belongs to the cluster already and is left as it is", self.host["hostname"])
                record_step(context, started, "in the cluster already")
                return self._result((), done=False)
            access = enter(run, self.host)
            if access.no_root is None and not run.request.dry_run:
                for subject in self._prepared(run, access).finish_begun():
                    self.log.info("%s: finished what was begun before: %s", self.host["hostname"], subject)
            situation, plans, findings = self._plan(run, access, chosen)
            self._show(context, plans, findings, dry_run=run.request.dry_run)
            changes = [change for plan in plans for change in plan.changes]
            if run.request.dry_run:
                record_step(context, started, f"dry run: {_count(changes)} to make")
                return self._result(changes, done=False)
            self._require_root(access, changes)
            if changes:
                self.bring(run, access, situation, started)
            return self._apply(context, run, access, chosen, changes, findings, started)

    def bring(self, run: ExpansionRun, access: Access, situation: Situation, started: float) -> None:
        """Bring to the host what the changes need; whoever has to wait for that defers."""

    def _plan(
        self, run: ExpansionRun, access: Access, chosen: Sequence[PreparationPart]
    ) -> tuple[Situation, list[PartPlan], list[Finding]]:
        modelled = any(choice in OPERATING_SYSTEM for choice in chosen)
        situation, findings = read_situation(run, self.host, access.host, with_existing=modelled)
        plans = [part.plan(situation) for part in parts(chosen)]
        return situation, plans, [*findings, *(finding for plan in plans for finding in plan.findings)]

    def _apply(
        self,
        context: Mapping[str, Any],
        run: ExpansionRun,
        access: Access,
        chosen: Sequence[PreparationPart],
        changes: Sequence[Change],
        findings: Sequence[Finding],
        started: float,
    ) -> dict[str, Any]:
        prepared = self._prepared(run, access)
        if changes:
            note_prepared(run.directory, access.host, self.host["host_key"], _kept_in(run, access))
            prepared.plan(changes)
        for change in changes:
            self.log.info("%s: %s: %s", self.host["hostname"], change.subject, change.why)
            prepared.apply(change)
        prepared.flush()
        left = [change for plan in self._plan(run, access, chosen)[1] for change in plan.changes] if changes else []
        if left:
            raise StepFailed(
                f"Preparation of {self.host['hostname']}",
                f"changed, but not as it should be: {', '.join(change.subject for change in left)}",
                "see the diff in the log, look there by hand, then clear this task",
            )
        outcome = f"{_count(changes)} made" if changes else "nothing to do"
        self.log.info("%s: %s", self.host["hostname"], outcome)
        record_step(context, started, outcome)
        wrong = errors(findings)
        if wrong:
            raise ActionRefused(
                f"Preparation of {self.host['hostname']}",
                "a person has to decide: " + " ".join(map(str, wrong)),
                "do what the remedies say, then clear this task",
            )
        return self._result(changes, done=bool(changes))

    def _prepared(self, run: ExpansionRun, access: Access) -> PreparedHost:
        return PreparedHost(access.host, run.expansion_id, _kept_in(run, access))

    def _require_root(self, access: Access, changes: Sequence[Change]) -> None:
        needing = sorted({change.part for change in changes if change.part not in _WITHOUT_ROOT})
        if access.no_root is not None and needing:
            subjects = ", ".join(change.subject for change in changes if change.part in needing)
            raise ActionRefused(
                f"Preparation of {self.host['hostname']}",
                f"only root can change {subjects}; {access.no_root.cause}",
                f"{access.no_root.next_action}; or make the changes shown above by hand and clear this task; or "
                f"trigger again without the parts {', '.join(needing)}",
            )

    def _show(
        self, context: Mapping[str, Any], plans: Sequence[PartPlan], findings: Sequence[Finding], *, dry_run: bool
    ) -> None:
        name = self.host["hostname"]
        for plan in plans:
            if not plan.changes:
                self.log.info("%s: %s: nothing to do", name, plan.part)
            for change in plan.changes:
                verb = "would be changed" if dry_run else "to be changed"
                self.log.info("%s: %s: %s (%s)", name, plan.part, verb, change.why)
                for line in change.diff().splitlines():
                    self.log.info("    %s", line)
        for finding in findings:
            self.log.log(30 if errors([finding]) else 20, "%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        rows = tuple((plan.part, change.subject, change.why) for plan in plans for change in plan.changes)
        if rows:
            title = f"{'What would be prepared' if dry_run else 'Prepared'} on {name}"
            record_section(context, Section(title, (), ("part", "changed", "why"), rows))

    def _result(self, changes: Sequence[Change], *, done: bool) -> dict[str, Any]:
        shown = [
            {
                "part": change.part,
                "subject": change.subject,
                "why": change.why,
                "diff": change.diff(),
                "needs_reboot": change.needs_reboot,
            }
            for change in changes
        ]
        return {"host": self.host["hostname"], "done": done, "changes": shown}


def _kept_in(run: ExpansionRun, access: Access) -> str:
    """Where manifests are kept: without root in the home directory of the cluster's user."""
    if access.no_root is None:
        return ROOT_DIRECTORY
    return f"{run.hook.environment().home}/.greenplum-expansion"


def _count(changes: Sequence[Change]) -> str:
    return f"{len(changes)} change{'' if len(changes) == 1 else 's'}"
