"""Where the data directories will lie."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.facts import HostFacts
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart


@dataclass(frozen=True)
class Place:
    """A directory as it is: `kind` is absent, directory or other; `owner` is ``uid:gid``."""

    path: str
    kind: str
    owner: str
    is_empty: bool


@part(PreparationPart.DIRECTORIES, "The cluster's user can make the data directories")
def plan_directories(situation: Situation) -> PartPlan:
    """Only the parents, such as `/data/primary`: the data directories themselves are made by gpexpand, and must be
    absent or empty until then. What is missing is made, mode 700, and belongs to the cluster's user. An empty one that
    belongs to somebody else is handed over; one with files in it is for a person to decide.
    """
    draft = Draft()
    account = situation.account
    owner = f"{account.uid}:{account.gid}"
    places = read_places(situation.new)
    made: set[str] = set()
    for parent in situation.directories:
        for path in _missing(parent, places):
            if path not in made:
                made.add(path)
                draft.state(_make(path, owner, "700" if path == parent else "755"))
        place = places.get(parent)
        if place is None or place.kind == "absent":
            continue
        if place.kind != "directory":
            draft.refuse(f"{situation.name}: {parent}", "it is not a directory", "move it away by hand")
        elif place.owner.split(":")[0] != str(account.uid):
            if place.is_empty:
                draft.state(_hand_over(parent, place.owner, owner))
            else:
                draft.refuse(
                    f"{situation.name}: {parent}",
                    f"it belongs to {place.owner}, not to {account.user} ({owner}), and is not empty",
                    f"see whose files these are; then 'chown {account.user}:{account.group} {parent}'",
                )
    return draft.plan()


def read_places(host: HostFacts) -> dict[str, Place]:
    """The directories asked after, and what lies above them."""
    places = {}
    for line in host.lines("directories"):
        kind, owner, empty, path = [*line.split(" ", 3), "", "", ""][:4]
        places[path] = Place(path, kind, owner, empty == "empty")
    return places


def ancestors(path: str) -> list[str]:
    """``/a/b`` gives ``/a``, ``/a/b``."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[: length + 1]) for length in range(len(parts))]


def _missing(parent: str, places: dict[str, Place]) -> list[str]:
    return [path for path in ancestors(parent) if path in places and places[path].kind == "absent"]


def _make(path: str, owner: str, mode: str) -> StateChange:
    quoted = shlex.quote(path)
    return StateChange(
        subject=f"directory {path}",
        old="absent",
        new=f"{owner} {mode}",
        why="for the data directories to come",
        probe=f"stat -c '%u:%g %a' -- {quoted} 2>/dev/null || echo absent",
        # Not recursive: somebody may have put files there between the look and this.
        do=f"{{ [ -d {quoted} ] || mkdir -- {quoted}; }} && chown {owner} -- {quoted} && chmod {mode} -- {quoted}",
        undo=f"rmdir -- {quoted}",
    )


def _hand_over(path: str, old: str, new: str) -> StateChange:
    quoted = shlex.quote(path)
    return StateChange(
        subject=f"owner of directory {path}",
        old=old,
        new=new,
        why="the cluster's user makes its data directories in it",
        probe=f"stat -c '%u:%g' -- {quoted}",
        do=f"chown {new} -- {quoted}",
        undo=f"chown {old} -- {quoted}",
    )
