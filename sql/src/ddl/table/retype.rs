//! ALTER COLUMN ... TYPE: every row's value is made again, by USING or by the cast that an assignment takes.
//!
//! What else was made for the type that the column had is either made again (keys, CHECK, the default) or refuses the change: views,
//! property graphs, foreign keys and identity columns.

use std::sync::Arc;

use arrow::array::RecordBatchOptions;
use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{self, DataType};
use slipstream_engine::catalog::{ColumnDefinition, ColumnSource, Computed, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

use super::super::dependents::covers;
use super::super::index::refuse_unfit_type;
use super::super::rows::Source;
use super::alter::Alteration;
use super::columns::refuse_subqueries;
use super::generated::refuse_generating;
use crate::dml::assign::assign;
use crate::error::from_datafusion;
use crate::planner::Planning;
use crate::statement::parse_expression;
use crate::types::sql_type;

impl Alteration<'_> {
    /// ALTER COLUMN ... TYPE.
    pub(super) fn change_type(&mut self, name: &str, data_type: &DataType, using: Option<&ast::Expr>) -> Result<()> {
        let to = sql_type(data_type)?;
        let column = self.draft.table.column(name)?.clone();
        if column.sql_type == to && using.is_none() {
            return Ok(());
        }
        refuse_generating(&self.draft.table, &column)?;
        self.refuse_made_for_type(&column)?;
        let position = self.draft.table.columns.iter().position(|known| known.name == name);
        let position = position.ok_or_else(|| Error::internal("a column has gone"))?;
        let Source::Column(was) = self.sources[position].clone() else {
            return Err(Error::not_supported(format!("cannot alter type of column \"{name}\" twice")));
        };
        let column = ColumnDefinition { sql_type: to, ..column };
        let value = self.converted(&was, &column, using)?;
        self.check_default(&column)?;
        refuse_unfit_type(&self.draft.table, &column)?;
        *self.draft.column_mut(name)? = column;
        self.sources[position] = Source::Computed(value);
        Ok(())
    }

    /// The value of the column in its other type, over the columns of the table as it was.
    fn converted(&self, was: &str, column: &ColumnDefinition, using: Option<&ast::Expr>) -> Result<Expr> {
        let schema = DFSchema::try_from(self.known.arrow_schema()).map_err(from_datafusion)?;
        let (value, hint) = match using {
            None => {
                let value = datafusion::prelude::ident(was);
                (value, format!("You might need to specify \"USING {was}::{}\".", column.sql_type))
            }
            Some(using) => {
                refuse_subqueries(using, "cannot use subquery in transform expression")?;
                let value = self.planning.row_expression(using.clone(), &schema)?;
                (
                    self.planning.analyzed_expression(value, &schema)?,
                    "You might need to add an explicit cast.".to_string(),
                )
            }
        };
        let what = match using {
            None => format!("column \"{}\"", column.name),
            Some(_) => format!("result of USING clause for column \"{}\"", column.name),
        };
        let value = assign(value, &schema, column).map_err(|error| match error.kind() {
            ErrorKind::DatatypeMismatch => {
                let message = format!("{what} cannot be cast automatically to type {}", column.sql_type);
                Error::new(ErrorKind::DatatypeMismatch, message).with_hint(hint).on_column(&column.name)
            }
            _ => error,
        })?;
        if value.is_volatile() {
            let message = "a USING clause with a function that differs from row to row is not supported";
            return Err(Error::not_supported(message));
        }
        self.planning.analyzed_expression(value.unalias(), &schema)
    }

    /// The default stays, if the other type takes it.
    fn check_default(&self, column: &ColumnDefinition) -> Result<()> {
        let Some(default) = &column.default else { return Ok(()) };
        let value = self.planning.constant(parse_expression(default)?)?;
        assign(value, &DFSchema::empty(), column).map(drop).map_err(|error| match error.kind() {
            ErrorKind::DatatypeMismatch => {
                let message = format!(
                    "default for column \"{}\" cannot be cast automatically to type {}",
                    column.name, column.sql_type
                );
                Error::new(ErrorKind::DatatypeMismatch, message).on_column(&column.name)
            }
            _ => error,
        })
    }

    fn refuse_made_for_type(&self, column: &ColumnDefinition) -> Result<()> {
        let (id, name) = (self.known.id, &column.name);
        let catalog = &self.planning.view.snapshot.catalog;
        if let Some(view) = catalog.views.values().find(|view| view.uses(self.known.oid, name)) {
            return Err(Error::not_supported("cannot alter type of a column used by a view or rule")
                .with_detail(format!("view {} depends on column \"{name}\"", view.name)));
        }
        if let Some(graph) = catalog.graphs_of(id).find(|graph| covers(graph, id, name)) {
            let message = format!("cannot alter type of column \"{name}\": property graph \"{}\" has it", graph.name);
            return Err(Error::not_supported(message).with_hint("Drop the graph, and make it again afterwards."));
        }
        let own = self.draft.table.foreign_keys.iter().find(|key| key.columns.contains(name));
        let mut others = catalog.tables.values().flat_map(|table| &table.foreign_keys);
        if let Some(key) = own.or_else(|| others.find(|key| key.table == id && key.referenced.contains(name))) {
            let message = format!("cannot alter type of column \"{name}\": constraint \"{}\" refers to it", key.name);
            return Err(Error::not_supported(message).with_hint("Drop the constraint, and add it again afterwards."));
        }
        if column.identity.is_some() {
            let message = format!("cannot alter type of column \"{name}\": it is an identity column");
            return Err(Error::not_supported(message).with_hint("DROP IDENTITY, and add it again afterwards."));
        }
        Ok(())
    }
}

/// A source as the engine takes it.
pub(super) fn source(planning: &Planning<'_>, known: &TableDefinition, source: Source) -> Result<ColumnSource> {
    let value = match source {
        Source::Column(name) => return Ok(ColumnSource::Column(name)),
        Source::Value(value) => return Ok(ColumnSource::Value(value)),
        Source::Computed(value) => value,
    };
    let fields = known.arrow_schema();
    let used = value.column_refs();
    let columns: Vec<usize> = (0..fields.fields().len())
        .filter(|index| used.iter().any(|column| column.name == *fields.field(*index).name()))
        .collect();
    let arguments =
        columns.iter().map(|index| ColumnSource::Column(fields.field(*index).name().clone())).collect::<Vec<_>>();
    let rows = Arc::new(fields.project(&columns).map_err(crate::error::from_arrow)?);
    let schema = DFSchema::try_from(rows.as_ref().clone()).map_err(from_datafusion)?;
    let value = planning.engine.session.create_physical_expr(value, &schema).map_err(from_datafusion)?;
    let function = move |arguments: Vec<ArrayRef>, count: usize| {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&rows), arguments, &options);
        let batch = batch.map_err(crate::error::from_arrow)?;
        value.evaluate(&batch).and_then(|values| values.into_array(count)).map_err(from_datafusion)
    };
    Ok(ColumnSource::Computed(Computed { arguments, function: Arc::new(function) }))
}
