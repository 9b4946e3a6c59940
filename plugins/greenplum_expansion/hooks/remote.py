"""A host on which commands run and small files are read whole and written atomically.

Files are text, bytes, JSON, or rows as gzipped JSON lines. Everything goes through the shell: SFTP is switched off on
hardened hosts, a shell never is.
"""

from __future__ import annotations

import gzip
import json
import posixpath
import shlex
import zlib
from collections.abc import Iterable
from typing import Any

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.shell import CommandFailed, CommandResult, RemoteShell, Script

__all__ = ["CommandFailed", "CommandResult", "FileMissing", "RemoteHost", "Script"]

MAX_FILE = 64 * 1024 * 1024  # bytes
_MISSING = 44  # exit codes of our scripts
_SHORT = 45
_UNREADABLE = 46


class FileMissing(RemoteError):
    """The file does not exist (anything else that goes wrong is a plain RemoteError)."""


class RemoteHost(RemoteShell):
    """A host: commands as in RemoteShell, and its files."""

    def exists(self, path: str) -> bool:
        """Whether path exists (file, directory, or a link to one); a directory that may not be entered is an error."""
        quoted = shlex.quote(path)
        # test(1) calls "may not look" and "is not there" the same; stat tells them apart.
        text = (
            f"out=$(stat -L -- {quoted} 2>&1 >/dev/null) && exit 0\n"
            f"case $out in *'No such file'*|*'Not a directory'*) exit {_MISSING};; esac\n"
            "printf '%s\\n' \"$out\" >&2; exit 1"
        )
        result = self.run(Script(text, f"look for {path}"), check=False)
        if result.exit_code not in (0, _MISSING):
            raise self.failure(f"Look for {path}", result)
        return result.ok

    def read_bytes(self, path: str, max_bytes: int = MAX_FILE) -> bytes:
        """The whole file.

        :raises FileMissing: it does not exist
        :raises RemoteError: it cannot be read, or is larger than max_bytes
        """
        quoted = shlex.quote(path)
        text = f"[ -e {quoted} ] || [ -L {quoted} ] || exit {_MISSING}\ncat -- {quoted} || exit {_UNREADABLE}"
        script = Script(text, f"read {path}")
        raw = self.run_raw(script, max_output=max_bytes, timeout=300)
        subject = f"File {path} on {self.hostname}"
        # A directory that may not be entered looks the same; exists() tells.
        if raw.exit_code == _MISSING:
            if not self.exists(path):
                action = "see which step should have written it, and clear that one"
                raise FileMissing(subject, "it does not exist", action)
            # Another task has written it in this moment.
            raw = self.run_raw(script, max_output=max_bytes, timeout=300)
        if raw.exit_code:
            said = raw.stderr.decode("utf-8", "replace").strip()
            raise RemoteError(subject, f"{self.user} cannot read it: {said}", "check owner and permissions")
        return raw.stdout

    def read_text(self, path: str, max_bytes: int = MAX_FILE) -> str:
        """The whole file as UTF-8 text, undecodable bytes replaced. Errors as in read_bytes."""
        return self.read_bytes(path, max_bytes).decode("utf-8", "replace")

    def write_bytes(self, path: str, data: bytes, mode: int = 0o600) -> None:
        """Create or replace a file: readers see the old content or all of the new, whatever breaks meanwhile.

        The directory must exist. A symbolic link is replaced, not followed.

        :raises RemoteError: with what the host said
        """
        directory, name = posixpath.split(path)
        if not name or not directory:
            raise ValueError(f"not an absolute path of a file: {path!r}")
        d, f = shlex.quote(directory), shlex.quote(path)
        # dd syncs the data before the rename, else XFS may leave an empty file after a power cut; and the count is
        # compared, since a broken connection looks like the end of the input.
        text = (
            f"umask 077; t=$(mktemp -- {d}/.new.XXXXXX) || exit 1\n"
            f"trap 'rm -f -- \"$t\"' EXIT\n"
            f'said=$(dd of="$t" bs=65536 conv=fsync 2>&1) || {{ printf \'%s\\n\' "$said" >&2; exit 1; }}\n'
            f'[ "$(stat -c %s -- "$t")" -eq {len(data)} ] || exit {_SHORT}\n'
            f'chmod {mode:o} -- "$t" && mv -fT -- "$t" {f} && trap - EXIT'
        )
        result = self.run(Script(text, f"write {path}"), stdin=data, timeout=300, check=False)
        if result.exit_code == _SHORT:
            cause = f"not all of its {len(data)} bytes arrived; the old file, if any, is unchanged"
            raise RemoteError(f"File {path} on {self.hostname}", cause, "clear the task")
        if not result.ok:
            raise self.failure(f"Write {path}", result, f"check space, owner and permissions of {directory}")

    def write_text(self, path: str, text: str, mode: int = 0o600) -> None:
        """Create or replace a text file (UTF-8) atomically; see write_bytes."""
        self.write_bytes(path, text.encode("utf-8"), mode)

    def make_directory(self, path: str, mode: int = 0o700) -> None:
        """Make a directory and its parents; one that exists keeps its mode.

        :raises RemoteError: with what the host said
        """
        quoted = shlex.quote(path)
        parent = shlex.quote(posixpath.dirname(path.rstrip("/")) or "/")
        text = (
            f"[ -d {quoted} ] || {{ mkdir -p -- {parent} && {{ mkdir -m {mode:o} -- {quoted} || [ -d {quoted} ]; }}; }}"
        )
        result = self.run(Script(text, f"make directory {path}"), check=False)
        if not result.ok:
            raise self.failure(f"Make directory {path}", result, f"let {self.user} create it, or make it by hand")

    def read_json(self, path: str) -> Any:
        """A JSON file. :raises FileMissing, RemoteError: also when it is not JSON."""
        try:
            return json.loads(self.read_text(path))
        except ValueError as error:
            raise RemoteError(
                f"File {path} on {self.hostname}", f"it is not JSON: {error}", "see who changed it"
            ) from error

    def write_json(self, path: str, value: Any, mode: int = 0o600) -> None:
        """Write JSON for people and machines (indented, UTF-8, a newline at the end), atomically."""
        self.write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", mode)

    def read_json_lines(self, path: str) -> list[dict[str, Any]]:
        """Rows of a gzipped JSON lines file. :raises FileMissing, RemoteError: also when it is damaged."""
        try:
            text = gzip.decompress(self.read_bytes(path)).decode("utf-8")
            return [json.loads(line) for line in text.split("\n") if line]
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise RemoteError(
                f"File {path} on {self.hostname}", f"it is damaged: {error}", "see who changed it"
            ) from error

    def write_json_lines(self, path: str, rows: Iterable[dict[str, Any]], mode: int = 0o600) -> None:
        """Write rows as gzipped JSON lines, atomically. Equal rows give equal files (no time in the gzip header)."""
        text = "".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) + "\n" for row in rows)
        self.write_bytes(path, gzip.compress(text.encode("utf-8"), mtime=0), mode)
