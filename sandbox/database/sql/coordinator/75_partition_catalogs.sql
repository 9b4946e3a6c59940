-- 75_partition_catalogs.sql: Greenplum 6's own catalogs of partitions and external tables, over PostgreSQL's
-- OIDs of rows that exist only here: a level's is the root's plus level * 2^28 (templates: plus 2^31), a rule's is its
-- partition's.

create view pg_sandbox.partition_tree as
    with recursive tree as (
        select t.relid as root, t.relid, 0::oid as parent, 0 as depth, t.kind = 'root' as branch
        from pg_sandbox.tables t
        where t.kind = 'root' and not exists (select from pg_catalog.pg_inherits_real i where i.inhrelid = t.relid)
        union all
        select tree.root, c.relid, tree.relid, tree.depth + 1, c.kind = 'root'
        from tree join pg_catalog.pg_inherits_real i on i.inhparent = tree.relid join pg_sandbox.tables c
            on c.relid = i.inhrelid
        where tree.branch)
    select * from tree;

create view pg_sandbox.partition_bounds as
    select tree.root, tree.relid, tree.parent, tree.depth, c.relname, c.relnamespace, p.relname as parent_name,
           substr(c.relname, length(p.relname) + length(tree.depth::text) + 7) as part,
           pg_catalog.pg_get_expr(c.relpartbound, c.oid) as bound,
           (select pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_partitioned_table k
            join pg_catalog.pg_attribute a on a.attrelid = k.partrelid and a.attnum = k.partattrs[0]
                where k.partrelid = tree.parent) as type
    from pg_sandbox.partition_tree tree
    join pg_catalog.pg_class_real c on c.oid = tree.relid join pg_catalog.pg_class_real p on p.oid = tree.parent
    where tree.depth > 0;

create view pg_catalog.pg_partition as
    with levels as (
        select distinct on (tree.root, tree.depth) tree.root, tree.depth, k.partstrat, k.partattrs, k.partclass
        from pg_sandbox.partition_tree tree join pg_catalog.pg_partitioned_table k on k.partrelid = tree.relid
            where tree.branch)
    select (root::int8 + depth * 268435456)::oid as oid, root as parrelid, partstrat as parkind,
        depth::int2 as parlevel,
           false as paristemplate, 1::int2 as parnatts, partattrs as paratts, partclass as parclass
    from levels
    union all
    select (root::int8 + depth * 268435456 + 2147483648)::oid, root, partstrat, depth::int2, true, 1::int2, partattrs,
        partclass
    from levels where depth > 0;
grant select on pg_catalog.pg_partition to public;

create view pg_catalog.pg_partition_rule as
    select b.relid as oid, (b.root::int8 + (b.depth - 1) * 268435456)::oid as paroid, b.relid as parchildrelid,
           case when b.depth > 1 then b.parent else 0::oid end as parparentrule,
           case when b.part ~ '^\d+$' then '' else b.part end::name as parname, b.bound = 'DEFAULT' as parisdefault,
           (case when b.bound = 'DEFAULT' then 0 else row_number() over (partition by b.parent
               order by b.bound = 'DEFAULT', b.relid) end)::int2
               as parruleord,
           true as parrangestartincl, false as parrangeendincl,
           (regexp_match(b.bound, 'FROM \((.*)\) TO'))[1] as parrangestart, (regexp_match(b.bound, 'TO \((.*)\)'))[1]
               as parrangeend,
           null::text as parrangeevery, (regexp_match(b.bound, 'IN \((.*)\)'))[1] as parlistvalues,
           (select options from pg_sandbox.tables t where t.relid = b.relid) as parreloptions,
               0::oid as partemplatespace
    from pg_sandbox.partition_bounds b;
grant select on pg_catalog.pg_partition_rule to public;

