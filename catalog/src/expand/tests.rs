//! Walks over a small graph, against all sequences of its edges.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::adjacency::{Adjacency, EdgePositions, Way};
use super::search::Search;
use super::walk::{Bounds, Found, Paths};

/// Edges between five vertices: one from a vertex to itself, two beside each other, a cycle, and a dead end.
const EDGES: [(i64, i64); 7] = [(1, 1), (1, 2), (1, 2), (2, 3), (3, 1), (3, 4), (5, 4)];

async fn gathered(way: Way, pool: Arc<dyn MemoryPool>) -> datafusion::error::Result<Adjacency> {
    let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let (source, destination) = EDGES.into_iter().unzip();
    let keys = (0..EDGES.len() as i64).map(|at| at * 10).collect();
    let columns = vec![column(source), column(destination), column(keys)];
    let fields = ["source", "destination", "key"].map(|name| Field::new(name, DataType::Int64, false));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    // In two pieces, so that numbers go on from one to the next.
    let pieces = vec![Ok(batch.slice(0, 3)), Ok(batch.slice(3, 4))];
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(pieces)));
    let positions = EdgePositions { source: 0, destination: 1, lists: vec![2] };
    Adjacency::gather(rows, positions, way, MemoryConsumer::new("test").register(&pool)).await
}

/// Every path from a vertex: its edges and its end.
fn walked(adjacency: &Adjacency, from: i64, bounds: Bounds, mut fuel: usize) -> Vec<(Vec<u32>, i64)> {
    let start: ArrayRef = Arc::new(Int64Array::from(vec![from]));
    let Some(start) = adjacency.find(&start).unwrap()[0] else { return Vec::new() };
    let vertices = adjacency.vertices().as_any().downcast_ref::<Int64Array>().unwrap().clone();
    let mut walk = Paths::new(bounds);
    walk.begin(start, adjacency);
    let mut found = Vec::new();
    let refill = fuel;
    loop {
        match walk.next(adjacency, bounds, &mut fuel) {
            Found::End(vertex) => found.push((walk.edges().to_vec(), vertices.value(vertex as usize))),
            Found::Tired => fuel = refill,
            Found::Nothing => break,
        }
    }
    found.sort();
    found
}

/// The same, by trying every edge after every path.
fn expected(from: i64, bounds: Bounds, way: Way) -> Vec<(Vec<u32>, i64)> {
    let mut found = Vec::new();
    let mut paths = vec![(Vec::new(), from)];
    while let Some((edges, at)) = paths.pop() {
        let length = edges.len() as u32;
        if length >= bounds.least.max(1) {
            found.push((edges.clone(), at));
        }
        if length == bounds.most {
            continue;
        }
        for (edge, (source, destination)) in EDGES.into_iter().enumerate() {
            let edge = edge as u32;
            let mut ends = Vec::new();
            if way != Way::Backward && source == at {
                ends.push(destination);
            }
            if way != Way::Forward && destination == at && !(way == Way::Both && source == destination) {
                ends.push(source);
            }
            for end in ends.into_iter().filter(|_| bounds.repeats || !edges.contains(&edge)) {
                let longer = edges.iter().copied().chain([edge]).collect();
                paths.push((longer, end));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn every_path_is_found_once() {
    for way in [Way::Forward, Way::Backward, Way::Both] {
        let adjacency = gathered(way, Arc::new(UnboundedMemoryPool::default())).await.unwrap();
        for from in 0..=6 {
            for (least, most) in [(1, 1), (1, 3), (2, 2), (0, 4), (3, 7)] {
                for repeats in [false, true] {
                    let bounds = Bounds { least, most, repeats, search: None };
                    let found = walked(&adjacency, from, bounds, 1000);
                    assert_eq!(found, expected(from, bounds, way), "{way:?} from {from}, {bounds:?}");
                    assert_eq!(found, walked(&adjacency, from, bounds, 1), "resting changes nothing");
                }
            }
        }
    }
}

/// The shortest of them, to each vertex.
fn shortest(from: i64, bounds: Bounds, way: Way, cycles: bool) -> Vec<(Vec<u32>, i64)> {
    let all = expected(from, bounds, way);
    let least = |end: i64| all.iter().filter(|(_, other)| *other == end).map(|(edges, _)| edges.len()).min();
    let short = |(edges, end): &&(Vec<u32>, i64)| Some(edges.len()) == least(*end) && (cycles || *end != from);
    all.iter().filter(short).cloned().collect()
}

#[tokio::test]
async fn shortest_paths_are_the_shortest_of_all() {
    for way in [Way::Forward, Way::Backward, Way::Both] {
        let adjacency = gathered(way, Arc::new(UnboundedMemoryPool::default())).await.unwrap();
        for (from, most, cycles) in (0..=6)
            .flat_map(|from| [1, 2, 6].map(|most| (from, most)))
            .flat_map(|(from, most)| [(from, most, false), (from, most, true)])
        {
            let every = Bounds { least: 1, most, repeats: true, search: None };
            let all = Bounds { search: Some(Search { all: true, cycles }), ..every };
            let expected = shortest(from, every, way, cycles);
            let context = format!("{way:?} from {from}, at most {most}, cycles: {cycles}");
            assert_eq!(walked(&adjacency, from, all, 1000), expected, "{context}");
            assert_eq!(walked(&adjacency, from, all, 1), expected, "resting changes nothing; {context}");
            let one = walked(&adjacency, from, Bounds { search: Some(Search { all: false, cycles }), ..every }, 1000);
            let mut ends: Vec<i64> = expected.iter().map(|(_, end)| *end).collect();
            ends.sort_unstable();
            ends.dedup();
            let mut found: Vec<i64> = one.iter().map(|(_, end)| *end).collect();
            found.sort_unstable();
            assert_eq!(found, ends, "one path to each; {context}");
            assert!(one.iter().all(|path| expected.contains(path)), "{context}");
        }
    }
}

#[tokio::test]
async fn more_edges_than_memory_are_an_error() {
    let refused = gathered(Way::Forward, Arc::new(GreedyMemoryPool::new(100))).await;
    assert!(matches!(refused, Err(datafusion::error::DataFusionError::ResourcesExhausted(_))));
}
