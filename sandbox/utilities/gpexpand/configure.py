"""``bin/lib/gpconfigurenewsegment``: make one data directory per new primary of this host out of the tar file.

Runs on the new host, called by gpexpand over SSH. Directories must be absent or empty. A blank in a directory is not
quoted on the way to tar, in the real one as here, so such a directory fails late (recording 23, bad_space).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..console import Console
from ..environment import GPHOME
from ..remote import ExecutionError, Result
from .tablespaces import unpack


@dataclass(frozen=True)
class NewSegment:
    """One segment of ``-c``: ``datadir:port:true:false:dbid:content::-1:``."""

    datadir: Path
    port: int
    dbid: int
    content: int

    @classmethod
    def parse(cls, text: str) -> NewSegment:
        """From the command line."""
        datadir, port, _primary, _reused, dbid, content, *_ = text.split(":")
        return cls(Path(datadir), int(port), int(dbid), int(content))


def configure(segment: NewSegment, tar: str, command: str, console: Console) -> None:
    """Validate, make, extract, set port, content and dbid.

    :raises ExecutionError: the directory is not empty, cannot be made or filled
    """

    def failed(text: str) -> ExecutionError:
        return ExecutionError("Error Executing Command: ", command, Result(1, "", text))

    console.info("Validate data directories for new segment")
    if segment.datadir.is_dir() and any(segment.datadir.iterdir()):
        raise failed(f"Segment directory '{segment.datadir}' exists but is not empty!")
    console.info("Create or update data directories for new segment")
    try:
        segment.datadir.mkdir(mode=0o700, parents=True, exist_ok=True)
        segment.datadir.chmod(0o700)
    except OSError as problem:
        raise failed(f"[Errno {problem.errno}] {problem.strerror}: '{problem.filename}'") from None
    console.info("extract tar file to new segment")
    extract = f"/bin/tar -C {segment.datadir} -xf {tar}"
    # Through a shell, as the real one: only so is a blank in a directory the trap that was recorded.
    done = subprocess.run(extract, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    if done.returncode != 0:
        result = Result(done.returncode, done.stdout, done.stderr)
        console.error(str(result))
        inner = ExecutionError(f"non-zero rc: {done.returncode}", extract, result)
        raise failed(str(inner))
    try:
        unpack(segment.datadir, segment.dbid)
    except OSError as problem:
        raise failed(f"[Errno {problem.errno}] {problem.strerror}: '{problem.filename}'") from None
    except KeyError as problem:
        raise failed(str(problem)) from None
    console.info(f"Updating {segment.datadir}/postgresql.conf")
    _set_identity(segment)


def _set_identity(segment: NewSegment) -> None:
    """What tells this copy of the template from the others."""
    configuration = segment.datadir / "postgresql.conf"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(re.sub(r"(?m)^port\s*=\s*\d+", f"port = {segment.port}", text), encoding="utf-8")
    identity = segment.datadir / "internal.auto.conf"
    text = identity.read_text(encoding="utf-8")
    for name, value in (("gp_dbid", segment.dbid), ("gp_contentid", segment.content), ("gp_port", segment.port)):
        text = re.sub(rf"(?m)^{name}\s*=\s*-?\d+", f"{name}={value}", text)
    identity.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 when any segment fails; the others are finished all the same."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="gpconfigurenewsegment")
    parser.add_argument("-c", dest="segments", required=True)
    parser.add_argument("-l", dest="logs", type=Path)
    parser.add_argument("-n", dest="new", action="store_true")
    parser.add_argument("-t", dest="tar", required=True)
    parser.add_argument("-v", dest="verbose", action="store_true")
    parser.add_argument("-b", dest="batch", type=int, default=16)
    options = parser.parse_args(given)
    console = Console("gpconfigurenewsegment", verbose=options.verbose, directory=options.logs)
    console.info(f"Starting gpconfigurenewsegment with args: {' '.join(given)}")
    command = f"{os.environ.get('GPHOME', GPHOME)}/bin/lib/gpconfigurenewsegment {' '.join(given)}"
    segments = [NewSegment.parse(text) for text in options.segments.split(",")]
    with ThreadPoolExecutor(max_workers=max(1, min(options.batch, len(segments)))) as pool:
        futures = [pool.submit(configure, segment, options.tar, command, console) for segment in segments]
    failures = [problem for problem in (future.exception() for future in futures) if problem is not None]
    for problem in failures[-1:]:  # the real one tells of the last
        console.error(str(problem))
        sys.stderr.write(f"{problem}\n")
    return 1 if failures else 0
