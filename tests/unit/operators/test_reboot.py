"""A reboot that was interrupted: the retry meets a host that is down, up again, or without a root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.root_shell import NoRoot
from greenplum_expansion.operators.preparation import reboot, situation
from greenplum_expansion.operators.preparation.reboot import RebootHostOperator
from greenplum_expansion.preparation.manifest import Entry, Manifest, Progress
from greenplum_expansion.request import PreparationPart

PLACE = {"hostname": "sdw3", "address": "10.0.0.13", "host_key": "ssh-ed25519 AAAA"}
DOWN = RemoteError("SSH to sdw3 as root", "mdw cannot connect to sdw3 port 22", "check the host")
REFUSED = NoRoot("Root on sdw3", "sshd refused the key", "let root log in")


class Host:
    """sdw3, with a change in its manifest that was made in boot 1. :param logins: what a login as root comes to"""

    hostname = "sdw3"

    def __init__(self, *logins: str | RemoteError) -> None:
        self.logins = list(logins)
        self.boot = ""
        self.up = True
        self.commands: list[str] = []

    def log_in_as_root(self, *place: Any) -> Host:
        login = self.logins.pop(0) if len(self.logins) > 1 else self.logins[0]
        self.up = login is not DOWN
        if isinstance(login, RemoteError):
            raise login
        self.boot = login
        return self

    def read_json(self, path: str) -> Any:
        entry = Entry(1, "state", "selinux", "SELinux", "as on the others", Progress.DONE, True, "boot 1")
        return Manifest("sdw3", "x", (entry,)).to_dict()

    def run(self, command: Any, **options: Any) -> Any:
        name = getattr(command, "name", command[0] if isinstance(command, list) else command)
        self.commands.append(name)
        if not self.up:
            raise DOWN
        return SimpleNamespace(stdout=self.boot if name == "cat" else "", ok=True)

    user = "gpadmin"


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a host behind the operator's login."""

    def put(host: Host) -> dict[str, Any]:
        run = SimpleNamespace(
            hook=SimpleNamespace(host=lambda *place, **more: host),
            expansion_id="x",
            request=SimpleNamespace(
                preparation_parts=(PreparationPart.REBOOT,), dry_run=False, preparation_user="root"
            ),
            require_claim=lambda: None,
        )

        @contextmanager
        def expansion_run(context: Any) -> Iterator[Any]:
            yield run

        monkeypatch.setattr(reboot, "expansion_run", expansion_run)
        monkeypatch.setattr(situation, "log_in_as_root", host.log_in_as_root)
        return {"ti": SimpleNamespace(task_id="reboot", xcom_push=lambda key, value: None)}

    return put


def test_a_retry_that_meets_a_host_that_is_down_waits_for_it(stage: Any) -> None:
    host = Host(DOWN, DOWN, "boot 2")
    context, task = stage(host), RebootHostOperator(task_id="reboot", host=PLACE)
    with pytest.raises(TaskDeferred) as first:
        task.execute(context)
    with pytest.raises(TaskDeferred) as second:
        task.look_again(context, None, **first.value.kwargs)
    assert task.look_again(context, None, **second.value.kwargs) == "not needed"  # it was rebooted before
    assert "reboot" not in host.commands


def test_a_host_that_was_down_for_another_reason_is_rebooted_when_it_answers(stage: Any) -> None:
    host = Host(DOWN, "boot 1", "boot 1", "boot 2")
    context, task = stage(host), RebootHostOperator(task_id="reboot", host=PLACE)
    with pytest.raises(TaskDeferred) as first:
        task.execute(context)
    with pytest.raises(TaskDeferred) as second:
        task.look_again(context, None, **first.value.kwargs)
    assert second.value.kwargs["boot_id"] == "boot 1"
    assert "reboot" in host.commands
    with pytest.raises(TaskDeferred) as third:
        task.look_again(context, None, **second.value.kwargs)
    assert task.look_again(context, None, **third.value.kwargs) == "back"


def test_a_host_that_never_answers_fails_the_task_at_once(stage: Any) -> None:
    context, task = stage(Host(DOWN)), RebootHostOperator(task_id="reboot", host=PLACE, patience=timedelta(seconds=-1))
    with pytest.raises(AirflowFailException, match="did not answer within"):
        task.execute(context)


def test_a_host_on_which_nobody_can_be_root_was_changed_by_nobody(stage: Any) -> None:
    assert RebootHostOperator(task_id="reboot", host=PLACE).execute(stage(Host(REFUSED))) == "not needed"
