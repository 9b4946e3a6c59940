"""The DAGs that come with the package, as a bundle an Airflow can be pointed at.

For an Airflow to which the package was added by `pip install`; who copies `dags/` needs none of this::

    [dag_processor]
    dag_bundle_config_list = [
        {"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}},
        {"name": "greenplum", "classpath": "greenplum_expansion.dag_bundle.GreenplumDagBundle", "kwargs": {}}]
"""

from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.local import LocalDagBundle

from greenplum_expansion.errors import ExpansionError

_PACKAGE = Path(__file__).resolve().parent


def dags_directory() -> Path:
    """Where the DAG files lie: in the wheel inside the package, in a checkout in `dags/` beside `plugins/`."""
    candidates = (_PACKAGE / "_dags", _PACKAGE.parent.parent / "dags")
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise ExpansionError(
        subject="The DAGs of greenplum_expansion are missing",
        cause=f"neither {candidates[0]} nor {candidates[1]} exists",
        next_action="install the wheel built from plugins/, or copy dags/ beside plugins/",
    )


class GreenplumDagBundle(LocalDagBundle):
    """A local bundle that knows its own path."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(path=str(dags_directory()), **kwargs)
