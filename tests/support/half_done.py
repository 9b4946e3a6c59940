"""An expansion of the practice cluster that is broken off, and what must be as before once it was rolled back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from greenplum_expansion.cluster.names import expansion_id
from tests.support.practice import Practice
from tests.support.preparing import WorkerKilled
from tests.support.snapshot import snapshot
from tests.support.whole_dag import FAILED, DagRunHere

CONNECTION_ID = "practice"
NEW_HOSTS = {"sdw3": "10.77.0.23", "sdw4": "10.77.0.24"}
CONF = {
    "greenplum_conn_id": CONNECTION_ID,
    "new_hosts": [f"{name}={address}" for name, address in NEW_HOSTS.items()],
    "approval": False,
}
BYSTANDER = "/data/primary/bystander/precious"
_PATIENCE = 120.0  # seconds; ends a hang, no verdict hangs on it


class HalfDone:
    """One expansion, made ready up to the task that adds the segments; that one is begun and broken off by each test.

    :param practice: the practice cluster, fresh
    """

    def __init__(self, practice: Practice) -> None:
        self.practice = practice
        self.connection: dict[str, Any] = json.loads(practice.state.connection.read_text())
        os.environ[f"AIRFLOW_CONN_{CONNECTION_ID.upper()}"] = json.dumps(self.connection)
        self.expansion = DagRunHere("greenplum_expand", CONF, run_id="halfdone", active_runs=["halfdone"])
        self.before: dict[str, Any] = {}
        self.files: dict[str, str] = {}

    @property
    def expansion_id(self) -> str:
        """Name of its directory on the coordinator."""
        return expansion_id(self.expansion.run_id)

    def make_ready(self) -> None:
        """Plan, fingerprints, keys: what an expansion has when it begins to add segments."""
        practice = self.practice
        key = practice.run("cat ~/.ssh/id_rsa.pub").stdout.strip()
        for host in NEW_HOSTS:
            practice.run(
                f"mkdir -p -m 700 ~/.ssh; echo '{key}' >> ~/.ssh/authorized_keys; chmod 600 ~/.ssh/authorized_keys; "
                f"mkdir -p {BYSTANDER.rpartition('/')[0]} /data/mirror; echo priceless > {BYSTANDER}",
                host,
            )
        done = practice.run(
            "printf 'mdw\\nsmdw\\nsdw1\\nsdw2\\n' > ~/old; printf 'sdw3\\nsdw4\\n' > ~/new; "
            "ssh-keyscan sdw3 sdw4 >> ~/.ssh/known_hosts 2>/dev/null; gpssh-exkeys -e ~/old -x ~/new"
        )
        assert done.exit_code == 0, done
        self.expansion.run_tasks(
            "check_cluster.connection", "check_cluster.claim", "make_plan", "approve_plan", "fingerprint_tables"
        )
        self.before = snapshot(self.connection)
        self.files = self.files_now()

    def files_now(self) -> dict[str, str]:
        """What lies in the data directories of the new hosts, what runs there, gpexpand's traces on coordinators."""
        new = (
            "cd /data; find . -path ./lost+found -prune -o -printf '%p %y %m\\n' | sort; cat " + BYSTANDER + "; "
            "pgrep -u gpadmin -x postgres; ls /tmp/.s.PGSQL* 2>/dev/null; ls ~/*.tar 2>/dev/null"
        )
        old = "ls -d /data/master/gpexpand* $MASTER_DATA_DIRECTORY/gpexpand.* ~/*.tar ~/green*/*/*.tar 2>/dev/null"
        return {
            **{host: self.practice.run(new, host).stdout for host in NEW_HOSTS},
            **{host: self.practice.run(f"{old}; true", host).stdout for host in ("mdw", "smdw")},
        }

    def is_as_before(self) -> bool:
        """Nothing of an expansion is in the cluster or on the new hosts."""
        return self.files_now() == self.files and snapshot(self.connection) == self.before

    # --- breaking it off ---------------------------------------------------------------------------------------------

    def add_segments(self, fault: str | None = None, how: str = "kill") -> str:
        """Begin, and follow until gpexpand has ended; a stage of its status file at which it is killed or fails."""
        if fault:
            self.practice.set_fault(f"gpexpand.{fault}", how)
        try:
            return self.expansion.execute("add_segments")
        finally:
            self.practice.clear_faults()

    @contextmanager
    def stopped_at(self, stage: str) -> Iterator[str]:
        """gpexpand stands still at a stage, with nobody following it; the block is given its pid."""
        self.practice.set_fault(f"gpexpand.{stage}", "hang")
        try:
            with suppress(WorkerKilled):
                self.expansion.start("add_segments")
            line = stage if stage != "UPDATE_CATALOG_COMMITTED" else "UPDATE_CATALOG_STARTED"
            self.wait(lambda: line in self.status_file(), f"gpexpand to reach {line}")
            yield self.practice.run("cat $MASTER_DATA_DIRECTORY/gpexpand.pid").stdout.strip()
        finally:
            self.practice.clear_faults()

    def follow(self) -> str:
        """What becomes of the gpexpand that was begun."""
        return self.expansion.execute("add_segments")

    def status_file(self) -> str:
        return self.practice.run("cat $MASTER_DATA_DIRECTORY/gpexpand.status 2>/dev/null").stdout

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.2)

    # --- rolling it back ---------------------------------------------------------------------------------------------

    def roll_back(self, answer: str = "Approve", **conf: Any) -> DagRunHere:
        """greenplum_rollback, all of it."""
        made = DagRunHere(
            "greenplum_rollback",
            {"greenplum_conn_id": CONNECTION_ID, **conf},
            run_id="rollback",
            answers={"approve_forward": answer},
            active_runs=["halfdone"],
        )
        made.run()
        return made

    def assert_as_before(self, rollback: DagRunHere) -> None:
        """Proven by the run itself, and seen from outside: catalog, policies, schemas, files, processes."""
        assert rollback.states["report"] == "success", rollback.explain()
        proven = rollback.xcoms["verify", "return_value"]
        assert proven.startswith("the catalog is as before: 4 segments, and"), proven
        assert snapshot(self.connection) == self.before
        assert self.files_now() == self.files
        # Nothing keeps others from changing the catalog, or from connecting.
        assert self.practice.run("psql -d demo -qc 'create table t_after(a int); drop table t_after'").exit_code == 0

    def assert_forward(self, rollback: DagRunHere) -> None:
        """All segments are in the catalog and in sync, and the expansion's own run goes on."""
        assert rollback.states["report"] == "success", rollback.explain()
        assert "finished forward" in rollback.xcoms["verify", "return_value"]
        counted = "select count(*), count(*) filter (where status = 'u' and mode = 's') from gp_segment_configuration"
        rows = self.practice.run(f'psql -d postgres -Atc "{counted} where content >= 0"').stdout.strip()
        assert rows == "16|16", rows
        assert self.follow() != FAILED, self.expansion.errors
        assert self.expansion.xcoms["add_segments", "return_value"]["segments_after"] == 8
        for host in NEW_HOSTS:
            assert self.practice.run(f"cat {BYSTANDER}", host).stdout == "priceless\n"
