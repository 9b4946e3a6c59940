"""The link from a task to the page of its run.

Airflow matches a plugin's link with a task by the name and module of the task's class alone. So classes are named here,
not imported: importing the operators would load SSH and the driver into every component of Airflow.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from airflow.configuration import conf
from airflow.sdk import BaseOperatorLink

PATH = "greenplum"

_OPERATORS = {
    "operators.approval": ("ApprovePlanOperator", "ApproveEditOperator"),
    "operators.plan": ("MakePlanOperator",),
    "operators.segments": ("AddSegmentsOperator",),
    "operators.redistribution": ("RedistributeOperator",),
    "operators.window.move": ("RedistributeWindowOperator", "WindowProgressSensor"),
    "sensors.redistribution": ("RedistributionSensor",),
    "operators.prove": ("FingerprintTablesOperator", "VerifyDistributionOperator"),
    "operators.checks.judge": ("JudgeFindingsOperator",),
    "operators.rollback.trigger": ("TriggerRollbackOperator",),
    "operators.report": ("ReportOperator",),
}


def base_path() -> str:
    """The path below which Airflow is reached; empty if it has a host for itself."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")


def run_page(dag_id: str, run_id: str) -> str:
    """Path of a run's page inside Airflow's UI."""
    page = f"{PATH}/runs/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"
    return f"{base_path()}/plugin/{PATH}/{page}"


class ExpansionLink(BaseOperatorLink):
    """ "Expansion page" on the tasks people look at while an expansion runs."""

    name = "Expansion page"
    operators = [  # noqa: RUF012 - BaseOperatorLink declares it so
        type(name, (), {"__module__": f"greenplum_expansion.{module}"})
        for module, names in _OPERATORS.items()
        for name in names
    ]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The page of the run this task is of."""
        return run_page(ti_key.dag_id, ti_key.run_id)
