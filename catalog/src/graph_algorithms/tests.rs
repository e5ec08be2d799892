//! The algorithms over small random graphs, against the slow obvious way to find the same.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::DataType;

use super::algorithm::Algorithm;
use super::answer::{Answer, Values};
use super::common::CommonNeighbours;
use super::distances::Distances;
use super::louvain::Louvain;
use super::network::{Keys, Network};
use super::page_rank::PageRank;
use super::pulse::{Pulse, Waiting};
use crate::expand::Way;

const WAYS: [Way; 3] = [Way::Forward, Way::Backward, Way::Both];

/// Edges between vertices 0 to `vertices - 1`, with weights.
struct Graph {
    vertices: usize,
    edges: Vec<(usize, usize, f64)>,
}

impl Graph {
    /// A graph that follows from a number: sparse ones and dense ones, with parallel edges and such from a vertex to itself.
    fn random(seed: u64) -> Graph {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = move |sides: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % sides as u64) as usize
        };
        let vertices = 1 + dice(9);
        let edges = (0..dice(3 * vertices)).map(|_| (dice(vertices), dice(vertices), dice(5) as f64)).collect();
        Graph { vertices, edges }
    }

    fn network(&self, weighted: bool) -> Network {
        // Keys are ten times the number, and come in an order of their own.
        let keys: Vec<i64> = (0..self.vertices as i64).rev().map(|vertex| vertex * 10).collect();
        let pieces = keys.chunks(3).map(|piece| Arc::new(Int64Array::from(piece.to_vec())) as ArrayRef).collect();
        let mut network = Network::of(vec![("v".to_string(), pieces)], &DataType::Int64).expect("vertices");
        for piece in self.edges.chunks(4) {
            let end = |of: fn(&(usize, usize, f64)) -> usize| -> ArrayRef {
                Arc::new(piece.iter().map(|edge| Some(of(edge) as i64 * 10)).collect::<Int64Array>())
            };
            let weights: ArrayRef = Arc::new(piece.iter().map(|edge| Some(edge.2)).collect::<Float64Array>());
            let ends = (end(|edge| edge.0), end(|edge| edge.1));
            network.add((0, 0), (&ends.0, &ends.1), weighted.then_some(&weights)).expect("edges");
        }
        network
    }

    /// All steps from a vertex: where to, and the weight.
    fn steps(&self, from: usize, way: Way) -> Vec<(usize, f64)> {
        let mut steps = Vec::new();
        for (source, destination, weight) in &self.edges {
            if way != Way::Backward && *source == from {
                steps.push((*destination, *weight));
            }
            if way != Way::Forward && *destination == from && !(way == Way::Both && source == destination) {
                steps.push((*source, *weight));
            }
        }
        steps
    }

    /// The neighbours of a vertex without itself, each once.
    fn neighbours(&self, of: usize, way: Way) -> Vec<usize> {
        let mut found: Vec<usize> = self.steps(of, way).into_iter().map(|(to, _)| to).filter(|to| *to != of).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The lengths of shortest ways from some vertices, by trying every edge as often as there are vertices.
    fn distances(&self, sources: &[usize], way: Way, weighted: bool) -> Vec<f64> {
        let mut distances = vec![f64::INFINITY; self.vertices];
        sources.iter().for_each(|source| distances[*source] = 0.0);
        for _ in 0..self.vertices {
            for from in 0..self.vertices {
                for (to, weight) in self.steps(from, way) {
                    let farther = distances[from] + if weighted { weight } else { 1.0 };
                    distances[to] = distances[to].min(farther);
                }
            }
        }
        distances
    }
}

fn graphs() -> impl Iterator<Item = (u64, Graph)> {
    (0..300).map(|seed| (seed, Graph::random(seed)))
}

fn pulse() -> (Waiting, Pulse) {
    let waiting = Waiting::default();
    let pulse = waiting.pulse();
    (waiting, pulse)
}

fn answer(algorithm: &Algorithm, network: &Network) -> Answer {
    let (_waiting, mut pulse) = pulse();
    algorithm.run(network, &mut pulse).expect("an answer")
}

fn keys(vertices: &[usize]) -> Keys {
    let keys = vertices.iter().map(|vertex| Some(*vertex as i64 * 10)).collect::<Int64Array>();
    Keys { tables: None, keys: Arc::new(keys) }
}

