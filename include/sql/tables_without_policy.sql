-- tables_without_policy.sql: which tables of users have no distribution policy?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  fq_name text (quoted)
-- Why:      gpexpand moves what is in gp_distribution_policy
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: external tables, of which only writable ones have a policy; schemas of the system (no user may call one pg_…)
-- Cost:     reads catalogs only
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'p')
  AND c.relpersistence <> 't'
  AND c.oid >= 16384
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand')
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.gp_distribution_policy p WHERE p.localoid = c.oid)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_exttable e WHERE e.reloid = c.oid)
ORDER BY 1
