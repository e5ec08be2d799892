//! Rows that come out of the graph index, to go on from.
//!
//! They hold columns of elements as far as the index covers them. Whatever more a clause uses is fetched before it: the rows
//! are joined with the element's table on its key: by an outer join, where the element may be missing.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::{Column, JoinType, TableReference};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use slipstream_engine::Result;

use super::elements::whole;
use super::pattern::joined;
use super::relationships::walk_length;
use super::{Lowering, column, names};
use crate::error::from_datafusion;
use slipstream_graph_language::bound::Value;
use slipstream_graph_language::index::Carried;
use slipstream_graph_language::uses::Uses;

/// Rows that the index gives, and how far in the query they are.
pub(crate) struct Start<'a> {
    /// The rows.
    pub(crate) rows: LogicalPlan,
    /// How many clauses are done.
    pub(crate) clauses: usize,
    /// Conditions of those that are not tested yet.
    pub(crate) conditions: &'a [Value],
}

/// The name of a column of such rows.
pub(crate) fn name(carried: &Carried) -> String {
    match carried {
        Carried::Property { variable, column } => format!("{variable}.{column}"),
        Carried::Value(name) => name.clone(),
        Carried::Length(walk) => walk_length(walk),
    }
}

/// The rows of a scan of the index, under the names that its columns have there.
pub(crate) fn index_rows(scan: Arc<dyn TableSource>) -> Result<LogicalPlan> {
    let table = TableReference::bare("?index");
    let schema = scan.schema();
    let columns = schema.fields().iter().map(|field| {
        let name = field.name();
        Expr::Column(Column::new(Some(table.clone()), name)).alias(name)
    });
    LogicalPlanBuilder::scan(table.clone(), scan, None)
        .and_then(|scan| scan.project(columns.collect::<Vec<_>>())?.build())
        .map_err(from_datafusion)
}

impl Lowering<'_> {
    /// The rows of a start for which its conditions hold.
    pub(super) fn started_from(&self, start: Start<'_>) -> PlanResult<LogicalPlan> {
        let mut uses = Uses::default();
        start.conditions.iter().for_each(|condition| uses.value(condition));
        let rows = self.fetched(start.rows, &uses)?;
        let rows = self.answered(rows, start.conditions)?;
        let conditions = start.conditions.iter().map(|condition| self.value(condition));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        match conditions.into_iter().reduce(Expr::and) {
            Some(condition) => LogicalPlanBuilder::from(rows).filter(condition)?.build(),
            None => Ok(rows),
        }
    }

    /// The rows with the columns of their elements that are used and not there yet.
    pub(super) fn fetched(&self, mut rows: LogicalPlan, uses: &Uses) -> PlanResult<LogicalPlan> {
        let mut elements: Vec<_> = uses.properties.iter().collect();
        elements.sort_unstable();
        for (variable, columns) in elements {
            let there: HashSet<&String> = names(&rows).collect();
            let has = |column: &str| there.contains(&format!("{variable}.{column}"));
            let missing: Vec<&String> = columns.iter().filter(|column| !has(column)).collect();
            let known = self.key(variable)?;
            let value =
                self.element(variable)?.whole && uses.wholes.contains(variable) && !there.contains(&whole(variable));
            if missing.is_empty() && !value || !there.contains(&known.qualified_name().1) {
                continue;
            }
            let kept: Vec<Expr> = names(&rows).map(column).collect();
            let key = format!("{variable}?key");
            let fetched = self.by_key(variable, &key, &missing, value)?;
            let new = missing.iter().map(|name| column(format!("{variable}.{name}")));
            let new = new.chain(value.then(|| column(whole(variable))));
            let columns: Vec<Expr> = kept.into_iter().chain(new).collect();
            let join = if self.optional.contains(variable) { JoinType::Left } else { JoinType::Inner };
            let rows_with = joined(rows, fetched, join, vec![known.eq(column(key))])?;
            rows = LogicalPlanBuilder::from(rows_with).project(columns)?.build()?;
        }
        Ok(rows)
    }
}
