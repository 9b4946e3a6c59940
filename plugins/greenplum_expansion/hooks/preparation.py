"""Makes changes to a host so that each can be made again after a crash, and taken back; the manifest is kept there."""

from __future__ import annotations

import logging
import posixpath
import shlex
from dataclasses import replace
from typing import Any

from greenplum_expansion.errors import ExpansionError, StepFailed
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.remote import FileMissing, RemoteHost, Script
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
        self._has_directory = False

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

        A file that was not written yet is left: it is planned anew. A state is made again, which does no harm if it is.

        :raises StepFailed: a state that cannot be made
        """
        finished = []
        for entry in self.manifest.begun:
            if entry.is_file and self._sha256(entry.subject) != entry.sha256_after:
                continue
            if entry.is_file:
                self._shell(entry.then, f"make {entry.subject} felt")
            elif not self._is(entry.probe, entry.new):
                self._make(entry)
            self._write(replace(entry, progress=Progress.DONE))
            finished.append(entry.subject)
        return finished

    def apply(self, change: Change) -> bool:
        """Make one change; False if it was made already.

        :raises StepFailed: somebody else changed it since it was looked at, or it did not take
        """
        if isinstance(change, FileChange):
            return self._apply_file(change)
        return self._apply_state(change)

    def _apply_file(self, change: FileChange) -> bool:
        now, before = self._sha256(change.path), _ABSENT if change.old is None else sha256(change.old)
        entry = self.manifest.find(change.path)
        if now == sha256(change.new):
            return False
        if now != before:
            raise StepFailed(
                f"{self.host.hostname}: {change.path}",
                "somebody has changed it since it was looked at, a moment ago",
                "clear this task: it looks again",
            )
        if entry is None:
            entry = self._save(change)
        else:  # changed before, by this expansion: what was saved then stays what it was before all
            entry = replace(entry, sha256_after=sha256(change.new), progress=Progress.BEGUN, then=change.then)
        self._write(entry)
        self._write_file(change.path, change.new, entry)
        if change.check:
            result = self.host.run(Script(change.check, f"check {change.path}"), check=False)
            if not result.ok:
                self._put_file_back(entry)
                self._write(replace(entry, progress=Progress.UNDONE))
                raise self.host.failure(
                    f"Check of {change.path}, which is as before again,", result, "change it by hand as the diff shows"
                )
        self._shell(change.then, f"make {change.path} felt")
        self._write(replace(entry, progress=Progress.DONE))
        return True

    def _apply_state(self, change: StateChange) -> bool:
        now = self._probe(change.probe)
        if now == change.new.split():
            return False
        if now != change.old.split():
            raise StepFailed(
                f"{self.host.hostname}: {change.subject}",
                f"it was {change.old or 'not there'!r} a moment ago, and is {' '.join(now)!r} now",
                "clear this task: it looks again",
            )
        known = self.manifest.find(change.subject)
        entry = entry_for(change, self.manifest.next_number, self.boot_id())
        if known is not None:  # what it was before all of this stays what it is put back to
            entry = replace(entry, number=known.number, old=known.old, undo=known.undo)
        self._write(entry)
        self._make(entry)
        self._write(replace(entry, progress=Progress.DONE))
        return True

    def _make(self, entry: Entry) -> None:
        self._shell(entry.do, entry.subject)
        if not self._is(entry.probe, entry.new):
            raise StepFailed(
                f"{self.host.hostname}: {entry.subject}",
                f"it should be {entry.new!r} now, but is {' '.join(self._probe(entry.probe))!r}",
                f"try there by hand: {entry.do}",
            )

    def _save(self, change: FileChange) -> Entry:
        """Copy the file beside the manifest; the entry for it, not yet written."""
        number = self.manifest.next_number
        entry = entry_for(change, number, self.boot_id())
        saved = f"{number:04d}{change.path.replace('/', '_')}"
        self._ensure_directory()
        quoted, copy = shlex.quote(change.path), shlex.quote(posixpath.join(self.directory, saved))
        directory = shlex.quote(posixpath.dirname(change.path))
        script = Script(
            f"""
if [ -e {quoted} ]; then
    cp -pL -- {quoted} {copy} && sync -- {copy} && stat -L -c 'was %a %u:%g' -- {quoted} || exit 1
