"""Pause, resume, or change how many tables move at a time, while they move.

It takes effect with the next move: what is under way ends as it would. It holds over windows, retries and restarts,
until it is changed again, and is kept in the cluster with who has set it: table `expansion_history.expand_control` of
database postgres.

The direct engine follows within seconds, and gives its worker back if it stays paused. gpexpand cannot be steered
while it moves: for it, what is set here holds from the next window on. *show* changes nothing.
"""

from datetime import timedelta

from airflow.sdk import DAG

from greenplum_expansion.operators.steering import SteerOperator
from greenplum_expansion.params import dag_params
from greenplum_expansion.request import SteerRequest
from greenplum_expansion.schedule import read_schedule

with DAG(
    "greenplum_steer",
    dag_display_name="Greenplum: steer the moves",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,
    max_active_runs=1,  # changes happen in the order in which they were asked for
    params=dag_params(SteerRequest, greenplum_conn_id=read_schedule().connection),
    tags=["greenplum"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
) as dag:
    SteerOperator(task_id="steer")
