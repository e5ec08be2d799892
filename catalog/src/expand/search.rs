//! The shortest paths from one vertex: breadth first, a level at a time.
//!
//! Every vertex that is reached keeps the steps by which it was reached at its shortest distance; when a level is done, the
//! paths to its vertices are read off them backwards.

use super::adjacency::Adjacency;
use super::walk::Found;

/// Which shortest paths are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub struct Search {
    /// Whether all paths of the least length are found; else one to each vertex.
    pub all: bool,
    /// Whether a path may come back to where it starts, as a walk may. Its first vertex is reached then like any other.
    pub cycles: bool,
}

/// No distance, and no step.
const NONE: u32 = u32::MAX;

/// The shortest paths from one vertex, found one after the other.
#[derive(Debug, Default)]
pub(super) struct ShortestPaths {
    /// By vertex: how many edges away it is, and the last of the steps that reach it.
    distances: Vec<u32>,
    reached: Vec<u32>,
    links: Vec<Link>,
    /// Vertices in the order in which they were reached: those before `expanded` have been gone on from, those before `told` have
    /// been told, those before `level` are of levels that are complete.
    order: Vec<u32>,
    expanded: usize,
    told: usize,
    level: usize,
    depth: u32,
    start: u32,
    /// The steps of the vertex that is being gone on from.
    steps: std::ops::Range<usize>,
    /// Steps of the path that is being read off, from its end.
    trail: Vec<u32>,
    edges: Vec<u32>,
}

/// A step by which a vertex is reached.
#[derive(Debug, Clone, Copy)]
struct Link {
    edge: u32,
    from: u32,
    /// Another step to the same vertex.
    other: u32,
}

impl ShortestPaths {
    /// Begins in a vertex.
    pub(super) fn begin(&mut self, vertex: u32, adjacency: &Adjacency) {
        let vertices = adjacency.vertices().len();
        if self.distances.len() != vertices {
            self.distances = vec![NONE; vertices];
            self.reached = vec![NONE; vertices];
        }
        for vertex in self.order.drain(..) {
            self.distances[vertex as usize] = NONE;
            self.reached[vertex as usize] = NONE;
        }
        self.links.clear();
        self.trail.clear();
        (self.expanded, self.told, self.level) = (0, 0, 0);
        self.depth = 1;
        self.start = vertex;
        self.steps = adjacency.steps_of(vertex);
    }

    /// The edges of the path that was found last.
    pub(super) fn edges(&self) -> &[u32] {
        &self.edges
    }

    /// Goes on to the next path of at most `most` edges. Every step costs one of `fuel`.
    pub(super) fn next(&mut self, adjacency: &Adjacency, search: Search, most: u32, fuel: &mut usize) -> Found {
        loop {
            if let Some(end) = self.next_path(search) {
                return Found::End(end);
            }
            if *fuel == 0 {
                return Found::Tired;
            }
            if let Some(at) = self.steps.next() {
                *fuel -= 1;
                let step = adjacency.step(at);
                self.reach(step.vertex, step.edge, search);
            } else if !self.turn_page(adjacency, most) {
                return Found::Nothing;
            }
        }
    }

    /// Notes a step of the current depth.
    fn reach(&mut self, vertex: u32, edge: u32, search: Search) {
        if vertex == self.start && !search.cycles {
            return;
        }
        let at = vertex as usize;
        let first = self.distances[at] == NONE;
        if first {
            self.distances[at] = self.depth;
            self.order.push(vertex);
        }
        if first || search.all && self.distances[at] == self.depth {
            let from = match self.expanded {
                0 => self.start,
                expanded => self.order[expanded - 1],
            };
            self.links.push(Link { edge, from, other: self.reached[at] });
            self.reached[at] = (self.links.len() - 1) as u32;
        }
    }

    /// Takes the next vertex to go on from, or, when all of a level have been, lets the next level be told. False where
    /// nothing is left.
    fn turn_page(&mut self, adjacency: &Adjacency, most: u32) -> bool {
        loop {
            if self.expanded == self.level {
                let more = self.level < self.order.len();
                self.level = self.order.len();
                return more;
            }
            let vertex = self.order[self.expanded];
            if self.distances[vertex as usize] >= most {
                return false;
            }
            self.depth = self.distances[vertex as usize] + 1;
            self.expanded += 1;
            // What lies beyond the start was reached from it at once.
            if vertex != self.start {
                self.steps = adjacency.steps_of(vertex);
                return true;
            }
        }
    }

    /// The end of the next path to a vertex of a level that is done.
    fn next_path(&mut self, search: Search) -> Option<u32> {
        if self.trail.is_empty() {
            if self.told == self.level {
                return None;
            }
            let vertex = self.order[self.told];
            self.descend(self.reached[vertex as usize]);
        }
        let end = self.order[self.told];
        self.edges.clear();
        self.edges.extend(self.trail.iter().rev().map(|link| self.links[*link as usize].edge));
        self.forget(search.all);
        if self.trail.is_empty() {
            self.told += 1;
        }
        Some(end)
    }

    /// Follows first steps back to the start.
    fn descend(&mut self, mut link: u32) {
        loop {
            self.trail.push(link);
            let from = self.links[link as usize].from;
            // Only the first step of a path leaves its start.
            if from == self.start {
                return;
            }
            link = self.reached[from as usize];
        }
    }

    /// Goes back to where the path could have come another way, and takes that.
    fn forget(&mut self, all: bool) {
        if !all {
            self.trail.clear();
        }
        while let Some(link) = self.trail.pop() {
            let other = self.links[link as usize].other;
            if other != NONE {
                self.descend(other);
                return;
            }
        }
    }
}