else
    d={directory}; while [ ! -d "$d" ]; do echo "make $d"; d=$(dirname -- "$d"); done
fi
""",
            f"save {change.path}",
        )
        lines = self.host.run(script).stdout.splitlines()
        directories = tuple(line.removeprefix("make ") for line in reversed(lines) if line.startswith("make "))
        was = next((line.split() for line in lines if line.startswith("was ")), None)
        if was is None:
            return replace(
                entry, mode=f"{change.mode:o}", owner=change.owner, directories=directories, sha256_before=_ABSENT
            )
        before = self._sha256(posixpath.join(self.directory, saved))
        return replace(entry, existed=True, mode=was[1], owner=was[2], sha256_before=before, saved=saved)

    def _write_file(self, path: str, text: str, entry: Entry) -> None:
        """Readers see the old content or all of the new. A link is followed: what it leads to is replaced."""
        data = text.encode("utf-8", "surrogateescape")
        quoted, directory = shlex.quote(path), shlex.quote(posixpath.dirname(path))
        script = Script(
            f"""
mkdir -p -m 755 -- {directory} || exit 1
p=$(readlink -f -- {quoted}) && t=$(umask 077; mktemp -- "$(dirname -- "$p")/.greenplum-expansion.XXXXXX") || exit 1
trap 'rm -f -- "$t"' EXIT
dd of="$t" bs=65536 conv=fsync 2>/dev/null && [ "$(stat -c %s -- "$t")" -eq {len(data)} ] || exit 1
if [ -e "$p" ]; then chown --reference="$p" -- "$t" && chmod --reference="$p" -- "$t"
else chown {shlex.quote(entry.owner)} -- "$t" && chmod {shlex.quote(entry.mode)} -- "$t"; fi || exit 1
# In a container /etc/hosts may be a mount of its own: it cannot be replaced, only overwritten.
mv -fT -- "$t" "$p" 2>/dev/null || cat -- "$t" > "$p" || exit 1
command -v restorecon >/dev/null && restorecon -- "$p"
exit 0
""",
            f"write {path}",
        )
        self.host.run(script, stdin=data, timeout=_TIMEOUT)

    # --- and back ----------------------------------------------------------------------------------------------------

    def undo(self) -> list[UndoOutcome]:
        """Take every change back, the newest first; what others have changed since is left, and told.

        May be repeated: what was taken back is not looked at again.
        """
        outcomes = []
        for entry in self.manifest.standing:
            try:
                outcome, words = self._undo_file(entry) if entry.is_file else self._undo_state(entry)
            except ExpansionError as error:
                outcome, words = Undone.LEFT, f"{error.cause}; {error.next_action}"
            if outcome is not Undone.LEFT:
                self._write(replace(entry, progress=Progress.UNDONE))
            outcomes.append(UndoOutcome(self.host.hostname, entry.subject, outcome, words))
            log.info("%s", outcomes[-1])
        return outcomes

    def _undo_file(self, entry: Entry) -> tuple[Undone, str]:
        now = self._sha256(entry.subject)
        if now == entry.sha256_before:
            return Undone.ALREADY, ""
        if now != entry.sha256_after:
            kept = posixpath.join(self.directory, entry.saved) if entry.existed else "no file at all"
            return Undone.LEFT, f"others have changed it since; before all it was {kept}"
        self._put_file_back(entry)
        self._shell(entry.then, f"make {entry.subject} felt")
        return Undone.PUT_BACK, ""

    def _put_file_back(self, entry: Entry) -> None:
        quoted = shlex.quote(entry.subject)
        if entry.existed:
            saved = shlex.quote(posixpath.join(self.directory, entry.saved))
            text = f"""
