-- server.sql: which server is this, and may the role do everything?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  version text, user_name text, is_superuser boolean, max_connections int; one row
-- Flavors:  all
SELECT version() AS version,
       current_user::text AS user_name,
       current_setting('is_superuser') = 'on' AS is_superuser,
       current_setting('max_connections')::int AS max_connections
