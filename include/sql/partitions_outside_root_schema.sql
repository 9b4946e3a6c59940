-- partitions_outside_root_schema.sql: which partitions lie in another schema than their root?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  fq_name text, root_schema text (both quoted); no row = none
-- Why:      gpexpand looks for each partition in its root's schema (greenplum-db/gpdb#16912)
-- Flavors:  Greenplum 6
-- Cost:     reads catalogs only
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
       quote_ident(rn.nspname) AS root_schema
FROM pg_catalog.pg_partition_rule pr
JOIN pg_catalog.pg_partition pp ON pp.oid = pr.paroid AND NOT pp.paristemplate
JOIN pg_catalog.pg_class c ON c.oid = pr.parchildrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class root ON root.oid = pp.parrelid
JOIN pg_catalog.pg_namespace rn ON rn.oid = root.relnamespace
WHERE c.relnamespace <> root.relnamespace
ORDER BY 1
