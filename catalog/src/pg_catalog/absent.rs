//! Declarations of the `pg_catalog` tables for things that this database has none of, or does not list. Clients join
//! with them all the same.

use std::sync::LazyLock;

use crate::metadata::{Kind, Relation};

/// Tables and views that are empty in every snapshot.
pub(super) static RELATIONS: LazyLock<Vec<Relation>> = LazyLock::new(|| {
    vec![
        Relation::new(
            "pg_aggregate",
            2600,
            Kind::Table,
            "Aggregate functions are not listed.",
            "aggfnoid regproc!, aggkind char!, aggnumdirectargs int2!, aggtransfn regproc!, aggfinalfn regproc!, \
         aggcombinefn regproc!, aggserialfn regproc!, aggdeserialfn regproc!, aggmtransfn regproc!, aggminvtransfn \
         regproc!, aggmfinalfn regproc!, aggfinalextra bool!, aggmfinalextra bool!, aggfinalmodify char!, \
         aggmfinalmodify char!, aggsortop oid!, aggtranstype oid!, aggtransspace int4!, aggmtranstype oid!, \
         aggmtransspace int4!, agginitval text, aggminitval text",
        ),
        Relation::new(
            "pg_amop",
            2602,
            Kind::Table,
            "Index operators are not listed.",
            "oid oid!, amopfamily oid!, amoplefttype oid!, amoprighttype oid!, amopstrategy int2!, amoppurpose char!, \
         amopopr oid!, amopmethod oid!, amopsortfamily oid!",
        ),
        Relation::new(
            "pg_amproc",
            2603,
            Kind::Table,
            "Index support functions are not listed.",
            "oid oid!, amprocfamily oid!, amproclefttype oid!, amprocrighttype oid!, amprocnum int2!, amproc regproc!",
        ),
        Relation::new(
            "pg_auth_members",
            1261,
            Kind::Table,
            "No role is a member of another.",
            "oid oid!, roleid oid!, member oid!, grantor oid!, admin_option bool!, inherit_option bool!, set_option bool!",
        ),
        Relation::new(
            "pg_cast",
            2605,
            Kind::Table,
            "Casts are not listed.",
            "oid oid!, castsource oid!, casttarget oid!, castfunc oid!, castcontext char!, castmethod char!",
        ),
        Relation::new(
            "pg_conversion",
            2607,
            Kind::Table,
            "No encoding conversions: everything is UTF-8.",
            "oid oid!, conname name!, connamespace oid!, conowner oid!, conforencoding int4!, contoencoding int4!, \
         conproc regproc!, condefault bool!",
        ),
        Relation::new(
            "pg_cursors",
            12077,
            Kind::View,
            "Cursors are not listed.",
            "name text, statement text, is_holdable bool, is_binary bool, is_scrollable bool, creation_time timestamptz",
        ),
        Relation::new(
            "pg_db_role_setting",
            2964,
            Kind::Table,
            "No settings per database or role.",
            "setdatabase oid!, setrole oid!, setconfig text[]",
        ),
        Relation::new(
            "pg_default_acl",
            826,
            Kind::Table,
            "No default privileges.",
            "oid oid!, defaclrole oid!, defaclnamespace oid!, defaclobjtype char!, defaclacl aclitem[]!",
        ),
        Relation::new(
            "pg_enum",
            3501,
            Kind::Table,
            "No enumerated types.",
            "oid oid!, enumtypid oid!, enumsortorder float4!, enumlabel name!",
        ),
        Relation::new(
            "pg_event_trigger",
            3466,
            Kind::Table,
            "No event triggers.",
            "oid oid!, evtname name!, evtevent name!, evtowner oid!, evtfoid oid!, evtenabled char!, evttags text[]",
        ),
        Relation::new(
            "pg_foreign_data_wrapper",
            2328,
            Kind::Table,
            "No foreign data.",
            "oid oid!, fdwname name!, fdwowner oid!, fdwhandler oid!, fdwvalidator oid!, fdwacl aclitem[], fdwoptions \
         text[]",
        ),
        Relation::new(
            "pg_foreign_server",
            1417,
            Kind::Table,
            "No foreign data.",
            "oid oid!, srvname name!, srvowner oid!, srvfdw oid!, srvtype text, srvversion text, srvacl aclitem[], \
         srvoptions text[]",
        ),
        Relation::new(
            "pg_foreign_table",
            3118,
            Kind::Table,
            "No foreign data.",
            "ftrelid oid!, ftserver oid!, ftoptions text[]",
        ),
        Relation::new("pg_group", 12010, Kind::View, "No groups.", "groname name, grosysid oid, grolist oid[]"),
        Relation::new(
            "pg_inherits",
            2611,
            Kind::Table,
            "No inheritance and no partitions.",
            "inhrelid oid!, inhparent oid!, inhseqno int4!, inhdetachpending bool!",
        ),
        Relation::new(
            "pg_init_privs",
            3394,
            Kind::Table,
            "No initial privileges.",
            "objoid oid!, classoid oid!, objsubid int4!, privtype char!, initprivs aclitem[]!",
        ),
        Relation::new("pg_largeobject", 2613, Kind::Table, "No large objects.", "loid oid!, pageno int4!, data bytea!"),
        Relation::new(
            "pg_largeobject_metadata",
            2995,
            Kind::Table,
            "No large objects.",
            "oid oid!, lomowner oid!, lomacl aclitem[]",
        ),
        Relation::new(
            "pg_locks",
            12073,
            Kind::View,
            "No locks: readers have snapshots.",
            "locktype text, database oid, relation oid, page int4, tuple int2, virtualxid text, transactionid xid, \
         classid oid, objid oid, objsubid int2, virtualtransaction text, pid int4, mode text, granted bool, fastpath \
         bool, waitstart timestamptz",
        ),
        Relation::new(
            "pg_matviews",
            12038,
            Kind::View,
            "No materialized views.",
            "schemaname name, matviewname name, matviewowner name, tablespace name, hasindexes bool, ispopulated bool, \
         definition text",
        ),
        Relation::new(
            "pg_operator",
            2617,
            Kind::Table,
            "Operators are not listed.",
            "oid oid!, oprname name!, oprnamespace oid!, oprowner oid!, oprkind char!, oprcanmerge bool!, oprcanhash \
         bool!, oprleft oid!, oprright oid!, oprresult oid!, oprcom oid!, oprnegate oid!, oprcode regproc!, oprrest \
         regproc!, oprjoin regproc!",
        ),
        Relation::new(
            "pg_opfamily",
            2753,
            Kind::Table,
            "Operator families are not listed.",
            "oid oid!, opfmethod oid!, opfname name!, opfnamespace oid!, opfowner oid!",
        ),
        Relation::new(
            "pg_partitioned_table",
            3350,
            Kind::Table,
            "No partitions.",
            "partrelid oid!, partstrat char!, partnatts int2!, partdefid oid!, partattrs int2vector!, partclass \
         oidvector!, partcollation oidvector!, partexprs pg_node_tree",
        ),
        Relation::new(
            "pg_policies",
            12018,
            Kind::View,
            "No row security.",
            "schemaname name, tablename name, policyname name, permissive text, roles name[], cmd text, qual text, \
         with_check text",
        ),
        Relation::new(
            "pg_policy",
            3256,
            Kind::Table,
            "No row security.",
            "oid oid!, polname name!, polrelid oid!, polcmd char!, polpermissive bool!, polroles oid[]!, polqual \
         pg_node_tree, polwithcheck pg_node_tree",
        ),
        Relation::new(
            "pg_prepared_statements",
            12095,
            Kind::View,
            "Prepared statements are not listed.",
            "name text, statement text, prepare_time timestamptz, parameter_types regtype[], result_types regtype[], \
         from_sql bool, generic_plans int8, custom_plans int8",
        ),
        Relation::new(
            "pg_prepared_xacts",
            12090,
            Kind::View,
            "No prepared transactions.",
            "transaction xid, gid text, prepared timestamptz, owner name, database name",
        ),
        Relation::new(
            "pg_publication",
            6104,
            Kind::Table,
            "No logical replication.",
            "oid oid!, pubname name!, pubowner oid!, puballtables bool!, pubinsert bool!, pubupdate bool!, pubdelete \
         bool!, pubtruncate bool!, pubviaroot bool!",
        ),
        Relation::new(
            "pg_publication_namespace",
            6237,
            Kind::Table,
            "No logical replication.",
            "oid oid!, pnpubid oid!, pnnspid oid!",
        ),
        Relation::new(
            "pg_publication_rel",
            6106,
            Kind::Table,
            "No logical replication.",
            "oid oid!, prpubid oid!, prrelid oid!, prqual pg_node_tree, prattrs int2vector",
        ),
        Relation::new(
            "pg_publication_tables",
            12068,
            Kind::View,
            "No logical replication.",
            "pubname name, schemaname name, tablename name, attnames name[], rowfilter text",
        ),
        Relation::new(
            "pg_range",
            3541,
            Kind::Table,
            "No range types.",
            "rngtypid oid!, rngsubtype oid!, rngmultitypid oid!, rngcollation oid!, rngsubopc oid!, rngcanonical \
         regproc!, rngsubdiff regproc!",
        ),
        Relation::new(
            "pg_replication_slots",
            12257,
            Kind::View,
            "No replication slots.",
            "slot_name name, plugin name, slot_type text, datoid oid, database name, temporary bool, active bool, \
         active_pid int4, xmin xid, catalog_xmin xid, restart_lsn pg_lsn, confirmed_flush_lsn pg_lsn, wal_status \
         text, safe_wal_size int8, two_phase bool",
        ),
        Relation::new(
            "pg_rewrite",
            2618,
            Kind::Table,
            "No rewrite rules.",
            "oid oid!, rulename name!, ev_class oid!, ev_type char!, ev_enabled char!, is_instead bool!, ev_qual \
         pg_node_tree!, ev_action pg_node_tree!",
        ),
        Relation::new(
            "pg_rules",
            12023,
            Kind::View,
            "No rewrite rules.",
            "schemaname name, tablename name, rulename name, definition text",
        ),
        Relation::new(
            "pg_seclabel",
            3596,
            Kind::Table,
            "No security labels.",
            "objoid oid!, classoid oid!, objsubid int4!, provider text!, label text!",
        ),
        Relation::new(
            "pg_seclabels",
            12099,
            Kind::View,
            "No security labels.",
            "objoid oid, classoid oid, objsubid int4, objtype text, objnamespace oid, objname text, provider text, label \
         text",
        ),
        Relation::new(
            "pg_shdepend",
            1214,
            Kind::Table,
            "Dependencies are not listed.",
            "dbid oid!, classid oid!, objid oid!, objsubid int4!, refclassid oid!, refobjid oid!, deptype char!",
        ),
        Relation::new(
            "pg_shdescription",
            2396,
            Kind::Table,
            "No comments on objects that databases share.",
            "objoid oid!, classoid oid!, description text!",
        ),
        Relation::new(
            "pg_shseclabel",
            3592,
            Kind::Table,
            "No security labels.",
            "objoid oid!, classoid oid!, provider text!, label text!",
        ),
        Relation::new(
            "pg_stat_all_indexes",
            12183,
            Kind::View,
            "Statistics of indexes are not kept.",
            "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_scan int8, last_idx_scan \
         timestamptz, idx_tup_read int8, idx_tup_fetch int8",
        ),
        Relation::new(
            "pg_stat_replication",
            12227,
            Kind::View,
            "No streaming replication.",
            "pid int4, usesysid oid, usename name, application_name text, client_addr inet, client_hostname text, \
         client_port int4, backend_start timestamptz, backend_xmin xid, state text, sent_lsn pg_lsn, write_lsn \
         pg_lsn, flush_lsn pg_lsn, replay_lsn pg_lsn, write_lag interval, flush_lag interval, replay_lag interval, \
         sync_priority int4, sync_state text, reply_time timestamptz",
        ),
        Relation::new(
            "pg_stat_user_functions",
            12275,
            Kind::View,
            "No functions of users.",
            "funcid oid, schemaname name, funcname name, calls int8, total_time float8, self_time float8",
        ),
        Relation::new(
            "pg_stat_user_indexes",
            12192,
            Kind::View,
            "Statistics of indexes are not kept.",
            "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_scan int8, last_idx_scan \
         timestamptz, idx_tup_read int8, idx_tup_fetch int8",
        ),
        Relation::new(
            "pg_statistic",
            2619,
            Kind::Table,
            "Column statistics are not kept.",
            "starelid oid!, staattnum int2!, stainherit bool!, stanullfrac float4!, stawidth int4!, stadistinct float4!, \
         stakind1 int2!, stakind2 int2!, stakind3 int2!, stakind4 int2!, stakind5 int2!, staop1 oid!, staop2 oid!, \
         staop3 oid!, staop4 oid!, staop5 oid!, stacoll1 oid!, stacoll2 oid!, stacoll3 oid!, stacoll4 oid!, stacoll5 \
         oid!, stanumbers1 float4[], stanumbers2 float4[], stanumbers3 float4[], stanumbers4 float4[], stanumbers5 \
         float4[], stavalues1 anyarray, stavalues2 anyarray, stavalues3 anyarray, stavalues4 anyarray, stavalues5 \
         anyarray",
        ),
        Relation::new(
            "pg_statistic_ext",
            3381,
            Kind::Table,
            "No extended statistics.",
            "oid oid!, stxrelid oid!, stxname name!, stxnamespace oid!, stxowner oid!, stxstattarget int4!, stxkeys \
         int2vector!, stxkind char[]!, stxexprs pg_node_tree",
        ),
        Relation::new(
            "pg_stats",
            12053,
            Kind::View,
            "Column statistics are not kept.",
            "schemaname name, tablename name, attname name, inherited bool, null_frac float4, avg_width int4, n_distinct \
         float4, most_common_vals anyarray, most_common_freqs float4[], histogram_bounds anyarray, correlation \
         float4, most_common_elems anyarray, most_common_elem_freqs float4[], elem_count_histogram float4[]",
        ),
        Relation::new(
            "pg_subscription_rel",
            6102,
            Kind::Table,
            "No logical replication.",
            "srsubid oid!, srrelid oid!, srsubstate char!, srsublsn pg_lsn",
        ),
        Relation::new(
            "pg_transform",
            3576,
            Kind::Table,
            "No transforms.",
            "oid oid!, trftype oid!, trflang oid!, trffromsql regproc!, trftosql regproc!",
        ),
        Relation::new(
            "pg_trigger",
            2620,
            Kind::Table,
            "No triggers.",
            "oid oid!, tgrelid oid!, tgparentid oid!, tgname name!, tgfoid oid!, tgtype int2!, tgenabled char!, \
         tgisinternal bool!, tgconstrrelid oid!, tgconstrindid oid!, tgconstraint oid!, tgdeferrable bool!, \
         tginitdeferred bool!, tgnargs int2!, tgattr int2vector!, tgargs bytea!, tgqual pg_node_tree, tgoldtable \
         name, tgnewtable name",
        ),
        Relation::new(
            "pg_ts_config",
            3602,
            Kind::Table,
            "Text search configurations are not listed.",
            "oid oid!, cfgname name!, cfgnamespace oid!, cfgowner oid!, cfgparser oid!",
        ),
        Relation::new(
            "pg_ts_dict",
            3600,
            Kind::Table,
            "Text search dictionaries are not listed.",
            "oid oid!, dictname name!, dictnamespace oid!, dictowner oid!, dicttemplate oid!, dictinitoption text",
        ),
        Relation::new(
            "pg_ts_parser",
            3601,
            Kind::Table,
            "Text search parsers are not listed.",
            "oid oid!, prsname name!, prsnamespace oid!, prsstart regproc!, prstoken regproc!, prsend regproc!, \
         prsheadline regproc!, prslextype regproc!",
        ),
        Relation::new(
            "pg_ts_template",
            3764,
            Kind::Table,
            "Text search templates are not listed.",
            "oid oid!, tmplname name!, tmplnamespace oid!, tmplinit regproc!, tmpllexize regproc!",
        ),
        Relation::new(
            "pg_user_mapping",
            1418,
            Kind::Table,
            "No foreign data.",
            "oid oid!, umuser oid!, umserver oid!, umoptions text[]",
        ),
        Relation::new(
            "pg_user_mappings",
            12327,
            Kind::View,
            "No foreign data.",
            "umid oid, srvid oid, srvname name, umuser oid, usename name, umoptions text[]",
        ),
    ]
});
