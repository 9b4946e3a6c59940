-- 70_catalogs.sql: system catalogs and functions under Greenplum 6's names, with its columns
-- Functions are renamed, too: the server calls its own ones by OID and would not notice a new definition.
-- Catalogs that PostgreSQL has under the same name but differently are renamed (…_real; the server goes by OID)
-- and replaced by views. What the views hide: the foreign partitions of pg_aoseg, relkind 'p'.
set allow_system_table_mods = on;

alter function pg_catalog.version() rename to version_real;
create function pg_catalog.version() returns text language sql stable as $$
    select
        'PostgreSQL 9.4.26 (Greenplum Database 6.24.3 build commit:25d3498a400ca5230e81abb94861f23389315213) '
           'on x86_64-unknown-linux-gnu, '
           'compiled by gcc (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit compiled on Nov 20 2026 07:01:55'
$$;

alter table pg_catalog.pg_class rename to pg_class_real;
create view pg_catalog.pg_class as
    select c.tableoid, c.xmin, c.oid, c.relname, c.relnamespace, c.reltype, c.reloftype, c.relowner, c.relam,
        c.relfilenode, c.reltablespace,
           greatest(c.relpages, 0) as relpages, greatest(c.reltuples, 0)::float4 as reltuples, c.relallvisible,
               c.reltoastrelid, c.relhasindex,
           c.relisshared, c.relpersistence,
           case when t.materialized is not null then 'm'::"char" when c.relkind = 'p' or t.kind = 'external'
               then 'r'::"char"
                when c.relkind = 'I' then 'i'::"char" else c.relkind end as relkind,
           case when t.relid is not null then t.storage when c.relkind in ('r', 'm', 't', 'i', 'S', 'I', 'p')
               then 'h'::"char"
                when c.relkind = 'f' then 'x'::"char" else 'v'::"char" end as relstorage,
           c.relnatts, c.relchecks, false as relhasoids,
           exists (select from unnest(t.constraints) d where d ~ ' PRIMARY KEY \(') or exists (
               select from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype = 'p') as relhaspkey,
           c.relhasrules, c.relhastriggers, t.kind = 'root' as relhassubclass, c.relrowsecurity, c.relforcerowsecurity,
               c.relispopulated,
           c.relreplident, c.relispartition, c.relrewrite, c.relfrozenxid, c.relminmxid, c.relacl, coalesce(t.options,
               c.reloptions) as reloptions,
           c.relpartbound
    from pg_catalog.pg_class_real c left join pg_sandbox.tables t on t.relid = c.oid
    where c.relnamespace <> 'pg_aoseg'::regnamespace;
grant select on pg_catalog.pg_class to public;

alter table pg_catalog.pg_inherits rename to pg_inherits_real;
create view pg_catalog.pg_inherits as
    select i.inhrelid, i.inhparent, i.inhseqno, i.inhdetachpending from pg_catalog.pg_inherits_real i
    where not exists (select from pg_catalog.pg_foreign_table f join pg_catalog.pg_class_real c on c.oid = f.ftrelid
                      where f.ftrelid = i.inhrelid and c.relnamespace = 'pg_aoseg'::regnamespace);
grant select on pg_catalog.pg_inherits to public;

create function pg_sandbox.as_written(statement text) returns text language plpgsql stable as $$
-- A statement as the client wrote it, where the proxy has put a mark.
declare
    mark json;
