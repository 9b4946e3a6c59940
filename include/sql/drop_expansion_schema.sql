-- drop_expansion_schema.sql: remove gpexpand's schema, which has lost its status
-- Run in:   database postgres, as superuser. Parameters: none. Returns: nothing
-- Why:      with a schema but without a status gpexpand neither continues nor begins; not even gpexpand -c removes it
-- Flavors:  Greenplum 6 and 7, Cloudberry
DROP SCHEMA gpexpand CASCADE
