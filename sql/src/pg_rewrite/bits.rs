//! Literals of bit strings, for which DataFusion has no type: casts of text to `bit(n)`.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, Value};

/// Gives `B'101'` and `X'1F'` their type.
pub(super) fn typed(expr: &mut Expr) {
    let Expr::Value(value) = expr else { return };
    let (text, length) = match &value.value {
        Value::SingleQuotedByteStringLiteral(digits) => (format!("b{digits}"), digits.chars().count()),
        Value::HexStringLiteral(digits) => (format!("x{digits}"), digits.chars().count() * 4),
        _ => return,
    };
    let data_type = match length {
        0 => DataType::VarBit(None),
        length => DataType::Bit(Some(length as u64)),
    };
    *expr = Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(Expr::Value(Value::SingleQuotedString(text).with_empty_span())),
        data_type,
        array: false,
        format: None,
    };
}
