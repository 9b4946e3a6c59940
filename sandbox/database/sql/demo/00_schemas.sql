-- 00_schemas.sql: what the tables of database demo need. The tables are those of a real cluster that was recorded
-- (shared/rig/conf/demo.sql) and a few with difficult names. {n:900000} stands for that number of rows, scaled to the
-- size asked for.
create schema sales;
create schema hr;
create schema stage;
create schema "Mixed Case";
create schema "Größe ☃";
do $$ begin
    if not exists (select from pg_roles where rolname = 'analyst') then create role analyst login; end if;
    if not exists (select from pg_roles where rolname = 'etl') then create role etl login; end if;
end $$;
