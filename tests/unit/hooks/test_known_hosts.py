"""Host keys are found in known_hosts as OpenSSH finds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from greenplum_expansion.hooks.known_hosts import HostKey, keys_for
from tests.unit.hooks.sshd import make_key


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> str:
    public = make_key(tmp_path_factory.mktemp("k") / "k")
    return " ".join(public.split()[:2])


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    public = make_key(tmp_path / "k", "ecdsa")
    shown = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "k.pub")], capture_output=True, text=True, check=True)
    assert HostKey.parse(public).fingerprint == shown.stdout.split()[1]


def test_a_line_of_ssh_keyscan_is_read(line: str) -> None:
    assert HostKey.parse(f"[10.0.0.1]:2222 {line} comment").line == line


def test_name_or_address_is_enough(line: str) -> None:
    assert keys_for(f"sdw3,10.0.0.3 {line}\n", ["sdw3", "10.9.9.9"], 22)[0] == [HostKey.parse(line)]
    assert keys_for(f"sdw3,10.0.0.3 {line}\n", ["other", "10.0.0.3"], 22)[0] == [HostKey.parse(line)]
    assert keys_for(f"sdw3,10.0.0.3 {line}\n", ["other"], 22) == ([], [])


def test_another_port_is_another_host(line: str) -> None:
    text = f"sdw3 {line}\n[sdw4]:2222 {line}\n"
    assert keys_for(text, ["sdw3"], 2222) == ([], [])
    assert keys_for(text, ["sdw4"], 2222)[0] == [HostKey.parse(line)]


def test_hashed_names_are_found(line: str, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"sdw3 {line}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "sdw3" not in file.read_text()
    assert keys_for(file.read_text(), ["sdw3"], 22)[0] == [HostKey.parse(line)]
    assert keys_for(file.read_text(), ["sdw4"], 22) == ([], [])


def test_revoked_keys_are_kept_apart_and_other_lines_passed_over(line: str) -> None:
    text = (
        f"# a comment\n\n@cert-authority * {line}\nrubbish\nsdw3 ssh-ed25519 damaged\n"
        f"sdw3 ssh-dss AAAAB3NzaC1kc3M=\nsdw3 ssh-ed25519 AAAA\n@revoked sdw3 {line}\n"
    )
    assert keys_for(text, ["sdw3"], 22) == ([], [HostKey.parse(line)])
