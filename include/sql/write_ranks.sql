-- write_ranks.sql: gives the tables that have not moved the ranks of expansion_ranks
-- Run in:   database postgres, after create_ranks.sql, in one transaction. Parameters: none
-- Note:     gpexpand reads ranks once, at its start; later changes take effect with its next run
UPDATE gpexpand.status_detail AS d
SET rank = r.rank
FROM expansion_ranks AS r
WHERE d.dbname = r.dbname AND d.table_oid::bigint = r.table_oid AND d.status = 'NOT STARTED'
