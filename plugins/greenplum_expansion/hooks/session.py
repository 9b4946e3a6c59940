"""One authenticated SSH connection to one host: opened when needed, reopened when broken, every failure in words."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.known_hosts import HostKey, HostKeyFact, Trust
from greenplum_expansion.hooks.settings import SshSettings, load_private_key

log = logging.getLogger(__name__)
# paramiko logs every channel and failure; the failures are raised in words, the rest helps nobody.
_PARAMIKO_LOG = f"{__name__}.paramiko"
logging.getLogger(_PARAMIKO_LOG).setLevel(logging.CRITICAL)

CONNECT_TIMEOUT = 15.0  # seconds for TCP, and again for banner and key exchange
AUTH_TIMEOUT = 30.0  # PAM with a directory service can be slow
KEEPALIVE = 15  # seconds; noticed by paramiko when the peer is gone
# sshd drops connections at random beyond MaxStartups (10:30:100); that passes within seconds.
_ATTEMPTS = 4
_pause = time.sleep


@dataclass(frozen=True)
class Target:
    """Where to log in. ``address`` is resolved by the worker for the coordinator, by the coordinator for others."""

    hostname: str
    address: str
    user: str
    port: int = 22

    def __str__(self) -> str:
        where = self.hostname if self.hostname == self.address else f"{self.hostname} ({self.address})"
        return where if self.port == 22 else f"{where} port {self.port}"


@dataclass(frozen=True)
class Expected:
    """Which host keys are believed.

    :param pinned: only this one
    :param known: from known_hosts; empty means the host is unknown
    :param revoked: never these
    :param accept_unknown: believe an unknown host (once: it is held to that key from then on)
    :param accepted: the key an unknown host was accepted with before, maybe by another session to it
    :param source: where ``pinned`` or ``known`` come from, for messages
    """

    pinned: HostKey | None = None
    known: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()
    accept_unknown: bool = False
    accepted: HostKey | None = None
    unchecked: bool = False
    source: str = ""
    remedy: str = ""


class LoginRefused(RemoteError):
    """The host was reached and believed, but does not let this user in with this key."""


class _Transient(Exception):
    """The connection broke before the server had said anything final; worth another attempt."""


class SshSession:
    """A connection to one host, direct or through another session.

    Safe for several threads: each command has its own channel.

    :param settings: key and passphrase (of the Airflow connection)
    :param target: host, port and user
    :param via: the session to jump through (the coordinator's), or None for a direct connection
    :param expected: called at every connect; which host keys are believed
    """

    def __init__(
        self,
        settings: SshSettings,
        target: Target,
        expected: Callable[[], Expected],
        via: SshSession | None = None,
    ) -> None:
        self.settings = settings
        self.target = target
        self._expected = expected
        self._via = via
        self._transport: paramiko.Transport | None = None
        self._fact: HostKeyFact | None = None
        self._lock = threading.RLock()
        self._opening = threading.Lock()

    @property
    def accepted_key(self) -> HostKey | None:
        """The key this session's host was accepted with although nobody knew it; connects nothing."""
        return self._fact.key if self._fact and self._fact.trust is Trust.ACCEPTED else None

    @property
    def host_key(self) -> HostKeyFact:
        """The key the host presented and why it was believed; connects if necessary."""
        self.transport()
        assert self._fact is not None
        return self._fact

    def transport(self) -> paramiko.Transport:
        """The live transport; connects, or reconnects a broken one.

        :raises RemoteError: subject names host and user, cause the one thing that is wrong
        """
        with self._lock:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            self.close()
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._transport = self._open()
                    return self._transport
                except _Transient as error:
                    if attempt == _ATTEMPTS:
                        raise self._error(
                            f"the connection was cut before the login, {attempt} times ({error})",
                            "look at sshd's log there; too small a MaxStartups is a usual reason",
                        ) from error
                    log.info("SSH connection to %s was cut before the login, trying again", self.target)
                    _pause(0.3 * 2**attempt)
        raise AssertionError("unreachable")

    def is_alive(self) -> bool:
        """Whether the connection stands at this moment; connects nothing."""
        return self._transport is not None and self._transport.is_active()

    def open_channel(
        self, kind: str, destination: tuple[str, int] | None = None, timeout: float = CONNECT_TIMEOUT
    ) -> paramiko.Channel:
        """A new channel; one at a time, since paramiko mixes up the errors of openings that overlap.

        :param kind: "session" for a command, "direct-tcpip" for a connection to destination
        :raises RemoteError: no connection
        :raises paramiko.ChannelException: the server refuses this channel; the connection is well
        :raises paramiko.SSHException, EOFError: no answer in time, or the connection broke
        """
        with self._opening:
            source = ("127.0.0.1", 0) if destination else None
            return self.transport().open_channel(kind, dest_addr=destination, src_addr=source, timeout=timeout)

    def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        with self._lock:
            if self._transport is not None:
                self._transport.close()
                self._transport = None

    def _error(self, cause: str, next_action: str) -> RemoteError:
        through = f" through {self._via.target}" if self._via else ""
        return RemoteError(f"SSH to {self.target} as {self.target.user}{through}", cause, next_action)

    def _refused(self, cause: str, next_action: str) -> LoginRefused:
        error = self._error(cause, next_action)
        return LoginRefused(error.subject, error.cause, error.next_action)

    def _open(self) -> paramiko.Transport:
        expected = self._expected()
        key = load_private_key(self.settings)
        transport = paramiko.Transport(self._socket())
        try:
            transport.set_log_channel(_PARAMIKO_LOG)
            transport.banner_timeout = CONNECT_TIMEOUT
            transport.auth_timeout = AUTH_TIMEOUT
            transport.set_keepalive(KEEPALIVE)
            _prefer(transport, expected)
            try:
                transport.start_client(timeout=CONNECT_TIMEOUT)
            except (EOFError, ConnectionError) as error:
                raise _Transient(str(error) or type(error).__name__) from error
            except paramiko.SSHException as error:
                # paramiko wraps a reset in "Error reading SSH protocol banner"; a foreign server gives the same text
                if isinstance(error.__context__, (EOFError, ConnectionError)) or "banner" in str(error):
                    raise _Transient(str(error)) from error
                action = "check that an SSH server answers at this port"
                raise self._error(f"no SSH connection could be negotiated ({error})", action) from error
            presented = HostKey.of(transport.get_remote_server_key())
            fact = HostKeyFact(self.target.hostname, presented, self._judge(presented, expected))
            self._log_in(transport, key)
        except BaseException:
            transport.close()
            raise
        self._fact = fact
        return transport

    def _socket(self) -> socket.socket | paramiko.Channel:
        address = (self.target.address, self.target.port)
        if self._via is not None:
            try:
                return self._via.open_channel("direct-tcpip", address, CONNECT_TIMEOUT)
            except paramiko.ChannelException as error:
                if error.code == 1:  # administratively prohibited
                    cause = f"sshd on {self._via.target} forbids forwarding"
                    action = "set 'AllowTcpForwarding local' (or yes) in its sshd_config for this user and reload sshd"
                    raise self._error(cause, action) from error
                cause = f"{self._via.target} cannot connect to {address[0]} port {address[1]}"
                action = "check name, address, network and sshd of the host (from the coordinator, not from here)"
                raise self._error(cause, action) from error
            except (paramiko.SSHException, EOFError, OSError) as error:
                # The coordinator's own connection is left alone: other threads use it, and it reopens when it is dead.
                cause = f"{self._via.target} did not get through to it within {CONNECT_TIMEOUT:g} s"
                if not self._via.is_alive():
                    cause = f"the connection to {self._via.target} was lost"
                raise self._error(cause, "check that the host is up and reachable from the coordinator") from error
        try:
            return socket.create_connection(address, timeout=CONNECT_TIMEOUT)
        except socket.gaierror as error:
            action = "correct ssh_host (or host) in the connection"
            raise self._error(f"the name {address[0]!r} cannot be resolved", action) from error
        except ConnectionRefusedError as error:
            cause = f"{address[0]} port {address[1]} refused the connection"
            raise self._error(cause, "check that sshd runs there and that ssh_port is right") from error
        except TimeoutError as error:
            cause = f"{address[0]} port {address[1]} did not answer within {CONNECT_TIMEOUT:g} s"
            raise self._error(cause, "check that the host is up and no firewall lies between") from error
        except OSError as error:
            action = "check the network between the Airflow worker and the host"
            raise self._error(f"{error.strerror or error}", action) from error

    def _judge(self, presented: HostKey, expected: Expected) -> Trust:
        shown = f"{presented.key_type} {presented.fingerprint}"
        if presented in expected.revoked:
            raise self._error(f"its host key {shown} is marked @revoked", "find out why before anything else")
        if expected.unchecked:
            log.warning("Host key of %s is not checked (ssh_no_host_key_check): %s", self.target, shown)
            return Trust.UNCHECKED
        believed = (expected.pinned,) if expected.pinned else expected.known
        if presented in believed:
            return Trust.PINNED if expected.pinned else Trust.KNOWN_HOSTS
        if believed:
            wanted = ", ".join(f"{key.key_type} {key.fingerprint}" for key in believed)
            cause = f"it presented the host key {shown}, but {expected.source} says {wanted}"
            raise self._error(cause, expected.remedy)
        if expected.accepted and expected.accepted != presented:
            cause = f"it presented the host key {shown}, a moment ago it was {expected.accepted.fingerprint}"
            raise self._error(cause, "find out which of two machines answers at this address")
        if expected.accept_unknown:
            if not expected.accepted:
                log.warning("Host key of %s was unknown and is accepted: %s", self.target, shown)
            return Trust.ACCEPTED
        cause = f"its host key is not known; it presented {shown}"
        raise self._error(cause, f"{expected.remedy} (presented: {presented.line})")

    def _log_in(self, transport: paramiko.Transport, key: paramiko.PKey) -> None:
        user = self.target.user
        shown = f"{key.get_name()} {key.fingerprint}"
        try:
            missing = transport.auth_publickey(user, key)
        except paramiko.BadAuthenticationType as error:
            cause = f"sshd does not take keys, only {', '.join(error.allowed_types)}"
            raise self._refused(cause, "set 'PubkeyAuthentication yes' in its sshd_config") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            # paramiko calls it an authentication failure, too, if the server goes down or falls silent meanwhile.
            broke_off = any(sign in str(error) for sign in ("EOF", "timeout"))
            if isinstance(error, paramiko.AuthenticationException) and not broke_off:
                action = f"add the public half of the key to ~{user}/.ssh/authorized_keys there, or correct key or user"
                raise self._refused(f"sshd refused the key {shown}", action) from error
            cause = f"the login broke off ({error or type(error).__name__})"
            raise self._error(cause, "look at sshd's log there") from error
        if missing:
            cause = f"the key {shown} was taken, but sshd also wants {', '.join(missing)}"
            raise self._refused(cause, "exempt this user from the second factor (AuthenticationMethods publickey)")


def _prefer(transport: paramiko.Transport, expected: Expected) -> None:
    """Ask first for a key of a type we can compare: a server with three keys presents the one we know."""
    known = [key.key_type for key in ((expected.pinned,) if expected.pinned else expected.known)]
    wanted = [name for kind in known for name in (("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,))]
    options = transport.get_security_options()
    offered = list(options.key_types)
    first = [name for name in dict.fromkeys(wanted) if name in offered]
    options.key_types = tuple(first + [name for name in offered if name not in first])
