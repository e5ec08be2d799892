//! Conditions that mean the same to the graph index as they do in SQL become part of the pattern.
//!
//! Such a condition compares properties with constants, parameters and each other, where both are of one kind, or is made of such
//! with AND, OR and NOT. Floating point numbers are not among them (NaN), nor is what depends on the time zone. Whatever
//! the pattern's binder then does not take after all stays a filter, too.

use std::ops::ControlFlow;

use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator as SqlOperator, Expr, Function, FunctionArg, FunctionArgExpr, Ident, Select, Statement,
    TableFactor, UnaryOperator, Value, VisitMut, VisitorMut, visit_expressions,
};
use slipstream_engine::catalog::Catalog;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};
use slipstream_graph_language::lexer::Span;
use slipstream_graph_language::syntax::{BinaryOperator, Comparison, Expression, ExpressionKind, Name};

use super::FUNCTION;
use crate::dml::normalize;
use crate::graph::graph_table::{Elements, GraphTablePattern};

/// Functions of SQL/PGQ.
const FUNCTIONS: &[&str] = &[
    "all_different",
    "binding_count",
    "edge_equal",
    "edge_id",
    "element_id",
    "element_number",
    "matchnum",
    "path_name",
    "property_exists",
    "same",
    "vertex_equal",
    "vertex_id",
];

/// Moves what can be moved into the patterns of a statement. Refuses functions over many rows in COLUMNS, where a row is one match.
pub(crate) fn push(statement: &mut Statement, catalog: &Catalog, functions: &SessionState) -> Result<()> {
    match statement.visit(&mut Push { catalog, functions }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Push<'a> {
    catalog: &'a Catalog,
    functions: &'a SessionState,
}

impl VisitorMut for Push<'_> {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let [from] = select.from.as_mut_slice() else { return ControlFlow::Continue(()) };
        let Some(arguments) = arguments_mut(&mut from.relation) else { return ControlFlow::Continue(()) };
        visit_expressions(&select.projection, |expr| self.check(expr))?;
        visit_expressions(&select.selection, check_functions)?;
        if let Some(selection) = select.selection.take() {
            select.selection = self.push(arguments, selection);
        }
        ControlFlow::Continue(())
    }
}

impl Push<'_> {
    /// Refuses aggregates and window functions.
    fn check(&self, expr: &Expr) -> ControlFlow<Error> {
        check_functions(expr)?;
        let Some((function, name)) = called(expr) else { return ControlFlow::Continue(()) };
        let what = if function.over.is_some() {
            "a window function"
        } else if self.functions.aggregate_functions().contains_key(&name) {
            "an aggregate"
        } else {
            return ControlFlow::Continue(());
        };
        ControlFlow::Break(
            Error::not_supported(format!("{what} in COLUMNS is not supported"))
                .with_hint("Select from GRAPH_TABLE with the function over its columns."),
        )
    }

    /// Adds conditions to the arguments of a pattern; gives those that are left.
    fn push(&self, arguments: &mut Vec<FunctionArg>, selection: Expr) -> Option<Expr> {
        let mut all = Vec::new();
        split(selection, &mut all);
        let pattern = GraphTablePattern::of(arguments, self.catalog).ok();
        let (movable, mut rest): (Vec<Expr>, Vec<Expr>) =
            all.into_iter().partition(|condition| pattern.as_ref().is_some_and(|pattern| pattern.takes(condition)));
        let before = arguments.len();
        arguments.extend(movable.into_iter().map(|condition| FunctionArg::Unnamed(FunctionArgExpr::Expr(condition))));
        let fits = || GraphTablePattern::of(arguments, self.catalog).is_ok_and(|pattern| pattern.binds());
        if arguments.len() > before && !fits() {
            for argument in arguments.drain(before..) {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(condition)) = argument {
                    rest.push(condition);
                }
            }
        }
        rest.into_iter().reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: SqlOperator::And,
            right: Box::new(right),
        })
    }
}

/// The function that an expression calls, and its name.
fn called(expr: &Expr) -> Option<(&Function, String)> {
    let Expr::Function(function) = expr else { return None };
    Some((function, normalize(function.name.0.last()?.as_ident()?)))
}

