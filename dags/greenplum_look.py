"""Look at a Greenplum cluster, and at hosts that may be added to it. Changes nothing.

The pages under *Greenplum* start it to show a cluster, and to try new hosts while they are typed. By itself it is a
check without an expansion: name hosts, and read the findings of its tasks.
"""

from datetime import timedelta

from airflow.sdk import DAG

from greenplum_expansion.operators.checks.new_hosts import CheckNewHostOperator
from greenplum_expansion.operators.look import LookAtClusterOperator, LookAtPlacesOperator
from greenplum_expansion.params import dag_params
from greenplum_expansion.request import ExpansionRequest

with DAG(
    "greenplum_look",
    dag_display_name="Greenplum: look at a cluster",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,
    params=dag_params(ExpansionRequest),
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
    places = LookAtPlacesOperator(task_id="places", connection_task="cluster")
    each_host = CheckNewHostOperator.partial(
        task_id="host", places_task="places", map_index_template="{{ task.host['hostname'] }}"
    ).expand(host=places.output)
    cluster >> places >> each_host
