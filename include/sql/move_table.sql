-- move_table.sql: rewrites one table over all segments
-- Run in:   the table's database, as superuser or owner. Placeholder: {table}, a quoted identifier
-- Locks:    the table, exclusively, until the transaction ends
-- Source:   gpexpand 6.24.3, the statement it sends
ALTER TABLE ONLY {table} EXPAND TABLE
