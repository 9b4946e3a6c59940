"""The direct engine on the practice cluster, killed in twenty ways: no row is lost, and the next run does the rest."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import Any

import pytest

from greenplum_expansion.redistribution import engines
from tests.support.half_done import CONNECTION_ID, HalfDone
from tests.support.practice import Practice
from tests.support.redistributing import (
    Rows,
    expanded,
    kill,
    movers,
    read_checksums,
    start_worker,
)
from tests.support.relay import Relay
from tests.support.whole_dag import SUCCESS

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.usefixtures("impatient")]

KILLS = 20
SEED = 20261120
_PATIENCE = 240.0  # seconds; ends a hang, no verdict hangs on it


@pytest.fixture(scope="module")
def expansion(practice: Practice, rows: Rows) -> HalfDone:
    """New segments are there; no table has moved."""
    return expanded(practice, rows)


@pytest.fixture(scope="module")
def checksums(expansion: HalfDone, rows: Rows) -> dict[str, tuple[Any, ...]]:
    """Rows of every table, before any of them moved."""
    return read_checksums(rows)


class Blows:
    """Ways in which a redistribution can be hit."""

    def __init__(self, expansion: HalfDone, rows: Rows, relay: Relay) -> None:
        self.expansion = expansion
        self.rows = rows
        self.relay = relay

    def worker_killed(self, worker: Any) -> None:
        kill(worker, signal.SIGKILL)

    def worker_told_to_end(self, worker: Any) -> None:
        kill(worker, signal.SIGTERM)

    def sessions_terminated(self, worker: Any) -> None:
        self._each_mover("pg_terminate_backend")

    def sessions_cancelled(self, worker: Any) -> None:
        self._each_mover("pg_cancel_backend")

    def connection_cut(self, worker: Any) -> None:
        self.relay.cut()
        time.sleep(0.5)
        self.relay.mend()

    def segment_killed(self, worker: Any) -> None:
        self.expansion.practice.sandbox("fault", "segment-down", "1")

    def _each_mover(self, function: str) -> None:
        application = engines.application(self.expansion.expansion_id)
        self.rows(f"select {function}(pid) from pg_stat_activity where application_name = '{application}'", "postgres")


def test_twenty_kills_at_random_moments_lose_no_row_and_the_next_run_finishes_the_rest(
    expansion: HalfDone,
    practice: Practice,
    rows: Rows,
    checksums: dict[str, tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(SEED)
    known = json.loads(practice.state.connection.read_text())
    relay = Relay((known["host"], int(known["port"])))
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", json.dumps({**known, "port": relay.port}))
    blows = Blows(expansion, rows, relay)
    kinds = [blows.worker_killed] * 9 + [blows.worker_told_to_end] * 3 + [blows.sessions_terminated] * 3
    kinds += [blows.sessions_cancelled] * 1 + [blows.connection_cut] * 3
    chance.shuffle(kinds)
    kinds.insert(KILLS // 2, blows.segment_killed)  # once: its mirror has no mirror
    assert len(kinds) == KILLS
    rows("drop database doomed")
    practice.set_fault("slow-moves", "0.3")
    worker = start_worker(expansion, None)
    try:
        for blow in kinds:
            if worker.exitcode is not None:
                worker = start_worker(expansion, None)
            # Somewhere in making ready, in a move, or in the books.
            time.sleep(chance.uniform(0.2, 3.0))
            blow(worker)
        practice.clear_faults()
        worker.join(_PATIENCE)
        for _ in range(3):  # a retry of the task, as Airflow makes
            if worker.exitcode == 0:
                break
            worker = start_worker(expansion, None)
            worker.join(_PATIENCE)
        assert worker.exitcode == 0
    finally:
        if worker.exitcode is None:
            kill(worker, signal.SIGKILL)
        relay.close()
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", json.dumps(known))
        practice.clear_faults()

    assert (
        rows(
            "select status, count(*) from gpexpand.status_detail where status !~ 'COMPLETED|EXISTS' group by 1",
            "postgres",
        )
        == []
    )
    assert rows("select status from gpexpand.status order by updated desc limit 1", "postgres") == [
        ("EXPANSION COMPLETE",)
    ]
    assert movers(rows, expansion) == 0
    assert read_checksums(rows) == checksums
    few = rows(
        "select localoid::regclass::text from gp_distribution_policy where numsegments < 8 and localoid >= 16384"
    )
    assert few == []
    assert expansion.expansion.execute("redistribute.move_tables") == SUCCESS
    history = rows("select status, count(*) from expansion_history.expand_status_detail group by 1", "postgres")
    assert [status for status, _ in history] == ["COMPLETED"]


def test_gpexpand_and_gpstate_take_the_books_for_their_own(practice: Practice, rows: Rows) -> None:
    assert "Expansion Complete" in practice.run("gpstate -x").stdout
    assert "Expansion has already completed" in practice.run("gpexpand").stdout
    practice.run("gpexpand -c", answers="n\n")
    assert rows("select nspname from pg_namespace where nspname ~ 'expan'", "postgres") == [("expansion_history",)]
