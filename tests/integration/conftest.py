"""A real Airflow beside the practice cluster, for all tests of this directory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.airflow_api import AirflowApi
from demo.airflow_stack import AirflowStack
from tests.support.practice import Practice

CONNECTION = "practice"
NEW_HOSTS = ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]


@pytest.fixture(scope="session")
def connection(practice: Practice) -> dict[str, Any]:
    """The practice cluster as an Airflow connection."""
    known: dict[str, Any] = json.loads(practice.state.connection.read_text())
    return known


@pytest.fixture(scope="session")
def airflow(connection: dict[str, Any]) -> Iterator[AirflowApi]:
    """Airflow with that connection, and both DAGs known."""
    with tempfile.TemporaryDirectory(prefix="airflow-") as directory:
        stack = AirflowStack(Path(directory))
        try:
            stack.start()
            stack.wait(("greenplum_expand", "greenplum_rollback"))
            with stack.api() as api:
                api.put_connection(CONNECTION, connection)
                yield api
        finally:
            stack.stop()


@pytest.fixture
def cluster(practice: Practice) -> Iterator[Practice]:
    """The practice cluster as right after its first start, without faults, and so again for the next test."""
    practice.clear_faults()
    practice.reset()
    yield practice
    practice.clear_faults()
    practice.reset()  # the tests of the sandbox come behind, on the same cluster
