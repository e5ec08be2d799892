//! CREATE SCHEMA and ALTER SCHEMA.

use datafusion::sql::sqlparser::ast::{self, AlterSchema, Ident, Owner, SchemaName};
use slipstream_catalog::pg_catalog::SUPERUSER_NAME;
use slipstream_catalog::search_path::is_system_schema;
use slipstream_engine::catalog::CatalogEdit;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use crate::dml::normalize;
use crate::planner::Planning;

/// CREATE SCHEMA.
pub(super) fn create_schema(planning: &Planning<'_>, statement: &ast::Statement) -> Result<Definition> {
    let ast::Statement::CreateSchema { schema_name, if_not_exists, with, options, default_collate_spec, clone } =
        statement
    else {
        return Err(super::refused(statement));
    };
    if with.is_some() || options.is_some() || default_collate_spec.is_some() || clone.is_some() {
        return Err(Error::not_supported("CREATE SCHEMA has a clause that is not supported"));
    }
    let name = match schema_name {
        SchemaName::Simple(name) => planning.tables.split(name)?.1,
        SchemaName::UnnamedAuthorization(role) => {
            check_owner(role)?;
            normalize(role)
        }
        SchemaName::NamedAuthorization(name, role) => {
            check_owner(role)?;
            planning.tables.split(name)?.1
        }
    };
    let catalog = &planning.view.snapshot.catalog;
    if catalog.has_schema(&name) || is_system_schema(&name) {
        let message = format!("schema \"{name}\" already exists");
        return match if_not_exists {
            true => Ok(Definition::passed_over("CREATE SCHEMA", format!("{message}, skipping"))),
            false => Err(Error::new(ErrorKind::DuplicateSchema, message)),
        };
    }
    if name.starts_with("pg_") || name.starts_with('?') {
        return Err(Error::new(ErrorKind::ReservedName, format!("unacceptable schema name \"{name}\""))
            .with_detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    Ok(Definition::new("CREATE SCHEMA", vec![CatalogEdit::CreateSchema(name)]))
}

/// There is one role so far.
pub(super) fn check_owner(role: &Ident) -> Result<()> {
    let role = normalize(role);
    if role == SUPERUSER_NAME || ["current_user", "session_user", "current_role"].contains(&role.as_str()) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::UndefinedObject, format!("role \"{role}\" does not exist")))
}

/// ALTER SCHEMA: its owner is always the same; a new name is not supported.
pub(super) fn alter_schema(planning: &Planning<'_>, alter: &AlterSchema) -> Result<Definition> {
    let (_, name) = planning.tables.split(&alter.name)?;
    super::names::check_schema(&planning.view.snapshot.catalog, &name)?;
    for operation in &alter.operations {
        match operation {
            ast::AlterSchemaOperation::OwnerTo { owner: Owner::Ident(role) } => check_owner(role)?,
            ast::AlterSchemaOperation::OwnerTo { .. } => {}
            ast::AlterSchemaOperation::Rename { .. } => {
                return Err(Error::not_supported("ALTER SCHEMA ... RENAME TO is not supported yet")
                    .with_hint("Make the other schema, and move its tables with ALTER TABLE ... SET SCHEMA."));
            }
            _ => return Err(Error::not_supported("this form of ALTER SCHEMA is not supported")),
        }
    }
    Ok(Definition::new("ALTER SCHEMA", Vec::new()))
}
