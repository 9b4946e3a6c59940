-- expansion_status.sql: what did gpexpand write last?
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  status text; no row if the table is empty
SELECT status FROM gpexpand.status ORDER BY updated DESC LIMIT 1
