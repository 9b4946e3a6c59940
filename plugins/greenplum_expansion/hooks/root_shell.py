"""Commands as root on a host: root's own login, or a login that may use sudo without a password."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import CommandFailed, RemoteHost, Script
from greenplum_expansion.hooks.session import LoginRefused
from greenplum_expansion.hooks.shell import DEFAULT_TIMEOUT, MAX_OUTPUT, NoShell, RawResult

ROOT = "root"


class NoRoot(RemoteError):
    """The host answers, but does not let us become root; what needs root cannot be done."""


class SudoHost(RemoteHost):
    """A host on which every command runs through ``sudo -n``.

    A command that runs out of time may go on there: its processes belong to root, and who logs in cannot end them.
    """

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
        """As for any host; the shell of root reads the script, and what follows it, from the same input."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in (env or {}).items()]
        if cwd:
            lines.append(f"cd -- {shlex.quote(cwd)} || exit 126")
        inside = "\n".join(["{", *lines, script.text, "}; exit", ""]).encode()
        become = Script("exec sudo -n -- env BASH_ENV= ENV= LC_ALL=C LANG=C bash --noprofile --norc -s", script.name)
        return super().run_raw(become, stdin=inside + (stdin or b""), timeout=timeout, max_output=max_output)


def log_in_as_root(
    hook: GreenplumHook, hostname: str, address: str, user: str = ROOT, host_key: str | None = None
) -> RemoteHost:
    """A host on which commands run as root.

    :param user: who logs in
    :raises NoRoot: the login is refused, or is not root and may not become it
    :raises RemoteError: nobody knows, for the host does not answer or the connection broke
    """
    host = hook.host(hostname, address, user, host_key=host_key)
    if user != ROOT:
        host = SudoHost(host.session)
    try:
        said = host.run(["id", "-u"])
    except (LoginRefused, NoShell, CommandFailed) as error:
        raise NoRoot(f"Root on {hostname}", error.cause, _advice(hostname, user)) from error
    if said.stdout.strip() != "0":
        raise NoRoot(f"Root on {hostname}", f"{user} is user {said.stdout.strip()} there", _advice(hostname, user))
    return host


def _advice(hostname: str, user: str) -> str:
    allow = f"let {user} log in to {hostname} with the connection's key"
    return allow if user == ROOT else f"{allow} and use sudo without a password"
