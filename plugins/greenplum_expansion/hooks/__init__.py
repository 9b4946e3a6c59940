"""Talking: SQL to the coordinator, commands and files over SSH, the gp utilities on top.

The Airflow worker reaches the coordinator only. Every other host is reached through it, by a channel inside the
coordinator's own SSH connection, with the key of the Airflow connection.
"""
