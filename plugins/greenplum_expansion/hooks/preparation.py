"""Makes changes to a host so that each can be made again after a crash, and taken back; the manifest is kept there."""

from __future__ import annotations

import json
import logging
import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from greenplum_expansion.errors import ExpansionError, StepFailed
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.remote import CommandFailed, CommandResult, FileMissing, RemoteHost, Script
from greenplum_expansion.hooks.root_shell import log_in_as_root
from greenplum_expansion.preparation.change import Change, FileChange, StateChange
from greenplum_expansion.preparation.manifest import Entry, Manifest, Progress, Undone, UndoOutcome, entry_for, sha256

log = logging.getLogger(__name__)

ROOT_DIRECTORY = "/var/lib/greenplum-expansion"
_MANIFEST = "manifest.json"
_NOTE = "prepared_"
_TIMEOUT = 900.0  # seconds for a change: installing a package, moving a tree to another disk
_ABSENT = "absent"


class PreparedHost:
    """One host and the manifest of one expansion on it.

    :param host: as root, or as who may make these changes
    :param directory: where manifest and saved files are kept on the host; made when the first change is
    """

    def __init__(self, host: RemoteHost, expansion_id: str, directory: str = ROOT_DIRECTORY) -> None:
        self.host = host
        self.expansion_id = expansion_id
        self.directory = posixpath.join(directory, expansion_id)
        self._manifest: Manifest | None = None
        self._boot_id = ""
        self._unwritten = False

    @property
    def manifest(self) -> Manifest:
        """As it is on the host; empty if nothing was changed yet."""
        if self._manifest is None:
            try:
                self._manifest = Manifest.from_dict(self.host.read_json(posixpath.join(self.directory, _MANIFEST)))
            except FileMissing:
                self._manifest = Manifest(self.host.hostname, self.expansion_id)
        return self._manifest

    def reboot_reasons(self) -> list[str]:
        """Changes that are felt only after a reboot which has not been yet."""
        return self.manifest.reboot_reasons(self.boot_id()) if self.manifest.entries else []

    def boot_id(self) -> str:
        """Of the boot that is now, asked once: nothing here starts the host anew."""
        if not self._boot_id:
            self._boot_id = self.host.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()
        return self._boot_id

    # --- forward -----------------------------------------------------------------------------------------------------

    def finish_begun(self) -> list[str]:
        """Finish what a crash has interrupted: subjects of the changes that were begun and are made now.

        A file that was not written yet is left: it is planned anew. A state is made again, which does no harm if it is;
        if that fails, somebody may have changed more meanwhile, and planning anew will show what is left to do.
        """
        finished = []
        for entry in self.manifest.begun:
            if entry.is_file:
                script = f'[ "$(sum {shlex.quote(entry.subject)})" = {entry.sha256_after} ] || exit {_OTHER}\n'
                done = self._run(script + _aside(entry.then), f"make {entry.subject} felt", (_OTHER,))
                if done.exit_code == _OTHER:
                    continue
            else:
                try:
                    self._judge_made(entry, self._run(_made(entry), entry.subject, (_NOT_TAKEN,)))
                except (CommandFailed, StepFailed) as error:
                    log.warning("Begun before, and not finished now: %s", error)
                    continue
            self._note(replace(entry, progress=Progress.DONE))
            finished.append(entry.subject)
        self.flush()
        return finished

    def plan(self, changes: Sequence[Change]) -> None:
        """Write down what states are now that are about to be changed; before the first `apply`."""
        for change in changes:
            if isinstance(change, StateChange) and self.manifest.find(change.subject) is None:
                entry = entry_for(change, self.manifest.next_number, self.boot_id())
                self._note(replace(entry, progress=Progress.PLANNED))
        self.flush()

    def apply(self, change: Change) -> bool:
        """Make one change; False if it was made already. Call `flush` behind the last one.

        :raises StepFailed: somebody else changed it since it was looked at, or it did not take
        """
        return self._apply_file(change) if isinstance(change, FileChange) else self._apply_state(change)

    def flush(self) -> None:
        """Write down that what was begun is done; a crash before that only makes a retry look once more."""
        if self._unwritten:
            self._run(self._written_down(), "write the manifest")
            self._unwritten = False

    def _apply_file(self, change: FileChange) -> bool:
        before = _ABSENT if change.old is None else sha256(change.old)
        known = self.manifest.find(change.path)
        number = known.number if known else self.manifest.next_number
        saved = f"{number:04d}{change.path.replace('/', '_')}"
        looked = self._run(self._save(change.path, before, "" if known else saved), f"save {change.path}")
        said: dict[str, list[str]] = {}
        for line in looked.stdout.splitlines():
            key, _, value = line.partition(" ")
            said.setdefault(key, []).append(value)
        if said["sum"] == [sha256(change.new)]:
            return False
        if said["sum"] != [before]:
            raise StepFailed(
                f"{self.host.hostname}: {change.path}",
                "somebody has changed it since it was looked at, a moment ago",
                "clear this task: it looks again",
            )
        if known is not None:  # changed before, by this expansion: what was saved then stays what it was before all
            entry = replace(known, sha256_after=sha256(change.new), progress=Progress.BEGUN, then=change.then)
        else:
            entry = _entry_with_past(entry_for(change, number, self.boot_id()), change, before, saved, said)
        self._note(entry)
        data = change.new.encode("utf-8", "surrogateescape")
        script = self._written_down() + _replace_file(change.path, len(data), entry)
        script += f"( {change.check or 'true'}\n) </dev/null || exit {_NOT_TAKEN}\n" + _aside(change.then)
        result = self._run(script, f"write {change.path}", (_NOT_TAKEN,), data)
        self._unwritten = False
        if result.exit_code == _NOT_TAKEN:
            self._run(self._put_back(entry), f"put {change.path} back")
            self._note(replace(entry, progress=Progress.UNDONE))
            self.flush()
            subject = f"Check of {change.path}, which is as before again,"
            raise self.host.failure(subject, result, "change it by hand as the diff shows")
        self._note(replace(entry, progress=Progress.DONE))
        return True

    def _apply_state(self, change: StateChange) -> bool:
        known = self.manifest.find(change.subject)
        entry = entry_for(change, self.manifest.next_number, self.boot_id())
        if known is not None:  # what it was before all of this stays what it is put back to
            entry = replace(entry, number=known.number, old=known.old, undo=known.undo)
        manifest = self.manifest
        self._note(entry)
        script = f"""
now=$(look {shlex.quote(change.probe)})
[ "$now" != {_flat(change.new)} ] || exit {_ALREADY}
[ "$now" = {_flat(change.old)} ] || {{ printf '%s\n' "$now"; exit {_OTHER}; }}
"""
        result = self._run(script + self._written_down() + _made(entry), entry.subject, (_ALREADY, _OTHER, _NOT_TAKEN))
        if result.exit_code in (_ALREADY, _OTHER):
            self._manifest = manifest
        else:
            self._unwritten = False
        if result.exit_code == _OTHER:
            raise StepFailed(
                f"{self.host.hostname}: {change.subject}",
                f"it was {change.old or 'not there'!r} a moment ago, and is {result.stdout.strip()!r} now",
                "clear this task: it looks again",
            )
        if result.exit_code == _ALREADY:
            return False
        self._judge_made(entry, result)
        self._note(replace(entry, progress=Progress.DONE))
        return True

    def _judge_made(self, entry: Entry, result: CommandResult) -> None:
        if result.exit_code == _NOT_TAKEN:
            raise StepFailed(
                f"{self.host.hostname}: {entry.subject}",
                f"it should be {entry.new!r} now, but is {result.stdout.strip()!r}",
                f"try there by hand: {entry.do}",
            )

    def _save(self, path: str, before: str, saved: str) -> str:
        """Shell: tell the file's checksum; if it is as expected, copy it beside the manifest and tell what it was."""
        quoted = shlex.quote(path)
        script = f's=$(sum {quoted}); echo "sum $s"\n'
        if not saved:
            return script
        copy = shlex.quote(posixpath.join(self.directory, saved))
        return f"""{script}[ "$s" = {before} ] || exit 0
{self._make_directory()}
if [ -e {quoted} ]; then
    cp -pL -- {quoted} {copy} && sync -- {copy} && [ "$(sum {copy})" = {before} ] || exit 1
    stat -L -c 'was %a %u:%g' -- {quoted}
else
    d={shlex.quote(posixpath.dirname(path))}; while [ ! -d "$d" ]; do echo "make $d"; d=$(dirname -- "$d"); done
fi
"""

    # --- and back ----------------------------------------------------------------------------------------------------

    def undo(self) -> list[UndoOutcome]:
        """Take every change back, the newest first; what others have changed since is left, and told.

        May be repeated: what was taken back is not looked at again.
        """
        outcomes = []
        for entry in self.manifest.standing:
            script = self._undo_file(entry) if entry.is_file else _undo_state(entry)
            try:
                result = self._run(script, f"take back {entry.subject}", (_ALREADY, _OTHER, _NO_WAY))
                outcome, words = self._judge_undone(entry, result)
            except ExpansionError as error:
                outcome, words = Undone.LEFT, f"{error.cause}; {error.next_action}"
            if outcome is not Undone.LEFT:
                self._note(replace(entry, progress=Progress.UNDONE))
            outcomes.append(UndoOutcome(self.host.hostname, entry.subject, outcome, words))
            log.info("%s", outcomes[-1])
        self.flush()
        return outcomes

    def _judge_undone(self, entry: Entry, result: CommandResult) -> tuple[Undone, str]:
        match result.exit_code:
            case 0:
                return Undone.PUT_BACK, ""
            case code if code == _ALREADY:
                return Undone.ALREADY, ""
            case code if code == _NO_WAY:
                return Undone.LEFT, "there is no way back that is safe to take by itself"
        if entry.is_file:
            was = posixpath.join(self.directory, entry.saved) if entry.existed else "not there"
            return Undone.LEFT, f"others have changed it since; before all it was {was}"
        return Undone.LEFT, f"others have changed it since: it is {result.stdout.strip()!r}, we left {entry.new!r}"

    def _undo_file(self, entry: Entry) -> str:
        quoted = shlex.quote(entry.subject)
        return f"""s=$(sum {quoted})
[ "$s" != {entry.sha256_before} ] || exit {_ALREADY}
[ "$s" = {entry.sha256_after} ] || exit {_OTHER}
{self._put_back(entry)}
{_aside(entry.then)}"""

    def _put_back(self, entry: Entry) -> str:
        """Shell that makes a file what it was, or not there."""
        quoted = shlex.quote(entry.subject)
        if entry.existed:
            saved = shlex.quote(posixpath.join(self.directory, entry.saved))
            return f"""
p=$(readlink -f -- {quoted}) && t=$(umask 077; mktemp -- "$(dirname -- "$p")/.greenplum-expansion.XXXXXX") || exit 1
trap 'rm -f -- "$t"' EXIT
cp -p -- {saved} "$t" && put "$t" "$p" || exit 1
"""
        made = " ".join(map(shlex.quote, reversed(entry.directories)))
        return f'rm -f -- {quoted} || exit 1\nfor d in {made}; do rmdir -- "$d" 2>/dev/null; done\n'

    # --- small ones --------------------------------------------------------------------------------------------------

    def _run(self, text: str, name: str, expected: Sequence[int] = (), stdin: bytes | None = None) -> CommandResult:
        """A script with the helpers of `_TOOLS`; exit codes other than 0 and those expected are errors."""
        result = self.host.run(Script(f"{_TOOLS}{text}", name), stdin=stdin, timeout=_TIMEOUT, check=False)
        if result.exit_code not in (0, *expected):
            raise self.host.failure(name, result)
        return result

    def _note(self, entry: Entry) -> None:
        self._manifest = self.manifest.with_entry(entry)
        self._unwritten = True

    def _written_down(self) -> str:
        """Shell that makes the manifest on the host what it is here, atomically."""
        text = json.dumps(self.manifest.to_dict(), indent=1, ensure_ascii=True)
        path = shlex.quote(posixpath.join(self.directory, _MANIFEST))
        return f"""{self._make_directory()}
printf '%s\\n' {shlex.quote(text)} | (umask 077; dd of={path}.new bs=65536 conv=fsync 2>/dev/null) || exit 1
mv -fT -- {path}.new {path} || exit 1
"""

    def _make_directory(self) -> str:
        directory = shlex.quote(self.directory)
        parent = shlex.quote(posixpath.dirname(self.directory))
        return f"[ -d {directory} ] || {{ mkdir -p -m 755 -- {parent} && mkdir -m 700 -- {directory}; }} || exit 1"


