"""When gpssh-exkeys is run: whenever one of the logins fails that are required afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.remote import CommandResult, Script
from greenplum_expansion.operators.checks import network
from greenplum_expansion.operators.preparation import keys
from greenplum_expansion.operators.preparation.keys import ExchangeKeysOperator
from tests.unit.clusters import cluster


class Hosts:
    """A cluster and sdw3: who cannot log into whom, until gpssh-exkeys has been run."""

    def __init__(self, *missing: tuple[str, str], helps: bool = True) -> None:
        self.missing = set(missing)
        self.helps = helps
        self.asked: set[str] = set()
        self.exchanged = 0

    def answer(self, name: str, script: Script) -> CommandResult:
        self.asked.add(name)
        return CommandResult(0, "".join(f"{target}\n" for source, target in self.missing if source == name), "")

    def on_members(self, hook: Any, scripts: Mapping[str, Script], timeout: float) -> dict[str, CommandResult]:
        return {name: self.answer(name, script) for name, script in scripts.items()}

    def run_utility(self, command: list[str], **options: Any) -> CommandResult:
        assert command[0] == "gpssh-exkeys"
        self.exchanged += 1
        if self.helps:
            self.missing.clear()
        return CommandResult(0, "", "")

    def host(self, name: str, address: str, **options: Any) -> Any:
        return SimpleNamespace(run=lambda script, timeout: self.answer(name, script))

    def environment(self) -> Any:
        return SimpleNamespace(hostname="mdw", user="gpadmin")

    def coordinator(self) -> Any:
        return SimpleNamespace(write_text=lambda path, text: None)

    def forget_known_hosts(self) -> None:
        return None


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the task on these hosts."""

    def run(hosts: Hosts) -> None:
        new = SimpleNamespace(hostname="sdw3", address="10.0.0.13", host_key=None)
        opened = SimpleNamespace(
            hook=hosts,
            request=SimpleNamespace(new_hosts=[new], dry_run=False),
            directory=SimpleNamespace(ensure=lambda: None, file=lambda name: f"/x/{name}"),
            require_claim=lambda: None,
        )

        @contextmanager
        def expansion_run(context: Any) -> Iterator[Any]:
            yield opened

        monkeypatch.setattr(keys, "expansion_run", expansion_run)
        monkeypatch.setattr(keys, "read_topology", lambda hook: cluster())
        monkeypatch.setattr(keys, "authorize_coordinator", lambda *arguments: None)
        monkeypatch.setattr(network, "run_on_members", hosts.on_members)
        ti = SimpleNamespace(task_id="exchange_keys", xcom_push=lambda key, value: None)
        ExchangeKeysOperator(task_id="exchange_keys").execute({"ti": ti})

    return run


def test_a_host_cloned_with_its_keys_is_not_trusted_until_every_old_host_may_log_in(play: Any) -> None:
    hosts = Hosts(("sdw1", "sdw3"))  # it knows all others, and the coordinator knows it
    play(hosts)
    assert hosts.exchanged == 1
    assert hosts.asked == {"mdw", "smdw", "sdw1", "sdw2", "sdw3"}


def test_nothing_is_exchanged_where_every_login_succeeds(play: Any) -> None:
    hosts = Hosts()
    play(hosts)
    assert hosts.exchanged == 0


def test_a_login_that_still_fails_is_named(play: Any) -> None:
    with pytest.raises(StepFailed, match="still impossible: sdw2 to sdw3"):
        play(Hosts(("sdw2", "sdw3"), helps=False))
