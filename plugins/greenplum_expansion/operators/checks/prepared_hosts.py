"""The second look at a new host: after its preparation what was only noted before must be in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.finding import Finding, errors, worst_first
from greenplum_expansion.checks.network import check_names_equal, check_names_known, check_own_name, check_trust
from greenplum_expansion.errors import ChecksFailed
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.host_facts import read_cluster
from greenplum_expansion.operators.checks.base import expansion_begun
from greenplum_expansion.operators.checks.looking import look_at_host, names_of_new
from greenplum_expansion.operators.checks.network import knock_everywhere, missing_logins
from greenplum_expansion.operators.run import FINDINGS_KEY, ExpansionRun, expansion_run, record_step, started_now


class CheckPreparedHostOperator(BaseOperator):
    """Look once more at one new host, as the cluster's user and with its own eyes; fail with every error there is.

    The same checks as before the preparation, and the host's names, logins and ports with every other host. Nothing is
    noted as "will be mended" any more. Changes nothing. Cleared after its expansion has begun it looks no further, as
    it would only find what the expansion has made; in a dry run nothing was prepared, so nothing is looked at.

    :param host: what CheckPlacesOperator returned for it (templated)
    :param places_task: task id of the CheckPlacesOperator
    :raises ChecksFailed: every error found, with its remedy
    :raises RemoteError: the host cannot be reached; worth another try
    """

    template_fields: Sequence[str] = ("host",)
    ui_color = "#e8f3ec"

    def __init__(self, *, host: dict[str, Any], places_task: str = "check_new_hosts.places", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.host = host
        self.places_task = places_task

    def execute(self, context: Mapping[str, Any]) -> None:
        started = started_now()
        with expansion_run(context) as run:
            if run.request.dry_run:
                self.log.info("Nothing was prepared, so nothing is looked at again")
                record_step(context, started, "dry run")
                return
            if expansion_begun(run) is not None:
                self.log.info("%s has begun; the state before it is no longer checked", run.subject)
                record_step(context, started, "has begun already")
                return
            findings = worst_first(self._look(run))
            for finding in findings:
                self.log.log(40 if errors([finding]) else 20, "%s", finding)
            context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
            wrong = errors(findings)
            record_step(context, started, f"{len(wrong)} errors, {len(findings) - len(wrong)} others")
            if wrong:
                raise ChecksFailed(
                    f"New host {self.host['hostname']} after its preparation",
                    f"{len(wrong)} of {len(findings)} findings are errors: " + " ".join(map(str, wrong)),
                    "mend what the remedies say, then clear this task",
                )

    def _look(self, run: ExpansionRun) -> list[Finding]:
        topology = read_topology(run.hook)
        # The preparation has changed /etc/hosts on the old hosts, too: what they said before is out of date.
        cluster, _ = read_cluster(run.hook, topology, names_of_new(run))
        findings, facts = look_at_host(run, self.host, cluster, topology, prepared=True)
        every = run.context["ti"].xcom_pull(task_ids=self.places_task) or [self.host]
        others = [place for place in every if place["hostname"] != self.host["hostname"]]
        names = [place["hostname"] for place in others]
        findings += check_names_known([facts], cluster)
        findings += check_names_equal([facts], cluster)
        findings += check_own_name([facts], cluster)
        findings += check_trust(missing_logins(run, [host.hostname for host in cluster.hosts], [self.host], names))
        findings += knock_everywhere(run, topology, cluster, [self.host], users={}, others=others)
        return findings
