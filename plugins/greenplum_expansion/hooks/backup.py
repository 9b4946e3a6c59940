"""What a backup is made of: looking at tools, tables and room, and closing what the job has written."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from greenplum_expansion.backup import script as job_script
from greenplum_expansion.backup.archives import Archive, BackupTools, Tool, archives, dump_jobs, names_refused
from greenplum_expansion.backup.estimate import SCHEMA_BYTES, needed_by_host
from greenplum_expansion.backup.manifest import BackupFile, Manifest, read_lists, sizes_by_host
from greenplum_expansion.backup.selection import BackupTable, Selection, select
from greenplum_expansion.backup.words import restorable
from greenplum_expansion.checks.backup import (
    Place,
    check_backup_destination,
    check_backup_selection,
    check_backup_space,
)
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.flavors import parse_version
from greenplum_expansion.cluster.patterns import Pattern
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import RemoteError, StepFailed
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.jobs import JobStatus
from greenplum_expansion.hooks.members import run_on_members, unreached
from greenplum_expansion.hooks.remote import FileMissing, Script
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.request.backup import BackupChoice, BackupSection

_HOME = "greenplum-backups"
_MANIFEST = "manifest.json"
_FILES = "files.jsonl.gz"
_JOB = "backup_job.json"  # in the expansion's directory


@dataclass(frozen=True)
class BackupFacts:
    """All that decides how a backup is made, and whether it can be.

    :param need: bytes by host
    :param places: where it is written, host by host; the coordinator's is the first
    :param jobs_note: why pg_dump uses fewer connections than asked for; empty if it does not
    """

    job: job_script.BackupJob
    selection: Selection
    topology: Topology
    need: Mapping[str, int]
    places: tuple[Place, ...]
    jobs_note: str

    def findings(self) -> list[Finding]:
        """Everything that is in the way, each with its remedy."""
        schema_only = needed_by_host(self.selection, (), self.topology, rows=False)
        return [
            *check_backup_selection(self.selection.unmatched),
            *check_backup_destination(self.places, self.topology),
            *check_backup_space(self.places, self.need, max(schema_only.values(), default=SCHEMA_BYTES)),
        ]

    def estimate(self) -> list[str]:
        """What would be written where, in sentences."""
        said = [
            f"up to {human_bytes(self.need.get(place.host, 0))} on {place.host} in {place.path}, "
            f"where {human_bytes(place.usable_bytes)} can be used"
            for place in self.places
        ]
        tools = sorted({str(archive.tool) for archive in self.job.archives}) if self.job.rows else []
        with_what = " and ".join([*tools, "pg_dumpall"])
        refused = names_refused(self.selection, self.job.tools) if self.job.rows else ()
        if refused:
            said.append(f"{', '.join(refused)}: by pg_dump, as gpbackup could be misled by the names in it")
        return [f"with {with_what}: {len(self.job.archives) if self.job.rows else 0} archives", *said]


def backup_paths(hook: GreenplumHook, request: BackupSection, expansion_id: str) -> tuple[str, str]:
    """Directory of the backup on the coordinator, and the one of gpbackup on every host."""
    root = request.backup_directory or posixpath.join(hook.environment().home, _HOME)
    path = posixpath.join(root, expansion_id)
    return path, path + ".gpbackup"


def read_backup_facts(hook: GreenplumHook, request: BackupSection, expansion_id: str) -> BackupFacts:
    """Look at everything; changes nothing.

    :raises RemoteError: a host that would be written to cannot be looked at
    """
    rows = request.backup is BackupChoice.EVERYTHING
    topology = read_topology(hook)
    tools = read_tools(hook)
    version = parse_version(hook.query("server_identity")[0]["version"])
    release = version.release if version else ""
    tables = read_tables(hook) if rows else []
    patterns = [Pattern.parse(text) for text in request.backup_objects] if rows else []
    selection = select(patterns, hook.databases(), tables)
    made = archives(selection, tools) if rows else ()
    jobs, jobs_note = dump_jobs(release, request.backup_jobs)
    path, gpbackup_path = backup_paths(hook, request, expansion_id)
    hosts = _written_hosts(topology) if any(archive.tool is Tool.GPBACKUP for archive in made) else ()
    job = job_script.BackupJob(
        expansion_id=expansion_id,
        choice=str(request.backup),
        selected=request.backup_objects,
        release=release,
        segments=topology.segment_count,
        coordinator=topology.coordinator.hostname,
        directory=path,
        gpbackup_directory=gpbackup_path,
        archives=made,
        tools=tools,
        hosts=hosts,
        rows=rows,
        jobs=request.backup_jobs,
        dump_jobs=jobs,
    )
    targets = {topology.coordinator.hostname: (path, job.partial)}
    targets |= dict.fromkeys(hosts, (gpbackup_path, gpbackup_path))
    places = look_at(hook, targets, expansion_id)
    return BackupFacts(
        job=job,
        selection=selection,
        topology=topology,
        need=needed_by_host(selection, made, topology, rows=rows),
        places=tuple(places),
        jobs_note=jobs_note,
    )


def _written_hosts(topology: Topology) -> tuple[str, ...]:
    """Hosts of the acting primaries, which gpbackup writes to, but for the coordinator's own."""
    names = {i.hostname for i in topology.segments if i.role == "p"} - {topology.coordinator.hostname}
    return tuple(sorted(names))


