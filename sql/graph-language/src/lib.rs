//! The languages of graph patterns: from text to a bound query, and from there to the text that the graph index runs.
//!
//! 1. [`lexer`] cuts the text into tokens, [`parse`] makes the [`syntax`] tree of them. Everything keeps its place, so
//!    that an error points at the character that is wrong.
//! 2. `bind` looks names up in the graph's tables, infers the labels that are not written, types every expression, and
//!    finds the types of parameters by their use. The result is the [`bound`] query. What cannot be answered is refused
//!    there; what the index alone does not cover, or would compute with other rules than openCypher, is noted.
//! 3. [`index`] finds which part of it the graph index answers: all, its first clauses, or nothing. `lower` writes that part
//!    in the index's own Cypher, which cannot fail.
//!
//! The other way to answer a bound query, by joins of the element tables, is a plan of DataFusion and lives with the other
//! plans, in `slipstream-sql`. Rows are the same either way. A crate of its own, because nothing here needs a planner or a
//! session, and what does takes long to compile.
//!
//! [`plan`] is the first three. What it gives names tables and columns, not versions, so it may be cached for as long as the
//! catalog stands.
//!
//! Paths are trails, as openCypher has them: within one MATCH no relationship is used twice. Those of SQL/PGQ are walks, which
//! use what they like ([`syntax::PathMode`]). Labels are exact, or differ
//! from the only one alike in nothing but case. NULL is larger than everything in ORDER BY.
//!
//! What a query writes is bound here too, as the rows of element tables that come, change and go; to write them is the
//! business of `slipstream-sql`.

pub mod batch;
pub mod bound;
pub mod degrees;
pub mod extent;
pub mod function;
pub mod index;
pub mod lexer;
pub mod parse;
pub mod syntax;
pub mod uses;

mod bind;
mod cover;
mod describe;
mod limit;
mod lower;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use slipstream_engine::catalog::{Catalog, GraphDefinition, TableId};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use self::cover::Cover;
use self::index::IndexPart;

/// A parameter of a Cypher query: `$name`, or `$1` for the statement's own.
#[derive(Debug, Clone, PartialEq)]
pub struct CypherParameter {
    /// Its name, without the sign.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
}

/// A planned Cypher query.
#[derive(Debug, Clone)]
pub struct GraphQuery {
    /// What is asked.
    pub bound: bound::BoundQuery,
    /// What the graph index answers of it.
    pub index: IndexPart,
    /// What comes back: names and types of RETURN. The index's columns are taken by position.
    pub schema: SchemaRef,
    /// Whether it searches for shortest paths, which the index is begun with for: joins gather all edges first.
    pub searches: bool,
    /// The parameters that the text names, in order of first use, with the types that the index must get.
    pub parameters: Vec<CypherParameter>,
    /// The outputs that are exactly the key of a vertex or edge table (or NULL, where a match was optional).
    pub key_columns: Vec<KeyColumn>,
    /// The patterns, in a line, for EXPLAIN.
    pub description: String,
}

impl GraphQuery {
    /// Whether it has patterns, and nothing can match any of them.
    pub fn finds_nothing(&self) -> bool {
        let (mut patterns, mut impossible) = (0, 0);
        for part in self.bound.parts() {
            uses::Uses::patterns_of(part, &mut |pattern| {
                patterns += 1;
                impossible += usize::from(pattern.impossible);
            });
        }
        patterns > 0 && patterns == impossible
    }
}

/// An output that is the key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    /// Position among the outputs.
    pub output: usize,
    /// The vertex or edge table.
    pub table: TableId,
    /// Its key column.
    pub column: String,
}

/// Plans a query over `graph`.
///
/// `offset` is where the text begins in the SQL statement, in characters from 1; errors point into the statement.
/// `parameters` are those whose types are known; the rest get theirs by use.
pub fn plan(
    text: &str,
    offset: usize,
    catalog: &Catalog,
    graph: &GraphDefinition,
    parameters: &[CypherParameter],
) -> Result<GraphQuery> {
    let syntax = parse::parse(text).map_err(|error| shift(error, offset))?;
    plan_query(&syntax, offset, catalog, graph, parameters)
}

/// Plans a query over `graph` whose syntax tree is there already. The tree's places are in a text that begins at `offset`.
pub fn plan_query(
    syntax: &syntax::Query,
    offset: usize,
    catalog: &Catalog,
    graph: &GraphDefinition,
    parameters: &[CypherParameter],
) -> Result<GraphQuery> {
    let mut query = plan_at_start(syntax, catalog, graph, parameters).map_err(|error| shift(error, offset))?;
    match &mut query.index {
        IndexPart::Whole(_) => {}
        IndexPart::Prefix(prefix) => prefix.lack = shift(prefix.lack.clone(), offset),
        IndexPart::Nothing(lack) => *lack = shift(lack.clone(), offset),
    }
    Ok(query)
}

/// The names of the parameters in `text`, each once, in order.
pub fn referenced_parameters(text: &str) -> Result<Vec<String>> {
    parse::parameters(text)
}

fn plan_at_start(
    syntax: &syntax::Query,
    catalog: &Catalog,
    graph: &GraphDefinition,
    parameters: &[CypherParameter],
) -> Result<GraphQuery> {
    let bind::Bound { mut query, parameters, lacks } = bind::bind(syntax, catalog, graph, parameters)?;
    let mut fields: Vec<_> = query.outputs.iter().map(|output| output.sql_type.field(&output.name, true)).collect();
    if fields.is_empty() {
        // A query that writes and returns nothing is a relation without rows, whose column a column list can name.
        fields.push(SqlType::Jsonb.field("result", true));
    }
    let key_columns = query
        .outputs
        .iter()
        .enumerate()
        .filter_map(|(output, column)| {
            let key = column.key.clone()?;
            Some(KeyColumn { output, table: key.table, column: key.column })
        })
        .collect();
    let description = describe::describe(&query);
    let index = index::part(&mut query, lacks, &Cover::new(catalog, graph));
    Ok(GraphQuery {
        index,
        searches: query.clauses.iter().any(bound::BoundClause::is_search),
        schema: Arc::new(Schema::new(fields)),
        parameters,
        key_columns,
        description,
        bound: query,
    })
}

/// Moves the place of an error from the text to the statement around it.
fn shift(error: Error, offset: usize) -> Error {
    match error.position() {
        Some(position) => error.at(position + offset.saturating_sub(1)),
        None => error.at(offset),
    }
}
