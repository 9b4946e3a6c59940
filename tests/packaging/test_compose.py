"""docker-compose.yaml cannot be started here; what can be known without Docker is checked."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_compose_file_follows_the_compose_specification() -> None:
    # The schema of the compose specification comes with check-jsonschema.
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_services_of_the_issue_are_there(services: dict[str, dict[str, Any]]) -> None:
    assert {"postgres", "redis", "api-server", "scheduler", "dag-processor", "triggerer", "worker", "sandbox"} <= set(
        services
    )
    assert services["worker"]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    real = {name for name, service in services.items() if "greenplum" in service.get("profiles", [])}
    assert {"mdw", "sdw1", "sdw2", "sdw3", "sdw4"} <= real


def test_every_dependency_is_a_service(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name


def test_a_service_without_profile_depends_on_none_with_one(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if not service.get("profiles"):
            assert not [other for other in service.get("depends_on", {}) if services[other].get("profiles")], name


def test_mounted_and_copied_files_exist(services: dict[str, dict[str, Any]]) -> None:
    mounted = [mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])]
    paths = {path for path in mounted if path.startswith("./")}
    for line in (ROOT / "docker/Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            paths |= {word for word in line.split()[1:-1] if not word.startswith("--")}
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path


def test_every_needed_secret_is_generated(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    script = shutil.copy(ROOT / "docker/secrets.sh", tmp_path / "docker")
    subprocess.run(["sh", script], check=True, capture_output=True)
    written = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    needed = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    assert needed == set(written)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert len(written["JWT_SECRET"]) >= 64
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}=", written["FERNET_KEY"])  # 32 bytes, as Fernet wants them


def test_secrets_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    script = shutil.copy(ROOT / "docker/secrets.sh", tmp_path / "docker")
    (tmp_path / ".env").write_text("KEPT=1\n")
    subprocess.run(["sh", script], check=True, capture_output=True)
    assert (tmp_path / ".env").read_text() == "KEPT=1\n"


def test_containers_install_the_very_versions_that_are_tested() -> None:
    def pins(path: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+(?:\[[^]]*\])?)==(\S+)", (ROOT / path).read_text(), re.MULTILINE))

    tested, installed = pins("requirements.lock"), pins("docker/requirements.lock")
    assert "apache-airflow-providers-celery" in "".join(installed)
    assert {name: installed.get(name) for name in tested} == tested


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "docker").glob("*.sh")))
def test_scripts_are_well_formed(script: str) -> None:
    subprocess.run(["bash", "-n", str(ROOT / "docker" / script)], check=True)


def test_connection_of_the_sandbox_is_rewritten_for_other_containers(tmp_path: Path) -> None:
    key = tmp_path / "id"
    key.write_text("the key\n")
    connection = {
        "conn_type": "greenplum", "host": "127.0.0.1", "port": 40123, "login": "gpadmin", "password": "p",
        "schema": "postgres",
        "extra": {"ssh_host": "127.0.0.1", "ssh_port": 40124, "ssh_user": "gpadmin", "ssh_key_file": str(key)},
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "docker/connection.py"), "greenplum_default", "sandbox", "5432", "2222"],
        input=json.dumps(connection), capture_output=True, text=True, check=True,
    )  # fmt: skip
    (rewritten,) = json.loads(done.stdout).values()
    assert (rewritten["host"], rewritten["port"]) == ("sandbox", 5432)
    assert rewritten["extra"] == {
        "ssh_host": "sandbox", "ssh_port": 2222, "ssh_user": "gpadmin", "ssh_private_key": "the key\n",
    }  # fmt: skip
