"""Fixtures of the tests that break something and look."""

from collections.abc import Iterator

import pytest

from tests.support.looking import change, connection, look  # noqa: F401
from tests.support.practice import Practice
from tests.support.redistributing import impatient  # noqa: F401


@pytest.fixture(scope="module")
def cluster(practice: Practice) -> Iterator[Practice]:
    """The practice cluster, which Airflow's connection "practice" leads to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
        yield practice
