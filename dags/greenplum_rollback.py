"""Bring an expansion that was left half done to a known state.

Until gpexpand has changed the catalog everything is taken back, and nothing that lay in the planned directories before
is lost. After that the way is forward only: a person approves, then the set-up is finished. Tables that could not be
moved are never a reason to roll back; the DAG then says which task to clear.

Triggered by `greenplum_expand` when adding segments fails, or by hand, also twice, and while the expansion still waits.
It looks first; what needs nothing is left alone.
"""

from datetime import timedelta

from airflow.sdk import DAG, TriggerRule, chain

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
        rollback.StopGpexpandOperator(task_id="stop_gpexpand"),
        rollback.StartClusterOperator(task_id="start_cluster"),
        rollback.ApproveForwardOperator(task_id="approve_forward"),
        rollback.RollBackOperator(task_id="roll_back", approval_task="approve_forward"),
        rollback.FinishForwardOperator(task_id="finish_forward", approval_task="approve_forward"),
        rollback.WaitForMirrorsOperator(task_id="wait_for_mirrors", forward_task="finish_forward"),
        # A cluster that was started for superusers only is opened again, and looked at, whatever failed before.
        rollback.OpenClusterOperator(task_id="open_cluster", trigger_rule=TriggerRule.ALL_DONE),
        rollback.VerifyRollbackOperator(
            task_id="verify", forward_task="finish_forward", trigger_rule=TriggerRule.ALL_DONE
        ),
        rollback.RollbackReportOperator(
            task_id="report", probe_task="probe", proof_task="verify", trigger_rule=TriggerRule.ALL_DONE
        ),
    )
