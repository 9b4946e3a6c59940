"""How greenplum_expand hands a failed preparation over."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowSkipException

from greenplum_expansion.cluster.names import expansion_id
from greenplum_expansion.operators.run import record_step, started_now
from greenplum_expansion.request import ExpansionRequest, NoticesSection, parse_request


class TriggerRollbackOperator(TriggerDagRunOperator):
    """Trigger greenplum_rollback for this run's expansion and wait for it, if adding its segments has failed.

    Skipped if the request does without, and if adding had not been begun: then there is nothing to take back.

    :param segments_task: task id of the AddSegmentsOperator
    """

    ui_color = "#f7c9b6"

    def __init__(self, *, segments_task: str, **kwargs: Any) -> None:
        super().__init__(
            trigger_dag_id="greenplum_rollback",
            wait_for_completion=True,
            deferrable=True,
            poke_interval=10,
            fail_when_dag_is_paused=True,
            **kwargs,
        )
        self.segments_task = segments_task

    def execute(self, context: Any) -> Any:
        dag_run = context["dag_run"]
        request = parse_request(ExpansionRequest, dict(context["params"]))
        states = context["ti"].get_task_states(
            dag_id=dag_run.dag_id, task_ids=[self.segments_task], run_ids=[dag_run.run_id]
        )
        if states.get(dag_run.run_id, {}).get(self.segments_task) != "failed":
            raise AirflowSkipException("No segment was begun to be added, so there is nothing to roll back")
        if not request.roll_back_on_failure:
            raise AirflowSkipException("The request asks for no rollback; run greenplum_rollback by hand")
        self.conf = {
            "greenplum_conn_id": request.greenplum_conn_id,
            "expansion_id": expansion_id(dag_run.run_id),
            "approval": request.approval,
            "expect_writes": request.expect_writes,
            **request.model_dump(mode="json", include=set(NoticesSection.model_fields)),
        }
        record_step(context, started_now(), "greenplum_rollback triggered")
        return super().execute(context)
