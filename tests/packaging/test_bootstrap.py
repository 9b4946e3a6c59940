"""The bootstrap on machines that this one is not: it installs where it may, and says what to do where it may not."""

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def commands(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been run."""
    ran: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", lambda argv, **_: ran.append(argv) or "")
    return ran


def test_without_rights_one_sentence_names_what_to_install(
    bootstrap: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "as_root", lambda: None)
    with pytest.raises(bootstrap.Refused, match=r"Run `sudo apt-get install rsync postgresql` and start again\.$"):
        bootstrap.apt_install(["rsync", "postgresql"])
    assert commands == []


def test_on_a_system_without_apt_too(
    bootstrap: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda *_, **__: None)
    with pytest.raises(bootstrap.Refused, match="cannot be installed from here: rsync"):
        bootstrap.apt_install(["rsync"])
    assert commands == []


def test_with_sudo_that_asks_nothing_packages_are_installed(
    bootstrap: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "as_root", lambda: ["sudo", "-n"])
    monkeypatch.setattr(bootstrap.shutil, "which", lambda *_, **__: "/usr/bin/apt-get")
    bootstrap.apt_install(["rsync"])
    assert commands[-1][:2] == ["sudo", "-n"]
    assert commands[-1][-1] == "rsync"
    assert "DEBIAN_FRONTEND=noninteractive" in commands[-1]


def test_missing_programs_name_their_debian_packages(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "find_program", lambda name: None if name in {"ip", "sshd"} else f"/bin/{name}")
    monkeypatch.setattr(bootstrap, "has_postgres", lambda: False)
    assert bootstrap.missing_packages() == ["openssh-server", "iproute2", "postgresql", "postgresql-contrib"]


def test_second_run_starts_no_program(
    bootstrap: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "python").touch()
    (tmp_path / "stamp").write_text(bootstrap.fingerprint() + "\n")
    monkeypatch.setattr(bootstrap, "PYTHON", str(tmp_path / "python"))
    monkeypatch.setattr(bootstrap, "STAMP", str(tmp_path / "stamp"))
    bootstrap.make_environment()
    assert commands == []


def test_changed_lock_is_installed(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = bootstrap.fingerprint()
    lock = tmp_path / "lock"
    lock.write_bytes(Path(bootstrap.LOCK).read_bytes() + b"\n")
    monkeypatch.setattr(bootstrap, "LOCK", str(lock))
    assert bootstrap.fingerprint() != before


def test_interpreter_that_only_pretends_is_passed_over(bootstrap: ModuleType, tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert bootstrap.version_of(str(shim)) is None
    assert bootstrap.version_of(str(tmp_path / "nothing")) is None


def test_locks_hold_every_direct_pin_with_hashes() -> None:
    for pins, lock in (
        ("requirements.txt", "requirements.lock"),
        ("requirements-dev.txt", "requirements-dev.lock"),
        ("docker/requirements.txt", "docker/requirements.lock"),
    ):
        locked = (ROOT / lock).read_text().lower().replace("_", "-")
        for line in (ROOT / pins).read_text().lower().splitlines():
            if line and not line.startswith(("#", "-r")):
                pin = re.sub(r"\[.*\]", "", line)  # the lock names an extra's packages instead
                assert f"\n{pin} " in f"\n{locked}", f"{line} of {pins} is not in {lock}; run `make lock`"
        assert locked.count("--hash=sha256:") > locked.count("==")


def test_scripts_are_well_formed() -> None:
    for script in [*ROOT.glob("tools/*.sh"), ROOT / ".ci" / "run"]:
        subprocess.run(["bash", "-n", str(script)], check=True)
