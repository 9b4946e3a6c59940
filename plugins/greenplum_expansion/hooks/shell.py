"""Commands on one host, over SSH: quoted, bounded in time and size, the same whatever the login shell is.

What travels is one line for the login shell (``exec env … bash --noprofile --norc -s``) and a script on bash's standard
input. So no quoting rule of csh or fish matters, nothing secret shows in ``ps``, and what a ``.bashrc`` prints is cut
off at a mark that the script prints first. bash reads a pipe byte by byte: what follows the script is the command's
input.
"""

from __future__ import annotations

import re
import secrets
import selectors
import shlex
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import paramiko

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.busy import BUSY
from greenplum_expansion.hooks.known_hosts import HostKeyFact
from greenplum_expansion.hooks.session import SshSession

DEFAULT_TIMEOUT = 60.0  # seconds for a whole command
MAX_OUTPUT = 16 * 1024 * 1024  # bytes of stdout and of stderr, each
SHELL = "exec env BASH_ENV= ENV= LC_ALL=C LANG=C bash --noprofile --norc -s"
_QUIET_AFTER_EXIT = 3.0  # seconds without output after the exit code: then a background process holds the pipe
_CHANNEL_PATIENCE = 60.0  # seconds to wait for a free channel
_KILL_AFTER = 3  # seconds between SIGTERM and SIGKILL for a command that ran out of time
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Script:
    """A bash script, written by us; every value in it went through ``shlex.quote``.

    :param text: one or more lines
    :param name: what it does, for messages ("read known_hosts")
    """

    text: str
    name: str = "script"


@dataclass(frozen=True)
class CommandResult:
    """How a command ended. ``stdout`` and ``stderr`` are text, undecodable bytes replaced."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Exit code 0."""
        return self.exit_code == 0


class CommandFailed(RemoteError):
    """A command ended with an exit code other than 0."""

    def __init__(self, subject: str, cause: str, next_action: str, result: CommandResult | None = None) -> None:
        super().__init__(subject, cause, next_action)
        self.result = result

    def __reduce__(self) -> tuple[type[CommandFailed], tuple[str, str, str, CommandResult | None]]:  # type: ignore[override]
        """Survive pickling together with the result."""
        return type(self), (self.subject, self.cause, self.next_action, self.result)


class NoShell(RemoteError):
    """The login succeeded, but no command may run: nologin, a forced command, no bash."""


