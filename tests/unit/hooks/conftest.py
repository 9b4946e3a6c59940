"""Servers and hooks for the tests of everything that talks over SSH."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import RemoteHost
from tests.unit.hooks.sshd import Sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """The coordinator of a test module."""
    server = Sshd(tmp_path_factory.mktemp("mdw")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def second(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Another host, which takes the coordinator's client key."""
    server = Sshd(tmp_path_factory.mktemp("sdw1")).start()
    server.admit(sshd)
    yield server
    server.stop()


@pytest.fixture
def make_hook(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., GreenplumHook]]:
    """Hooks on connections with the extras given (None removes one)."""
    made: list[GreenplumHook] = []

    def make(server: Sshd = sshd, **extra: Any) -> GreenplumHook:
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", server.connection(**extra))
        made.append(GreenplumHook("cluster"))
        return made[-1]

    yield make
    for hook in made:
        hook.close()


@pytest.fixture
def hook(make_hook: Callable[..., GreenplumHook]) -> GreenplumHook:
    """A hook on the module's server."""
    return make_hook()


@pytest.fixture(scope="module")
def shared_host(sshd: Sshd) -> Iterator[RemoteHost]:
    """The module's server as a RemoteHost, connected once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_CLUSTER", sshd.connection())
        hook = GreenplumHook("cluster")
        yield hook.coordinator()
        hook.close()
