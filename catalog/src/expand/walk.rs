//! The walk from one vertex: depth first, one path at a time.

use super::adjacency::Adjacency;
use super::search::{Search, ShortestPaths};

/// Which paths are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub struct Bounds {
    /// The fewest edges that a path may have.
    pub least: u32,
    /// The most.
    pub most: u32,
    /// Whether a path may use an edge more than once: it is a walk, and no trail.
    pub repeats: bool,
    /// Whether only shortest paths are meant, of those that have one edge or more.
    pub search: Option<Search>,
}

/// The paths from one vertex that are within bounds, found one after the other.
#[derive(Debug)]
pub(super) enum Paths {
    /// Every path.
    Every(Walk),
    /// Shortest paths.
    Shortest(Search, ShortestPaths),
}

impl Paths {
    /// What finds the paths within these bounds.
    pub(super) fn new(bounds: Bounds) -> Paths {
        match bounds.search {
            None => Paths::Every(Walk::default()),
            Some(search) => Paths::Shortest(search, ShortestPaths::default()),
        }
    }

    /// Begins in a vertex.
    pub(super) fn begin(&mut self, vertex: u32, adjacency: &Adjacency) {
        match self {
            Paths::Every(walk) => walk.begin(vertex, adjacency),
            Paths::Shortest(_, search) => search.begin(vertex, adjacency),
        }
    }

    /// The edges of the path that was found last.
    pub(super) fn edges(&self) -> &[u32] {
        match self {
            Paths::Every(walk) => walk.edges(),
            Paths::Shortest(_, search) => search.edges(),
        }
    }

    /// Goes on to the next path. Every step costs one of `fuel`.
    pub(super) fn next(&mut self, adjacency: &Adjacency, bounds: Bounds, fuel: &mut usize) -> Found {
        match self {
            Paths::Every(walk) => walk.next(adjacency, bounds, fuel),
            Paths::Shortest(search, paths) => paths.next(adjacency, *search, bounds.most, fuel),
        }
    }
}

/// The paths from one vertex, found one after the other.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The edges of the path so far.
    edges: Vec<u32>,
    /// For each vertex of the path but the last of a longest one, its steps that are still to be tried.
    left: Vec<std::ops::Range<usize>>,
}

/// What a walk came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A path that ends in this vertex; its edges are [`Paths::edges`].
    End(u32),
    /// No more paths.
    Nothing,
    /// The fuel is used up.
    Tired,
}

impl Walk {
    /// Begins in a vertex.
    pub(super) fn begin(&mut self, vertex: u32, adjacency: &Adjacency) {
        self.edges.clear();
        self.left.clear();
        self.left.push(adjacency.steps_of(vertex));
    }

    /// The edges of the path that was found last.
    pub(super) fn edges(&self) -> &[u32] {
        &self.edges
    }

    /// Goes on to the next path that is long enough. Every step costs one of `fuel`.
    pub(super) fn next(&mut self, adjacency: &Adjacency, bounds: Bounds, fuel: &mut usize) -> Found {
        let most = bounds.most as usize;
        loop {
            // A path of the full length was found last: its last edge makes room for another.
            if self.edges.len() == self.left.len() {
                if self.edges.pop().is_none() {
                    return Found::Nothing;
                }
                continue;
            }
            if *fuel == 0 {
                return Found::Tired;
            }
            let Some(at) = self.left.last_mut().and_then(Iterator::next) else {
                self.left.pop();
                continue;
            };
            *fuel -= 1;
            let step = adjacency.step(at);
            if !bounds.repeats && self.edges.contains(&step.edge) {
                continue;
            }
            self.edges.push(step.edge);
            if self.edges.len() < most {
                self.left.push(adjacency.steps_of(step.vertex));
            }
            if self.edges.len() >= bounds.least as usize {
                return Found::End(step.vertex);
            }
        }
    }
}
