"""Fixtures of the tests that break something and look."""

from tests.support.looking import change, connection, healthy, look  # noqa: F401
