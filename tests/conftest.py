"""What every test stands on: an Airflow home of its own, set before anything imports Airflow.

Airflow reads its settings once, when it is first imported. Without this a test run would create `~/airflow` and read
whatever configuration happens to be on the machine.
"""

import os
import tempfile
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

_home = tempfile.TemporaryDirectory(prefix="airflow-test-")  # removed when the interpreter ends

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

# Fixtures of several directories; imported here, so that one session has one practice cluster.
from tests.support.practice import connect, practice, rows  # noqa: E402, F401