create view pg_catalog.pg_partitions as
    select n.nspname as schemaname, root.relname as tablename, pn.nspname as partitionschemaname,
        b.relname as partitiontablename,
           nullif(r.parname, '')::name as partitionname, case when b.depth > 1
               then b.parent_name end as parentpartitiontablename,
           case when b.depth > 1 then (select nullif(u.parname, '')::name from pg_catalog.pg_partition_rule u
               where u.parchildrelid = b.parent) end
               as parentpartitionname,
           case when r.parlistvalues is not null then 'list' when b.type is not null and r.parrangestart is not null
               then 'range'
                else (select case k.partstrat when 'l' then 'list' else 'range' end
                    from pg_catalog.pg_partitioned_table k where k.partrelid = b.parent)
           end as partitiontype,
           (b.depth - 1)::int2 as partitionlevel, case when r.parisdefault then null
               else r.parruleord::int8 end as partitionrank,
           r.parruleord as partitionposition, r.parlistvalues || '::' || b.type as partitionlistvalues,
           r.parrangestart || '::' || b.type as partitionrangestart, r.parrangestart is not null as
               partitionstartinclusive,
           r.parrangeend || '::' || b.type as partitionrangeend, false as partitionendinclusive,
               null::text as partitioneveryclause,
           r.parisdefault as partitionisdefault,
           case when r.parisdefault then 'DEFAULT ' else '' end
               || case when r.parname <> '' then (case when b.depth > 1 then 'SUBPARTITION '
                   else 'PARTITION ' end) || quote_ident(r.parname) || ' ' else '' end
               || coalesce('START (' || r.parrangestart || '::' || b.type || ') END (' || r.parrangeend || '::' ||
                   b.type || ')', '')
               || coalesce('VALUES(' || r.parlistvalues || ')', '') as partitionboundary,
           'pg_default'::name as parenttablespace, 'pg_default'::name as partitiontablespace
    from pg_sandbox.partition_bounds b
    join pg_catalog.pg_partition_rule r on r.parchildrelid = b.relid
    join pg_catalog.pg_class_real root on root.oid = b.root join pg_catalog.pg_namespace n on n.oid = root.relnamespace
    join pg_catalog.pg_namespace pn on pn.oid = b.relnamespace;
grant select on pg_catalog.pg_partitions to public;

create view pg_catalog.pg_exttable as
    select t.relid as reloid, array[t.location] as urilocation, array['ALL_SEGMENTS'] as execlocation,
        'c'::"char" as fmttype,
           'delimiter '','' null '''' escape ''"'' quote ''"''' as fmtopts, '{}'::text[] as options,
               null::text as command, null::int4 as rejectlimit,
           null::"char" as rejectlimittype, false as logerrors, 6 as encoding,
           exists (select from pg_catalog.gp_distribution_policy p where p.localoid = t.relid) as writable
    from pg_sandbox.tables t where t.kind = 'external';
grant select on pg_catalog.pg_exttable to public;

create view pg_catalog.pg_appendonly as
    select t.relid, 32768 as blocksize, coalesce((select split_part(o, '=', 2)::int4 from unnest(t.options) o
        where o like 'compresslevel=%'), 0)
               as compresslevel,
           true as checksum, coalesce((select split_part(o, '=', 2) from unnest(t.options) o
               where o like 'compresstype=%'), '')::name as compresstype,
           t.storage = 'c' as columnstore
    from pg_sandbox.tables t where t.storage in ('a', 'c');
grant select on pg_catalog.pg_appendonly to public;

alter view pg_catalog.pg_matviews rename to pg_matviews_real;
create view pg_catalog.pg_matviews as
    select n.nspname as schemaname, c.relname as matviewname, pg_catalog.pg_get_userbyid(c.relowner) as matviewowner,
        null::name as tablespace,
           c.relhasindex as hasindexes, true as ispopulated, t.materialized as definition
    from pg_sandbox.tables t join pg_catalog.pg_class_real c on c.oid = t.relid join pg_catalog.pg_namespace n
        on n.oid = c.relnamespace
    where t.materialized is not null;
grant select on pg_catalog.pg_matviews to public;

alter view pg_catalog.pg_tables rename to pg_tables_real;
create view pg_catalog.pg_tables as
    select r.* from pg_catalog.pg_tables_real r
    where not exists (select from pg_catalog.pg_matviews m where m.schemaname = r.schemaname
        and m.matviewname = r.tablename)
      and r.schemaname not in ('pg_sandbox', 'pg_aoseg');
grant select on pg_catalog.pg_tables to public;
