//! CREATE EXTENSION and DROP EXTENSION.
//!
//! What clients ask for is built in: pgvector's types, and Apache AGE's `cypher()`. So making one does nothing, and dropping
//! one is refused while a column needs it, as in Postgres, and else does nothing but say so.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::pgvector::Kind;
use crate::session::{Execution, Inner};

/// The extensions that are built in.
const BUILT_IN: [&str; 2] = ["vector", "age"];

fn folded(name: &ast::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// CREATE EXTENSION.
pub(crate) fn create(session: &Inner, create: &ast::CreateExtension) -> Result<Execution> {
    let name = folded(&create.name);
    if !BUILT_IN.contains(&name.as_str()) {
        return Err(Error::not_supported(format!("extension \"{name}\" is not available"))
            .with_hint("vector and age are built in."));
    }
    if create.if_not_exists {
        session.notice(vec![format!("extension \"{name}\" already exists, skipping")]);
    }
    Ok(Execution::Done("CREATE EXTENSION".to_string()))
}

/// DROP EXTENSION.
pub(crate) async fn drop(session: &Arc<Inner>, drop: &ast::DropExtension) -> Result<Execution> {
    let view = session.view(&[]).await?;
    for name in &drop.names {
        let name = folded(name);
        match name.as_str() {
            "vector" => {
                let tables = view.snapshot.catalog.tables.values();
                let column = tables
                    .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
                    .find(|(_, column)| needs_vector(&column.sql_type));
                if let Some((table, column)) = column {
                    let message = "cannot drop extension vector because other objects depend on it";
                    return Err(Error::new(ErrorKind::DependentObjects, message).with_detail(format!(
                        "column {} of table {} depends on type {}",
                        column.name,
                        table.name,
                        crate::functions::type_name(&column.sql_type)
                    )));
                }
                session.notice(vec!["extension \"vector\" is built in and stays".to_string()]);
            }
            "age" => session.notice(vec!["extension \"age\" is built in and stays".to_string()]),
            other if drop.if_exists => {
                session.notice(vec![format!("extension \"{other}\" does not exist, skipping")]);
            }
            other => {
                let message = format!("extension \"{other}\" does not exist");
                return Err(Error::new(ErrorKind::UndefinedObject, message));
            }
        }
    }
    Ok(Execution::Done("DROP EXTENSION".to_string()))
}

/// Whether a type is one of pgvector's.
fn needs_vector(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Array(item) => needs_vector(item),
        other => Kind::of(other).is_some(),
    }
}
