//! Connected components: who can be reached from whom, whichever way edges lead.

use datafusion::error::Result as PlanResult;
use petgraph::unionfind::UnionFind;

use super::answer::{Answer, Values};
use super::network::Network;
use super::pulse::Pulse;

/// The component of each vertex, which is called by its first vertex.
pub(super) fn components(network: &Network, pulse: &mut Pulse) -> PlanResult<Answer> {
    let mut sets = UnionFind::<u32>::new(network.vertices());
    for (source, destination) in &network.edges {
        pulse.beat()?;
        sets.union(*source, *destination);
    }
    Ok(Answer::of_all(vec![Values::Vertices(named_by_first(&sets.into_labeling()))]))
}

/// Sets of vertices, given by any number for each vertex, by their first vertices instead.
pub(super) fn named_by_first(sets: &[u32]) -> Vec<u32> {
    let mut first = vec![u32::MAX; sets.len()];
    for (vertex, set) in sets.iter().enumerate() {
        let known = &mut first[*set as usize];
        *known = (*known).min(vertex as u32);
    }
    sets.iter().map(|set| first[*set as usize]).collect()
}
