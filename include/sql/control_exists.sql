-- control_exists.sql: has anybody steered an expansion of this cluster yet, or could?
-- Run in:   database postgres. Parameters: none
-- Returns:  one row: there boolean. False before tables are first moved, or scheduled
SELECT count(*) = 1 AS there
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'expansion_history' AND c.relname = 'expand_control'
