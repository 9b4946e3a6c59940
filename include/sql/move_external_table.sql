-- move_external_table.sql: lets a writable external table be written from all segments; it holds no rows
-- Run in:   the table's database, as superuser or owner. Placeholder: {table}, a quoted identifier
-- Flavors:  Greenplum 6
ALTER EXTERNAL TABLE ONLY {table} EXPAND TABLE
