"""gpexpand broken on purpose on a practice cluster, stage by stage: what it says, what it leaves, what undoes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.conformance.compare import Outcome
from tests.sandbox.conformance.ground import FILES, KNOWN, NO_ORPHANS, ROOM, TRUST
from tests.sandbox.conformance.practice import Practice
from tests.sandbox.conformance.replay import prepare
from tests.sandbox.conformance.steps import DATA

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

COUNT = 'psql -d postgres -Atc "select count(*) from gp_segment_configuration"'


@pytest.fixture(scope="module")
def ready(practice: Practice) -> Practice:
    """New hosts that can be expanded to."""
    for step in (FILES, TRUST, KNOWN, *ROOM):
        prepare(practice, step)
    return practice


@pytest.fixture
def cluster(ready: Practice) -> Iterator[Practice]:
    """Nothing prepared, no server left on the new hosts."""
    yield ready
    ready.clear_faults()
    ready.run("gpexpand -r")
    for step in NO_ORPHANS:
        prepare(ready, step)


def _expand(practice: Practice, stage: str, value: str) -> Outcome:
    practice.set_fault(f"gpexpand.{stage}", value)
    outcome = practice.run("gpexpand -i conf/expand_4seg")
    practice.clear_faults()
    return outcome


@pytest.mark.parametrize(
    "stage",
    ["EXPANSION_PREPARE_STARTED", "BUILD_SEGMENT_TEMPLATE_STARTED", "BUILD_SEGMENTS_STARTED", "UPDATE_CATALOG_STARTED"],
)
def test_a_failure_before_the_catalog_changes_is_rolled_back(cluster: Practice, stage: str) -> None:
    failed = _expand(cluster, stage, "fail")
    assert failed.exit_code == 3
    assert "Please run 'gpexpand -r' to rollback to the original state." in failed.stdout
    assert cluster.run(f"tail -n 1 {DATA}/gpexpand.status").stdout.startswith(f"{stage}:")
    assert cluster.run(f"ssh smdw tail -n 1 {DATA}/gpexpand.status").stdout.startswith(f"{stage}:")
    undone = cluster.run("gpexpand -r")
    assert (undone.exit_code, undone.stdout.rstrip().endswith("Rollback complete.")) == (0, True)
    assert cluster.run(f"ls {DATA}/gpexpand.* /data/master/gpexpand_* ~/*.tar 2>/dev/null; {COUNT}").stdout == "10\n"
    assert cluster.run("ls -A /data/primary /data/mirror", "sdw3").stdout.split() == ["/data/mirror:", "/data/primary:"]


def test_a_rollback_takes_segments_out_of_the_catalog_that_were_added_to_it(cluster: Practice) -> None:
    """Killed between the change of the catalog and the note about it: the backup tells what was there before."""
    _expand(cluster, "UPDATE_CATALOG_STARTED", "kill")
    cluster.run(
        "psql -d postgres -Atc \"select concat_ws('|', dbid, content, role, preferred_role, mode, status, hostname,"
        f' address, port, datadir) from gp_segment_configuration" > {DATA}/gpexpand.gp_segment_configuration'
    )
    for row in ("11, 4, 'p', 'p', 'n', 'u', 6000, 'sdw3', 'sdw3', '/data/primary/gpseg4'",
                "17, 4, 'm', 'm', 'n', 'd', 7000, 'sdw4', 'sdw4', '/data/mirror/gpseg4'"):  # fmt: skip
        dbid, content, rest = row.split(", ", 2)
        added = cluster.run(f'psql -d postgres -Atc "select gp_add_segment({dbid}::int2, {content}::int2, {rest})"')
        assert added.exit_code == 0, added.stderr
    assert cluster.run(COUNT).stdout == "12\n"
    undone = cluster.run("gpexpand -r")
    assert undone.exit_code == 0
    assert "Rolling back master update" in undone.stdout
    assert cluster.run(COUNT).stdout == "10\n"


def test_a_second_gpexpand_is_refused_and_sigterm_leaves_the_pid_file(cluster: Practice) -> None:
    cluster.set_fault("gpexpand.EXPANSION_PREPARE_STARTED", "hang")
    running = cluster.start("gpexpand -i conf/expand_4seg")
    cluster.run(f"until grep -qs EXPANSION_PREPARE_STARTED {DATA}/gpexpand.status; do sleep 0.05; done")
    second = cluster.run("gpexpand")
    assert second.exit_code == 1
    assert "gpexpand is already running." in second.stdout
    cluster.run(f"kill -TERM $(head -1 {DATA}/gpexpand.pid)")
    ended = cluster.finish(running)
    assert "Shutting down gpexpand..." in ended.stdout
    assert cluster.run(f"test -e {DATA}/gpexpand.pid").exit_code == 0
    after = cluster.run("gpexpand -i conf/expand_4seg")
    assert after.exit_code == 0, "a stale pid file does not matter"
    assert "The last gpexpand setup did not complete successfully." in after.stdout


def test_mirrors_that_cannot_be_made_leave_a_prepared_expansion_that_goes_on(cluster: Practice) -> None:
    """Runs last: the catalog is changed for good."""
    cluster.set_fault("gprecoverseg", "fail")
    failed = cluster.run("gpexpand -i conf/expand_4seg")
    cluster.clear_faults()
    assert failed.exit_code == 3
    assert "gpexpand is past the point of rollback." in failed.stdout
    last = cluster.run('psql -d postgres -Atc "select status from gpexpand.status order by updated desc limit 1"')
    assert last.stdout == "SETUP DONE\n"
    assert cluster.run("gprecoverseg -a -F").exit_code == 0
    assert cluster.run("gpstate -e").exit_code == 0
    assert cluster.run("gpexpand -n 4 -a").exit_code == 0
    assert cluster.run("gpstate -x").stdout.rstrip().endswith("Expansion Complete")
