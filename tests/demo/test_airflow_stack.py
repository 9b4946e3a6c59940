"""A real Airflow: up with both DAGs and the connection form, private, and gone when it is stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import processes
from demo.airflow_api import AirflowApiError
from demo.airflow_stack import AirflowStack, StackError

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    stack = AirflowStack(tmp_path_factory.mktemp("airflow"))
    try:
        stack.start()
        stack.wait(("greenplum_expand", "greenplum_rollback"))
        yield stack
    finally:
        stack.stop()


def test_both_dags_are_read_without_an_error(stack: AirflowStack) -> None:
    with stack.api() as api:
        assert api.import_errors() == []
        assert {"greenplum_expand", "greenplum_rollback"} <= set(api.dag_ids())


def test_connection_form_offers_greenplum_with_its_fields(stack: AirflowStack) -> None:
    with stack.api() as api:
        offered = {item["connection_type"]: item for item in api.request("GET", "/ui/connections/hook_meta")}
    form = offered["greenplum"]
    assert form["hook_class_name"] == "greenplum_expansion.hooks.greenplum.GreenplumHook"
    assert {"ssh_host", "ssh_port", "ssh_user", "ssh_key_file", "ssh_private_key", "ssh_host_key", "gphome"} <= set(
        form["extra_fields"]
    )
    assert form["extra_fields"]["ssh_private_key_passphrase"]["schema"]["format"] == "password"


def test_connection_test_tells_why_a_connection_does_not_work(stack: AirflowStack) -> None:
    nobody_listens = {"conn_type": "greenplum", "host": "127.0.0.1", "port": 1, "login": "gpadmin", "password": "x"}
    with stack.api() as api:
        api.put_connection("nowhere", {**nobody_listens, "extra": {"ssh_port": 1, "ssh_no_host_key_check": True}})
        works, words = api.test_connection("nowhere")
    assert not works
    assert "refused" in words
    assert "Next:" in words


@pytest.mark.parametrize(
    "conf",
    [
        {"new_hosts": "sdw3"},
        {"new_hosts": ["sdw3"], "parallel_moves": 1000},
        {"new_hosts": ["sdw3"], "preparation_parts": ["magic"]},
    ],
)
def test_request_that_cannot_be_meant_is_refused_at_the_form(stack: AirflowStack, conf: dict[str, object]) -> None:
    with stack.api("op") as api, pytest.raises(AirflowApiError, match="400"):
        api.trigger("greenplum_expand", conf)


def test_viewer_may_not_expand(stack: AirflowStack) -> None:
    with stack.api("viewer") as api, pytest.raises(AirflowApiError, match="403"):
        api.trigger("greenplum_expand", {"new_hosts": ["sdw3"]})


def test_passwords_are_readable_by_their_owner_only(stack: AirflowStack) -> None:
    secret = [path for path in stack.home.rglob("*.json") if stack.password() in path.read_text()]
    assert {path.name for path in secret} >= {"secrets.json", "passwords.json"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)


def test_stopped_stack_leaves_no_process(tmp_path: Path) -> None:
    stack = AirflowStack(tmp_path)
    stack.start()
    state = stack._load()
    assert state is not None
    leaders = list(state.components.values())
    assert len(processes.family(leaders)) >= len(leaders) == 4
    stack.stop()
    assert processes.family(leaders) == []
    assert not stack.is_up()


def test_broken_dag_file_is_told_with_its_traceback(tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "broken.py").write_text("import airflow.sdk\n\nraise RuntimeError('no such thing as a DAG here')\n")
    stack = AirflowStack(tmp_path / "airflow", dags=dags)
    try:
        stack.start()
        with pytest.raises(StackError, match="no such thing as a DAG here"):
            stack.wait(("broken",))
    finally:
        stack.stop()
