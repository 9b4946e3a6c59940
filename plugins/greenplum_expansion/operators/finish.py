"""The end: gpexpand's schema removed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE, read_expansion_state
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.planning.decisions import Action, decide_clean_up


class CleanUpOperator(BaseOperator):
    """Keep gpexpand's list of tables beside the report, then remove its schema (``gpexpand -c``).

    Probes: without the schema ``gpexpand -c`` would start its interview, so it is not run; with tables left it is
    refused. The one question it asks for a complete expansion, whether to dump the list, is answered with no: it was
    just exported.

    :return: what was done
    """

    ui_color = "#f4ecd8"

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            if not run.request.clean_up:
                outcome = "left to be done by hand, as asked"
            else:
                outcome = self._clean_up(run)
        record_step(context, started, outcome)
        return outcome

    def _clean_up(self, run: ExpansionRun) -> str:
        decision = decide_clean_up(run.subject, read_expansion_state(run.hook))
        self.log.info("Decision: %s, because %s", decision.action, decision.because)
        if decision.action is Action.DONE:
            return "clean already"
        self._export(run)
        # One line, for the one question; anything else it asked would read the end of the input and stop.
        result = run.hook.run_utility(["gpexpand", "-c"], stdin="n\n", check=False, cwd=run.directory.path)
        for line in (result.stdout + result.stderr).splitlines():
            self.log.info("gpexpand: %s", line)
        state = read_expansion_state(run.hook)
        if state.phase is not Phase.IDLE:
            raise StepFailed(f"Clean-up of {run.subject}", f"{state.phase}: {state.because}", state.next_action)
        return "schema gpexpand removed"

    def _export(self, run: ExpansionRun) -> None:
        rows = run.hook.query("status_detail", dbname=SCHEMA_DATABASE)
        if not rows:
            return
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        path = run.directory.file("status_detail.csv")
        run.hook.coordinator().write_text(path, buffer.getvalue())
        self.log.info("%d rows of gpexpand.status_detail kept in %s", len(rows), path)
