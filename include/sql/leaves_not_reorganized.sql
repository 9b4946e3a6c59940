-- leaves_not_reorganized.sql: which leaf partitions are still distributed randomly although their root is not?
-- Run in:   every database that allows connections, as superuser. Parameters: none
-- Returns:  fq_name text; no row = every leaf has been moved
-- Why:      preparation gives all leaves the new number of segments and makes them random, before any row moves; so the
--           number of segments proves nothing for a leaf, its policy does
-- Blind to: leaves of randomly distributed roots, which look the same before and after
-- Flavors:  Greenplum 6
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name
FROM pg_catalog.pg_partition_rule pr
JOIN pg_catalog.pg_partition pp ON pp.oid = pr.paroid AND NOT pp.paristemplate
JOIN pg_catalog.pg_class c ON c.oid = pr.parchildrelid AND NOT c.relhassubclass
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.gp_distribution_policy leaf ON leaf.localoid = c.oid
JOIN pg_catalog.gp_distribution_policy root ON root.localoid = pp.parrelid
WHERE leaf.distkey::text <> root.distkey::text
  AND c.relstorage <> 'x'
ORDER BY 1
