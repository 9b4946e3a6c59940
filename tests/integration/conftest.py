"""A real Airflow beside the practice cluster, for all tests of this directory."""

from __future__ import annotations

import json
import os
import pkgutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.airflow_api import AirflowApi
from demo.airflow_stack import ROOT, AirflowStack
from greenplum_expansion import operators, sensors
from tests.support.afterwards import ended_if_we_are_killed
from tests.support.practice import Practice

# What the DAG files import: their tasks need not import it again, each for itself.
PRELOAD = (
    *(
        module.name
        for package in (operators, sensors)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ),
    "tests.support.impatience",
)
SETTINGS = {
    "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(ROOT))),
    # A test that answers a question waits until the scheduler has told twice that it goes round.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    # Seconds of silence after which a trigger is given to another triggerer. Other workers may keep the machine busy,
    # and making the first answer to a trigger takes five seconds of a processor.
    "AIRFLOW__TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "180",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "180",
}
STOP = "import sys, pathlib, demo.airflow_stack as a; a.AirflowStack(pathlib.Path(sys.argv[1])).stop()"
CONNECTION = "practice"
NEW_HOSTS = ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]
CONF = {"greenplum_conn_id": CONNECTION, "new_hosts": NEW_HOSTS}
QUICK = {**CONF, "hardware_check": "none", "backup": "none"}  # where neither is what the test is about


@pytest.fixture(scope="session")
def connection(practice: Practice) -> dict[str, Any]:
    """The practice cluster as an Airflow connection."""
    known: dict[str, Any] = json.loads(practice.state.connection.read_text())
    return known


@pytest.fixture(scope="session")
def stack() -> Iterator[AirflowStack]:
    """Airflow's components, with every DAG the tests start known."""
    with tempfile.TemporaryDirectory(prefix="airflow-") as directory:
        stack = AirflowStack(Path(directory), settings=SETTINGS, preload=PRELOAD)
        with ended_if_we_are_killed([sys.executable, "-c", STOP, directory]):
            try:
                stack.start()
                stack.wait(("greenplum_expand", "greenplum_look", "greenplum_rollback"))
                yield stack
            finally:
                stack.stop()


@pytest.fixture(scope="session")
def airflow(stack: AirflowStack, connection: dict[str, Any]) -> Iterator[AirflowApi]:
    """Airflow with the practice cluster as a connection."""
    with stack.api() as api:
        api.put_connection(CONNECTION, connection)
        yield api
