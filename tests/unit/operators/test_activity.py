"""Who is shown to the checks of activity: everybody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from greenplum_expansion.checks.activity import Session, utilities_in_sessions
from greenplum_expansion.operators.checks import cluster
from greenplum_expansion.operators.checks.cluster import CheckActivityOperator
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.request import SessionsChoice


def test_a_backup_under_a_protected_role_is_told_and_so_is_its_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    backup = Session(7, "backup", "dwh", "gpbackup_20261120073015", "local", "active", 30.0, "COPY", False, True)
    monkeypatch.setattr(cluster, "read_sessions", lambda hook: [backup])
    monkeypatch.setattr(cluster, "read_replication", lambda hook: [])
    monkeypatch.setattr(cluster, "read_utilities", lambda hook, sessions, own: utilities_in_sessions(sessions))
    request: Any = SimpleNamespace(protected_roles=("backup",), sessions=SessionsChoice.END)
    run = SimpleNamespace(hook=None, request=request, directory=SimpleNamespace(path="/x"))
    task = CheckActivityOperator(task_id="activity", connection_task="connection")
    findings, _ = task.find(cast(ExpansionRun, run))
    assert [str(finding.check) for finding in findings] == ["active-sessions", "catalog-changes", "other-utilities"]
