"""Grow a Greenplum cluster from Airflow: checks, plan, preparation, redistribution, proof and rollback."""

__version__ = "0.1.0"
