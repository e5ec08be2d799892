//! Path patterns and their elements.

use super::{Expression, LabelExpression, Name};
use crate::lexer::Span;

/// `p = (a)-[r]->(b)...`
#[derive(Debug, Clone, PartialEq)]
pub struct PathPattern {
    /// The whole of it.
    pub span: Span,
    /// The path's name.
    pub variable: Option<Name>,
    /// Which elements it may use more than once.
    pub mode: PathMode,
    /// Which of its paths are wanted, where it is not all.
    pub search: Option<PathSearch>,
    /// Its first node.
    pub start: NodePattern,
    /// The relationships and nodes after it.
    pub steps: Vec<(RelationshipPattern, NodePattern)>,
}

/// Which relationships a path may use more than once. Nodes it always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathMode {
    /// None that any path of the same MATCH uses: Cypher's, and `DIFFERENT EDGES` of SQL/PGQ.
    Different,
    /// None that it uses itself: `TRAIL`.
    Trail,
    /// All: `WALK`, which is SQL/PGQ's.
    Walk,
}

/// `shortestPath(...)`, `allShortestPaths(...)`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathSearch {
    /// Where its name stands.
    pub span: Span,
    /// What it looks for.
    pub kind: SearchKind,
}

/// What a search for paths looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchKind {
    /// One of the shortest between two nodes.
    Shortest,
    /// All of the shortest between two nodes.
    AllShortest,
}

/// `(n:label {property: value} WHERE condition)`
#[derive(Debug, Clone, PartialEq)]
pub struct NodePattern {
    /// The whole of it.
    pub span: Span,
    /// Its name.
    pub variable: Option<Name>,
    /// Which labels it may have; any where none is given.
    pub labels: Option<LabelExpression>,
    /// Properties that must be equal.
    pub properties: Option<Properties>,
    /// A condition of its own.
    pub filter: Option<Box<Expression>>,
}

/// `-[r:type*1..3 {property: value} WHERE condition]->`
#[derive(Debug, Clone, PartialEq)]
pub struct RelationshipPattern {
    /// The whole of it.
    pub span: Span,
    /// Its name.
    pub variable: Option<Name>,
    /// Which types it may have; any where none is given.
    pub types: Option<LabelExpression>,
    /// How many relationships in a row, where it is a path of them.
    pub length: Option<Length>,
    /// Properties that must be equal.
    pub properties: Option<Properties>,
    /// A condition of its own.
    pub filter: Option<Box<Expression>>,
    /// Which way it points.
    pub direction: Direction,
}

/// The properties of an element in a pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum Properties {
    /// `{name: value, ...}`
    Map(Vec<(Name, Expression)>),
    /// `$name`, a map; only CREATE has it.
    Parameter(Name),
}

/// `*`, `*n`, `*m..n`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length {
    /// Where it stands.
    pub span: Span,
    /// The fewest; 1 where it is not said.
    pub lower: u32,
    /// The most; none where it is not bounded.
    pub upper: Option<u32>,
}

/// Which way a relationship pattern points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the node on its left to the one on its right.
    Right,
    /// From the node on its right to the one on its left.
    Left,
    /// Either way.
    Either,
}

impl Properties {
    /// What is written; nothing of a parameter's.
    pub fn written(properties: Option<&Properties>) -> &[(Name, Expression)] {
        match properties {
            Some(Properties::Map(entries)) => entries,
            Some(Properties::Parameter(_)) | None => &[],
        }
    }
}

impl PathPattern {
    /// The expressions directly in its elements.
    pub fn expressions(&self) -> Vec<&Expression> {
        fn of<'e>(
            properties: Option<&'e Properties>,
            filter: Option<&'e Expression>,
        ) -> impl Iterator<Item = &'e Expression> {
            Properties::written(properties).iter().map(|(_, value)| value).chain(filter)
        }
        let start = of(self.start.properties.as_ref(), self.start.filter.as_deref());
        let steps = self.steps.iter().flat_map(|(relationship, node)| {
            of(relationship.properties.as_ref(), relationship.filter.as_deref())
                .chain(of(node.properties.as_ref(), node.filter.as_deref()))
        });
        start.chain(steps).collect()
    }

    /// Its nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &NodePattern> {
        std::iter::once(&self.start).chain(self.steps.iter().map(|(_, node)| node))
    }

    /// Its relationships, in order.
    pub fn relationships(&self) -> impl Iterator<Item = &RelationshipPattern> {
        self.steps.iter().map(|(relationship, _)| relationship)
    }
}
