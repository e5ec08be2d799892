//! Graph algorithms over the element tables of a graph, as operators of a plan.
//!
//! They read what the statement reads, the transaction's own writes among it, and need no graph index:
//!
//! 1. [`GraphAlgorithm`] is a table whose scan is a [`GraphAlgorithmExec`] over plans of the keys of the vertices and of the
//!    ends of the edges;
//! 2. when it runs, a [`network`] is gathered: vertices are numbered in the order of their tables and keys, edges become
//!    pairs of numbers. Memory for that, and for what the algorithm will want, is asked of the query's pool first;
//! 3. the [`Algorithm`] runs on a thread for blocking work. A [`pulse`] stops it soon after nobody waits for it any more;
//! 4. its [`answer`], columns by vertex number, leaves in batches with the keys of the vertices.
//!
//! Vertices are visited in the order of their numbers, and nothing depends on the order in which rows or edges came but the
//! last digits of sums of weights that are no whole numbers. So the same snapshot gives the same answer.
//!
//! The algorithms are over lists of neighbours ([`neighbours`]); a file has one each.

mod algorithm;
mod answer;
mod common;
mod components;
mod cores;
mod degrees;
mod distances;
mod gather;
mod louvain;
mod neighbours;
mod network;
mod operator;
mod page_rank;
mod pulse;
mod table;
#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, Output};
pub use common::CommonNeighbours;
pub use distances::Distances;
pub use louvain::Louvain;
pub use network::Keys;
pub use operator::GraphAlgorithmExec;
pub use page_rank::PageRank;
pub use table::{EdgeInput, GraphAlgorithm, Inputs, VertexInput};
