-- cluster_settings.sql: the settings of the coordinator that an expansion depends on
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  name text, setting text; no row for a name this server does not know
-- Flavors:  all
-- Blind to: values given to a role or database (session_settings.sql), the segments' own values
-- Cost:     reads no table
SELECT name::text AS name, setting::text AS setting
FROM pg_catalog.pg_settings
WHERE name IN ('max_connections', 'max_prepared_transactions', 'max_locks_per_transaction', 'gp_interconnect_type')
ORDER BY name
