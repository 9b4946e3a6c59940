-- expansion_schema_exists.sql: did gpexpand leave its schema, and can its status be read?
-- Run in:   database postgres. Parameters: none
-- Returns:  schema_exists boolean, status_exists boolean; one row
-- Flavors:  Greenplum 6 and 7, Cloudberry (Greenplum 5 may keep the schema in another database)
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'gpexpand') AS schema_exists,
       EXISTS (SELECT 1
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'gpexpand' AND c.relname = 'status') AS status_exists