begin
    if position('/*sandbox:' in statement) = 0 then
        return statement;
    end if;
    mark := convert_from(decode(substring(statement from '/\*sandbox:([A-Za-z0-9+/=]+)\*/'), 'base64'), 'UTF8')::json;
    return regexp_replace(statement, '(SET WITHOUT OIDS )?/\*sandbox:[A-Za-z0-9+/=]+\*/', case mark ->> 'do'
        when 'expand' then 'EXPAND TABLE' when 'prepare' then 'EXPAND PARTITION PREPARE'
        when 'redistribute' then 'SET WITH (REORGANIZE=true)' || case mark #>> '{by,type}' when 'random'
            then ' DISTRIBUTED RANDOMLY'
            when 'hash' then ' DISTRIBUTED BY (' || (select string_agg(quote_ident(c), ', ')
                from json_array_elements_text(mark #> '{by,columns}') c) || ')'
            else '' end
        else '' end);
exception when others then
    return statement;  -- cut off by track_activity_query_size
end $$;

alter view pg_catalog.pg_stat_activity rename to pg_stat_activity_real;
create view pg_catalog.pg_stat_activity as
    select a.datid, a.datname, a.pid, a.pid as sess_id, a.usesysid, a.usename, a.application_name,
           case when a.client_addr <<= inet '127.77.0.0/24' then a.client_addr + (inet '10.77.0.0' - inet '127.77.0.0')
                when a.client_addr = inet '127.0.0.1' then a.client_addr end as client_addr,
           a.client_hostname, a.client_port, a.backend_start, a.xact_start, a.query_start, a.state_change,
           coalesce(a.wait_event_type = 'Lock', false) as waiting, a.state, a.backend_xid, a.backend_xmin,
           pg_sandbox.as_written(a.query) as query,
           case when a.wait_event_type = 'Lock' then 'lock' end as waiting_reason, 0::oid as rsgid,
               'unknown'::text as rsgname,
           null::interval as rsgqueueduration
    from pg_catalog.pg_stat_activity_real a where a.backend_type = 'client backend' and a.datid is not null
        and a.application_name not like 'sandbox%';  -- fts and the like
grant select on pg_catalog.pg_stat_activity to public;

alter view pg_catalog.pg_locks rename to pg_locks_real;
create view pg_catalog.pg_locks as
    select l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid,
        l.objsubid,
           l.virtualtransaction, l.pid, l.mode, l.granted, l.fastpath, l.pid as mppsessionid, true as mppiswriter,
               -1 as gp_segment_id
    from pg_catalog.pg_locks_real l
    where l.locktype <> 'advisory' and l.relation is distinct from 'pg_catalog.pg_replication_origin'::regclass
      and not exists (select from pg_catalog.pg_class_real c where c.oid = l.relation
        and c.relnamespace in ('pg_aoseg'::regnamespace, 'pg_sandbox'::regnamespace) and l.database = (
            select oid from pg_catalog.pg_database where datname = current_database()))
    union all  -- the catalog lock (10_configuration.sql), as Greenplum shows it
    select 'userlock', 57005, null, null, null, null, null, 57005, 57005, 221::int2, l.virtualtransaction, l.pid,
           case l.mode when 'RowShareLock' then 'AccessShareLock' else 'AccessExclusiveLock' end, l.granted, l.fastpath,
               l.pid, true, -1
    from pg_catalog.pg_locks_real l where l.relation = 'pg_catalog.pg_replication_origin'::regclass;
grant select on pg_catalog.pg_locks to public;

create function pg_catalog.pg_get_table_distributedby(rel oid) returns text language sql stable as $$
    select case when p.policytype = 'r' then 'DISTRIBUTED REPLICATED' when p.distkey::text = ''
        then 'DISTRIBUTED RANDOMLY'
                else 'DISTRIBUTED BY (' || (select string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n)
                    from unnest(p.distkey::int2[]) with ordinality as k(number, n)
                    join pg_catalog.pg_attribute a on a.attrelid = p.localoid and a.attnum = k.number) || ')' end
    from pg_catalog.gp_distribution_policy p where p.localoid = rel
$$;

-- gp_segment_id: the proxy writes gp_segment_id(tableoid) for the column; the name of a foreign partition ends in its
-- content
create function pg_catalog.gp_segment_id(partition oid) returns int language plpgsql stable as $$
declare
    name text := partition::regclass::text;
    mark int := position('__gpseg' in name);
begin
    if mark > 0 then
        return rtrim(substr(name, mark + 7), '"')::int;
    end if;
    if exists (select from pg_sandbox.tables where relid = partition and kind = 'replicated') then
        raise exception 'column "gp_segment_id" does not exist' using errcode = 'undefined_column';
    end if;
    return -1;
end $$;

create function pg_sandbox.read_instead(question text, named text) returns text language plpgsql stable as $$
-- The proxy asks. dist_random: what to read for gp_dist_random('named'): the table, the copies of a replicated one, a
-- view for gp_id. only: what to read for ONLY named: the parent of foreign partitions has no rows of its own, so only a
-- root of partitions keeps the word.
declare
    rel oid := to_regclass(named);
    of_kind text := (select kind from pg_sandbox.tables where relid = rel);
begin
    if question = 'only' then
        return case when of_kind = 'hash' then named else 'ONLY ' || named end;
    end if;
    if named in ('gp_id', 'pg_catalog.gp_id') then
        return 'pg_catalog.gp_id_on_segments';
    end if;
    if named in ('pg_class', 'pg_catalog.pg_class', 'pg_database', 'pg_catalog.pg_database') then
        return 'pg_catalog.' || replace(named, 'pg_catalog.', '') || '_on_segments';
    end if;
    if rel is null then
        raise exception 'relation "%" does not exist', named using errcode = 'undefined_table';
    end if;
    if of_kind = 'replicated' then
        return format('pg_aoseg.%I', 'copies_' || rel);
    end if;
    return pg_sandbox.name_of(rel);
end $$;

create table pg_catalog.gp_id (gpname name, numsegments int2, dbid int2, content int2);
insert into pg_catalog.gp_id values ('Greenplum', -1, -1, -1);
grant select on pg_catalog.gp_id to public;
create function pg_sandbox.primaries_that_answer() returns setof int
language plpgsql security definer set search_path = pg_catalog as $$
-- Every primary is asked, as a distributed query does; one that does not answer ends it.
declare
    segment record;
begin
    for segment in select content, address, port from gp_segment_configuration where content >= 0 and role = 'p' loop
        begin
            perform * from pg_sandbox.dblink(format('host=%s port=%s dbname=postgres user=gpadmin connect_timeout=3',
                segment.address, segment.port), 'select 1') as r(one int);
        exception when sqlclient_unable_to_establish_sqlconnection or connection_exception or connection_failure then
            raise exception 'failed to acquire resources on one or more segments' using
                detail = format('%s (seg%s %s:%s)', sqlerrm, segment.content, segment.address, segment.port);
        end;
        return next segment.content;
    end loop;
end $$;
create view pg_catalog.gp_id_on_segments as
    select 'Greenplum'::name as gpname, (-1)::int2 as numsegments, (-1)::int2 as dbid, (-1)::int2 as content,
        answers as gp_segment_id
    from pg_sandbox.primaries_that_answer() answers;
grant select on pg_catalog.gp_id_on_segments to public;

alter function pg_catalog.pg_relation_size(regclass) rename to pg_relation_size_real;
create function pg_catalog.pg_relation_size(rel regclass) returns bigint language sql volatile strict as $$
    select coalesce(pg_sandbox.size_of(rel, 'main'), pg_catalog.pg_relation_size(rel, 'main'))
$$;
