"""measure_hardware on the practice cluster: a slow host is found and named, nothing is left behind, however it ends."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from greenplum_expansion.operators.checks.cluster import ClaimClusterOperator
from greenplum_expansion.operators.hardware import MeasureHardwareOperator
from greenplum_expansion.request.hardware import HardwareCheck
from tests.support.one_task import OneRun
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

NEW = {"sdw3": "10.77.0.23", "sdw4": "10.77.0.24"}
PLACES = [
    {"hostname": name, "address": address, "host_key": None, "directories": ["/data/primary/gpseg9"], "ports": []}
    for name, address in NEW.items()
]
QUICK = {
    "greenplum_conn_id": "practice",
    "new_hosts": [f"{name}={address}" for name, address in NEW.items()],
    "hardware_file_mb": 16,
    "hardware_network_seconds": 5,
    "hardware_min_percent": 1,  # the tests' machine is busy: chance must not warn
}
LEFT = (
    "ls -d /data/*/gpcheckperf_* /tmp/gpcheckperf_* 2>/dev/null; pgrep -u gpadmin -fa sandbox.utilities.[m]easure; true"
)


@pytest.fixture(scope="module", autouse=True)
def prepared(practice: Practice) -> None:
    """New hosts as they are after exchange_keys: mdw may log in, the data directories' parents are there."""
    practice.run("[ -e ~/.ssh/id_rsa.pub ] || ssh-keygen -q -t rsa -N '' -f ~/.ssh/id_rsa")
    key = practice.run("cat ~/.ssh/id_rsa.pub").stdout.strip()
    for name, address in NEW.items():
        practice.run(f"mkdir -p -m 700 ~/.ssh /data/primary; echo '{key}' >> ~/.ssh/authorized_keys", name)
        known = practice.run("cat /etc/ssh/ssh_host_ed25519_key.pub", name).stdout.split()
        practice.run(f"echo '{name},{address} {known[0]} {known[1]}' >> ~/.ssh/known_hosts")


