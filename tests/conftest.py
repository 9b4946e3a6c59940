"""What every test stands on: an Airflow home of its own, set before anything imports Airflow.

Airflow reads its settings once, when it is first imported. Without this a test run would create `~/airflow` and read
whatever configuration happens to be on the machine.
"""

import os
import tempfile
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

_home = tempfile.TemporaryDirectory(prefix="airflow-test-")

os.environ.update(
    AIRFLOW_HOME=_home.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_home.name}/airflow.db",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)

# A busy machine is no reason to fail: no test's verdict hangs on seconds.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# Fixtures and hooks of several directories; imported here, so that one session has one practice cluster.
from tests.support.figures import pytest_terminal_summary  # noqa: E402, F401
from tests.support.practice import connect, each_file_begins_anew, practice, rows  # noqa: E402, F401
from tests.support.sharing import pytest_xdist_make_scheduler  # noqa: E402, F401


def pytest_unconfigure() -> None:
    """Workers of pytest-xdist end without what an interpreter does at its end."""
    _home.cleanup()
