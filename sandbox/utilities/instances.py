"""Instances on any host of the cluster: ``python -m sandbox.database.instance`` over SSH."""

from __future__ import annotations

from .environment import Environment
from .remote import RemoteCommand, Result, run
from .segments import Segment

INTERPRETER = "/opt/sandbox/bin/python"


def instance(environment: Environment, segment: Segment, action: str, *arguments: str) -> Result:
    """Run an action on the host of a segment; the coordinator's own host needs no SSH."""
    words = [INTERPRETER, "-m", "sandbox.database.instance", action, "--datadir", segment.datadir, *arguments]
    if segment.hostname == environment.hostname:
        return run(words)
    return RemoteCommand(segment.address, " ".join(f"'{word}'" for word in words)).run()


def create_mirror(environment: Environment, mirror: Segment, source: Segment) -> Result:
    """Copy ``source`` into the mirror's directory, which is emptied first; the server is left stopped."""
    removed = instance(environment, mirror, "remove")
    if removed.code != 0:
        return removed
    return instance(
        environment, mirror, "create-mirror",
        "--port", str(mirror.port), "--content", str(mirror.content), "--dbid", str(mirror.dbid),
        "--source-host", source.address, "--source-port", str(source.port),
    )  # fmt: skip


def follow(environment: Environment, mirror: Segment, source: Segment) -> Result:
    """Start an instance as a replica of ``source`` on the data it has."""
    connection = f"host={source.address} port={source.port} user={environment.user} application_name=gp_walreceiver"
    command = (
        f"touch '{mirror.datadir}/standby.signal' && printf '%s\\n' \"primary_conninfo = '{connection}'\""
        f" >> '{mirror.datadir}/postgresql.auto.conf'"
    )
    prepared = RemoteCommand(mirror.address, command).run()
    return prepared if prepared.code != 0 else instance(environment, mirror, "start")
