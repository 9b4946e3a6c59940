"""Practice hosts without a database, for the tests of the hosts themselves."""

from collections.abc import Iterator

import pytest

from tests.sandbox.datacenter import Sandbox, why_not
from tests.sandbox.moving import eight_segments, table  # noqa: F401


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Six hosts that are up; each module has its own, as these tests switch them off and fill their disks."""
    if reason := why_not():
        pytest.skip(reason)
    made = Sandbox(tmp_path_factory.mktemp("datacenter") / "state")
    try:
        made.up()
        yield made
    finally:
        made.call("down", "--purge")
