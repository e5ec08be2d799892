//! CREATE, ALTER and DROP.
//!
//! A statement becomes a list of catalog edits, computed over the catalog that it sees: inside a transaction block that is the
//! block's own, so DDL is undone and becomes visible with the rest of it. The engine checks the edits again when it applies
//! them, and looks at the rows: new keys, references and NOT NULL. What this database does not do is `0A000`, and says
//! what it was.
//!
//! - [`grammar`]: statements that sqlparser has no grammar for.
//! - [`names`]: where new objects go, and the names that constraints and sequences get by themselves.
//! - [`table`]: tables, their columns and constraints, made and altered.
//! - [`dependents`]: what goes, or keeps others from going; [`drop`](mod@drop) is DROP.
//! - [`sequence`], [`schema`], [`view`], [`graph`], [`index`].
//! - [`rows`]: questions about the rows that are there already.

mod dependents;
mod drop;
mod grammar;
mod graph;
mod index;
mod names;
mod refused;
mod rows;
mod schema;
mod sequence;
mod table;
mod view;

pub(crate) use grammar::{ReindexTarget, Statement, is_statement, is_upkeep, order_identity_options, parse, upkeep};
pub(crate) use index::to_reindex;
pub(crate) use refused::refused;
pub(crate) use table::{identify, table_from_query};

use datafusion::sql::sqlparser::ast::{self, ObjectType};
use slipstream_engine::Result;
use slipstream_engine::catalog::{CatalogEdit, SequenceDefinition};
use slipstream_engine::change::Changes;

use crate::planner::Planning;
use crate::statement::Command;

/// What a DDL statement changes, and the tag that it answers.
pub(crate) struct Definition {
    pub(crate) changes: Changes,
    pub(crate) tag: &'static str,
    /// What `IF [NOT] EXISTS` passed over and what CASCADE took along, as notices.
    pub(crate) notices: Vec<String>,
    /// Sequences that begin again at a value. That is not part of any transaction, so a block cannot have it.
    pub(crate) restarts: Vec<(SequenceDefinition, i64)>,
    /// The command, where it may not be part of a block.
    pub(crate) alone: Option<&'static str>,
}

impl Definition {
    fn new(tag: &'static str, edits: Vec<CatalogEdit>) -> Self {
        let changes = Changes { catalog: edits, ..Changes::default() };
        Definition { changes, tag, notices: Vec::new(), restarts: Vec::new(), alone: None }
    }

    /// Nothing to do, and why.
    fn passed_over(tag: &'static str, notice: String) -> Self {
        Definition { notices: vec![notice], ..Self::new(tag, Vec::new()) }
    }
}

/// The name of a DDL statement as errors have it; `None` for every other statement.
pub(crate) fn command_name(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::PropertyGraph(_) => "PROPERTY GRAPH DDL",
        Command::Definition(statement) => statement.command_name()?,
        Command::Sql(statement) => match &**statement {
            ast::Statement::CreateTable(create) if create.query.is_none() => "CREATE TABLE",
            ast::Statement::AlterTable(_) => "ALTER TABLE",
            ast::Statement::CreateView(_) => "CREATE VIEW",
            ast::Statement::CreateSchema { .. } => "CREATE SCHEMA",
            ast::Statement::AlterSchema(_) => "ALTER SCHEMA",
            ast::Statement::CreateIndex(_) => "CREATE INDEX",
            ast::Statement::AlterIndex { .. } => "ALTER INDEX",
            ast::Statement::Drop { object_type, .. } => match object_type {
                ObjectType::Table => "DROP TABLE",
                ObjectType::View => "DROP VIEW",
                ObjectType::Sequence => "DROP SEQUENCE",
                ObjectType::Schema => "DROP SCHEMA",
                ObjectType::Index => "DROP INDEX",
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    })
}

/// What a DDL statement changes, over what it sees.
pub(crate) async fn definition(planning: &Planning<'_>, command: &Command) -> Result<Definition> {
    match command {
        Command::PropertyGraph(statement) => graph::property_graph(planning, statement),
        Command::Definition(statement) => grammar::definition(planning, statement).await,
        Command::Sql(statement) => match &**statement {
            ast::Statement::CreateTable(create) => table::create_table(planning, create),
            ast::Statement::AlterTable(alter) => table::alter_table(planning, alter).await,
            ast::Statement::CreateView(create) => view::create_view(planning, create).await,
            ast::Statement::CreateSchema { .. } => schema::create_schema(planning, statement),
            ast::Statement::AlterSchema(alter) => schema::alter_schema(planning, alter),
            ast::Statement::CreateIndex(create) => index::create_index(planning, create),
            ast::Statement::AlterIndex { name, operation } => index::alter_index(planning, name, operation),
            ast::Statement::Drop { .. } => drop::drop_objects(planning, statement),
            other => Err(refused(other)),
        },
        _ => Err(slipstream_engine::Error::internal("a statement that defines nothing was taken for DDL")),
    }
}
