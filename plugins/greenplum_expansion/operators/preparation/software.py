"""Bringing Greenplum to a new host, host to host, and putting it in its place."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping
from typing import Any

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.jobs import JobState
from greenplum_expansion.hooks.trust import authorize_coordinator
from greenplum_expansion.operators.preparation.host import PrepareHostOperator
from greenplum_expansion.operators.preparation.situation import Access, enter
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, note_followed
from greenplum_expansion.planning import limits
from greenplum_expansion.preparation.parts import SOFTWARE
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.preparation.software import STAGE, stage
from greenplum_expansion.request import SoftwareSource
from greenplum_expansion.triggers.jobs import UNREACHABLE, RemoteJobTrigger

_DIFFERS = 65


class InstallSoftwareOperator(PrepareHostOperator):
    """Install Greenplum on one new host as on the coordinator, if it is not there. Mapped over the hosts.

    The tree, or the package, goes from the coordinator to the new host as the cluster's user, with rsync, as a detached
    job on the coordinator: killing a worker or triggerer does not touch it, and a repeated one sends only what is
    missing. It arrives beside its place; a comparison by checksum must find no difference before it takes it.

    :raises StepFailed: rsync failed, or what arrived differs from what was sent
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=SOFTWARE, **kwargs)

    def bring(self, run: ExpansionRun, access: Access, situation: Situation, started: float) -> None:
        """Start the copy, and wait for it without a worker."""
        name, address = self.host["hostname"], self.host["address"]
        account = situation.account
        access.host.run(["install", "-d", "-m", "755", "--", posixpath.dirname(STAGE)])
        access.host.run(["install", "-d", "-m", "700", "-o", str(account.uid), "-g", str(account.gid), "--", STAGE])
        authorize_coordinator(run.hook, name, address, self.host["host_key"])
        job = run.directory.start_job(f"software_{name}", ["bash", "-c", copy_script(situation, address)])
        self.log.info("Greenplum is copied to %s in %s; its output follows", name, job.job_dir)
        self.defer(
            trigger=RemoteJobTrigger(run.request.greenplum_conn_id, job.job_dir),
            method_name="execute_complete",
            kwargs={"started": started},
            timeout=limits.SOFTWARE,
        )

    def execute_complete(self, context: Mapping[str, Any], event: dict[str, Any], started: float) -> Any:
        """Put in its place what has arrived."""
        note_followed(event)
        with expansion_run(context) as run:
            run.require_claim()
            if event["state"] == UNREACHABLE:
                raise StepFailed(run.subject, event["message"], "clear this task: it goes on with the copy")
            if event["state"] != JobState.FINISHED or event["exit_code"] != 0:
                cause = (
                    "what arrived differs from what was sent" if event["exit_code"] == _DIFFERS else event["message"]
                )
                raise StepFailed(
                    f"Copy of Greenplum to {self.host['hostname']}",
                    f"{cause.rstrip('.')}; it said: {event['log_tail'][-500:].strip() or 'nothing'}",
                    "mend that, then clear this task: it sends only what is missing",
                )
            access = enter(run, self.host)
            _, plans, findings = self._plan(run, access, SOFTWARE)
            changes = [change for plan in plans for change in plan.changes]
            self._require_root(access, changes)
            return self._apply(context, run, access, SOFTWARE, changes, findings, started)


def copy_script(situation: Situation, address: str) -> str:
    """Shell for the coordinator: copy, then compare by checksum; exit code 65 if something differs."""
    user = situation.account.user
    where = f"{user}@[{address}]" if ":" in address else f"{user}@{address}"
    if situation.software_source is SoftwareSource.PACKAGE:
        assert situation.software_package is not None
        source, target = situation.software_package, f"{where}:{STAGE}/"
    else:
        source, target = f"{situation.software.real}/", f"{where}:{stage(situation.software)}/"
    # Owners are set at the end, by root: who receives is not, and could not.
    rsync = "rsync -rlpt --delete -e 'ssh -o BatchMode=yes -o ConnectTimeout=15'"
    places = f"-- {shlex.quote(source)} {shlex.quote(target)}"
    return f"""
export RSYNC_PROTECT_ARGS=1
{rsync} {places} || exit 1
differing=$({rsync} --checksum --dry-run --itemize-changes {places}) || exit 1
[ -z "$differing" ] || {{ printf '%s\\n' "$differing" | head -n 20; exit {_DIFFERS}; }}
echo "copied, and equal by checksum"
"""
