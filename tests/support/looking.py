"""What tests of the cluster's checks share: breaking something, looking with one task, and the one finding wanted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.support.in_process import find
from tests.support.practice import Practice

REQUEST = {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]}
Looks = Callable[..., list[dict[str, str]]]
Changes = Callable[..., None]
Rows = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def connection(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The practice cluster as an Airflow connection, which "practice" then is."""
    text = practice.state.connection.read_text()
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", text)
    known: dict[str, Any] = json.loads(text)
    return known


@pytest.fixture
def look(connection: dict[str, Any]) -> Looks:
    """What one task of check_cluster finds under one check's id."""

    def look_at(task: str, check: str, **request: Any) -> list[dict[str, str]]:
        found = find({**REQUEST, **request}, f"check_cluster.{task}")
        return [finding for finding in found if finding["check"] == check]

    return look_at


@pytest.fixture
def change(connect: Callable[..., Any]) -> Changes:
    """Statements as superuser, catalogs included."""

    def execute(*statements: str, database: str = "demo") -> None:
        with closing(connect(database)) as opened, opened.cursor() as cursor:
            cursor.execute("SET allow_system_table_mods = on")
            for statement in statements:
                cursor.execute(statement)

    return execute


@contextmanager
def fault(practice: Practice, name: str, value: str) -> Iterator[None]:
    """A fault of the practice cluster for the length of a block."""
    practice.sandbox("fault", "set", name, value)
    try:
        yield
    finally:
        practice.sandbox("fault", "clear", name)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when it holds; five minutes without it are a hang."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.1)


def only(findings: list[dict[str, str]], severity: str = "error") -> dict[str, str]:
    """The one finding there should be."""
    assert [finding["severity"] for finding in findings] == [severity], findings
    return findings[0]
