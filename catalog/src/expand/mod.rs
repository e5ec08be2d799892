//! Expand: paths of bounded length along the edges of one table.
//!
//! The graph index searches paths itself. Where a pattern is answered by joins instead, a join a step would make every
//! path of every length a row of its own, with the edges it has used; a recursive query would forget them. So there is an
//! operator for it:
//!
//! 1. [`Expand`] is the plan's node: each row of its input is joined with the ends of all paths that start in one of its
//!    columns;
//! 2. [`ExpandPlanner`] makes it physical: a scan of the edge table's ends and of the
//!    columns that are wanted along a path, and [`ExpandExec`] over both;
//! 3. when it runs, the edges are gathered once as lists of neighbours (`adjacency`), the memory of which is asked of the
//!    query's pool; then every row is walked depth first (`walk`), or searched breadth first for shortest paths (`search`), and rows leave in batches as they are found.
//!
//! Paths are trails, in which no edge is used twice, or walks, as the pattern wants. What a walk holds is one path, however many there are, and it
//! gives way to others between two rows and every so many steps without one.

mod adjacency;
mod node;
mod operator;
mod search;
#[cfg(test)]
mod tests;
mod walk;

pub use adjacency::Way;
pub use node::{EdgeColumns, Expand, ExpandPlanner, Output};
pub use operator::ExpandExec;
pub use search::Search;
pub use walk::Bounds;
