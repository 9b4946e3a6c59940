"""The job on the coordinator that writes a backup: one bash script, made here, every value in it quoted.

It writes to ``DIRECTORY.partial``. Whoever comes after it checks the lists it leaves, writes the manifest and renames
the directory: what bears the final name is complete. What gpbackup writes lies on every host under a name of its own,
since gpbackup records it; it counts only if the manifest names it.

What an interrupted attempt left is removed at the beginning, but only if the file OWNER in it names this expansion.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from greenplum_expansion.backup.archives import (
    Archive,
    BackupTools,
    Tool,
    gpbackup_command,
    pg_dump_command,
    roles_command,
    schema_command,
)

OWNER = "OWNER"
PARTIAL = ".partial"
SUMS, SIZES = "SHA256SUMS", "SIZES"
ROLES, SCHEMA = "globals.sql", "schema.sql"

# j_… are the job's own variables; these are ours. Everything runs with umask 077.
_BEGIN = r"""
set -u -o pipefail
umask 077
say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }
fail() { say "FAILED: $*"; exit 1; }
# A sign of life while something long is written. In the background, so that signals reach the tool in front of it.
watch_size() {
    # A sleep that is left behind must not keep a pipe open.
    while sleep 15 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        say "$1: $(du -sh -- "$2" 2>/dev/null | cut -f1) so far"
    done
}
watched() {
    watch_size "$1" "$2" & b_watch=$!
    shift 2
    "$@"; b_code=$?
    kill "$b_watch" 2>/dev/null; wait "$b_watch" 2>/dev/null
    return "$b_code"
}
own() {  # make directory $1, after removing what an interrupted attempt of this expansion left under that name
    if [ -e "$1" ] || [ -L "$1" ]; then
        [ -d "$1" ] && ! [ -L "$1" ] && [ "$(cat "$1/OWNER" 2>/dev/null)" = "$b_id" ] || {
            echo "$1 exists and is not of this expansion; move it away" >&2; return 1; }
        rm -rf -- "$1" || return 1
    fi
    mkdir -p -- "$1" && chmod 700 -- "$1" && printf '%s\n' "$b_id" >"$1/OWNER"
}
lists() {  # hashes of all files below $1, then their sizes, behind a line that tells them apart
    cd -- "$1" || return 1
    find . -type f ! -name OWNER ! -name SHA256SUMS ! -name SIZES -print0 | LC_ALL=C sort -z |
        xargs -0 -r -n 16 -P "$b_jobs" sha256sum || return 1
    echo ---
    find . -type f ! -name OWNER ! -name SHA256SUMS ! -name SIZES -printf '%s\t%P\n'
}
"""


@dataclass(frozen=True)
class BackupJob:
    """What one job writes.

    :param expansion_id: owner of everything it writes
    :param directory: final name, on the coordinator
    :param gpbackup_directory: on all hosts
    :param hosts: that gpbackup writes to, by name, the coordinator not among them; empty without gpbackup
    :param rows: False: schema and roles only
    :param jobs: connections of gpbackup; `dump_jobs` those of pg_dump
    :param choice, selected, release, segments, coordinator: of the request and the cluster, for the manifest
    """

    expansion_id: str
    choice: str
    selected: tuple[str, ...]
    release: str
    segments: int
    coordinator: str
    directory: str
    gpbackup_directory: str
    archives: tuple[Archive, ...]
    tools: BackupTools
    hosts: tuple[str, ...]
    rows: bool
    jobs: int
    dump_jobs: int

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BackupJob:
        made = [
            Archive(
                row["label"],
                Tool(row["tool"]),
                row["dbname"],
                tuple(row["schemas"]),
                tuple((schema, name) for schema, name in row["names"]),
                row["expected"],
            )
            for row in data["archives"]
        ]
        return cls(
            **{
                **data,
                "archives": tuple(made),
                "hosts": tuple(data["hosts"]),
                "selected": tuple(data["selected"]),
                "tools": BackupTools(**data["tools"]),
            }
        )

    @property
    def partial(self) -> str:
        return self.directory + PARTIAL

    @property
    def uses_gpbackup(self) -> bool:
        return self.rows and any(archive.tool is Tool.GPBACKUP for archive in self.archives)


def script(job: BackupJob) -> str:
    """The text of the job, for bash."""
    partial = shlex.quote(job.partial)
    lines = [
        _BEGIN,
        f"b_id={shlex.quote(job.expansion_id)} b_jobs={job.jobs:d}",
        f"[ -e {shlex.quote(job.directory)} ] && fail {shlex.quote(job.directory + ' exists already')}",
        f"own {partial} || fail 'the directory cannot be made'",
        *_settings(job),
    ]
    if job.rows:
        if job.uses_gpbackup:
            lines += _directories(job)
        for number, archive in enumerate(job.archives, start=1):
            title = f"{archive.what}, archive {number} of {len(job.archives)}"
            lines.append(f"say {shlex.quote(title)}")
            lines += _gpbackup(job, archive) if archive.tool is Tool.GPBACKUP else _pg_dump(job, archive)
    lines += _sums(job)
    lines.append("say 'everything is written'")
    return "\n".join(lines)


def _settings(job: BackupJob) -> list[str]:
    made = []
    for title, command, name in (
        ("roles, resource queues and groups, tablespaces", roles_command(job.tools), ROLES),
        ("schema of all databases", schema_command(job.tools), SCHEMA),
    ):
        target = shlex.quote(f"{job.partial}/{name}")
        made += [
            f"say {shlex.quote(title)}",
            f"{shlex.join(command)} >{target} || fail {shlex.quote('pg_dumpall, ' + title)}",
            # A dump that was cut off has no such line at its end.
            f"tail -n 5 {target} | grep -q 'cluster dump complete' || fail {shlex.quote(name + ' is not complete')}",
        ]
    return made


def _pg_dump(job: BackupJob, archive: Archive) -> list[str]:
    target = f"{job.partial}/data/{archive.label}"
    command = shlex.join(pg_dump_command(archive, target, job.dump_jobs))
    title, quoted = shlex.quote(archive.what), shlex.quote(target)
    return [
        f"mkdir -p {shlex.quote(job.partial + '/data')}",
        f"watched {title} {quoted} {command} || fail {shlex.quote('pg_dump of ' + archive.what)}",
        f"pg_restore --list {quoted} >{quoted}.list || fail {shlex.quote('pg_restore cannot read ' + target)}",
        f"{{ grep -c ' TABLE DATA ' {quoted}.list || true; }} >{quoted}.tables",
        f'say "rows of $(cat {quoted}.tables) tables"',
    ]


def _gpbackup(job: BackupJob, archive: Archive) -> list[str]:
    """gpbackup's exit code is 0 with warnings, too; its report says whether it succeeded."""
    said = f"{job.partial}/data/{archive.label}.log"
    command = shlex.join(gpbackup_command(archive, job.gpbackup_directory, job.jobs))
    title, quoted, directory = shlex.quote(archive.what), shlex.quote(said), shlex.quote(job.gpbackup_directory)
    stamp = shlex.quote(f"{job.partial}/data/{archive.label}.timestamp")
    failed = shlex.quote(f"gpbackup of {archive.what}")
    unclear = shlex.quote(f"the report of gpbackup does not say success for {archive.what}")
    tables = shlex.quote(f"{job.partial}/data/{archive.label}.tables")
    toc = f'{directory}/*/backups/*/"$b_stamp"/gpbackup_"$b_stamp"_toc.yaml'
    report = f'{directory}/*/backups/*/"$b_stamp"/gpbackup_"$b_stamp"_report'
    return [
        f"mkdir -p {shlex.quote(job.partial + '/data')}",
        f"watched {title} {directory} {command} 2>&1 | tee {quoted} || fail {failed}",
        f"b_stamp=$(sed -n 's/.*Backup Timestamp = \\([0-9]\\{{14\\}}\\).*/\\1/p' {quoted} | head -n 1)",
        f'[ -n "$b_stamp" ] || fail {shlex.quote("gpbackup named no timestamp for " + archive.what)}',
        f"grep -qi '^backup status: *Success' {report} || fail {unclear}",
        f'printf "%s\\n" "$b_stamp" >{stamp}',
        f"{{ grep -c '^ *rowscopied:' {toc} || true; }} >{tables}",
    ]


