"""A look at a cluster, for the pages: what it is, and what its would-be hosts are like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.cluster import check_segments, check_server
from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.cluster_facts import read_server
from greenplum_expansion.hooks.facts import read_expansion_state, read_probed_topology, read_version
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.operators.checks.new_hosts import CheckPlacesOperator
from greenplum_expansion.operators.run import FINDINGS_KEY, record_step, started_now

CLUSTER_KEY = "cluster"


class LookAtClusterOperator(BaseOperator):
    """Note what the cluster is: version, instances, databases with their sizes, and the state of an expansion.

    Only reads, whatever else is under way. What cannot be read is a finding, and fails nothing: that is what was to be
    known. Left under the XCom key "cluster" for the pages: ``{at, version, instances, databases, state, because}``,
    `at` in seconds since 1970, instances as ``Topology.to_rows``.

    :return: True if the cluster answers
    """

    ui_color = "#e8f3ec"

    def execute(self, context: Mapping[str, Any]) -> bool:
        started = started_now()
        hook = GreenplumHook(context["params"]["greenplum_conn_id"])
        seen: dict[str, Any] | None = None
        try:
            findings = check_server(read_server(hook))
            if not errors(findings):
                seen, more = self._look(hook)
                findings += more
        except ExpansionError as error:
            findings = [Finding.error(error.subject, error.cause, error.next_action)]
        finally:
            hook.close()
        for finding in findings:
            self.log.info("%s", finding)
        context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
        if seen is not None:
            context["ti"].xcom_push(key=CLUSTER_KEY, value=seen)
        record_step(context, started, "seen" if seen else f"{len(errors(findings))} errors")
        return seen is not None

    def _look(self, hook: GreenplumHook) -> tuple[dict[str, Any], list[Finding]]:
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
        return seen, check_segments(topology)


class LookAtPlacesOperator(CheckPlacesOperator):
    """As CheckPlacesOperator, but for a look without new hosts, which is one at the cluster alone."""

    def execute(self, context: Mapping[str, Any]) -> Any:
        if not context["params"]["new_hosts"]:
            self.log.info("No new hosts are named, so only the cluster was looked at")
            return []
        return super().execute(context)
