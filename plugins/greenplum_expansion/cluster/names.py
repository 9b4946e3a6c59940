"""Names that end up in root shells, input files and SQL: validated once, at the border.

gpexpand splits its input file at '|' and its status file at ':' without any escaping (reference: gpexpand 6.24.3,
``parseutils.py`` and ``GpExpandStatus``), and a space in a data directory fails late, in tar. So what could break
them is refused here, before anything is touched.
"""

from __future__ import annotations

import hashlib
import ipaddress
import posixpath
import re

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOSTNAME = re.compile(rf"^{_LABEL}(?:\.{_LABEL})*$")
_PATH_FORBIDDEN = re.compile(r"[^A-Za-z0-9_./+@%=,-]")
_SLUG_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.-]+")


def validate_hostname(text: str) -> str:
    """Return `text` without surrounding blanks if it can be a host's name: that, with or without its domain, or an IPv4
    address, which leads to itself. ValueError says why not.
    """
    name = text.strip()
    if not name:
        raise ValueError("a host name is empty")
    if ":" in name and is_ip_address(name.strip("[]")):
        raise ValueError(
            f"{name!r} cannot be a host's name, as ':' separates fields in gpexpand's files; give it one, as "
            f"name={name.strip('[]')}"
        )
    if re.fullmatch(r"[0-9.]+", name) and not is_ip_address(name):
        raise ValueError(f"{name!r} is neither a host name nor an IP address")
    if len(name) > 253 or not _HOSTNAME.match(name):
        raise ValueError(f"{name!r} is not a host name (letters, digits, '-', '_' and '.', no leading '-')")
    return name


def validate_address(text: str) -> str:
    """Return `text` if it is a host name, an IPv4 or an IPv6 address; ValueError says why not."""
    address = text.strip().strip("[]")
    if is_ip_address(address):
        return str(ipaddress.ip_address(address))
    if re.fullmatch(r"[0-9.]+", address):
        raise ValueError(f"{address!r} is not an IP address")
    return validate_hostname(address)


def is_ip_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, and no name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def validate_directory(text: str) -> str:
    """Return an absolute, normalised path that gpexpand can carry through its files; ValueError says why not."""
    path = text.strip()
    if not path.startswith("/"):
        raise ValueError(f"directory {path!r} is not absolute")
    found = _PATH_FORBIDDEN.search(path)
    if found:
        raise ValueError(f"directory {path!r} contains {found.group()!r}, which gpexpand cannot carry")
    if ".." in path.split("/"):
        raise ValueError(f"directory {path!r} contains '..'")
    normal = posixpath.normpath(path).replace("//", "/")
    if normal == "/":
        raise ValueError("the root directory cannot be a data directory")
    return normal


def quote_identifier(name: str) -> str:
    """Quote one SQL identifier as ``quote_ident`` of the server does when it is not plain lower case."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'


def expansion_id(run_id: str) -> str:
    """A directory name for one Airflow run: readable, unique, and without ':' (which breaks gpexpand's status file).

    The digest keeps apart two run ids that differ only in characters which had to be replaced.
    """
    slug = _SLUG_FORBIDDEN.sub("-", run_id).strip("-.")[:60] or "run"
    return f"{slug}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"
