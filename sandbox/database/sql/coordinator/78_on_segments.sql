-- 78_on_segments.sql: what gp_dist_random('pg_class') and gp_dist_random('pg_database') read, and settings of Greenplum
-- In Greenplum such a query runs on every segment, and functions in it look at that segment's files. Here it runs on the
-- coordinator; so the OID carries the segment with it, and the functions that look at files have a second form for it.
-- Listed are the tables that have rows on segments, not their indexes and TOAST tables.

create type pg_sandbox.relation_on_segment as (content int, relid oid, main int8, total int8,
    indexes int8);
create type pg_sandbox.database_on_segment as (content int, datname name);

create function pg_sandbox.relid(of pg_sandbox.relation_on_segment) returns oid language sql immutable as
    'select $1.relid';
create function pg_sandbox.relid_as_bigint(of pg_sandbox.relation_on_segment) returns bigint language sql immutable as
    'select $1.relid::bigint';
create cast (pg_sandbox.relation_on_segment as oid) with function pg_sandbox.relid(pg_sandbox.relation_on_segment)
    as implicit;
create cast (pg_sandbox.relation_on_segment as bigint)
    with function pg_sandbox.relid_as_bigint(pg_sandbox.relation_on_segment);

create function pg_catalog.gp_segment_id(of pg_sandbox.relation_on_segment) returns int language sql immutable as
    'select $1.content';
create function pg_catalog.gp_segment_id(of pg_sandbox.database_on_segment) returns int language sql immutable as
    'select $1.content';
create function pg_catalog.pg_relation_size(of pg_sandbox.relation_on_segment) returns bigint language sql immutable as
    'select $1.main';
create function pg_catalog.pg_total_relation_size(of pg_sandbox.relation_on_segment) returns bigint
    language sql immutable as 'select $1.total';
create function pg_catalog.pg_indexes_size(of pg_sandbox.relation_on_segment) returns bigint
    language sql immutable as 'select $1.indexes';

-- With two forms, pg_relation_size('x') would be ambiguous; a form for texts is what a quoted word is taken for.
create function pg_catalog.pg_relation_size(relation text) returns bigint language sql volatile strict as
    'select pg_catalog.pg_relation_size($1::regclass)';
create function pg_catalog.pg_total_relation_size(relation text) returns bigint language sql volatile strict as
    'select pg_catalog.pg_total_relation_size($1::regclass)';
create function pg_catalog.pg_indexes_size(relation text) returns bigint language sql volatile strict as
    'select pg_catalog.pg_indexes_size($1::regclass)';

create function pg_sandbox.relations_on_segments() returns table (content int, relid oid, relfilenode oid, main int8,
    total int8, indexes int8) language plpgsql stable security definer set search_path = pg_catalog, pg_sandbox as $$
-- Of each table its present generation on each segment.
declare
    server record;
begin
    for server in select srvname, substr(srvname, 4)::int as content from pg_foreign_server
        where srvname ~ '^seg[0-9]+$' order by 2
    loop
        return query execute format(
            'select %s, case when p.relname like ''copies\_%%'' then substr(p.relname, 8)::oid else p.oid end, '
            's.relfilenode, s.main, s.with_toast + s.indexes, s.indexes '
            'from pg_foreign_table f join pg_foreign_server v on v.oid = f.ftserver and v.srvname = %L '
            'join pg_inherits_real i on i.inhrelid = f.ftrelid join pg_class_real p on p.oid = i.inhparent '
            'join pg_aoseg.%I s on s.relname = (select o.option_value from pg_options_to_table(f.ftoptions) o '
            'where o.option_name = ''table_name'')', server.content, server.srvname, 'sizes_' || server.content);
    end loop;
end $$;

create view pg_catalog.pg_class_on_segments as
    select row(s.content, s.relid, s.main, s.total, s.indexes)::pg_sandbox.relation_on_segment as oid,
           row(s.content, s.relid, s.main, s.total, s.indexes)::pg_sandbox.relation_on_segment as tableoid,
           c.relname, c.relnamespace, c.relowner, s.relfilenode, c.reltablespace, c.relpersistence, c.relkind,
               c.relstorage
    from pg_sandbox.relations_on_segments() s join pg_catalog.pg_class c on c.oid = s.relid;
grant select on pg_catalog.pg_class_on_segments to public;

create view pg_catalog.pg_database_on_segments as
    select row(c.content, d.datname)::pg_sandbox.database_on_segment as oid,
           row(c.content, d.datname)::pg_sandbox.database_on_segment as tableoid,
           d.datname, d.datallowconn, d.dattablespace
    from pg_catalog.pg_database d cross join pg_catalog.gp_segment_configuration c
    where c.role = 'p' and c.content >= 0;
grant select on pg_catalog.pg_database_on_segments to public;

-- 'base/' || oid on a segment: that database's directory there, which has another number.
create type pg_sandbox.directory_on_segment as (content int, datname name);
create function pg_sandbox.directory(parent text, of pg_sandbox.database_on_segment)
    returns pg_sandbox.directory_on_segment language sql immutable as
    'select row($2.content, $2.datname)::pg_sandbox.directory_on_segment where $1 = ''base/''';
create operator pg_catalog.|| (leftarg = text, rightarg = pg_sandbox.database_on_segment,
    function = pg_sandbox.directory);

create function pg_catalog.pg_ls_dir(of pg_sandbox.directory_on_segment) returns setof text language plpgsql
volatile security definer set search_path = pg_catalog, pg_sandbox as $$
begin
    return query select name from dblink(segment_dsn(of.content, of.datname),
        'select pg_ls_dir(''base/'' || oid) from pg_database where datname = current_database()') as t(name text);
end $$;

-- Settings that only Greenplum has, and a fault that gives any of them another value: sandbox fault set setting.NAME
alter view pg_catalog.pg_settings rename to pg_settings_real;
create view pg_catalog.pg_settings as
    select s.name, coalesce(pg_sandbox.fault('setting.' || s.name), s.setting) as setting, s.unit, s.category,
        s.short_desc, s.extra_desc, s.context, s.vartype, s.source, s.min_val, s.max_val, s.enumvals, s.boot_val,
            s.reset_val, s.sourcefile, s.sourceline, s.pending_restart
    from pg_catalog.pg_settings_real s
    union all
    select g.name, coalesce(pg_sandbox.fault('setting.' || g.name), g.setting), null, 'Query Tuning', g.short_desc, null,
        'backend', g.vartype, 'default', null, null, g.enumvals, g.setting, g.setting, null, null, false
    from (values ('gp_interconnect_type', 'udpifc', 'Sets the protocol used for inter-node communication.', 'enum',
        '{udpifc,tcp,proxy}'::text[])) as g (name, setting, short_desc, vartype, enumvals);
grant select on pg_catalog.pg_settings to public;
