"""What lies in a finished backup: each file with size and SHA-256, and the whole in a few figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.progress import human_seconds


@dataclass(frozen=True)
class BackupFile:
    """One file.

    :param path: below the backup's directory on that host
    """

    host: str
    path: str
    size_bytes: int
    sha256: str


def read_lists(host: str, sums: str, sizes: str) -> list[BackupFile]:
    """Join the output of ``sha256sum`` with lines of size, tab and path.

    :raises ValueError: a file stands in one list only, or twice: something wrote to the backup meanwhile
    """
    size_of: dict[str, int] = {}
    for line in sizes.splitlines():
        size, _, path = line.partition("\t")
        size_of[path] = int(size)
    found = []
    for line in sums.splitlines():
        digest, _, path = line.partition("  ")
        path = path.removeprefix("./")
        if path not in size_of or len(digest) != 64:
            raise ValueError(f"{path or line!r} was hashed, but is not listed with a size")
        found.append(BackupFile(host, path, size_of.pop(path), digest))
    if size_of:
        raise ValueError(f"{min(size_of)} was not hashed, and {len(size_of) - 1} more files")
    return sorted(found, key=lambda file: file.path)


@dataclass(frozen=True)
class Manifest:
    """A finished backup, as manifest.json in its directory tells it.

    :param directory: on the coordinator
    :param gpbackup_directory: on every host; empty if gpbackup wrote nothing
    :param archives: ``{label, tool, dbname, what, tables, timestamp}``
    :param seconds: from the start of the job to its end
    :param files: number of files, on all hosts; each stands in files.jsonl.gz
    :param list_sha256: of files.jsonl.gz
    :param restorable: sentences
    """

    expansion_id: str
    version: str
    segments: int
    choice: str
    directory: str
    gpbackup_directory: str
    tool_versions: dict[str, str]
    archives: tuple[dict[str, Any], ...]
    selected: tuple[str, ...]
    finished: str
    seconds: int
    files: int
    size_bytes: int
    size_by_host: dict[str, int]
    list_sha256: str
    restorable: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "archives": list(self.archives)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Manifest:
        tuples = {name: tuple(data[name]) for name in ("archives", "selected", "restorable")}
        return cls(**{**data, **tuples})

    @property
    def sentence(self) -> str:
        """The outcome in a line."""
        size, time = human_bytes(self.size_bytes), human_seconds(self.seconds)
        return f"{size} in {self.files} files in {time}: {self.directory}"


def sizes_by_host(files: Iterable[BackupFile]) -> dict[str, int]:
    """Bytes on each host."""
    sizes: dict[str, int] = {}
    for file in files:
        sizes[file.host] = sizes.get(file.host, 0) + file.size_bytes
    return dict(sorted(sizes.items()))
