"""Errors that tell a DBA, at three in the morning, what is wrong, why, and what to do next."""

from __future__ import annotations


class ExpansionError(Exception):
    """Base of all errors raised on purpose by this package.

    :param subject: what is concerned, with its name ("Host sdw3", "Expansion 2026-11-20 of dwh")
    :param cause: the fact found, with both values where two differ
    :param next_action: what the reader does now, as an instruction
    """

    def __init__(self, subject: str, cause: str, next_action: str) -> None:
        self.subject = subject.rstrip(". ")
        self.cause = cause.strip().rstrip(".")
        self.next_action = next_action.strip().rstrip(".")
        super().__init__(f"{self.subject}. Cause: {self.cause}. Next: {self.next_action}.")

    def __reduce__(self) -> tuple[type[ExpansionError], tuple[str, str, str]]:
        """Survive pickling between Airflow's processes, which calls the class with ``args``."""
        return type(self), (self.subject, self.cause, self.next_action)


class InvalidRequest(ExpansionError):
    """What the user asked for cannot be meant; nothing was touched."""


class ChecksFailed(ExpansionError):
    """At least one check found an error; nothing was touched."""


class ActionRefused(ExpansionError):
    """The probed state of the cluster forbids the action; repeating it will not help, so Airflow must not retry."""


class RemoteError(ExpansionError):
    """A host or the database could not be reached, or a command there failed."""


class StepFailed(ExpansionError):
    """A command ran, but the probed state shows that it did not do its work."""


class ProofFailed(ExpansionError):
    """The data after the expansion is not the data before it, or does not lie where it should."""
