//! Expressions.

use slipstream_engine::{Error, ErrorKind, Result};

use super::{LabelExpression, Name, PathPattern, Query};
use crate::lexer::Span;

/// How deep expressions may nest. Every later pass recurses over the tree, the index's own parser included.
pub const MAX_DEPTH: usize = 64;

/// How many nodes an expression may have. What is written once can be in the tree twice (`a < b < c`), and so on inside it.
pub const MAX_SIZE: usize = 1_000_000;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// Where it stands.
    pub span: Span,
    depth: usize,
    size: usize,
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
    /// `{name: a, other: b}`
    Map(Vec<(Name, Expression)>),
    /// `a[b]`: an element of a list, or an entry of a map, node or relationship.
    Index(Box<Expression>, Box<Expression>),
    /// `a[from..to]`
    Slice {
        /// The list.
        list: Box<Expression>,
        /// The first element, from 0.
        from: Option<Box<Expression>>,
        /// One after the last element.
        to: Option<Box<Expression>>,
    },
    /// `[x IN list WHERE condition | result]`
    ListComprehension {
        /// The variable that takes each element.
        variable: Name,
        /// The list.
        list: Box<Expression>,
        /// Which elements are taken.
        filter: Option<Box<Expression>>,
        /// What is made of each; the element itself where nothing is said.
        result: Option<Box<Expression>>,
    },
    /// `any(x IN list WHERE condition)`
    Quantified {
        /// How many elements must fulfil the condition.
        quantifier: Quantifier,
        /// The variable that takes each element.
        variable: Name,
        /// The list.
        list: Box<Expression>,
        /// The condition.
        condition: Box<Expression>,
    },
    /// `reduce(accumulator = start, x IN list | step)`
    Reduce {
        /// The variable that takes what was computed so far.
        accumulator: Name,
        /// What it is before the first element.
        start: Box<Expression>,
        /// The variable that takes each element.
        variable: Name,
        /// The list.
        list: Box<Expression>,
        /// What it becomes with an element.
        step: Box<Expression>,
    },
    /// `(a)-[r]->(b)`: whether there is such a path; with a search, the paths.
    Pattern(Box<PathPattern>),
    /// `[(a)-[r]->(b) WHERE condition | result]`
    PatternComprehension {
        /// The pattern.
        pattern: Box<PathPattern>,
        /// Which matches are taken.
        filter: Option<Box<Expression>>,
        /// What is made of each.
        result: Box<Expression>,
    },
    /// `EXISTS { ... }`; a pattern by itself is a query of one MATCH.
    Exists(Box<Query>),
    /// `COUNT { ... }`; a pattern by itself is a query of one MATCH.
    Count(Box<Query>),
    /// `n {.name, .*, other: a, b}`
    MapProjection {
        /// The map, node or relationship.
        variable: Name,
        /// What is taken of it, and added.
        items: Vec<MapProjectionItem>,
    },
    /// `a:label`
    HasLabels(Box<Expression>, LabelExpression),
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

/// One item of a projection of a map.
#[derive(Debug, Clone, PartialEq)]
pub enum MapProjectionItem {
    /// `.name`
    Property(Name),
    /// `.*`
    All(Span),
    /// `name: value`
    Entry(Name, Expression),
    /// `variable`, under its own name
    Variable(Name),
}

/// How many elements of a list must fulfil a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// `all`
    All,
    /// `any`: at least one
    Any,
    /// `none`
    None,
    /// `single`: exactly one
    Single,
}

impl Quantifier {
    /// The word as it is written.
    pub fn word(self) -> &'static str {
        match self {
            Quantifier::All => "all",
            Quantifier::Any => "any",
            Quantifier::None => "none",
            Quantifier::Single => "single",
        }
    }
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
    /// `=~`
    Regex,
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
    /// An expression over others; `54001` where they nest too deep, or are too many.
    pub fn new(kind: ExpressionKind, span: Span) -> Result<Expression> {
        let children = kind.children();
        let depth = 1 + children.iter().map(|child| child.depth).max().unwrap_or(0);
        let size = 1 + children.iter().map(|child| child.size).sum::<usize>();
        if depth > MAX_DEPTH {
            return Err(too_complex(span));
        }
        if size > MAX_SIZE {
            return Err(Error::new(ErrorKind::TooComplex, "expression is too large")
                .with_detail(format!("Expressions may have {MAX_SIZE} parts."))
                .at(span.position()));
        }
        Ok(Expression { kind, span, depth, size })
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
        .with_detail(format!(
            "Expressions may be {MAX_DEPTH} levels deep; a pattern or subquery inside one counts for several."
        ))
        .at(span.position())
}

impl ExpressionKind {
    /// The expressions directly below, those of patterns and subqueries among them.
    pub fn children(&self) -> Vec<&Expression> {
        match self {
            ExpressionKind::Null
            | ExpressionKind::Boolean(_)
            | ExpressionKind::Integer(_)
            | ExpressionKind::Float(_)
            | ExpressionKind::String(_)
            | ExpressionKind::Parameter(_)
            | ExpressionKind::Variable(_)
            | ExpressionKind::CountRows => Vec::new(),
            ExpressionKind::Property(operand, _)
            | ExpressionKind::Not(operand)
            | ExpressionKind::Negate(operand)
            | ExpressionKind::HasLabels(operand, _)
            | ExpressionKind::IsNull { operand, .. } => vec![operand],
            ExpressionKind::List(items)
            | ExpressionKind::And(items)
            | ExpressionKind::Or(items)
            | ExpressionKind::Call { arguments: items, .. } => items.iter().collect(),
            ExpressionKind::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
            ExpressionKind::Binary(_, left, right) | ExpressionKind::Index(left, right) => vec![left, right],
            ExpressionKind::Slice { list, from, to } => {
                std::iter::once(list.as_ref()).chain(from.as_deref()).chain(to.as_deref()).collect()
            }
            ExpressionKind::ListComprehension { list, filter, result, .. } => {
                std::iter::once(list.as_ref()).chain(filter.as_deref()).chain(result.as_deref()).collect()
            }
            ExpressionKind::Quantified { list, condition, .. } => vec![list, condition],
            ExpressionKind::Reduce { start, list, step, .. } => vec![start, list, step],
            ExpressionKind::Pattern(pattern) => pattern.expressions(),
            ExpressionKind::PatternComprehension { pattern, filter, result } => {
                pattern.expressions().into_iter().chain(filter.as_deref()).chain([result.as_ref()]).collect()
            }
            ExpressionKind::Exists(query) | ExpressionKind::Count(query) => query.expressions(),
            ExpressionKind::MapProjection { items, .. } => items
                .iter()
                .filter_map(|item| match item {
                    MapProjectionItem::Entry(_, value) => Some(value),
                    MapProjectionItem::Property(_) | MapProjectionItem::All(_) | MapProjectionItem::Variable(_) => None,
                })
                .collect(),
            ExpressionKind::Case { operand, branches, otherwise } => operand
                .as_deref()
                .into_iter()
                .chain(branches.iter().flat_map(|(when, then)| [when, then]))
                .chain(otherwise.as_deref())
                .collect(),
        }
    }
}
