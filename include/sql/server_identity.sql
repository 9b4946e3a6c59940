-- server_identity.sql: what answers at this address, and may we do what an expansion needs?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  one row: version text, role text, is_superuser bool, has_segments bool (it is of the Greenplum family),
--           max_connections int
-- Flavors:  all, plain PostgreSQL too (has_segments is then false)
-- Cost:     reads catalogs only
SELECT version() AS version,
       current_user::text AS role,
       COALESCE((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), false) AS is_superuser,
       EXISTS (
           SELECT 1 FROM pg_catalog.pg_class
           WHERE relname = 'gp_segment_configuration' AND pg_catalog.pg_table_is_visible(oid)
       ) AS has_segments,
       current_setting('max_connections')::int AS max_connections
