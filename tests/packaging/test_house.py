"""Rules of the house that no import contract can express: what DAG files and the plugins folder may contain."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAGS = sorted((ROOT / "dags").glob("*.py"))


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.name)
def test_a_dag_imports_airflow_and_the_package_only(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= {"__future__", "airflow", "datetime", "pendulum", "greenplum_expansion"}


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.name)
def test_a_dag_has_no_logic_and_explains_itself(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the docstring is what the UI shows"
    logic = [node for node in ast.walk(tree) if isinstance(node, ast.If | ast.For | ast.While | ast.Try | ast.Lambda)]
    assert [f"{path.name}:{node.lineno}" for node in logic] == []


def test_airflow_imports_the_one_plugin_and_nothing_else_below_plugins() -> None:
    from airflow._shared.module_loading import find_path_from_directory

    found = find_path_from_directory(str(ROOT / "plugins"), ".airflowignore", "glob")
    assert [Path(path).name for path in found if path.endswith(".py")] == ["greenplum_expansion_plugin.py"]


def test_import_contracts_are_kept() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(lint_imports), "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": "plugins:.", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_committed_files_carry_no_path_of_a_machine_and_no_private_key() -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here, which knows what is committed")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    suspicious = ("BEGIN OPENSSH PRIVATE " + "KEY", "BEGIN RSA PRIVATE " + "KEY", "/" + "root/.pyenv")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            text = path.read_text(encoding="utf-8", errors="ignore")
            found += [f"{name}: {words}" for words in suspicious if words in text]
    assert found == []
