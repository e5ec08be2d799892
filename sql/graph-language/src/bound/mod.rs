//! The bound query: names looked up, labels inferred, every expression typed. It says what is asked, not how it is
//! answered; [`crate::lower`] turns it into the index's own Cypher, `slipstream-sql` into joins of the tables.
//!
//! Variables get names of their own here (`n1`, `r2`, `v3`), because the index folds case and Cypher does not.

mod value;

use std::collections::BTreeSet;

use slipstream_engine::catalog::TableId;
use slipstream_engine::types::SqlType;

pub use self::value::{Aggregate, Answer, Part, Subquery, Value, ValueKind, common_type};
pub use super::function::Function;
use crate::syntax::{Direction, SearchKind};

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundQuery {
    /// Clauses in order; the last one is [`BoundClause::Return`], or one that writes.
    pub clauses: Vec<BoundClause>,
    /// What comes back, in order.
    pub outputs: Vec<Output>,
    /// Other queries whose rows come with those of the clauses: the parts of a UNION. Their last clause is
    /// [`BoundClause::Return`] too.
    pub more: Vec<Vec<BoundClause>>,
    /// Whether equal rows of the parts become one.
    pub distinct: bool,
}

impl BoundQuery {
    /// The clauses of every part.
    pub fn parts(&self) -> impl Iterator<Item = &[BoundClause]> {
        std::iter::once(self.clauses.as_slice()).chain(self.more.iter().map(Vec::as_slice))
    }
}

/// One column that comes back.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// The table and column whose key it is, where it is one.
    pub key: Option<Key>,
}

/// The key column of a vertex or edge table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The table.
    pub table: TableId,
    /// The column.
    pub column: String,
}

/// One clause.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundClause {
    /// `[OPTIONAL] MATCH`
    Match(BoundMatch),
    /// `UNWIND list AS variable`
    Unwind {
        /// The list.
        list: Value,
        /// The variable that takes its elements.
        variable: String,
    },
    /// `WITH ... [WHERE ...]`
    With(BoundProjection, Option<Value>),
    /// `RETURN ...`
    Return(BoundProjection),
    /// `CREATE ...`: what comes, nodes before the relationships between them.
    Create(Vec<Made>),
    /// `MERGE ...`
    Merge(Box<BoundMerge>),
    /// `SET ...`, `REMOVE ...`: one after the other, as a later one may read what an earlier one has set.
    Set(Vec<BoundSet>),
    /// `DELETE ...`
    Delete {
        /// What goes.
        items: Vec<Written>,
        /// Whether the relationships of nodes go with them.
        detach: bool,
    },
}

impl BoundClause {
    /// Whether it changes the graph.
    pub fn writes(&self) -> bool {
        match self {
            BoundClause::Match(_) | BoundClause::Unwind { .. } | BoundClause::With(..) | BoundClause::Return(_) => {
                false
            }
            BoundClause::Create(_) | BoundClause::Merge(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => true,
        }
    }
}

impl BoundClause {
    /// What a clause that writes is called in the tag of its command.
    pub fn tag(&self) -> &'static str {
        match self {
            BoundClause::Create(_) => "CREATE",
            BoundClause::Merge(_) => "MERGE",
            BoundClause::Set(_) => "SET",
            BoundClause::Delete { .. } => "DELETE",
            BoundClause::Match(_) | BoundClause::Unwind { .. } | BoundClause::With(..) | BoundClause::Return(_) => {
                "SELECT"
            }
        }
    }

    /// What it writes, a line for each element and its table, for EXPLAIN.
    pub fn write_lines(&self) -> Vec<String> {
        let name = |written: &Option<String>| written.clone().unwrap_or_default();
        let columns = |assignments: &[(String, Value)]| {
            assignments.iter().map(|(column, _)| column.as_str()).collect::<Vec<_>>().join(", ")
        };
        let made =
            |made: &Made| format!("Insert on {} ({}): {}", made.table, name(&made.written), columns(&made.properties));
        let set = |set: &BoundSet| format!("Update on {}: {}", set.target.table, columns(&set.assignments));
        match self {
            BoundClause::Create(all) => all.iter().map(made).collect(),
            BoundClause::Merge(merge) => {
                let missing = merge.made.iter().map(|one| format!("{}, where not found", made(one)));
                missing.chain(merge.on_create.iter().chain(&merge.on_match).map(set)).collect()
            }
            BoundClause::Set(sets) => sets.iter().map(set).collect(),
            BoundClause::Delete { items, detach } => {
                let edges = if *detach { ", and the edges of its nodes" } else { "" };
                items.iter().map(|item| format!("Delete on {}{edges}", item.table)).collect()
            }
            BoundClause::Match(_) | BoundClause::Unwind { .. } | BoundClause::With(..) | BoundClause::Return(_) => {
                Vec::new()
            }
        }
    }
}

