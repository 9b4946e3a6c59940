-- fingerprint_session.sql: lets the same row have the same text in every session, with all its digits
-- Run in:   each session that takes fingerprints, before them. Parameters: none
-- Why:      role and database may have settings of their own, which may change between before and after. Not given at
--           connecting: Greenplum 6 hands extra_float_digits to the segments only if it is SET
SET search_path = pg_catalog;
SET statement_timeout = 0;
SET extra_float_digits = 3;
SET bytea_output = hex;
SET datestyle = 'ISO, YMD';
SET intervalstyle = postgres;
SET timezone = 'UTC'