/// Refuses the functions of SQL/PGQ.
fn check_functions(expr: &Expr) -> ControlFlow<Error> {
    match called(expr) {
        Some((_, name)) if FUNCTIONS.contains(&name.as_str()) => {
            ControlFlow::Break(Error::not_supported(format!("function {name}() of SQL/PGQ is not supported")))
        }
        _ => ControlFlow::Continue(()),
    }
}

/// The arguments of the function that a pattern is.
pub(crate) fn arguments(factor: &TableFactor) -> Option<&[FunctionArg]> {
    match factor {
        TableFactor::Table { name, args: Some(args), .. } if is_function(name) => Some(&args.args),
        TableFactor::Function { name, args, .. } if is_function(name) => Some(args),
        _ => None,
    }
}

fn arguments_mut(factor: &mut TableFactor) -> Option<&mut Vec<FunctionArg>> {
    match factor {
        TableFactor::Table { name, args: Some(args), .. } if is_function(name) => Some(&mut args.args),
        TableFactor::Function { name, args, .. } if is_function(name) => Some(args),
        _ => None,
    }
}

fn is_function(name: &ast::ObjectName) -> bool {
    matches!(name.0.as_slice(), [ast::ObjectNamePart::Identifier(name)] if name.value == FUNCTION)
}

/// Takes `a AND b AND c` apart.
fn split(expr: Expr, all: &mut Vec<Expr>) {
    match expr {
        Expr::Nested(inner) => split(*inner, all),
        Expr::BinaryOp { left, op: SqlOperator::And, right } => {
            split(*left, all);
            split(*right, all);
        }
        other => all.push(other),
    }
}

/// What a side of a comparison is.
#[derive(PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Text,
    /// A type whose constants are written as strings.
    Written(SqlType),
    /// A string, which may be a constant of any of these.
    Literal,
    Parameter,
}

/// The condition in the words of the graph language; none where it could mean something else there.
pub(crate) fn expression(expr: &Expr, elements: &Elements, span: Span) -> Option<Expression> {
    let all = |kind: fn(Vec<Expression>) -> ExpressionKind, left: &Expr, right: &Expr| {
        Some(kind(vec![expression(left, elements, span)?, expression(right, elements, span)?]))
    };
    let kind = match expr {
        Expr::Nested(inner) => return expression(inner, elements, span),
        Expr::BinaryOp { left, op: SqlOperator::And, right } => all(ExpressionKind::And, left, right)?,
        Expr::BinaryOp { left, op: SqlOperator::Or, right } => all(ExpressionKind::Or, left, right)?,
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            ExpressionKind::Not(Box::new(expression(expr, elements, span)?))
        }
        Expr::IsNull(operand) => is_null(operand, false, elements, span)?,
        Expr::IsNotNull(operand) => is_null(operand, true, elements, span)?,
        Expr::BinaryOp { left, op, right } => {
            let operator = comparison(op)?;
            return compared(operator, (left, right), elements, span);
        }
        Expr::Between { expr, negated, low, high } => {
            let from = compared(Comparison::GreaterOrEqual, (expr, low), elements, span)?;
            let to = compared(Comparison::LessOrEqual, (expr, high), elements, span)?;
            negated_if(*negated, ExpressionKind::And(vec![from, to]), span)?
        }
        Expr::InList { expr, list, negated } => {
            let (needle, kind) = operand(expr, elements, span)?;
            let items = list.iter().map(|item| {
                let (item, other) = operand(item, elements, span)?;
                (matches!(item.kind, ExpressionKind::Integer(_) | ExpressionKind::String(_)) && fits(&kind, &other))
                    .then_some(item)
            });
            let items = Expression::new(ExpressionKind::List(items.collect::<Option<_>>()?), span).ok()?;
            let is_in = ExpressionKind::Binary(BinaryOperator::In, Box::new(needle), Box::new(items));
            negated_if(*negated, is_in, span)?
        }
        Expr::CompoundIdentifier(_) => {
            let (property, kind) = operand(expr, elements, span)?;
            return (kind == Kind::Boolean).then_some(property);
        }
        _ => return None,
    };
    Expression::new(kind, span).ok()
}

