-- snapshot_role_settings.sql: which settings belong to a database, a role, or both?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  database_name text, role_name text (null: all), settings text[]
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Cost:     reads catalogs only
SELECT d.datname::text AS database_name, r.rolname::text AS role_name, s.setconfig AS settings
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
ORDER BY 1, 2