_ALREADY, _OTHER, _NOT_TAKEN, _NO_WAY = 81, 82, 83, 84  # exit codes of our scripts
_TOOLS = f"""export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
sum() {{ if [ -e "$1" ]; then sha256sum < "$1" | cut -d' ' -f1; else echo {_ABSENT}; fi; }}
look() {{ ( eval "$1" ) </dev/null 2>/dev/null | tr -s '[:space:]' ' ' | sed 's/^ //; s/ $//'; }}
put() {{ # In a container /etc/hosts may be a mount of its own: it cannot be replaced, only overwritten.
    mv -fT -- "$1" "$2" 2>/dev/null || cat -- "$1" > "$2" || return 1
    ! command -v restorecon >/dev/null || restorecon -- "$2"
}}
"""


def _flat(text: str) -> str:
    return shlex.quote(" ".join(text.split()))


def _aside(command: str) -> str:
    """Shell that runs a command which may exit, and fails if it does."""
    return f"( {command}\n) </dev/null || exit $?\n" if command else ""


def _made(entry: Entry) -> str:
    """Shell that makes a state, if it is not there yet, and looks whether it is."""
    probe, new = shlex.quote(entry.probe), _flat(entry.new)
    return f"""
if [ "$(look {probe})" != {new} ]; then
    {_aside(entry.do)}fi
now=$(look {probe})
[ "$now" = {new} ] || {{ printf '%s\n' "$now"; exit {_NOT_TAKEN}; }}
"""


