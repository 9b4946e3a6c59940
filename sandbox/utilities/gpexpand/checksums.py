"""The first thing a preparation does: pg_controldata of every segment, for the heap checksum setting."""

from __future__ import annotations

import re

from ..console import Console
from ..environment import Environment
from ..errors import ExpansionError
from ..remote import RemoteCommand, Result, in_parallel, run
from ..segments import Array, Segment

_CHECKSUM = re.compile(r"^Data page checksum version:\s*(\S+)", re.MULTILINE)


def check_heap_checksums(environment: Environment, array: Array, console: Console) -> None:
    """Print each segment's pg_controldata and compare the checksum version with the coordinator's.

    Segments that do not answer are only mentioned: gpexpand goes on without them.

    :raises ExpansionError: a segment differs from the coordinator
    """

    def read(segment: Segment) -> Result:
        return RemoteCommand(segment.hostname, f"$GPHOME/bin/pg_controldata {segment.datadir}").run()

    segments = array.segment_instances
    known = set()
    # Told when all have answered, so that an interrupted run says nothing.
    for segment, result in zip(segments, in_parallel(read, segments), strict=True):
        if result.code != 0:
            console.warning(f"cannot access pg_controldata for dbid {segment.dbid} on host {segment.hostname}")
            continue
        console.info(
            f"Successfully finished pg_controldata {segment.datadir} for dbid {segment.dbid}:\n"
            f"stdout: {result.stdout}\nstderr: {result.stderr}"
        )
        found = _CHECKSUM.search(result.stdout)
        known.add(found.group(1) if found else None)
    if not known:
        console.critical("No segments responded to ssh query for heap checksum. Not expanding the cluster.")
        return
    own = _CHECKSUM.search(run([f"{environment.gphome}/bin/pg_controldata", str(environment.data_directory)]).stdout)
    if known != {own.group(1) if own else None}:
        raise ExpansionError("Segments have heap_checksum set inconsistently to master")
    console.info("Heap checksum setting consistent across cluster")
