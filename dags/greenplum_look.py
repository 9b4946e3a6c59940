"""Look at a Greenplum cluster, and at hosts that may be added to it. Changes nothing.

The pages under *Greenplum* start it to show a cluster, and to try new hosts while they are typed. By itself it is a
check without an expansion: name hosts, and read the findings of its tasks. *Measure the tables, too* leaves what the
wizard's forecast needs.
"""

from datetime import timedelta

from airflow.sdk import DAG

from greenplum_expansion.operators.look import (
    LookAtClusterOperator,
    LookAtHostOperator,
    LookAtPlacesOperator,
    LookAtWorkloadOperator,
)
from greenplum_expansion.params import dag_params
from greenplum_expansion.request import LookRequest

with DAG(
    "greenplum_look",
    dag_display_name="Greenplum: look at a cluster",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,
    params=dag_params(LookRequest),
    tags=["greenplum"],
    # Somebody waits for it in front of a page. What does not answer is a finding and fails nothing; the second try is
    # for a worker that could not begin.
    default_args={
        "retries": 1,
        "retry_delay": timedelta(seconds=2),
        "execution_timeout": timedelta(minutes=10),
    },
    render_template_as_native_obj=True,
) as dag:
    cluster = LookAtClusterOperator(task_id="cluster")
    # In seconds, but for a hundred thousand tables on slow disks.
    workload = LookAtWorkloadOperator(task_id="workload", cluster_task="cluster", execution_timeout=timedelta(hours=1))
    places = LookAtPlacesOperator(task_id="places", connection_task="cluster")
    each_host = LookAtHostOperator.partial(
        task_id="host", places_task="places", map_index_template="{{ task.host['hostname'] }}"
    ).expand(host=places.output)
    cluster >> [workload, places]
    places >> each_host
