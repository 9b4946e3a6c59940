-- history_exists.sql: has an expansion of this cluster left its history?
-- Run in:   database postgres. Parameters: none
-- Returns:  history_exists boolean; one row
SELECT EXISTS (SELECT 1
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'expansion_history' AND c.relname = 'expand_status_detail') AS history_exists
