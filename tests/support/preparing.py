"""Preparing a practice host in this process, and seeing exactly what was changed on it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from greenplum_expansion.cluster.names import expansion_id
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.preparation import undo_preparation
from greenplum_expansion.hooks.remote import RemoteHost, Script
from greenplum_expansion.hooks.shell import RawResult
from greenplum_expansion.operators.preparation.files import PrepareOldHostsOperator
from greenplum_expansion.operators.preparation.host import PrepareHostOperator
from greenplum_expansion.operators.preparation.reboot import RebootHostOperator
from greenplum_expansion.operators.preparation.software import InstallSoftwareOperator
from greenplum_expansion.preparation.manifest import UndoOutcome
from greenplum_expansion.preparation.parts import ACCOUNT, OPERATING_SYSTEM
from greenplum_expansion.request import PreparationPart
from sandbox import layout
from tests.support.one_task import OneRun
from tests.support.practice import Practice

CONNECTION = "practice"
# All that belongs to a host and is no log, no manifest of ours, and nothing that useradd keeps for itself.
_SNAPSHOT = r"""
own() {
    where="/etc /usr/local/bin /usr/local/sbin /home /data /root/.ssh"
    find $where \( -path /data/lost+found -o -path '/etc/*-' -o -path /etc/.pwd.lock \) -prune -o "$@"
}
own -printf '%p %y %m %U:%G %l\n' | sort; own -type f -exec sha256sum {} + | sort
hostname; ls -d /usr/local/*; ls /run/sandbox/units
cat /sys/kernel/mm/transparent_hugepage/enabled
for n in vm.swappiness vm.overcommit_memory vm.dirty_ratio net.ipv4.ip_local_port_range; do sysctl $n; done
q=/sys/block/$(df --output=source /data | tail -n 1 | sed s,/dev/,,)/queue; cat $q/scheduler $q/read_ahead_kb
"""


class Preparing:
    """One expansion that prepares one host.

    :param host: its name; its address is the sandbox's
    """

    def __init__(self, practice: Practice, host: str, run_id: str) -> None:
        self.practice = practice
        self.host = host
        self.run_id = run_id
        address = layout.host(host).address
        self.place = {
            "hostname": host,
            "address": address,
            "host_key": None,
            "directories": ["/data/primary/gpseg4", "/data/mirror/gpseg6"],
            "ports": [6000, 7000],
        }

    def root(self, command: str, host: str = "") -> str:
        """What a command prints on the host, as root.

        :raises AssertionError: it failed
        """
        done = self.practice.run(f"bash -c {shlex.quote(command)}", host or self.host, user="root")
        assert done.exit_code == 0, done
        return done.stdout

    def put(self, path: str, source: Path) -> None:
        """A program of the tests onto the host."""
        done = self.practice.run(
            f"cat > {path} && chmod 755 {path}", self.host, user="root", answers=source.read_text()
        )
        assert done.exit_code == 0, done

    def snapshot(self) -> list[str]:
        """All that preparing might change."""
        return self.root(_SNAPSHOT).splitlines()

    def prepare(self, *parts: PreparationPart, **conf: Any) -> list[dict[str, Any]]:
        """Run the tasks that care for these parts to their end; the changes they tell."""
        run = self.one_run(*parts, **conf)
        changes: list[dict[str, Any]] = []
        for task in self.tasks(parts):
            changes += finish(run, task)["changes"]
        return changes

    def one_run(self, *parts: PreparationPart, **conf: Any) -> OneRun:
        asked = {
            "greenplum_conn_id": CONNECTION,
            "new_hosts": [f"{self.host}={self.place['address']}"],
            "preparation_parts": list(parts),
        }
        return OneRun({**asked, **conf}, self.run_id)

    def tasks(self, parts: Sequence[PreparationPart]) -> Iterator[Any]:
        if set(parts) & set(OPERATING_SYSTEM):
            yield PrepareHostOperator(task_id="operating_system", host=self.place, choices=OPERATING_SYSTEM)
        if set(parts) & set(ACCOUNT):
            yield PrepareHostOperator(task_id="account", host=self.place, choices=ACCOUNT)
        if PreparationPart.SOFTWARE in parts:
            yield InstallSoftwareOperator(task_id="software", host=self.place)

    def reboot_task(self) -> RebootHostOperator:
        return RebootHostOperator(task_id="reboot", host=self.place, pause=timedelta(seconds=0.3))

    def old_hosts_task(self) -> PrepareOldHostsOperator:
        return PrepareOldHostsOperator(task_id="prepare_hosts_files")

    def undo(self) -> list[UndoOutcome]:
        """As greenplum_rollback does."""
        hook = GreenplumHook(CONNECTION)
        try:
            return undo_preparation(ExpansionDirectory(hook, expansion_id(self.run_id)))
        finally:
            hook.close()


def finish(run: OneRun, task: Any) -> Any:
    """Run a task to its end, however often it defers."""
    result = run.start(task)
    while isinstance(result, TaskDeferred):
        try:
            result = run.resume(task, result)
        except TaskDeferred as again:
            result = again
    return result


class WorkerKilled(BaseException):
    """What a worker feels of SIGKILL: nothing; no handler of ours may run on it as on an error."""


@contextmanager
def killed_at_change(patch: pytest.MonkeyPatch, number: int) -> Iterator[None]:
    """The worker dies just after its `number`-th command that changes the host or its manifest: before the next."""
    run_raw = RemoteHost.run_raw
    seen = 0

    def dying(self: RemoteHost, script: Script, **options: Any) -> RawResult:
        nonlocal seen
        changing = script.name.startswith(("save", "write", "make", "group", "user", "key", "kernel"))
        if self.user != "root" or not changing:
            return run_raw(self, script, **options)
        seen += 1
        result = run_raw(self, script, **options)
        if seen == number:
            raise WorkerKilled
        return result

    with patch.context() as inner:
        inner.setattr(RemoteHost, "run_raw", dying)
        yield