def read_tools(hook: GreenplumHook) -> BackupTools:
    """Which tools there are: a gpbackup that cannot even tell its version is none."""
    text = """
said=$(gpbackup --version 2>&1) && printf 'gpbackup=%s\\n' "$(printf %s "$said" | head -n 1)"
gprestore --help 2>&1 | grep -q -e --resize-cluster && echo resizes=yes
printf 'pg_dump=%s\\n' "$(pg_dump --version | head -n 1)"
pg_dumpall --help 2>&1 | grep -q -e --gp-syntax && echo resources=yes
exit 0"""
    environment = hook.environment()
    script = Script(environment.setup + text, "look for backup tools")
    said = dict(line.split("=", 1) for line in hook.coordinator().run(script).stdout.splitlines() if "=" in line)
    return BackupTools(
        gpbackup=said.get("gpbackup", ""),
        gprestore_resizes="resizes" in said,
        pg_dump=said.get("pg_dump", ""),
        dumps_resources="resources" in said,
    )


def read_tables(hook: GreenplumHook) -> list[BackupTable]:
    """Every table that holds rows, of every database, with what it takes on disk."""
    return [
        BackupTable(
            dbname, row["schema_name"], row["table_name"], int(row["size_bytes"]), bool(row["append_optimised"])
        )
        for dbname in hook.databases()
        for row in hook.query("backup_tables", dbname=dbname)
    ]


def look_at(hook: GreenplumHook, targets: Mapping[str, tuple[str, str]], owner: str) -> list[Place]:
    """Look at directories that need not exist, and at their filesystems.

    :param targets: host to directory, and to what an interrupted attempt of `owner` may have left there: that counts as
        free, as it is removed at the start
    :raises RemoteError: a host does not answer
    """
    scripts = {host: _look_script(path, removable, owner) for host, (path, removable) in targets.items()}
    results = run_on_members(hook, scripts, timeout=600)
    for host, why in unreached(results, list(targets)).items():
        action = f"see that the cluster's user can log in from the coordinator: ssh {host}"
        raise RemoteError(f"Backup destination {host}:{targets[host][0]}", f"it could not be looked at: {why}", action)
    return [_place(host, targets[host][0], results[host].stdout) for host in targets]


