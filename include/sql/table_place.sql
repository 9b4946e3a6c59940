-- table_place.sql: what is this table called now?
-- Run in:   the table's database. Parameters: oid (bigint)
-- Returns:  schema_name text, table_name text; no row if it was dropped
SELECT n.nspname::text AS schema_name, c.relname::text AS table_name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = %(oid)s::oid
