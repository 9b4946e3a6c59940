-- create_ranks.sql: a place for the ranks of one session, filled with COPY before write_ranks.sql
-- Run in:   database postgres, in the transaction that writes the ranks. Parameters: none
CREATE TEMPORARY TABLE expansion_ranks (dbname text, table_oid bigint, rank int) ON COMMIT DROP