@dataclass(frozen=True)
class RawResult:
    """How a command ended, in bytes."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float


class Envelope:
    """A script wrapped so that its output can be told from what a login shell prints, and its processes be found."""

    def __init__(self, script: str, env: Mapping[str, str] | None = None, cwd: str | None = None) -> None:
        for name in env or {}:
            if not _VARIABLE.match(name):
                raise ValueError(f"{name!r} is not the name of an environment variable")
        self.mark = f"greenplum-expansion-{secrets.token_hex(8)}"
        exports = [f"export {name}={shlex.quote(value)}" for name, value in (env or {}).items()]
        # Fields of /proc/PID/stat behind the command's name: state, parent, process group.
        # The group is told only when it is ours: a server that does not call setsid() shares its own with us.
        lines = [
            '{ read -r _s </proc/$$/stat; _s=${_s##*) }; set -- $_s; [ "$3" = $$ ] || set -- 0 0 0',
            f"printf '%s %s\\n' {self.mark} \"$3\"; printf '%s\\n' {self.mark} >&2; set --; unset _s",
            *exports,
            *([f"cd -- {shlex.quote(cwd)} || exit 126"] if cwd else []),
            script,
            "}; exit",
        ]
        self.text = ("\n".join(lines) + "\n").encode()
        self._mark_line = re.compile(re.escape(self.mark.encode()) + rb"(?: (\d+))?\n")

    def group(self, stdout: bytes | bytearray) -> int | None:
        """The process group to kill; None: not known (yet), or not safe to kill."""
        match = self._mark_line.search(stdout)
        return int(match.group(1) or 0) or None if match else None

    def open(self, output: bytes | bytearray) -> bytes | None:
        """What the script printed; None when it never ran."""
        match = self._mark_line.search(output)
        return bytes(output[match.end() :]) if match else None


class RemoteShell:
    """A host on which commands run.

    :param session: the SSH connection; opened at the first use, reopened when broken
    """

    def __init__(self, session: SshSession) -> None:
        self.session = session

    @property
    def hostname(self) -> str:
        """The host's name, as in the catalog."""
        return self.session.target.hostname

    @property
    def address(self) -> str:
        """The address it is reached at."""
        return self.session.target.address

    @property
    def user(self) -> str:
        """The operating system user commands run as."""
        return self.session.target.user

    @property
    def host_key(self) -> HostKeyFact:
        """The key the host presented and why it was believed; connects if necessary."""
        return self.session.host_key

    def close(self) -> None:
        """Close the SSH connection; the next command opens a new one."""
        self.session.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.user}@{self.session.target}>"

    def run(
        self,
        command: Sequence[str] | Script,
        *,
        stdin: str | bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        setup: str = "",
        max_output: int = MAX_OUTPUT,
    ) -> CommandResult:
        """Run a command and wait for its end.

        :param command: the argument vector (quoted here), or a Script
        :param stdin: what the command reads; None is an empty input, never a terminal
        :param timeout: seconds for the whole command; then its process group is killed and RemoteError raised
        :param check: raise CommandFailed unless the exit code is 0
        :param env: exported before; locale is C unless given here
        :param setup: trusted shell lines to run before (``CoordinatorEnvironment.setup``)
        :param max_output: bytes of stdout or stderr beyond which the command is killed and RemoteError raised
        :raises RemoteError: no connection, no bash, timeout, too much output, connection lost midway
        """
        name, body = _body(command)
        raw = self.run_raw(
            Script("\n".join(part for part in (setup, body) if part), name),
            stdin=stdin.encode() if isinstance(stdin, str) else stdin,
            timeout=timeout,
            env=env,
            cwd=cwd,
            max_output=max_output,
        )
        result = CommandResult(
            raw.exit_code, raw.stdout.decode("utf-8", "replace"), raw.stderr.decode("utf-8", "replace"), raw.seconds
        )
        if check and not result.ok:
            raise self.failure(name, result)
        return result

    def failure(self, name: str, result: CommandResult, next_action: str | None = None) -> CommandFailed:
        """The error for a command that ended badly: exit code and the last lines of what it said."""
        said = self.redact((result.stderr.strip() or result.stdout.strip())[-1500:].strip())
        quoted = f": {said}" if said else ", without a word"
        action = (
            next_action or f"mend what it names, then clear the task; as {self.user} on {self.hostname} try it by hand"
        )
        return CommandFailed(f"{name} on {self.hostname}", f"exit code {result.exit_code}{quoted}", action, result)

    def redact(self, text: str) -> str:
        """Hide the connection's secrets."""
        for secret in self.session.settings.secrets():
            text = text.replace(secret.strip(), "***")
        return text

    def run_raw(
        self,
        script: Script,
        *,
        stdin: bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        max_output: int = MAX_OUTPUT,
    ) -> RawResult:
        """Like run, in bytes and without judging the exit code."""
        envelope = Envelope(script.text, env, cwd)
        started = time.monotonic()
        subject = f"{script.name} on {self.hostname}"
        with BUSY, self._channel(subject) as channel:
            out, err = bytearray(), bytearray()
            try:
                channel.exec_command(SHELL)
                self._pump(channel, envelope.text + (stdin or b""), out, err, started + timeout, max_output)
            except TimeoutError as error:
                killed = self._kill(envelope, out)
                tail = "it was killed" if killed else "it may still be running"
                cause = f"not finished after {timeout:g} s; {tail}"
                raise RemoteError(subject, cause, f"find out on {self.hostname} what it waits for") from error
            except OverflowError as error:
                self._kill(envelope, out)
                cause = f"it printed more than {max_output} bytes and was stopped"
                raise RemoteError(
                    subject, cause, f"run it on {self.hostname} by hand and look at its output"
                ) from error
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise self._lost(subject, error) from error
            exit_code = channel.recv_exit_status() if channel.exit_status_ready() else -1
        if exit_code == -1 and not self.session.is_alive():
            raise self._lost(subject, None)
        stdout, stderr = envelope.open(out), envelope.open(err)
        if stdout is None or stderr is None:
            said = self.redact(bytes(err or out)[-300:].decode("utf-8", "replace").strip()) or "nothing"
            # Without an exit code it did not end by itself: the host may be going down.
            raise (RemoteError if exit_code == -1 else NoShell)(
                f"Login shell of {self.user} on {self.hostname}",
                f"bash did not start; exit code {exit_code}, it said: {said}",
                "see that bash is installed and that this user may run commands (no nologin, no forced command)",
            )
        return RawResult(exit_code, stdout, stderr, time.monotonic() - started)

    def _channel(self, subject: str) -> paramiko.Channel:
        deadline = time.monotonic() + _CHANNEL_PATIENCE
        reconnected = False
        while True:
            try:
                return self.session.open_channel("session", timeout=30)
            except (paramiko.SSHException, EOFError, OSError) as error:
                if isinstance(error, paramiko.ChannelException):
                    # sshd has MaxSessions (10) commands at work on this connection; one of them will end.
                    if time.monotonic() < deadline:
                        time.sleep(0.1)
                        continue
                elif not reconnected:
                    # Broken, or silent for 30 s. Nothing was started yet: a second attempt on a new connection is safe.
                    reconnected = True
                    self.session.close()
                    continue
                raise RemoteError(
                    subject,
                    f"no channel could be opened to {self.session.target} ({error or type(error).__name__})",
                    "look at sshd's log there (MaxSessions, memory, reboot)",
                ) from error

    def _lost(self, subject: str, error: BaseException | None) -> RemoteError:
        reason = f" ({error})" if error and str(error) else ""
        return RemoteError(
            subject,
            f"the SSH connection to {self.session.target} was lost while it ran{reason}; how it ended is not known",
            "see that the host is up, then clear the task: it looks at the state first",
        )

    def _pump(
        self, channel: paramiko.Channel, data: bytes, out: bytearray, err: bytearray, deadline: float, max_output: int
    ) -> None:
        """Feed stdin, collect stdout and stderr until both end.

        The exit code may overtake the last output, so the end of the streams is what counts; a background process may
        hold them open for ever, so silence after the exit code ends it, too.
        """
        channel.setblocking(False)
        to_send = memoryview(data)
        quiet_since = time.monotonic()
        selector = selectors.DefaultSelector()  # select() refuses descriptors above 1023
        selector.register(channel, selectors.EVENT_READ)
        while True:
            moved = False
            if to_send and not channel.closed:
                if channel.send_ready():
                    try:
                        to_send = to_send[channel.send(bytes(to_send[:65536])) :]
                        moved = True
                    except socket.timeout:  # noqa: UP041  # the window is full; paramiko raises its own alias
                        moved = False
                    except OSError:  # the command ended without reading everything; its exit code says the rest
                        to_send = memoryview(b"")
                if not to_send:
                    channel.shutdown_write()
            if channel.recv_ready():
                out += channel.recv(262144)
                moved = True
            if channel.recv_stderr_ready():
                err += channel.recv_stderr(262144)
                moved = True
            if len(out) > max_output + 4096 or len(err) > max_output + 4096:
                raise OverflowError
            now = time.monotonic()
            if moved:
                quiet_since = now
                if now < deadline:
                    continue
            drained = not channel.recv_ready() and not channel.recv_stderr_ready()
            if drained and (channel.closed or (channel.eof_received and channel.exit_status_ready())):
                return
            if channel.exit_status_ready() and now - quiet_since > _QUIET_AFTER_EXIT:
                return
            if now >= deadline:
                raise TimeoutError
            # The descriptor only tells of input; while output waits for its window, look again soon.
            wait = 0.01 if to_send or channel.exit_status_ready() else 0.5
            selector.select(max(0.0, min(wait, deadline - now)))

    def _kill(self, envelope: Envelope, out: bytearray) -> bool:
        """End the process group of a command that ran out of time; True when that is certain."""
        group = envelope.group(out)
        if group is None:
            return False
        # kill -0 would also find zombies, and in a container the first process may never reap them.
        text = (
            "exec 2>/dev/null\n"
            "lives() { for f in /proc/[0-9]*/stat; do read -r s <$f || continue; set -- ${s##*) }\n"
            f'[ "$3" = {group} ] && [ "$1" != Z ] && return 0; done; return 1; }}\n'
            f"kill -TERM -- -{group}\n"
            f"for _ in $(seq {_KILL_AFTER * 5}); do lives || exit 0; sleep 0.2; done\n"
            f"kill -KILL -- -{group}; exit 0"
        )
        try:
            self.run_raw(Script(text, "kill"), timeout=10)
        except RemoteError:
            return False
        return True


def _body(command: Sequence[str] | Script) -> tuple[str, str]:
    if isinstance(command, Script):
        return command.name, command.text
    if isinstance(command, str) or not command:
        raise TypeError("a command is a non-empty sequence of arguments or a Script, never one string")
    for argument in command:
        if "\0" in argument:
            raise ValueError("an argument holds a NUL byte")
    return command[0].rpartition("/")[2], shlex.join(command)
