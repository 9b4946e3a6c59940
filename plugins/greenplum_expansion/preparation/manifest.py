"""What was changed on a host, written there before each change: so a crash leaves nothing that cannot be taken back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from greenplum_expansion.preparation.change import Change, FileChange

VERSION = 1


class Progress(StrEnum):
    """How far a change came. Written ``begun`` before it, ``done`` behind it.

    All states of a task are written down as ``planned`` before its first change: a file that is in its place and a
    reboot in between can make them, too, and then what they were before must be known.
    """

    PLANNED = "planned"
    BEGUN = "begun"
    DONE = "done"
    UNDONE = "undone"


@dataclass(frozen=True)
class Entry:
    """One change to one host.

    :param kind: ``file`` or ``state``
    :param subject: path of the file, or the name of the state
    :param boot_id: of the boot in which it was made: whether what it needs a reboot for has been felt
    :param existed, mode, owner, sha256_before, saved: of the file before; `saved` is its copy beside the manifest
    :param sha256_after: of the file as we left it
    :param directories: made for the file, outermost first
    :param then: shell that makes a file felt
    :param old, new, probe, do, undo: of a state, as in StateChange
    """

    number: int
    kind: str
    part: str
    subject: str
    why: str
    progress: Progress = Progress.BEGUN
    needs_reboot: bool = False
    boot_id: str = ""
    existed: bool = False
    mode: str = ""
    owner: str = ""
    sha256_before: str = ""
    saved: str = ""
    sha256_after: str = ""
    directories: tuple[str, ...] = ()
    then: str = ""
    old: str = ""
    new: str = ""
    probe: str = ""
    do: str = ""
    undo: str = ""

    @property
    def is_file(self) -> bool:
        return self.kind == "file"

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Entry:
        values = {**data, "progress": Progress(data["progress"]), "directories": tuple(data["directories"])}
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})


@dataclass(frozen=True)
class Manifest:
    """All changes of one expansion to one host, in the order in which they were begun."""

    hostname: str
    expansion_id: str
    entries: tuple[Entry, ...] = ()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Manifest:
        entries = tuple(Entry.from_dict(entry) for entry in data["entries"])
        return cls(data["hostname"], data["expansion_id"], entries)

    def to_dict(self) -> dict[str, Any]:
        head = {"version": VERSION, "hostname": self.hostname, "expansion_id": self.expansion_id}
        return {**head, "entries": [asdict(entry) for entry in self.entries]}

    def find(self, subject: str) -> Entry | None:
        """The change to this file or state that stands: one that was taken back counts no more."""
        return next(
            (one for one in self.entries if one.subject == subject and one.progress is not Progress.UNDONE), None
        )

    def with_entry(self, entry: Entry) -> Manifest:
        """With this entry in place of the one of its number, or behind all."""
        others = [entry if one.number == entry.number else one for one in self.entries]
        if all(one.number != entry.number for one in self.entries):
            others.append(entry)
        return replace(self, entries=tuple(others))

    @property
    def next_number(self) -> int:
        return max((entry.number for entry in self.entries), default=0) + 1

    @property
    def begun(self) -> Sequence[Entry]:
        """Changes of which nobody knows whether they were made."""
        return [entry for entry in self.entries if entry.progress is Progress.BEGUN]

    @property
    def standing(self) -> Sequence[Entry]:
        """Changes that may be in force, the newest first: the order in which they are taken back."""
        return [entry for entry in reversed(self.entries) if entry.progress is not Progress.UNDONE]

    def reboot_reasons(self, boot_id: str) -> list[str]:
        """Why the host must be started anew: changes made since it was."""
        return [
            f"{entry.subject}: {entry.why}"
            for entry in self.entries
            if entry.needs_reboot and entry.progress is Progress.DONE and entry.boot_id == boot_id
        ]


def entry_for(change: Change, number: int, boot_id: str) -> Entry:
    """The entry of a change that is about to be made; what a file was before is filled in by who has looked."""
    entry = Entry(
        number,
        "file" if isinstance(change, FileChange) else "state",
        change.part,
        change.subject,
        change.why,
        needs_reboot=change.needs_reboot,
        boot_id=boot_id,
    )
    if isinstance(change, FileChange):
        return replace(entry, then=change.then, sha256_after=sha256(change.new))
    return replace(entry, old=change.old, new=change.new, probe=change.probe, do=change.do, undo=change.undo)


def sha256(text: str | bytes) -> str:
    """Of a file's content; bytes that are no UTF-8 come as they were read, by surrogates."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text).hexdigest()


class Undone(StrEnum):
    """What came of taking a change back."""

    PUT_BACK = "put back"
    ALREADY = "was as before"
    LEFT = "left as it is"


@dataclass(frozen=True)
class UndoOutcome:
    """One change, taken back or not. :param words: why not, and what a person can do; empty if it was."""

    host: str
    subject: str
    outcome: Undone
    words: str = ""

    def __str__(self) -> str:
        return f"{self.host}: {self.subject}: {self.outcome}" + (f" ({self.words})" if self.words else "")
