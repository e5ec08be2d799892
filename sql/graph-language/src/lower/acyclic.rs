//! Patterns without cycles, for the graph index.
//!
//! The index closes a cycle (`(a)-->(b)-->(c)<--(a)`) by intersecting lists of neighbours, in which several relationships
//! between the same two nodes count as one. So a step back to a node that its path has already led from goes to a twin of
//! that node, which is then required to be the same.

use std::collections::HashMap;

use crate::bound::{BoundMatch, BoundNode, BoundPath};

/// The paths of a pattern, every cycle cut, and the pairs of nodes that must be the same.
pub(crate) fn cut(pattern: &BoundMatch) -> (Vec<BoundPath>, Vec<(String, String)>) {
    let mut parts = Parts::new(pattern);
    let mut pairs = Vec::new();
    let mut paths = pattern.paths.clone();
    for path in &mut paths {
        let mut left = path.start.variable.clone();
        for (relationship, node) in &mut path.steps {
            if !parts.join(&left, &node.variable) {
                let twin = format!("{}_{}", node.variable, relationship.variable);
                pairs.push((std::mem::replace(&mut node.variable, twin.clone()), twin.clone()));
                node.introduced = true;
                parts.join(&left, &twin);
            }
            left.clone_from(&node.variable);
        }
    }
    (paths, pairs)
}

/// Which nodes are connected so far. Those of earlier clauses all are, by the rows that hold them.
struct Parts {
    numbers: HashMap<String, usize>,
    next: usize,
}

/// The part of the nodes of earlier clauses.
const KNOWN: usize = 0;

impl Parts {
    fn new(pattern: &BoundMatch) -> Parts {
        let nodes = || pattern.paths.iter().flat_map(nodes);
        let is_new = |node: &BoundNode| nodes().any(|other| other.variable == node.variable && other.introduced);
        let numbers = nodes().filter(|node| !is_new(node)).map(|node| (node.variable.clone(), KNOWN)).collect();
        Parts { numbers, next: KNOWN + 1 }
    }

    fn number(&mut self, variable: &str) -> usize {
        let next = self.next;
        let number = *self.numbers.entry(variable.to_string()).or_insert(next);
        self.next += usize::from(number == next);
        number
    }

    /// Connects two nodes; false where they are connected already.
    fn join(&mut self, left: &str, right: &str) -> bool {
        let (left, right) = (self.number(left), self.number(right));
        for number in self.numbers.values_mut().filter(|number| **number == right) {
            *number = left;
        }
        left != right
    }
}

fn nodes(path: &BoundPath) -> impl Iterator<Item = &BoundNode> {
    std::iter::once(&path.start).chain(path.steps.iter().map(|(_, node)| node))
}
