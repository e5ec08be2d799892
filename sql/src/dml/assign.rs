//! Which values a column takes, and what happens to them on the way.
//!
//! A bare string or NULL has no type yet and is read as the column's. Numbers turn into each other where they fit, anything
//! turns into text, and what is too long for `varchar(n)` is an error; text that came from somewhere does not turn into a
//! number by itself (`42804`).

use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::scalar::ScalarValue;
use slipstream_engine::catalog::ColumnDefinition;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::error::from_datafusion;
use crate::pgvector::Kind;
use crate::planner::parameters::with_type;
use crate::types::{CastContext, cast, literal};

/// `expr` as a value of `column`, named after it.
pub(crate) fn assign(expr: Expr, schema: &DFSchema, column: &ColumnDefinition) -> Result<Expr> {
    let to = &column.sql_type;
    let value = match expr.unalias() {
        Expr::Literal(value, _) if value.is_null() => typed_null(to)?,
        Expr::Literal(ScalarValue::Utf8(Some(text)), None) => match literal(to, &text)? {
            // A literal has the dimension that it has; a column of any dimension keeps it in another layout.
            Expr::Literal(value, metadata) if value.data_type() != to.arrow_type() => {
                let from = SqlType::of_arrow(&value.data_type()).ok_or_else(|| mismatch(column, &value.data_type()))?;
                cast(Expr::Literal(value, metadata), &from, to, CastContext::Assignment)?
            }
            value => value,
        },
        expr => {
            let expr = with_type(expr, &to.field("", true)).map_err(from_datafusion)?;
            let (_, field) = expr.to_field(schema).map_err(from_datafusion)?;
            let from = SqlType::of_field(&field).ok_or_else(|| mismatch(column, field.data_type()))?;
            if !is_assignable(&from, to) {
                return Err(mismatch(column, &from));
            }
            cast(expr, &from, to, CastContext::Assignment)?
        }
    };
    Ok(value.alias(&column.name))
}

/// NULL of a type.
pub(crate) fn typed_null(sql_type: &SqlType) -> Result<Expr> {
    let value = ScalarValue::try_from(&sql_type.arrow_type()).map_err(from_datafusion)?;
    Ok(Expr::Literal(value, Some((&sql_type.field("", true)).into())))
}

/// Whether values of one type are stored as another without a cast.
pub(crate) fn is_assignable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Array, Bit, Date, Json, Jsonb, Text, Timestamp, TimestampTz, Varbit, Varchar};
    if from == to || (is_number(from) && is_number(to)) {
        return true;
    }
    match (from, to) {
        (_, Text | Varchar(_)) => true,
        (Date | Timestamp | TimestampTz, Date | Timestamp | TimestampTz) => true,
        (Timestamp | TimestampTz, SqlType::Time) => true,
        (Json | Jsonb, Json | Jsonb) => true,
        (Bit(_) | Varbit(_), Bit(_) | Varbit(_)) => true,
        (from, to) if Kind::of(from).is_some() && Kind::of(to).is_some() => true,
        (Array(item), to) if Kind::of(to).is_some() => is_number(item),
        (from, Array(item)) if Kind::of(from).is_some_and(Kind::is_dense) => is_number(item),
        (Array(from), Array(to)) => is_assignable(from, to),
        _ => false,
    }
}

fn is_number(sql_type: &SqlType) -> bool {
    use SqlType::{BigInt, Double, Integer, Numeric, Real, SmallInt};
    matches!(sql_type, SmallInt | Integer | BigInt | Real | Double | Numeric { .. })
}

fn mismatch(column: &ColumnDefinition, from: &dyn std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::DatatypeMismatch,
        format!("column \"{}\" is of type {} but expression is of type {from}", column.name, column.sql_type),
    )
    .with_hint("You will need to rewrite or cast the expression.")
    .on_column(&column.name)
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::lit;

    use super::*;

    fn column(sql_type: SqlType) -> ColumnDefinition {
        ColumnDefinition { name: "c".into(), sql_type, not_null: false, default: None, identity: None, generated: None }
    }

    #[test]
    fn bare_strings_are_read_as_the_column_s_type() {
        let schema = DFSchema::empty();
        let value = assign(lit("[1,2]"), &schema, &column(SqlType::Vector(2))).expect("reads");
        let (_, field) = value.to_field(&schema).expect("typed");
        assert_eq!(SqlType::of_field(&field), Some(SqlType::Vector(2)));
        let error = assign(lit("x"), &schema, &column(SqlType::Integer)).expect_err("not a number");
        assert_eq!(error.kind(), ErrorKind::InvalidText);
    }

    #[test]
    fn a_boolean_is_not_a_number() {
        let error = assign(lit(true), &DFSchema::empty(), &column(SqlType::Integer)).expect_err("no such cast");
        assert_eq!(error.kind(), ErrorKind::DatatypeMismatch);
        assert_eq!(error.message(), "column \"c\" is of type integer but expression is of type boolean");
    }
}