p=$(readlink -f -- {quoted}) && t=$(umask 077; mktemp -- "$(dirname -- "$p")/.greenplum-expansion.XXXXXX") || exit 1
cp -p -- {saved} "$t" && {{ mv -fT -- "$t" "$p" 2>/dev/null || {{ cat -- "$t" > "$p" && rm -f -- "$t"; }}; }} || exit 1
command -v restorecon >/dev/null && restorecon -- "$p"
exit 0"""
        else:
            made = " ".join(map(shlex.quote, reversed(entry.directories)))
            text = f'rm -f -- {quoted} || exit 1\nfor d in {made}; do rmdir -- "$d" 2>/dev/null; done\nexit 0'
        self.host.run(Script(text, f"put {entry.subject} back"))

    def _undo_state(self, entry: Entry) -> tuple[Undone, str]:
        now = self._probe(entry.probe)
        if now == entry.old.split():
            return Undone.ALREADY, ""
        if now != entry.new.split() and entry.progress is Progress.DONE:
            return Undone.LEFT, f"others have changed it since: it is {' '.join(now)!r}, we left {entry.new!r}"
        if not entry.undo:
            return Undone.LEFT, "there is no way back that is safe to take by itself"
        self._shell(entry.undo, f"take back {entry.subject}")
        return Undone.PUT_BACK, ""

    # --- small ones --------------------------------------------------------------------------------------------------

    def _sha256(self, path: str) -> str:
        """Of a file's content; ``absent`` if there is none."""
        quoted = shlex.quote(path)
        text = f"if [ -e {quoted} ]; then sha256sum < {quoted}; else echo {_ABSENT}; fi"
        return self.host.run(Script(text, f"look at {path}")).stdout.split()[0]

    def _probe(self, probe: str) -> list[str]:
        text = f"export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n( {probe}\n) </dev/null 2>/dev/null"
        return self.host.run(Script(text, "look"), check=False).stdout.split()

    def _is(self, probe: str, wanted: str) -> bool:
        return self._probe(probe) == wanted.split()

    def _shell(self, text: str, name: str) -> None:
        if text:
            self.host.run(
                Script(f"export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n( {text}\n) </dev/null", name),
                timeout=_TIMEOUT,
            )

    def _ensure_directory(self) -> None:
        if not self._has_directory:
            self.host.make_directory(self.directory)
            self._has_directory = True

    def _write(self, entry: Entry) -> None:
        self._ensure_directory()
        changed = self.manifest.with_entry(entry)
        self.host.write_json(posixpath.join(self.directory, _MANIFEST), changed.to_dict())
        self._manifest = changed


# --- which hosts an expansion has prepared ---------------------------------------------------------------------------


def note_prepared(directory: ExpansionDirectory, host: RemoteHost, host_key: str | None, kept_in: str) -> None:
    """Write down, beside the plan on the coordinator, that this host is being prepared, by whom: before it is.

    :param kept_in: where manifests are on that host
    """
    directory.ensure()
    place = {"hostname": host.hostname, "address": host.address, "host_key": host_key}
    note = {**place, "user": host.user, "directory": kept_in}
    directory.hook.coordinator().write_json(directory.file(f"{_NOTE}{host.hostname}.json"), note)


def undo_preparation(directory: ExpansionDirectory) -> list[UndoOutcome]:
    """Take back all that this expansion changed on hosts, old and new, from what was saved there.

    A file or setting is put back only if it is still as we left it. A host that cannot be reached is told like a change
    that was left. May be repeated; an expansion that changed nothing gives an empty list.
    """
    coordinator = directory.hook.coordinator()
    listed = coordinator.run(["ls", "-1", "--", directory.path], check=False).stdout.splitlines()
    outcomes = []
    for name in sorted(line for line in listed if line.startswith(_NOTE) and line.endswith(".json")):
        note = coordinator.read_json(directory.file(name))
        try:
            outcomes += _undo_host(directory, note)
        except ExpansionError as error:
            words = f"{error.cause}; {error.next_action}"
            outcomes.append(UndoOutcome(note["hostname"], "all changes", Undone.LEFT, words))
    return outcomes


def _undo_host(directory: ExpansionDirectory, note: dict[str, Any]) -> list[UndoOutcome]:
    hook, place = directory.hook, (note["hostname"], note["address"])
    own = hook.host(*place, host_key=note["host_key"])
    if note["user"] == own.user:
        host: RemoteHost = own
    else:
        own.close()  # a user who is logged in cannot be deleted
        host = log_in_as_root(hook, *place, note["user"], note["host_key"])
    return PreparedHost(host, directory.expansion_id, note["directory"]).undo()
