//! The functions that mean the same here, in openCypher and in the index, and by name those that do not.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::scope::Binding;
use super::types::{Class, constant, mismatch};
use crate::bound::{Function, Value, ValueKind};
use crate::lexer::Span;
use crate::syntax::{Expression, ExpressionKind, Name};

/// Functions of openCypher that the index has not, or has with other rules (case mapping, code points, rounding).
const LEFT_TO_SQL: &[&str] = &[
    "acos",
    "asin",
    "atan",
    "atan2",
    "char_length",
    "character_length",
    "cos",
    "cot",
    "degrees",
    "e",
    "exp",
    "haversin",
    "left",
    "log",
    "log10",
    "lower",
    "ltrim",
    "pi",
    "radians",
    "rand",
    "replace",
    "reverse",
    "right",
    "round",
    "rtrim",
    "sign",
    "sin",
    "split",
    "sqrt",
    "substring",
    "tan",
    "toboolean",
    "tointeger",
    "tolower",
    "tostring",
    "toupper",
    "trim",
    "upper",
    "duration",
    "localtime",
    "time",
    "timestamp",
];

/// Functions of openCypher on graph elements and lists that are not done.
const UNDONE: &[&str] = &[
    "elementid",
    "endnode",
    "head",
    "id",
    "keys",
    "last",
    "nodes",
    "percentilecont",
    "percentiledisc",
    "point",
    "properties",
    "range",
    "relationships",
    "rels",
    "shortestpath",
    "startnode",
    "stdev",
    "stdevp",
    "tail",
];

