//! Values as expressions of the index.

use slipstream_engine::types::SqlType;

use crate::bound::{Aggregate, Function, Value, ValueKind};
use crate::syntax::{Comparison, StringMatch};

/// Whether the difference between false and NULL can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// It cannot: the value decides whether a row is kept.
    Filter,
    /// It can.
    Exact,
}

/// A value wherever it is more than a filter.
pub(super) fn exact(value: &Value) -> String {
    value_text(value, Truth::Exact)
}

/// A value.
pub(super) fn value_text(value: &Value, truth: Truth) -> String {
    match &value.kind {
        ValueKind::Null => cast_text("NULL", value.sql_type.as_ref()),
        ValueKind::Boolean(true) => "true".to_string(),
        ValueKind::Boolean(false) => "false".to_string(),
        ValueKind::Integer(number) if value.sql_type == Some(SqlType::BigInt) => number.to_string(),
        ValueKind::Integer(number) => cast_text(&number.to_string(), value.sql_type.as_ref()),
        ValueKind::Float(number) => format!("{number:?}"),
        ValueKind::String(string) => string_text(string),
        ValueKind::Constant(constant) => cast_text(&string_text(constant), value.sql_type.as_ref()),
        ValueKind::Parameter(name) => format!("${name}"),
        ValueKind::Property { variable, column, .. } => format!("{variable}.{}", quoted(column)),
        ValueKind::Variable { name, .. } => name.clone(),
        ValueKind::Identity(variable) => format!("id({variable})"),
        ValueKind::Table(variable) => format!("label({variable})"),
        ValueKind::Not(operand) => format!("(NOT {})", exact(operand)),
        ValueKind::Negate(operand) => format!("(- {})", exact(operand)),
        ValueKind::And(operands) => infix(operands, "AND", truth),
        ValueKind::Or(operands) => infix(operands, "OR", truth),
        ValueKind::Xor(left, right) => format!("({} XOR {})", exact(left), exact(right)),
        ValueKind::Compare(operator, left, right) => comparison_text(*operator, left, right),
        ValueKind::Arithmetic(operator, left, right) => {
            format!("({} {} {})", exact(left), operator.symbol(), exact(right))
        }
        ValueKind::Concatenate(left, right) => {
            let (left, right) = (exact(left), exact(right));
            format!(
                "(CASE WHEN {left} IS NULL OR {right} IS NULL THEN CAST(NULL AS STRING) ELSE concat({left}, {right}) END)"
            )
        }
        ValueKind::Match(operator, left, right) => match_operator_text(*operator, left, right),
        ValueKind::InItems(needle, items) => in_items_text(needle, items, truth),
        ValueKind::InList(needle, list) => in_list_text(needle, list, truth),
        ValueKind::IsNull { operand, negated } => {
            format!("({} IS {}NULL)", exact(operand), if *negated { "NOT " } else { "" })
        }
        ValueKind::Case { branches, otherwise } => case_text(branches, otherwise),
        ValueKind::List(items) if items.is_empty() => cast_text("[]", value.sql_type.as_ref()),
        ValueKind::List(items) => format!("[{}]", list_text(items)),
        ValueKind::Cast(operand) if same_in_index(operand.sql_type.as_ref(), value.sql_type.as_ref()) => {
            value_text(operand, truth)
        }
        ValueKind::Cast(operand) => cast_text(&exact(operand), value.sql_type.as_ref()),
        ValueKind::Call(function, arguments) => format!("{}({})", function_name(*function), list_text(arguments)),
        ValueKind::Length(fixed, walks) => length_text(*fixed, walks),
        ValueKind::Map(_)
        | ValueKind::Whole(_)
        | ValueKind::Path(_)
        | ValueKind::Local(_)
        | ValueKind::Access(..)
        | ValueKind::Slice(..)
        | ValueKind::Pattern(..)
        | ValueKind::Comprehension { .. }
        | ValueKind::Quantified { .. }
        | ValueKind::Reduce { .. }
        | ValueKind::Subquery(_) => BEYOND.to_string(),
        ValueKind::Aggregate { function, distinct, argument, .. } => {
            aggregate_text(*function, *distinct, argument.as_deref(), value.sql_type.as_ref())
        }
    }
}

/// Stands for what the index does not compute; the binder has noted it, and no text with it is run.
const BEYOND: &str = "?";

fn infix(operands: &[Value], operator: &str, truth: Truth) -> String {
    let operands: Vec<String> = operands.iter().map(|operand| value_text(operand, truth)).collect();
    format!("({})", operands.join(&format!(" {operator} ")))
}

fn list_text(items: &[Value]) -> String {
    items.iter().map(exact).collect::<Vec<_>>().join(", ")
}

fn comparison_text(operator: Comparison, left: &Value, right: &Value) -> String {
    let float = |value: &Value| matches!(value.sql_type, Some(SqlType::Real | SqlType::Double));
    match operator {
        Comparison::Less if float(left) => format!("({} > {})", exact(right), exact(left)),
        Comparison::LessOrEqual if float(left) => format!("({} >= {})", exact(right), exact(left)),
        _ => format!("({} {} {})", exact(left), operator.symbol(), exact(right)),
    }
}

