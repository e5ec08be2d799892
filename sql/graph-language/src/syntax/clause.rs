//! Queries and their clauses.

use super::{Expression, Name, PathPattern};
use crate::lexer::Span;

/// A query: one part, or several whose rows come together.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The parts between UNION, at least one.
    pub parts: Vec<Part>,
    /// Whether it is UNION ALL: equal rows stay.
    pub all: bool,
}

/// Clauses in order. The last one is [`Clause::Return`] or one that writes; of a subquery it may be any.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The whole of it.
    pub span: Span,
    /// The clauses.
    pub clauses: Vec<Clause>,
}

/// One clause of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// `[OPTIONAL] MATCH`
    Match(Match),
    /// `UNWIND list AS name`
    Unwind(Unwind),
    /// `WITH ... [WHERE ...]`
    With(Projection, Option<Expression>),
    /// `RETURN ...`
    Return(Projection),
    /// `CREATE`
    Create(Create),
    /// `MERGE`
    Merge(Merge),
    /// `SET`
    Set(Set),
    /// `REMOVE`
    Remove(Remove),
    /// `[DETACH] DELETE`
    Delete(Delete),
}

/// `[OPTIONAL] MATCH pattern, ... [WHERE ...]`
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The whole of it.
    pub span: Span,
    /// Whether rows without a match are kept.
    pub optional: bool,
    /// The patterns, which together must match.
    pub patterns: Vec<PathPattern>,
    /// The condition.
    pub filter: Option<Expression>,
}

/// `UNWIND list AS name`
#[derive(Debug, Clone, PartialEq)]
pub struct Unwind {
    /// The whole of it.
    pub span: Span,
    /// The list.
    pub list: Expression,
    /// The variable that takes each of its elements.
    pub variable: Name,
}

/// The body of WITH and RETURN.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// The keyword and what follows.
    pub span: Span,
    /// Whether equal rows become one.
    pub distinct: bool,
    /// The place of `*`, where there is one.
    pub star: Option<Span>,
    /// The items.
    pub items: Vec<Item>,
    /// ORDER BY.
    pub order: Vec<SortItem>,
    /// SKIP.
    pub skip: Option<Expression>,
    /// LIMIT.
    pub limit: Option<Expression>,
}

/// One item of a projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What is computed.
    pub expression: Expression,
    /// Its name, where one is given.
    pub alias: Option<Name>,
    /// The expression as it was written.
    pub text: String,
}

/// One item of ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub struct SortItem {
    /// What rows are ordered by.
    pub expression: Expression,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// `CREATE pattern, ...`; every relationship has one type, a direction, and no length.
#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    /// The whole of it.
    pub span: Span,
    /// What is made.
    pub patterns: Vec<PathPattern>,
}

/// `MERGE pattern [ON CREATE SET ...] [ON MATCH SET ...]`; every relationship has one type and no length.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    /// The whole of it.
    pub span: Span,
    /// What is matched, and made where nothing matches.
    pub pattern: PathPattern,
    /// What is set where it was made.
    pub on_create: Vec<SetItem>,
    /// What is set where it was there.
    pub on_match: Vec<SetItem>,
}

/// `SET item, ...`
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// The whole of it.
    pub span: Span,
    /// What is set, in order.
    pub items: Vec<SetItem>,
}

/// One item of SET.
#[derive(Debug, Clone, PartialEq)]
pub enum SetItem {
    /// `n.name = value`
    Property {
        /// The element.
        owner: Expression,
        /// The property.
        name: Name,
        /// Its value.
        value: Expression,
    },
    /// `n = map`: all other properties become NULL.
    Replace {
        /// The element.
        variable: Name,
        /// A map, a node or a relationship.
        value: Expression,
    },
    /// `n += map`
    Add {
        /// The element.
        variable: Name,
        /// A map, a node or a relationship.
        value: Expression,
    },
    /// `n:label:label`
    Labels {
        /// The element.
        variable: Name,
        /// The labels.
        labels: Vec<Name>,
    },
}

/// `REMOVE item, ...`
#[derive(Debug, Clone, PartialEq)]
pub struct Remove {
    /// The whole of it.
    pub span: Span,
    /// What is removed, in order.
    pub items: Vec<RemoveItem>,
}

