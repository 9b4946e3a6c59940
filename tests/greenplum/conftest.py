"""Which real cluster the tests expand, and the Airflow they do it with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from demo.airflow_api import AirflowApi
from demo.airflow_stack import AirflowStack
from tests.greenplum.cluster import NEEDED, OPTIONAL, RealCluster
from tests.support.airflow_runs import EXPAND, ROLLBACK

CONNECTION_ID = "greenplum_test"


@pytest.fixture(scope="session")
def cluster() -> RealCluster:
    """The cluster named by the environment; skips, and says what to set, if none is."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        wanted = "; ".join(f"{name}: {NEEDED[name]}" for name in missing)
        pytest.skip(f"no real Greenplum cluster is named by the environment. To expand one, set {wanted}")
    connection = _json("GREENPLUM_TEST_CONNECTION")
    hosts = [host.strip() for host in os.environ["GREENPLUM_TEST_NEW_HOSTS"].split(",") if host.strip()]
    return RealCluster(connection, hosts, _json(OPTIONAL))


def _json(name: str) -> dict[str, Any]:
    """What the environment says under this name; nothing if it does not."""
    try:
        value: dict[str, Any] = json.loads(os.environ.get(name) or "{}")
    except ValueError as error:
        pytest.fail(f"{name} is no JSON: {error}")
    return value


@pytest.fixture(scope="session")
def airflow(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowApi]:
    """A whole Airflow of its own, with the connection in it; ended afterwards."""
    stack = AirflowStack(tmp_path_factory.mktemp("airflow"))
    try:
        stack.start()
        stack.wait((EXPAND, ROLLBACK))
        with stack.api() as api:
            api.put_connection(CONNECTION_ID, cluster.connection)
            works, words = api.test_connection(CONNECTION_ID)
            assert works, words
            yield api
    finally:
        stack.stop()
