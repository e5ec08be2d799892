//! Access methods, and operator classes of those that have several.

use slipstream_engine::catalog::{IndexMethod, OperatorClass};

use super::classes::HEAP;
use super::objects::{Filled, Namespace, Objects, SUPERUSER};
use super::oids::PgType;
use crate::metadata::Rows;

/// The tables that this file fills.
pub(super) static FILLED: &[Filled] = &[("pg_am", access_methods), ("pg_opclass", operator_classes)];

/// The first id of the methods that Postgres itself does not have, in the order of [`IndexMethod::ALL`].
const FIRST_METHOD_OID: u32 = 14_000;
/// The first id of the operator classes, in the order of [`OperatorClass::all`].
const FIRST_CLASS_OID: u32 = 14_100;

/// Object id of an access method.
pub(super) fn access_method_oid(method: IndexMethod) -> u32 {
    match method {
        IndexMethod::Btree => 403,
        IndexMethod::Hash => 405,
        IndexMethod::Gin => 2742,
        other => {
            let position = IndexMethod::ALL.iter().position(|method| *method == other).unwrap_or_default();
            FIRST_METHOD_OID + position as u32
        }
    }
}

/// Object id of an operator class; 0 for one that is not listed.
pub(super) fn operator_class_oid(method: IndexMethod, name: &str) -> u32 {
    let position = OperatorClass::all().position(|class| class.method == method && class.name == name);
    position.map_or(0, |position| FIRST_CLASS_OID + position as u32)
}

fn access_methods(_objects: &Objects, rows: &mut Rows) {
    rows.add().set("oid", HEAP).set("amname", "heap").set("amtype", 't');
    for method in IndexMethod::ALL {
        rows.add().set("oid", access_method_oid(method)).set("amname", method.name()).set("amtype", 'i');
    }
}

fn operator_classes(_objects: &Objects, rows: &mut Rows) {
    for (class, oid) in OperatorClass::all().zip(FIRST_CLASS_OID..) {
        let namespace = if class.metric.is_some() { Namespace::Public } else { Namespace::PgCatalog };
        rows.add()
            .set("oid", oid)
            .set("opcmethod", access_method_oid(class.method))
            .set("opcname", class.name)
            .set("opcnamespace", namespace.oid())
            .set("opcowner", SUPERUSER)
            .set("opcintype", PgType::named(class.of).map_or(0, |pg_type| pg_type.oid()))
            .set("opcdefault", class.default);
    }
}
