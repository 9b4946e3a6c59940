-- session_settings.sql: with which settings does a new session of this role begin in this database?
-- Run in:   every database that allows connections, as the role gpexpand runs as. Parameters: none
-- Returns:  name text, value text
-- Why:      gpexpand's sessions begin with them, too, and it overrides none
SELECT s.name::text AS name, pg_catalog.current_setting(s.name)::text AS value
FROM (VALUES ('statement_timeout'), ('lock_timeout'), ('default_transaction_read_only'),
             ('synchronous_commit')) AS s (name)
