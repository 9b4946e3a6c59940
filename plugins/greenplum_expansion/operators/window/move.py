"""Moving in one window, and watching it: the operators of greenplum_expand, for another DAG's run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from greenplum_expansion.operators.redistribution import RedistributeOperator, failure
from greenplum_expansion.operators.run import ExpansionRun, record_step
from greenplum_expansion.operators.window.run import WindowRun, is_scheduled, window_run
from greenplum_expansion.redistribution import engine
from greenplum_expansion.sensors.redistribution import RedistributionSensor


class RedistributeWindowOperator(RedistributeOperator):
    """Move tables until this run's window is over or nothing is left that it was asked for.

    As RedistributeOperator in all else. Tables that are left since the window is over are no failure: a later run moves
    them. Tables that could not be moved are one; clearing the task while its window lasts tries just these again, and
    so does every later run.

    :return: tables and bytes moved in all
    """

    def open_run(self, context: Mapping[str, Any]) -> AbstractContextManager[ExpansionRun]:
        """The expansion that the probe has found."""
        return window_run(context)

    def others_are_left(self, context: Mapping[str, Any], run: ExpansionRun, started: float) -> Any:
        """All that this run was asked for has moved."""
        return self._end(context, run, started, "not asked for in this run")

    def nothing_comes(
        self, context: Mapping[str, Any], run: ExpansionRun, started: float, failed: Mapping[str, str]
    ) -> Any:
        """The window is over. :raises StepFailed: tables have failed in it"""
        if failed:
            raise failure(run, failed)
        assert isinstance(run, WindowRun)
        later = "left for the next window" if is_scheduled(run.context) else "left for another run"
        return self._end(context, run, started, later)

    def _end(self, context: Mapping[str, Any], run: ExpansionRun, started: float, why: str) -> dict[str, Any]:
        progress = engine.read_progress(run.hook)
        left = progress.tables_total - progress.tables_done
        self.log.info("%d tables are %s", left, why)
        record_step(context, started, f"{left} tables {why}")
        return {"tables": progress.tables_done, "bytes": progress.bytes_done}


class WindowProgressSensor(RedistributionSensor):
    """Log, without a worker, how far the redistribution is, until the task that moves the tables has ended."""

    def open_run(self, context: Mapping[str, Any]) -> AbstractContextManager[ExpansionRun]:
        """The expansion that the probe has found."""
        return window_run(context)
