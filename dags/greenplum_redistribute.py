"""Move tables of an expansion in the windows of a schedule of its own.

For an expansion whose segments are added (`greenplum_expand`): one run a window moves what fits into it, in the order
and with the engine that the expansion was asked for, and ends. What is left is left for the next one. When all have
moved, the run of `greenplum_expand` that waits for that goes on with the proof by itself.

With nothing to do a run is skipped, and task `probe` says why: no expansion under way, preparation not finished, tables
that another run moves, nothing left.

Triggered by hand it moves tables at once, for as long as its form says: also those that an expansion has left which
was asked for some only, or whose last window is over. `greenplum_steer` pauses and resumes it, and sets how many tables
move at a time.

If tables could not be moved, the run fails, `redistribute.move_tables` names them with their errors, and clearing it
tries just these again; so does every later run.

The windows are set for the deployment, by environment variables of all components of Airflow:
`GREENPLUM_REDISTRIBUTE_WINDOWS` (as `Mon-Fri 22:00-06:00; Sat 20:00-24:00`, or cron and duration,
`0 22 * * 1-5 for 8h`; 22:00-06:00 if unset), `GREENPLUM_REDISTRIBUTE_TIME_ZONE` (as `Europe/Berlin`; UTC if unset),
`GREENPLUM_REDISTRIBUTE_EXCLUDED_DATES` (as `2026-12-24, 2026-12-31`) and `GREENPLUM_REDISTRIBUTE_CONNECTION`.
"""

from datetime import timedelta

from airflow.sdk import DAG, TaskGroup, TriggerRule, chain

from greenplum_expansion.operators import window
from greenplum_expansion.params import dag_params
from greenplum_expansion.request import RedistributeRequest
from greenplum_expansion.schedule import read_schedule

schedule = read_schedule()

with DAG(
    "greenplum_redistribute",
    dag_display_name="Greenplum: move tables in windows",
    doc_md=f"{schedule.notice}\n\n{__doc__}",
    schedule=schedule.timetable,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    params=dag_params(RedistributeRequest, greenplum_conn_id=schedule.connection),
    tags=["greenplum"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
) as dag:
    probe = window.ProbeWindowOperator(task_id="probe")
    with TaskGroup("redistribute") as redistribute:
        window.RedistributeWindowOperator(task_id="move_tables")
        window.WindowProgressSensor(task_id="watch_progress", move_task="redistribute.move_tables")  # beside it
    report = window.WindowReportOperator(
        task_id="report", move_task="redistribute.move_tables", trigger_rule=TriggerRule.ALL_DONE
    )
    chain(probe, redistribute, report)
