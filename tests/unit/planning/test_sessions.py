"""Who is waited for, and who may be ended: of any sessions, never ours, never protected ones, never superusers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.checks.activity import Session
from greenplum_expansion.planning.sessions import BRIEF, may_be_ended, waited_for

sessions = st.lists(
    st.builds(
        Session,
        pid=st.integers(1, 99999),
        role=st.sampled_from(["app", "etl", "gpadmin"]),
        dbname=st.just("dwh"),
        application=st.sampled_from(["psql", "greenplum_expansion", "greenplum_expansion_x", ""]),
        client=st.just("10.0.0.9"),
        state=st.sampled_from(["active", "idle in transaction", "idle"]),
        transaction_seconds=st.none() | st.floats(0, 10**6),
        words=st.just("SELECT"),
        is_superuser=st.booleans(),
        changes_catalog=st.booleans(),
    ),
    max_size=20,
)


@given(sessions)
def test_only_others_in_a_transaction_are_waited_for(found: list[Session]) -> None:
    waiting = waited_for(found, ["etl"])
    assert all(s.in_transaction and not s.is_ours and s.role != "etl" for s in waiting)
    assert all(s.changes_catalog or (s.transaction_seconds or 0) >= BRIEF for s in waiting)


@given(sessions)
def test_nobody_is_ended_who_is_not_waited_for_and_no_superuser(found: list[Session]) -> None:
    ended = may_be_ended(found, ["etl"])
    assert set(ended) <= set(waited_for(found, ["etl"]))
    assert not any(session.is_superuser for session in ended)


@given(sessions)
def test_whoever_has_changed_a_catalog_is_waited_for_however_brief(found: list[Session]) -> None:
    holding = {s for s in found if s.changes_catalog and s.in_transaction and not s.is_ours}
    assert holding <= set(waited_for(found, []))
