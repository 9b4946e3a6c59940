"""The person who approves the plan, as it is or edited.

Airflow 3.3.2 stores text and form of a question once for each task instance; a retry or a cleared task shows them as
they were. So whatever has to be asked otherwise is asked by the next of several instances (docs/decisions/13).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from greenplum_expansion.checks.finding import Finding, errors, worst_first
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.hooks.draft import Draft, drop_draft, may_ask, read_draft, write_draft
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.operators.forecasting import forecast_of, write_forecast
from greenplum_expansion.operators.notices import tell_approval_waiting
from greenplum_expansion.operators.plan import look_at_plan, record_layout
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    SECTION_KEY,
    ExpansionRun,
    expansion_run,
    record_step,
    started_now,
)
from greenplum_expansion.planning.approval import approval_text
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.edit import judge_edit
from greenplum_expansion.planning.forecast_text import sections
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.planning.section import Section, join_sections

DIGEST_KEY = "digest"
ANSWER_KEY = "answer"
_SHOWN_KEY = "shown"
INPUT_FILE, TABLESPACE_FILE = "input_file", "tablespace_file"  # fields of the form
_AGAIN = 9  # how often a plan may be edited wrongly before the run is given up
_DUE = "the plan or what is to be said of it differs from what Airflow shows here; approve_edit asks"


class AskingOperator(ApprovalOperator):
    """What both approvals share: filling the question, and taking its answer.

    :param plan_task: task id of the MakePlanOperator
    """

    ui_color = "#f9d9c2"

    def __init__(self, *, plan_task: str, **kwargs: Any) -> None:
        super().__init__(subject="Approve the expansion of {{ params.greenplum_conn_id }}", **kwargs)
        self.plan_task = plan_task

    def planned(self, context: Any) -> Plan:
        """The plan whose hosts, ports and directories were checked."""
        return Plan.from_dict(context["ti"].xcom_pull(task_ids=self.plan_task))

    def fill(self, context: Any, run: ExpansionRun, planned: Plan, draft: Draft | None) -> bool:
        """Fill text and form. :return: whether this instance can ask with them"""
        plan = run.directory.require_plan()  # as planned, or as it was edited before this task was cleared
        texts = {INPUT_FILE: plan.input_file, TABLESPACE_FILE: plan.tablespace_file}
        said: Sequence[Finding] = ()
        if draft is not None:
            texts = {INPUT_FILE: draft.input_file, TABLESPACE_FILE: draft.tablespace_file}
            said = draft.findings
            if not errors(said):  # it can be carried out, so it is what is shown
                plan = judge_edit(plan.before, planned, draft.input_file, draft.tablespace_file).plan or plan
        findings = worst_first([*self._findings(context), *plan.findings])
        expected = forecast_of(run, plan)
        known = self._sections(context)
        self.body = approval_text(plan, findings, [*(sections(expected) if expected else []), *known], said)
        self.params = ParamsDict(
            {name: _field(name, text) for name, text in texts.items() if text or name == INPUT_FILE}
        )
        shown = {**texts, DIGEST_KEY: plan.digest, "draft": draft is not None}
        context["ti"].xcom_push(key=_SHOWN_KEY, value=shown)
        # The forecast changes with the hour; that alone is no reason to ask anew.
        essential = approval_text(plan, findings, known, said)
        essence = hashlib.sha256("\0".join((essential, *texts.values())).encode()).hexdigest()
        return may_ask(run.directory, f"{self.task_id}[{getattr(context['ti'], 'map_index', -1)}]", essence)

    def _findings(self, context: Any) -> list[Finding]:
        """What all tasks before this one have found; the plan's own are shown with the plan, which may be edited."""
        found = context["ti"].xcom_pull(task_ids=self._before(), key=FINDINGS_KEY) or []
        return [Finding.from_dict(data) for one in found if one for data in one]

    def _sections(self, context: Any) -> list[Section]:
        left = context["ti"].xcom_pull(task_ids=self._before(), key=SECTION_KEY) or []
        return join_sections(Section.from_dict(section) for section in left if section)

    def _before(self) -> list[str]:
        every = {task.task_id for task in self.get_flat_relatives(upstream=True)}
        return sorted(every - {self.plan_task, "approve_plan"})

    def take(self, context: Any, event: dict[str, Any]) -> bool:
        """Take the answer: make what was approved the plan, or keep what is wrong with it.

        :return: False if the edited plan must be asked for again; True after any other answer
        """
        chosen = list(event.get("chosen_options") or ())
        who = (event.get("responded_by_user") or {}).get("name", "somebody")
        started = context["ti"].start_date.timestamp()
        edited = False
        if self.APPROVE in chosen:
            plan = self._take_edit(context, event.get("params_input") or {})
            if plan is None:
                record_step(context, started, f"the plan as edited by {who} is asked for again")
                return False
            context["ti"].xcom_push(key=DIGEST_KEY, value=plan["digest"])
            edited = plan["edited"]
        for option in chosen:
            context["ti"].xcom_push(key=ANSWER_KEY, value=option)
            record_step(context, started, f"{option} by {who}" + (", edited" if edited else ""))
        return True

    def _take_edit(self, context: Any, entered: Mapping[str, Any]) -> dict[str, Any] | None:
        """What was approved: ``{digest, edited}``; None if it cannot be carried out, or should be looked at again."""
        shown = context["ti"].xcom_pull(
            task_ids=context["ti"].task_id, key=_SHOWN_KEY, **_of_this_instance(context["ti"])
        )
        # Over the API the form may be left out; a field that was emptied comes as null.
        texts = [str(entered.get(name, shown[name]) or "") for name in (INPUT_FILE, TABLESPACE_FILE)]
        planned = self.planned(context)
        unchanged = [_lines(text) for text in texts] == [_lines(shown[name]) for name in (INPUT_FILE, TABLESPACE_FILE)]
        if unchanged and not shown["draft"]:
            return {"digest": shown[DIGEST_KEY], "edited": shown[DIGEST_KEY] != planned.digest}
        with expansion_run(context) as run:
            run.require_claim()
            plan = self._judge(run, planned, texts)
            if plan is None:
                return None
            expected = forecast_of(run, plan)
            run.directory.write_plan(plan)
            if expected is not None:
                write_forecast(context, run, expected)
            drop_draft(run.directory)
        for line in (plan.input_file + plan.tablespace_file).splitlines():
            self.log.info("input file as edited: %s", line)
        record_layout(context, plan, "Layout as edited")
        return {"digest": plan.digest, "edited": plan.digest != planned.digest}

    def _judge(self, run: ExpansionRun, planned: Plan, texts: Sequence[str]) -> Plan | None:
        """The edited plan; None if it is wrong, or deviates from the pattern in a way that was not shown yet."""
        edit = judge_edit(read_topology(run.hook), planned, *texts)
        wrong = list(edit.errors) or (errors(look_at_plan(run, edit.plan)) if edit.plan else [])
        draft = read_draft(run.directory, planned.digest)
        news = [finding for finding in edit.deviations if draft is None or finding not in draft.findings]
        if edit.plan and not wrong and not news:
            return edit.plan
        for finding in wrong or news:
            self.log.warning("%s", finding)
        write_draft(run.directory, Draft(planned.digest, texts[0], texts[1], tuple(wrong or news)))
        return None


