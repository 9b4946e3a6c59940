"""Looking over the cluster before and after the expansion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from airflow.sdk import BaseOperator

from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.remote import FileMissing
from greenplum_expansion.hooks.survey import take_survey
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_section, record_step, started_now
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.report import Section, render_section
from greenplum_expansion.survey.compare import compare, survey_section
from greenplum_expansion.survey.facts import Survey

COMPARISON_KEY = "comparison"


class SurveyOperator(BaseOperator):
    """Note sizes, kinds, skew, bloat, statistics, partitions and indexes of every database; afterwards compare.

    Only reads, and only catalogs and sizes of files: no table's rows. Keeps the whole as ``survey_before.json`` or
    ``survey_after.json`` in the expansion's directory. Probes: the survey before is not taken again once segments are
    being added, as it would no longer be one of before; the one after is taken anew each time. What the server is too
    slow for is noted, and fails nothing.

    Leaves a section for the report and, afterwards, the comparison under the XCom key "comparison".

    :param moment: "before" or "after"
    :return: a summary (``Survey.summary``), with the path of the file
    """

    ui_color = "#e8f3ec"

    def __init__(self, *, moment: Literal["before", "after"], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.moment = moment

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            survey = self._recorded(run) if self.moment == "before" and _has_begun(run) else None
            if survey is not None:
                self.log.info("Segments are being or were added; the survey taken before them stays as it is")
            else:
                survey = take_survey(run.hook)
                run.directory.ensure()
                run.hook.coordinator().write_json(self._path(run, self.moment), survey.to_dict())
            section = self._section(context, run, survey)
            path = self._path(run, self.moment)
        for line in render_section(section):
            self.log.info("%s", line)
        record_section(context, section)
        outcome = f"{len(survey.databases)} databases, {survey.tables:,} tables, {human_bytes(survey.size_bytes)}"
        record_step(context, started, outcome)
        return {**survey.summary(), "file": path}

    def _section(self, context: Mapping[str, Any], run: ExpansionRun, survey: Survey) -> Section:
        if self.moment == "before":
            return survey_section(survey, "Survey before the expansion")
        before = self._recorded(run, "before")
        if before is None:
            return survey_section(survey, "Survey after the expansion; there is none from before to compare with")
        comparison = compare(before, survey)
        for loss in comparison.losses:
            self.log.warning("%s: fewer %s, %s before and %s after", loss.database, loss.what, loss.before, loss.after)
        context["ti"].xcom_push(key=COMPARISON_KEY, value=comparison.to_dict())
        return comparison.section()

    def _recorded(self, run: ExpansionRun, moment: str = "before") -> Survey | None:
        try:
            return Survey.from_dict(run.hook.coordinator().read_json(self._path(run, moment)))
        except FileMissing:
            return None

    def _path(self, run: ExpansionRun, moment: str) -> str:
        return run.directory.file(f"survey_{moment}.json")


def _has_begun(run: ExpansionRun) -> bool:
    plan = run.directory.read_plan()
    if plan is None:
        return False
    return plan.presence(read_topology(run.hook)) is not Presence.NONE or run.directory.job_runs("add_segments")
