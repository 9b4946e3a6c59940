"""What preparing new hosts changes on the old ones: the new names in their /etc/hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.preparation import ROOT_DIRECTORY, PreparedHost, note_prepared
from greenplum_expansion.hooks.preparation_facts import look_at, look_at_members
from greenplum_expansion.hooks.root_shell import NoRoot, log_in_as_root
from greenplum_expansion.operators.preparation.situation import host_addresses
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    expansion_run,
    record_section,
    record_step,
    started_now,
)
from greenplum_expansion.planning.section import Section
from greenplum_expansion.preparation import probes
from greenplum_expansion.preparation.change import PartPlan
from greenplum_expansion.preparation.facts import HostFacts
from greenplum_expansion.preparation.names import HOSTS, plan_hosts_file
from greenplum_expansion.request import PreparationPart


class PrepareOldHostsOperator(BaseOperator):
    """Let the existing hosts know the new ones by name, where nothing else does.

    Looks at all of them as the cluster's user; only a host that does not know a name is logged into as root, to put it
    into a marked block of its ``/etc/hosts``, saved and entered in a manifest as on new hosts. On a cluster that has a
    name server there is nothing to do, and root is not needed.

    :return: ``{changes: [{host, diff}]}``
    :raises ActionRefused: no root where a name is missing, or a name that leads elsewhere
    """

    ui_color = "#f4ecd8"

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            if PreparationPart.HOSTS_FILE not in run.request.preparation_parts:
                record_step(context, started, "not asked for")
                return {"changes": []}
            plans, findings = self._plan(run)
            diffs = {name: plan.diff() for name, plan in plans.items() if plan.changes}
            for name, diff in diffs.items():
                self.log.info("%s: %s %s", name, HOSTS, "would be changed" if run.request.dry_run else "to be changed")
                for line in diff.splitlines():
                    self.log.info("    %s", line)
            for finding in findings:
                self.log.log(30 if errors([finding]) else 20, "%s", finding)
            context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
            if diffs:
                title = "Names that existing hosts " + ("would learn" if run.request.dry_run else "have learnt")
                rows = tuple((name, _added(diff)) for name, diff in diffs.items())
                record_section(context, Section(title, (), ("host", f"added to {HOSTS}"), rows))
            if not run.request.dry_run:
                self._apply(run, plans, findings)
        record_step(context, started, f"{len(diffs)} hosts" if diffs else "nothing to do")
        return {"changes": [{"host": name, "diff": diff} for name, diff in diffs.items()]}

    def _plan(self, run: ExpansionRun) -> tuple[dict[str, PartPlan], list[Finding]]:
        topology = read_topology(run.hook)
        new = {host.hostname: host for host in run.request.new_hosts}
        known = host_addresses(run, topology)
        wanted = {name: known[name] for name in new if name in known}
        findings = [
            Finding.error(
                f"new host {name}",
                f"the coordinator does not know the name {new[name].address}, so nobody can be told its address",
                "give its IP address in the request: name=address",
            )
            for name in new
            if name not in known
        ]
        coordinator = run.hook.environment().hostname
        others = sorted(topology.hostnames - set(new) - {coordinator})
        asked = {"resolves": probes.resolves(wanted)}
        here = look_at(run.hook.coordinator(), asked, [HOSTS])
        facts, silent = look_at_members(run.hook, dict.fromkeys(others, asked), [HOSTS])
        if silent:
            problem = "the coordinator cannot log in there as the cluster's user, so its /etc/hosts was not looked at"
            findings.append(Finding.error(", ".join(silent), problem, "see that 'ssh HOST true' works from there"))
        everywhere = [HostFacts(coordinator, here.files, here.said), *facts]
        plans = {
            host.hostname: plan_hosts_file(host, wanted).stamped(PreparationPart.HOSTS_FILE) for host in everywhere
        }
        findings += [finding for plan in plans.values() for finding in plan.findings]
        return plans, findings

    def _apply(self, run: ExpansionRun, plans: Mapping[str, PartPlan], findings: list[Finding]) -> None:
        addresses = {instance.hostname: instance.address for instance in read_topology(run.hook).instances}
        without = []
        for name, plan in plans.items():
            if not plan.changes:
                continue
            try:
                root = log_in_as_root(run.hook, name, addresses[name], run.request.preparation_user)
            except NoRoot as error:
                without.append(error)
                continue
            note_prepared(run.directory, root, None, ROOT_DIRECTORY)
            prepared = PreparedHost(root, run.expansion_id)
            prepared.finish_begun()
            for change in plan.changes:
                prepared.apply(change)
            prepared.flush()
            self.log.info("%s: %s changed", name, HOSTS)
        wrong = errors(findings)
        if without or wrong:
            causes = [f"{error.subject}: {error.cause}" for error in without] + [str(finding) for finding in wrong]
            raise ActionRefused(
                "Names of the new hosts on the existing ones",
                "; ".join(causes),
                f"enter the names by hand as shown above, or let {run.request.preparation_user} in, and clear this "
                f"task; or trigger again without the part {PreparationPart.HOSTS_FILE}",
            )


def _added(diff: str) -> str:
    lines = (line[1:].strip() for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++"))
    return ", ".join(line for line in lines if not line.startswith("#"))
