"""Imported in front of a real Airflow's tasks: a table that fails is tried again at once, not after two minutes."""

from __future__ import annotations

from greenplum_expansion.redistribution.direct import mover

mover._WAIT_AFTER_FAILURE = (0.5,)
