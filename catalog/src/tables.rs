//! Lance tables as DataFusion tables, pinned to their version in a snapshot.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use slipstream_engine::ReadView;
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::change::ROW_ADDRESS;
use slipstream_engine::pending::TableState;
use slipstream_engine::store::ScanRequest;

use crate::index_then_store::{IndexThenStore, Lookup, Matching, OutputColumn};
use crate::vector_search::StateScan;

/// The schema `public` of one view.
#[derive(Debug)]
pub struct Tables {
    view: ReadView,
}

impl Tables {
    /// All tables of a view.
    pub fn new(view: &ReadView) -> Self {
        Tables { view: view.clone() }
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.view.snapshot.catalog.tables.values().map(|table| table.name.clone()).collect()
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        let table = self.view.snapshot.catalog.get_table(name);
        Ok(table.map(|definition| Arc::new(LanceTable::new(&self.view, definition)) as _))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.view.snapshot.catalog.get_table(name).is_some()
    }
}

/// A table as a view has it: at its version in the snapshot, with the transaction's own changes. Opened when scanned.
#[derive(Debug)]
pub struct LanceTable {
    view: ReadView,
    definition: Arc<TableDefinition>,
    schema: SchemaRef,
}

impl LanceTable {
    /// The table, with its columns.
    pub fn new(view: &ReadView, definition: &Arc<TableDefinition>) -> Self {
        LanceTable { view: view.clone(), definition: Arc::clone(definition), schema: definition.arrow_schema() }
    }

    /// The table with [`ROW_ADDRESS`] as its last column, for statements that change rows.
    pub fn with_row_address(view: &ReadView, definition: &Arc<TableDefinition>) -> Self {
        LanceTable { schema: schema_with_row_address(definition), ..LanceTable::new(view, definition) }
    }

    /// The table's definition.
    pub fn definition(&self) -> &Arc<TableDefinition> {
        &self.definition
    }
}

/// The schema of [`LanceTable::with_row_address`].
pub fn schema_with_row_address(definition: &TableDefinition) -> SchemaRef {
    let mut fields = definition.arrow_schema().fields().to_vec();
    fields.push(Arc::new(Field::new(ROW_ADDRESS, DataType::UInt64, false)));
    Arc::new(Schema::new(fields))
}

/// What Lance does of each filter, all of it or nothing. Names no version, so that a plan can be made before one is known.
pub fn filter_pushdown(filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
    filters
        .iter()
        .map(|filter| match is_pushable(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        })
        .collect()
}

#[async_trait]
impl TableProvider for LanceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(filter_pushdown(filters))
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let table = self.view.table(&self.definition).await?;
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        // The row address, where it is asked for, is the last column: the planner keeps projections in schema order.
        let row_address = names.last().is_some_and(|name| name == ROW_ADDRESS);
        if let Some((keys, rest)) = key_lookup(&self.definition, filters) {
            return key_scan(table, keys, names, pushed(&rest)?);
        }
        let columns = names.into_iter().filter(|name| name != ROW_ADDRESS).collect();
        let request = ScanRequest { columns: Some(columns), filter: pushed(filters)?, limit, row_address };
        let rows = table.scan(&request).await?;
        let searched = table.stored().is_none() && !self.definition.indexes.is_empty();
        Ok(if searched { Arc::new(StateScan::new(rows, table, request)) } else { rows })
    }
}

/// Rows of known keys: no scan, the keys lead to the rows.
fn key_scan(
    table: Arc<TableState>,
    keys: Vec<ArrayRef>,
    columns: Vec<String>,
    condition: Option<Expr>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let names = table.definition().primary_key.iter();
    let fields = names.zip(&keys).map(|(name, keys)| Field::new(name, keys.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let positions = (0..keys.len()).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), keys)?;
    let input = MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?;
    let output = (0..columns.len()).map(OutputColumn::Store).collect();
    let lookup = Lookup { table, columns, condition, matching: Matching::Inner, output };
    Ok(Arc::new(IndexThenStore::new(input, positions, lookup)?))
}

