//! The functions there are, and their arguments.

use slipstream_catalog::graph_algorithms::Output;
use slipstream_engine::types::SqlType;

use super::call::Call;

/// A graph algorithm that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Degree,
    ConnectedComponents,
    PageRank,
    Louvain,
    KCore,
    ShortestDistances,
    CommonNeighbours,
}

/// An argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Argument {
    Graph,
    Edges,
    Source,
    Vertex,
    Other,
    Label,
    Direction,
    Weight,
    Damping,
    Iterations,
    Tolerance,
    Resolution,
    Seed,
    MaxDistance,
}

use Argument::{
    Damping, Direction, Edges, Graph, Iterations, Label, MaxDistance, Other, Resolution, Seed, Source, Tolerance,
    Vertex, Weight,
};

impl Function {
    /// The function of that name.
    pub(super) fn named(name: &str) -> Option<Function> {
        Some(match name {
            "degree" => Function::Degree,
            "connected_components" => Function::ConnectedComponents,
            "page_rank" => Function::PageRank,
            "louvain" => Function::Louvain,
            "k_core" => Function::KCore,
            "shortest_distances" => Function::ShortestDistances,
            "common_neighbours" | "common_neighbors" => Function::CommonNeighbours,
            _ => return None,
        })
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Function::Degree => "degree",
            Function::ConnectedComponents => "connected_components",
            Function::PageRank => "page_rank",
            Function::Louvain => "louvain",
            Function::KCore => "k_core",
            Function::ShortestDistances => "shortest_distances",
            Function::CommonNeighbours => "common_neighbours",
        }
    }

    /// Its arguments, in the order in which they stand where they are not named.
    pub(super) fn arguments(self) -> &'static [Argument] {
        match self {
            Function::Degree | Function::ConnectedComponents | Function::KCore => &[Graph, Edges],
            Function::PageRank => &[Graph, Edges, Damping, Iterations, Tolerance, Source, Label, Direction, Weight],
            Function::Louvain => &[Graph, Edges, Resolution, Seed, Weight],
            Function::ShortestDistances => &[Graph, Edges, Source, MaxDistance, Direction, Weight, Label],
            Function::CommonNeighbours => &[Graph, Edges, Vertex, Other, Direction, Label],
        }
    }

    /// Those without which it cannot do.
    pub(super) fn required(self) -> &'static [Argument] {
        match self {
            Function::ShortestDistances => &[Graph, Source],
            Function::CommonNeighbours => &[Graph, Vertex],
            _ => &[Graph],
        }
    }

    /// What comes out of a call of it.
    pub(super) fn output(self, call: &Call) -> Output {
        match self {
            Function::Degree => Output::Degrees,
            Function::ConnectedComponents => Output::Component,
            Function::PageRank => Output::Score,
            Function::Louvain => Output::Community,
            Function::KCore => Output::Core,
            Function::ShortestDistances if call.has(Weight) => Output::Distance,
            Function::ShortestDistances => Output::Hops,
            Function::CommonNeighbours if call.has(Other) => Output::Shared,
            Function::CommonNeighbours => Output::Ranked,
        }
    }
}

impl Argument {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Graph => "graph",
            Edges => "edges",
            Source => "source",
            Vertex => "vertex",
            Other => "other",
            Label => "label",
            Direction => "direction",
            Weight => "weight",
            Damping => "damping",
            Iterations => "iterations",
            Tolerance => "tolerance",
            Resolution => "resolution",
            Seed => "seed",
            MaxDistance => "max_distance",
        }
    }

    /// The type of a parameter in its place, where keys of vertices have the type `key`.
    pub(super) fn sql_type(self, key: &SqlType) -> SqlType {
        match self {
            Source | Vertex | Other => key.clone(),
            Damping | Tolerance | Resolution | MaxDistance => SqlType::Double,
            Iterations => SqlType::Integer,
            Seed => SqlType::BigInt,
            Graph | Edges | Label | Direction | Weight => SqlType::Text,
        }
    }
}
