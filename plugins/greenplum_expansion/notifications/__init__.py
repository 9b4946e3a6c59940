"""Telling people: what a notice says, over which channels it goes, and as an Airflow notifier."""