fn counts(values: &Values) -> Vec<i64> {
    let Values::Counts(counts) = values else { panic!("{values:?}") };
    counts.clone()
}

fn numbers(values: &Values) -> Vec<f64> {
    let Values::Numbers(numbers) = values else { panic!("{values:?}") };
    numbers.clone()
}

fn sets(values: &Values) -> Vec<usize> {
    let Values::Vertices(vertices) = values else { panic!("{values:?}") };
    vertices.iter().map(|vertex| *vertex as usize).collect()
}

#[test]
fn degrees_count_both_ends_of_edges() {
    for (seed, graph) in graphs() {
        let found = answer(&Algorithm::Degrees, &graph.network(false));
        let [incoming, outgoing, all] = found.values() else { panic!("{found:?}") };
        for vertex in 0..graph.vertices {
            let comes = graph.edges.iter().filter(|edge| edge.1 == vertex).count() as i64;
            let goes = graph.edges.iter().filter(|edge| edge.0 == vertex).count() as i64;
            let counted = (counts(incoming)[vertex], counts(outgoing)[vertex], counts(all)[vertex]);
            assert_eq!(counted, (comes, goes, comes + goes), "graph {seed}");
        }
    }
}

#[test]
fn a_component_is_called_by_its_first_vertex() {
    for (seed, graph) in graphs() {
        let found = answer(&Algorithm::Components, &graph.network(false));
        let found = sets(&found.values()[0]);
        for (vertex, component) in found.iter().enumerate() {
            let reached = graph.distances(&[vertex], Way::Both, false);
            let first = reached.iter().position(|distance| distance.is_finite());
            assert_eq!(Some(*component), first, "graph {seed}");
        }
    }
}

/// PageRank as the power of a matrix.
fn expected_ranks(graph: &Graph, way: Way, weighted: bool, damping: f64, jumps: &[f64]) -> Vec<f64> {
    let mut ranks = jumps.to_vec();
    for _ in 0..400 {
        let mut next = vec![0.0; graph.vertices];
        for (from, rank) in ranks.iter().enumerate() {
            let steps = graph.steps(from, way);
            let leaving: f64 = steps.iter().map(|(_, weight)| if weighted { *weight } else { 1.0 }).sum();
            for (to, jump) in jumps.iter().enumerate() {
                let along: f64 =
                    steps.iter().filter(|step| step.0 == to).map(|step| if weighted { step.1 } else { 1.0 }).sum();
                let followed = if leaving > 0.0 { along / leaving } else { *jump };
                next[to] += rank * (damping * followed + (1.0 - damping) * jump);
            }
        }
        ranks = next;
    }
    ranks
}

#[test]
fn page_rank_is_where_the_walker_ends_up() {
    for (seed, graph) in graphs() {
        for (way, weighted) in WAYS.into_iter().zip([true, false, true]) {
            let all = vec![1.0 / graph.vertices as f64; graph.vertices];
            let mut one = vec![0.0; graph.vertices];
            one[graph.vertices / 2] = 1.0;
            for (jumps, sources) in [(all, None), (one, Some(keys(&[graph.vertices / 2])))] {
                let asked = PageRank { way, damping: 0.85, iterations: 1000, tolerance: 1e-13, sources };
                let found = answer(&Algorithm::PageRank(asked), &graph.network(weighted));
                let found = numbers(&found.values()[0]);
                let expected = expected_ranks(&graph, way, weighted, 0.85, &jumps);
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-9, "graph {seed}: {found} and {expected}");
                }
                assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
    }
}

/// How much better than by chance edges stay within communities.
fn modularity(graph: &Graph, weighted: bool, sets: &[usize]) -> f64 {
    let weight = |edge: &(usize, usize, f64)| if weighted { edge.2 } else { 1.0 };
    let total: f64 = graph.edges.iter().map(weight).sum();
    if total == 0.0 {
        return 0.0;
    }
    let degree = |vertex: usize| -> f64 {
        let ends = |edge: &(usize, usize, f64)| f64::from(u8::from(edge.0 == vertex) + u8::from(edge.1 == vertex));
        graph.edges.iter().map(|edge| ends(edge) * weight(edge)).sum()
    };
    let inside: f64 = graph.edges.iter().filter(|edge| sets[edge.0] == sets[edge.1]).map(weight).sum();
    let expected: f64 = (0..graph.vertices)
        .map(|set| {
            let degrees: f64 = (0..graph.vertices).filter(|vertex| sets[*vertex] == set).map(degree).sum();
            (degrees / (2.0 * total)).powi(2)
        })
        .sum();
    inside / total - expected
}

