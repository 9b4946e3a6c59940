"""The one error of the sandbox: what, why, what to do."""

from __future__ import annotations


class SandboxError(Exception):
    """Something the sandbox cannot do.

    :param subject: the thing concerned and what is wrong with it, a clause without full stop
    :param cause: why, with the values found
    :param next_action: what the reader types or installs
    """

    def __init__(self, subject: str, cause: str, next_action: str) -> None:
        self.subject, self.cause, self.next_action = subject, cause, next_action
        super().__init__(f"{subject}. Cause: {cause}. Next: {next_action}.")