def _look_script(path: str, removable: str, owner: str) -> Script:
    text = f"""
path={shlex.quote(path)} removable={shlex.quote(removable)} owner={shlex.quote(owner)}
existing=$path below=
while ! [ -e "$existing" ]; do
    below="/${{existing##*/}}$below" existing=${{existing%/*}}
    existing=${{existing:-/}}
done
why= left=0
[ -e "$path" ] && [ "$path" != "$removable" ] && why="$path exists and is no finished backup"
if [ -e "$removable" ]; then
    if [ "$(cat "$removable/OWNER" 2>/dev/null)" = "$owner" ]; then left=$(du -sB1 -- "$removable" | cut -f1)
    else why="$removable exists and is not of this expansion"; fi
fi
[ -d "$existing" ] || why="$existing is no directory"
real=$(cd -P -- "$existing" 2>/dev/null && pwd -P) || real=$existing
writable=no; [ -d "$existing" ] && [ -w "$existing" ] && [ -x "$existing" ] && writable=yes
set -- $(stat -f -c '%a %b %S' -- "$existing")
printf 'resolved=%s\\nmount=%s\\nfree=%s\\nsize=%s\\nwritable=%s\\nwhy=%s\\n' "${{real%/}}$below" \\
    "$(df -P -- "$existing" | tail -n 1 | awk '{{print $6}}')" "$(($1 * $3 + left))" "$(($2 * $3))" "$writable" "$why"
"""
    return Script(text, f"look at {path}")


def _place(host: str, path: str, said: str) -> Place:
    values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    return Place(
        host=host,
        path=path,
        resolved=values["resolved"],
        mount=values["mount"],
        free_bytes=int(values["free"]),
        size_bytes=int(values["size"]),
        writable=values["writable"] == "yes",
        occupied_by=values["why"],
    )


def read_manifest(hook: GreenplumHook, directory: str) -> Manifest | None:
    """The finished backup in this directory; None if there is none."""
    try:
        return Manifest.from_dict(hook.coordinator().read_json(posixpath.join(directory, _MANIFEST)))
    except FileMissing:
        return None


def save_job(directory: ExpansionDirectory, job: job_script.BackupJob) -> None:
    """Keep what is about to be started: whoever brings it to its end must not look again, tables come and go."""
    directory.ensure()
    directory.hook.coordinator().write_json(directory.file(_JOB), job.to_dict())


def read_job(directory: ExpansionDirectory) -> job_script.BackupJob:
    """What was started last. :raises FileMissing: nothing was."""
    return job_script.BackupJob.from_dict(directory.hook.coordinator().read_json(directory.file(_JOB)))


def is_written(hook: GreenplumHook, job: job_script.BackupJob) -> bool:
    """Whether the job has written all its lists, so that only the end is left to do."""
    partial, owner = shlex.quote(job.partial), shlex.quote(job.expansion_id)
    text = f'[ -e {partial}/{job_script.SIZES} ] && [ "$(cat {partial}/{job_script.OWNER})" = {owner} ]'
    return hook.coordinator().run(Script(text, "look for a written backup"), check=False).ok


def finish(hook: GreenplumHook, job: job_script.BackupJob, status: JobStatus) -> Manifest:
    """Check the lists the job has left, write the manifest, and give the directory its final name.

    Safe to repeat: until the rename nothing counts, after it read_manifest finds all.

    :raises StepFailed: an archive is not there or holds no rows at all, or the lists disagree
    """
    coordinator = hook.coordinator()
    files = _files(hook, job)
    told = [_archive(hook, job, archive) for archive in job.archives] if job.rows else []
    _require_rows(hook, job, told)
    coordinator.write_json_lines(
        posixpath.join(job.partial, _FILES),
        ({"host": f.host, "path": f.path, "bytes": f.size_bytes, "sha256": f.sha256} for f in files),
    )
    digest = coordinator.run(["sha256sum", "--", posixpath.join(job.partial, _FILES)]).stdout.split()[0]
    manifest = Manifest(
        expansion_id=job.expansion_id,
        version=job.release,
        segments=job.segments,
        choice=job.choice,
        directory=job.directory,
        gpbackup_directory=job.gpbackup_directory if job.uses_gpbackup else "",
        tool_versions={"pg_dump": job.tools.pg_dump, **({"gpbackup": job.tools.gpbackup} if job.uses_gpbackup else {})},
        archives=tuple(told),
        selected=job.selected,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=status.seconds or 0,
        files=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        size_by_host=sizes_by_host(files),
        list_sha256=digest,
        restorable=restorable(
            BackupChoice(job.choice),
            {archive.tool for archive in job.archives},
            gprestore_resizes=job.tools.gprestore_resizes,
            segments=job.segments,
            selected=bool(job.selected),
        ),
    )
    coordinator.write_json(posixpath.join(job.partial, _MANIFEST), manifest.to_dict())
    # mv -T would move into a directory of that name; the job has made sure that there is none.
    coordinator.run(["mv", "-T", "--", job.partial, job.directory])
    return manifest