/// The best modularity of all ways to divide a graph.
fn best_modularity(graph: &Graph, weighted: bool) -> f64 {
    fn divide(graph: &Graph, weighted: bool, sets: &mut Vec<usize>, best: &mut f64) {
        if sets.len() == graph.vertices {
            *best = best.max(modularity(graph, weighted, sets));
            return;
        }
        for set in 0..=sets.iter().max().map_or(0, |most| most + 1) {
            sets.push(set);
            divide(graph, weighted, sets, best);
            sets.pop();
        }
    }
    let mut best = f64::NEG_INFINITY;
    divide(graph, weighted, &mut Vec::new(), &mut best);
    best
}

#[test]
fn louvain_comes_near_the_best_division() {
    let (mut reached, mut possible) = (0.0, 0.0);
    for (seed, graph) in graphs().filter(|(_, graph)| graph.vertices <= 6) {
        for weighted in [false, true] {
            let network = graph.network(weighted);
            let asked = Algorithm::Louvain(Louvain { resolution: 1.0, seed });
            let found = sets(&answer(&asked, &network).values()[0]);
            assert_eq!(found, sets(&answer(&asked, &network).values()[0]), "a seed means the same always");
            for (vertex, set) in found.iter().enumerate() {
                assert!(*set <= vertex && found[*set] == *set, "graph {seed}: {found:?}");
            }
            let alone: Vec<usize> = (0..graph.vertices).collect();
            let divided = modularity(&graph, weighted, &found);
            let best = best_modularity(&graph, weighted);
            assert!(divided >= modularity(&graph, weighted, &alone) - 1e-9, "graph {seed}");
            assert!(divided <= best + 1e-9);
            reached += divided;
            possible += best;
        }
    }
    assert!(reached > 0.95 * possible, "{reached} of {possible}");
}

#[test]
fn two_cliques_with_a_bridge_are_two_communities() {
    let clique = |from: usize| (from..from + 5).flat_map(move |a| (a + 1..from + 5).map(move |b| (a, b, 1.0)));
    let edges = clique(0).chain(clique(5)).chain([(2, 7, 1.0)]).collect();
    let network = Graph { vertices: 10, edges }.network(false);
    for seed in 0..20 {
        let found = answer(&Algorithm::Louvain(Louvain { resolution: 1.0, seed }), &network);
        assert_eq!(sets(&found.values()[0]), [0, 0, 0, 0, 0, 5, 5, 5, 5, 5]);
    }
}

#[test]
fn cores_are_what_is_left_when_the_poor_are_taken_out() {
    for (seed, graph) in graphs() {
        let found = answer(&Algorithm::Cores, &graph.network(false));
        let mut expected = vec![0; graph.vertices];
        for k in 1..=graph.vertices {
            let mut left: Vec<usize> = (0..graph.vertices).collect();
            loop {
                let degree =
                    |of: &usize| graph.neighbours(*of, Way::Both).iter().filter(|other| left.contains(other)).count();
                let stays: Vec<usize> = left.iter().copied().filter(|vertex| degree(vertex) >= k).collect();
                if stays.len() == left.len() {
                    break;
                }
                left = stays;
            }
            left.iter().for_each(|vertex| expected[*vertex] = k as i64);
        }
        assert_eq!(counts(&found.values()[0]), expected, "graph {seed}");
    }
}

#[test]
fn distances_are_the_shortest() {
    for (seed, graph) in graphs() {
        for (way, weighted) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
            for most in [None, Some(0.0), Some(1.5), Some(2.0)] {
                let sources = [seed as usize % graph.vertices, graph.vertices - 1];
                let asked = Distances { way, sources: keys(&sources), most };
                let found = answer(&Algorithm::Distances(asked), &graph.network(weighted));
                let distances = match &found.values()[0] {
                    Values::Counts(hops) => hops.iter().map(|hops| *hops as f64).collect(),
                    values => numbers(values),
                };
                let found: Vec<(usize, f64)> =
                    found.vertices().unwrap().iter().map(|vertex| *vertex as usize).zip(distances).collect();
                // A network without edges has no weights.
                let expected = graph.distances(&sources, way, weighted);
                let most = most.unwrap_or(f64::MAX);
                let expected: Vec<(usize, f64)> =
                    expected.into_iter().enumerate().filter(|(_, distance)| *distance <= most).collect();
                assert_eq!(found, expected, "graph {seed}, {way:?}, weighted {weighted}, most {most}");
            }
        }
    }
}

