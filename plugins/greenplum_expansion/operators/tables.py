"""The order in which tables move."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology, read_version
from greenplum_expansion.hooks.workload import read_tables_to_move
from greenplum_expansion.operators.forecasting import ask, count_groups, in_order
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.forecast import PREVIEWED, play_likely, preview
from greenplum_expansion.planning.forecast_text import preview_lines
from greenplum_expansion.planning.joins import Joins
from greenplum_expansion.planning.ranking import RankedTable, unmatched
from greenplum_expansion.redistribution import engine

log = logging.getLogger(__name__)

ORDER_KEY = "order"
ORDER_FILE = "order.jsonl.gz"
_SHOWN = 20


class RankTablesOperator(BaseOperator):
    """Write the order in which tables move into ``gpexpand.status_detail``.

    Probes: only while gpexpand is not moving tables, as it reads ranks once at its start. Repeating it changes nothing
    but the ranks of tables that have not moved. What the order comes to is told as a preview: each table with the time
    its move is forecast to take, and when; the first of them in the log and under the XCom key "order", all of them in
    ``order.jsonl.gz`` in the expansion's directory. What the expansion was asked for is kept there, too, for the runs
    of greenplum_redistribute, which may move the tables from then on.

    :return: number of tables ranked
    """

    ui_color = "#f4ecd8"

    def execute(self, context: Mapping[str, Any]) -> int:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            state = read_expansion_state(run.hook)
            present = run.directory.require_plan().presence(read_topology(run.hook))
            over = present is Presence.ALL and state.phase in (Phase.IDLE, Phase.COMPLETE, Phase.REDISTRIBUTING)
            if over:
                self.log.info("Nothing to rank: %s", state.because)
                record_step(context, started, "nothing to rank")
                return 0
            if not state.phase.may_redistribute:
                raise state.refuse(run.subject)
            run.directory.write_request(run.request.model_dump(mode="json"))
            written, ordered, joins = write_order(run)
            self._preview(context, run, [table.key for table in ordered], joins)
        record_step(context, started, f"{written} tables ranked, {run.request.order}")
        return written

    def _preview(
        self, context: Mapping[str, Any], run: ExpansionRun, keys: list[tuple[str, int]], joins: Joins
    ) -> None:
        """Say when each table is forecast to move."""
        tables = read_tables_to_move(run.hook, read_version(run.hook).flavor)
        asked = ask(run, run.directory.require_plan(), tables, keys, joins)
        previewed = list(preview(asked, play_likely(asked)))
        for line in preview_lines(previewed[:_SHOWN], asked.zone):
            self.log.info("%s", line)
        path = run.directory.file(ORDER_FILE)
        run.hook.coordinator().write_json_lines(path, map(asdict, previewed))
        if len(previewed) > _SHOWN:
            self.log.info("All %d in their order: %s", len(previewed), path)
        context["ti"].xcom_push(key=ORDER_KEY, value=[asdict(table) for table in previewed[:PREVIEWED]])


def write_order(run: ExpansionRun) -> tuple[int, list[RankedTable], Joins]:
    """Give the tables that are left the ranks of the order asked for: how many got one, which, how they are joined."""
    tables = engine.read_tables_to_move(run.hook)
    ordered, joins = in_order(run, tables)
    for name, count in count_groups(joins):
        log.info("%d tables belong together, %s", count, name)
    for pattern in unmatched(tables, run.request.important_tables):
        log.warning("Important table %s matches no table that is to be moved", pattern)
    return engine.write_ranks(run.hook, ordered), ordered, joins
