-- survey_external_tables.sql: which external tables are there, and over which protocol?
-- Run in:   every database that allows connections, as superuser. Parameters: most (int, tables told)
-- Returns:  schema_name text, table_name text, protocol text (file, gpfdist, s3 …, or command; never the location, which may
--           hold secrets), writable boolean, tables bigint (all of them, told or not)
-- Flavors:  Greenplum 6 and 7, Cloudberry (a view there)
-- Cost:     reads catalogs only
SELECT n.nspname::text AS schema_name, c.relname::text AS table_name,
       CASE WHEN e.command IS NOT NULL THEN 'command' ELSE split_part(e.urilocation[1], ':', 1) END AS protocol,
       e.writable, count(*) OVER () AS tables
FROM pg_catalog.pg_exttable e
JOIN pg_catalog.pg_class c ON c.oid = e.reloid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('gp_toolkit', 'pg_catalog', 'information_schema')
ORDER BY 1, 2
LIMIT %(most)s
