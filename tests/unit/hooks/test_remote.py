"""Files are read whole and written atomically; what is missing is told from what may not be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.remote import CommandFailed, FileMissing, RemoteHost, Script

not_root = pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")


def test_text_and_mode_survive_the_way(shared_host: RemoteHost, tmp_path: Path) -> None:
    path = tmp_path / "it's a 'file' $HOME"
    shared_host.write_text(str(path), "Zeile ü\r\n\n", 0o640)
    assert path.read_bytes() == "Zeile ü\r\n\n".encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert shared_host.read_text(str(path)) == "Zeile ü\r\n\n"
    assert list(tmp_path.iterdir()) == [path], "no temporary file stays"


def test_any_bytes_survive_the_way(shared_host: RemoteHost, tmp_path: Path) -> None:
    data = os.urandom(2_500_000)
    shared_host.write_bytes(str(tmp_path / "f"), data)
    assert shared_host.read_bytes(str(tmp_path / "f")) == data
    shared_host.write_bytes(str(tmp_path / "f"), b"")
    assert shared_host.read_bytes(str(tmp_path / "f")) == b""


def test_a_write_cut_short_leaves_the_old_file(
    shared_host: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    whole = RemoteHost.run_raw

    def cut(self: RemoteHost, script: Script, *, stdin: bytes | None = None, **rest: Any) -> Any:
        return whole(self, script, stdin=(stdin or b"")[:-1], **rest)

    monkeypatch.setattr(RemoteHost, "run_raw", cut)
    with pytest.raises(RemoteError, match="not all of its 3 bytes arrived"):
        shared_host.write_text(str(path), "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_is_replaced_not_followed(shared_host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("safe")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    shared_host.write_text(str(tmp_path / "link"), "new")
    assert (tmp_path / "target").read_text() == "safe"
    assert not (tmp_path / "link").is_symlink()


def test_a_directory_in_the_way_is_an_error(shared_host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(CommandFailed, match=f"Write {tmp_path}/f on 127.0.0.1"):
        shared_host.write_text(str(tmp_path / "f"), "x")
    with pytest.raises(RemoteError, match=r"cannot read it.*Is a directory"):
        shared_host.read_text(str(tmp_path / "f"))


def test_a_file_written_while_it_is_read_is_read(
    shared_host: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tasks that begin together: one asks for the claim on the cluster while the other writes it."""
    path = tmp_path / "claim.json"
    looked = shared_host.exists

    def written_before_the_second_look(name: str) -> bool:
        path.write_text("mine")
        return looked(name)

    monkeypatch.setattr(shared_host, "exists", written_before_the_second_look)

    assert shared_host.read_text(str(path)) == "mine"


def test_what_is_missing_is_said_as_such(shared_host: RemoteHost, tmp_path: Path) -> None:
    assert not shared_host.exists(str(tmp_path / "none" / "f"))
    assert shared_host.exists(str(tmp_path))
    with pytest.raises(FileMissing, match="it does not exist"):
        shared_host.read_text(str(tmp_path / "none"))
    with pytest.raises(RemoteError, match="No such file or directory"):
        shared_host.write_text(str(tmp_path / "none" / "f"), "x")


@not_root
def test_what_may_not_be_read_is_not_missing(shared_host: RemoteHost, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        with pytest.raises(CommandFailed, match="Permission denied"):
            shared_host.exists(str(closed / "f"))
        with pytest.raises(CommandFailed, match="Permission denied"):
            shared_host.read_text(str(closed / "f"))
    finally:
        closed.chmod(0o700)


def test_a_file_larger_than_allowed_is_not_read(shared_host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 200_000)
    with pytest.raises(RemoteError, match="more than 100000 bytes"):
        shared_host.read_bytes(str(tmp_path / "f"), max_bytes=100_000)


def test_directories_are_made_with_their_parents_and_kept_when_there(shared_host: RemoteHost, tmp_path: Path) -> None:
    shared_host.make_directory(str(tmp_path / "a" / "b"), 0o750)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o750
    shared_host.make_directory(str(tmp_path / "a" / "b"), 0o700)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o750
    (tmp_path / "f").write_text("")
    with pytest.raises(CommandFailed, match="Make directory"):
        shared_host.make_directory(str(tmp_path / "f"))


def test_json_and_rows_come_back_as_they_were(shared_host: RemoteHost, tmp_path: Path) -> None:
    value = {"tables": ["Größe", None, 1.5], "nested": {"a": True}}
    shared_host.write_json(str(tmp_path / "plan.json"), value)
    assert shared_host.read_json(str(tmp_path / "plan.json")) == value
    assert "Größe" in (tmp_path / "plan.json").read_text(encoding="utf-8")
    rows = [{"table": "line\u2028separator", "rows": n} for n in range(1000)]
    shared_host.write_json_lines(str(tmp_path / "rows.gz"), rows)
    assert shared_host.read_json_lines(str(tmp_path / "rows.gz")) == rows


@pytest.mark.parametrize("damage", [b"", b"{", b"\x1f\x8b\x08garbage"])
def test_damaged_files_are_said_to_be_so(shared_host: RemoteHost, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "f").write_bytes(damage)
    with pytest.raises(RemoteError, match="it is not JSON"):
        shared_host.read_json(str(tmp_path / "f"))
    if damage:
        with pytest.raises(RemoteError, match="it is damaged"):
            shared_host.read_json_lines(str(tmp_path / "f"))
