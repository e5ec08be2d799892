//! A query for many rows at once.
//!
//! A pattern whose parameters are computed from the rows beside it is a query for each row. Here it becomes one for a number of
//! rows: it begins with lists of the values that its parameters have in each, and everything that it finds goes along with the
//! number of the row that it is for. That is the same for each row as long as rows do not compete, by LIMIT or SKIP, and it is worth
//! while where a value of the row leads to nodes. What a row aggregates without having anything to group by is there even
//! where nothing was found: such a row is missing here, and asked for alone ([`Batch::asks_again`]).

use slipstream_engine::catalog::{Catalog, GraphDefinition};
use slipstream_engine::types::SqlType;

use super::bound::{BoundClause, BoundItem, BoundMatch, BoundProjection, BoundQuery, Value, ValueKind};
use super::cover::Cover;
use super::index::IndexPart;
use super::lower::{is_led_by_rows, lower_rows};
use super::{CypherParameter, GraphQuery};

/// A query for many rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The text that the index runs. Its parameters are lists ([`list`]): of the numbers of the rows, from 1, and of the values that each
    /// of the query's own has in them. Its columns are those of the query, and behind them the number of the row.
    pub cypher: String,
    /// Whether a row for which nothing comes back may have an answer nevertheless.
    pub asks_again: bool,
}

impl GraphQuery {
    /// The query for many rows, where the index answers all of it and may be asked so.
    pub fn batch(&self, catalog: &Catalog, graph: &GraphDefinition) -> Option<Batch> {
        let simple = |parameter: &CypherParameter| {
            matches!(
                parameter.sql_type,
                SqlType::SmallInt
                    | SqlType::Integer
                    | SqlType::BigInt
                    | SqlType::Double
                    | SqlType::Boolean
                    | SqlType::Text
                    | SqlType::Date
            )
        };
        if !matches!(self.index, IndexPart::Whole(_)) || self.searches || !self.parameters.iter().all(simple) {
            return None;
        }
        let clauses = of_many_rows(&self.bound, &self.parameters)?;
        let asks_again = self.bound.clauses.iter().filter_map(projection).any(is_there_anyway);
        let types: Vec<SqlType> = self.parameters.iter().map(|parameter| parameter.sql_type.clone()).collect();
        Some(Batch { cypher: lower_rows(&clauses, &types, &Cover::new(catalog, graph)), asks_again })
    }
}

/// The list that holds a value for each row: the numbers of the rows are at 0, the parameters of the query from 1 on.
pub fn list(at: usize) -> String {
    format!("rows{at}")
}

/// The variable that holds what the list at the same place has for a row.
pub(crate) fn item(at: usize) -> String {
    format!("row{at}")
}

fn of_many_rows(query: &BoundQuery, parameters: &[CypherParameter]) -> Option<Vec<BoundClause>> {
    if !query.more.is_empty() || parameters.is_empty() {
        return None;
    }
    let along: Vec<String> = (0..=parameters.len()).map(item).collect();
    let rows = Rows { parameters, along: &along };
    let mut clauses = Vec::with_capacity(query.clauses.len());
    let mut leads = false;
    for clause in &query.clauses {
        let clause = rows.clause(clause)?;
        if let BoundClause::Match(pattern) = &clause {
            // Until a value of the row has led somewhere, a pattern would find all there is for each row.
            leads |= is_led_by_rows(pattern);
            if !leads || pattern.optional && !pattern.is_connected() {
                return None;
            }
        }
        clauses.push(clause);
    }
    leads.then_some(clauses)
}

/// The rows that a query is asked for.
struct Rows<'a> {
    parameters: &'a [CypherParameter],
    /// What goes along with all that is found.
    along: &'a [String],
}

impl Rows<'_> {
    /// A clause with the values of the rows; `None` where rows compete in it.
    fn clause(&self, clause: &BoundClause) -> Option<BoundClause> {
        Some(match clause {
            BoundClause::Match(pattern) => BoundClause::Match(self.pattern(pattern)?),
            BoundClause::Unwind { list, variable } => {
                BoundClause::Unwind { list: self.value(list), variable: variable.clone() }
            }
            BoundClause::With(projection, filter) => BoundClause::With(
                self.projection(projection, self.along)?,
                filter.as_ref().map(|filter| self.value(filter)),
            ),
            BoundClause::Return(projection) => {
                BoundClause::Return(self.projection(projection, self.along.get(..1).unwrap_or_default())?)
            }
            BoundClause::Create(_) | BoundClause::Merge(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => {
                return None;
            }
        })
    }

    fn pattern(&self, pattern: &BoundMatch) -> Option<BoundMatch> {
        let names_a_value = |value: &Value| self.value(value) != *value;
        // The relationships of a path are tested where no row is known.
        if pattern.each_relationship().any(|path| path.conditions.iter().any(names_a_value)) {
            return None;
        }
        let mut pattern = pattern.clone();
        pattern.conditions = pattern.conditions.iter().map(|condition| self.value(condition)).collect();
        if !pattern.deduplicate.is_empty() {
            pattern.deduplicate.extend(self.along.iter().cloned());
        }
        Some(pattern)
    }

    fn projection(&self, projection: &BoundProjection, along: &[String]) -> Option<BoundProjection> {
        let BoundProjection { stage, distinct, items, order, skip, limit } = projection;
        if skip.is_some() || limit.is_some() {
            return None;
        }
        let along = || along.iter().map(|name| BoundItem::Variable(name.clone()));
        let mut stage = self.items(stage);
        if !stage.is_empty() {
            stage.extend(along());
        }
        Some(BoundProjection {
            stage,
            distinct: *distinct,
            items: self.items(items).into_iter().chain(along()).collect(),
            order: order.iter().map(|(value, descending)| (self.value(value), *descending)).collect(),
            skip: None,
            limit: None,
        })
    }

    fn items(&self, items: &[BoundItem]) -> Vec<BoundItem> {
        let item = |item: &BoundItem| match item {
            BoundItem::Variable(_) => item.clone(),
            BoundItem::Value { value, variable } => {
                BoundItem::Value { value: self.value(value), variable: variable.clone() }
            }
        };
        items.iter().map(item).collect()
    }

    fn value(&self, value: &Value) -> Value {
        value.clone().replace(&|part| {
            let ValueKind::Parameter(name) = &part.kind else { return None };
            let at = self.parameters.iter().position(|parameter| parameter.name == *name)?;
            let kind = ValueKind::Variable { name: item(at + 1), key: None };
            Some(Value { kind, sql_type: part.sql_type.clone() })
        })
    }
}

fn projection(clause: &BoundClause) -> Option<&BoundProjection> {
    match clause {
        BoundClause::With(projection, _) | BoundClause::Return(projection) => Some(projection),
        _ => None,
    }
}

/// Whether a projection gives a row even where there is none before it: it aggregates, and groups by nothing.
fn is_there_anyway(projection: &BoundProjection) -> bool {
    let grouped = if projection.stage.is_empty() { &projection.items } else { &projection.stage };
    let aggregates = |item: &BoundItem| matches!(item, BoundItem::Value { value, .. } if value.has_aggregate());
    !grouped.is_empty() && grouped.iter().all(aggregates)
}