class ApprovePlanOperator(AskingOperator):
    """Wait until a person approves the plan in the UI, as it is or edited; waived by the request.

    The form carries gpexpand's input files. A changed one is held against the cluster and against what was checked; if
    it is right it becomes the plan, if not the ApproveEditOperator behind asks again. Leaves the digest of what was
    approved: nothing else is carried out. Rejecting skips all that follows but the report. Once the plan has been
    carried out there is nothing left to approve, and none is asked for.

    :return: a number for each time the plan may be asked for again; empty if it was answered
    """

    def execute(self, context: Any) -> Any:
        with expansion_run(context) as run:
            if run.request.dry_run:
                record_step(context, started_now(), "not asked for: nothing is changed")
                raise AirflowSkipException("Nothing is to be changed, so there is nothing to approve")
            planned = self.planned(context)
            plan = run.directory.require_plan()
            waived = not run.request.approval
            if waived or plan.presence(read_topology(run.hook)) is Presence.ALL:
                outcome = "waived by the request" if waived else "carried out already"
                self.log.info("No approval is asked for: %s", outcome)
                drop_draft(run.directory)
                context["ti"].xcom_push(key=DIGEST_KEY, value=plan.digest)
                record_step(context, started_now(), outcome)
                return []
            if not self.fill(context, run, planned, read_draft(run.directory, planned.digest)):
                if read_draft(run.directory, planned.digest) is None:
                    write_draft(run.directory, Draft(planned.digest, plan.input_file, plan.tablespace_file, ()))
                self.log.info("Not asked here: %s", _DUE)
                record_step(context, started_now(), "asked by approve_edit")
                return list(range(_AGAIN))
            tell_approval_waiting(context, run.request, str(self.body), _what_is_asked(plan))
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Take the answer. A rejection skips what follows: so it is recorded first."""
        if not self.take(context, event):
            return list(range(_AGAIN))
        super().execute_complete(context, event)
        return []


class ApproveEditOperator(AskingOperator):
    """Ask once more for a plan that was edited and cannot be carried out as it is, with the reasons on top.

    Mapped over the times it may be asked; each instance asks only if the one before was not answered with a plan that
    holds. Run one after the other (``max_active_tis_per_dagrun=1``).

    :param asking: number of this time (templated)
    """

    template_fields = (*AskingOperator.template_fields, "asking")

    def __init__(self, *, asking: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.asking = asking

    def execute(self, context: Any) -> Any:
        with expansion_run(context) as run:
            planned = self.planned(context)
            draft = read_draft(run.directory, planned.digest)
            if draft is None:
                self.log.info("The plan was answered already")
                return None
            if not self.fill(context, run, planned, draft):
                if self.asking + 1 >= _AGAIN:
                    raise self._given_up(run)
                self.log.info("Not asked here: %s", _DUE)
                return None
            tell_approval_waiting(
                context, run.request, str(self.body), "The plan as it was edited cannot be carried out yet."
            )
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Take the answer; a rejection ends the asking."""
        if self.take(context, event):
            result = super().execute_complete(context, event)
            if self.APPROVE not in (event.get("chosen_options") or ()):
                with expansion_run(context) as run:
                    drop_draft(run.directory)
                # Airflow 3.3.2 skips nothing behind a mapped instance by itself (SkipMixin._set_state_to_skipped).
                raise DownstreamTasksSkipped(tasks=sorted(self.downstream_task_ids))
            return result
        if self.asking + 1 >= _AGAIN:
            with expansion_run(context) as run:
                raise self._given_up(run)
        return None

    def _given_up(self, run: ExpansionRun) -> ActionRefused:
        return ActionRefused(
            run.subject,
            f"its plan was asked for {_AGAIN + 1} times and could not be carried out as it was edited",
            "trigger a new run, with the wishes in its request",
        )


def _what_is_asked(plan: Plan) -> str:
    added = sum(instance.is_primary for instance in plan.new)
    return f"The plan is ready: {plan.before.segment_count} segments would become {plan.before.segment_count + added}."


def _field(name: str, text: str) -> Param:
    if name == INPUT_FILE:
        title, what = "Input file", "`host|address|port|directory|dbid|content|role`, one new instance a line."
    else:
        title, what = "Tablespace file", "`dbid|directory|…`, one new primary a line, below the two lines of names."
    # An emptied field comes as null, which is then answered in words rather than by a refused form.
    return Param(text, type=["string", "null"], format="multiline", title=title, description_md=what)


def _lines(text: str) -> list[str]:
    """What of a text counts: browsers end lines otherwise, and people add blanks."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _of_this_instance(ti: Any) -> dict[str, int]:
    index = getattr(ti, "map_index", -1)
    return {"map_indexes": index} if index is not None and index >= 0 else {}
