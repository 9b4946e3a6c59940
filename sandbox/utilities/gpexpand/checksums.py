"""The first thing a preparation does: pg_controldata of every segment, for the heap checksum setting."""

from __future__ import annotations

import itertools
import re

from ..console import Console
from ..environment import Environment
from ..errors import ExpansionError
from ..remote import RemoteCommand, Result, in_parallel, run
from ..segments import Array

_END = "--end-of-control-data--"
_CHECKSUM = re.compile(r"^Data page checksum version:\s*(\S+)", re.MULTILINE)


def check_heap_checksums(environment: Environment, array: Array, console: Console) -> None:
    """Print each segment's pg_controldata and compare the checksum version with the coordinator's.

    Segments that do not answer are only mentioned: gpexpand goes on without them.

    :raises ExpansionError: a segment differs from the coordinator
    """

    segments = sorted(array.segment_instances, key=lambda s: s.hostname)

    def read(host: str) -> list[Result]:
        """All instances of a host in one login."""
        here = [s.datadir for s in segments if s.hostname == host]
        command = "; ".join(f"$GPHOME/bin/pg_controldata {datadir}; echo {_END}$?" for datadir in here)
        result = RemoteCommand(host, command).run()
        parts = re.findall(rf"(.*?){_END}(\d+)\n", result.stdout, re.DOTALL)
        answers = [Result(int(code), text, result.stderr) for text, code in parts]
        return answers + [Result(result.code or 255, "", result.stderr)] * (len(here) - len(answers))

    known = set()
    # Told when all have answered, so that an interrupted run says nothing.
    answers = in_parallel(read, dict.fromkeys(s.hostname for s in segments))
    for segment, result in zip(segments, itertools.chain.from_iterable(answers), strict=True):
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
