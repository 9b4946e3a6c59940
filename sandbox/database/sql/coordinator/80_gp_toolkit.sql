-- 80_gp_toolkit.sql: the views of schema gp_toolkit that people and gpexpand's users look at
-- Skew and bloat are computed from what the segments have, as Greenplum does, so they cost a count of every table.
create schema gp_toolkit;
grant usage on schema gp_toolkit to public;

create view gp_toolkit.__gp_number_of_segments as select count(*)::smallint as numsegments
    from pg_catalog.gp_segment_configuration
    where content >= 0 and preferred_role = 'p';
create view gp_toolkit.__gp_user_namespaces as
    select oid as aunoid, nspname as aunnspname from pg_catalog.pg_namespace where nspname !~ '^pg_'
        and nspname not in ('information_schema', 'gp_toolkit');
create view gp_toolkit.__gp_user_tables as
    select n.nspname as autnspname, c.relname as autrelname, c.relkind as autrelkind, c.reltuples as autreltuples,
        c.relpages as autrelpages,
           c.relacl as autrelacl, c.oid as autoid, c.reltoastrelid as auttoastoid, c.relstorage as autrelstorage
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join gp_toolkit.__gp_user_namespaces u on u.aunoid = n.oid
    where c.relkind = 'r';
create view gp_toolkit.__gp_fullname as
    select c.oid as fnoid, n.nspname as fnnspname, c.relname as fnrelname from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace;
create view gp_toolkit.__gp_is_append_only as
    select c.oid as iaooid, c.relstorage in ('a', 'c') as iaotype from pg_catalog.pg_class c;

create function pg_sandbox.rows_by_segment(rel oid) returns table (content int, n bigint)
    language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- Rows on each of the table's segments, those of a root's leaves added up.
declare
    leaf oid;
    place record;
    counts bigint[] := array_fill(0::bigint, array[(select numsegments from gp_distribution_policy
        where localoid = rel)]);
    one bigint;
begin
    for leaf in select leaves(rel) loop
        for place in select * from partitions_of(leaf) loop
            execute format('select count(*) from pg_aoseg.%I', place.name) into one;
            counts[place.content + 1] := counts[place.content + 1] + one;
        end loop;
    end loop;
    return query select (i - 1)::int, counts[i] from generate_subscripts(counts, 1) i;
end $$;

create view pg_sandbox.skew as
    select t.autoid, t.autnspname, t.autrelname, count(r.n) as segments, avg(r.n) as mean,
        stddev_samp(r.n) as deviation, max(r.n) as most
    from gp_toolkit.__gp_user_tables t join pg_catalog.gp_distribution_policy p on p.localoid = t.autoid
    cross join lateral (select * from pg_sandbox.rows_by_segment(t.autoid) where p.policytype = 'p' union all
                        select null, 1 where p.policytype = 'r') r
    where t.autrelstorage in ('h', 'a', 'c') group by 1, 2, 3;
create view gp_toolkit.gp_skew_coefficients as
    select autoid as skcoid, autnspname as skcnamespace, autrelname as skcrelname,
           case when mean > 0 then coalesce(deviation, 0) / mean * 100 else 0 end as skccoeff from pg_sandbox.skew;
create view gp_toolkit.gp_skew_idle_fractions as
    select autoid as sifoid, autnspname as sifnamespace, autrelname as sifrelname, case when most > 0
        then 1 - mean / most else 0 end as siffraction
    from pg_sandbox.skew;

create view gp_toolkit.gp_bloat_expected_pages as
    select t.autoid as btdrelid, ceil(pg_catalog.pg_relation_size(t.autoid) / 32768.0)::bigint as btdrelpages,
           greatest(1, ceil(c.reltuples::numeric * (w.width + 24) / 32768))::bigint as btdexppages
    from gp_toolkit.__gp_user_tables t join pg_catalog.pg_class_real c on c.oid = t.autoid
    join lateral (select sum(s.avg_width) as width from pg_catalog.pg_stats s where s.schemaname = t.autnspname
        and s.tablename = t.autrelname) w
        on w.width is not null
    where t.autrelstorage = 'h' and c.reltuples > 0;
create view gp_toolkit.gp_bloat_diag as
    select b.btdrelid as bdirelid, f.fnnspname as bdinspname, f.fnrelname as bdirelname, b.btdrelpages as bdirelpages,
        b.btdexppages as bdiexppages,
           case when b.btdrelpages >= 10 * b.btdexppages then 'significant amount of bloat suspected'
               else 'moderate amount of bloat suspected' end as bdidiag
    from gp_toolkit.gp_bloat_expected_pages b join gp_toolkit.__gp_fullname f on f.fnoid = b.btdrelid
    where b.btdrelpages > 10 and b.btdrelpages >= 4 * b.btdexppages;

