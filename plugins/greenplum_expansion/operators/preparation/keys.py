"""Keys by which the cluster's hosts reach each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.trust import authorize_coordinator
from greenplum_expansion.operators.checks.network import missing_logins
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.request import NewHost


class ExchangeKeysOperator(BaseOperator):
    """Let the hosts of the grown cluster log into each other without a password, as the cluster's user.

    Probes every login that check_prepared_hosts will require: each old host to each new one, each new one to every
    other. If all succeed, nothing is done. Else the coordinator's public key is authorized on each new host, over this
    connection's own login, then ``gpssh-exkeys -e existing -x new`` does the rest; afterwards the probe must succeed.
    Adds keys, removes none.
    """

    ui_color = "#f4ecd8"

    def execute(self, context: Mapping[str, Any]) -> None:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            existing = sorted(read_topology(run.hook).hostnames)
            new = [host for host in run.request.new_hosts if host.hostname not in existing]
            if run.request.dry_run:  # a host without the cluster's user cannot even be asked
                self.log.info("gpssh-exkeys would let %s and the cluster's hosts into each other", _names(new))
                record_step(context, started, "dry run: keys not exchanged")
                return
            if not new or not self._missing(run, existing, new):
                self.log.info("Every host can be logged into already")
                record_step(context, started, "trusted already")
                return
            for host in new:
                authorize_coordinator(run.hook, host.hostname, host.address, host.host_key)
                self.log.info("Key of the coordinator authorized on %s", host.hostname)
            self._exchange(run, existing, new)
            run.hook.forget_known_hosts()
            missing = self._missing(run, existing, new)
        if missing:
            raise StepFailed(
                "Exchange of keys",
                f"gpssh-exkeys ended, but still impossible: {'; '.join(missing)}",
                "try that login by hand as the cluster's user, mend it, then clear this task",
            )
        record_step(context, started, f"{len(new)} hosts made known")

    def _missing(self, run: ExpansionRun, existing: Sequence[str], new: Sequence[NewHost]) -> list[str]:
        """Logins that fail."""
        places = [{"hostname": h.hostname, "address": h.address, "host_key": h.host_key} for h in new]
        return [f"{source} to {target}" for source, target in missing_logins(run, existing, places)]

    def _exchange(self, run: ExpansionRun, existing: Sequence[str], new: Sequence[NewHost]) -> None:
        coordinator = run.hook.coordinator()
        run.directory.ensure()
        old_file, new_file = run.directory.file("hosts_existing"), run.directory.file("hosts_new")
        coordinator.write_text(old_file, "".join(f"{name}\n" for name in existing))
        coordinator.write_text(new_file, "".join(f"{host.hostname}\n" for host in new))
        # Its exit code is not believed: the probe afterwards decides.
        result = run.hook.run_utility(["gpssh-exkeys", "-e", old_file, "-x", new_file], stdin="", check=False)
        for line in (result.stdout + result.stderr).splitlines():
            self.log.info("gpssh-exkeys: %s", line)


def _names(hosts: Sequence[NewHost]) -> str:
    return ", ".join(host.hostname for host in hosts) or "no new host"