/// The primary keys that the filters are about, column by column, and the filters that say more. A key of several columns
/// has one value in each.
fn key_lookup(definition: &TableDefinition, filters: &[Expr]) -> Option<(Vec<ArrayRef>, Vec<Expr>)> {
    if definition.primary_key.is_empty() {
        return None;
    }
    let mut rest: Vec<&Expr> = filters.iter().flat_map(split_conjunction).collect();
    let mut keys = Vec::with_capacity(definition.primary_key.len());
    for key in &definition.primary_key {
        let key_type = definition.get_column(key)?.sql_type.arrow_type();
        let (position, values) = rest.iter().enumerate().find_map(|(position, filter)| {
            let values = distinct(key_values(key, filter)?, &key_type)?;
            Some((position, values))
        })?;
        if definition.primary_key.len() > 1 && values.len() > 1 {
            return None;
        }
        rest.remove(position);
        keys.push(ScalarValue::iter_to_array(values).ok()?);
    }
    Some((keys, rest.into_iter().cloned().collect()))
}

/// The values that a filter allows for a column, where it is an equality, a list, or several of them.
fn key_values(key: &str, filter: &Expr) -> Option<Vec<ScalarValue>> {
    let is_key = |expression: &Expr| matches!(expression, Expr::Column(column) if column.name == key);
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (column, Expr::Literal(value, _)) | (Expr::Literal(value, _), column) if is_key(column) => {
                Some(vec![value.clone()])
            }
            _ => None,
        },
        // A short list has been written out by the optimizer.
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut values = key_values(key, left)?;
            values.extend(key_values(key, right)?);
            Some(values)
        }
        Expr::InList(list) if !list.negated && is_key(&list.expr) => list
            .list
            .iter()
            .map(|item| match item {
                Expr::Literal(value, _) => Some(value.clone()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// Values as keys of that type, each once and no NULL; `None` where there is none left, or one that is no such key.
fn distinct(values: Vec<ScalarValue>, key_type: &DataType) -> Option<Vec<ScalarValue>> {
    let mut distinct: Vec<ScalarValue> = Vec::with_capacity(values.len());
    let mut seen = HashSet::new();
    for value in values.into_iter().filter(|value| !value.is_null()) {
        let value =
            value.cast_to(key_type).ok().filter(|cast| cast.data_type() == value.data_type() || !cast.is_null())?;
        if seen.insert(value.clone()) {
            distinct.push(value);
        }
    }
    (!distinct.is_empty()).then_some(distinct)
}

/// All filters as one, with unqualified columns, as Lance wants it.
fn pushed(filters: &[Expr]) -> PlanResult<Option<Expr>> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    conjunction(filters.iter().cloned())
        .map(|filter| {
            filter
                .transform(|node| {
                    Ok(match node {
                        Expr::Column(column) => {
                            Transformed::yes(Expr::Column(datafusion::common::Column::from_name(column.name)))
                        }
                        other => Transformed::no(other),
                    })
                })
                .map(|transformed| transformed.data)
        })
        .transpose()
}

/// Whether Lance evaluates this with the same result: comparisons of columns with literals, and what connects them.
fn is_pushable(filter: &Expr) -> bool {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => is_pushable(left) && is_pushable(right),
            Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => {
                (is_column(left) && is_literal(right)) || (is_literal(left) && is_column(right))
            }
            _ => false,
        },
        Expr::Not(inner) => is_pushable(inner),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => is_column(inner),
        Expr::InList(list) => is_column(&list.expr) && list.list.iter().all(is_literal),
        Expr::Between(between) => is_column(&between.expr) && is_literal(&between.low) && is_literal(&between.high),
        _ => false,
    }
}

fn is_column(expression: &Expr) -> bool {
    matches!(expression, Expr::Column(column) if column.name != ROW_ADDRESS)
}

/// A value of a type that Lance compares as DataFusion does; a parameter becomes one before execution.
fn is_literal(expression: &Expr) -> bool {
    match expression {
        Expr::Placeholder(placeholder) => {
            placeholder.field.as_ref().is_some_and(|field| is_comparable(field.data_type()))
        }
        Expr::Literal(value, _) => is_comparable(&value.data_type()),
        _ => false,
    }
}

fn is_comparable(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Utf8
                | DataType::Date32
                | DataType::Timestamp(_, _)
                | DataType::Decimal128(_, _)
        )
}
