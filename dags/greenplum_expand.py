"""Add segment hosts to a Greenplum cluster.

Down to the approval no segment is added and no table moves, but hosts change as far as the request asks for it: new
ones are prepared; old ones get the new names in `/etc/hosts`, where nothing else knows them, and keys from
`gpssh-exkeys`. `gpcheckcat` may drop temporary schemas that sessions left behind, `gpcheckperf` loads hosts while it
measures. Rejecting the plan takes none of it back; `greenplum_rollback` with *Undo the preparation* takes back what was
changed on hosts, but for the keys.

**add_segments** can be rolled back until gpexpand has changed the catalog; after that the way is forward only. Tables
stay usable throughout, but for the minutes in which each one moves. Any task may be retried or cleared at any time:
it looks first, and does what is still to be done.

If a check fails, `judge_findings` tells everything that is wrong at once. If adding the segments fails,
`greenplum_rollback` runs. If tables could not be moved, mend the cause and clear `redistribute.move_tables`: only
those are moved.
"""

from airflow.sdk import DAG, TaskGroup, TriggerRule, chain, task_group

from greenplum_expansion.operators import approval, finish, plan, prove, segments, tables
from greenplum_expansion.operators.backup import BackUpOperator
from greenplum_expansion.operators.checks.catalog import CheckCatalogOperator
from greenplum_expansion.operators.checks.cluster import (
    CheckActivityOperator,
    CheckCapacityOperator,
    CheckConnectionOperator,
    CheckDatabasesOperator,
    CheckExpansionStateOperator,
    CheckSegmentsOperator,
    CheckSettingsOperator,
    ClaimClusterOperator,
)
from greenplum_expansion.operators.checks.judge import JudgeFindingsOperator
from greenplum_expansion.operators.checks.network import CheckNetworkOperator
from greenplum_expansion.operators.checks.new_hosts import CheckNewHostOperator, CheckPlacesOperator
from greenplum_expansion.operators.checks.notices import CheckNoticesOperator
from greenplum_expansion.operators.checks.prepared_hosts import CheckPreparedHostOperator
from greenplum_expansion.operators.hardware import MeasureHardwareOperator
from greenplum_expansion.operators.preparation.files import PrepareOldHostsOperator
from greenplum_expansion.operators.preparation.host import PrepareHostOperator
from greenplum_expansion.operators.preparation.keys import ExchangeKeysOperator
from greenplum_expansion.operators.preparation.reboot import RebootHostOperator
from greenplum_expansion.operators.preparation.software import InstallSoftwareOperator
from greenplum_expansion.operators.redistribution import RedistributeOperator
from greenplum_expansion.operators.report import ReportOperator
from greenplum_expansion.operators.restart import RestartClusterOperator
from greenplum_expansion.operators.rollback import TriggerRollbackOperator
from greenplum_expansion.operators.survey import SurveyOperator
from greenplum_expansion.params import dag_params
from greenplum_expansion.planning import limits
from greenplum_expansion.preparation.parts import ACCOUNT, OPERATING_SYSTEM
from greenplum_expansion.request import ExpansionRequest
from greenplum_expansion.sensors.mirrors import MirrorsInSyncSensor
from greenplum_expansion.sensors.redistribution import RedistributionSensor
from greenplum_expansion.sensors.sessions import DrainSessionsSensor

