-- expansion_status_all.sql: what did gpexpand write about the expansion as a whole, and when?
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  status text, updated timestamp; oldest first
SELECT status, updated FROM gpexpand.status ORDER BY updated