def _undo_state(entry: Entry) -> str:
    changed = f"{{ printf '%s\\n' \"$now\"; exit {_OTHER}; }}"
    # What was only planned was never ours; of what was only begun, it may be half.
    other = {Progress.PLANNED: f"exit {_ALREADY}", Progress.BEGUN: "true"}.get(entry.progress, changed)
    return f"""now=$(look {shlex.quote(entry.probe)})
[ "$now" != {_flat(entry.old)} ] || exit {_ALREADY}
[ "$now" = {_flat(entry.new)} ] || {other}
{_aside(entry.undo) if entry.undo else f"exit {_NO_WAY}"}"""


def _replace_file(path: str, size: int, entry: Entry) -> str:
    """Shell: readers see the old content or all of the new. A link is followed: what it leads to is replaced."""
    quoted, directory = shlex.quote(path), shlex.quote(posixpath.dirname(path))
    return f"""
mkdir -p -m 755 -- {directory} || exit 1
p=$(readlink -f -- {quoted}) && t=$(umask 077; mktemp -- "$(dirname -- "$p")/.greenplum-expansion.XXXXXX") || exit 1
trap 'rm -f -- "$t"' EXIT
dd of="$t" bs=65536 conv=fsync 2>/dev/null && [ "$(stat -c %s -- "$t")" -eq {size} ] || exit 1
if [ -e "$p" ]; then chown --reference="$p" -- "$t" && chmod --reference="$p" -- "$t"
else chown {shlex.quote(entry.owner)} -- "$t" && chmod {shlex.quote(entry.mode)} -- "$t"; fi || exit 1
put "$t" "$p" || exit 1
"""


