//! Rows about types and functions.

use super::functions::signatures;
use super::objects::{Filled, Namespace, Objects, SUPERUSER};
use super::oids::{ARRAY_FUNCTIONS, ARRAY_IO, HALFVEC, PgType, SPARSEVEC, TYPES, VECTOR};
use crate::metadata::{Row, Rows};

/// The tables that this file fills.
pub(super) static FILLED: &[Filled] = &[("pg_type", types), ("pg_proc", functions)];

/// Object id of the language of built-in functions.
pub(super) const INTERNAL: u32 = 12;

/// The first id of the metadata functions in `pg_proc`; theirs follow in the order of their declaration.
const FIRST_FUNCTION_OID: u32 = 15_000;

fn types(_objects: &Objects, rows: &mut Rows) {
    for scalar in TYPES {
        let pg_type = PgType { scalar, array: false };
        let [input, output, receive, send] = scalar.functions;
        let pseudo = matches!(scalar.category, 'P' | 'X');
        let element = match scalar.name {
            "name" => 18,
            "int2vector" => 21,
            "oidvector" => 26,
            "point" => 701,
            _ => 0,
        };
        common(rows.add(), pg_type)
            .set("typtype", if pseudo { 'p' } else { 'b' })
            .set("typcategory", scalar.category)
            .set("typispreferred", PREFERRED.contains(&scalar.name))
            .set("typelem", element)
            .set("typarray", scalar.array)
            .set("typinput", input)
            .set("typoutput", output)
            .set("typreceive", receive)
            .set("typsend", send);
        if scalar.array != 0 {
            let [input, output, receive, send] = ARRAY_FUNCTIONS;
            common(rows.add(), PgType { scalar, array: true })
                .set("typtype", if scalar.category == 'P' { 'p' } else { 'b' })
                .set("typcategory", 'A')
                .set("typelem", scalar.oid)
                .set("typinput", input)
                .set("typoutput", output)
                .set("typreceive", receive)
                .set("typsend", send);
        }
    }
}

/// The types that Postgres prefers within their category.
const PREFERRED: &[&str] = &["bool", "text", "oid", "float8", "inet", "timestamptz", "interval", "varbit"];

fn common(row: Row<'_>, pg_type: PgType) -> Row<'_> {
    row.set("oid", pg_type.oid())
        .set("typname", pg_type.name())
        .set("typnamespace", namespace(pg_type).oid())
        .set("typowner", SUPERUSER)
        .set("typlen", pg_type.length())
        .set("typbyval", pg_type.by_value())
        .set("typisdefined", true)
        .set("typdelim", ',')
        .set("typalign", pg_type.align())
        .set("typstorage", pg_type.storage())
        .set("typtypmod", -1)
        .set("typcollation", pg_type.collation())
}

/// Extensions install their types into `public`, and clients of pgvector look there.
pub(crate) fn namespace(pg_type: PgType) -> Namespace {
    match pg_type.scalar.oid {
        VECTOR | HALFVEC | SPARSEVEC => Namespace::Public,
        _ => Namespace::PgCatalog,
    }
}

fn functions(_objects: &Objects, rows: &mut Rows) {
    for (name, oid) in type_functions() {
        function(rows.add(), name, oid);
    }
    for ((name, arity), oid) in signatures().zip(FIRST_FUNCTION_OID..) {
        function(rows.add(), name.to_string(), oid).set("pronargs", arity);
    }
}

fn function(row: Row<'_>, name: String, oid: u32) -> Row<'_> {
    row.set("oid", oid)
        .set("proname", name.clone())
        .set("pronamespace", Namespace::PgCatalog.oid())
        .set("proowner", SUPERUSER)
        .set("prolang", INTERNAL)
        .set("procost", 1.0)
        .set("prokind", 'f')
        .set("proisstrict", true)
        .set("provolatile", 's')
        .set("proparallel", 's')
        .set("prosrc", name)
}

/// Name and id of every function that reads or writes a type, each once.
fn type_functions() -> impl Iterator<Item = (String, u32)> {
    let arrays = names(ARRAY_IO, ARRAY_FUNCTIONS);
    let mut seen = std::collections::HashSet::new();
    arrays
        .into_iter()
        .chain(TYPES.iter().flat_map(|scalar| names(scalar.io, scalar.functions)))
        .filter(move |(_, oid)| *oid != 0 && seen.insert(*oid))
}

fn names(prefix: &str, [input, output, receive, send]: [u32; 4]) -> [(String, u32); 4] {
    [("in", input), ("out", output), ("recv", receive), ("send", send)]
        .map(|(suffix, oid)| (format!("{prefix}{suffix}"), oid))
}

fn catalog_functions() -> impl Iterator<Item = (String, u32)> {
    signatures().zip(FIRST_FUNCTION_OID..).map(|((name, _), oid)| (name.to_string(), oid))
}

/// The id of a function by its name, as `regproc` reads it.
pub(super) fn function_oid(name: &str) -> Option<u32> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    type_functions().chain(catalog_functions()).find(|(known, _)| known == name).map(|(_, oid)| oid)
}

/// The name of a function by its id, as `regproc` writes it.
pub(super) fn function_name(oid: u32) -> Option<String> {
    type_functions().chain(catalog_functions()).find(|(_, known)| *known == oid).map(|(name, _)| name)
}
