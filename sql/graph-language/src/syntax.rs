//! The syntax tree: what was written, with the place of every name and expression, before anything is looked up.

use slipstream_engine::{Error, ErrorKind, Result};

use super::lexer::Span;

/// How deep expressions may nest. Every later pass recurses over the tree, the index's own parser included.
pub const MAX_DEPTH: usize = 64;

/// A name as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A reading query: clauses in order, [`Clause::Return`] last.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
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
}

/// `[OPTIONAL] MATCH pattern, ... [WHERE ...]`
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
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

/// `p = (a)-[r]->(b)...`
#[derive(Debug, Clone, PartialEq)]
pub struct PathPattern {
    /// The path's name.
    pub variable: Option<Name>,
    /// Its first node.
    pub start: NodePattern,
    /// The relationships and nodes after it.
    pub steps: Vec<(RelationshipPattern, NodePattern)>,
}

/// `(n:label {property: value})`
#[derive(Debug, Clone, PartialEq)]
pub struct NodePattern {
    /// The whole of it.
    pub span: Span,
    /// Its name.
    pub variable: Option<Name>,
    /// Labels, any of which will do; empty where none is given.
    pub labels: Vec<Name>,
    /// Properties that must be equal.
    pub properties: Vec<(Name, Expression)>,
}

/// `-[r:type*1..3 {property: value}]->`
#[derive(Debug, Clone, PartialEq)]
pub struct RelationshipPattern {
    /// The whole of it.
    pub span: Span,
    /// Its name.
    pub variable: Option<Name>,
    /// Types, any of which will do; empty where none is given.
    pub types: Vec<Name>,
    /// How many relationships in a row, where it is a path of them.
    pub length: Option<Length>,
    /// Properties that must be equal.
    pub properties: Vec<(Name, Expression)>,
    /// Which way it points.
    pub direction: Direction,
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

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// Where it stands.
    pub span: Span,
    depth: usize,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionKind {
    /// `NULL`
    Null,
    /// `TRUE`, `FALSE`
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A string.
    String(String),
    /// `$name`
    Parameter(String),
    /// A variable.
    Variable(String),
    /// `a.name`
    Property(Box<Expression>, Name),
    /// `[a, b]`
    List(Vec<Expression>),
    /// `NOT a`
    Not(Box<Expression>),
    /// `-a`
    Negate(Box<Expression>),
    /// `a AND b AND c`
    And(Vec<Expression>),
    /// `a OR b OR c`
    Or(Vec<Expression>),
    /// An operator between two operands.
    Binary(BinaryOperator, Box<Expression>, Box<Expression>),
    /// `a IS [NOT] NULL`
    IsNull {
        /// The operand.
        operand: Box<Expression>,
        /// Whether it is IS NOT NULL.
        negated: bool,
    },
    /// `CASE [operand] WHEN a THEN b ... [ELSE c] END`
    Case {
        /// What the WHENs are compared with.
        operand: Option<Box<Expression>>,
        /// WHEN and THEN.
        branches: Vec<(Expression, Expression)>,
        /// ELSE.
        otherwise: Option<Box<Expression>>,
    },
    /// `name([DISTINCT] a, b)`
    Call {
        /// The function.
        name: Name,
        /// Whether equal arguments count once.
        distinct: bool,
        /// Its arguments.
        arguments: Vec<Expression>,
    },
    /// `count(*)`
    CountRows,
}

/// Operators between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `XOR`
    Xor,
    /// A comparison.
    Compare(Comparison),
    /// `+ - * / % ^`
    Arithmetic(Arithmetic),
    /// `STARTS WITH`, `ENDS WITH`, `CONTAINS`
    Match(StringMatch),
    /// `IN`
    In,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The operator as it is written, in SQL as in Cypher.
    pub fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

/// Arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `+`, for strings too
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `^`
    Power,
}

impl Arithmetic {
    /// The operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Modulo => "%",
            Arithmetic::Power => "^",
        }
    }
}

/// Operators that look for a string in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringMatch {
    /// `STARTS WITH`
    Prefix,
    /// `ENDS WITH`
    Suffix,
    /// `CONTAINS`
    Infix,
}

impl StringMatch {
    /// The operator as it is written.
    pub fn words(self) -> &'static str {
        match self {
            StringMatch::Prefix => "STARTS WITH",
            StringMatch::Suffix => "ENDS WITH",
            StringMatch::Infix => "CONTAINS",
        }
    }
}

impl Expression {
    /// An expression over others; `54001` where they nest too deep.
    pub fn new(kind: ExpressionKind, span: Span) -> Result<Expression> {
        let depth = 1 + kind.children().map(|child| child.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(too_complex(span));
        }
        Ok(Expression { kind, span, depth })
    }

    /// The same expression with what is around it: its parentheses.
    #[must_use]
    pub fn within(self, span: Span) -> Expression {
        Expression { span, ..self }
    }
}

/// The error for an expression that nests too deep.
pub fn too_complex(span: Span) -> Error {
    Error::new(ErrorKind::TooComplex, "expression nests too deep")
        .with_detail(format!("Expressions may be {MAX_DEPTH} levels deep."))
        .at(span.position())
}

impl ExpressionKind {
    /// The expressions directly below.
    pub fn children(&self) -> Box<dyn Iterator<Item = &Expression> + '_> {
        match self {
            ExpressionKind::Null
            | ExpressionKind::Boolean(_)
            | ExpressionKind::Integer(_)
            | ExpressionKind::Float(_)
            | ExpressionKind::String(_)
            | ExpressionKind::Parameter(_)
            | ExpressionKind::Variable(_)
            | ExpressionKind::CountRows => Box::new(std::iter::empty()),
            ExpressionKind::Property(operand, _)
            | ExpressionKind::Not(operand)
            | ExpressionKind::Negate(operand)
            | ExpressionKind::IsNull { operand, .. } => Box::new(std::iter::once(operand.as_ref())),
            ExpressionKind::List(items) | ExpressionKind::And(items) | ExpressionKind::Or(items) => {
                Box::new(items.iter())
            }
            ExpressionKind::Binary(_, left, right) => Box::new([left.as_ref(), right.as_ref()].into_iter()),
            ExpressionKind::Case { operand, branches, otherwise } => Box::new(
                operand
                    .as_deref()
                    .into_iter()
                    .chain(branches.iter().flat_map(|(when, then)| [when, then]))
                    .chain(otherwise.as_deref()),
            ),
            ExpressionKind::Call { arguments, .. } => Box::new(arguments.iter()),
        }
    }
}