fn negated_if(negated: bool, kind: ExpressionKind, span: Span) -> Option<ExpressionKind> {
    match negated {
        true => Some(ExpressionKind::Not(Box::new(Expression::new(kind, span).ok()?))),
        false => Some(kind),
    }
}

fn is_null(expr: &Expr, negated: bool, elements: &Elements, span: Span) -> Option<ExpressionKind> {
    let (operand, kind) = operand(expr, elements, span)?;
    let property = matches!(operand.kind, ExpressionKind::Property(..)) && kind != Kind::Parameter;
    property.then(|| ExpressionKind::IsNull { operand: Box::new(operand), negated })
}

fn comparison(operator: &SqlOperator) -> Option<Comparison> {
    Some(match operator {
        SqlOperator::Eq => Comparison::Equal,
        SqlOperator::NotEq => Comparison::NotEqual,
        SqlOperator::Lt => Comparison::Less,
        SqlOperator::LtEq => Comparison::LessOrEqual,
        SqlOperator::Gt => Comparison::Greater,
        SqlOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn compared(
    operator: Comparison,
    (left, right): (&Expr, &Expr),
    elements: &Elements,
    span: Span,
) -> Option<Expression> {
    let (left, left_kind) = operand(left, elements, span)?;
    let (right, right_kind) = operand(right, elements, span)?;
    let property = |side: &Expression| matches!(side.kind, ExpressionKind::Property(..));
    if !(property(&left) || property(&right)) || !fits(&left_kind, &right_kind) {
        return None;
    }
    let kind = ExpressionKind::Binary(BinaryOperator::Compare(operator), Box::new(left), Box::new(right));
    Expression::new(kind, span).ok()
}

/// Whether two sides compare as they are.
fn fits(left: &Kind, right: &Kind) -> bool {
    match (left, right) {
        (Kind::Parameter, _) | (_, Kind::Parameter) => true,
        (Kind::Literal, Kind::Text | Kind::Written(_)) | (Kind::Text | Kind::Written(_), Kind::Literal) => true,
        (left, right) => left == right && *left != Kind::Literal,
    }
}

/// A side of a comparison.
fn operand(expr: &Expr, elements: &Elements, span: Span) -> Option<(Expression, Kind)> {
    let (kind, side) = match expr {
        Expr::Nested(inner) => return operand(inner, elements, span),
        Expr::CompoundIdentifier(idents) => property(idents, elements, span)?,
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => {
                    (ExpressionKind::Integer(format!("-{digits}").parse().ok()?), Kind::Integer)
                }
                _ => return None,
            },
            _ => return None,
        },
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => (ExpressionKind::Integer(digits.parse().ok()?), Kind::Integer),
            Value::SingleQuotedString(text) => (ExpressionKind::String(text.clone()), Kind::Literal),
            Value::Boolean(value) => (ExpressionKind::Boolean(*value), Kind::Boolean),
            Value::Placeholder(id) => {
                let number = id.strip_prefix('$').filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
                (ExpressionKind::Parameter(number.to_string()), Kind::Parameter)
            }
            _ => return None,
        },
        _ => return None,
    };
    Some((Expression::new(kind, span).ok()?, side))
}

fn property(idents: &[Ident], elements: &Elements, span: Span) -> Option<(ExpressionKind, Kind)> {
    let [owner, name] = idents else { return None };
    let (owner, name) = (normalize(owner), normalize(name));
    let kind = match elements.property(&owner, &name)? {
        SqlType::Boolean => Kind::Boolean,
        SqlType::SmallInt | SqlType::Integer | SqlType::BigInt => Kind::Integer,
        SqlType::Text | SqlType::Varchar(_) => Kind::Text,
        written @ (SqlType::Uuid | SqlType::Date | SqlType::Timestamp) => Kind::Written(written),
        _ => return None,
    };
    let owner = Expression::new(ExpressionKind::Variable(owner), span).ok()?;
    Some((ExpressionKind::Property(Box::new(owner), Name { text: name, span }), kind))
}
