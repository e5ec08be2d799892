//! The algorithms there are, and what comes out of them.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::Result as PlanResult;
use slipstream_engine::types::SqlType;

use super::answer::Answer;
use super::common::{CommonNeighbours, common};
use super::components::components;
use super::cores::cores;
use super::degrees::degrees;
use super::distances::{Distances, distances};
use super::louvain::{Louvain, louvain};
use super::neighbours::{END_BYTES, START_BYTES};
use super::network::Network;
use super::page_rank::{PageRank, page_rank};
use super::pulse::Pulse;

/// An algorithm, with what is asked of it.
#[derive(Debug, Clone)]
pub enum Algorithm {
    /// How many edges each vertex has.
    Degrees,
    /// Who can be reached from whom.
    Components,
    /// PageRank.
    PageRank(PageRank),
    /// Communities by the Louvain method.
    Louvain(Louvain),
    /// Core numbers.
    Cores,
    /// Shortest distances.
    Distances(Distances),
    /// Common neighbours.
    CommonNeighbours(CommonNeighbours),
}

impl Algorithm {
    /// Runs it.
    pub(super) fn run(&self, network: &Network, pulse: &mut Pulse) -> PlanResult<Answer> {
        match self {
            Algorithm::Degrees => degrees(network, pulse),
            Algorithm::Components => components(network, pulse),
            Algorithm::PageRank(asked) => page_rank(network, asked, pulse),
            Algorithm::Louvain(asked) => louvain(network, *asked, pulse),
            Algorithm::Cores => cores(network, pulse),
            Algorithm::Distances(asked) => distances(network, asked, pulse),
            Algorithm::CommonNeighbours(asked) => common(network, asked, pulse),
        }
    }

    /// Bytes that it works in at most, beside the network, for so many vertices and edges.
    pub(super) fn memory(&self, vertices: usize, edges: usize) -> usize {
        let lists = |ways: usize| vertices * START_BYTES * 2 + edges * ways * END_BYTES;
        match self {
            Algorithm::Degrees | Algorithm::Components => vertices * 32,
            Algorithm::PageRank(_) => lists(2) + vertices * 40,
            // The edges of two graphs, the second one at most as large as the first.
            Algorithm::Louvain(_) => 2 * (lists(2) + edges * 32 + vertices * 48),
            Algorithm::Cores => lists(2) + vertices * 40,
            Algorithm::Distances(_) => lists(2) + vertices * 40,
            Algorithm::CommonNeighbours(_) => 2 * lists(2) + vertices * 16,
        }
    }
}

/// The columns that come out of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Of [`Algorithm::Degrees`].
    Degrees,
    /// Of [`Algorithm::Components`].
    Component,
    /// Of [`Algorithm::PageRank`].
    Score,
    /// Of [`Algorithm::Louvain`].
    Community,
    /// Of [`Algorithm::Cores`].
    Core,
    /// Of [`Algorithm::Distances`] without weights.
    Hops,
    /// Of [`Algorithm::Distances`] with weights.
    Distance,
    /// Of [`Algorithm::CommonNeighbours`] of two vertices.
    Shared,
    /// Of [`Algorithm::CommonNeighbours`] of one.
    Ranked,
}

impl Output {
    /// The columns: the key of a vertex, with the name of its table in front where there are several, and what the algorithm
    /// says of it.
    pub fn schema(self, key: &SqlType, with_tables: bool) -> SchemaRef {
        let vertex = |table: &str, name: &str| {
            let table = with_tables.then(|| SqlType::Text.field(table, false));
            table.into_iter().chain([key.field(name, false)])
        };
        let count = |name: &str| SqlType::BigInt.field(name, false);
        let number = |name: &str| SqlType::Double.field(name, false);
        let mut fields: Vec<_> = vertex("element", "key").collect();
        match self {
            Output::Degrees => fields.extend(["in_degree", "out_degree", "degree"].map(count)),
            Output::Component => fields.extend(vertex("component_element", "component")),
            Output::Score => fields.push(number("score")),
            Output::Community => fields.extend(vertex("community_element", "community")),
            Output::Core => fields.push(count("core")),
            Output::Hops => fields.push(count("distance")),
            Output::Distance => fields.push(number("distance")),
            Output::Shared => {}
            Output::Ranked => {
                fields.extend([count("common"), number("jaccard"), SqlType::Boolean.field("adjacent", false)]);
            }
        }
        Arc::new(Schema::new(fields))
    }
}
