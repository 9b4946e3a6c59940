"""How to reach the coordinator, read from an Airflow connection of type "greenplum" and nowhere else."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from greenplum_expansion.errors import InvalidRequest, RemoteError
from greenplum_expansion.hooks.known_hosts import HostKey

# Extras of the connection that are ours; everything else goes to libpq (sslmode, sslrootcert …).
OWN_EXTRAS = frozenset(
    {
        "ssh_host",
        "ssh_port",
        "ssh_user",
        "ssh_key_file",
        "ssh_private_key",
        "ssh_private_key_passphrase",
        "ssh_host_key",
        "ssh_no_host_key_check",
        "gphome",
        "coordinator_data_directory",
    }
)
_BANNER = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]*PRIVATE KEY)-----")


def extra_text(extra: Mapping[str, Any], name: str) -> str | None:
    """An extra as text; what the form left empty (null, "", blanks) is None."""
    value = extra.get(name)
    text = "" if value is None else str(value).strip()
    return text or None


@dataclass(frozen=True)
class SshSettings:
    """The SSH half of a connection. Never serialised; its secrets are not part of its repr."""

    connection_id: str
    host: str
    port: int
    user: str
    key_file: str | None
    host_key: HostKey | None
    no_host_key_check: bool
    private_key: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)

    @classmethod
    def from_connection(
        cls, connection_id: str, host: str | None, login: str | None, extra: Mapping[str, Any]
    ) -> SshSettings:
        """Read and judge the extras, before anything is contacted.

        :param host: the connection's SQL host, also the SSH host unless ``ssh_host`` is given
        :param login: the connection's SQL user, also the SSH user unless ``ssh_user`` is given
        :raises InvalidRequest: naming the extra, what is wrong with it and how to mend it
        """
        subject = f"Connection {connection_id}"
        ssh_host = extra_text(extra, "ssh_host") or (host or "").strip()
        if not ssh_host:
            raise InvalidRequest(subject, "neither host nor ssh_host is given", "enter the coordinator's address")
        port_text = extra_text(extra, "ssh_port") or "22"
        if not port_text.isdigit() or not 1 <= int(port_text) <= 65535:
            raise InvalidRequest(
                subject, f"ssh_port is {port_text!r}", "enter a port from 1 to 65535, or leave it empty"
            )
        key_file = extra_text(extra, "ssh_key_file")
        private_key = extra_text(extra, "ssh_private_key")
        if key_file and private_key:
            raise InvalidRequest(subject, "ssh_key_file and ssh_private_key are both given", "keep one of them")
        if not key_file and not private_key:
            cause = "it has no SSH key: ssh_key_file and ssh_private_key are both empty"
            raise InvalidRequest(subject, cause, "enter the path of the private key on the workers, or the key itself")
        unchecked = (extra_text(extra, "ssh_no_host_key_check") or "false").lower() in ("true", "1", "yes", "on")
        host_key = None
        if line := extra_text(extra, "ssh_host_key"):
            try:
                host_key = HostKey.parse(line)
            except ValueError as error:
                command = "cat /etc/ssh/ssh_host_ed25519_key.pub"
                raise InvalidRequest(
                    subject,
                    f"ssh_host_key cannot be read: {error}",
                    f"paste what '{command}' prints on the coordinator",
                ) from error
            if unchecked:
                cause = "ssh_host_key is given and ssh_no_host_key_check is true"
                raise InvalidRequest(subject, cause, "keep the host key and clear ssh_no_host_key_check")
        return cls(
            connection_id=connection_id,
            host=ssh_host,
            port=int(port_text),
            user=extra_text(extra, "ssh_user") or (login or "").strip() or getpass.getuser(),
            key_file=key_file,
            host_key=host_key,
            no_host_key_check=unchecked,
            private_key=_restore_lines(private_key) if private_key else None,
            passphrase=extra_text(extra, "ssh_private_key_passphrase"),
        )

    def key_text(self) -> str:
        """The private key; :raises RemoteError: when its file cannot be read."""
        if self.private_key is not None:
            return self.private_key
        path = Path(self.key_file or "").expanduser()
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a text file"
            raise RemoteError(
                f"SSH key file {path}",
                f"{reason} (connection {self.connection_id}, read as {getpass.getuser()})",
                "correct ssh_key_file in the connection, or make the file readable on every worker and triggerer",
            ) from error

    def secrets(self) -> tuple[str, ...]:
        """What must never appear in a message."""
        return tuple(value for value in (self.private_key, self.passphrase) if value)


def load_private_key(settings: SshSettings) -> paramiko.PKey:
    """The private key as paramiko wants it.

    :raises RemoteError: unreadable file, not a private key, wrong or missing passphrase, unsupported type
    """
    text = settings.key_text()
    subject = f"SSH key of connection {settings.connection_id}"
    source = f"file {settings.key_file}" if settings.key_file else "ssh_private_key"
    if "PRIVATE KEY-----" not in text:
        what = "a public key" if text.lstrip().startswith(("ssh-", "ecdsa-")) else "no private key"
        raise RemoteError(subject, f"{source} holds {what}", "give the private half, it begins with '-----BEGIN'")
    password = settings.passphrase.encode() if settings.passphrase else None
    loaded: object
    try:
        try:
            loaded = serialization.load_ssh_private_key(text.encode(), password=password)
        except ValueError as error:
            if "OPENSSH" in text.partition("\n")[0]:  # a wrong passphrase, or damage; PEM would only blur the reason
                raise error
            loaded = serialization.load_pem_private_key(text.encode(), password=password)
    except TypeError as error:  # cryptography's way to say that a passphrase is missing, or given for nothing
        cause = f"{source} is encrypted and ssh_private_key_passphrase is empty"
        if password:
            cause = f"{source} is not encrypted, but ssh_private_key_passphrase is set"
        raise RemoteError(subject, cause, "correct ssh_private_key_passphrase in the connection") from error
    except Exception as error:  # cryptography raises half a dozen types here, all meaning "unreadable"
        cause = f"{source} cannot be read" + (" with the passphrase given" if password else "")
        raise RemoteError(subject, cause, "check it with 'ssh-keygen -yf FILE' on the worker") from error
    classes: dict[type, type[paramiko.PKey]] = {
        rsa.RSAPrivateKey: paramiko.RSAKey,
        ed25519.Ed25519PrivateKey: paramiko.Ed25519Key,
        ec.EllipticCurvePrivateKey: paramiko.ECDSAKey,
    }
    for kind, key_class in classes.items():
        if isinstance(loaded, kind):
            return key_class.from_private_key(StringIO(text), password=settings.passphrase)
    raise RemoteError(subject, f"{source} is of an unsupported type", "use an Ed25519, ECDSA or RSA key")


def _restore_lines(key: str) -> str:
    """Give a pasted key its lines back: one-line form fields turn newlines into blanks, JSON into a literal ``\\n``."""
    if "\n" not in key:
        key = key.replace("\\r", "").replace("\\n", "\n")
    if "\n" not in key and len(banners := list(_BANNER.finditer(key))) == 2:
        body = key[banners[0].end() : banners[1].start()].split()
        key = "\n".join([banners[0].group(), *body, banners[1].group()])
    return key.replace("\r\n", "\n").rstrip("\n") + "\n"
