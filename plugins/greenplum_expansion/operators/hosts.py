"""Making the new hosts ready: data directories, and keys by which the cluster's hosts reach each other."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.remote import Script
from greenplum_expansion.operators.run import ExpansionRun, expansion_run, record_step, started_now
from greenplum_expansion.request import NewHost


class PrepareHostOperator(BaseOperator):
    """Make the parents of the data directories on one new host, as the cluster's user. Mapped over the hosts.

    Probes each: one that is there is left as it is. Only the parents (``/data/primary``): the data directories
    themselves are made by gpexpand, and must be absent or empty until then. Changes nothing but absent directories.

    :param host: ``{hostname, address, host_key, directories}`` as CheckPlacesOperator returned it (templated)
    :return: the directories made
    """

    template_fields: Sequence[str] = ("host",)
    ui_color = "#f4ecd8"

    def __init__(self, *, host: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.host = host

    def execute(self, context: Mapping[str, Any]) -> list[str]:
        started = started_now()
        with expansion_run(context) as run:
            run.require_claim()
            remote = run.hook.host(self.host["hostname"], self.host["address"], host_key=self.host["host_key"])
            made = []
            for parent in sorted({posixpath.dirname(path) for path in self.host["directories"]}):
                if remote.run(["test", "-d", parent], check=False).ok:
                    self.log.info("%s: %s is there", self.host["hostname"], parent)
                    continue
                remote.run(["mkdir", "-p", "-m", "700", "--", parent])
                self.log.info("%s: made %s", self.host["hostname"], parent)
                made.append(parent)
        record_step(context, started, f"{len(made)} directories made")
        return made


class ExchangeKeysOperator(BaseOperator):
    """Let the hosts of the grown cluster log into each other without a password, as the cluster's user.

    Probes from the coordinator whether every new host can be logged into by name; if so, and the new hosts know the
    old ones, nothing is done. Else the coordinator's public key is authorized on each new host, over this
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
            if not new or self._all_trusted(run, existing, new):
                self.log.info("Every host can be logged into already")
                record_step(context, started, "trusted already")
                return
            self._authorize_coordinator(run, new)
            self._exchange(run, existing, new)
            run.hook.forget_known_hosts()
            missing = self._missing_trust(run, existing, new)
        if missing:
            raise StepFailed(
                "Exchange of keys",
                f"gpssh-exkeys ended, but still impossible: {'; '.join(missing)}",
                "try that login by hand as the cluster's user, mend it, then clear this task",
            )
        record_step(context, started, f"{len(new)} hosts made known")

    def _all_trusted(self, run: ExpansionRun, existing: Sequence[str], new: Sequence[NewHost]) -> bool:
        return not self._missing_trust(run, existing, new)

    def _missing_trust(self, run: ExpansionRun, existing: Sequence[str], new: Sequence[NewHost]) -> list[str]:
        """Logins that fail: coordinator to each new host, each new host to every other host."""
        names = [host.hostname for host in new]
        missing = []
        here = run.hook.environment().hostname
        script = _login_probe(names)
        failed = run.hook.coordinator().run(script, check=False, timeout=120).stdout.split()
        missing += [f"{here} to {name}" for name in failed]
        for host in new:
            others = [name for name in (*existing, *names) if name != host.hostname]
            remote = run.hook.host(host.hostname, host.address, host_key=host.host_key)
            failed = remote.run(_login_probe(others), check=False, timeout=300).stdout.split()
            missing += [f"{host.hostname} to {name}" for name in failed]
        return missing

    def _authorize_coordinator(self, run: ExpansionRun, new: Sequence[NewHost]) -> None:
        key = run.hook.coordinator().run(_OWN_KEY, timeout=60).stdout.strip()
        if not key.startswith(("ssh-", "ecdsa-", "sk-")):
            raise StepFailed(
                "Public key of the coordinator's user",
                f"~/.ssh/id_rsa.pub is no public key but {key[:40]!r}",
                "make one with ssh-keygen -t rsa, then clear this task",
            )
        for host in new:
            remote = run.hook.host(host.hostname, host.address, host_key=host.host_key)
            remote.run(_authorize(key), timeout=60)
            self.log.info("Key of the coordinator authorized on %s", host.hostname)
            # The key that was checked on our way in is the one the coordinator shall believe from now on.
            known = remote.host_key.line
            run.hook.coordinator().run(_know(sorted({host.hostname, host.address}), known), timeout=60)

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


def _login_probe(names: Sequence[str]) -> Script:
    """Prints the names that cannot be logged into without a password."""
    quoted = " ".join(map(shlex.quote, names))
    return Script(
        f"for h in {quoted}; do "
        'ssh -n -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=yes -- "$h" true >/dev/null 2>&1 '
        '|| echo "$h"; done',
        "try logins",
    )


# gpssh-exkeys uses id_rsa and makes it if it is missing; so do we, before it.
_OWN_KEY = Script(
    """
umask 077; mkdir -p ~/.ssh
[ -e ~/.ssh/id_rsa ] || ssh-keygen -q -t rsa -b 4096 -N '' -f ~/.ssh/id_rsa </dev/null
[ -e ~/.ssh/id_rsa.pub ] || ssh-keygen -y -f ~/.ssh/id_rsa > ~/.ssh/id_rsa.pub
cat ~/.ssh/id_rsa.pub
""",
    "read the coordinator's public key",
)


def _authorize(key: str) -> Script:
    quoted = shlex.quote(key)
    return Script(
        f"""
umask 077; mkdir -p ~/.ssh; touch ~/.ssh/authorized_keys
grep -qxF -- {quoted} ~/.ssh/authorized_keys && exit 0
# A last line without its end would swallow the key.
[ -z "$(tail -c 1 ~/.ssh/authorized_keys)" ] || echo >> ~/.ssh/authorized_keys
printf '%s\\n' {quoted} >> ~/.ssh/authorized_keys
""",
        "authorize the coordinator's key",
    )


def _know(names: Sequence[str], key_line: str) -> Script:
    lines = "\n".join(f"add {shlex.quote(f'{name} {key_line}')}" for name in names)
    return Script(
        f"""
umask 077; mkdir -p ~/.ssh; touch ~/.ssh/known_hosts
add() {{ grep -qxF -- "$1" ~/.ssh/known_hosts || printf '%s\\n' "$1" >> ~/.ssh/known_hosts; }}
{lines}
""",
        "make the host key known",
    )