/// One item of REMOVE.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoveItem {
    /// `n.name`
    Property {
        /// The element.
        owner: Expression,
        /// The property.
        name: Name,
    },
    /// `n:label:label`
    Labels {
        /// The element.
        variable: Name,
        /// The labels.
        labels: Vec<Name>,
    },
}

/// `[DETACH] DELETE expression, ...`
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// The whole of it.
    pub span: Span,
    /// Whether the relationships of nodes go with them.
    pub detach: bool,
    /// Nodes, relationships and paths.
    pub items: Vec<Expression>,
}

impl Query {
    /// The expressions directly in its clauses.
    pub fn expressions(&self) -> Vec<&Expression> {
        self.parts.iter().flat_map(|part| &part.clauses).flat_map(Clause::expressions).collect()
    }

    /// Whether it changes the graph.
    pub fn writes(&self) -> bool {
        self.parts.iter().flat_map(|part| &part.clauses).any(Clause::writes)
    }
}

impl Clause {
    /// The whole of it.
    pub fn span(&self) -> Span {
        match self {
            Clause::Match(clause) => clause.span,
            Clause::Unwind(clause) => clause.span,
            Clause::With(projection, _) | Clause::Return(projection) => projection.span,
            Clause::Create(clause) => clause.span,
            Clause::Merge(clause) => clause.span,
            Clause::Set(clause) => clause.span,
            Clause::Remove(clause) => clause.span,
            Clause::Delete(clause) => clause.span,
        }
    }

    /// The word that it starts with.
    pub fn keyword(&self) -> &'static str {
        match self {
            Clause::Match(Match { optional: true, .. }) => "OPTIONAL MATCH",
            Clause::Match(_) => "MATCH",
            Clause::Unwind(_) => "UNWIND",
            Clause::With(..) => "WITH",
            Clause::Return(_) => "RETURN",
            Clause::Create(_) => "CREATE",
            Clause::Merge(_) => "MERGE",
            Clause::Set(_) => "SET",
            Clause::Remove(_) => "REMOVE",
            Clause::Delete(Delete { detach: true, .. }) => "DETACH DELETE",
            Clause::Delete(_) => "DELETE",
        }
    }

    /// Whether it changes the graph.
    pub fn writes(&self) -> bool {
        match self {
            Clause::Create(_) | Clause::Merge(_) | Clause::Set(_) | Clause::Remove(_) | Clause::Delete(_) => true,
            Clause::Match(_) | Clause::Unwind(_) | Clause::With(..) | Clause::Return(_) => false,
        }
    }

    /// The expressions directly in it, those of its patterns among them.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Clause::Match(clause) => {
                clause.patterns.iter().flat_map(PathPattern::expressions).chain(&clause.filter).collect()
            }
            Clause::Unwind(clause) => vec![&clause.list],
            Clause::With(projection, filter) => projection.expressions().into_iter().chain(filter).collect(),
            Clause::Return(projection) => projection.expressions(),
            Clause::Create(clause) => clause.patterns.iter().flat_map(PathPattern::expressions).collect(),
            Clause::Merge(clause) => {
                let set = clause.on_create.iter().chain(&clause.on_match).flat_map(SetItem::expressions);
                clause.pattern.expressions().into_iter().chain(set).collect()
            }
            Clause::Set(clause) => clause.items.iter().flat_map(SetItem::expressions).collect(),
            Clause::Remove(clause) => clause
                .items
                .iter()
                .filter_map(|item| match item {
                    RemoveItem::Property { owner, .. } => Some(owner),
                    RemoveItem::Labels { .. } => None,
                })
                .collect(),
            Clause::Delete(clause) => clause.items.iter().collect(),
        }
    }
}

impl Projection {
    fn expressions(&self) -> Vec<&Expression> {
        let items = self.items.iter().map(|item| &item.expression);
        items.chain(self.order.iter().map(|sort| &sort.expression)).chain(&self.skip).chain(&self.limit).collect()
    }
}

impl SetItem {
    fn expressions(&self) -> Vec<&Expression> {
        match self {
            SetItem::Property { owner, value, .. } => vec![owner, value],
            SetItem::Replace { value, .. } | SetItem::Add { value, .. } => vec![value],
            SetItem::Labels { .. } => Vec::new(),
        }
    }
}