#[test]
fn common_neighbours_are_in_both_lists() {
    for (seed, graph) in graphs() {
        for way in WAYS {
            let network = graph.network(false);
            let (a, b) = (0, graph.vertices - 1);
            let ask = |other: Option<usize>| {
                let other = other.map(|other| keys(&[other]));
                answer(&Algorithm::CommonNeighbours(CommonNeighbours { way, vertex: keys(&[a]), other }), &network)
            };
            let shared = |b: usize| -> Vec<u32> {
                let of_b = graph.neighbours(b, way);
                graph.neighbours(a, way).into_iter().filter(|of_a| of_b.contains(of_a)).map(|v| v as u32).collect()
            };
            assert_eq!(ask(Some(b)).vertices().unwrap(), shared(b), "graph {seed}, {way:?}");
            let ranked = ask(None);
            let [common, jaccard, Values::Flags(adjacent)] = ranked.values() else { panic!("{ranked:?}") };
            let (common, jaccard) = (counts(common), numbers(jaccard));
            assert!(common.windows(2).all(|pair| pair[0] >= pair[1]));
            let mut found: Vec<_> = ranked.vertices().unwrap().iter().enumerate().collect();
            found.sort_by_key(|(_, vertex)| **vertex);
            let expected: Vec<usize> = (0..graph.vertices).filter(|b| *b != a && !shared(*b).is_empty()).collect();
            assert_eq!(found.iter().map(|(_, vertex)| **vertex as usize).collect::<Vec<_>>(), expected);
            for (at, vertex) in found {
                let other = *vertex as usize;
                let (of_a, of_b) = (graph.neighbours(a, way), graph.neighbours(other, way));
                let count = shared(other).len();
                assert_eq!(common[at], count as i64, "graph {seed}, {way:?}");
                let all = of_a.iter().filter(|vertex| !of_b.contains(vertex)).count() + of_b.len();
                assert!((jaccard[at] - count as f64 / all as f64).abs() < 1e-12);
                assert_eq!(adjacent[at], of_a.contains(&other));
            }
        }
    }
}

#[test]
fn keys_are_found_in_the_table_that_is_meant() {
    let strings = |keys: &[&str]| Arc::new(StringArray::from(keys.to_vec())) as ArrayRef;
    let tables = vec![("a".to_string(), vec![strings(&["y", "x"])]), ("b".to_string(), vec![strings(&["z", "x"])])];
    let network = Network::of(tables, &DataType::Utf8).expect("vertices");
    let find = |tables: Option<Vec<usize>>, keys: &[&str]| network.find(&Keys { tables, keys: strings(keys) });
    assert_eq!(find(Some(vec![0]), &["x", "z"]).unwrap(), [0]);
    assert_eq!(find(Some(vec![1]), &["x", "z", "x"]).unwrap(), [2, 3]);
    assert_eq!(find(None, &["z", "y", "nobody"]).unwrap(), [1, 3]);
    assert!(find(None, &["x"]).unwrap_err().to_string().contains("several tables"));
    let names: Vec<&str> = (0..4).map(|vertex| network.table(vertex)).collect();
    assert_eq!(names, ["a", "a", "b", "b"]);
}

#[test]
fn weights_that_mean_nothing_are_refused() {
    let mut network = Graph { vertices: 2, edges: Vec::new() }.network(false);
    let end: ArrayRef = Arc::new(Int64Array::from(vec![0]));
    for weight in [Some(-1.0), Some(f64::NAN), Some(f64::INFINITY), None] {
        let weights: ArrayRef = Arc::new(Float64Array::from(vec![weight]));
        network.add((0, 0), (&end, &end), Some(&weights)).expect_err("a bad weight");
    }
}

#[test]
fn nobody_waits_and_the_work_stops() {
    let edges = (0..100_000).map(|at| (at % 7, at % 5, 1.0)).collect();
    let network = Graph { vertices: 7, edges }.network(false);
    let (waiting, mut pulse) = pulse();
    drop(waiting);
    let asked = Algorithm::Louvain(Louvain { resolution: 1.0, seed: 0 });
    asked.run(&network, &mut pulse).expect_err("stopped");
}
