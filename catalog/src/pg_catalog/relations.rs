//! Declarations of the `pg_catalog` tables that have rows.

use std::sync::LazyLock;

use crate::metadata::{Kind, Relation};

/// Tables and views with rows; ids and columns are those of Postgres 16.
pub(super) static RELATIONS: LazyLock<Vec<Relation>> = LazyLock::new(|| {
    vec![
        Relation::new(
            "pg_am",
            2601,
            Kind::Table,
            "Access methods of tables and indexes.",
            "oid oid!, amname name!, amhandler regproc!, amtype char!",
        ),
        Relation::new(
            "pg_attrdef",
            2604,
            Kind::Table,
            "Default expressions of columns.",
            "oid oid!, adrelid oid!, adnum int2!, adbin pg_node_tree!",
        ),
        Relation::new(
            "pg_attribute",
            1249,
            Kind::Table,
            "Columns of tables, views and indexes.",
            "attrelid oid!, attname name!, atttypid oid!, attlen int2!, attnum int2!, attcacheoff int4!, atttypmod int4!, \
         attndims int2!, attbyval bool!, attalign char!, attstorage char!, attcompression char!, attnotnull bool!, \
         atthasdef bool!, atthasmissing bool!, attidentity char!, attgenerated char!, attisdropped bool!, attislocal \
         bool!, attinhcount int2!, attstattarget int2!, attcollation oid!, attacl aclitem[], attoptions text[], \
         attfdwoptions text[], attmissingval anyarray",
        ),
        Relation::new(
            "pg_authid",
            1260,
            Kind::Table,
            "Roles; passwords are never shown.",
            "oid oid!, rolname name!, rolsuper bool!, rolinherit bool!, rolcreaterole bool!, rolcreatedb bool!, \
         rolcanlogin bool!, rolreplication bool!, rolbypassrls bool!, rolconnlimit int4!, rolpassword text, \
         rolvaliduntil timestamptz",
        ),
        Relation::new(
            "pg_available_extensions",
            12081,
            Kind::View,
            "Extensions that a client may ask for; all of them are built in.",
            "name name, default_version text, installed_version text, comment text",
        ),
        Relation::new(
            "pg_class",
            1259,
            Kind::Table,
            "Tables, views, indexes and sequences.",
            "oid oid!, relname name!, relnamespace oid!, reltype oid!, reloftype oid!, relowner oid!, relam oid!, \
         relfilenode oid!, reltablespace oid!, relpages int4!, reltuples float4!, relallvisible int4!, reltoastrelid \
         oid!, relhasindex bool!, relisshared bool!, relpersistence char!, relkind char!, relnatts int2!, relchecks \
         int2!, relhasrules bool!, relhastriggers bool!, relhassubclass bool!, relrowsecurity bool!, \
         relforcerowsecurity bool!, relispopulated bool!, relreplident char!, relispartition bool!, relrewrite oid!, \
         relfrozenxid xid!, relminmxid xid!, relacl aclitem[], reloptions text[], relpartbound pg_node_tree",
        ),
        Relation::new(
            "pg_collation",
            3456,
            Kind::Table,
            "Collations; text compares by its bytes.",
            "oid oid!, collname name!, collnamespace oid!, collowner oid!, collprovider char!, collisdeterministic bool!, \
         collencoding int4!, collcollate text, collctype text, colliculocale text, collicurules text, collversion \
         text",
        ),
        Relation::new(
            "pg_constraint",
            2606,
            Kind::Table,
            "Constraints.",
            "oid oid!, conname name!, connamespace oid!, contype char!, condeferrable bool!, condeferred bool!, \
         convalidated bool!, conrelid oid!, contypid oid!, conindid oid!, conparentid oid!, confrelid oid!, \
         confupdtype char!, confdeltype char!, confmatchtype char!, conislocal bool!, coninhcount int4!, connoinherit \
         bool!, conkey int2[], confkey int2[], conpfeqop oid[], conppeqop oid[], conffeqop oid[], confdelsetcols \
         int2[], conexclop oid[], conbin pg_node_tree",
        ),
        Relation::new(
            "pg_database",
            1262,
            Kind::Table,
            "Databases of the server: the one.",
            "oid oid!, datname name!, datdba oid!, encoding int4!, datlocprovider char!, datistemplate bool!, \
         datallowconn bool!, datconnlimit int4!, datfrozenxid xid!, datminmxid xid!, dattablespace oid!, datcollate \
         text!, datctype text!, daticulocale text, daticurules text, datcollversion text, datacl aclitem[]",
        ),
        Relation::new(
            "pg_description",
            2609,
            Kind::Table,
            "Comments on objects: the documentation of the metadata tables.",
            "objoid oid!, classoid oid!, objsubid int4!, description text!",
        ),
        Relation::new(
            "pg_extension",
            3079,
            Kind::Table,
            "Installed extensions; vector is built in and listed for clients that look for it.",
            "oid oid!, extname name!, extowner oid!, extnamespace oid!, extrelocatable bool!, extversion text!, extconfig \
         oid[], extcondition text[]",
        ),
        Relation::new(
            "pg_index",
            2610,
            Kind::Table,
            "Indexes: those that were made, and one for each key.",
            "indexrelid oid!, indrelid oid!, indnatts int2!, indnkeyatts int2!, indisunique bool!, indnullsnotdistinct \
         bool!, indisprimary bool!, indisexclusion bool!, indimmediate bool!, indisclustered bool!, indisvalid bool!, \
         indcheckxmin bool!, indisready bool!, indislive bool!, indisreplident bool!, indkey int2vector!, \
         indcollation oidvector!, indclass oidvector!, indoption int2vector!, indexprs pg_node_tree, indpred \
         pg_node_tree",
        ),
        Relation::new(
            "pg_indexes",
            12043,
            Kind::View,
            "Indexes with their definitions as text.",
            "schemaname name, tablename name, indexname name, tablespace name, indexdef text",
        ),
        Relation::new(
            "pg_language",
            2612,
            Kind::Table,
            "Languages of functions.",
            "oid oid!, lanname name!, lanowner oid!, lanispl bool!, lanpltrusted bool!, lanplcallfoid oid!, laninline \
         oid!, lanvalidator oid!, lanacl aclitem[]",
        ),
        Relation::new(
            "pg_namespace",
            2615,
            Kind::Table,
            "Schemas.",
            "oid oid!, nspname name!, nspowner oid!, nspacl aclitem[]",
        ),
        Relation::new(
            "pg_opclass",
            2616,
            Kind::Table,
            "Operator classes of indexes that have several: those of vectors and of text.",
            "oid oid!, opcmethod oid!, opcname name!, opcnamespace oid!, opcowner oid!, opcfamily oid!, opcintype oid!, \
         opcdefault bool!, opckeytype oid!",
        ),
        Relation::new(
            "pg_proc",
            1255,
            Kind::Table,
            "Functions: the input and output functions of types and the metadata functions.",
            "oid oid!, proname name!, pronamespace oid!, proowner oid!, prolang oid!, procost float4!, prorows float4!, \
         provariadic oid!, prosupport regproc!, prokind char!, prosecdef bool!, proleakproof bool!, proisstrict \
         bool!, proretset bool!, provolatile char!, proparallel char!, pronargs int2!, pronargdefaults int2!, \
         prorettype oid!, proargtypes oidvector!, proallargtypes oid[], proargmodes char[], proargnames text[], \
         proargdefaults pg_node_tree, protrftypes oid[], prosrc text!, probin text, prosqlbody pg_node_tree, \
         proconfig text[], proacl aclitem[]",
        ),
        Relation::new(
            "pg_roles",
            12000,
            Kind::View,
            "Roles, readable by everybody.",
            "rolname name, rolsuper bool, rolinherit bool, rolcreaterole bool, rolcreatedb bool, rolcanlogin bool, \
         rolreplication bool, rolconnlimit int4, rolpassword text, rolvaliduntil timestamptz, rolbypassrls bool, \
         rolconfig text[], oid oid",
        ),
        Relation::new(
            "pg_depend",
            2608,
            Kind::Table,
            "Which sequences belong to which columns; other dependencies are not listed.",
            "classid oid!, objid oid!, objsubid int4!, refclassid oid!, refobjid oid!, refobjsubid int4!, deptype char!",
        ),
        Relation::new(
            "pg_sequence",
            2224,
            Kind::Table,
            "Sequences.",
            "seqrelid oid!, seqtypid oid!, seqstart int8!, seqincrement int8!, seqmax int8!, seqmin int8!, seqcache \
         int8!, seqcycle bool!",
        ),
        Relation::new(
            "pg_sequences",
            12048,
            Kind::View,
            "Sequences, readable by everybody.",
            "schemaname name, sequencename name, sequenceowner name, data_type regtype, start_value int8, min_value int8, \
         max_value int8, increment_by int8, cycle bool, cache_size int8, last_value int8",
        ),
        Relation::new(
            "pg_settings",
            12104,
            Kind::View,
            "Settings of this session.",
            "name text, setting text, unit text, category text, short_desc text, extra_desc text, context text, vartype \
         text, source text, min_val text, max_val text, enumvals text[], boot_val text, reset_val text, sourcefile \
         text, sourceline int4, pending_restart bool",
        ),
        Relation::new(
            "pg_shadow",
            12005,
            Kind::View,
            "Roles that may log in.",
            "usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, usebypassrls bool, passwd text, \
         valuntil timestamptz, useconfig text[]",
        ),
        Relation::new(
            "pg_stat_activity",
            12222,
            Kind::View,
            "Sessions: this one.",
            "datid oid, datname name, pid int4, leader_pid int4, usesysid oid, usename name, application_name text, \
         client_addr inet, client_hostname text, client_port int4, backend_start timestamptz, xact_start timestamptz, \
         query_start timestamptz, state_change timestamptz, wait_event_type text, wait_event text, state text, \
         backend_xid xid, backend_xmin xid, query_id int8, query text, backend_type text",
        ),
        Relation::new(
            "pg_stat_all_tables",
            12142,
            Kind::View,
            "Statistics of all tables; counters are not kept.",
            "relid oid, schemaname name, relname name, seq_scan int8, last_seq_scan timestamptz, seq_tup_read int8, \
         idx_scan int8, last_idx_scan timestamptz, idx_tup_fetch int8, n_tup_ins int8, n_tup_upd int8, n_tup_del \
         int8, n_tup_hot_upd int8, n_tup_newpage_upd int8, n_live_tup int8, n_dead_tup int8, n_mod_since_analyze \
         int8, n_ins_since_vacuum int8, last_vacuum timestamptz, last_autovacuum timestamptz, last_analyze \
         timestamptz, last_autoanalyze timestamptz, vacuum_count int8, autovacuum_count int8, analyze_count int8, \
         autoanalyze_count int8",
        ),
        Relation::new(
            "pg_stat_progress_create_index",
            12235,
            Kind::View,
            "Builds of indexes that are running, those of the background (pid 0) among them.",
            "pid int4, datid oid, datname name, relid oid, index_relid oid, command text, phase text, lockers_total int8, \
         lockers_done int8, current_locker_pid int8, blocks_total int8, blocks_done int8, tuples_total int8, \
         tuples_done int8, partitions_total int8, partitions_done int8",
        ),
        Relation::new(
            "pg_stat_user_tables",
            12161,
            Kind::View,
            "Statistics of the tables of users; counters are not kept.",
            "relid oid, schemaname name, relname name, seq_scan int8, last_seq_scan timestamptz, seq_tup_read int8, \
         idx_scan int8, last_idx_scan timestamptz, idx_tup_fetch int8, n_tup_ins int8, n_tup_upd int8, n_tup_del \
         int8, n_tup_hot_upd int8, n_tup_newpage_upd int8, n_live_tup int8, n_dead_tup int8, n_mod_since_analyze \
         int8, n_ins_since_vacuum int8, last_vacuum timestamptz, last_autovacuum timestamptz, last_analyze \
         timestamptz, last_autoanalyze timestamptz, vacuum_count int8, autovacuum_count int8, analyze_count int8, \
         autoanalyze_count int8",
        ),
        Relation::new(
            "pg_tables",
            12033,
            Kind::View,
            "Tables.",
            "schemaname name, tablename name, tableowner name, tablespace name, hasindexes bool, hasrules bool, \
         hastriggers bool, rowsecurity bool",
        ),
        Relation::new(
            "pg_tablespace",
            1213,
            Kind::Table,
            "Table spaces: names that clients expect, without a place of their own.",
            "oid oid!, spcname name!, spcowner oid!, spcacl aclitem[], spcoptions text[]",
        ),
        Relation::new(
            "pg_type",
            1247,
            Kind::Table,
            "Types and their array types.",
            "oid oid!, typname name!, typnamespace oid!, typowner oid!, typlen int2!, typbyval bool!, typtype char!, \
         typcategory char!, typispreferred bool!, typisdefined bool!, typdelim char!, typrelid oid!, typsubscript \
         regproc!, typelem oid!, typarray oid!, typinput regproc!, typoutput regproc!, typreceive regproc!, typsend \
         regproc!, typmodin regproc!, typmodout regproc!, typanalyze regproc!, typalign char!, typstorage char!, \
         typnotnull bool!, typbasetype oid!, typtypmod int4!, typndims int4!, typcollation oid!, typdefaultbin \
         pg_node_tree, typdefault text, typacl aclitem[]",
        ),
        Relation::new(
            "pg_user",
            12014,
            Kind::View,
            "Roles that may log in, readable by everybody.",
            "usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, usebypassrls bool, passwd text, \
         valuntil timestamptz, useconfig text[]",
        ),
        Relation::new(
            "pg_views",
            12028,
            Kind::View,
            "Views, those of the server among them.",
            "schemaname name, viewname name, viewowner name, definition text",
        ),
    ]
});
