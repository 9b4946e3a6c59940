"""An imitation of a Greenplum 6.24.3 database on PostgreSQL servers. What it offers and how: README.md beside it."""
