-- history_to_record_exists.sql: has an engine made the history of expansions yet?
-- Run in:   database postgres. Parameters: none
-- Returns:  history_exists bool
SELECT to_regclass('expansion_history.expand_status_detail') IS NOT NULL AS history_exists
