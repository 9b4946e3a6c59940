"""Starting a new host anew, when something needs it, and waiting until it is back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.errors import ActionRefused, RemoteError, StepFailed
from greenplum_expansion.hooks.preparation import PreparedHost
from greenplum_expansion.hooks.remote import Script
from greenplum_expansion.operators.preparation.situation import enter
from greenplum_expansion.operators.run import (
    FINDINGS_KEY,
    ExpansionRun,
    expansion_run,
    final_errors,
    record_step,
    started_now,
)
from greenplum_expansion.planning import limits
from greenplum_expansion.request import PreparationPart


class RebootHostOperator(BaseOperator):
    """Start one new host anew if a change that was made to it since its last boot needs that. Mapped over the hosts.

    Probes: the manifest on the host tells what needs it, and in which boot it was made; so a retry after the reboot
    finds nothing to do; a host that does not answer, perhaps because a killed attempt has rebooted it, is waited for.
    Refused while a server runs there. If the request does not allow a reboot, what needs one is a
    warning. Waits without a worker until the host answers with another boot id.

    :param host: ``{hostname, address, host_key}`` as CheckPlacesOperator returned it (templated)
    :param pause: between two looks; a trigger that fires before the deferring process is gone fails the task
    :param patience: for the host to come back; large servers take a quarter of an hour
    :raises ActionRefused: a server runs there. :raises StepFailed: the host did not come back in time
    """

    template_fields: Sequence[str] = ("host",)
    ui_color = "#f4ecd8"

    def __init__(
        self,
        *,
        host: dict[str, Any],
        pause: timedelta = timedelta(seconds=15),
        patience: timedelta = limits.REBOOT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.host = host
        self.pause = pause
        self.patience = patience

    def execute(self, context: Mapping[str, Any]) -> str:
        started = started_now()
        return self._decide(context, started, started)

    def _decide(self, context: Mapping[str, Any], started: float, asked: float) -> str:
        """Start the host anew if that is needed. :param asked: since when it is waited for an answer"""
        name = self.host["hostname"]
        with expansion_run(context) as run:
            run.require_claim()
            try:
                prepared = self._prepared(run)
            except RemoteError as error:
                self.log.info("%s does not answer: %s", name, error.cause)
                self._wait(started, _UNKNOWN, asked)
            reasons = prepared.reboot_reasons() if prepared else []
            allowed = PreparationPart.REBOOT in run.request.preparation_parts
            findings = [_warning(name, reasons)] if reasons and not allowed else []
            context["ti"].xcom_push(key=FINDINGS_KEY, value=[finding.to_dict() for finding in findings])
            if prepared is None or not reasons or not allowed or run.request.dry_run:
                for finding in findings:
                    self.log.warning("%s", finding)
                outcome = "needed, not allowed" if findings else "not needed"
                record_step(context, started, outcome)
                return outcome
            boot_id = prepared.boot_id()
            self._require_idle(prepared)
            self.log.info("%s is started anew, because of %s", name, "; ".join(reasons))
            prepared.host.run(_REBOOT, check=False)
        self._wait(started, boot_id, started_now())

    def look_again(self, context: Mapping[str, Any], event: Any, started: float, boot_id: str, asked: float) -> str:
        """Done, if the host answers and was started since; else wait on.

        :param boot_id: of the boot that is to end; empty if the host has not answered yet, so that nothing is decided
        """
        name = self.host["hostname"]
        if boot_id == _UNKNOWN:
            return self._decide(context, started, asked)
        with expansion_run(context) as run:
            try:
                prepared = self._prepared(run)
                now = prepared.boot_id() if prepared else boot_id
            except RemoteError as error:
                self.log.info("%s does not answer yet: %s", name, error.cause)
                now = boot_id
        if now != boot_id:
            waited = started_now() - asked
            self.log.info("%s is back after %.0f s, with boot id %s", name, waited, now)
            record_step(context, started, f"back after {waited:.0f} s")
            return "back"
        self._wait(started, boot_id, asked)

    def _wait(self, started: float, boot_id: str, asked: float) -> NoReturn:
        waited = started_now() - asked
        if waited > self.patience.total_seconds():
            missed = "it did not answer" if boot_id == _UNKNOWN else "it did not come back with another boot id"
            with final_errors():
                raise StepFailed(
                    f"Reboot of {self.host['hostname']}",
                    f"{missed} within {waited:.0f} s",
                    "look at its console; when it is up, clear this task",
                )
        self.defer(
            trigger=TimeDeltaTrigger(self.pause),
            method_name="look_again",
            kwargs={"started": started, "boot_id": boot_id, "asked": asked},
        )
        raise AssertionError("defer does not return")

    def _prepared(self, run: ExpansionRun) -> PreparedHost | None:
        """The host as root; None if nobody can be root, who has changed nothing then.

        :raises RemoteError: it does not answer
        """
        access = enter(run, self.host)
        if access.no_root is not None:
            self.log.info("%s", access.no_root)
            return None
        return PreparedHost(access.host, run.expansion_id)

    def _require_idle(self, prepared: PreparedHost) -> None:
        found = prepared.host.run(_SERVERS, check=False).stdout.split()
        if found:
            raise ActionRefused(
                f"Reboot of {self.host['hostname']}",
                f"a database server runs there (process {', '.join(found)})",
                "see whose it is and stop it, or reboot the host at a time that suits; then clear this task",
            )


def _warning(name: str, reasons: Sequence[str]) -> Finding:
    problem = f"it must be started anew before all is felt: {'; '.join(reasons)}"
    return Finding.warning(f"new host {name}", problem, "reboot it, or choose the part *reboot*")


_UNKNOWN = ""  # boot id of a host that does not answer
_SERVERS = Script("pgrep -x 'postgres|postmaster' | head -n 5", "look for servers")
# From a process of its own, so that this command ends before the connection does.
_REBOOT = Script(
    "export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\nsync\n"
    "(sleep 1; systemctl reboot || shutdown -r now || reboot) >/dev/null 2>&1 </dev/null &\nexit 0",
    "reboot",
)
