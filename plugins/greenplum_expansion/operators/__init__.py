"""Airflow's side: thin operators that probe, decide, do and record."""
