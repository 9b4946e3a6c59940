-- moving_since.sql: whose is the newest row of gpexpand's status?
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  updated text, as begin_moving.sql told it if that row is ours
SELECT max(updated)::text AS updated FROM gpexpand.status
