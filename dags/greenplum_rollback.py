"""Take back an expansion that failed while adding its segments.

Possible only until gpexpand has changed the catalog. It probes first: if nothing was begun, nothing is done; if the
point of no return is passed, nothing is done either, and it says what the way forward is. Tables that could not be
moved are never a reason to roll back. Triggered by `greenplum_expand` when adding segments fails, or by hand.
"""

from datetime import timedelta

from airflow.sdk import DAG, chain

from greenplum_expansion.operators import rollback
from greenplum_expansion.params import dag_params
from greenplum_expansion.request import RollbackRequest

with DAG(
    "greenplum_rollback",
    dag_display_name="Greenplum: roll back a failed expansion",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,
    max_active_runs=1,
    params=dag_params(RollbackRequest),
    tags=["greenplum"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
) as dag:
    chain(
        rollback.ProbeExpansionOperator(task_id="probe"),
        rollback.RollBackOperator(task_id="roll_back"),
        rollback.VerifyRollbackOperator(task_id="verify"),
    )
