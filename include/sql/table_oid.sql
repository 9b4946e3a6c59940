-- table_oid.sql: which table bears this name?
-- Run in:   the table's database. Placeholders: {schema}, {table}, text literals
-- Returns:  oid bigint; no row if none does
SELECT c.oid::bigint AS oid
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = {schema} AND c.relname = {table}
