-- leaves_not_reorganized.gp7.sql: which leaf partitions are still distributed otherwise than their parent?
-- Run in:   every database that allows connections, as superuser. Parameters: none
-- Returns:  fq_name text; no row = every leaf has been moved
-- Why:      preparation gives all leaves the new number of segments and makes them random, before any row moves; so the
--           number of segments proves nothing for a leaf, its policy does
-- Blind to: leaves of randomly distributed tables, which look the same before and after
-- Flavors:  Greenplum 7, Cloudberry
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.gp_distribution_policy leaf ON leaf.localoid = c.oid
JOIN pg_catalog.gp_distribution_policy parent ON parent.localoid = i.inhparent
WHERE leaf.distkey::text <> parent.distkey::text
ORDER BY 1
