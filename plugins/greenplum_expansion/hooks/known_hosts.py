"""Host keys: read as people paste them, compared as OpenSSH compares them, named by their fingerprint."""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import paramiko
from paramiko.hostkeys import HostKeyEntry, HostKeys, InvalidHostKey
from paramiko.pkey import UnknownKeyType

# UnknownKeyType is no SSHException; binascii's errors are ValueErrors.
_UNREADABLE = (paramiko.SSHException, UnknownKeyType, ValueError)


class Trust(StrEnum):
    """Why a host key was believed."""

    PINNED = "pinned"  # the caller or the connection named it
    KNOWN_HOSTS = "known_hosts"  # the coordinator's user knows it
    ACCEPTED = "accepted"  # nobody knew it; believed for as long as the hook lives
    UNCHECKED = "unchecked"  # the connection says ssh_no_host_key_check


@dataclass(frozen=True)
class HostKey:
    """A public host key.

    :param key_type: OpenSSH's name ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
    :param base64: the key itself
    """

    key_type: str
    base64: str

    @classmethod
    def parse(cls, text: str) -> HostKey:
        """Read ``ssh-ed25519 AAAA…``, also with a comment behind it or a host name before it (``ssh-keyscan``).

        :raises ValueError: with the reason in words
        """
        fields = text.split()
        for index, field in enumerate(fields[:2]):
            if field.startswith(("ssh-", "ecdsa-", "sk-")) and len(fields) > index + 1:
                key = cls(field, fields[index + 1])
                key.public_key()
                return key
        raise ValueError("it is not of the form 'ssh-ed25519 AAAA…'")

    @classmethod
    def of(cls, key: paramiko.PKey) -> HostKey:
        """The key a server presented."""
        return cls(key.get_name(), key.get_base64())

    def public_key(self) -> paramiko.PKey:
        """The key as paramiko wants it; :raises ValueError: when its type or its data is wrong."""
        try:
            data = binascii.a2b_base64(self.base64.encode("ascii"), strict_mode=True)
            return paramiko.PKey.from_type_string(self.key_type, data)
        except (*_UNREADABLE, IndexError) as error:
            raise ValueError(f"the key data behind {self.key_type!r} is damaged or of an unsupported type") from error

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -lf`` prints it: ``SHA256:…``."""
        return str(self.public_key().fingerprint)

    @property
    def line(self) -> str:
        """As it is pasted into a connection: ``ssh-ed25519 AAAA…``."""
        return f"{self.key_type} {self.base64}"


@dataclass(frozen=True)
class HostKeyFact:
    """What a host presented and why it was believed; a fact for a finding, and the value to pin next time."""

    host: str
    key: HostKey
    trust: Trust

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -lf`` prints it."""
        return self.key.fingerprint

    @property
    def line(self) -> str:
        """To be passed as ``host_key`` to ``GreenplumHook.host``."""
        return self.key.line


def names_in_known_hosts(names: Iterable[str], port: int) -> list[str]:
    """The names under which OpenSSH would look up these names at this port, without repetition."""
    shown = [name if port == 22 else f"[{name}]:{port}" for name in names if name]
    return list(dict.fromkeys(shown))


def keys_for(known_hosts: str, names: Iterable[str], port: int) -> tuple[list[HostKey], list[HostKey]]:
    """Find a host in the text of known_hosts files.

    Hashed names are understood; certificates are not (such a line is passed over).

    :return: keys that are known, keys that are revoked
    """
    wanted = names_in_known_hosts(names, port)
    known: list[HostKey] = []
    revoked: list[HostKey] = []
    for line in known_hosts.splitlines():
        text = line.strip()
        if not text or text.startswith(("#", "@cert-authority")):
            continue
        bucket = known
        if text.startswith("@revoked"):
            bucket, text = revoked, text.partition(" ")[2].strip()
        try:
            entry = HostKeyEntry.from_line(text)
        except (InvalidHostKey, *_UNREADABLE):
            continue  # OpenSSH, too, passes over a line it cannot read
        if entry is None or entry.key is None:
            continue
        if any(_names(entry.hostnames, name) for name in wanted):
            key = HostKey.of(entry.key)
            if key not in bucket:
                bucket.append(key)
    return known, revoked


def _names(patterns: Iterable[str], name: str) -> bool:
    """Whether an entry's names, plain or hashed, hold this name."""
    return any(
        pattern == name or (pattern.startswith("|1|") and HostKeys.hash_host(name, pattern) == pattern)
        for pattern in patterns
    )
