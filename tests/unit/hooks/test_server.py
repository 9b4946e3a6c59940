"""Opening a cluster that was restricted: it is open only when it is seen to be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks import server
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.server import ServerMode


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Of which clusters it was forgotten that they were restricted."""
    noted: list[Any] = []
    monkeypatch.setattr(server, "_run", lambda _hook, _script: "gpstop ended with exit code 2")
    monkeypatch.setattr(server, "forget_note", noted.append)
    return noted


def hook() -> GreenplumHook:
    return cast(GreenplumHook, SimpleNamespace(environment=lambda: SimpleNamespace(coordinator_data_directory="/d")))


def test_a_restart_that_did_not_happen_leaves_the_note(monkeypatch: pytest.MonkeyPatch, forgotten: list[Any]) -> None:
    """A superuser can connect all the same, so that proves nothing."""
    monkeypatch.setattr(server, "_read_mode", lambda _hook, _where: ServerMode.RESTRICTED)
    with pytest.raises(StepFailed, match=r"restricted to superusers still.*gpstop ended with exit code 2"):
        server.restart_for_everybody(hook())
    assert forgotten == []


def test_a_cluster_that_is_open_is_known_as_such(monkeypatch: pytest.MonkeyPatch, forgotten: list[Any]) -> None:
    monkeypatch.setattr(server, "_read_mode", lambda _hook, _where: ServerMode.NORMAL)
    server.restart_for_everybody(hook())
    assert len(forgotten) == 1