@pytest.fixture
def cluster(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
    yield practice
    practice.clear_faults()
    for host in ("sdw1", "sdw2", *NEW):
        assert practice.run(LEFT, host).stdout == ""


@pytest.fixture
def run(cluster: Practice, request: pytest.FixtureRequest) -> Callable[..., OneRun]:
    """A run over the new hosts named, or both; a single one has no network to be measured, which saves ten seconds."""

    def make(*hosts: str, **conf: Any) -> OneRun:
        made = OneRun({**QUICK, **conf}, run_id=request.node.name)
        made.xcoms["connection", "return_value"] = True
        made.run(ClaimClusterOperator(task_id="claim", connection_task="connection"))
        made.xcoms["places", "return_value"] = [place for place in PLACES if place["hostname"] in (hosts or NEW)]
        return made

    return make


def task() -> MeasureHardwareOperator:
    return MeasureHardwareOperator(task_id="measure_hardware", places_task="places")


def findings(made: OneRun) -> dict[str, str]:
    """Severity and problem by subject."""
    return {found["subject"]: f"{found['severity']}: {found['problem']}" for found in made.left(task(), "findings")}


@pytest.mark.proves("hardware-measured", "hardware-like-existing", "hardware-slowest")
def test_a_slow_disk_and_a_slow_network_are_warnings_and_the_slowest_host_is_named(
    cluster: Practice, run: Callable[..., OneRun]
) -> None:
    cluster.set_fault("slow-disk.sdw4", "8")
    cluster.set_fault("slow-network.sdw4", "5")
    made = run(hardware_min_percent=50)

    result = made.run(task())

    figures = {host["hostname"]: host for host in result["hosts"]}
    assert set(figures) == {"sdw3", "sdw4", "sdw1", "sdw2"}
    assert all(figures[name][metric] for name in figures for metric in ("disk_write", "disk_read", "memory", "network"))
    assert figures["sdw4"]["disk_read"] <= 9
    found = findings(made)
    assert found["sdw4"].startswith("warning:")
    assert "sdw4 -> sdw2" in found
    assert "disk read sdw4" in found["slowest new host"]
    assert made.left(task(), "section")["rows"]
    assert (
        json.loads(cluster.run("cat greenplum-expansions/*slow_disk*/hardware.json").stdout)["hosts"] == result["hosts"]
    )


@pytest.mark.proves("hardware-limits")
def test_a_host_below_the_limit_stops_the_run_and_every_figure_is_told(
    cluster: Practice, run: Callable[..., OneRun]
) -> None:
    cluster.set_fault("slow-memory.sdw3", "300")
    made = run("sdw3", hardware_min_memory=1000, hardware_check=HardwareCheck.NEW.value)

    with pytest.raises(AirflowFailException, match="at least 1,000 MB/s are asked for"):
        made.run(task())

    assert findings(made)["sdw3"].startswith("error: memory:")
    assert made.left(task(), "hardware")["hosts"][0]["disk_write"]


@pytest.mark.proves("hardware-measured")
def test_a_full_disk_is_not_filled_further(cluster: Practice, run: Callable[..., OneRun]) -> None:
    cluster.sandbox("fault", "disk-full", "sdw4", "60")
    made = run("sdw4", hardware_file_mb=0, hardware_check=HardwareCheck.NEW.value)

    result = made.run(task())

    assert result["file_bytes"] == 0
    (figures,) = result["hosts"]
    assert figures["disk_write"] is None
    assert figures["memory"]
    assert "sdw4:/data/primary has" in findings(made)["new hosts, disk"]


@pytest.mark.proves("hardware-measured")
def test_a_host_that_cannot_be_logged_into_is_an_error_that_says_so(
    cluster: Practice, run: Callable[..., OneRun]
) -> None:
    # The key of the coordinator's user goes; ours, with which the run itself logs in, stays.
    key = cluster.run("cut -d' ' -f2 ~/.ssh/id_rsa.pub").stdout.strip()
    cluster.run(f"cd ~/.ssh && cp -p authorized_keys away && grep -v {key} away > authorized_keys", "sdw4")
    made = run(hardware_check=HardwareCheck.NEW.value)
    try:
        with pytest.raises(AirflowFailException, match="gpcheckperf gave no figure"):
            made.run(task())
    finally:
        cluster.run("mv ~/.ssh/away ~/.ssh/authorized_keys", "sdw4")

    assert "Unable to ssh to 'sdw4'" in str(made.left(task(), "findings"))


def test_killed_in_the_middle_it_takes_files_and_processes_of_all_hosts_with_it(
    cluster: Practice, run: Callable[..., OneRun]
) -> None:
    for host in NEW:
        cluster.set_fault(f"slow-disk.{host}", "1")
    made = run(hardware_check=HardwareCheck.NEW.value)
    deferred = made.start(task())
    assert isinstance(deferred, TaskDeferred)
    wait_until(lambda: all("ddfile" in cluster.run(LEFT, host).stdout for host in NEW))

    asyncio.run(deferred.trigger.on_kill())

    wait_until(lambda: not any(cluster.run(LEFT, host).stdout for host in NEW))


def test_a_killed_worker_is_followed_by_the_next_attempt_and_nothing_is_measured_twice(
    cluster: Practice, run: Callable[..., OneRun]
) -> None:
    made = run("sdw3", hardware_check=HardwareCheck.NEW.value)
    first, second = made.start(task()), made.start(task())

    assert first.trigger.job_dir == second.trigger.job_dir
    assert made.resume(task(), second)["measured"]


@pytest.mark.parametrize("conf", [{"hardware_check": "none"}, {"dry_run": True}])
def test_nothing_is_measured_unless_wished(cluster: Practice, run: Callable[..., OneRun], conf: dict[str, Any]) -> None:
    made = run(**conf)

    assert made.run(task())["measured"] is False

    assert findings(made)["hardware of the new hosts"].startswith("note: not measured")
    assert "job_measure" not in cluster.run("ls greenplum-expansions/*nothing_is_measured*").stdout


def wait_until(condition: Callable[[], bool], patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
