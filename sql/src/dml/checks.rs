//! What a row must be, whoever else there is: NOT NULL and CHECK.
//!
//! Rows are checked as they are made. The engine checks what needs other rows: keys and references.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use datafusion::common::DFSchema;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion::physical_expr::PhysicalExpr;
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::error::from_datafusion;
use crate::planner::Planning;
use crate::statement::parse_expression;
use crate::text::{OutputStyle, TextEncoder};

/// Values longer than this are cut in the text of a row, as in Postgres.
const SHOWN_CHARACTERS: usize = 64;

/// The CHECK constraints of a table as expressions over its columns, with their names.
pub(crate) fn plan(planning: &Planning<'_>, table: &TableDefinition) -> Result<Vec<(String, Expr)>> {
    if table.checks.is_empty() {
        return Ok(Vec::new());
    }
    let schema = DFSchema::try_from(table.arrow_schema()).map_err(from_datafusion)?;
    let mut conditions = Vec::with_capacity(table.checks.len());
    for check in &table.checks {
        conditions.push(planning.row_expression(parse_expression(&check.expression)?, &schema)?);
    }
    let rows = LogicalPlan::EmptyRelation(datafusion::logical_expr::EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(schema),
    });
    let named = conditions.into_iter().enumerate().map(|(index, condition)| condition.alias(format!("?{index}")));
    let plan = LogicalPlanBuilder::from(rows).project(named).and_then(LogicalPlanBuilder::build);
    let analyzed = planning.analyze(plan.map_err(from_datafusion)?)?;
    let LogicalPlan::Projection(Projection { expr, .. }) = analyzed else {
        return Err(Error::internal("conditions were not planned as a projection"));
    };
    let names = table.checks.iter().map(|check| check.name.clone());
    Ok(names.zip(expr.into_iter().map(Expr::unalias)).collect())
}

/// What the rows of a table must be.
#[derive(Debug)]
pub(crate) struct Checks {
    table: Arc<TableDefinition>,
    conditions: Vec<(String, Arc<dyn PhysicalExpr>)>,
}

impl Checks {
    /// NOT NULL and these CHECK constraints.
    pub(crate) fn new(
        table: &Arc<TableDefinition>,
        conditions: &[(String, Expr)],
        session: &SessionState,
    ) -> Result<Self> {
        let schema = DFSchema::try_from(table.arrow_schema()).map_err(from_datafusion)?;
        let conditions = conditions.iter().map(|(name, condition)| {
            let condition = session.create_physical_expr(condition.clone(), &schema).map_err(from_datafusion)?;
            Ok((name.clone(), condition))
        });
        Ok(Checks { table: Arc::clone(table), conditions: conditions.collect::<Result<_>>()? })
    }

    /// NOT NULL alone.
    #[cfg(test)]
    pub(crate) fn not_null(table: &Arc<TableDefinition>) -> Self {
        Checks { table: Arc::clone(table), conditions: Vec::new() }
    }

    /// The table.
    pub(crate) fn table(&self) -> &Arc<TableDefinition> {
        &self.table
    }

    /// Refuses the first row that must not be.
    pub(crate) fn check(&self, rows: &RecordBatch) -> Result<()> {
        let first_null = (0..rows.num_columns())
            .filter(|column| self.table.columns[*column].not_null)
            .filter_map(|column| Some((first_null(rows.column(column).as_ref())?, column)))
            .min();
        if let Some((row, column)) = first_null {
            return Err(self.null_value(rows, row, &self.table.columns[column].name));
        }
        for (name, condition) in &self.conditions {
            let holds = condition.evaluate(rows).and_then(|holds| holds.into_array(rows.num_rows()));
            let holds = holds.map_err(from_datafusion)?;
            let holds = holds
                .as_boolean_opt()
                .ok_or_else(|| Error::internal(format!("check constraint \"{name}\" is not a condition")))?;
            // A condition that is NULL is no violation.
            if let Some(row) = (0..holds.len()).find(|row| holds.is_valid(*row) && !holds.value(*row)) {
                return Err(self.violation(rows, row, name));
            }
        }
        Ok(())
    }

    fn null_value(&self, rows: &RecordBatch, row: usize, column: &str) -> Error {
        let message = format!(
            "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
            self.table.name
        );
        Error::new(ErrorKind::NotNullViolation, message)
            .with_detail(self.failing_row(rows, row))
            .on_row(row)
            .on_table(&self.table.name)
            .on_column(column)
    }

    fn violation(&self, rows: &RecordBatch, row: usize, constraint: &str) -> Error {
        let message =
            format!("new row for relation \"{}\" violates check constraint \"{constraint}\"", self.table.name);
        Error::new(ErrorKind::CheckViolation, message)
            .with_detail(self.failing_row(rows, row))
            .on_row(row)
            .on_table(&self.table.name)
            .on_constraint(constraint)
    }

    fn failing_row(&self, rows: &RecordBatch, row: usize) -> String {
        let values: Vec<String> = self
            .table
            .columns
            .iter()
            .zip(rows.columns())
            .map(|(column, values)| {
                let Ok(encoder) = TextEncoder::new(&column.sql_type, values, &OutputStyle::default()) else {
                    return "?".to_string();
                };
                if encoder.is_null(row) {
                    return "null".to_string();
                }
                let mut text = String::new();
                encoder.append(row, &mut text);
                cut(text)
            })
            .collect();
        format!("Failing row contains ({}).", values.join(", "))
    }
}

fn first_null(column: &dyn Array) -> Option<usize> {
    if column.logical_null_count() == 0 {
        return None;
    }
    let nulls = column.logical_nulls()?;
    (0..column.len()).find(|row| nulls.is_null(*row))
}

fn cut(text: String) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringArray};
    use slipstream_engine::catalog::ColumnDefinition;
    use slipstream_engine::types::SqlType;

    use super::*;

    #[test]
    fn the_first_row_with_a_null_is_shown() {
        let column = |name: &str, sql_type| ColumnDefinition {
            name: name.into(),
            sql_type,
            not_null: name == "b",
            default: None,
            identity: None,
            generated: None,
        };
        let columns = vec![column("a", SqlType::Integer), column("b", SqlType::Text)];
        let table = Arc::new(TableDefinition::new("t", columns, Vec::new()));
        let long = "x".repeat(70);
        let rows = RecordBatch::try_from_iter([
            ("a", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])) as _),
            ("b", Arc::new(StringArray::from(vec![Some(long.as_str()), Some("y"), None])) as _),
        ])
        .unwrap();
        let error = Checks::not_null(&table).check(&rows).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotNullViolation);
        assert_eq!(error.detail(), Some("Failing row contains (3, null)."));
        assert_eq!(cut(long).chars().count(), SHOWN_CHARACTERS + 3);
    }
}