impl BoundQuery {
    /// Whether it changes the graph.
    pub fn writes(&self) -> bool {
        self.clauses.iter().any(BoundClause::writes)
    }
}

/// A node or relationship that a query makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Its variable.
    pub variable: String,
    /// Its name in the text, where it has one.
    pub written: Option<String>,
    /// The name of its element table.
    pub table: String,
    /// The variables of the nodes that a relationship starts and ends at.
    pub ends: Option<(String, String)>,
    /// Columns that are given, and their values, over the rows before the clause.
    pub properties: Vec<(String, Value)>,
}

/// `MERGE pattern ON CREATE ... ON MATCH ...`
#[derive(Debug, Clone, PartialEq)]
pub struct BoundMerge {
    /// The values of the pattern's properties, which are computed once.
    pub values: Vec<BoundItem>,
    /// What is looked for. Its conditions compare properties with those values.
    pub pattern: BoundMatch,
    /// What is made where nothing is found.
    pub made: Vec<Made>,
    /// What is set where it was made.
    pub on_create: Vec<BoundSet>,
    /// What is set where it was found.
    pub on_match: Vec<BoundSet>,
}

impl Made {
    /// The values of its properties.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.properties.iter().map(|(_, value)| value)
    }
}

impl BoundMerge {
    /// All values that it computes.
    pub fn each_value(&self) -> impl Iterator<Item = &Value> {
        let values = self.values.iter().filter_map(|item| match item {
            BoundItem::Value { value, .. } => Some(value),
            BoundItem::Variable(_) => None,
        });
        let sets = self.on_create.iter().chain(&self.on_match).flat_map(BoundSet::values);
        values.chain(&self.pattern.conditions).chain(self.made.iter().flat_map(Made::values)).chain(sets)
    }
}

impl BoundSet {
    /// The values that it computes, the key of its element among them.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        std::iter::once(&self.target.key).chain(self.assignments.iter().map(|(_, value)| value))
    }
}

/// A node or relationship that is changed or goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Its variable.
    pub variable: String,
    /// The name of its element table.
    pub table: String,
    /// Its key, which is NULL where it is missing.
    pub key: Value,
    /// The place of the table in the graph, where the element may be from several: then the key is [`ValueKind::Identity`],
    /// and only what is from this table is meant.
    pub place: Option<usize>,
}

/// Columns of a node or relationship, and what they become.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundSet {
    /// The element.
    pub target: Written,
    /// The columns and their values, which see the element as it was before all of them.
    pub assignments: Vec<(String, Value)>,
}

impl BoundClause {
    /// Whether it searches for shortest paths.
    pub fn is_search(&self) -> bool {
        match self {
            BoundClause::Match(pattern) => {
                pattern.each_relationship().any(|relationship| relationship.search.is_some())
            }
            BoundClause::Unwind { .. } | BoundClause::With(..) | BoundClause::Return(_) => false,
            BoundClause::Create(_) | BoundClause::Merge(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => false,
        }
    }
}

/// A pattern to match.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundMatch {
    /// Whether rows without a match are kept.
    pub optional: bool,
    /// Whether no tables fit it: nothing matches, whatever they hold.
    pub impossible: bool,
    /// Paths that together must match.
    pub paths: Vec<BoundPath>,
    /// Relationships that must not be the same one: Cypher's paths are trails, those of SQL/PGQ are not.
    pub distinct: Vec<Distinct>,
    /// Conditions, all of which must hold; those of inline properties first.
    pub conditions: Vec<Value>,
    /// The variables that tell one match from another, where the index may find one twice: it goes along both ways of an
    /// undirected relationship, which for one that starts and ends in the same node are the same way. Joins find each once.
    pub deduplicate: Vec<String>,
}

impl BoundMatch {
    /// The variables that it brings in.
    pub fn introduced(&self) -> BTreeSet<&str> {
        let new = |node: &BoundNode| node.introduced;
        let mut found = BTreeSet::new();
        for path in &self.paths {
            found.extend(new(&path.start).then_some(path.start.variable.as_str()));
            for (relationship, node) in &path.steps {
                found.insert(relationship.variable.as_str());
                found.extend(new(node).then_some(node.variable.as_str()));
            }
        }
        found
    }

    /// Its relationships.
    pub fn each_relationship(&self) -> impl Iterator<Item = &BoundRelationship> {
        self.paths.iter().flat_map(|path| path.steps.iter().map(|(relationship, _)| relationship))
    }

