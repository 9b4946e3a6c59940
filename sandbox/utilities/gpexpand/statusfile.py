"""``gpexpand.status`` in the coordinator's data directory: how far the preparation came.

One line per stage, ``NAME:value``, split at ':' into exactly two parts: an input file whose path holds a ':' makes the
file unreadable for every later run, in the real gpexpand as here. Each line is copied to the standby at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..segments import Segment

STAGES = (
    "UNINITIALIZED",
    "EXPANSION_PREPARE_STARTED",
    "BUILD_SEGMENT_TEMPLATE_STARTED",
    "BUILD_SEGMENT_TEMPLATE_DONE",
    "BUILD_SEGMENTS_STARTED",
    "BUILD_SEGMENTS_DONE",
    "UPDATE_CATALOG_STARTED",
    "UPDATE_CATALOG_DONE",
    "SETUP_EXPANSION_SCHEMA_STARTED",
    "SETUP_EXPANSION_SCHEMA_DONE",
    "PREPARE_EXPANSION_SCHEMA_STARTED",
    "PREPARE_EXPANSION_SCHEMA_DONE",
    "EXPANSION_PREPARE_DONE",
)
"""In the order in which gpexpand passes them."""

POINT_OF_NO_RETURN = "UPDATE_CATALOG_DONE"
NAME = "gpexpand.status"
BACKUP_NAME = "gpexpand.gp_segment_configuration"


def position(stage: str) -> int:
    """Place of a stage in the sequence."""
    return STAGES.index(stage)


@dataclass
class StatusFile:
    """The file as it was found or written.

    :param directory: the coordinator's data directory
    :param standby: where copies go, None without a standby
    """

    directory: Path
    standby: Segment | None = None
    entries: list[tuple[str, str]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.directory / NAME

    @property
    def backup(self) -> Path:
        """The copy of gp_segment_configuration taken before the catalog is changed."""
        return self.directory / BACKUP_NAME

    @property
    def stage(self) -> str | None:
        """The last stage written, None when no preparation is under way."""
        return self.entries[-1][0] if self.entries else None

    @property
    def cannot_roll_back(self) -> bool:
        """The catalog has been changed."""
        return self.stage is not None and position(self.stage) >= position(POINT_OF_NO_RETURN)

    def value(self, stage: str) -> str | None:
        """What was noted with a stage, None when the stage was not reached."""
        return next((value for name, value in self.entries if name == stage), None)

    def read(self) -> bool:
        """Load the file.

        :return: whether there is one
        :raises ValueError: a line is not two parts, ``too many values to unpack``
        """
        self.entries = []
        if not self.path.exists():
            return False
        for line in self.path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                parts = line.rstrip().split(":")
                if len(parts) != 2:
                    raise ValueError("too many values to unpack")
                self.entries.append((parts[0], parts[1]))
        return True

    def write(self, stage: str, value: object = None) -> None:
        """Append a stage and copy the file to the standby."""
        self.entries.append((stage, str(value)))
        with self.path.open("a", encoding="utf-8") as out:
            out.write(f"{stage}:{value}\n")
        self.copy_to_standby(self.path)

    def rewind(self, stage: str) -> None:
        """Go back to a stage by appending its line once more: what a retry after the point of no return does."""
        self.write(stage, "Reset status forcedly to retry the following work")

    def remove(self) -> None:
        """Delete file and configuration backup, here and on the standby."""
        from ..remote import RemoteCommand

        self.path.unlink(missing_ok=True)
        self.backup.unlink(missing_ok=True)
        if self.standby is not None:
            directory = self.standby.datadir
            RemoteCommand(self.standby.hostname, f"/bin/rm -f {directory}/{NAME} {directory}/{BACKUP_NAME}").run()

    def copy_to_standby(self, path: Path) -> None:
        """scp to the standby's data directory. A standby that is away stops nothing [INF, gpexpand:425]."""
        from ..remote import copy_to

        if self.standby is not None:
            copy_to(str(path), self.standby.hostname, f"{self.standby.datadir}/{path.name}")
