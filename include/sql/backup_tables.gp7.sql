-- backup_tables.gp7.sql: which tables would a backup write, and how much do they take on disk?
-- Run in:   every database that allows connections, as superuser. Parameters: none
-- Returns:  as backup_tables.sql; each partition by its own name, since pg_dump of these versions writes them one by one
-- Flavors:  Greenplum 7, Cloudberry
-- Blind to: foreign and external tables, views, temporary tables, gpexpand's own schema
-- Cost:     a few milliseconds a table: each segment is asked for the sizes of its files
SELECT n.nspname::text AS schema_name,
       c.relname::text AS table_name,
       pg_catalog.pg_table_size(c.oid)::bigint AS size_bytes,
       coalesce(a.amname IN ('ao_row', 'ao_column'), false) AS append_optimised
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
WHERE c.relkind = 'r'
  AND c.relpersistence <> 't'
  AND c.oid >= 16384
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand')
ORDER BY n.nspname, c.relname
