//! From DataFusion's errors to ours.
//!
//! Errors that this project raises travel through DataFusion as `External` and are unwrapped here unchanged. What DataFusion
//! and Arrow raise themselves is classified by variant; where a variant says only "planning failed", the well-known messages
//! are recognised by their text in one place ([`planning`]), because nothing else tells an unknown function from a type
//! mismatch. Nothing here shows a file or line of this program.

use arrow::error::ArrowError;
use datafusion::common::diagnostic::Diagnostic;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use slipstream_engine::{Error, ErrorKind};

use crate::source::SourceText;

/// The error that a client should see.
pub fn from_datafusion(error: DataFusionError) -> Error {
    convert(error, None)
}

/// What is wrong with a text of text search.
pub(crate) fn from_text_search(error: slipstream_text_search::Error) -> Error {
    use slipstream_text_search::ErrorKind as Kind;
    let kind = match error.kind {
        Kind::Syntax => ErrorKind::Syntax,
        Kind::TooLong => ErrorKind::TooComplex,
        Kind::InvalidParameter => ErrorKind::InvalidParameter,
        Kind::UndefinedField => ErrorKind::UndefinedColumn,
        Kind::UndefinedConfig => ErrorKind::UndefinedObject,
    };
    Error::new(kind, error.message)
}

/// As [`from_datafusion`], pointing at the place in the statement where DataFusion knows it.
pub(crate) fn from_datafusion_in(error: DataFusionError, source: &SourceText) -> Error {
    convert(error, Some(source))
}

fn convert(error: DataFusionError, source: Option<&SourceText>) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(inner) => foreign(inner, source),
        },
        DataFusionError::Diagnostic(diagnostic, inner) => locate(convert(*inner, source), &diagnostic, source),
        DataFusionError::Context(_, inner) => convert(*inner, source),
        DataFusionError::Shared(inner) => shared(&inner),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => convert(first, source),
            None => Error::internal("an empty collection of errors"),
        },
        DataFusionError::ArrowError(inner, _) => from_arrow(*inner),
        DataFusionError::SchemaError(inner, _) => schema(&inner, source),
        DataFusionError::Plan(message) => planning(&message),
        DataFusionError::NotImplemented(message) => not_implemented(&message),
        DataFusionError::SQL(inner, _) => Error::new(ErrorKind::Syntax, plain(&inner.to_string())),
        DataFusionError::ResourcesExhausted(message) => out_of_memory(&message),
        DataFusionError::Execution(message) => execution(&message),
        DataFusionError::Configuration(message) => Error::new(ErrorKind::InvalidParameter, plain(&message)),
        DataFusionError::IoError(inner) => Error::storage(format!("cannot read or write: {}", inner.kind())),
        DataFusionError::ExecutionJoin(inner) if inner.is_cancelled() => {
            Error::new(ErrorKind::Cancelled, "canceling statement due to user request")
        }
        DataFusionError::ExecutionJoin(_) => Error::internal("a part of the query stopped unexpectedly"),
        other => {
            tracing::error!(error = %other, "unexpected error from the query engine");
            Error::internal(plain(other.strip_backtrace().as_str()))
        }
    }
}

/// Errors of other libraries inside `External`.
fn foreign(inner: Box<dyn std::error::Error + Send + Sync>, source: Option<&SourceText>) -> Error {
    let inner = match inner.downcast::<DataFusionError>() {
        Ok(nested) => return convert(*nested, source),
        Err(inner) => inner,
    };
    match inner.downcast::<ArrowError>() {
        Ok(arrow) => from_arrow(*arrow),
        Err(unknown) => {
            tracing::error!(error = %unknown, "unexpected error from a library");
            Error::internal("an unexpected error happened while running the statement")
                .with_hint("The server's log has the particulars.")
        }
    }
}

/// An error that several readers share: what can be copied is copied, the rest is told by its text.
fn shared(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Shared(inner) => shared(inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => shared(inner),
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(nested) => shared(nested),
                None => Error::internal("an unexpected error happened while running the statement"),
            },
        },
        DataFusionError::ArrowError(inner, _) => shared_arrow(inner),
        DataFusionError::ResourcesExhausted(message) => out_of_memory(message),
        DataFusionError::Execution(message) => execution(message),
        DataFusionError::Plan(message) => planning(message),
        DataFusionError::NotImplemented(message) => not_implemented(message),
        other => Error::internal(plain(other.strip_backtrace().as_str())),
    }
}