    /// Whether every node of it is known by earlier clauses, or leads to one that is.
    pub fn is_connected(&self) -> bool {
        let new = self.introduced();
        let nodes = |path: &BoundPath| path.nodes().map(|node| node.variable.clone()).collect::<BTreeSet<String>>();
        let mut apart: Vec<BTreeSet<String>> = self.paths.iter().map(nodes).collect();
        let mut connected = BTreeSet::new();
        loop {
            let before = apart.len();
            apart.retain(|path| {
                let meets = path.iter().any(|node| connected.contains(node) || !new.contains(node.as_str()));
                if meets {
                    connected.extend(path.iter().cloned());
                }
                !meets
            });
            if apart.len() == before {
                return apart.is_empty();
            }
        }
    }

    /// How many relationships it has, a variable-length one counted once.
    pub fn relationships(&self) -> usize {
        self.paths.iter().map(|path| path.steps.len()).sum()
    }
}

/// Two parts of a pattern that share no relationship.
#[derive(Debug, Clone, PartialEq)]
pub enum Distinct {
    /// Two relationships.
    Relationships(String, String),
    /// A relationship, and those of a variable-length part.
    Walk {
        /// The variable-length part.
        walk: String,
        /// The relationship.
        relationship: String,
        /// The key column of both.
        key: String,
    },
    /// The relationships of two variable-length parts; the index cannot compare them.
    Walks(String, String),
}

impl Distinct {
    /// The two, where one of them is of variable length.
    pub fn walks(&self) -> Option<(&str, &str)> {
        match self {
            Distinct::Relationships(..) => None,
            Distinct::Walk { walk, relationship, .. } => Some((walk, relationship)),
            Distinct::Walks(first, second) => Some((first, second)),
        }
    }
}

/// A path of nodes and relationships.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundPath {
    /// The first node.
    pub start: BoundNode,
    /// The relationships and nodes after it.
    pub steps: Vec<(BoundRelationship, BoundNode)>,
}

impl BoundPath {
    /// Its nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &BoundNode> {
        std::iter::once(&self.start).chain(self.steps.iter().map(|(_, node)| node))
    }

    /// Its nodes, to be changed.
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut BoundNode> {
        std::iter::once(&mut self.start).chain(self.steps.iter_mut().map(|(_, node)| node))
    }

    /// The names of the tables of each element.
    pub fn tables(&self) -> impl Iterator<Item = &[String]> {
        let steps = self.steps.iter().flat_map(|(relationship, node)| [&relationship.tables, &node.tables]);
        std::iter::once(&self.start.tables).chain(steps).map(Vec::as_slice)
    }
}

/// A node in a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundNode {
    /// Its variable.
    pub variable: String,
    /// Its name in the text, where it has one.
    pub written: Option<String>,
    /// Names of the element tables that it may be from.
    pub tables: Vec<String>,
    /// Whether the variable is new here.
    pub introduced: bool,
}

/// A relationship in a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundRelationship {
    /// Its variable.
    pub variable: String,
    /// Its name in the text, where it has one.
    pub written: Option<String>,
    /// Names of the element tables that it may be from.
    pub tables: Vec<String>,
    /// Which way it points.
    pub direction: Direction,
    /// The fewest and the most of them in a row, where it is a path of them.
    pub length: Option<(u32, u32)>,
    /// Which of the paths between two nodes are wanted, where it is not all. Only the index searches them.
    pub search: Option<SearchKind>,
    /// Whether such a path may use one of them more than once.
    pub repeats: bool,
    /// What each of them must satisfy, where it is a path of them. Its variable stands for one of them there.
    pub conditions: Vec<Value>,
}

/// WITH or RETURN.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundProjection {
    /// Keys and aggregates to compute first, where an item computes with aggregates; the items refer to their variables.
    pub stage: Vec<BoundItem>,
    /// Whether equal rows become one.
    pub distinct: bool,
    /// What goes on to the next clause.
    pub items: Vec<BoundItem>,
    /// What rows are ordered by, and whether the largest comes first.
    pub order: Vec<(Value, bool)>,
    /// Rows to leave out.
    pub skip: Option<Value>,
    /// Rows to keep.
    pub limit: Option<Value>,
}

impl BoundProjection {
    /// The values that it computes.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let items = self.stage.iter().chain(&self.items).filter_map(|item| match item {
            BoundItem::Value { value, .. } => Some(value),
            BoundItem::Variable(_) => None,
        });
        items.chain(self.order.iter().map(|(value, _)| value)).chain(&self.skip).chain(&self.limit)
    }
}

/// What a projection passes on.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundItem {
    /// A variable as it is: a node, a relationship, a value of before.
    Variable(String),
    /// A value, under a fresh variable.
    Value {
        /// How it is computed.
        value: Value,
        /// Its variable.
        variable: String,
    },
}

impl BoundItem {
    /// The variable under which it goes on.
    pub fn variable(&self) -> &str {
        match self {
            BoundItem::Variable(variable) | BoundItem::Value { variable, .. } => variable,
        }
    }
}