def _ssh(host: str, function: str) -> str:
    """Call one of our functions on another host, where the cluster's user logs in by its own key."""
    target = shlex.quote(host)
    values = '"umask 077" "b_id=$(printf %q "$b_id") b_jobs=$b_jobs" "$(declare -f own lists)"'
    body = f'printf "%s\\n" {values} {shlex.quote(function)}'
    return (
        f"{{ {body}; }} | ssh -T -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=60 -- {target} "
        "'exec env BASH_ENV= ENV= LC_ALL=C LANG=C bash --noprofile --norc -s'"
    )


def _directories(job: BackupJob) -> list[str]:
    call = f"own {shlex.quote(job.gpbackup_directory)}"
    made = [f"{call} || fail 'the directory of gpbackup cannot be made here'"]
    for hostname in job.hosts:
        failed = shlex.quote(f"the directory of gpbackup cannot be made on {hostname}")
        made.append(f"{_ssh(hostname, call)} || fail {failed}")
    return made


def _sums(job: BackupJob) -> list[str]:
    """One list a directory and host: SHA256SUMS and SIZES in the backup itself, SUMS.HOST for gpbackup's files."""
    here = shlex.quote(job.partial)
    made = [
        "say 'hashes of all files'",
    ]
    if job.uses_gpbackup:
        directory = shlex.quote(job.gpbackup_directory)
        target = shlex.quote(f"{job.partial}/gpbackup.lists")
        made.append(f"(lists {directory}) >{target} || fail 'hashing the files of gpbackup'")
        for hostname in job.hosts:
            target = shlex.quote(f"{job.partial}/gpbackup.lists.{hostname}")
            failed = shlex.quote(f"hashing the files of gpbackup on {hostname}")
            made.append(f"{_ssh(hostname, 'lists ' + directory)} >{target} || fail {failed}")
    made += [
        "b_lists=$(mktemp) || fail 'no temporary file'; trap 'rm -f -- \"$b_lists\"' EXIT",
        f"(lists {here}) >\"$b_lists\" || fail 'hashing'",
        f"sed '/^---$/,$d' \"$b_lists\" >{here}/{SUMS} || fail 'lists'",
        f"sed '1,/^---$/d' \"$b_lists\" >{here}/{SIZES} || fail 'lists'",
        f"sync -f {here} 2>/dev/null || sync",
    ]
    return made


def gpbackup_list_names(hosts: Sequence[str], coordinator: str) -> dict[str, str]:
    """Host to the name of the list of what gpbackup wrote there."""
    return {coordinator: "gpbackup.lists", **{hostname: f"gpbackup.lists.{hostname}" for hostname in hosts}}
