-- move_table.gp7.sql: rewrites one table, and those that inherit from it, over all segments
-- Run in:   the table's database, as superuser or owner. Placeholder: {table}, a quoted identifier
-- Locks:    the tables, exclusively, until the transaction ends
-- Source:   gpexpand of Greenplum 7, the statement it sends
ALTER TABLE {table} EXPAND TABLE
