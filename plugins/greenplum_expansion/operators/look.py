"""A look at a cluster, for the pages: what it is, and what its would-be hosts are like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.checks.cluster import check_segments, check_server
from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.cluster_facts import read_server
from greenplum_expansion.hooks.facts import read_expansion_state, read_probed_topology, read_version
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.workload import read_finished_moves, read_tables_to_move
from greenplum_expansion.operators.checks.new_hosts import CheckNewHostOperator, CheckPlacesOperator
from greenplum_expansion.operators.run import FINDINGS_KEY, record_step, started_now
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.workload import Workload
from greenplum_expansion.request.looking import as_expansion

CLUSTER_KEY = "cluster"
WORKLOAD_KEY = "workload"


class _LookOperator(BaseOperator):
    """What cannot be read is a finding, and fails nothing: that is what was to be known."""

    def find_out(
        self,
        context: Mapping[str, Any],
        key: str,
        look: Callable[[GreenplumHook], tuple[dict[str, Any] | None, list[Finding]]],
    ) -> tuple[dict[str, Any] | None, list[Finding]]:
        """Leave what `look` has seen under `key`, and its findings."""
        hook = GreenplumHook(context["params"]["greenplum_conn_id"])
        try:
            seen, findings = look(hook)
        except ExpansionError as error:
            seen, findings = None, [Finding.error(error.subject, error.cause, error.next_action)]
        finally:
            hook.close()
        for finding in findings:
            self.log.info("%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        if seen is not None:
            context["ti"].xcom_push(key=key, value=seen)
        return seen, findings


class LookAtClusterOperator(_LookOperator):
    """Note what the cluster is: version, instances, databases with their sizes, and the state of an expansion.

    Only reads, whatever else is under way. What cannot be read is a finding, and fails nothing: that is what was to be
    known. Left under the XCom key "cluster" for the pages: ``{at, version, instances, databases, state, because}``,
    `at` in seconds since 1970, instances as ``Topology.to_rows``.

    :return: True if the cluster answers
    """

    ui_color = "#e8f3ec"

    def execute(self, context: Mapping[str, Any]) -> bool:
        started = started_now()
        seen, findings = self.find_out(context, CLUSTER_KEY, self._look)
        record_step(context, started, "seen" if seen else f"{len(errors(findings))} errors")
        return seen is not None

    def _look(self, hook: GreenplumHook) -> tuple[dict[str, Any] | None, list[Finding]]:
        findings = check_server(read_server(hook))
        if errors(findings):
            return None, findings
        topology = read_probed_topology(hook)
        state = read_expansion_state(hook)
        sizes = {row["dbname"]: int(row["size_bytes"]) for row in hook.query("database_sizes")}
        seen = {
            "at": datetime.now(UTC).timestamp(),
            "version": str(read_version(hook)),
            "instances": topology.to_rows(),
            "databases": [{"name": name, "bytes": sizes[name]} for name in hook.databases() if name in sizes],
            "state": str(state.phase),
            "because": state.because,
        }
        return seen, findings + check_segments(topology)


class LookAtWorkloadOperator(_LookOperator):
    """Note how much there is to move, for a forecast while the wizard is filled in: see `Workload`.

    Only reads, and only if it was asked for (`with_tables`): every segment looks at the files of all its tables. What
    cannot be read is a finding and fails nothing. Left under the XCom key "workload" for the pages, some 30 kB at most:
    ``Workload.to_dict``.

    :param cluster_task: task id of the LookAtClusterOperator; a cluster that did not answer there is not asked again
    :return: True if the tables were measured
    """

    ui_color = "#e8f3ec"

    def __init__(self, *, cluster_task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster_task = cluster_task

    def execute(self, context: Mapping[str, Any]) -> bool:
        if not context["params"]["with_tables"]:
            raise AirflowSkipException("The tables were not asked for")
        if not context["ti"].xcom_pull(task_ids=self.cluster_task):
            raise AirflowSkipException(f"{self.cluster_task} was not answered; what is wrong stands there")
        started = started_now()
        seen, _ = self.find_out(context, WORKLOAD_KEY, self._measure)
        record_step(context, started, f"{Workload.from_dict(seen).total.tables} tables" if seen else "not measured")
        return seen is not None

    def _measure(self, hook: GreenplumHook) -> tuple[dict[str, Any], list[Finding]]:
        tables = read_tables_to_move(hook, read_version(hook).flavor)
        # A look is of no expansion, so every move that the history knows is one of an earlier one.
        finished = read_finished_moves(hook, "", mine=False)
        seen = Workload.measure(tables.moves, finished, datetime.now(UTC).timestamp())
        total = seen.total
        self.log.info(
            "%d tables, %s and %s of indexes; %d moves of earlier expansions are known",
            total.tables, human_bytes(total.bytes), human_bytes(total.index_bytes), len(finished),
        )  # fmt: skip
        return seen.to_dict(), []


class LookAtPlacesOperator(CheckPlacesOperator):
    """As CheckPlacesOperator, but for a look without new hosts, which is one at the cluster alone."""

    def execute(self, context: Mapping[str, Any]) -> Any:
        if not context["params"]["new_hosts"]:
            self.log.info("No new hosts are named, so only the cluster was looked at")
            return []
        return super().execute(_of_an_expansion(context))


class LookAtHostOperator(CheckNewHostOperator):
    """As CheckNewHostOperator, asked by a look."""

    def execute(self, context: Mapping[str, Any]) -> Any:
        return super().execute(_of_an_expansion(context))


def _of_an_expansion(context: Mapping[str, Any]) -> dict[str, Any]:
    """For the checks, which know the request of an expansion and refuse what is not in it."""
    return {**context, "params": as_expansion(dict(context["params"]))}
