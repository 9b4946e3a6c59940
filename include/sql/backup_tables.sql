-- backup_tables.sql: which tables would a backup write, and how much do they take on disk?
-- Run in:   every database that allows connections, as superuser. Parameters: none
-- Returns:  schema_name text, table_name text (of a partition: its root's), size_bytes bigint (rows and TOAST on all
--           primaries together, indexes not), append_optimised boolean
-- Flavors:  Greenplum 6 (relstorage, pg_partition_rule)
-- Blind to: external tables and views, which hold no rows; temporary tables; gpexpand's own schema
-- Cost:     a few milliseconds a table: each segment is asked for the sizes of its files
SELECT r.nspname::text AS schema_name,
       r.relname::text AS table_name,
       sum(pg_catalog.pg_table_size(c.oid))::bigint AS size_bytes,
       bool_or(c.relstorage IN ('a', 'c')) AS append_optimised
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (
    SELECT DISTINCT pr.parchildrelid, pp.parrelid
    FROM pg_catalog.pg_partition_rule pr
    JOIN pg_catalog.pg_partition pp ON pp.oid = pr.paroid
) p ON p.parchildrelid = c.oid
JOIN (
    SELECT rc.oid, rn.nspname, rc.relname
    FROM pg_catalog.pg_class rc JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace
) r ON r.oid = coalesce(p.parrelid, c.oid)
WHERE c.relkind = 'r'
  AND c.relstorage IN ('h', 'a', 'c')
  AND c.relpersistence <> 't'
  AND c.oid >= 16384
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand')
GROUP BY r.nspname, r.relname
ORDER BY r.nspname, r.relname
