"""The two ways into an existing Airflow: the wheel built from plugins/, and the copied folders."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest

import greenplum_expansion

ROOT = Path(__file__).resolve().parents[2]

# Asked in a process of its own, since Airflow looks for providers once, when it is imported.
QUESTION = """
import json
from airflow.providers_manager import ProvidersManager
from airflow import plugins_manager
from greenplum_expansion import dag_bundle, sql
manager = ProvidersManager()
provider = manager.providers.get("greenplum-expansion")
fields = [name for name in manager.connection_form_widgets if name.startswith("extra__greenplum__")]
print(json.dumps({
    "version": provider and provider.version,
    "fields": sorted(fields),
    "hook": str(manager.hooks.get("greenplum") and manager.hooks["greenplum"].hook_class_name),
    "plugins": [str(p.source) for p in plugins_manager._get_plugins()[0] if p.name == "greenplum_expansion"],
    "plugin_errors": plugins_manager.get_import_errors(),
    "sql": str(sql.directory()),
    "statements": sql.names(),
    "dags": str(dag_bundle.dags_directory()),
}))
"""


def ask(python_path: Path, plugins_folder: Path, home: Path) -> dict:
    """What an Airflow with this home sees of the package."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    environment |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins_folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(python_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", QUESTION], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `pip wheel plugins/` does, from what is installed already: no network."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "-w", str(target), str(ROOT / "plugins")],
        check=True,
    )  # fmt: skip
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    target = tmp_path_factory.mktemp("site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target),
         str(wheel)],
        check=True,
    )  # fmt: skip
    return target


def contents(wheel: Path) -> dict[str, bytes]:
    """Each file of a wheel; RECORD is left out, as it lists them in the order they were packed."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def statements() -> list[str]:
    """Without their variants for single flavors, as `sql.names` tells them."""
    return sorted({path.name.split(".")[0] for path in (ROOT / "include" / "sql").glob("*.sql")})


def test_wheel_declares_provider_and_plugin(installed: Path) -> None:
    (distribution,) = metadata.distributions(name="greenplum-expansion", path=[str(installed)])
    declared = {(entry.group, entry.value) for entry in distribution.entry_points}
    assert declared == {
        ("apache_airflow_provider", "greenplum_expansion.provider_info:get_provider_info"),
        ("airflow.plugins", "greenplum_expansion_plugin:GreenplumExpansionPlugin"),
    }
    assert distribution.version == greenplum_expansion.__version__


def test_installed_wheel_brings_connection_type_statements_and_dags(installed: Path, tmp_path: Path) -> None:
    seen = ask(installed, tmp_path / "plugins", tmp_path)
    assert seen["version"] == greenplum_expansion.__version__
    assert "extra__greenplum__ssh_host_key" in seen["fields"]
    assert seen["hook"] == "greenplum_expansion.hooks.greenplum.GreenplumHook"
    assert seen["sql"] == str(installed / "greenplum_expansion" / "_sql")
    assert seen["statements"] == statements()
    assert seen["dags"] == str(installed / "greenplum_expansion" / "_dags")
    assert len(seen["plugins"]) == 1
    assert seen["plugin_errors"] == {}


def test_wheel_carries_what_the_pages_are_made_of(wheel: Path) -> None:
    pages = ROOT / "plugins" / "greenplum_expansion" / "pages"
    made_of = [path for folder in ("templates", "static") for path in (pages / folder).iterdir()]
    wanted = {f"greenplum_expansion/pages/{path.relative_to(pages)}": path.read_bytes() for path in made_of}
    assert len(wanted) > 20
    assert "greenplum_expansion/pages/static/htmx.LICENSE" in wanted
    carried = contents(wheel)
    assert {name: carried.get(name) for name in wanted} == wanted


def test_copied_folders_bring_the_same(tmp_path: Path) -> None:
    for folder in ("dags", "plugins", "include"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    seen = ask(tmp_path / "plugins", tmp_path / "plugins", tmp_path)
    assert seen["version"] == greenplum_expansion.__version__
    assert seen["hook"] == "greenplum_expansion.hooks.greenplum.GreenplumHook"
    assert seen["sql"] == str(tmp_path / "include" / "sql")
    assert seen["statements"] == statements()
    assert seen["dags"] == str(tmp_path / "dags")
    assert seen["plugins"] == ["$PLUGINS_FOLDER/greenplum_expansion_plugin.py"]
    assert seen["plugin_errors"] == {}


def test_wheel_from_source_distribution_is_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        cwd=ROOT / "plugins", check=True, capture_output=True,
    )  # fmt: skip
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path / "source")
    (source,) = (tmp_path / "source").iterdir()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    (rebuilt,) = tmp_path.glob("*.whl")
    assert contents(rebuilt) == contents(wheel)


def test_version_is_the_same_wherever_it_stands() -> None:
    # The copied layout has metadata of its own, so that Airflow finds the provider without an installation.
    header = HeaderParser().parsestr((ROOT / "plugins/greenplum_expansion.dist-info/METADATA").read_text())
    assert header["Name"] == "greenplum-expansion"
    assert header["Version"] == greenplum_expansion.__version__
