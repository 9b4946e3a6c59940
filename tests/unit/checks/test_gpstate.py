"""gpstate is believed where it finds what the catalog does not; recorded from Greenplum 6.24.3."""

from __future__ import annotations

from pathlib import Path

from greenplum_expansion.checks.gpstate import GpstateReports, check_gpstate
from tests.unit.clusters import recorded

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"


def read(name: str) -> str:
    return (RECORDINGS / name).read_text()


HEALTHY = GpstateReports(
    *(read(f"04_gpstate_{option}.txt") for option in "efim"),
)
DOWN = GpstateReports(
    *(read(f"65_gpstate_down_{option}.txt") for option in "efim"),
)


def test_a_healthy_cluster_has_no_finding() -> None:
    assert check_gpstate(HEALTHY, recorded()) == []


def test_reports_that_did_not_come_are_not_judged() -> None:
    assert check_gpstate(GpstateReports(), recorded()) == []


def test_what_gpstate_sees_is_told_in_its_words() -> None:
    told = {finding.check: finding for finding in check_gpstate(DOWN, recorded())}
    assert "Segments with Primary and Mirror Roles Switched" in told["gpstate-segments"].problem
    assert "sdw1 /data/primary/gpseg0 6000 unable to retrieve version" in told["software-version"].problem


def test_a_standby_without_a_process_is_an_error() -> None:
    dead = HEALTHY.standby.replace("Standby host passive", "Standby process not running")
    (finding,) = check_gpstate(GpstateReports(standby=dead), recorded())
    assert "gpstate -f says: Standby process not running" in finding.problem


def test_mirrors_in_no_pattern_are_a_warning() -> None:
    (finding,) = check_gpstate(GpstateReports(mirrors=HEALTHY.mirrors.replace("Group", "Spread")), recorded())
    assert "gpstate calls their layout spread, by the catalog it is grouped" in finding.problem


def test_a_cluster_without_mirrors_is_not_blamed_for_it() -> None:
    said = "20261120:07:08:22:005822 gpstate:mdw:gpadmin-[WARNING]:-Physical mirroring is not configured"
    assert check_gpstate(GpstateReports(mirroring=said), recorded()) == []
