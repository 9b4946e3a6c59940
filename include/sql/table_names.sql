-- table_names.sql: what are these tables called now?
-- Run in:   the tables' database. Parameters: oids (array of bigint)
-- Returns:  oid bigint, fq_name text (quoted as gpexpand's list has it); no row for a table that is gone
SELECT c.oid::bigint AS oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name
FROM (SELECT DISTINCT unnest(%(oids)s::bigint[]) AS oid) wanted
JOIN pg_catalog.pg_class c ON c.oid = wanted.oid::oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
