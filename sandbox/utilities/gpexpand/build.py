"""Building new primaries: a template on the coordinator, a tar file of it, data directories on the hosts, first start.

What is real: directories, tar file, scp, servers. The template is an empty server of the sandbox's kind rather than a
copy of the coordinator, because databases come into being on a new segment when the first table is placed there.
"""

from __future__ import annotations

import datetime
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ..console import Console
from ..environment import Environment
from ..errors import ExpansionError
from ..remote import ExecutionError, RemoteCommand, Result, copy_from, copy_to, in_parallel, run
from ..segments import Array, Segment
from .options import Options
from .tablespaces import Tablespace, pack

TAR = "gpexpand_schema.tar"
TEMPLATE_DBID = 63271
"""A dbid that no segment has; pg_basebackup of the real gpexpand is given one like it."""


@dataclass
class SegmentBuilder:
    """Builds the primaries among ``new``; mirrors follow at the end of the preparation.

    :param tablespaces: of users
    :param locations: their directories per dbid, as the file beside the input file says
    """

    environment: Environment
    options: Options
    array: Array
    new: list[Segment]
    tablespaces: list[Tablespace]
    locations: dict[str, list[str]]
    console: Console
    workers: int = field(init=False)
    template: Path = field(init=False)
    remote_tar: str = field(init=False)

    def __post_init__(self) -> None:
        self.workers = min(self.options.batch_size, len(self.array.segment_instances))
        name = f"gpexpand_{datetime.datetime.now():%m%d%Y}_{os.getpid()}"
        self.template = self.environment.data_directory.parent / name
        self.remote_tar = f"{self.options.tar_directory}/{TAR}"

    @property
    def primaries(self) -> list[Segment]:
        """New primaries by dbid."""
        return sorted((s for s in self.new if s.role == "p"), key=lambda s: s.dbid)

    @property
    def hosts(self) -> list[str]:
        """Hosts that get a new primary."""
        return sorted({s.hostname for s in self.primaries})

    def check_hosts(self) -> None:
        """Ask every host for its name: the first thing that needs SSH, when the catalog is already locked.

        :raises ExpansionError: with the result of the first ssh that failed
        """

        def ask(host: str) -> Result:
            return RemoteCommand(host, "/bin/hostname").run()

        for result in in_parallel(ask, self.hosts, self.workers):
            if result.code != 0:
                raise ExpansionError(str(result))

    def build_template(self) -> None:
        """Template directory beside the coordinator's data directory, tar file in the working directory."""
        self.console.info("Creating segment template")
        first = next(s for s in self.array.segment_instances if s.content == 0 and s.role == "p")
        self._local(
            "python", "create-primary", "--datadir", str(self.template), "--port", str(first.port), "--content", "0",
            "--dbid", str(TEMPLATE_DBID), "--system-of", str(self.environment.data_directory),
        )  # fmt: skip
        if self.tablespaces:
            pack(self.template, self.tablespaces, self.locations, TEMPLATE_DBID)
        for name in ("postgresql.conf", "pg_hba.conf"):
            self.console.info(f"Copying {name} from existing segment into template")
            result = copy_from(first.hostname, f"{first.datadir}/{name}", str(self.template))
            if result.code != 0:
                command = f"/bin/scp {first.hostname}:{first.datadir}/{name} {self.template}"
                raise ExecutionError("Error Executing Command: ", command, result)
        self.console.info("Creating schema tar file")
        command = f"/bin/tar cvPf {TAR} -C {self.template}  ."
        result = run(["/bin/tar", "cPf", TAR, "-C", str(self.template), "."])
        if result.code != 0:
            raise ExecutionError("Error Executing Command: ", command, result)

    def _local(self, _interpreter: str, *arguments: str) -> None:
        from sandbox.layout import INTERPRETER

        result = run([INTERPRETER, "-m", "sandbox.database.instance", *arguments])
        if result.code != 0:
            raise ExecutionError("non-zero rc: " + str(result.code), "pg_basebackup -c fast -D " + arguments[2], result)

    def distribute(self) -> None:
        """The tar file to the directory of ``-t`` on each host; ``.`` is the login directory there."""
        self.console.info("Distributing template tar file to new hosts")

        def send(host: str) -> None:
            result = copy_to(TAR, host, self.options.tar_directory)
            if result.code != 0:
                command = f"/bin/scp {TAR} {host}:{self.options.tar_directory}"
                raise ExecutionError("Error Executing Command: ", command, result)

        in_parallel(send, self.hosts, self.workers)

    def configure(self) -> None:
        """Data directories from the tar file, access rules, then each server once started and stopped again."""
        self.console.info("Configuring new segments (primary)")
        described = {
            host: ",".join(self._describe(s) for s in self.primaries if s.hostname == host) for host in self.hosts
        }
        self.console.info(str(dict(sorted(described.items(), reverse=True))))
        logs = self.console.directory

        def configure(host: str) -> None:
            verbose = " -v " if self.options.verbose else ""
            RemoteCommand(
                host,
                f'$GPHOME/bin/lib/gpconfigurenewsegment -c "{described[host]}" -l {logs} -n'
                f" -t {self.remote_tar}{verbose} -b {self.workers}",
            ).check()

        in_parallel(configure, self.hosts, self.workers)
        in_parallel(self._allow_access, self.primaries, self.workers)
        in_parallel(lambda s: self._start(s, " -M "), self.primaries, self.workers)
        in_parallel(
            lambda s: RemoteCommand(s.hostname, f"$GPHOME/bin/pg_ctl -D {s.datadir} -m smart -w -t 120 stop").check(),
            self.primaries,
            self.workers,
        )

    def _describe(self, segment: Segment) -> str:
        """A segment as gpconfigurenewsegment wants it."""
        return f"{segment.datadir}:{segment.port}:true:false:{segment.dbid}:{segment.content}::-1:"

    def _allow_access(self, segment: Segment) -> None:
        mirror = next((s for s in self.new if s.content == segment.content and s.role == "m"), None)
        lines = ["", "host replication gpadmin samehost trust"]
        for instance in filter(None, (segment, mirror)):
            place = instance.hostname if self.options.hba_hostnames else _address(instance.address)
            lines += [f"host all gpadmin {place} trust", f"host replication gpadmin {place} trust"]
        text = "\n".join(lines)
        RemoteCommand(segment.hostname, f"echo '{text}' >> {segment.datadir}/pg_hba.conf").check()

    def _start(self, segment: Segment, options: str = " ") -> None:
        RemoteCommand(
            segment.hostname,
            f"env GPSESSID=0000000000 GPERA=None $GPHOME/bin/pg_ctl -D {segment.datadir}"
            f" -l {segment.datadir}/pg_log/startup.log -w -t 600"
            f' -o " -p {segment.port} -c gp_role=utility{options}" start 2>&1',
        ).check()

    def remove_template(self) -> None:
        """Template and tar files, here and there."""
        shutil.rmtree(self.template, ignore_errors=True)
        Path(TAR).unlink(missing_ok=True)
        in_parallel(lambda host: RemoteCommand(host, f"/bin/rm -f {self.remote_tar}").run(), self.hosts, self.workers)

    def start_and_ask(self) -> None:
        """Start the new primaries for good and see that each answers to SQL.

        The real gpexpand deletes rows here that only a coordinator has. If something else listens on the port, this is
        where it shows (recording 62).
        """
        in_parallel(self._start, self.primaries, self.workers)
        in_parallel(self._ask, self.primaries, self.workers)

    def _ask(self, segment: Segment) -> None:
        from ..database import connect, scalar

        try:
            connection = connect(self.environment, "postgres", host=segment.address, port=segment.port)
            scalar(connection, "SELECT 1")
            connection.close()
        except Exception as problem:
            self.console.error(
                "Exception in ExecuteSQLStatements. URL = "
                f"{segment.address}:{segment.port}:postgres:{self.environment.user}:None"
            )
            self.console.error("  Statement = None")
            self.console.error(f"  Exception = {problem}")
            raise ExpansionError(
                "ExecutionError: 'Error Executing Command: ' occurred.  Details: 'None'  "
                f"cmd had rc=1 completed=False halted=True\n  stdout=''\n  stderr='{problem}'"
            ) from problem


def _address(host: str) -> str:
    """``10.77.0.23/32``."""
    import socket

    return f"{socket.gethostbyname(host)}/32"
