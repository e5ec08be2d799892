//! Declarations of the `information_schema` views: columns of Postgres 16, whose domains are their base types on the wire.

use std::sync::LazyLock;

use crate::metadata::{Kind, Relation};

use super::OID;

/// The views. Their object ids follow the schema's, in this order.
pub(super) static RELATIONS: LazyLock<Vec<Relation>> = LazyLock::new(|| {
    vec![
        Relation::new(
            "applicable_roles",
            OID + 1,
            Kind::View,
            "Roles that the user may use: none beside its own.",
            "grantee name, role_name name, is_grantable varchar",
        ),
        Relation::new(
            "character_sets",
            OID + 2,
            Kind::View,
            "Character sets: UTF-8.",
            "character_set_catalog name, character_set_schema name, character_set_name name, character_repertoire name, \
         form_of_use name, default_collate_catalog name, default_collate_schema name, default_collate_name name",
        ),
        Relation::new(
            "check_constraints",
            OID + 3,
            Kind::View,
            "CHECK constraints, and NOT NULL as the standard has it.",
            "constraint_catalog name, constraint_schema name, constraint_name name, check_clause varchar",
        ),
        Relation::new(
            "collations",
            OID + 4,
            Kind::View,
            "Collations are not listed; text compares by its bytes.",
            "collation_catalog name, collation_schema name, collation_name name, pad_attribute varchar",
        ),
        Relation::new(
            "column_privileges",
            OID + 5,
            Kind::View,
            "Privileges on columns: the owner has all.",
            "grantor name, grantee name, table_catalog name, table_schema name, table_name name, column_name name, \
         privilege_type varchar, is_grantable varchar",
        ),
        Relation::new(
            "columns",
            OID + 6,
            Kind::View,
            "Columns of tables and views.",
            "table_catalog name, table_schema name, table_name name, column_name name, ordinal_position int4, \
         column_default varchar, is_nullable varchar, data_type varchar, character_maximum_length int4, \
         character_octet_length int4, numeric_precision int4, numeric_precision_radix int4, numeric_scale int4, \
         datetime_precision int4, interval_type varchar, interval_precision int4, character_set_catalog name, \
         character_set_schema name, character_set_name name, collation_catalog name, collation_schema name, \
         collation_name name, domain_catalog name, domain_schema name, domain_name name, udt_catalog name, udt_schema \
         name, udt_name name, scope_catalog name, scope_schema name, scope_name name, maximum_cardinality int4, \
         dtd_identifier name, is_self_referencing varchar, is_identity varchar, identity_generation varchar, \
         identity_start varchar, identity_increment varchar, identity_maximum varchar, identity_minimum varchar, \
         identity_cycle varchar, is_generated varchar, generation_expression varchar, is_updatable varchar",
        ),
        Relation::new(
            "constraint_column_usage",
            OID + 7,
            Kind::View,
            "Columns that constraints use.",
            "table_catalog name, table_schema name, table_name name, column_name name, constraint_catalog name, \
         constraint_schema name, constraint_name name",
        ),
        Relation::new(
            "constraint_table_usage",
            OID + 8,
            Kind::View,
            "Tables that constraints use.",
            "table_catalog name, table_schema name, table_name name, constraint_catalog name, constraint_schema name, \
         constraint_name name",
        ),
        Relation::new(
            "domains",
            OID + 9,
            Kind::View,
            "No domains.",
            "domain_catalog name, domain_schema name, domain_name name, data_type varchar, character_maximum_length int4, \
         character_octet_length int4, character_set_catalog name, character_set_schema name, character_set_name name, \
         collation_catalog name, collation_schema name, collation_name name, numeric_precision int4, \
         numeric_precision_radix int4, numeric_scale int4, datetime_precision int4, interval_type varchar, \
         interval_precision int4, domain_default varchar, udt_catalog name, udt_schema name, udt_name name, \
         scope_catalog name, scope_schema name, scope_name name, maximum_cardinality int4, dtd_identifier name",
        ),
        Relation::new(
            "element_types",
            OID + 10,
            Kind::View,
            "Types of the items of arrays.",
            "object_catalog name, object_schema name, object_name name, object_type varchar, collection_type_identifier \
         name, data_type varchar, character_maximum_length int4, character_octet_length int4, character_set_catalog \
         name, character_set_schema name, character_set_name name, collation_catalog name, collation_schema name, \
         collation_name name, numeric_precision int4, numeric_precision_radix int4, numeric_scale int4, \
         datetime_precision int4, interval_type varchar, interval_precision int4, domain_default varchar, udt_catalog \
         name, udt_schema name, udt_name name, scope_catalog name, scope_schema name, scope_name name, \
         maximum_cardinality int4, dtd_identifier name",
        ),
        Relation::new("enabled_roles", OID + 11, Kind::View, "Roles of this session.", "role_name name"),
        Relation::new(
            "information_schema_catalog_name",
            OID + 12,
            Kind::View,
            "Name of the database.",
            "catalog_name name",
        ),
        Relation::new(
            "key_column_usage",
            OID + 13,
            Kind::View,
            "Columns of keys and of foreign keys.",
            "constraint_catalog name, constraint_schema name, constraint_name name, table_catalog name, table_schema \
         name, table_name name, column_name name, ordinal_position int4, position_in_unique_constraint int4",
        ),
        Relation::new(
            "parameters",
            OID + 14,
            Kind::View,
            "Parameters of functions are not listed.",
            "specific_catalog name, specific_schema name, specific_name name, ordinal_position int4, parameter_mode \
         varchar, is_result varchar, as_locator varchar, parameter_name name, data_type varchar, \
         character_maximum_length int4, character_octet_length int4, character_set_catalog name, character_set_schema \
         name, character_set_name name, collation_catalog name, collation_schema name, collation_name name, \
         numeric_precision int4, numeric_precision_radix int4, numeric_scale int4, datetime_precision int4, \
         interval_type varchar, interval_precision int4, udt_catalog name, udt_schema name, udt_name name, \
         scope_catalog name, scope_schema name, scope_name name, maximum_cardinality int4, dtd_identifier name, \
         parameter_default varchar",
        ),
        Relation::new(
            "referential_constraints",
            OID + 15,
            Kind::View,
            "Foreign keys between tables. What edges refer to is declared by the property graph.",
            "constraint_catalog name, constraint_schema name, constraint_name name, unique_constraint_catalog name, \
         unique_constraint_schema name, unique_constraint_name name, match_option varchar, update_rule varchar, \
         delete_rule varchar",
        ),
        Relation::new(
            "role_table_grants",
            OID + 16,
            Kind::View,
            "Privileges on tables: the owner has all.",
            "grantor name, grantee name, table_catalog name, table_schema name, table_name name, privilege_type varchar, \
         is_grantable varchar, with_hierarchy varchar",
        ),
        Relation::new(
            "routines",
            OID + 17,
            Kind::View,
            "No functions of users.",
            "specific_catalog name, specific_schema name, specific_name name, routine_catalog name, routine_schema name, \
         routine_name name, routine_type varchar, module_catalog name, module_schema name, module_name name, \
         udt_catalog name, udt_schema name, udt_name name, data_type varchar, character_maximum_length int4, \
         character_octet_length int4, character_set_catalog name, character_set_schema name, character_set_name name, \
         collation_catalog name, collation_schema name, collation_name name, numeric_precision int4, \
         numeric_precision_radix int4, numeric_scale int4, datetime_precision int4, interval_type varchar, \
         interval_precision int4, type_udt_catalog name, type_udt_schema name, type_udt_name name, scope_catalog \
         name, scope_schema name, scope_name name, maximum_cardinality int4, dtd_identifier name, routine_body \
         varchar, routine_definition varchar, external_name varchar, external_language varchar, parameter_style \
         varchar, is_deterministic varchar, sql_data_access varchar, is_null_call varchar, sql_path varchar, \
         schema_level_routine varchar, max_dynamic_result_sets int4, is_user_defined_cast varchar, \
         is_implicitly_invocable varchar, security_type varchar, to_sql_specific_catalog name, to_sql_specific_schema \
         name, to_sql_specific_name name, as_locator varchar, created timestamptz, last_altered timestamptz, \
         new_savepoint_level varchar, is_udt_dependent varchar, result_cast_from_data_type varchar, \
         result_cast_as_locator varchar, result_cast_char_max_length int4, result_cast_char_octet_length int4, \
         result_cast_char_set_catalog name, result_cast_char_set_schema name, result_cast_char_set_name name, \
         result_cast_collation_catalog name, result_cast_collation_schema name, result_cast_collation_name name, \
         result_cast_numeric_precision int4, result_cast_numeric_precision_radix int4, result_cast_numeric_scale \
         int4, result_cast_datetime_precision int4, result_cast_interval_type varchar, result_cast_interval_precision \
         int4, result_cast_type_udt_catalog name, result_cast_type_udt_schema name, result_cast_type_udt_name name, \
         result_cast_scope_catalog name, result_cast_scope_schema name, result_cast_scope_name name, \
         result_cast_maximum_cardinality int4, result_cast_dtd_identifier name",
        ),
        Relation::new(
            "schemata",
            OID + 18,
            Kind::View,
            "Schemas.",
            "catalog_name name, schema_name name, schema_owner name, default_character_set_catalog name, \
         default_character_set_schema name, default_character_set_name name, sql_path varchar",
        ),
        Relation::new(
            "sequences",
            OID + 19,
            Kind::View,
            "Sequences.",
            "sequence_catalog name, sequence_schema name, sequence_name name, data_type varchar, numeric_precision int4, \
         numeric_precision_radix int4, numeric_scale int4, start_value varchar, minimum_value varchar, maximum_value \
         varchar, increment varchar, cycle_option varchar",
        ),
        Relation::new(
            "table_constraints",
            OID + 20,
            Kind::View,
            "Constraints, and NOT NULL.",
            "constraint_catalog name, constraint_schema name, constraint_name name, table_catalog name, table_schema \
         name, table_name name, constraint_type varchar, is_deferrable varchar, initially_deferred varchar, enforced \
         varchar, nulls_distinct varchar",
        ),
        Relation::new(
            "table_privileges",
            OID + 21,
            Kind::View,
            "Privileges on tables: the owner has all.",
            "grantor name, grantee name, table_catalog name, table_schema name, table_name name, privilege_type varchar, \
         is_grantable varchar, with_hierarchy varchar",
        ),
        Relation::new(
            "tables",
            OID + 22,
            Kind::View,
            "Tables and views.",
            "table_catalog name, table_schema name, table_name name, table_type varchar, self_referencing_column_name \
         name, reference_generation varchar, user_defined_type_catalog name, user_defined_type_schema name, \
         user_defined_type_name name, is_insertable_into varchar, is_typed varchar, commit_action varchar",
        ),
        Relation::new(
            "triggers",
            OID + 23,
            Kind::View,
            "No triggers.",
            "trigger_catalog name, trigger_schema name, trigger_name name, event_manipulation varchar, \
         event_object_catalog name, event_object_schema name, event_object_table name, action_order int4, \
         action_condition varchar, action_statement varchar, action_orientation varchar, action_timing varchar, \
         action_reference_old_table name, action_reference_new_table name, action_reference_old_row name, \
         action_reference_new_row name, created timestamptz",
        ),
        Relation::new(
            "user_defined_types",
            OID + 24,
            Kind::View,
            "No composite types.",
            "user_defined_type_catalog name, user_defined_type_schema name, user_defined_type_name name, \
         user_defined_type_category varchar, is_instantiable varchar, is_final varchar, ordering_form varchar, \
         ordering_category varchar, ordering_routine_catalog name, ordering_routine_schema name, \
         ordering_routine_name name, reference_type varchar, data_type varchar, character_maximum_length int4, \
         character_octet_length int4, character_set_catalog name, character_set_schema name, character_set_name name, \
         collation_catalog name, collation_schema name, collation_name name, numeric_precision int4, \
         numeric_precision_radix int4, numeric_scale int4, datetime_precision int4, interval_type varchar, \
         interval_precision int4, source_dtd_identifier name, ref_dtd_identifier name",
        ),
        Relation::new(
            "view_table_usage",
            OID + 25,
            Kind::View,
            "Tables that views of users read.",
            "view_catalog name, view_schema name, view_name name, table_catalog name, table_schema name, table_name name",
        ),
        Relation::new(
            "views",
            OID + 26,
            Kind::View,
            "Views, those of the server among them.",
            "table_catalog name, table_schema name, table_name name, view_definition varchar, check_option varchar, \
         is_updatable varchar, is_insertable_into varchar, is_trigger_updatable varchar, is_trigger_deletable \
         varchar, is_trigger_insertable_into varchar",
        ),
    ]
});