impl Binder<'_> {
    /// A function call, an aggregate among them.
    pub(super) fn call(&mut self, name: &Name, distinct: bool, arguments: &[Expression], span: Span) -> Result<Value> {
        let function = name.text.to_lowercase();
        if let Some(aggregate) = self.aggregate(&function, distinct, arguments, span)? {
            return Ok(aggregate);
        }
        if distinct {
            return Err(Error::new(
                ErrorKind::WrongObjectType,
                format!("DISTINCT specified, but {} is not an aggregate function", name.text),
            )
            .at(name.span.position()));
        }
        match function.as_str() {
            "coalesce" => self.coalesce(arguments, span),
            "abs" => {
                let value = self.number_argument(&function, arguments, span)?;
                let sql_type = value.sql_type.clone().unwrap_or(SqlType::BigInt);
                Ok(Value::new(ValueKind::Call(Function::Abs, vec![value]), sql_type))
            }
            "floor" | "ceil" => {
                let value = self.number_argument(&function, arguments, span)?.cast(SqlType::Double);
                let function = if function == "floor" { Function::Floor } else { Function::Ceil };
                Ok(Value::new(ValueKind::Call(function, vec![value]), SqlType::Double))
            }
            "tofloat" => Ok(self.number_argument("toFloat", arguments, span)?.cast(SqlType::Double)),
            "size" | "length" => self.length(&function, arguments, span),
            "type" => self.relationship_type(arguments, span),
            "labels" => self.labels(arguments, span),
            "exists" => {
                let value = self.value(one("exists", arguments, span)?)?;
                Ok(Value::new(ValueKind::IsNull { operand: Box::new(value), negated: true }, SqlType::Boolean))
            }
            "date" => self.constant_of(SqlType::Date, "date", arguments, span),
            "localdatetime" => self.constant_of(SqlType::Timestamp, "localdatetime", arguments, span),
            "datetime" => self.constant_of(SqlType::TimestampTz, "datetime", arguments, span),
            other => Err(unknown(name, other)),
        }
    }

    fn coalesce(&mut self, arguments: &[Expression], span: Span) -> Result<Value> {
        if arguments.is_empty() {
            return Err(wrong_count("coalesce", span));
        }
        let values = arguments.iter().map(|argument| self.item_value(argument)).collect::<Result<Vec<_>>>()?;
        let (values, sql_type) = self.common(values, span)?;
        Ok(Value::new(ValueKind::Call(Function::Coalesce, values), sql_type))
    }

    fn number_argument(&mut self, function: &str, arguments: &[Expression], span: Span) -> Result<Value> {
        let argument = one(function, arguments, span)?;
        let value = self.item_value(argument)?;
        self.number(value, argument.span, function)
    }

    /// How long a path or a list is.
    fn length(&mut self, function: &str, arguments: &[Expression], span: Span) -> Result<Value> {
        let argument = one(function, arguments, span)?;
        if let ExpressionKind::Variable(name) = &argument.kind {
            match self.scope.binding(name, argument.span)? {
                Binding::Path(length) if function == "length" => return Ok(length.clone()),
                Binding::Walk(variable) => {
                    return Ok(Value::new(ValueKind::Length(0, vec![variable.clone()]), SqlType::BigInt));
                }
                _ => {}
            }
        }
        let value = self.item_value(argument)?;
        match &value.sql_type {
            Some(SqlType::Array(_)) if function == "size" => {
                Ok(Value::new(ValueKind::Call(Function::Size, vec![value]), SqlType::BigInt))
            }
            Some(other) if Class::of(other) == Class::Text => Err(left_to_sql(function).at(span.position())),
            _ => Err(mismatch(format!("{function} needs a path or a list"), argument.span)),
        }
    }

    fn relationship_type(&mut self, arguments: &[Expression], span: Span) -> Result<Value> {
        let argument = one("type", arguments, span)?;
        match &argument.kind {
            ExpressionKind::Variable(name) => match self.scope.binding(name, argument.span)? {
                Binding::Relationship(element) => {
                    Ok(element.by_table(&SqlType::Text, |member| match member.labels.first() {
                        Some(label) => ValueKind::String(label.clone()),
                        None => ValueKind::Null,
                    }))
                }
                _ => Err(mismatch("type needs a relationship", argument.span)),
            },
            _ => Err(mismatch("type needs a relationship", argument.span)),
        }
    }

    fn labels(&mut self, arguments: &[Expression], span: Span) -> Result<Value> {
        let argument = one("labels", arguments, span)?;
        match &argument.kind {
            ExpressionKind::Variable(name) => match self.scope.binding(name, argument.span)? {
                Binding::Node(element) => Ok(element.by_table(&SqlType::Array(Box::new(SqlType::Text)), |member| {
                    let label = |label: &String| Value::new(ValueKind::String(label.clone()), SqlType::Text);
                    ValueKind::List(member.labels.iter().map(label).collect())
                })),
                _ => Err(mismatch("labels needs a node", argument.span)),
            },
            _ => Err(mismatch("labels needs a node", argument.span)),
        }
    }

    /// `date('2024-01-31')`: a constant of a type that Cypher has no literals for.
    fn constant_of(
        &mut self,
        sql_type: SqlType,
        function: &str,
        arguments: &[Expression],
        span: Span,
    ) -> Result<Value> {
        let argument = one(function, arguments, span)?;
        match &argument.kind {
            ExpressionKind::String(text) => {
                Ok(Value::new(ValueKind::Constant(constant(text, &sql_type, argument.span)?), sql_type))
            }
            ExpressionKind::Parameter(name) => {
                let known = self.parameters.reference(name, argument.span)?;
                let value = Value { kind: ValueKind::Parameter(name.clone()), sql_type: known };
                let value = self.towards(value, Some(&sql_type), argument.span)?;
                if value.sql_type.as_ref() == Some(&sql_type) {
                    return Ok(value);
                }
                Err(mismatch(format!("{function} needs a string"), argument.span))
            }
            _ => Err(Error::not_supported(format!(
                "{function} of anything but a string or a parameter is not supported"
            ))
            .at(argument.span.position())),
        }
    }
}

/// The only argument of a function.
pub(super) fn one<'e>(function: &str, arguments: &'e [Expression], span: Span) -> Result<&'e Expression> {
    match arguments {
        [argument] => Ok(argument),
        _ => Err(wrong_count(function, span)),
    }
}

fn wrong_count(function: &str, span: Span) -> Error {
    Error::new(ErrorKind::UndefinedFunction, format!("wrong number of arguments for function {function}"))
        .at(span.position())
}

fn left_to_sql(function: &str) -> Error {
    Error::not_supported(format!("function {function} of a string in Cypher is not supported"))
        .with_hint("Call SQL's function over the columns that cypher() returns.")
}

fn unknown(name: &Name, folded: &str) -> Error {
    if LEFT_TO_SQL.contains(&folded) {
        return Error::not_supported(format!("function {} in Cypher is not supported", name.text))
            .with_hint("Call SQL's function over the columns that cypher() returns.")
            .at(name.span.position());
    }
    if UNDONE.contains(&folded) {
        let error = Error::not_supported(format!("function {} is not supported", name.text));
        let error = match folded {
            "id" | "elementid" => {
                error.with_hint("Elements are known by the key of their table; return that property.")
            }
            _ => error,
        };
        return error.at(name.span.position());
    }
    Error::new(ErrorKind::UndefinedFunction, format!("function {} does not exist", name.text)).at(name.span.position())
}
