-- no_patience.sql: lets this transaction wait hardly at all for a lock
-- Run in:   a transaction that moves several tables. Parameters: none
SET LOCAL lock_timeout = '200ms'
