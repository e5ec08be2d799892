//! Text search in SQL: the functions and operators of `tsvector` and `tsquery`.
//!
//! What they compute is [`slipstream_text_search`]'s. Here is how SQL calls it: [`functions`] are functions of a plan,
//! [`overloads`] gives their arguments types as Postgres resolves them, [`operators`] says which function `@@`, `||` and
//! the others are for which operands, [`evaluate`] goes through the rows.
//!
//! `to_tsvector(config, text) @@ query` is one function, `ts_match_text`, so that no vector is written out as text and read
//! again, and so that an index on that expression recognises it.

//!
//! `column @@@ 'search'` is ours: [`mod@rewrite`] says it, `bm25_score(...)`, `highlight(...)` and the tables `text_search(...)` and
//! `hybrid_search(...)` ([`tables`]) in words that can be planned, and [`search`] has the functions.

mod arguments;
mod evaluate;
mod functions;
mod operators;
mod overloads;
mod rewrite;
mod search;
mod tables;

use datafusion::logical_expr::ScalarUDF;
use slipstream_engine::catalog::{IndexDefinition, IndexMethod, TableDefinition};
use slipstream_text_search::Config;

pub(crate) use operators::{length_of_vector, operator};
pub(crate) use overloads::typed;
pub(crate) use rewrite::{OPERATOR, rewrite, rewrite_query};
pub(crate) use search::aggregates;

/// Every function of text search.
pub(crate) fn scalar_functions() -> Vec<ScalarUDF> {
    let mut all = functions::functions();
    all.extend(search::functions());
    all
}

/// The name of the configuration by which a column is searched: that of its index, of the first one where it has several.
fn config_of(table: Option<&TableDefinition>, column: &str) -> String {
    let indexes = table.into_iter().flat_map(|table| &table.indexes).filter(|index| index.method == IndexMethod::Bm25);
    let mut configs = indexes.flat_map(IndexDefinition::word_columns);
    let config = configs.find(|(known, _)| *known == column).map(|(_, config)| config);
    config.unwrap_or(Config::ENGLISH.name()).to_string()
}
