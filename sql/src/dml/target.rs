//! The table that a statement writes, under the name that the statement gives it.

use std::sync::Arc;

use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, TableFactor, TableWithJoins};
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::change::ROW_ADDRESS;
use slipstream_engine::{Error, Result};

use super::normalize;
use crate::planner::names::{LOOKUP, TARGET};
use crate::planner::{Planning, Scope, syntax};

/// A table that is written.
pub(crate) struct Target {
    pub(crate) table: Arc<TableDefinition>,
    /// What the statement calls it.
    pub(crate) alias: Ident,
    /// The columns that identify a row wherever it is kept, and its address.
    pub(crate) identity: Vec<String>,
}

impl Target {
    /// The table of an UPDATE, DELETE or MERGE.
    pub(crate) fn of(planning: &Planning<'_>, factor: &TableFactor) -> Result<Self> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
                    return Err(Error::not_supported("new names for the columns of a table that is written"));
                }
                Target::named(planning, name, alias.as_ref().map(|alias| &alias.name))
            }
            _ => Err(Error::not_supported("only a table can be written")),
        }
    }

    /// The table of that name.
    pub(crate) fn named(planning: &Planning<'_>, name: &ObjectName, alias: Option<&Ident>) -> Result<Self> {
        let table = planning.tables.written(name)?;
        let mut identity = planning.view.snapshot.catalog.identity_columns(&table);
        identity.push(ROW_ADDRESS.to_string());
        let alias = alias.cloned().unwrap_or_else(|| syntax::quoted(&table.name));
        Ok(Target { table, alias, identity })
    }

    /// The table of an UPDATE or DELETE, which take no join there.
    pub(crate) fn without_joins(planning: &Planning<'_>, from: &TableWithJoins) -> Result<Self> {
        if !from.joins.is_empty() {
            return Err(Error::not_supported("only a table can be written, not a join"));
        }
        Target::of(planning, &from.relation)
    }

    /// The rows with their addresses, for FROM.
    pub(crate) async fn rows(&self, scope: &mut Scope<'_>) -> Result<TableFactor> {
        self.factor(TARGET, scope).await
    }

    /// The table for [`super::lookup`], which reads it by its keys.
    pub(crate) async fn keyed(&self, scope: &mut Scope<'_>) -> Result<TableFactor> {
        self.factor(LOOKUP, scope).await
    }

    async fn factor(&self, catalog: &str, scope: &mut Scope<'_>) -> Result<TableFactor> {
        let parts = [catalog, &self.table.schema, &self.table.name];
        scope.add_table(TableReference::full(parts[0], parts[1], parts[2])).await?;
        let name = ObjectName::from(parts.map(syntax::quoted).to_vec());
        Ok(syntax::table_factor(name, Some(self.alias.clone())))
    }

    /// The name that its columns are qualified with.
    pub(crate) fn qualifier(&self) -> TableReference {
        TableReference::bare(normalize(&self.alias))
    }

    /// A column of the row as it was.
    pub(crate) fn column(&self, name: &str) -> Expr {
        Expr::Column(Column::new(Some(self.qualifier()), name))
    }

    /// The address of the row.
    pub(crate) fn address(&self) -> Expr {
        self.column(ROW_ADDRESS)
    }

    /// All columns of the row as it was.
    pub(crate) fn columns(&self) -> Vec<Expr> {
        self.table.columns.iter().map(|column| self.column(&column.name)).collect()
    }
}
