"""The order in which tables move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.joins import Joins, find_joins
from greenplum_expansion.planning.ranking import RankedTable, rank, unmatched
from greenplum_expansion.redistribution import engine
from greenplum_expansion.request import TableOrder

_SHOWN = 10


class RankTablesOperator(BaseOperator):
    """Write the order in which tables move into ``gpexpand.status_detail``.

    Probes: only while gpexpand is not moving tables, as it reads ranks once at its start. Repeating it changes nothing
    but the ranks of tables that have not moved.

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
            tables = engine.read_tables_to_move(run.hook)
            ordered = self._order(run, tables)
            for pattern in unmatched(tables, run.request.important_tables):
                self.log.warning("Important table %s matches no table that is to be moved", pattern)
            written = engine.write_ranks(run.hook, ordered)
        for place, table in enumerate(ordered[:_SHOWN], start=1):
            self.log.info("%d. %s.%s, %d bytes", place, table.dbname, table.fq_name, table.source_bytes)
        record_step(context, started, f"{written} tables ranked, {run.request.order}")
        return written

    def _order(self, run: ExpansionRun, tables: list[RankedTable]) -> list[RankedTable]:
        request = run.request
        joins = Joins()
        if request.order is TableOrder.JOINED_TOGETHER:
            keys = engine.read_distribution_keys(run.hook, tables)
            joins = find_joins(tables, keys, request.join_groups)
            for name, count in sorted(Counter(joins.groups.values()).items()):
                self.log.info("%d tables belong together, %s", count, name)
        return rank(tables, request.important_tables, request.order, groups=joins.groups, replicated=joins.replicated)
