//! How many edges a vertex has.

use datafusion::error::Result as PlanResult;

use super::answer::{Answer, Values};
use super::network::Network;
use super::pulse::Pulse;

/// The edges of each vertex that end in it, start in it, and both together.
pub(super) fn degrees(network: &Network, pulse: &mut Pulse) -> PlanResult<Answer> {
    let mut incoming = vec![0_i64; network.vertices()];
    let mut outgoing = incoming.clone();
    for (source, destination) in &network.edges {
        pulse.beat()?;
        outgoing[*source as usize] += 1;
        incoming[*destination as usize] += 1;
    }
    let all = incoming.iter().zip(&outgoing).map(|(incoming, outgoing)| incoming + outgoing).collect();
    Ok(Answer::of_all(vec![Values::Counts(incoming), Values::Counts(outgoing), Values::Counts(all)]))
}
