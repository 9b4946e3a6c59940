"""The DAGs load, keep their published task ids, and ask for what the request model asks for."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from greenplum_expansion.params import dag_params
from greenplum_expansion.request import (
    ExpansionRequest,
    LookRequest,
    RedistributeRequest,
    RollbackRequest,
    SteerRequest,
)

DAGS = Path(__file__).resolve().parents[2] / "dags"


@pytest.fixture(scope="module")
def dags():
    bag = DagBag(dag_folder=str(DAGS))
    assert bag.import_errors == {}
    return bag.dags


def test_the_expansion_is_the_runbook_from_top_to_bottom(dags):
    """People see these ids for years, in alerts and bookmarks; a rename breaks them."""
    assert [task.task_id for task in dags["greenplum_expand"].topological_sort()] == [
        "check_cluster.connection",
        "check_cluster.claim",
        "check_cluster.expansion_state",
        "check_cluster.segments",
        "check_cluster.databases",
        "check_cluster.settings",
        "check_cluster.activity",
        "check_cluster.catalog",
        "check_cluster.capacity",
        "check_cluster.notices",
        "check_new_hosts.places",
        "check_new_hosts.host",
        "check_new_hosts.network",
        "judge_findings",
        "survey_before",
        "prepare_hosts.operating_system",
        "prepare_hosts.account",
        "prepare_hosts.software",
        "prepare_hosts.reboot",
        "prepare_hosts_files",
        "exchange_keys",
        "check_prepared_hosts",
        "measure_hardware",
        "back_up",
        "make_plan",
        "approve_plan",
        "approve_edit",
        "fingerprint_tables",
        "drain_sessions",
        "add_segments",
        "wait_for_mirrors",
        "rank_tables",
        "redistribute.move_tables",
        "redistribute.watch_progress",
        "verify_distribution",
        "survey_after",
        "restart_cluster",
        "clean_up",
        "roll_back",
        "report",
    ]


def test_a_look_reads_and_is_over(dags):
    assert [task.task_id for task in dags["greenplum_look"].topological_sort()] == [
        "cluster",
        "workload",
        "places",
        "host",
    ]


def test_the_rollback_probes_acts_and_proves(dags):
    assert [task.task_id for task in dags["greenplum_rollback"].topological_sort()] == [
        "probe",
        "stop_gpexpand",
        "start_cluster",
        "approve_forward",
        "roll_back",
        "finish_forward",
        "wait_for_mirrors",
        "open_cluster",
        "verify",
        "undo_preparation",
        "report",
    ]


def test_a_window_is_looked_at_moved_in_and_told_of(dags):
    """The task that moves has the id of the expansion's own, as messages name it for both."""
    assert [task.task_id for task in dags["greenplum_redistribute"].topological_sort()] == [
        "probe",
        "redistribute.move_tables",
        "redistribute.watch_progress",
        "report",
    ]
    assert [task.task_id for task in dags["greenplum_redistribute"].leaves] == ["report"]


def test_steering_is_one_task_and_changes_follow_one_another(dags):
    assert [task.task_id for task in dags["greenplum_steer"].tasks] == ["steer"]
    assert dags["greenplum_steer"].max_active_runs == 1


def test_a_run_of_the_schedule_needs_nobody_to_fill_in_its_form(dags):
    dag = dags["greenplum_redistribute"]
    assert RedistributeRequest.model_validate({name: dag.params.get_param(name).value for name in dag.params})


def test_a_failed_move_is_no_reason_to_roll_back(dags):
    assert dags["greenplum_expand"].task_dict["roll_back"].upstream_task_ids == {"add_segments"}


def test_the_report_ends_the_run_so_that_a_failure_cannot_look_like_a_success(dags):
    assert [task.task_id for task in dags["greenplum_expand"].leaves] == ["report"]


def test_nothing_changes_the_cluster_before_the_approval(dags):
    changing = {"add_segments", "rank_tables", "redistribute.move_tables", "clean_up"}
    before = {task.task_id for task in dags["greenplum_expand"].task_dict["approve_plan"].get_flat_relatives(True)}
    assert not changing & before


@pytest.mark.parametrize("model", [ExpansionRequest, LookRequest, RedistributeRequest, RollbackRequest, SteerRequest])
def test_the_form_explains_and_groups_every_field(model):
    params = dag_params(model)
    assert list(params) == list(model.model_fields)
    for name, param in params.items():
        assert param.schema["title"], name
        assert param.schema["description_md"], name
        assert param.schema["section"], name


def test_the_form_refuses_what_the_model_refuses():
    params = dag_params(ExpansionRequest)
    assert params["parallel_moves"].schema["minimum"] == 1
    assert params["parallel_moves"].schema["maximum"] == 96
    assert params["mirroring"].schema["enum"] == ["as the cluster", "grouped", "spread"]
    assert params["first_primary_port"].schema["minimum"] == 1024


def test_an_empty_optional_text_does_not_disable_the_trigger_button():
    """Airflow's form sends null for it and takes a plain string type for required."""
    assert dag_params(RollbackRequest)["expansion_id"].schema["type"] == ["null", "string"]
    assert dag_params(ExpansionRequest)["important_tables"].schema["type"] == ["null", "array"]
    assert dag_params(ExpansionRequest)["first_mirror_port"].schema["type"] == ["null", "integer"]


def test_the_form_shows_hosts_as_lines_of_text():
    """A field of objects would be a JSON editor; without a type for its items the form is a text area."""
    assert "type" not in dag_params(ExpansionRequest)["new_hosts"].schema["items"]


def test_defaults_of_the_form_are_the_defaults_of_the_model():
    defaults = {name: param.value for name, param in dag_params(ExpansionRequest).items()}
    made = ExpansionRequest.model_validate({**defaults, "new_hosts": ["sdw3"]})
    assert made == ExpansionRequest.model_validate({"new_hosts": ["sdw3"]})