def _entry_with_past(
    entry: Entry, change: FileChange, before: str, saved: str, said: Mapping[str, Sequence[str]]
) -> Entry:
    """The entry, with what `_save` told about the file before."""
    if "was" in said:
        mode, owner = said["was"][0].split()
        return replace(entry, existed=True, mode=mode, owner=owner, sha256_before=before, saved=saved)
    made = tuple(reversed(said.get("make", ())))
    return replace(entry, mode=f"{change.mode:o}", owner=change.owner, directories=made, sha256_before=before)


# --- which hosts an expansion has prepared ---------------------------------------------------------------------------


def note_prepared(directory: ExpansionDirectory, host: RemoteHost, host_key: str | None, kept_in: str) -> None:
    """Write down, beside the plan on the coordinator, that this host is being prepared, by whom: before it is.

    A host may be prepared twice, first without root and then with it: each has a manifest of its own.

    :param kept_in: where manifests are on that host
    """
    directory.ensure()
    coordinator, path = directory.hook.coordinator(), directory.file(f"{_NOTE}{host.hostname}.json")
    place = {"hostname": host.hostname, "address": host.address, "host_key": host_key}
    place |= {"user": host.user, "directory": kept_in}
    places = coordinator.read_json(path)["places"] if coordinator.exists(path) else []
    if place not in places:
        coordinator.write_json(path, {"places": [*places, place]})


def undo_preparation(directory: ExpansionDirectory) -> list[UndoOutcome]:
    """Take back all that this expansion changed on hosts, old and new, from what was saved there.

    A file or setting is put back only if it is still as we left it. A host that cannot be reached is told like a change
    that was left. May be repeated; an expansion that changed nothing gives an empty list.
    """
    coordinator = directory.hook.coordinator()
    listed = coordinator.run(["ls", "-1", "--", directory.path], check=False).stdout.splitlines()
    outcomes = []
    for name in sorted(line for line in listed if line.startswith(_NOTE) and line.endswith(".json")):
        for place in reversed(coordinator.read_json(directory.file(name))["places"]):
            try:
                outcomes += _undo_at(directory, place)
            except ExpansionError as error:
                words = f"{error.cause}; {error.next_action}"
                subject = f"all changes kept in {place['directory']}"
                outcomes.append(UndoOutcome(place["hostname"], subject, Undone.LEFT, words))
    return outcomes


def _undo_at(directory: ExpansionDirectory, place: dict[str, Any]) -> list[UndoOutcome]:
    """Take back what one manifest on one host holds."""
    hook, where = directory.hook, (place["hostname"], place["address"])
    own = hook.host(*where, host_key=place["host_key"])
    if place["directory"] != ROOT_DIRECTORY:  # prepared by the cluster's user, as far as it may
        host: RemoteHost = own
    else:
        own.close()  # a user who is logged in cannot be deleted
        host = log_in_as_root(hook, *where, place["user"], place["host_key"])
    return PreparedHost(host, directory.expansion_id, place["directory"]).undo()