def _files(hook: GreenplumHook, job: job_script.BackupJob) -> list[BackupFile]:
    coordinator = hook.coordinator()

    def text(name: str) -> str:
        return coordinator.read_text(posixpath.join(job.partial, name))

    try:
        files = read_lists(job.coordinator, text(job_script.SUMS), text(job_script.SIZES))
        if job.uses_gpbackup:
            for hostname, name in job_script.gpbackup_list_names(job.hosts, job.coordinator).items():
                sums, mark, sizes = text(name).partition("---\n")
                if not mark:
                    raise ValueError(f"{name} was cut off")
                files += read_lists(hostname, sums, sizes)
    except ValueError as error:
        raise StepFailed(
            f"Backup in {job.partial}", f"its lists disagree: {error}", "clear the task: it begins anew"
        ) from error
    return files


def _archive(hook: GreenplumHook, job: job_script.BackupJob, archive: Archive) -> dict[str, object]:
    """What is to be said of one archive; counted from its own table of contents where it has one."""
    path = posixpath.join(job.partial, "data", archive.label)
    stamp = None
    if archive.tool is Tool.GPBACKUP:
        stamp = hook.coordinator().read_text(path + ".timestamp").strip()
    return {
        "label": archive.label,
        "tool": str(archive.tool),
        "dbname": archive.dbname,
        "what": archive.what,
        "expected": archive.expected,
        "tables": int(hook.coordinator().read_text(path + ".tables")),
        "timestamp": stamp,
    }


def _require_rows(hook: GreenplumHook, job: job_script.BackupJob, told: Sequence[Mapping[str, object]]) -> None:
    """:raises StepFailed: an archive holds none of the tables it is for; what was written counts for nothing then"""
    empty = [finding for finding, none in _missing_tables(told) if none]
    if empty:
        # Without its last list the job is not taken for written: the task, cleared, begins anew.
        hook.coordinator().run(["rm", "-f", "--", posixpath.join(job.partial, job_script.SIZES)])
        raise StepFailed(
            f"Backup in {job.partial}",
            "; ".join(f"{finding.subject}: {finding.problem}" for finding in empty),
            "look into the tool's log there and mend what it names, then clear the task: it begins anew",
        )


def fewer_tables(archives_told: Sequence[Mapping[str, object]]) -> list[Finding]:
    """Archives that hold rows of fewer tables than there were: some were dropped meanwhile, or left out by the tool."""
    return [finding for finding, _ in _missing_tables(archives_told)]


def _missing_tables(archives_told: Sequence[Mapping[str, object]]) -> list[tuple[Finding, bool]]:
    """What is to be said of each such archive, and whether it holds no table at all."""
    found = []
    for told in archives_told:
        tables, expected = int(str(told["tables"])), int(str(told["expected"]))
        if tables < expected:
            finding = Finding.warning(
                f"Backup of {told['what']}",
                f"archive {told['label']} holds rows of {tables} tables, {expected} were there when it began",
                "approve only if the missing ones were dropped meanwhile; else see the tool's log beside it and "
                "trigger again",
            )
            found.append((finding, tables == 0))
    return found