create view gp_toolkit.gp_stats_missing as
    select t.autnspname as smischema, t.autrelname as smitable, false as smisize,
           (select count(*) from pg_catalog.pg_attribute a where a.attrelid = t.autoid and a.attnum > 0
               and not a.attisdropped) as smicols,
           (select count(*) from pg_catalog.pg_stats s where s.schemaname = t.autnspname
               and s.tablename = t.autrelname) as smirecs
    from gp_toolkit.__gp_user_tables t join pg_catalog.pg_class_real c on c.oid = t.autoid join pg_sandbox.tables k
        on k.relid = t.autoid
    where c.reltuples <= 0 and k.kind in ('hash', 'root', 'replicated');

create view gp_toolkit.gp_size_of_table_disk as
    select t.autoid as sotdoid, pg_catalog.pg_relation_size(t.autoid) as sotdsize, 0::bigint as sotdtoastsize,
        0::bigint as sotdadditionalsize,
           t.autnspname as sotdschemaname, t.autrelname as sotdtablename from gp_toolkit.__gp_user_tables t
               where t.autrelstorage <> 'x';
create view gp_toolkit.gp_size_of_all_table_indexes as
    select t.autoid as soatioid, pg_catalog.pg_indexes_size(t.autoid) as soatisize,
           t.autnspname as soatischemaname, t.autrelname as soatitablename from gp_toolkit.__gp_user_tables t
               where t.autrelstorage <> 'x';
create view gp_toolkit.gp_size_of_table_and_indexes_disk as
    select d.sotdoid as sotaidoid, d.sotdsize as sotaidtablesize, i.soatisize as sotaididxsize,
        d.sotdschemaname as sotaidschemaname,
           d.sotdtablename as sotaidtablename
    from gp_toolkit.gp_size_of_table_disk d join gp_toolkit.gp_size_of_all_table_indexes i on i.soatioid = d.sotdoid;
create view gp_toolkit.gp_size_of_schema_disk as
    select sotaidschemaname as sosdnsp, sum(sotaidtablesize) as sosdschematablesize,
        sum(sotaididxsize) as sosdschemaidxsize
    from gp_toolkit.gp_size_of_table_and_indexes_disk group by 1;
create view gp_toolkit.gp_size_of_database as
    select datname as sodddatname, pg_catalog.pg_database_size(oid) as sodddatsize from pg_catalog.pg_database
        where datname not in ('template0', 'template1', 'postgres');
create view gp_toolkit.gp_resqueue_status as
    select 6055::oid as queueid, 'pg_default'::name as rsqname, 20::float4 as rsqcountlimit,
        0::float4 as rsqcountvalue, (-1)::float4 as rsqcostlimit,
           0::float4 as rsqcostvalue, (-1)::float4 as rsqmemorylimit, 0::float4 as rsqmemoryvalue, 0 as rsqwaiters,
               0 as rsqholders;

create function gp_toolkit.__gp_aovisimap_compaction_info(ao_oid oid, out content int, out datafile int,
    out compaction_possible bool,
    out hidden_tupcount bigint, out total_tupcount bigint, out percent_hidden numeric) returns setof record
        language plpgsql security definer as $$
declare
    place record;
    dead bigint;
    live bigint;
begin
    if not exists (select from pg_sandbox.tables where relid = ao_oid and storage in ('a', 'c')) then
        raise exception '''%'' is not an append-only relation', (select relname from pg_catalog.pg_class
            where oid = ao_oid);
    end if;
    for place in select * from pg_sandbox.partitions_of(ao_oid) loop
        execute format('select s.dead, s.live from pg_aoseg.%I s where relname = %L', 'sizes_' || place.content,
            place.physical) into dead, live;
        content := place.content;
        datafile := 1;
        hidden_tupcount := dead;
        total_tupcount := dead + live;
        percent_hidden := round(100.0 * dead / greatest(1, dead + live), 2);
        compaction_possible := percent_hidden > 10;
        return next;
    end loop;
end $$;
do $$
declare
    relation text;
begin
    for relation in select oid::regclass::text from pg_catalog.pg_class_real
        where relnamespace = 'gp_toolkit'::regnamespace and relkind = 'v' loop
        execute 'grant select on ' || relation || ' to public';
    end loop;
end $$;
