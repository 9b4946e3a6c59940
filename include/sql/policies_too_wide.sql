-- policies_too_wide.sql: which tables are said to lie on more segments than there are?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  fq_name text (quoted), segments int
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Cost:     reads catalogs only
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name, p.numsegments AS segments
FROM pg_catalog.gp_distribution_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.localoid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.numsegments > (SELECT count(*)
                       FROM pg_catalog.gp_segment_configuration
                       WHERE content >= 0 AND role = 'p')
ORDER BY 1