fn shared_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(nested) => shared(nested),
                None => Error::internal("an unexpected error happened while running the statement"),
            },
        },
        ArrowError::DivideByZero => Error::new(ErrorKind::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(message) => overflow(message),
        ArrowError::CastError(message) | ArrowError::ParseError(message) => cast(message),
        ArrowError::MemoryError(message) => out_of_memory(message),
        other => Error::new(ErrorKind::DataException, plain(&other.to_string())),
    }
}

/// The error that a client should see for one of Arrow's.
pub(crate) fn from_arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(inner) => foreign(inner, None),
        },
        ArrowError::NotYetImplemented(message) => Error::not_supported(plain(&message)),
        ArrowError::IoError(_, inner) => Error::storage(format!("cannot read or write: {}", inner.kind())),
        other => shared_arrow(&other),
    }
}

fn schema(error: &SchemaError, source: Option<&SourceText>) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            if let Some(relation) = &field.relation
                && valid_fields
                    .iter()
                    .all(|known| known.relation.as_ref().is_none_or(|r| r.table() != relation.table()))
            {
                let message = format!("missing FROM-clause entry for table \"{}\"", relation.table());
                return pointed(Error::new(ErrorKind::UndefinedTable, message), field, source);
            }
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => format!("\"{}\"", field.name),
            };
            let error =
                Error::new(ErrorKind::UndefinedColumn, format!("column {name} does not exist")).on_column(&field.name);
            pointed(error, field, source)
        }
        SchemaError::AmbiguousReference { field } => ambiguous(&field.name),
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            ambiguous(name)
        }
    }
}

/// Points an error at the place where a column is written.
fn pointed(error: Error, column: &Column, source: Option<&SourceText>) -> Error {
    match (source, column.spans().first()) {
        (Some(source), Some(span)) => source.point(error, span.start.line, span.start.column),
        _ => error,
    }
}

fn ambiguous(column: &str) -> Error {
    Error::new(ErrorKind::AmbiguousColumn, format!("column reference \"{column}\" is ambiguous")).on_column(column)
}

/// Adds the place that a diagnostic points at.
fn locate(error: Error, diagnostic: &Diagnostic, source: Option<&SourceText>) -> Error {
    match (source, diagnostic.span, error.position()) {
        (Some(source), Some(span), None) => source.point(error, span.start.line, span.start.column),
        _ => error,
    }
}

fn out_of_memory(message: &str) -> Error {
    Error::new(ErrorKind::OutOfMemory, "out of memory")
        .with_detail(sentence(&plain(message)))
        .with_hint("The statement needs more memory than the server may use; sort, group or join fewer rows.")
}

