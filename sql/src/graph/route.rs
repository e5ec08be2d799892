//! How a pattern is answered: by the graph index as far as it can, and by joins.
//!
//! What the index can is known when the query is planned ([`IndexPart`]): all of it, its first clauses, or nothing. What is
//! decided here, for every run, depends on what the statement reads and on what the session wants:
//!
//! * the index answers all that it can, where the view has a reader of it;
//! * joins answer everything where it has none: the transaction's own writes, an index that is behind;
//! * joins also answer what begins in the index but has better be begun elsewhere ([`is_better_begun_by_joins`]).
//!
//! `slipstream.graph_strategy` overrules the last two: `join` asks nothing of the index, `index` demands it for every pattern
//! of the query, not for every expression.

use std::fmt;
use std::sync::Arc;

use slipstream_engine::ReadView;
use slipstream_engine::catalog::GraphDefinition;
use slipstream_engine::graph::index::IndexReader;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::settings::GraphStrategy;
use slipstream_graph_language::GraphQuery;
use slipstream_graph_language::index::{IndexPart, Prefix};

/// How a pattern is answered.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// By the graph index.
    Index(Arc<dyn IndexReader>),
    /// By the graph index as far as it can, and from its rows on by joins.
    Prefix(Arc<dyn IndexReader>),
    /// By joins of the element tables.
    Joins(Reason),
}

/// Why a pattern is answered by joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The session wants it so.
    Strategy,
    /// The transaction has changed the graph.
    OwnWrites,
    /// The index does not stand at what the statement reads.
    Behind,
    /// The query asks for what the index does not have.
    Unindexed(String),
    /// It does so for rows that nothing keeps few.
    Wide(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Strategy => f.write_str("slipstream.graph_strategy"),
            Reason::OwnWrites => f.write_str("own uncommitted writes"),
            Reason::Behind => f.write_str("the index does not stand at this snapshot"),
            Reason::Unindexed(lack) => f.write_str(lack),
            Reason::Wide(lack) => write!(f, "{lack}, and nothing keeps the rows few"),
        }
    }
}

/// What the index is to a statement.
#[derive(Debug)]
pub(super) enum Index {
    /// It stands at what the statement reads.
    Usable(Arc<dyn IndexReader>),
    /// It does not, because the statement's transaction has changed the graph.
    OwnWrites,
    /// It does not, because it is being brought there.
    Behind,
}

impl Index {
    pub(super) fn of(graph: &GraphDefinition, view: &ReadView) -> Index {
        match view.readers.get(&graph.name) {
            Some(reader) => Index::Usable(Arc::clone(reader)),
            None if view.pending.touches_graph(graph) => Index::OwnWrites,
            None => Index::Behind,
        }
    }
}

/// Decides how a pattern is answered, by what the session wants, what the index is to the statement, and what it can of the
/// query.
pub(super) fn route(strategy: GraphStrategy, index: Index, query: &GraphQuery, graph: &str) -> Result<Route> {
    match strategy {
        GraphStrategy::Join => Ok(Route::Joins(Reason::Strategy)),
        GraphStrategy::Auto => Ok(at_best(index, &query.index, query.searches)),
        GraphStrategy::Index => match &query.index {
            // Nobody has to look for what cannot be there.
            IndexPart::Nothing(lack) if query.finds_nothing() => {
                Ok(Route::Joins(Reason::Unindexed(lack.message().to_string())))
            }
            part => by_index(index, part, graph),
        },
    }
}

fn at_best(index: Index, part: &IndexPart, searches: bool) -> Route {
    match part {
        IndexPart::Nothing(lack) => return Route::Joins(Reason::Unindexed(lack.message().to_string())),
        IndexPart::Prefix(prefix) if !searches && is_better_begun_by_joins(prefix) => {
            return Route::Joins(Reason::Wide(prefix.lack.message().to_string()));
        }
        IndexPart::Whole(_) | IndexPart::Prefix(_) => {}
    }
    match index {
        Index::Usable(reader) => by(reader, part),
        Index::OwnWrites => Route::Joins(Reason::OwnWrites),
        Index::Behind => Route::Joins(Reason::Behind),
    }
}

/// Whether rows would come out of the index in numbers, only to be joined with tables afterwards: with their own, for columns
/// that the index does not cover, or with those of more patterns.
fn is_better_begun_by_joins(prefix: &Prefix) -> bool {
    !prefix.narrow && (prefix.fetches || !prefix.every_pattern)
}

fn by_index(index: Index, part: &IndexPart, graph: &str) -> Result<Route> {
    match part {
        IndexPart::Nothing(lack) => return Err(lack.clone()),
        IndexPart::Prefix(prefix) if !prefix.every_pattern => return Err(prefix.lack.clone()),
        IndexPart::Whole(_) | IndexPart::Prefix(_) => {}
    }
    match index {
        Index::Usable(reader) => Ok(by(reader, part)),
        Index::OwnWrites => Err(Error::new(
            ErrorKind::ObjectState,
            format!("the index of graph \"{graph}\" does not have the transaction's own changes"),
        )
        .with_hint("SET slipstream.graph_strategy = 'auto' lets joins answer, which have them.")),
        Index::Behind => Err(Error::new(
            ErrorKind::ObjectState,
            format!("the index of graph \"{graph}\" does not stand at what the statement reads"),
        )
        .with_hint("It is being brought there. SET slipstream.graph_strategy = 'auto' lets joins answer meanwhile.")),
    }
}

fn by(reader: Arc<dyn IndexReader>, part: &IndexPart) -> Route {
    match part {
        IndexPart::Prefix(_) => Route::Prefix(reader),
        IndexPart::Whole(_) | IndexPart::Nothing(_) => Route::Index(reader),
    }
}
