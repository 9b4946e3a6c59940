"""The version of Greenplum that the sandbox claims to be, in the words in which each program tells it."""

from __future__ import annotations

RELEASE = "6.24.3"
BUILD = f"{RELEASE} build commit:25d3498a400ca5230e81abb94861f23389315213"
POSTGRES_VERSION = "9.4.26"
CATALOG_VERSION = "301908232"

LOCAL = f"postgres (Greenplum Database) {BUILD}"
"""What ``postgres --gp-version`` prints."""


def announce(tool: str) -> str:
    """What ``<tool> --version`` prints."""
    return f"{tool} version {BUILD}"