/// Errors of the planner, which have no variant of their own for each cause.
fn planning(message: &str) -> Error {
    let message = plain(message);
    if message.starts_with("LIMIT must be") {
        return Error::new(ErrorKind::InvalidLimit, "LIMIT must not be negative");
    }
    if message.starts_with("OFFSET must be") {
        return Error::new(ErrorKind::InvalidOffset, "OFFSET must not be negative");
    }
    if message.contains("oo many columns! The subquery should only return one column") {
        return Error::new(ErrorKind::Syntax, "subquery must return only one column");
    }
    if let Some(name) = between(&message, "Invalid function '", "'") {
        return Error::new(ErrorKind::UndefinedFunction, format!("function {name} does not exist"))
            .with_hint("No function matches the given name. You might need to add explicit type casts.");
    }
    if let Some(name) = between(&message, "table function '", "' not found") {
        return Error::new(ErrorKind::UndefinedFunction, format!("function {name} does not exist"));
    }
    if let Some(name) = between(&message, "to satisfy a call to '", "' function")
        .or_else(|| between(&message, "name and argument types '", "'"))
        .or_else(|| between(&message, "The function '", "'"))
        .or_else(|| between(&message, "Error during planning: Function '", "'"))
    {
        return Error::new(ErrorKind::UndefinedFunction, format!("function {} does not exist", signature(name)))
            .with_hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            );
    }
    if message.contains("subquery can only be used in") || message.contains("orrelated scalar subquery") {
        return Error::not_supported("a subquery that refers to columns outside of it is not supported here")
            .with_hint("A join with the subquery's tables may say the same.");
    }
    if message.contains("must appear in the GROUP BY clause") {
        let column = between(&message, "column \"", "\"").map(|name| name.replace('"', ""));
        let subject = column.map_or_else(|| "an expression".to_string(), |name| format!("column \"{name}\""));
        return Error::new(
            ErrorKind::Grouping,
            format!("{subject} must appear in the GROUP BY clause or be used in an aggregate function"),
        );
    }
    if message.contains("Aggregate functions are not allowed in the WHERE clause") {
        return Error::new(ErrorKind::Grouping, "aggregate functions are not allowed in WHERE");
    }
    if message.contains("non-boolean predicate") {
        return Error::new(ErrorKind::DatatypeMismatch, "argument of WHERE must be type boolean");
    }
    if message.contains("Cannot coerce")
        || message.contains("Cannot infer common argument type")
        || message.contains("Cannot get result type")
        || message.contains("There isn't a common type")
    {
        return Error::new(ErrorKind::UndefinedFunction, "operator does not exist for these types")
            .with_detail(sentence(&message))
            .with_hint(
                "No operator matches the given name and argument types. You might need to add explicit type casts.",
            );
    }
    if message.contains("Cannot cast") || message.contains("Unsupported CAST") || message.contains("data type") {
        return Error::new(ErrorKind::DatatypeMismatch, lower_first(&message));
    }
    if message.contains("have different number of columns") {
        return Error::new(ErrorKind::Syntax, "each set operation query must have the same number of columns");
    }
    if message.contains("not supported") || message.contains("Unsupported") || message.contains("not implemented") {
        return Error::not_supported(lower_first(&message));
    }
    Error::new(ErrorKind::Syntax, lower_first(&message))
}

/// Expressions that no plan has are told by their kind; DataFusion prints their insides.
fn not_implemented(message: &str) -> Error {
    let message = plain(message);
    let Some(expression) = message.strip_prefix("Physical plan does not support logical expression ") else {
        return Error::not_supported(message);
    };
    match expression.split(['(', ' ', '{']).next().unwrap_or_default() {
        "AggregateFunction" => Error::new(ErrorKind::Grouping, "aggregate functions are not allowed here")
            .with_detail("Calls of aggregate functions cannot be nested, nor stand where single rows are computed."),
        "WindowFunction" => Error::new(ErrorKind::Grouping, "window functions are not allowed here"),
        "OuterReferenceColumn" => {
            Error::not_supported("a subquery that refers to the query around it in this way is not supported yet")
        }
        "InSubquery" | "Exists" | "ScalarSubquery" | "SetComparison" => {
            Error::not_supported("a subquery in this place is not supported yet")
        }
        _ => Error::not_supported("an expression of this kind is not supported in this place"),
    }
}

fn execution(message: &str) -> Error {
    let message = plain(message);
    if message.contains("Divide by zero") || message.contains("DivideByZero") {
        return Error::new(ErrorKind::DivisionByZero, "division by zero");
    }
    if message.contains("verflow") {
        return overflow(&message);
    }
    if message.contains("Scalar subquery") || message.contains("more than one row") {
        return Error::new(ErrorKind::Cardinality, "more than one row returned by a subquery used as an expression");
    }
    Error::new(ErrorKind::DataException, lower_first(&message))
}

fn overflow(message: &str) -> Error {
    Error::new(ErrorKind::NumericOutOfRange, "value out of range").with_detail(sentence(&plain(message)))
}

