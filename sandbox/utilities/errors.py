"""Errors of the stand-ins. Their texts are what the real utilities print, not the sandbox's own."""

from __future__ import annotations


class UtilityError(Exception):
    """A condition that the real utility reports with this text."""


class ExpansionError(UtilityError):
    """gpexpand refuses or fails, exit code 3."""


class ValidationError(UtilityError):
    """gpexpand's own check of its surroundings failed; the real one exits 0 (gpexpand 6.24.3, line 2632)."""


class UserAborted(Exception):
    """A person answered "no"."""
