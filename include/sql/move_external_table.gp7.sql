-- move_external_table.gp7.sql: lets a writable external table be written from all segments; it holds no rows
-- Run in:   the table's database, as superuser or owner. Placeholder: {table}, a quoted identifier
-- Flavors:  Greenplum 7, Cloudberry
ALTER TABLE {table} EXPAND TABLE
