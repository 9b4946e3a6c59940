"""What gpexpand said when it failed, as a person reads it."""

from __future__ import annotations

from greenplum_expansion.operators.segments import errors_said

TIME = "20261120:11:06:09:035811 gpexpand:mdw:gpadmin-"
FULL = "\n".join(f"/bin/tar: ./base/1/{number}: Cannot write: No space left on device" for number in range(500))


def test_an_error_is_told_with_what_a_host_said_and_without_the_advice() -> None:
    log = (
        f"{TIME}[INFO]:-Configuring new segments (primary)\n"
        f"{TIME}[ERROR]:-gpexpand failed: ExecutionError: stderr='{FULL}\n/bin/tar: Exiting with failure status\n'\n"
        f"\nExiting...\n"
        f"{TIME}[ERROR]:-Please run 'gpexpand -r' to rollback to the original state.\n"
        f"{TIME}[INFO]:-Shutting down gpexpand...\n"
    )

    (said,) = errors_said(log)

    assert said.startswith("gpexpand failed: ExecutionError")
    assert "No space left on device" in said
    assert len(said) < 600


def test_equal_errors_are_told_once_and_only_the_last_few() -> None:
    log = "".join(f"{TIME}[ERROR]:-error {number // 2}\n" for number in range(20))

    assert errors_said(log) == ["error 5", "error 6", "error 7", "error 8", "error 9"]


def test_a_log_without_errors_says_nothing() -> None:
    assert errors_said(f"{TIME}[INFO]:-Exiting...\n") == []
