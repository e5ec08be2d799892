//! INSERT, UPDATE and DELETE over rows that are at hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::ExecutionPlan;
use slipstream_engine::catalog::{GraphDefinition, TableDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ReadView, Result};

use crate::dml;
use crate::error::{from_arrow, from_datafusion};
use crate::functions::at_statement;
use crate::planner::names::ROWS;
use crate::planner::state::Engine;
use crate::prepare::rewritten;
use crate::session::Inner;
use crate::statement::{self, Command};

/// The name of the column with the keys of what is changed.
pub(super) const KEY: &str = "?key";

/// Rows of defaults that one VALUES has.
const DEFAULTS: usize = 10_000;

/// A column of the rows that a statement reads.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// The column that it is for.
    pub(super) column: String,
    /// Its values, with their type.
    pub(super) values: (Field, ArrayRef),
}

/// An element table, to be written.
pub(super) struct Table {
    definition: Arc<TableDefinition>,
    key: String,
    ends: Option<(String, String)>,
}

impl Table {
    /// The element table of that name.
    pub(super) fn of(graph: &GraphDefinition, name: &str, view: &ReadView) -> Result<Table> {
        let missing = || Error::internal(format!("element table \"{name}\" of a bound query is not in its graph"));
        let first = |columns: &[String]| columns.first().cloned().ok_or_else(missing);
        let (id, key, ends) = match (graph.get_vertex(name), graph.get_edge(name)) {
            (Some(vertex), _) => (vertex.table, first(&vertex.key)?, None),
            (None, Some(edge)) => {
                let ends = (first(&edge.source.columns)?, first(&edge.destination.columns)?);
                (edge.table, first(&edge.key)?, Some(ends))
            }
            (None, None) => return Err(missing()),
        };
        let definition = view.snapshot.catalog.tables.get(&id).cloned().ok_or_else(missing)?;
        Ok(Table { definition, key, ends })
    }

    /// The key column.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The key column, with its type.
    pub(super) fn key_field(&self) -> Field {
        let column = self.definition.get_column(&self.key);
        column.map_or(SqlType::BigInt, |column| column.sql_type.clone()).field(&self.key, true)
    }

    /// The columns of a relationship's ends.
    pub(super) fn ends(&self) -> Option<(&str, &str)> {
        self.ends.as_ref().map(|(source, destination)| (source.as_str(), destination.as_str()))
    }

    fn name(&self) -> String {
        format!("{}.{}", quoted(&self.definition.schema), quoted(&self.definition.name))
    }

    /// Adds a row for each of the rows that are at hand, of which there are so many, and returns the keys in their order.
    pub(super) fn insert(&self, cells: &[Cell], rows: usize) -> Result<String> {
        let table = self.name();
        let key = quoted(&self.key);
        if cells.is_empty() {
            if rows > DEFAULTS {
                return Err(Error::not_supported(format!(
                    "CREATE of more than {DEFAULTS} elements without a property is not supported"
                )));
            }
            let first = self.definition.columns.first().map(|column| quoted(&column.name)).unwrap_or_default();
            let defaults = vec!["(DEFAULT)"; rows].join(", ");
            return Ok(format!("INSERT INTO {table} ({first}) VALUES {defaults} RETURNING {key}"));
        }
        let columns: Vec<String> = cells.iter().map(|cell| quoted(&cell.column)).collect();
        let values: Vec<String> = cells.iter().enumerate().map(|(at, cell)| self.value(at, cell)).collect();
        Ok(format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {ROWS} AS \"?w\" RETURNING {key}",
            columns.join(", "),
            values.join(", ")
        ))
    }

    /// Changes the rows whose keys are in the first of the columns at hand, which may be there as text; the others are what
    /// columns become.
    pub(super) fn update(&self, cells: &[Cell], as_text: bool) -> String {
        let others: Vec<String> = (1..=cells.len()).map(|at| format!("c{at}")).collect();
        let rows = self.rows(&self.key, as_text, &others);
        let assignments: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| format!("{} = {}", quoted(&cell.column), self.value(at + 1, cell)))
            .collect();
        format!(
            "UPDATE {} AS \"?t\" SET {} FROM {rows} AS \"?w\" WHERE \"?t\".{} = \"?w\".c0",
            self.name(),
            assignments.join(", "),
            quoted(&self.key)
        )
    }

    /// Takes away the rows in which a column is one of the keys at hand, which may be there as text.
    pub(super) fn delete(&self, column: &str, as_text: bool) -> String {
        let rows = self.rows(column, as_text, &[]);
        format!(
            "DELETE FROM {} AS \"?t\" USING {rows} AS \"?w\" WHERE \"?t\".{} = \"?w\".c0",
            self.name(),
            quoted(column)
        )
    }

    /// The rows at hand, with keys of a column's type.
    fn rows(&self, column: &str, as_text: bool, others: &[String]) -> String {
        // A column of its own: cast in the condition, it would have the name of the column that it is made of.
        match self.definition.get_column(column).filter(|_| as_text) {
            Some(column) => {
                let key = format!("c0::{} AS c0", column.sql_type);
                let columns: Vec<String> = std::iter::once(key).chain(others.iter().cloned()).collect();
                format!("(SELECT {} FROM {ROWS})", columns.join(", "))
            }
            None => ROWS.to_string(),
        }
    }

    /// A value at hand for a column. A dynamic one is read as the column's type.
    fn value(&self, at: usize, cell: &Cell) -> String {
        let value = format!("\"?w\".c{at}");
        let Some(column) = self.definition.get_column(&cell.column) else { return value };
        let dynamic = SqlType::of_field(&cell.values.0) == Some(SqlType::Jsonb);
        match &column.sql_type {
            SqlType::Json | SqlType::Jsonb if dynamic => value,
            SqlType::Json | SqlType::Jsonb => format!("to_jsonb({value})"),
            other if dynamic => format!("({value} #>> '{{}}')::{other}"),
            _ => value,
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The rows that a statement reads: columns `c0`, `c1`, ...
pub(super) fn rows_of(cells: Vec<Cell>) -> Result<MemTable> {
    let rows = cells.first().map_or(0, |cell| cell.values.1.len());
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = cells
        .into_iter()
        .enumerate()
        .map(|(at, cell)| (cell.values.0.with_name(format!("c{at}")).with_nullable(true), cell.values.1))
        .unzip();
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options).map_err(from_arrow)?;
    MemTable::try_new(schema, vec![vec![batch]]).map_err(from_datafusion)
}

/// The plan of a statement that reads these rows.
pub(super) async fn plan(
    session: &Arc<Inner>,
    engine: &Arc<Engine>,
    view: &ReadView,
    sql: &str,
    rows: MemTable,
) -> Result<Arc<dyn ExecutionPlan>> {
    let parsed = statement::parse(sql)?;
    let Some(Command::Sql(syntax)) = parsed.first().map(statement::Statement::command) else {
        return Err(Error::internal("a clause that writes did not become a statement"));
    };
    let mut ground = session.ground(Arc::clone(engine), view);
    ground.tables.put_rows(Arc::new(rows));
    let planning = ground.planning(&parsed[0], &[]);
    let (_, plan) = dml::plan(&planning, &rewritten(syntax)).await?;
    let plan = at_statement(plan.plan, session.statement_started())
        .and_then(|plan| engine.optimize(plan, session.now()))
        .map_err(from_datafusion)?;
    engine.physical(&plan).await
}