/// Arrow's own casts tell the value and the type in their text only.
fn cast(message: &str) -> Error {
    if let (Some(value), Some(data_type)) =
        (between(message, "Cannot cast string '", "' to value of "), between(message, "' to value of ", " type"))
    {
        let name = type_name(data_type);
        return Error::new(ErrorKind::InvalidText, format!("invalid input syntax for type {name}: \"{value}\""));
    }
    if let Some(data_type) = message.split(" to type ").nth(1).filter(|_| message.starts_with("Can't cast value")) {
        return Error::new(ErrorKind::NumericOutOfRange, format!("{} out of range", type_name(data_type.trim())));
    }
    if message.contains("out of range") || message.contains("too large to store") || message.contains("verflow") {
        return overflow(message);
    }
    if message.contains("not supported") {
        return Error::new(ErrorKind::DatatypeMismatch, lower_first(&plain(message)));
    }
    Error::new(ErrorKind::InvalidText, lower_first(&plain(message)))
}

/// `upper(Int64, Int64)` with the names that the types have in SQL; a name alone stays as it is.
fn signature(call: &str) -> String {
    match call.strip_suffix(')').and_then(|call| call.split_once('(')) {
        Some((name, types)) => {
            let types: Vec<&str> = types.split(", ").map(type_name).collect();
            format!("{name}({})", types.join(", "))
        }
        None => call.to_string(),
    }
}

/// The SQL name of an Arrow type as its messages write it.
fn type_name(arrow: &str) -> &str {
    match arrow {
        "Boolean" => "boolean",
        "Int8" | "Int16" | "UInt8" => "smallint",
        "Int32" | "UInt16" => "integer",
        "Int64" | "UInt32" | "UInt64" => "bigint",
        "Float16" | "Float32" => "real",
        "Float64" => "double precision",
        "Utf8" | "LargeUtf8" | "Utf8View" => "text",
        "Binary" | "LargeBinary" | "BinaryView" => "bytea",
        "Null" => "unknown",
        "Date32" | "Date64" => "date",
        decimal if decimal.starts_with("Decimal") => "numeric",
        timestamp if timestamp.starts_with("Timestamp") => "timestamp",
        time if time.starts_with("Time") => "time",
        interval if interval.starts_with("Interval") => "interval",
        other => other,
    }
}

/// One line, without the prefixes and backtraces that DataFusion adds.
fn plain(message: &str) -> String {
    let mut text = message.lines().next().unwrap_or_default();
    for prefix in ["Error during planning: ", "Execution error: ", "This feature is not implemented: ", "SQL error: "] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text.trim_end_matches('.').to_string()
}

fn lower_first(text: &str) -> String {
    let mut rest = text.chars();
    match (rest.next(), text.chars().nth(1)) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(rest).collect()
        }
        _ => text.to_string(),
    }
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let from = text.find(start)? + start.len();
    let rest = &text[from..];
    Some(&rest[..rest.find(end)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_errors_come_back_unchanged_however_deep() {
        let ours = Error::new(ErrorKind::UndefinedTable, "relation \"x\" does not exist").with_hint("A hint.");
        let nested = DataFusionError::Context(
            "while planning".into(),
            Box::new(DataFusionError::Shared(std::sync::Arc::new(DataFusionError::ArrowError(
                Box::new(ArrowError::ExternalError(Box::new(DataFusionError::from(ours)))),
                None,
            )))),
        );
        let seen = from_datafusion(nested);
        assert_eq!(seen.kind(), ErrorKind::UndefinedTable);
        assert_eq!(seen.hint(), Some("A hint."));
    }

    #[test]
    fn arrow_errors_are_classified() {
        let cases = [
            (ArrowError::DivideByZero, ErrorKind::DivisionByZero),
            (ArrowError::ArithmeticOverflow("Overflow happened on: 1 + 1".into()), ErrorKind::NumericOutOfRange),
            (ArrowError::CastError("Cannot cast string 'x' to value of Int32 type".into()), ErrorKind::InvalidText),
            (ArrowError::CastError("Can't cast value 70000 to type Int16".into()), ErrorKind::NumericOutOfRange),
        ];
        for (error, kind) in cases {
            assert_eq!(from_datafusion(DataFusionError::ArrowError(Box::new(error), None)).kind(), kind);
        }
    }

    #[test]
    fn a_failed_cast_reads_as_postgres_says_it() {
        let error = cast("Cannot cast string 'abc' to value of Int32 type");
        assert_eq!(error.message(), "invalid input syntax for type integer: \"abc\"");
    }
}
