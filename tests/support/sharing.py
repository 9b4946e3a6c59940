"""Sharing the suite out among the workers of pytest-xdist (`make test`): whole files, the longest ones first.

A worker has a practice cluster of its own for all the files it gets, and each file leaves the cluster as it found it.
So a file is never divided, and files may run in any order. Waiting for a cluster costs more than computing: more
workers than processors are of use.

A worker begins its last test only when it knows its next one, which it therefore takes up early. Behind a test that
takes minutes, that is a light file: nothing long must wait there while another worker is idle.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

SECONDS = {
    "tests/integration/test_expansion.py": 330,
    "tests/integration/test_failures.py": 250,
    "tests/integration/test_pages.py": 240,
    "tests/sandbox/conformance/test_conformance.py": 210,
    "tests/faults/test_preparation.py": 150,
    "tests/faults/test_rollback_killed.py": 150,
    "tests/faults/test_redistribution_killed.py": 120,
    "tests/faults/test_backup.py": 100,
    "tests/faults/test_restart.py": 100,
    "tests/faults/test_hardware.py": 100,
    "tests/faults/test_rollback_states.py": 80,
    "tests/faults/test_redistribution_windows.py": 70,
    "tests/demo/test_airflow_stack.py": 80,
    "tests/pages/browser": 100,
}
"""Roughly, on two idle processors; only their order matters. Files that are not here take the `USUAL` time."""
TOGETHER = ("tests/pages/browser",)
"""Folders that are shared out whole: their files look at one server, which takes longest to start."""
USUAL = {"tests/unit": 2, "tests/packaging": 10, "tests/demo": 15, "tests/greenplum": 0}
OTHERS = 40
LONG = 45.0
"""Seconds a test of a file takes on average, from which on only light files are put behind it."""


def seconds_of(file: str) -> float:
    """What a file is expected to take."""
    folder = "/".join(file.split("/")[:2])
    return SECONDS.get(file, USUAL.get(folder, OTHERS))


def file_of(nodeid: str) -> str:
    """The file a test is in, or the folder whose files stay together."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def next_file(waiting: Mapping[str, float], behind: float) -> str:
    """Which file a worker takes up next: the longest, or the shortest if it waits behind a long test.

    :param waiting: seconds of every file that nobody has taken up, at least one
    :param behind: seconds which the test before it is expected to take
    """
    choose = min if behind >= LONG else max
    return choose(waiting, key=lambda file: waiting[file])


class LongestFirst(LoadScopeScheduling):
    """Gives whole files to workers in the order of `next_file`."""

    def _split_scope(self, nodeid: str) -> str:
        return file_of(nodeid)

    def _reschedule(self, node: object) -> None:
        if self.workqueue and self._pending_of(self.assigned_work[node]) > 1:
            return
        super()._reschedule(node)

    def _assign_work_unit(self, node: object) -> None:
        pending = [file for file, tests in self.assigned_work[node].items() if not all(tests.values())]
        behind = max((seconds_of(file) / len(self.assigned_work[node][file]) for file in pending), default=0.0)
        chosen = next_file({file: seconds_of(file) for file in self.workqueue}, behind)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LongestFirst | None:
    """Ours, unless another way was asked for by --dist."""
    return LongestFirst(config, log) if config.getvalue("dist") == "load" else None
