-- segments_answer.sql: how many primaries answer a distributed query?
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  segments int; an error if one of them does not answer
-- Why:      the catalog may call a segment up that has just died, and has no mirror yet to take over
-- Flavors:  Greenplum 6 and 7, Cloudberry
SELECT count(*)::int AS segments FROM gp_dist_random('gp_id')
