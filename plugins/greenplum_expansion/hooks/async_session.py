"""The coordinator over asyncssh, for triggers: the same settings, scripts and trust as in session.py and shell.py."""

from __future__ import annotations

import asyncio
import logging
import time

import asyncssh
from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.session import AUTH_TIMEOUT, CONNECT_TIMEOUT, KEEPALIVE
from greenplum_expansion.hooks.settings import SshSettings
from greenplum_expansion.hooks.shell import SHELL, Envelope, RawResult, Script

# asyncssh tells of every channel, five lines a look; a failure is raised in words. A level somebody chose is kept.
if logging.getLogger("asyncssh").level == logging.NOTSET:
    logging.getLogger("asyncssh").setLevel(logging.WARNING)


async def read_settings(connection_id: str) -> SshSettings:
    """The SSH half of an Airflow connection.

    :raises InvalidRequest: naming what is wrong in it
    :raises RemoteError: Airflow does not give it out, for the moment (API server restarting) or for good (deleted)
    """
    try:
        connection = await get_async_connection(connection_id)
        extra = await get_async_extra_dejson(connection)
    except Exception as error:  # whatever a secrets backend raises; a running job is no reason to give up at once
        action = "see that the connection exists and the API server or secrets backend answers"
        raise RemoteError(f"Connection {connection_id}", f"Airflow did not give it out: {error}", action) from error
    return SshSettings.from_connection(connection_id, connection.host, connection.login, extra)


async def connect(settings: SshSettings) -> asyncssh.SSHClientConnection:
    """Log in to the coordinator; the caller closes the connection.

    :raises RemoteError: subject names host and user, cause the one thing that is wrong
    """
    where = settings.host if settings.port == 22 else f"{settings.host} port {settings.port}"
    subject = f"SSH to {where} as {settings.user}"
    if settings.host_key is None and not settings.no_host_key_check:
        raise RemoteError(subject, "the connection has no ssh_host_key", "enter it; 'Test connection' shows the key")
    try:
        key = asyncssh.import_private_key(settings.key_text(), settings.passphrase)
        trusted = None if settings.host_key is None else [asyncssh.import_public_key(settings.host_key.line)]
        return await asyncssh.connect(
            settings.host,
            settings.port,
            username=settings.user,
            client_keys=[key],
            known_hosts=None if trusted is None else (trusted, [], []),
            config=None,  # nothing of the triggerer's own user
            agent_path=None,
            preferred_auth="publickey",
            connect_timeout=CONNECT_TIMEOUT,
            login_timeout=AUTH_TIMEOUT,
            keepalive_interval=KEEPALIVE,
            keepalive_count_max=4,
        )
    except asyncssh.HostKeyNotVerifiable as error:
        fingerprint = settings.host_key.fingerprint if settings.host_key else ""
        cause = f"the host key it presented is not the one in the connection ({fingerprint})"
        action = "compare it on the coordinator with 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub'"
        raise RemoteError(subject, cause, action) from error
    except asyncssh.PermissionDenied as error:
        action = f"add the public half of the key to ~{settings.user}/.ssh/authorized_keys there"
        raise RemoteError(subject, "sshd refused the key", action) from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        cause = f"the private key cannot be read: {error}"
        raise RemoteError(subject, cause, "correct key and passphrase in the connection") from error
    except (asyncssh.Error, OSError, TimeoutError) as error:
        cause = str(error) or type(error).__name__
        raise RemoteError(subject, cause, "check that the host is up and sshd answers") from error


async def run(
    connection: asyncssh.SSHClientConnection, script: Script, host: str, seconds: float, max_output: int
) -> RawResult:
    """Run a script as ``RemoteShell.run_raw`` does.

    :param host: its name, for messages
    :param seconds: for the whole script; then the channel is closed
    :raises RemoteError: timeout, connection lost, too much output, no bash
    """
    envelope = Envelope(script.text)
    subject = f"{script.name} on {host}"
    started = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            result = await connection.run(SHELL, input=envelope.text, encoding=None, check=False)
    except TimeoutError as error:
        raise RemoteError(subject, f"not finished after {seconds:g} s", "see whether the host is overloaded") from error
    except (asyncssh.Error, OSError) as error:
        cause = f"the SSH connection was lost ({error or type(error).__name__})"
        raise RemoteError(subject, cause, "see that the host is up") from error
    out, err = _bytes(result.stdout), _bytes(result.stderr)
    if len(out) > max_output + 4096:
        raise RemoteError(subject, f"it printed more than {max_output} bytes", "look at the job's directory")
    stdout, stderr = envelope.open(out), envelope.open(err)
    if stdout is None or stderr is None:
        said = (err or out)[-300:].decode("utf-8", "replace").strip() or "nothing"
        raise RemoteError(subject, f"bash did not start; it said: {said}", "see that the user may run commands")
    status = -1 if result.exit_status is None else result.exit_status
    return RawResult(status, stdout, stderr, time.monotonic() - started)


def _bytes(output: bytes | str | None) -> bytes:
    """asyncssh's type says "or text", which it is only with an encoding."""
    return output.encode() if isinstance(output, str) else output or b""
