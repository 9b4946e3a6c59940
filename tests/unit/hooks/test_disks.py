"""Which filesystem of a new host will hold what."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from greenplum_expansion.checks.capacity import Filesystem, check_disk_space, peak_bytes
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.hooks import disks
from greenplum_expansion.hooks.disks import Arrivals, read_disks
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import CommandResult, Script
from greenplum_expansion.request import NewHost
from tests.unit.clusters import cluster

GIB = 1024**3
FAST = Tablespace("fast", 16400, "/ssd")
# One device for each directory in the test's own, with 40 GiB free on each.
DF = """#!/bin/bash
top=${!#}; top=${top#%s/}; echo Filesystem; echo "/dev/${top%%%%/*} 1 0 41943040 0%% /${top%%%%/*}"
"""


class Cluster:
    """Two hosts with two primaries each; 100 GiB in the data directories and 200 GiB in a tablespace."""

    def __init__(self, directory: Path) -> None:
        (directory / "df").write_text(DF % directory)
        (directory / "df").chmod(0o755)
        self.path = f"{directory}:{os.environ['PATH']}"

    def bash(self, script: Script) -> CommandResult:
        done = subprocess.run(
            ["bash", "-c", script.text], env={"PATH": self.path}, capture_output=True, text=True, check=True
        )
        return CommandResult(0, done.stdout, "")

    def query(self, name: str, parameters: Mapping[str, Any], dbname: str) -> list[dict[str, Any]]:
        return [
            {"content": content, "tablespace": oid, "fq_name": "public.t", "size_bytes": GIB, "total_bytes": total}
            for content in range(4)
            for oid, total in ((1663, 25 * GIB), (FAST.oid, 50 * GIB))
        ]

    def databases(self) -> list[str]:
        return ["dwh"]

    def host(self, *place: Any, **more: Any) -> Any:
        return SimpleNamespace(run=self.bash)


@pytest.fixture
def new_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Filesystems of sdw3, by mount, with a primary and a mirror on it; and how far the cluster grows."""
    made = Cluster(tmp_path)
    silent = CommandResult(0, "", "")
    monkeypatch.setattr(disks, "run_on_members", lambda hook, scripts, timeout: dict.fromkeys(scripts, silent))
    for name in ("data", "ssd", "nvme"):
        (tmp_path / name).mkdir()
    new = (
        NewInstance("sdw3", "sdw3", 6000, f"{tmp_path}/data/primary/gpseg4", 11, 4, "p"),
        NewInstance("sdw3", "sdw3", 7000, f"{tmp_path}/data/mirror/gpseg5", 12, 5, "m"),
        NewInstance("sdw4", "sdw4", 6000, f"{tmp_path}/data/primary/gpseg5", 13, 5, "p"),
        NewInstance("sdw4", "sdw4", 7000, f"{tmp_path}/data/mirror/gpseg4", 14, 4, "m"),
    )

    def look(places: Mapping[int, str]) -> Any:
        arrivals = Arrivals(new, (FAST,), {dbid: (f"{tmp_path}{path}",) for dbid, path in places.items()})
        host = NewHost(hostname="sdw3", address="sdw3")
        found = read_disks(cast(GreenplumHook, made), cluster(), arrivals, [host], 4, "/home/gpadmin")
        return {one.mount: one for one in found.filesystems}, found.growth

    return look


def test_a_tablespace_directory_on_its_own_disk_needs_room_there(new_host: Any) -> None:
    found, growth = new_host({11: "/ssd/ts", 13: "/nvme/ts"})
    share = 200 * GIB // 6
    # The mirror has its primary's directory, which may be another than that of the primary beside it.
    assert found["/ssd"].arriving_tablespaces == {"fast of primary of content 4 on sdw3:6000": share}
    assert found["/nvme"].arriving_tablespaces == {"fast of mirror of content 5 on sdw3:7000": share}
    assert peak_bytes(found["/ssd"], growth, 4) == share
    assert peak_bytes(found["/data"], growth, 4) == 2 * (100 * GIB // 6)


def test_two_of_them_on_one_small_disk_are_an_error(new_host: Any) -> None:
    found, growth = new_host({11: "/ssd/ts", 13: "/ssd/ts"})
    (finding,) = check_disk_space([found["/ssd"]], growth, 4)
    assert finding.subject == "sdw3:/ssd"
    assert "2 tablespaces of new instances with 66.7 GiB" in finding.problem


def test_beside_the_data_they_are_added_up(new_host: Any) -> None:
    found, growth = new_host({11: "/data/ts", 13: "/data/ts"})
    assert set(found) == {"/data"}
    assert peak_bytes(found["/data"], growth, 4) == 2 * (100 * GIB // 6) + 2 * (200 * GIB // 6)
    assert isinstance(found["/data"], Filesystem)