fn match_operator_text(operator: StringMatch, left: &Value, right: &Value) -> String {
    let matches = |operator: StringMatch| format!("({} {} {})", exact(left), operator.words(), exact(right));
    let known = matches!(&right.kind, ValueKind::String(string) if !string.is_empty());
    if operator != StringMatch::Infix || known {
        return matches(operator);
    }
    format!(
        "(CASE WHEN {} = '' THEN {} ELSE {} END)",
        exact(right),
        matches(StringMatch::Suffix),
        matches(StringMatch::Infix)
    )
}

fn in_items_text(needle: &Value, items: &[Value], truth: Truth) -> String {
    let needle = exact(needle);
    match (items, truth) {
        ([], _) => "false".to_string(),
        (_, Truth::Filter) => format!("({needle} IN [{}])", list_text(items)),
        (_, Truth::Exact) => {
            let equal: Vec<String> = items.iter().map(|item| format!("{needle} = {}", exact(item))).collect();
            format!("({})", equal.join(" OR "))
        }
    }
}

fn in_list_text(needle: &Value, list: &Value, truth: Truth) -> String {
    let (needle, list) = (exact(needle), exact(list));
    match truth {
        Truth::Filter => format!("list_contains({list}, {needle})"),
        Truth::Exact => format!(
            "(CASE WHEN {list} IS NULL THEN CAST(NULL AS BOOL) WHEN size({list}) = 0 THEN false \
             WHEN list_contains({list}, {needle}) THEN true \
             WHEN {needle} IS NULL OR any(x IN {list} WHERE x IS NULL) THEN CAST(NULL AS BOOL) ELSE false END)"
        ),
    }
}

fn case_text(branches: &[(Value, Value)], otherwise: &Value) -> String {
    let branches: Vec<String> = branches
        .iter()
        .map(|(when, then)| format!("WHEN {} THEN {}", value_text(when, Truth::Filter), exact(then)))
        .collect();
    format!("(CASE {} ELSE {} END)", branches.join(" "), exact(otherwise))
}

fn length_text(fixed: i64, walks: &[String]) -> String {
    let lengths: Vec<String> = (fixed > 0 || walks.is_empty())
        .then(|| fixed.to_string())
        .into_iter()
        .chain(walks.iter().map(|walk| format!("length({walk})")))
        .collect();
    cast_text(&lengths.join(" + "), Some(&SqlType::BigInt))
}

fn function_name(function: Function) -> &'static str {
    match function {
        Function::Coalesce => "coalesce",
        Function::Abs => "abs",
        Function::Floor => "floor",
        Function::Ceil => "ceil",
        Function::Size => "size",
        _ => BEYOND,
    }
}

fn aggregate_text(function: Aggregate, distinct: bool, argument: Option<&Value>, sql_type: Option<&SqlType>) -> String {
    let Some(argument) = argument else { return "count(*)".to_string() };
    let argument = format!("{}{}", if distinct { "DISTINCT " } else { "" }, exact(argument));
    match function {
        Aggregate::Count => format!("count({argument})"),
        Aggregate::Sum if sql_type == Some(&SqlType::BigInt) => {
            cast_text(&format!("coalesce(sum({argument}), 0)"), sql_type)
        }
        Aggregate::Sum => format!("coalesce(sum({argument}), 0.0)"),
        Aggregate::Average => format!("avg({argument})"),
        Aggregate::Minimum => format!("min({argument})"),
        Aggregate::Maximum => format!("max({argument})"),
        Aggregate::Collect => format!("collect({argument})"),
        Aggregate::StandardDeviation
        | Aggregate::PopulationDeviation
        | Aggregate::PercentileContinuous
        | Aggregate::PercentileDiscrete => BEYOND.to_string(),
    }
}

/// A value as one of a type.
pub(super) fn cast_text(value: &str, sql_type: Option<&SqlType>) -> String {
    match sql_type {
        Some(sql_type) => format!("CAST({value} AS {})", index_type(sql_type)),
        None => value.to_string(),
    }
}

fn same_in_index(left: Option<&SqlType>, right: Option<&SqlType>) -> bool {
    left.map(index_type) == right.map(index_type)
}

/// The index's name of a type. Only covered types come here, and lists of them.
fn index_type(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Boolean => "BOOL".to_string(),
        SqlType::SmallInt => "INT16".to_string(),
        SqlType::Integer => "INT32".to_string(),
        SqlType::BigInt => "INT64".to_string(),
        SqlType::Real => "FLOAT".to_string(),
        SqlType::Double => "DOUBLE".to_string(),
        SqlType::Uuid => "UUID".to_string(),
        SqlType::Date => "DATE".to_string(),
        SqlType::Timestamp => "TIMESTAMP".to_string(),
        SqlType::TimestampTz => "TIMESTAMP_TZ".to_string(),
        SqlType::Array(item) => format!("{}[]", index_type(item)),
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Numeric { .. }
        | SqlType::Bytea
        | SqlType::Time
        | SqlType::Interval
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::TsVector
        | SqlType::TsQuery
        | SqlType::Vector(_)
        | SqlType::Halfvec(_)
        | SqlType::Sparsevec(_)
        | SqlType::Bit(_)
        | SqlType::Varbit(_) => "STRING".to_string(),
    }
}

/// A name between backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string literal.
fn string_text(string: &str) -> String {
    format!("'{}'", string.replace('\\', "\\\\").replace('\'', "\\'"))
}
