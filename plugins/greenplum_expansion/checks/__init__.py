"""Checks: facts in, findings out. Pure: no Airflow, no I/O, no log."""