with DAG(
    "greenplum_expand",
    dag_display_name="Greenplum: expand a cluster",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,
    params=dag_params(ExpansionRequest),
    tags=["greenplum"],
    # Unreachable hosts are worth another try; what a retry cannot mend fails at once.
    default_args={"retries": limits.RETRIES, "retry_delay": limits.RETRY_DELAY},
    render_template_as_native_obj=True,
) as dag:
    with TaskGroup("check_cluster") as check_cluster:
        connection = CheckConnectionOperator(task_id="connection")
        needs = {"connection_task": "check_cluster.connection"}
        claim = ClaimClusterOperator(task_id="claim", **needs)
        expansion_state = CheckExpansionStateOperator(task_id="expansion_state", **needs)
        instances = CheckSegmentsOperator(task_id="segments", **needs)
        databases = CheckDatabasesOperator(task_id="databases", **needs)
        settings = CheckSettingsOperator(task_id="settings", **needs)
        activity = CheckActivityOperator(task_id="activity", **needs)
        catalog = CheckCatalogOperator(task_id="catalog", **needs)
        capacity = CheckCapacityOperator(task_id="capacity", **needs)
        connection >> [claim, expansion_state, instances, databases, settings, activity, catalog, capacity]
        CheckNoticesOperator(task_id="notices")

    with TaskGroup("check_new_hosts") as check_new_hosts:
        places = CheckPlacesOperator(task_id="places", **needs)
        each_host = CheckNewHostOperator.partial(
            task_id="host", map_index_template="{{ task.host['hostname'] }}"
        ).expand(host=places.output)
        network = CheckNetworkOperator(task_id="network", trigger_rule=TriggerRule.ALL_DONE, **needs)
        each_host >> network

    judge_findings = JudgeFindingsOperator(
        task_id="judge_findings",
        mapped_checks={"check_new_hosts.host": "check_new_hosts.places"},
        trigger_rule=TriggerRule.ALL_DONE,
    )

    survey_before = SurveyOperator(task_id="survey_before", moment="before")

    @task_group(group_id="prepare_hosts")
    def prepare_host(host):  # one new host after another's heels: none waits for the others
        shown = {"host": host, "map_index_template": "{{ task.host['hostname'] }}"}
        system = PrepareHostOperator(task_id="operating_system", choices=OPERATING_SYSTEM, **shown)
        account = PrepareHostOperator(task_id="account", choices=ACCOUNT, **shown)
        software = InstallSoftwareOperator(task_id="software", **shown)
        reboot = RebootHostOperator(task_id="reboot", **shown)
        system >> account >> software >> reboot

    prepare_hosts = prepare_host.expand(host=places.output)
    prepare_hosts_files = PrepareOldHostsOperator(task_id="prepare_hosts_files")
    # Without new hosts nothing is mapped over them: what is behind goes on (NONE_FAILED), it was skipped, not failed.
    exchange_keys = ExchangeKeysOperator(task_id="exchange_keys", trigger_rule=TriggerRule.NONE_FAILED)
    check_prepared_hosts = CheckPreparedHostOperator.partial(
        task_id="check_prepared_hosts", map_index_template="{{ task.host['hostname'] }}"
    ).expand(host=places.output)
    measure_hardware = MeasureHardwareOperator(
        task_id="measure_hardware", places_task="check_new_hosts.places", trigger_rule=TriggerRule.NONE_FAILED
    )
    back_up = BackUpOperator(task_id="back_up")
    make_plan = plan.MakePlanOperator(task_id="make_plan")
    approve_plan = approval.ApprovePlanOperator(task_id="approve_plan", plan_task="make_plan")
    # Airflow shows a question as it was asked first: an edited plan is asked for again by tasks of their own, in turn.
    approve_edit = approval.ApproveEditOperator.partial(
        task_id="approve_edit", plan_task="make_plan", max_active_tis_per_dagrun=1
    ).expand(asking=approve_plan.output)
    fingerprint_tables = prove.FingerprintTablesOperator(
        task_id="fingerprint_tables", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    )
    drain_sessions = DrainSessionsSensor(task_id="drain_sessions")
    add_segments = segments.AddSegmentsOperator(
        task_id="add_segments", approval_task="approve_plan", edit_task="approve_edit"
    )
    wait_for_mirrors = MirrorsInSyncSensor(task_id="wait_for_mirrors")
    rank_tables = tables.RankTablesOperator(task_id="rank_tables")

    with TaskGroup("redistribute") as redistribute:
        RedistributeOperator(task_id="move_tables")
        RedistributionSensor(task_id="watch_progress", move_task="redistribute.move_tables")  # beside it

    verify_distribution = prove.VerifyDistributionOperator(task_id="verify_distribution")
    survey_after = SurveyOperator(task_id="survey_after", moment="after")
    restart_cluster = RestartClusterOperator(task_id="restart_cluster")
    clean_up = finish.CleanUpOperator(task_id="clean_up")
    # Hangs on add_segments only: a table that could not be moved is no reason to roll back.
    roll_back = TriggerRollbackOperator(
        task_id="roll_back", segments_task="add_segments", trigger_rule=TriggerRule.ONE_FAILED
    )
    report = ReportOperator(
        task_id="report",
        plan_task="make_plan",
        approval_task="approve_plan",
        edit_task="approve_edit",
        segments_task="add_segments",
        proof_task="verify_distribution",
        rollback_task="roll_back",
        trigger_rule=TriggerRule.ALL_DONE,
    )

    chain(
        connection,
        check_new_hosts,
        judge_findings,
        survey_before,
        [prepare_hosts, prepare_hosts_files],
        exchange_keys,
        check_prepared_hosts,
        measure_hardware,
        back_up,
        make_plan,
        approve_plan,
        approve_edit,
        fingerprint_tables,
        drain_sessions,
        add_segments,
        wait_for_mirrors,
        rank_tables,
        redistribute,
        verify_distribution,
        survey_after,
        restart_cluster,
        clean_up,
        report,
    )
    chain(check_cluster, judge_findings)
    approve_plan >> fingerprint_tables  # with nothing to ask again, approve_edit is skipped
    chain(add_segments, roll_back, report)
